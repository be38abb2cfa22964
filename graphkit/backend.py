"""`K.`: the backend functions of Keras 1 and 2 with their old behavior, implemented with graphkit.ops.

    from graphkit import backend as K

Functions accept arrays, traced tensors (inside a Lambda, a loss or a layer) and symbolic tensors. Source: keras.backend (Keras 2).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphkit import ops, random
from graphkit.core import dtypes, layout, names, nest
from graphkit.core.dims import Dim, product
from graphkit.core.dtypes import result_type  # noqa: F401 (keras.backend.result_type)
from graphkit.core.errors import InvalidArgumentError, InvalidTypeError, ShapeError
from graphkit.ir.operators import Symbolic, TensorOperators
from graphkit.ir.recording import is_tracing
from graphkit.ir.tracing import Tracer
from graphkit.ir.variable import Variable

# ----- names that have the same meaning in ops -----

abs, square, sqrt, exp, log, sign, sin, cos, tanh = (
    ops.abs, ops.square, ops.sqrt, ops.exp, ops.log, ops.sign, ops.sin, ops.cos, ops.tanh,
)  # fmt: skip
sum, prod, mean, std, var, any, all, logsumexp = (
    ops.sum, ops.prod, ops.mean, ops.std, ops.var, ops.any, ops.all, ops.logsumexp,
)  # fmt: skip
maximum, minimum, pow, round, cast = ops.maximum, ops.minimum, ops.power, ops.round, ops.cast
equal, not_equal, greater, greater_equal, less, less_equal = (
    ops.equal, ops.not_equal, ops.greater, ops.greater_equal, ops.less, ops.less_equal,
)  # fmt: skip
concatenate, stack, reshape, transpose, squeeze, tile = (
    ops.concatenate, ops.stack, ops.reshape, ops.transpose, ops.squeeze, ops.tile,
)  # fmt: skip
permute_dimensions, reverse, flatten, repeat_elements = ops.transpose, ops.flip, ops.ravel, ops.repeat
softmax, softplus, softsign, sigmoid, elu, selu = (
    ops.softmax, ops.softplus, ops.softsign, ops.sigmoid, ops.elu, ops.selu,
)  # fmt: skip
zeros_like, ones_like = ops.zeros_like, ops.ones_like
binary_crossentropy, categorical_crossentropy = ops.binary_crossentropy, ops.categorical_crossentropy
sparse_categorical_crossentropy = ops.sparse_categorical_crossentropy
shape, ndim, dtype = ops.shape, ops.ndim, ops.dtype
epsilon, set_epsilon, floatx, set_floatx = dtypes.epsilon, dtypes.set_epsilon, dtypes.floatx, dtypes.set_floatx
image_data_format, set_image_data_format = layout.image_data_format, layout.set_image_data_format
name_scope = names.name_scope

# ----- the session -----

_learning_phase: bool | None = None


def backend() -> str:
    """Return the name of the backend: "numpy"."""
    return "numpy"


def get_uid(prefix: str = "") -> int:
    """Return the next number of a prefix in this session, from 1. Source: keras.backend.get_uid."""
    return names.next_number(prefix)


def is_float_dtype(dtype: Any) -> bool:
    """Return whether a dtype is a float dtype. Source: keras.backend.is_float_dtype."""
    return dtypes.is_float(dtypes.standardize(dtype))


def is_int_dtype(dtype: Any) -> bool:
    """Return whether a dtype is an integer dtype. Source: keras.backend.is_int_dtype."""
    return dtypes.is_int(dtypes.standardize(dtype))


def standardize_dtype(dtype: Any) -> str:
    """Return Keras' name of a dtype. Source: keras.backend.standardize_dtype."""
    return dtypes.standardize(dtype)


def clear_session(free_memory: bool = True) -> None:
    """Reset automatic names and the learning phase. Source: keras.backend.clear_session."""
    global _learning_phase
    names.reset_names()
    _learning_phase = None


reset_uids = names.reset_names


def learning_phase() -> bool:
    """Return whether the current call is training; outside a call, the value of `set_learning_phase` (False by default)."""
    from graphkit.layers.context import current_context

    context = current_context()
    if context is not None and context.training is not None:
        return bool(context.training)
    return bool(_learning_phase)


