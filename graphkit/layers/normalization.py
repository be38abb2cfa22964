"""Normalization layers: batch, layer, group, RMS, unit and spectral normalization."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphkit import initializers, ops
from graphkit.core.declared import Declared, argument, is_positive_int, must
from graphkit.core.errors import InvalidArgumentError, InvalidTypeError, ShapeError
from graphkit.core.serialization import keras_class
from graphkit.layers.declared import BuiltInLayer, constraint, initializer, regularizer, weight_arguments
from graphkit.layers.input_spec import InputSpec
from graphkit.layers.wrappers import Wrapper
from graphkit.ops._convert import canonical_axis
from graphkit.ops.normalization import group_normalization_p

_HOME = "keras.layers"


class ScaleArguments(Declared, kw_only=True):
    """Whether there are weights `gamma` and `beta`, with their initializers, regularizers and constraints."""

    center: bool = argument(default=True)
    scale: bool = argument(default=True)
    beta_initializer: Any = initializer("zeros")
    beta_regularizer: Any = regularizer()
    beta_constraint: Any = constraint()
    gamma_initializer: Any = initializer("ones")
    gamma_regularizer: Any = regularizer()
    gamma_constraint: Any = constraint()


class MovingArguments(Declared, kw_only=True):
    """The initializers of the moving statistics."""

    moving_mean_initializer: Any = initializer("zeros")
    moving_variance_initializer: Any = initializer("ones")


class _Scaled(ScaleArguments, BuiltInLayer):
    """Base of the layers with a learned scale and offset."""

    def _add_scale(self, shape: tuple[int, ...], scale: bool, center: bool) -> None:
        self.gamma = self._add_weight_of("gamma", shape, autocast=False) if scale else None
        self.beta = self._add_weight_of("beta", shape, autocast=False) if center else None

    def _channels(self, given: int, input_shape: Any) -> tuple[int, int]:
        """Return an axis, counted from the start, and its size. Raises ShapeError if the size is unknown."""
        axis = canonical_axis(given, len(input_shape), f"axis of layer {self.name!r}")
        size = input_shape[axis]
        if size is None:
            raise ShapeError(
                f"Axis {given} of the inputs to layer {self.name!r} must be known, got shape {tuple(input_shape)}."
            )
        return axis, size


def _known_sizes(layer: Any, axes: list[int], input_shape: Any) -> tuple[int, ...]:
    shape = tuple(input_shape[axis] for axis in axes)
    if None in shape:
        raise ShapeError(
            f"The axes {layer.axis} of the inputs to layer {layer.name!r} must be known, got shape {tuple(input_shape)}."
        )
    return shape


def _single_axis(layer: Any, name: str, value: Any) -> int:
    """Return the axis as an int, also from a list of one, as in older files. Raises InvalidTypeError or InvalidArgumentError."""
    axis = value[0] if isinstance(value, (list, tuple)) and len(value) == 1 else value
    if not isinstance(axis, (int, float, np.integer)):
        error = InvalidArgumentError if isinstance(axis, str) else InvalidTypeError
        raise error(f"`axis` of layer {layer.name!r} must be an integer. Received: axis={value!r}")
    return int(axis)


_momentum = must(
    lambda value: 0 <= value <= 1, "`{name}` of layer {owner.name!r} must be between 0 and 1, got {value}."
)
_epsilon = must(lambda value: value > 0, "`{name}` of layer {owner.name!r} must be positive, got {value}.")
_CLIPPED = ("rmax", "rmin", "dmax")


def _clipping(layer: Any, name: str, value: Any) -> dict[str, float] | None:
    """Return the limits that are not None. Raises InvalidArgumentError for unknown names and contradictory limits."""
    limits = {key: limit for key, limit in (value or {}).items() if limit is not None}
    known = set(limits) <= set(_CLIPPED)
    if not known or limits.get("rmin", -math.inf) > limits.get("rmax", math.inf) or limits.get("dmax", 0.0) < 0:
        raise InvalidArgumentError(
            f"Received an invalid `{name}` of layer {layer.name!r}: {value}. It may hold {', '.join(_CLIPPED)}; rmin must not be above "
            "rmax, and dmax not below 0."
        )
    return None if value is None else limits


_axes = must(
    lambda value: isinstance(value, (int, list, tuple)),
    "Expected an int or a list/tuple of ints for the argument 'axis', but received: {value!r} (layer {owner.name!r})",
    InvalidTypeError,
)
_int_or_ints = must(
    lambda value: isinstance(value, (int, list, tuple)),
    "Invalid value for `axis` argument of layer {owner.name!r}: expected an int or a list/tuple of ints. "
    "Received: axis={value!r}",
    InvalidTypeError,
)
_groups = must(
    lambda value: is_positive_int(value) or value == -1,
    "Received an invalid value for argument `groups` of layer {owner.name!r}, expected a positive integer (or `-1` for "
    "instance normalization). Received: groups={value}",
)
_power_iterations = must(
    lambda value: value > 0,
    "`power_iterations` of layer {owner.name!r} should be greater than zero. Received: `power_iterations={value}`",
)


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, (list, tuple)) else value


@keras_class(_HOME)
class BatchNormalization(MovingArguments, _Scaled):
    """Normalizes over all axes but `axis`: by batch statistics during training, by moving statistics otherwise.

    Training updates them: moving = momentum * moving + (1 - momentum) * batch. Masked steps are left out of the statistics. A
    layer that is frozen (`trainable = False`) always uses the moving statistics. Source: keras.layers.BatchNormalization.

    Args:
        axis: the feature axis, an int.
        momentum: of the moving statistics, from 0 to 1.
        epsilon: added to the variance.
        center: whether an offset beta is added.
        scale: whether the result is multiplied by a factor gamma.
        beta_*, gamma_*: initializers, regularizers and constraints of beta and gamma.
        moving_mean_initializer, moving_variance_initializer: of the moving statistics.
        renorm: whether training corrects the batch statistics towards the moving ones (Ioffe 2017, arXiv:1702.03275).
        renorm_clipping: a dict that may limit the corrections: "rmin" and "rmax" for the scale, "dmax" for the shift.
        renorm_momentum: of the moving statistics that `renorm` uses.
        synchronized: accepted, without effect: training runs on one machine.
    """

    supports_masking = True
    uses_batch_statistics = True

    _order = "axis momentum epsilon center scale " + weight_arguments(
        "beta",
        "gamma",
        after_initializers="moving_mean_initializer moving_variance_initializer",
        after_regularizers="",
    )
    argument_order = f"{_order} renorm renorm_clipping renorm_momentum synchronized"
    config_order = f"{_order} synchronized renorm renorm_clipping renorm_momentum"

    axis: Any = argument(default=-1, check=_single_axis)
    momentum: float = argument(default=0.99, check=_momentum)
    epsilon: float = argument(default=1e-3, check=_epsilon)
    renorm: bool = argument(default=False, kw_only=True)
    renorm_clipping: Any = argument(default=None, check=_clipping, kw_only=True)
    renorm_momentum: float = argument(default=0.99, kw_only=True)
    synchronized: bool = argument(default=False, kw_only=True)
    fused: Any = argument(default=None, hidden=True, kw_only=True)  # selects a kernel in Keras 2

    def build(self, input_shape: Any) -> None:
        """Create gamma, beta and the moving statistics, vectors over `axis`.

        Raises:
            ShapeError: the size of `axis` is unknown.
        """
        axis, size = self._channels(self.axis, input_shape)
        self.input_spec = InputSpec(ndim=len(input_shape), axes={axis: size})
        self._add_scale((size,), self.scale, self.center)
        self.moving_mean = self._statistic("moving_mean", size, self.moving_mean_initializer)
        self.moving_variance = self._statistic("moving_variance", size, self.moving_variance_initializer)
        if self.renorm:
            self.moving_stddev = self._statistic("moving_stddev", size, self._first_deviation)
            self.renorm_mean = self._statistic("renorm_mean", size, self.moving_mean_initializer)
            self.renorm_stddev = self._statistic("renorm_stddev", size, self._first_deviation)

    def _first_deviation(self, shape: Any, dtype: Any = None) -> Any:
        """Initialize a deviation with the square root of the moving variance's initial value."""
        return ops.sqrt(self.moving_variance_initializer(shape, dtype=dtype))

    def _statistic(self, name: str, size: int, initializer: Any) -> Any:
        return self.add_weight(name=name, shape=(size,), initializer=initializer, trainable=False, autocast=False)

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Return the normalized inputs.

        Args:
            inputs: floats (batch, ...).
            training: whether to use batch statistics and update the moving ones.
            mask: bool, with the shape of the inputs without the last axis.

        Raises:
            ShapeError: the mask does not have one axis less than the inputs.
        """
        if mask is not None and len(mask.shape) != len(inputs.shape) - 1:
            raise ShapeError(
                f"The mask provided to layer {self.name!r} should be one dimension less than the inputs. Received: "
                f"mask.shape={tuple(mask.shape)}, inputs.shape={tuple(inputs.shape)}"
            )
        axis = canonical_axis(self.axis, len(inputs.shape))
        if not (training and self.trainable) or 0 in inputs.shape:  # a batch without elements has no statistics
            return ops.batch_normalization(
                inputs,
                self.moving_mean,
                self.moving_variance,
                axis,
                offset=self.beta,
                scale=self.gamma,
                epsilon=self.epsilon,
            )
        if mask is None and not self.renorm:
            outputs, mean, variance = ops.batch_normalization_training(
                inputs, axis, self.beta, self.gamma, self.epsilon
            )
            self._move(self.moving_mean, mean, self.momentum)
            self._move(self.moving_variance, variance, self.momentum)
            return outputs
        mean, variance = self._moments(inputs, axis, mask)
        gamma, beta = self.gamma, self.beta
        if self.renorm:
            gamma, beta = self._renormalized(mean, variance)
        else:
            self._move(self.moving_mean, mean, self.momentum)
            self._move(self.moving_variance, variance, self.momentum)
        return ops.batch_normalization(inputs, mean, variance, axis, offset=beta, scale=gamma, epsilon=self.epsilon)

    def _move(self, statistic: Any, batch: Any, momentum: float) -> None:
        statistic.assign(statistic * momentum + ops.stop_gradient(batch) * (1.0 - momentum))

    def _moments(self, inputs: Any, axis: int, mask: Any) -> tuple[Any, Any]:
        """Return mean and variance over the other axes, of the steps that are not masked."""
        others = [a for a in range(len(inputs.shape)) if a != axis]
        if mask is None:
            mean, variance = ops.moments(inputs, axes=others)
            return mean, variance
        weights = ops.broadcast_to(ops.expand_dims(ops.cast(mask, inputs.dtype), -1), ops.shape(inputs))
        count = ops.sum(weights, axis=others) + 1e-7
        mean = ops.sum(inputs * weights, axis=others) / count
        spread = ops.reshape(mean, [-1 if a == axis else 1 for a in range(len(inputs.shape))])
        return mean, ops.sum(ops.square(inputs - spread) * weights, axis=others) / count

    def _renormalized(self, mean: Any, variance: Any) -> tuple[Any, Any]:
        """Update the moving statistics; return gamma and beta with the corrections r and d folded in."""
        limits = self.renorm_clipping or {}
        stddev = ops.sqrt(variance + self.epsilon)
        r = ops.stop_gradient(stddev / self.renorm_stddev)
        d = ops.stop_gradient((mean - self.renorm_mean) / self.renorm_stddev)
        if "rmax" in limits or "rmin" in limits:
            r = ops.clip(r, limits.get("rmin", 0.0), limits.get("rmax", float("inf")))
        if "dmax" in limits:
            d = ops.clip(d, -limits["dmax"], limits["dmax"])
        self._move(self.renorm_mean, mean, self.renorm_momentum)
        self._move(self.renorm_stddev, stddev, self.renorm_momentum)
        self._move(self.moving_mean, mean, self.momentum)
        self._move(self.moving_stddev, stddev, self.momentum)
        self.moving_variance.assign(ops.maximum(ops.square(self.moving_stddev.value) - self.epsilon, 0.0))
        gamma = r if self.gamma is None else r * self.gamma
        shift = d if self.gamma is None else d * self.gamma
        return gamma, shift if self.beta is None else shift + self.beta


@keras_class(_HOME)
class LayerNormalization(_Scaled):
    """Normalizes each sample over `axis`. Source: keras.layers.LayerNormalization.

    Args:
        axis: an int, or a list of ints.
        epsilon: added to the variance.
        center: whether an offset beta is added.
        scale: whether the result is multiplied by a factor gamma.
        beta_*, gamma_*: initializers, regularizers and constraints of beta and gamma.
    """

    supports_masking = True

    _order = weight_arguments("beta", "gamma", after_regularizers="")
    argument_order = f"axis epsilon center scale {_order}"
    config_order = f"axis epsilon center scale rms_scaling {_order}"

    axis: Any = argument(default=-1, check=_axes, convert=_listed)
    epsilon: float = argument(default=1e-3)
    rms_scaling: bool = argument(default=False, convert=bool, hidden=True, kw_only=True)

    def __post_init__(self) -> None:
        self.autocast = False  # as in Keras, the moments are computed in float32 from inputs that were not cast

    def build(self, input_shape: Any) -> None:
        """Create gamma and beta, with the shape of the normalized axes.

        Raises:
            ShapeError: the size of one of these axes is unknown.
        """
        self.axis = self.axis if isinstance(self.axis, list) else [self.axis]  # a list from here on, in the config too
        axes = sorted(canonical_axis(a, len(input_shape), f"axis of layer {self.name!r}") for a in self.axis)
        shape = _known_sizes(self, axes, input_shape)
        self._add_scale(shape, self.scale or self.rms_scaling, self.center and not self.rms_scaling)

    def call(self, inputs: Any) -> Any:
        """Return the normalized inputs."""
        made = ops.layer_normalization(
            inputs, self.gamma, self.beta, self.axis, self.epsilon, rms_scaling=self.rms_scaling
        )
        return ops.cast(made, self.compute_dtype)


@keras_class(_HOME)
class GroupNormalization(_Scaled):
    """Normalizes each sample over groups of the channels (Wu and He 2018, arXiv:1803.08494). Source: keras.layers.GroupNormalization.

    Args:
        groups: the number of groups; -1 for one per channel (instance normalization).
        axis: the axis of the channels.
        epsilon: added to the variance.
        center, scale, beta_*, gamma_*: as for `LayerNormalization`.
    """

    supports_masking = True

    argument_order = f"groups axis epsilon center scale {weight_arguments('beta', 'gamma', after_regularizers='')}"

    groups: int = argument(default=32, check=_groups)
    axis: int = argument(default=-1)
    epsilon: float = argument(default=1e-3)

    def __post_init__(self) -> None:
        self.autocast = False

    def build(self, input_shape: Any) -> None:
        """Create gamma and beta, vectors over the channels.

        Raises:
            ShapeError: the number of channels is unknown or not a multiple of `groups`.
        """
        axis, size = self._channels(self.axis, input_shape)
        self.groups = size if self.groups == -1 else self.groups
        if size % self.groups:
            raise ShapeError(
                f"Layer {self.name!r}: {size} channels cannot be split into {self.groups} groups of equal size."
            )
        self.input_spec = InputSpec(ndim=len(input_shape), axes={axis: size})
        self._add_scale((size,), self.scale, self.center)

    def call(self, inputs: Any) -> Any:
        """Return the normalized inputs."""
        shape = ops.shape(inputs)
        axis = canonical_axis(self.axis, len(shape))
        dtype = "float64" if inputs.dtype == "float64" else "float32"  # half floats overflow in the squares
        gamma = ops.ones((shape[axis],), dtype) if self.gamma is None else ops.cast(self.gamma, dtype)
        beta = ops.zeros((shape[axis],), dtype) if self.beta is None else ops.cast(self.beta, dtype)
        made = group_normalization_p.bind(
            ops.cast(inputs, dtype), gamma, beta, axis=axis, groups=self.groups, epsilon=float(self.epsilon)
        )
        return ops.cast(made, self.compute_dtype)


@keras_class(_HOME)
class RMSNormalization(BuiltInLayer):
    """Divides by the root mean square over `axis`, times a learned scale (arXiv:1910.07467). Source: keras.layers.RMSNormalization.

    Args:
        axis: an int, or a list of ints.
        epsilon: added to the mean square.
    """

    axis: Any = argument(default=-1)
    epsilon: float = argument(default=1e-6)

    def build(self, input_shape: Any) -> None:
        """Create the scale, with the shape of the normalized axes.

        Raises:
            ShapeError: the size of one of these axes is unknown.
        """
        self.axis = sorted(self.axis) if isinstance(self.axis, (list, tuple)) else [self.axis]
        axes = [canonical_axis(a, len(input_shape), f"axis of layer {self.name!r}") for a in self.axis]
        self.scale = self.add_weight(name="scale", shape=_known_sizes(self, axes, input_shape), initializer="ones")

    def call(self, x: Any) -> Any:
        """Return the normalized inputs."""
        return ops.rms_normalization(x, scale=self.scale, axis=self.axis, epsilon=self.epsilon)


@keras_class(_HOME)
class UnitNormalization(BuiltInLayer):
    """Divides by the L2 norm over `axis`, an int or a list of ints. Source: keras.layers.UnitNormalization."""

    supports_masking = True
    built_at_once = True

    axis: Any = argument(default=-1, check=_int_or_ints, convert=_listed)

    def call(self, inputs: Any) -> Any:
        """Return the inputs scaled to length 1."""
        return ops.normalize(inputs, axis=self.axis, order=2, epsilon=1e-12)


@keras_class(_HOME)
class SpectralNormalization(Wrapper):
    """During training, divides the kernel (or embeddings) of the inner layer by its largest singular value (arXiv:1802.05957).

    Source: keras.layers.SpectralNormalization.

    Args:
        layer: a layer with a `kernel` or `embeddings`.
        power_iterations: the number of steps of power iteration per call, which start from a vector kept between calls.
    """

    power_iterations: int = argument(default=1, check=_power_iterations)

    def build(self, input_shape: Any = None) -> None:
        """Build the inner layer and create the vector (1, n) for power iteration.

        Raises:
            InvalidArgumentError: the inner layer has neither a kernel nor embeddings.
        """
        super().build(input_shape)
        self.input_spec = InputSpec(min_ndim=1, axes={-1: input_shape[-1]})
        held = [getattr(self.layer, name, None) for name in ("kernel", "embeddings")]
        self.kernel: Any = held[0] if held[0] is not None else held[1]
        if self.kernel is None:
            raise InvalidArgumentError(
                f"{type(self.layer).__name__} object has no attribute 'kernel' nor 'embeddings' (layer {self.name!r})."
            )
        self.vector_u = self.add_weight(
            name="vector_u",
            shape=(1, self.kernel.shape[-1]),
            initializer=initializers.TruncatedNormal(stddev=0.02),
            trainable=False,
            dtype=self.kernel.dtype,
        )

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Return the outputs of the inner layer; during training its kernel is normalized first."""
        if training:
            vector, kernel = self.normalized_weights()
            self.vector_u.assign(vector)
            self.kernel.assign(kernel)
        return ops.cast(self.layer(inputs), inputs.dtype)

    def normalized_weights(self) -> tuple[Any, Any]:
        """Return the vector after power iteration, and the kernel divided by its largest singular value.

        Source: keras.layers.SpectralNormalization.normalized_weights.
        """
        kernel, u = self.kernel.value, self.vector_u.value
        matrix = ops.reshape(kernel, (-1, self.kernel.shape[-1]))
        blank = ops.all(ops.equal(kernel, 0))  # power iteration has no direction then
        unit, v = u, None
        for _ in range(self.power_iterations):
            v = ops.normalize(ops.matmul(unit, ops.transpose(matrix)), axis=None)
            unit = ops.normalize(ops.matmul(v, matrix), axis=None)
        unit, v = ops.stop_gradient(unit), ops.stop_gradient(v)
        sigma = ops.matmul(ops.matmul(v, matrix), ops.transpose(unit))
        return ops.where(blank, u, unit), ops.reshape(kernel / ops.where(blank, 1.0, sigma), self.kernel.shape)
