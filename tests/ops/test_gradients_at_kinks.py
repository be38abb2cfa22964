"""First derivatives at ties, bounds, kinks and poles, compared with real Keras.

Each row gives a function, a point, and the gradients of sum(f * [1, 2, 3, ...]) that Keras 3.15.1 on JAX 0.10.2 gave there in float32
(`jax.grad`). nan and inf are expected results like any other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy import inf, nan

import graphkit
from graphkit import ops
from graphkit.engine import run
from graphkit.ir.gradient import grad
from graphkit.ir.simplify import simplify
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import trace


class Row(NamedTuple):
    """A function, the point, and the gradient with respect to each of its arguments there."""

    name: str
    function: Callable[..., Any]
    point: list[Any]
    gradients: list[Any]


row = Row

# fmt: off
# ruff: noqa: E501
ROWS = [
    row("maximum of equals", lambda x, y: ops.maximum(x, y), [[1.0, 2.0, 3.0], [1.0, 1.0, 4.0]], [[0.5, 2.0, 0.0], [0.5, 0.0, 3.0]]),
    row("minimum of equals", lambda x, y: ops.minimum(x, y), [[1.0, 2.0, 3.0], [1.0, 1.0, 4.0]], [[0.5, 0.0, 3.0], [0.5, 2.0, 0.0]]),
    row("maximum with number", lambda x: ops.maximum(x, 1.0), [[0.0, 1.0, 2.0]], [[0.0, 1.0, 3.0]]),
    row("minimum with number", lambda x: ops.minimum(x, 1.0), [[0.0, 1.0, 2.0]], [[1.0, 1.0, 0.0]]),
    row("clip at bounds", lambda x: ops.clip(x, -1.0, 1.0), [[-2.0, -1.0, 0.0, 1.0, 2.0]], [[0.0, 1.0, 3.0, 2.0, 0.0]]),
    row("clip equal bounds", lambda x: ops.clip(x, 1.0, 1.0), [[0.0, 1.0, 2.0]], [[0.0, 0.5, 0.0]]),
    row("clip tensor bounds", lambda x, y, z: ops.clip(x, y, z), [[-1.0, 0.0, 1.0], [-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]], [[0.5, 2.0, 1.5], [0.5, 0.0, 0.0], [0.0, 0.0, 1.5]]),
    row("max of equals", lambda x: ops.max(x, axis=-1), [[[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]]], [[[0.0, 0.5, 0.5], [0.6666667, 0.6666667, 0.6666667]]]),
    row("min of equals", lambda x: ops.min(x, axis=-1), [[[1.0, 1.0, 3.0], [2.0, 2.0, 2.0]]], [[[0.5, 0.5, 0.0], [0.6666667, 0.6666667, 0.6666667]]]),
    row("max all", lambda x: ops.max(x), [[[1.0, 3.0], [3.0, 3.0]]], [[[0.0, 0.3333333], [0.3333333, 0.3333333]]]),
    row("amax", lambda x: ops.amax(x, axis=0), [[[1.0, 3.0], [1.0, 2.0]]], [[[0.5, 2.0], [0.5, 0.0]]]),
    row("amin", lambda x: ops.amin(x, axis=0), [[[1.0, 3.0], [1.0, 2.0]]], [[[0.5, 0.0], [0.5, 2.0]]]),
    row("max initial", lambda x: ops.max(x, axis=-1, initial=3.0), [[[1.0, 3.0, 2.0], [2.0, 2.0, 2.0]]], [[[0.0, 0.5, 0.0], [0.0, 0.0, 0.0]]]),
    row("ptp", lambda x: ops.ptp(x, axis=-1), [[[1.0, 1.0, 3.0, 3.0]]], [[[-0.5, -0.5, 0.5, 0.5]]]),
    row("sort", lambda x: ops.sort(x), [[2.0, 1.0, 2.0, 1.0]], [[3.0, 1.0, 4.0, 2.0]]),
    row("sort axis", lambda x: ops.sort(x, axis=0), [[[2.0, 1.0], [2.0, 1.0]]], [[[1.0, 2.0], [3.0, 4.0]]]),
    row("top_k", lambda x: ops.top_k(x, 2)[0], [[1.0, 2.0, 2.0, 2.0]], [[0.0, 1.0, 2.0, 0.0]]),
    row("relu", lambda x: ops.relu(x), [[-1.0, 0.0, 1.0]], [[0.0, 0.0, 3.0]]),
    row("relu6", lambda x: ops.relu6(x), [[-1.0, 0.0, 3.0, 6.0, 7.0]], [[0.0, 0.0, 3.0, 0.0, 0.0]]),
    row("leaky_relu", lambda x: ops.leaky_relu(x, 0.2), [[-1.0, 0.0, 1.0]], [[0.2, 2.0, 3.0]]),
    row("elu", lambda x: ops.elu(x), [[-1.0, 0.0, 1.0]], [[0.3678795, 2.0, 3.0]]),
    row("selu", lambda x: ops.selu(x), [[-1.0, 0.0, 1.0]], [[0.6467686, 3.516199, 3.152103]]),
    row("celu", lambda x: ops.celu(x), [[-1.0, 0.0, 1.0]], [[0.3678795, 2.0, 3.0]]),
    row("hard_sigmoid", lambda x: ops.hard_sigmoid(x), [[-3.0, 0.0, 3.0]], [[0.0, 0.3333333, 0.0]]),
    row("hard_swish", lambda x: ops.hard_swish(x), [[-3.0, 0.0, 3.0]], [[0.0, 1.0, 3.0]]),
    row("hard_tanh", lambda x: ops.hard_tanh(x), [[-1.0, 0.0, 1.0]], [[1.0, 2.0, 3.0]]),
    row("hard_shrink", lambda x: ops.hard_shrink(x), [[-0.5, 0.0, 0.5]], [[0.0, 0.0, 0.0]]),
    row("soft_shrink", lambda x: ops.soft_shrink(x), [[-0.5, 0.0, 0.5]], [[0.0, 0.0, 0.0]]),
    row("threshold", lambda x: ops.threshold(x, 0.5, 0.0), [[0.0, 0.5, 1.0]], [[0.0, 0.0, 3.0]]),
    row("squareplus", lambda x: ops.squareplus(x), [[0.0]], [[0.5]]),
    row("sparse_plus", lambda x: ops.sparse_plus(x), [[-1.0, 0.0, 1.0]], [[0.0, 1.0, 3.0]]),
    row("sparse_sigmoid", lambda x: ops.sparse_sigmoid(x), [[-1.0, 0.0, 1.0]], [[0.25, 1.0, 0.75]]),
    row("tanh_shrink", lambda x: ops.tanh_shrink(x), [[0.0]], [[0.0]]),
    row("log_sigmoid", lambda x: ops.log_sigmoid(x), [[0.0]], [[0.5]]),
    row("silu", lambda x: ops.silu(x), [[0.0]], [[0.5]]),
    row("gelu", lambda x: ops.gelu(x), [[0.0]], [[0.5]]),
    row("glu", lambda x: ops.glu(x), [[0.0, 1.0, 2.0, 0.0]], [[0.880797, 1.0, 0.0, 0.5]]),
    row("abs", lambda x: ops.abs(x), [[-1.0, 0.0, 1.0]], [[-1.0, 2.0, 3.0]]),
    row("sign", lambda x: ops.sign(x), [[-1.0, 0.0, 1.0]], [[0.0, 0.0, 0.0]]),
    row("sqrt", lambda x: ops.sqrt(x), [[0.0, 1.0, 4.0]], [[inf, 1.0, 0.75]]),
    row("rsqrt", lambda x: ops.rsqrt(x), [[0.0, 1.0, 4.0]], [[-inf, -1.0, -0.1875]]),
    row("square of sqrt", lambda x: ops.square(ops.sqrt(x)), [[0.0, 1.0]], [[nan, 2.0]]),
    row("reciprocal", lambda x: ops.reciprocal(x), [[0.0, 1.0]], [[-inf, -2.0]]),
    row("log", lambda x: ops.log(x), [[0.0, 1.0]], [[inf, 2.0]]),
    row("log1p", lambda x: ops.log1p(x), [[-1.0, 0.0]], [[inf, 2.0]]),
    row("log negative", lambda x: ops.log(x), [[-1.0]], [[-1.0]]),
    row("cbrt", lambda x: ops.cbrt(x), [[0.0, 8.0, -8.0]], [[inf, 0.1666667, 0.25]]),
    row("norm", lambda x: ops.norm(x), [[0.0, 0.0, 0.0]], [[nan, nan, nan]]),
    row("norm axis", lambda x: ops.norm(x, axis=-1), [[[0.0, 0.0], [3.0, 4.0]]], [[[nan, nan], [1.2, 1.6]]]),
    row("norm 1", lambda x: ops.norm(x, ord=1), [[0.0, 1.0, -1.0]], [[1.0, 1.0, -1.0]]),
    row("norm inf", lambda x: ops.norm(x, ord=inf), [[2.0, -2.0, 1.0]], [[0.5, -0.5, 0.0]]),
    row("norm -inf", lambda x: ops.norm(x, ord=-inf), [[2.0, -2.0, 3.0]], [[0.5, -0.5, 0.0]]),
    row("norm 3", lambda x: ops.norm(x, ord=3), [[0.0, 1.0, -1.0]], [[0.0, 0.6299605, -0.6299605]]),
    row("norm fro", lambda x: ops.norm(x, ord='fro', axis=(0,1)), [[[0.0, 0.0], [0.0, 0.0]]], [[[nan, nan], [nan, nan]]]),
    row("normalize", lambda x: ops.normalize(x), [[[0.0, 0.0], [3.0, 4.0]]], [[[nan, nan], [0.0, 0.0]]]),
    row("l2 normalize order1", lambda x: ops.normalize(x, order=1), [[[0.0, 1.0], [3.0, 4.0]]], [[[-1.0, 0.0], [-0.08163261, 0.06122452]]]),
    row("unit_normalization", lambda x: graphkit.layers.UnitNormalization()(x), [[[0.0, 0.0], [3.0, 4.0]]], [[[nan, nan], [0.0, 0.0]]]),
    row("power 0 base", lambda x: ops.power(x, 2.0), [[0.0, 1.0]], [[0.0, 4.0]]),
    row("power 0 base half", lambda x: ops.power(x, 0.5), [[0.0, 1.0]], [[inf, 1.0]]),
    row("power 0^0", lambda x, y: ops.power(x, y), [[0.0, 1.0, 2.0], [0.0, 0.0, 0.0]], [[nan, 0.0, 0.0], [0.0, 0.0, 2.079442]]),
    row("power 0 base y", lambda x, y: ops.power(x, y), [[0.0, 0.0, 0.0], [1.0, 2.0, 0.5]], [[1.0, 0.0, inf], [0.0, 0.0, 0.0]]),
    row("power neg base", lambda x, y: ops.power(x, y), [[-2.0, -1.0], [2.0, 3.0]], [[-4.0, 6.0], [nan, nan]]),
    row("x**1", lambda x: x ** 1.0, [[0.0, -1.0]], [[1.0, 2.0]]),
    row("x**2", lambda x: x ** 2, [[0.0, -1.0]], [[0.0, -4.0]]),
    row("x**0", lambda x: x ** 0.0, [[0.0, -1.0]], [[nan, -0.0]]),
    row("prod zero", lambda x: ops.prod(x), [[0.0, 2.0, 3.0]], [[6.0, 0.0, 0.0]]),
    row("prod two zeros", lambda x: ops.prod(x), [[0.0, 0.0, 3.0]], [[0.0, 0.0, 0.0]]),
    row("cumprod zero", lambda x: ops.cumprod(x), [[2.0, 0.0, 3.0, 0.0]], [[1.0, 22.0, 0.0, 0.0]]),
    row("std const", lambda x: ops.std(x), [[1.0, 1.0, 1.0]], [[nan, nan, nan]]),
    row("var const", lambda x: ops.var(x), [[1.0, 1.0, 1.0]], [[0.0, 0.0, 0.0]]),
    row("median odd ties", lambda x: ops.median(x), [[1.0, 2.0, 2.0]], [[0.0, 1.0, 0.0]]),
    row("median even", lambda x: ops.median(x), [[1.0, 2.0, 2.0, 3.0]], [[0.0, 0.5, 0.5, 0.0]]),
    row("median even2", lambda x: ops.median(x), [[4.0, 1.0, 2.0, 3.0]], [[0.0, 0.0, 0.5, 0.5]]),
    row("quantile", lambda x: ops.quantile(x, 0.5), [[1.0, 2.0, 2.0, 3.0]], [[0.0, 0.5, 0.5, 0.0]]),
    row("quantile .25", lambda x: ops.quantile(x, 0.25), [[1.0, 2.0, 2.0, 3.0]], [[0.25, 0.75, 0.0, 0.0]]),
    row("quantile lower", lambda x: ops.quantile(x, 0.3, method='lower'), [[1.0, 2.0, 2.0, 3.0]], [[1.0, 0.0, 0.0, 0.0]]),
    row("quantile nearest", lambda x: ops.quantile(x, 0.5, method='nearest'), [[1.0, 2.0, 3.0, 4.0]], [[0.0, 1.0, 0.0, 0.0]]),
    row("where", lambda x, y: ops.where(x > 0, x, y), [[0.0, 1.0], [2.0, 3.0]], [[0.0, 2.0], [1.0, 0.0]]),
    row("where nan branch", lambda x: ops.where(x > 0, ops.sqrt(x), 0.0), [[-1.0, 0.0, 1.0]], [[nan, nan, 1.5]]),
    row("segment_max", lambda x: ops.segment_max(x, np.array([0,0,1,1]), num_segments=2), [[1.0, 1.0, 2.0, 3.0]], [[0.5, 0.5, 0.0, 2.0]]),
    row("segment_sum", lambda x: ops.segment_sum(x, np.array([0,0,1,1]), num_segments=2), [[1.0, 1.0, 2.0, 3.0]], [[1.0, 1.0, 2.0, 2.0]]),
    row("max_pool", lambda x: ops.max_pool(ops.reshape(x,(1,4,1)), 2, 2), [[1.0, 1.0, 2.0, 3.0]], [[1.0, 0.0, 0.0, 2.0]]),
    row("max_pool overlap", lambda x: ops.max_pool(ops.reshape(x,(1,4,1)), 3, 1), [[1.0, 2.0, 2.0, 2.0]], [[0.0, 3.0, 0.0, 0.0]]),
    row("max_pool same", lambda x: ops.max_pool(ops.reshape(x,(1,4,1)), 3, 1, padding='same'), [[1.0, 1.0, 1.0, 1.0]], [[3.0, 3.0, 4.0, 0.0]]),
    row("max_pool2d", lambda x: ops.max_pool(ops.reshape(x,(1,2,2,1)), 2, 2), [[5.0, 5.0, 5.0, 5.0]], [[1.0, 0.0, 0.0, 0.0]]),
    row("avg_pool", lambda x: ops.average_pool(ops.reshape(x,(1,4,1)), 2, 2), [[1.0, 1.0, 2.0, 3.0]], [[0.5, 0.5, 1.0, 1.0]]),
    row("logsumexp", lambda x: ops.logsumexp(x), [[1.0, 1.0]], [[0.5, 0.5]]),
    row("logsumexp -inf", lambda x: ops.logsumexp(x), [[-inf, 1.0]], [[0.0, 1.0]]),
    row("logsumexp all -inf", lambda x: ops.logsumexp(x), [[-inf, -inf]], [[nan, nan]]),
    row("softmax ties", lambda x: ops.softmax(x), [[1.0, 1.0, 0.0]], [[-0.3095781, 0.1127408, 0.1968374]]),
    row("sparsemax", lambda x: ops.sparsemax(x), [[[1.0, 1.0, 0.0]]], [[[-1.0, 0.25, 0.0]]]),
    row("sparsemax border", lambda x: ops.sparsemax(x), [[[1.0, 0.0]]], [[[-1.0, 1.0]]]),
    row("logaddexp eq", lambda x, y: ops.logaddexp(x, y), [[1.0, 0.0], [1.0, 2.0]], [[0.5, 0.2384058], [0.5, 1.761594]]),
    row("logaddexp2", lambda x, y: ops.logaddexp2(x, y), [[1.0, 0.0], [1.0, 2.0]], [[0.5, 0.4], [0.5, 1.6]]),
    row("hypot", lambda x, y: ops.hypot(x, y), [[0.0, 3.0], [0.0, 4.0]], [[0.5, 1.2], [0.5, 1.6]]),
    row("arctan2", lambda x, y: ops.arctan2(x, y), [[0.0, 0.0, 1.0], [0.0, -1.0, 1.0]], [[nan, -2.0, 1.5], [nan, -0.0, -1.5]]),
    row("arcsin", lambda x: ops.arcsin(x), [[-1.0, 0.0, 1.0]], [[inf, 2.0, inf]]),
    row("arccos", lambda x: ops.arccos(x), [[-1.0, 0.0, 1.0]], [[-inf, -2.0, -inf]]),
    row("arccosh", lambda x: ops.arccosh(x), [[1.0, 2.0]], [[inf, 1.154701]]),
    row("arctanh", lambda x: ops.arctanh(x), [[-1.0, 0.0, 1.0]], [[inf, 2.0, inf]]),
    row("sinc", lambda x: ops.sinc(x), [[0.0, 0.5, 1.0]], [[0.0, -2.546479, -3.0]]),
    row("mod", lambda x, y: ops.mod(x, y), [[4.0, 5.0, -5.0], [2.0, 3.0, 3.0]], [[1.0, 2.0, 3.0], [-2.0, -2.0, 6.0]]),
    row("floor_divide", lambda x, y: ops.floor_divide(x, y), [[4.0, 5.0], [2.0, 3.0]], [[0.0, 0.0], [0.0, 0.0]]),
    row("floor", lambda x: ops.floor(x), [[0.0, 0.5]], [[0.0, 0.0]]),
    row("round", lambda x: ops.round(x), [[0.5, 1.5]], [[0.0, 0.0]]),
    row("divide_no_nan", lambda x, y: ops.divide_no_nan(x, y), [[1.0, 1.0], [0.0, 2.0]], [[0.0, 1.0], [0.0, -0.5]]),
    row("divide 0", lambda x, y: ops.divide(x, y), [[1.0, 1.0], [0.0, 2.0]], [[inf, 1.0], [-inf, -0.5]]),
    row("heaviside", lambda x, y: ops.heaviside(x, y), [[-1.0, 0.0, 1.0], [0.5, 0.5, 0.5]], [[0.0, 0.0, 0.0], [0.0, 2.0, 0.0]]),
    row("nan_to_num", lambda x: ops.nan_to_num(x), [[nan, inf, 1.0]], [[0.0, 0.0, 3.0]]),
    row("trapezoid", lambda x: ops.trapezoid(x), [[1.0, 1.0, 2.0]], [[0.5, 1.0, 0.5]]),
    row("diff", lambda x: ops.diff(x), [[1.0, 1.0, 2.0]], [[-1.0, -1.0, 2.0]]),
    row("argmax gather", lambda x: ops.take(x, ops.argmax(x)), [[1.0, 2.0, 2.0]], [[0.0, 1.0, 0.0]]),
    row("unique sort cumsum", lambda x: ops.cumsum(ops.sort(x)), [[1.0, 2.0, 2.0]], [[6.0, 5.0, 3.0]]),
    row("huber at delta", lambda x: graphkit.losses.huber(ops.zeros_like(x), x), [[0.0, 1.0, -1.0, 2.0]], [[0.0, 0.25, -0.25, 0.25]]),
    row("mae zero", lambda x: graphkit.losses.mean_absolute_error(ops.zeros_like(x), x), [[0.0, 1.0]], [[-0.5, 0.5]]),
    row("hinge", lambda x: graphkit.losses.hinge(ops.ones_like(x), x), [[1.0, 0.0, 2.0]], [[-0.1666667, -0.3333333, -0.0]]),
    row("squared_hinge", lambda x: graphkit.losses.squared_hinge(ops.ones_like(x), x), [[1.0, 0.0, 2.0]], [[-0.0, -0.6666667, -0.0]]),
    row("categorical_hinge", lambda x: graphkit.losses.categorical_hinge(np.array([[1.,0.,0.]],'float32'), x), [[[1.0, 1.0, 1.0]]], [[[-1.0, 0.5, 0.5]]]),
    row("mape", lambda x: graphkit.losses.mean_absolute_percentage_error(ops.ones_like(x), x), [[1.0, 0.0]], [[-50.0, -50.0]]),
    row("msle", lambda x: graphkit.losses.mean_squared_logarithmic_error(ops.ones_like(x), x), [[0.0, -1.0, 1.0]], [[-0.0, -0.0, 0.0]]),
    row("log_cosh", lambda x: graphkit.losses.log_cosh(ops.zeros_like(x), x), [[0.0, 1.0]], [[0.0, 0.3807971]]),
    row("kld", lambda x: graphkit.losses.kl_divergence(np.array([[0.,1.]],'float32'), x), [[[0.0, 1.0]]], [[[-0.0, -0.5]]]),
    row("bce edge", lambda x: graphkit.losses.binary_crossentropy(np.array([0.,1.,0.],'float32'), x), [[0.0, 1.0, 0.5]], [[0.0, -0.0, 0.6666667]]),
    row("cce edge", lambda x: graphkit.losses.categorical_crossentropy(np.array([[0.,1.]],'float32'), x), [[[0.0, 1.0]]], [[[-0.0, -0.0]]]),
    row("scce edge", lambda x: graphkit.losses.sparse_categorical_crossentropy(np.array([1]), x), [[[0.0, 1.0]]], [[[-0.0, -0.0]]]),
    row("bce logits", lambda x: graphkit.losses.binary_crossentropy(np.array([0.,1.],'float32'), x, from_logits=True), [[0.0, 0.0]], [[0.25, -0.25]]),
    row("max of outer ties", lambda x: ops.max(x, axis=(0,1)), [[[1.0, 2.0], [2.0, 2.0]]], [[[0.0, 0.3333333], [0.3333333, 0.3333333]]]),
    row("relu grad at neg0", lambda x: ops.relu(x), [[-0.0]], [[0.0]]),
    row("maximum zero neg zero", lambda x, y: ops.maximum(x, y), [[0.0, -0.0], [-0.0, 0.0]], [[0.5, 1.0], [0.5, 1.0]]),
    row("max nan", lambda x: ops.max(x), [[1.0, nan]], [[nan, nan]]),
    row("maximum nan", lambda x, y: ops.maximum(x, y), [[1.0, nan], [nan, 1.0]], [[0.0, 0.0], [0.0, 0.0]]),
    row("clip nan", lambda x: ops.clip(x, 0., 1.), [[nan]], [[0.0]]),
    row("expm1", lambda x: ops.expm1(x), [[0.0]], [[1.0]]),
    row("erfinv", lambda x: ops.erfinv(x), [[0.0]], [[0.886227]]),
    row("softplus", lambda x: ops.softplus(x), [[0.0]], [[0.5]]),
    row("nanmax", lambda x: ops.nanmax(x), [[nan, 1.0, 1.0]], [[0.0, 0.5, 0.5]]),
    row("nansum", lambda x: ops.nansum(x), [[nan, 1.0, 1.0]], [[0.0, 1.0, 1.0]]),
    row("max activation relu max_value", lambda x: graphkit.activations.relu(x, max_value=6.0), [[0.0, 6.0, 7.0]], [[0.0, 0.0, 0.0]]),
    row("relu threshold", lambda x: graphkit.activations.relu(x, threshold=1.0), [[0.0, 1.0, 2.0]], [[0.0, 0.0, 3.0]]),
    row("relu neg slope", lambda x: graphkit.activations.relu(x, negative_slope=.1), [[-1.0, 0.0, 2.0]], [[0.1, 2.0, 3.0]]),
    row("maxnorm", lambda x: graphkit.constraints.MaxNorm(1.0)(x), [[[0.0, 3.0], [0.0, 4.0]]], [[[nan, -0.128], [nan, 0.09600002]]]),
    row("unitnorm", lambda x: graphkit.constraints.UnitNorm()(x), [[[0.0, 3.0], [0.0, 4.0]]], [[[nan, -0.128], [nan, 0.09600002]]]),
    row("nonneg", lambda x: graphkit.constraints.NonNeg()(x), [[-1.0, 0.0, 1.0]], [[0.0, 1.0, 3.0]]),
    row("l1", lambda x: graphkit.regularizers.L1(1.0)(x), [[-1.0, 0.0, 1.0]], [[-1.0, 1.0, 1.0]]),
    row("global max pool", lambda x: graphkit.layers.GlobalMaxPooling1D()(ops.reshape(x,(1,4,1))), [[1.0, 2.0, 2.0, 0.0]], [[0.0, 0.5, 0.5, 0.0]]),
    row("maximum layer", lambda x, y: graphkit.layers.Maximum()([x, y]), [[1.0, 2.0, 3.0], [1.0, 1.0, 4.0]], [[0.5, 2.0, 0.0], [0.5, 0.0, 3.0]]),
    row("minimum layer", lambda x, y: graphkit.layers.Minimum()([x, y]), [[1.0, 2.0, 3.0], [1.0, 1.0, 4.0]], [[0.5, 0.0, 3.0], [0.5, 2.0, 0.0]]),
    row("scan max", lambda x: ops.scan(lambda c, v: (ops.maximum(c, v), c), x[0], x)[0], [[1.0, 2.0, 2.0]], [[0.0, 0.5, 0.5]]),
    row("cond at 0", lambda x: ops.cond(ops.sum(x) > 0, lambda: ops.sum(x*2), lambda: ops.sum(x*3)), [[0.0, 0.0]], [[3.0, 3.0]]),
    row("associative max", lambda x: ops.associative_scan(ops.maximum, x), [[1.0, 1.0, 1.0]], [[2.75, 1.75, 1.5]]),
    row("resize nearest", lambda x: ops.image.resize(ops.reshape(x,(2,2,1)), (3,3), interpolation='nearest'), [[1.0, 2.0, 3.0, 4.0]], [[1.0, 5.0, 11.0, 28.0]]),
    row("corrcoef", lambda x: ops.corrcoef(x), [[[1.0, 2.0, 4.0], [2.0, 1.0, 0.0]]], [[[0.2338048, -0.3507073, 0.1169025], [0.2727724, -0.5455447, 0.2727723]]]),
    row("scatter_update dup", lambda x, y: ops.scatter_update(x, np.array([[0],[0]]), y), [[1.0, 2.0], [5.0, 6.0]], [[0.0, 2.0], [0.0, 1.0]]),
    row("slice_update", lambda x, y: ops.slice_update(x, np.array([1]), y), [[1.0, 2.0, 3.0], [5.0, 6.0]], [[1.0, 0.0, 0.0], [2.0, 3.0]]),
    row("take dup", lambda x: ops.take(x, np.array([0,0,1])), [[1.0, 2.0]], [[3.0, 3.0]]),
    row("take_along", lambda x: ops.take_along_axis(x, np.array([0,0,1])), [[1.0, 2.0]], [[3.0, 3.0]]),
    row("roll/flip", lambda x: ops.flip(ops.roll(x, 1)), [[1.0, 2.0, 3.0]], [[2.0, 1.0, 3.0]]),
    row("vector norm eps", lambda x: ops.sqrt(ops.sum(ops.square(x))), [[0.0, 0.0]], [[nan, nan]]),
    row("segment_max empty", lambda x: ops.segment_max(x, np.array([0,0,2]), num_segments=4), [[1.0, 1.0, 2.0]], [[0.5, 0.5, 3.0]]),
    row("in max/min reduce keepdims", lambda x: ops.max(x, axis=0, keepdims=True) - ops.min(x, axis=0, keepdims=True), [[2.0, 2.0]], [[0.0, 0.0]]),
    row("cross", lambda x, y: ops.cross(x,y), [[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]], [[0.0, -3.0, 2.0], [0.0, 3.0, -2.0]]),
]
# fmt: on


@pytest.mark.parametrize("simplified", [False, True], ids=["plain", "simplified"])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_gradient_at_a_kink_is_that_of_keras(row: Row, simplified: bool) -> None:
    point = [np.array(p, "float32") for p in row.point]

    def score(*args: Any) -> Any:
        made = row.function(*args)
        weights = np.arange(1, 1 + int(np.prod(made.shape)), dtype="float32").reshape(made.shape)
        return ops.sum(ops.multiply(made, weights))

    program = trace(score, *(TensorSpec.of(p) for p in point))
    found = run(grad(simplify(program) if simplified else program), *point)[1:]

    for mine, theirs in zip(found, row.gradients, strict=True):
        np.testing.assert_allclose(mine, np.array(theirs, "float32"), rtol=1e-4, atol=1e-5, equal_nan=True)