def set_learning_phase(value: bool | int) -> None:
    """Set whether calls without a `training` argument are training (1) or not (0).

    Raises:
        InvalidArgumentError: `value` is neither 0 nor 1.
    """
    global _learning_phase
    if value not in (0, 1):
        raise InvalidArgumentError(f"set_learning_phase expects 0 or 1, got {value!r}.")
    _learning_phase = bool(value)


def in_train_phase(x: Any, alt: Any, training: Any = None) -> Any:
    """Return `x` while training, else `alt`; either may be a function without arguments."""
    chosen = x if (learning_phase() if training is None else training) else alt
    return chosen() if callable(chosen) else chosen


def in_test_phase(x: Any, alt: Any, training: Any = None) -> Any:
    """Return `x` unless training, else `alt`."""
    return in_train_phase(alt, x, training)


_ORDERINGS = {"tf": layout.CHANNELS_LAST, "th": layout.CHANNELS_FIRST}


def image_dim_ordering() -> str:
    """Return Keras 1's name of the data format: "tf" (channels_last) or "th" (channels_first)."""
    return next(short for short, name in _ORDERINGS.items() if name == image_data_format())


def set_image_dim_ordering(dim_ordering: str) -> None:
    """Set the data format by Keras 1's name.

    Raises:
        InvalidArgumentError: `dim_ordering` is neither "tf" nor "th".
    """
    if dim_ordering not in _ORDERINGS:
        raise InvalidArgumentError(f"set_image_dim_ordering expects 'tf' or 'th', got {dim_ordering!r}.")
    set_image_data_format(_ORDERINGS[dim_ordering])


# ----- variables and constants -----


def variable(value: Any, dtype: Any = None, name: str | None = None, constraint: Any = None) -> Variable:
    """Create a variable with this initial value, in `floatx()` by default."""
    made = Variable(value() if callable(value) else value, dtype=dtypes.standardize(dtype), name=name)
    made.constraint = constraint
    return made


def constant(value: Any, dtype: Any = None, shape: Any = None, name: str | None = None) -> Any:
    """Return a tensor with this value (and shape), in `floatx()` by default."""
    array = np.asarray(value, dtypes.to_numpy(dtypes.standardize(dtype)))
    if shape is None:
        return array
    return np.full(tuple(shape), array) if array.size == 1 else array.reshape(tuple(shape))


def _filled(make: Callable[..., Any], shape: Any, dtype: Any, name: str | None) -> Any:
    """Return a variable, as Keras 2 did, if the shape is known; inside a traced function a plain tensor."""
    made = make(shape, dtypes.standardize(dtype))
    return Variable(made, dtype=dtype, name=name) if isinstance(made, np.ndarray) and not is_tracing() else made


def zeros(shape: Any, dtype: Any = None, name: str | None = None) -> Any:
    """Return zeros: a variable, or inside a traced function a tensor."""
    return _filled(ops.zeros, shape, dtype, name)


def ones(shape: Any, dtype: Any = None, name: str | None = None) -> Any:
    """Return ones: a variable, or inside a traced function a tensor."""
    return _filled(ops.ones, shape, dtype, name)


def eye(size: int, dtype: Any = None, name: str | None = None) -> Any:
    """Return the identity matrix: a variable, or inside a traced function a tensor."""
    return _filled(lambda n, kind: ops.eye(n, dtype=kind), size, dtype, name)


def placeholder(
    shape: Any = None, ndim: int | None = None, dtype: Any = None, sparse: bool = False, name: str | None = None
) -> Any:
    """Create an input of the graph, as `layers.Input` does.

    Args:
        shape: The shape, including the batch axis; None for unknown sizes.
        ndim: The number of axes, if no shape is given.
        dtype: The dtype.
        sparse: Ignored; accepted for Keras' signature.
        name: The name.

    Raises:
        InvalidArgumentError: Neither `shape` nor `ndim` is given.
    """
    from graphkit.layers.input_layer import Input

    if shape is None and ndim is None:
        raise InvalidArgumentError("placeholder expects shape or ndim.")
    whole = tuple(shape) if shape is not None else (None,) * int(ndim or 0)
    return Input(batch_shape=whole, dtype=dtype, name=name)


def function(inputs: Any, outputs: Any, updates: Any = None, **kwargs: Any) -> Callable[[Any], Any]:
    """Return a function of a list of arrays that computes the `outputs` of a graph from its `inputs`."""
    from graphkit.models import Model

    several = isinstance(outputs, (list, tuple))
    model: Any = Model(list(inputs), list(outputs) if several else [outputs])

    def call(values: Any) -> Any:
        made = model(list(values) if len(model.inputs) > 1 else values[0])
        found = [np.asarray(m) for m in (made if isinstance(made, (list, tuple)) else [made])]
        return found if several else found[0]

    return call


def eval(x: Any) -> Any:
    """Return the value of a tensor as an array."""
    return x.numpy() if isinstance(x, Variable) else np.asarray(x)


get_value = eval


def set_value(x: Variable, value: Any) -> None:
    """Assign a new value to a variable."""
    x.assign(value)


def batch_get_value(tensors: Sequence[Any]) -> list[Any]:
    """Return the values of several tensors as arrays."""
    return [eval(x) for x in tensors]


def batch_set_value(tuples: Sequence[tuple[Variable, Any]]) -> None:
    """Assign new values to several variables."""
    for x, value in tuples:
        x.assign(value)


def count_params(x: Any) -> Any:
    """Return the number of elements."""
    return product(tuple(x.shape))


def update(x: Variable, new_x: Any) -> Any:
    """Assign a new value to a variable."""
    return x.assign(new_x)


def update_add(x: Variable, increment: Any) -> Any:
    """Add to a variable."""
    return x.assign_add(increment)


def update_sub(x: Variable, decrement: Any) -> Any:
    """Subtract from a variable."""
    return x.assign_sub(decrement)


def moving_average_update(x: Variable, value: Any, momentum: float) -> Any:
    """Assign momentum * x + (1 - momentum) * value to `x`."""
    return x.assign(ops.add(ops.multiply(x, momentum), ops.multiply(value, 1 - momentum)))


def gradients(loss: Any, variables: Any) -> Any:
    """Return the gradients of a scalar tensor, inside a traced function (a Lambda, a loss, `value_and_grad`).

    Raises:
        InvalidTypeError: `loss` is not a traced tensor.
    """
    from graphkit.ir.gradient import gradients as trace_gradients

    if not isinstance(loss, Tracer):
        raise InvalidTypeError(
            "K.gradients works inside a traced function; elsewhere use graphkit.value_and_grad(fn, variables)."
        )
    several = isinstance(variables, (list, tuple))
    found = trace_gradients(loss, list(variables) if several else [variables])
    return found if several else found[0]


def stop_gradient(variables: Any) -> Any:
    """Return the tensor or tensors, with gradients stopped."""
    if isinstance(variables, (list, tuple)):
        return [ops.stop_gradient(v) for v in variables]
    return ops.stop_gradient(variables)


# ----- properties of tensors -----


def int_shape(x: Any) -> tuple[int | None, ...] | None:
    """Return the shape, with None for unknown sizes."""
    return tuple(None if isinstance(s, Dim) else s for s in ops.shape(x))


def is_keras_tensor(x: Any) -> bool:
    """Return whether a layer or Input produced `x`.

    Raises:
        InvalidArgumentError: `x` is not a tensor.
    """
    if not isinstance(x, (TensorOperators, np.ndarray)):
        raise InvalidArgumentError(
            f"Unexpectedly found an instance of type `{type(x)}`. Expected a symbolic tensor instance."
        )
    return isinstance(x, Symbolic)


def is_tensor(x: Any) -> bool:
    """Return whether `x` is a tensor; symbolic tensors and variables are, as in Keras 2."""
    return isinstance(x, (TensorOperators, np.ndarray))


def is_sparse(tensor: Any) -> bool:
    """Return False: all tensors are dense."""
    return False


def to_dense(tensor: Any) -> Any:
    """Return the tensor itself, since all tensors are dense."""
    return tensor


def cast_to_floatx(x: Any) -> Any:
    """Return `x` in the default float dtype."""
    return ops.cast(x, floatx())


def print_tensor(x: Any, message: str = "", summarize: int = 3) -> Any:
    """Return the tensor itself; nothing is printed while a program runs."""
    return x


# ----- functions whose arguments differ from those of ops -----


def max(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Return the largest element over `axis`."""
    return ops.max(x, axis=axis, keepdims=keepdims)


def min(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Return the smallest element over `axis`."""
    return ops.min(x, axis=axis, keepdims=keepdims)


def argmax(x: Any, axis: int = -1) -> Any:
    """Return the index of the first largest element along `axis`."""
    return ops.argmax(x, axis=axis)


def argmin(x: Any, axis: int = -1) -> Any:
    """Return the index of the first smallest element along `axis`."""
    return ops.argmin(x, axis=axis)


def cumsum(x: Any, axis: int = 0) -> Any:
    """Return cumulative sums along `axis`."""
    return ops.cumsum(x, axis=axis)


def cumprod(x: Any, axis: int = 0) -> Any:
    """Return cumulative products along `axis`."""
    return ops.cumprod(x, axis=axis)


def arange(start: Any, stop: Any = None, step: int = 1, dtype: str = "int32") -> Any:
    """Return start, start + step, ... below `stop`; with a single argument 0, 1, ... below it."""
    if stop is None and isinstance(start, int) and start < 0:
        start = 0
    return ops.arange(start, step=step, dtype=dtype) if stop is None else ops.arange(start, stop, step, dtype=dtype)


def clip(x: Any, min_value: Any, max_value: Any) -> Any:
    """Return `x` clipped to [min_value, max_value]; None means no limit."""
    if isinstance(min_value, (int, float)) and isinstance(max_value, (int, float)) and max_value < min_value:
        max_value = min_value
    if min_value is not None and max_value is not None:
        return ops.clip(x, min_value, max_value)
    x = x if min_value is None else ops.maximum(x, min_value)
    return x if max_value is None else ops.minimum(x, max_value)


def expand_dims(x: Any, axis: int = -1) -> Any:
    """Insert an axis of size 1."""
    return ops.expand_dims(x, axis)


def repeat(x: Any, n: int) -> Any:
    """Repeat (samples, features) `n` times, to (samples, n, features).

    Raises:
        ShapeError: `x` does not have two axes.
    """
    if ndim(x) != 2:
        raise ShapeError(
            f"K.repeat expects a tensor with two axes, got {ndim(x)}; K.repeat_elements repeats along an axis."
        )
    return ops.repeat(ops.expand_dims(x, 1), n, axis=1)


def batch_flatten(x: Any) -> Any:
    """Merge all axes except the first.

    Raises:
        ShapeError: The size of an inner axis is unknown.
    """
    inner = tuple(ops.shape(x))[1:]
    if None in inner:
        raise ShapeError(
            f"K.batch_flatten: the sizes after the first of shape {int_shape(x)} must be known; use layers.Flatten."
        )
    return ops.reshape(x, (-1, product(inner)))


def gather(reference: Any, indices: Any) -> Any:
    """Return the rows of `reference` at `indices`."""
    return ops.take(reference, indices, axis=0)


def one_hot(indices: Any, num_classes: int) -> Any:
    """Return one-hot vectors for class indices, along a new last axis."""
    return ops.one_hot(indices, num_classes)


def in_top_k(predictions: Any, targets: Any, k: int) -> Any:
    """Return whether each target class is among the `k` best predictions."""
    return ops.in_top_k(targets, predictions, k)


def relu(x: Any, alpha: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Any:
    """Return max(x, 0), with slope `alpha` below `threshold` and at most `max_value`."""
    from graphkit import activations

    return activations.relu(x, negative_slope=alpha, max_value=max_value, threshold=threshold)


def hard_sigmoid(x: Any) -> Any:
    """Return 0.2 * x + 0.5 clipped to [0, 1], the definition of Keras 1 and 2 (`ops.hard_sigmoid` has slope 1/6)."""
    return ops.clip(ops.add(ops.multiply(x, 0.2), 0.5), 0.0, 1.0)


def l2_normalize(x: Any, axis: Any = None) -> Any:
    """Return `x` divided by its Euclidean norm along `axis`."""
    return ops.multiply(x, ops.rsqrt(ops.maximum(ops.sum(ops.square(x), axis, True), 1e-12)))


def switch(condition: Any, then_expression: Any, else_expression: Any) -> Any:
    """Select one of two tensors by a scalar condition, or elementwise.

    Args:
        condition: A boolean tensor, with at most as many axes as the expressions.
        then_expression, else_expression: Tensors, or functions without arguments that return them; both are computed.

    Raises:
        ShapeError: The condition has more axes than the expressions.
    """
    parts = [part() if callable(part) else part for part in (then_expression, else_expression)]
    missing = ndim(parts[0]) - ndim(condition)
    if missing < 0:
        raise ShapeError(
            f"K.switch: the condition has {ndim(condition)} axes, more than the {ndim(parts[0])} of the expressions."
        )
    if missing and ndim(condition):
        condition = ops.expand_dims(condition, list(range(ndim(condition), ndim(parts[0]))))
    return ops.where(condition, *parts)


# ----- products -----


def dot(x: Any, y: Any) -> Any:
    """Return the product over the last axis of `x` and the second-to-last axis of `y`."""
    return ops.dot(x, y)


def batch_dot(x: Any, y: Any, axes: Any = None) -> Any:
    """Return the product of each sample of `x` with that of `y`, over one axis of each.

    Args:
        x, y: Tensors whose axis 0 is the batch axis.
        axes: The axis, or a pair of axes, to sum over; by default the last of `x` and the second-to-last of `y`.

    Raises:
        ShapeError: An argument has fewer than two axes.
        InvalidArgumentError: `axes` names several axes of one argument, or the batch axis.
    """
    ranks = ndim(x), ndim(y)
    if ranks[0] < 2 or ranks[1] < 2:
        raise ShapeError(
            f"Cannot do batch_dot on inputs with rank < 2. Received inputs with shapes {int_shape(x)} and {int_shape(y)}."
        )
    if axes is None:
        axes = (ranks[0] - 1, ranks[1] - 1 if ranks[1] == 2 else ranks[1] - 2)
    pair = [axes, axes] if isinstance(axes, int) else list(axes)
    if len(pair) != 2 or not isinstance(pair[0], int) or not isinstance(pair[1], int):
        raise InvalidArgumentError(
            f"Multiple target dimensions are not supported. Expected: None, int, (int, int), Provided: {axes}."
        )
    first, second = (a + rank if a < 0 else a for a, rank in zip(pair, ranks, strict=True))
    if 0 in (first, second):
        raise InvalidArgumentError(
            "Cannot perform batch_dot over axis 0. If your inputs are not batched, use K.expand_dims(x, 0)."
        )
    left = [chr(ord("b") + i) for i in range(ranks[0] - 1)]
    right = [chr(ord("b") + ranks[0] + i) for i in range(ranks[1] - 1)]
    right[second - 1] = left[first - 1]
    kept = [i for i in left if i not in right] + [i for i in right if i not in left]
    made = ops.einsum(f"a{''.join(left)},a{''.join(right)}->a{''.join(kept)}", x, y)
    return made if kept else ops.expand_dims(made, -1)


def bias_add(x: Any, bias: Any, data_format: str | None = None) -> Any:
    """Add a vector over the channels of `x`, or a tensor with the shape of a sample."""
    first = layout.standardize_data_format(data_format) == layout.CHANNELS_FIRST
    if ndim(bias) == 1 and first and ndim(x) > 2:
        bias = ops.reshape(bias, (1, -1) + (1,) * (ndim(x) - 2))
    elif ndim(bias) > 1 and first:
        bias = ops.moveaxis(bias, -1, 0)
    return ops.add(x, bias)


# ----- normalization -----


def batch_normalization(
    x: Any, mean: Any, var: Any, beta: Any, gamma: Any, axis: int = -1, epsilon: float = 1e-3
) -> Any:
    """Normalize `x` with the given statistics."""
    flat = [None if v is None else ops.reshape(v, (-1,)) for v in (mean, var, beta, gamma)]
    return ops.batch_normalization(x, flat[0], flat[1], axis, flat[2], flat[3], epsilon)


def normalize_batch_in_training(
    x: Any, gamma: Any, beta: Any, reduction_axes: Any, epsilon: float = 1e-3
) -> tuple[Any, Any, Any]:
    """Normalize `x` with its own statistics over `reduction_axes`; returns (normalized, mean, variance)."""
    center, variance = ops.moments(x, axes=list(reduction_axes), keepdims=True)
    made = ops.multiply(ops.subtract(x, center), ops.rsqrt(ops.add(variance, epsilon)))
    others = [a for a in range(ndim(x)) if a not in [r % ndim(x) for r in reduction_axes]]
    sizes = tuple(-1 if a in others[:1] else 1 for a in range(ndim(x)))
    made = made if gamma is None else ops.multiply(made, ops.reshape(gamma, sizes))
    made = made if beta is None else ops.add(made, ops.reshape(beta, sizes))
    places = tuple(reduction_axes)
    return made, ops.squeeze(center, places), ops.squeeze(variance, places)


# ----- random numbers -----


def dropout(x: Any, level: float, noise_shape: Any = None, seed: Any = None) -> Any:
    """Set elements to 0 with probability `level`, and scale the others up."""
    return random.dropout(x, level, noise_shape=noise_shape, seed=seed)


def random_normal(shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: Any = None) -> Any:
    """Return normally distributed random numbers."""
    return random.normal(shape, mean=mean, stddev=stddev, dtype=dtype, seed=seed)


def random_uniform(shape: Any, minval: float = 0.0, maxval: float = 1.0, dtype: Any = None, seed: Any = None) -> Any:
    """Return random numbers uniform in [minval, maxval)."""
    return random.uniform(shape, minval=minval, maxval=maxval, dtype=dtype, seed=seed)


def truncated_normal(shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: Any = None) -> Any:
    """Return normally distributed random numbers within two standard deviations of the mean."""
    return random.truncated_normal(shape, mean=mean, stddev=stddev, dtype=dtype, seed=seed)


def random_bernoulli(shape: Any, p: float = 0.0, dtype: Any = None, seed: Any = None) -> Any:
    """Return 1 with probability `p`, else 0."""
    return ops.cast(ops.less(random.uniform(shape, seed=seed), p), dtypes.standardize(dtype))


random_binomial = random_bernoulli


def random_normal_variable(
    shape: Any, mean: float, scale: float, dtype: Any = None, name: str | None = None, seed: Any = None
) -> Variable:
    """Create a variable with normally distributed random numbers."""
    return variable(random.normal(shape, mean, scale, dtype, seed), dtype=dtype, name=name)


def random_uniform_variable(
    shape: Any, low: float, high: float, dtype: Any = None, name: str | None = None, seed: Any = None
) -> Variable:
    """Create a variable with random numbers uniform in [low, high)."""
    return variable(random.uniform(shape, low, high, dtype, seed), dtype=dtype, name=name)


# ----- images and sequences -----


def conv(
    x: Any,
    kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Any:
    """Convolve over all spatial axes of the tensor."""
    return ops.conv(x, kernel, strides=strides, padding=padding, data_format=data_format, dilation_rate=dilation_rate)


conv1d = conv2d = conv3d = conv


def depthwise_conv2d(
    x: Any,
    depthwise_kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Any:
    """Convolve each channel separately."""
    return ops.depthwise_conv(
        x, depthwise_kernel, strides=strides, padding=padding, data_format=data_format, dilation_rate=dilation_rate
    )


_POOLS = {"max": ops.max_pool, "avg": ops.average_pool}


def pool2d(
    x: Any,
    pool_size: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    pool_mode: str = "max",
) -> Any:
    """Return the maximum or the mean of each window.

    Raises:
        InvalidArgumentError: `pool_mode` is neither "max" nor "avg".
    """
    if pool_mode not in _POOLS:
        raise InvalidArgumentError(f"Invalid pooling mode: {pool_mode!r}; it must be 'max' or 'avg'.")
    return _POOLS[pool_mode](x, pool_size, strides=strides, padding=padding, data_format=data_format)


pool3d = pool2d


def temporal_padding(x: Any, padding: tuple[int, int] = (1, 1)) -> Any:
    """Pad the middle one of three axes with zeros; `padding` is (before, after)."""
    return ops.pad(x, [(0, 0), tuple(padding), (0, 0)])


def _spatial_padding(x: Any, padding: Any, data_format: str | None) -> Any:
    inner = [tuple(pair) for pair in padding]
    first = layout.standardize_data_format(data_format) == layout.CHANNELS_FIRST
    return ops.pad(x, [(0, 0), (0, 0), *inner] if first else [(0, 0), *inner, (0, 0)])


def spatial_2d_padding(x: Any, padding: Any = ((1, 1), (1, 1)), data_format: str | None = None) -> Any:
    """Pad images with zeros."""
    return _spatial_padding(x, padding, data_format)


def spatial_3d_padding(x: Any, padding: Any = ((1, 1), (1, 1), (1, 1)), data_format: str | None = None) -> Any:
    """Pad volumes with zeros."""
    return _spatial_padding(x, padding, data_format)


def map_fn(fn: Callable[[Any], Any], elems: Any, name: str | None = None, dtype: Any = None) -> Any:
    """Apply `fn` to each slice of `elems` along the first axis, and stack the results."""
    return ops.map(fn, elems)


def foldl(fn: Callable[[Any, Any], Any], elems: Any, initializer: Any = None, name: str | None = None) -> Any:
    """Apply `fn(accumulated, slice)` from the first slice to the last; returns the final value."""
    start, rest = (elems[0], elems[1:]) if initializer is None else (initializer, elems)
    return ops.scan(lambda carry, x: (fn(carry, x), None), start, rest)[0]


def foldr(fn: Callable[[Any, Any], Any], elems: Any, initializer: Any = None, name: str | None = None) -> Any:
    """Apply `fn(accumulated, slice)` from the last slice to the first; returns the final value."""
    return foldl(fn, ops.flip(elems, axis=0), initializer)


def rnn(
    step_function: Callable[[Any, Any], Any],
    inputs: Any,
    initial_states: Any,
    go_backwards: bool = False,
    mask: Any = None,
    constants: Any = None,
    unroll: bool = False,
    input_length: Any = None,
    time_major: bool = False,
    zero_output_for_mask: bool = False,
    return_all_outputs: bool = True,
) -> Any:
    """Iterate a step function over time.

    Args:
        step_function: A function (inputs, states) -> (output, new states); `states` is followed by `constants`.
        inputs: A tensor, or a nest of them, of shape (batch, time, ...).
        initial_states: The states before the first step.
        go_backwards: Whether to iterate from the last time step to the first.
        mask: Booleans of shape (batch, time); False skips a time step.
        constants: Further tensors for each step.
        unroll, input_length: Ignored; accepted for Keras' signature.
        time_major: Whether inputs and outputs have shape (time, batch, ...).
        zero_output_for_mask: Whether skipped time steps output zeros instead of the previous output.
        return_all_outputs: Whether to return the outputs of all time steps, or the last one only.

    Returns:
        (last output, outputs, last states).
    """
    xs = [x if time_major else ops.swapaxes(x, 0, 1) for x in nest.flatten(inputs)]
    states, more = list(initial_states), list(constants or ())
    steps = [_mask_steps(mask, time_major)] if mask is not None else []

    def one(slices: Sequence[Any], before: Sequence[Any]) -> tuple[Any, list[Any]]:
        output, after = step_function(nest.pack(inputs, slices), [*before, *more])
        return output, list(after)

    def step(carry: Sequence[Any], slices: Sequence[Any]) -> Any:
        last, before = carry[0], list(carry[1:])
        output, after = one(slices[: len(xs)], before)
        if steps:
            kept = ops.zeros_like(output) if zero_output_for_mask else last
            output = _where_counted(slices[-1], output, kept)
            after = [_where_counted(slices[-1], new, old) for new, old in zip(after, before, strict=True)]
        return [output, *after], [output]

    first = one([x[0] for x in xs], states)[0]
    carried, (outputs,) = ops.scan(step, [ops.zeros_like(first), *states], [*xs, *steps], reverse=go_backwards)
    outputs = ops.flip(outputs, axis=0) if go_backwards else outputs
    outputs = outputs if return_all_outputs else outputs[-1:]
    return carried[0], outputs if time_major else ops.swapaxes(outputs, 0, 1), list(carried[1:])


def _mask_steps(mask: Any, time_major: bool) -> Any:
    """Convert a mask (batch, time) to one of shape (batch, 1) per time step."""
    steps = ops.cast(mask if time_major else ops.swapaxes(mask, 0, 1), "bool")
    return ops.expand_dims(steps, -1) if ndim(steps) == 2 else steps


def _where_counted(counts: Any, new: Any, old: Any) -> Any:
    wider = ndim(new) - ndim(counts)
    return ops.where(ops.expand_dims(counts, list(range(2, 2 + wider))) if wider > 0 else counts, new, old)
