"""Normalization layers: over the batch, the layer, groups, by root mean square, to unit length."""

from __future__ import annotations

from typing import Any

from graphkit import constraints, initializers, ops, regularizers
from graphkit.core.errors import InvalidArgumentError, InvalidTypeError, ShapeError
from graphkit.core.serialization import keras_class
from graphkit.layers.input_spec import InputSpec
from graphkit.layers.layer import Layer
from graphkit.layers.wrappers import Wrapper
from graphkit.ops._convert import canonical_axis

_HOME = "keras.layers"


@keras_class(_HOME)
class BatchNormalization(Layer):
    """Normalizes over all axes but `axis`: by the batch while training, by moving statistics otherwise.

    Training moves them: moving = momentum * moving + (1 - momentum) * batch. A mask takes steps out of the statistics. With
    `renorm` the training output follows the moving statistics within clipped corrections (Ioffe 2017, arXiv:1702.03275).
    Source: keras.layers.BatchNormalization.
    """

    supports_masking = True
    uses_batch_statistics = True

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        synchronized: bool = False,
        renorm: bool = False,
        renorm_clipping: Any = None,
        renorm_momentum: float = 0.99,
        **kwargs: Any,
    ) -> None:
        kwargs.pop("fused", None)  # Keras 2's choice of a kernel
        super().__init__(**kwargs)
        if not 0 <= momentum <= 1:
            raise InvalidArgumentError(f"`momentum` of layer {self.name!r} must be between 0 and 1, got {momentum}.")
        if epsilon <= 0:
            raise InvalidArgumentError(f"`epsilon` of layer {self.name!r} must be positive, got {epsilon}.")
        self.axis = int(axis[0]) if isinstance(axis, (list, tuple)) and len(axis) == 1 else axis
        self.momentum, self.epsilon, self.center, self.scale = momentum, epsilon, center, scale
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)
        self.beta_regularizer = regularizers.get(beta_regularizer)
        self.gamma_regularizer = regularizers.get(gamma_regularizer)
        self.beta_constraint = constraints.get(beta_constraint)
        self.gamma_constraint = constraints.get(gamma_constraint)
        self.synchronized = synchronized  # one machine: nothing to synchronize with
        self.renorm, self.renorm_clipping, self.renorm_momentum = renorm, renorm_clipping, renorm_momentum

    def build(self, input_shape: Any) -> None:
        """Make gamma, beta and the moving statistics, vectors over `axis`."""
        axis = canonical_axis(self.axis, len(input_shape), f"axis of layer {self.name!r}")
        size = input_shape[axis]
        if size is None:
            raise ShapeError(
                f"Axis {self.axis} of the inputs to layer {self.name!r} must be known, got shape {tuple(input_shape)}."
            )
        self.input_spec = InputSpec(ndim=len(input_shape), axes={axis: size})
        self.gamma = self._vector(
            "gamma", size, self.scale, self.gamma_initializer, self.gamma_regularizer, self.gamma_constraint
        )
        self.beta = self._vector(
            "beta", size, self.center, self.beta_initializer, self.beta_regularizer, self.beta_constraint
        )
        self.moving_mean = self._statistic("moving_mean", size, self.moving_mean_initializer)
        self.moving_variance = self._statistic("moving_variance", size, self.moving_variance_initializer)
        if self.renorm:
            self.moving_stddev = self._statistic("moving_stddev", size, "ones")
            self.renorm_mean = self._statistic("renorm_mean", size, self.moving_mean_initializer)
            self.renorm_stddev = self._statistic("renorm_stddev", size, "ones")

    def _vector(self, name: str, size: int, wanted: bool, initializer: Any, regularizer: Any, constraint: Any) -> Any:
        if not wanted:
            return None
        return self.add_weight(
            name=name,
            shape=(size,),
            initializer=initializer,
            regularizer=regularizer,
            constraint=constraint,
            autocast=False,
        )

    def _statistic(self, name: str, size: int, initializer: Any) -> Any:
        return self.add_weight(name=name, shape=(size,), initializer=initializer, trainable=False, autocast=False)

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """The normalized inputs."""
        if mask is not None and len(mask.shape) != len(inputs.shape) - 1:
            raise ShapeError(
                f"The mask provided to layer {self.name!r} should be one dimension less than the inputs. Received: "
                f"mask.shape={tuple(mask.shape)}, inputs.shape={tuple(inputs.shape)}"
            )
        axis = canonical_axis(self.axis, len(inputs.shape))
        if not (training and self.trainable):
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
        """Mean and variance over the other axes, of the steps that the mask keeps."""
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
        """gamma and beta with the corrections r and d folded in; moves the statistics."""
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
class LayerNormalization(Layer):
    """Normalizes each sample over `axis` (an int or several). Source: keras.layers.LayerNormalization."""

    supports_masking = True

    def __init__(
        self,
        axis: Any = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        rms_scaling = kwargs.pop("rms_scaling", False)
        super().__init__(**kwargs)
        if not isinstance(axis, (int, list, tuple)):
            raise InvalidArgumentError(
                f"Expected an int or a list/tuple of ints for `axis` of layer {self.name!r}. Received: {axis!r}"
            )
        self.autocast = False  # the moments are taken in float32, and the result has the inputs' precision, as in Keras
        self.axis = list(axis) if isinstance(axis, (list, tuple)) else axis
        self.epsilon, self.center, self.scale, self.rms_scaling = epsilon, center, scale, bool(rms_scaling)
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.beta_regularizer = regularizers.get(beta_regularizer)
        self.gamma_regularizer = regularizers.get(gamma_regularizer)
        self.beta_constraint = constraints.get(beta_constraint)
        self.gamma_constraint = constraints.get(gamma_constraint)

    def build(self, input_shape: Any) -> None:
        """Make gamma and beta, of the shape of the axes that are normalized."""
        given = self.axis if isinstance(self.axis, list) else [self.axis]
        axes = sorted(canonical_axis(a, len(input_shape), f"axis of layer {self.name!r}") for a in given)
        shape = tuple(input_shape[a] for a in axes)
        if None in shape:
            raise ShapeError(
                f"The axes {self.axis} of the inputs to layer {self.name!r} must be known, got shape {tuple(input_shape)}."
            )
        self.gamma = self.beta = None
        if self.scale or self.rms_scaling:
            self.gamma = self.add_weight(
                name="gamma", shape=shape, initializer=self.gamma_initializer, regularizer=self.gamma_regularizer,
                constraint=self.gamma_constraint, autocast=False,
            )  # fmt: skip
        if self.center and not self.rms_scaling:
            self.beta = self.add_weight(
                name="beta", shape=shape, initializer=self.beta_initializer, regularizer=self.beta_regularizer,
                constraint=self.beta_constraint, autocast=False,
            )  # fmt: skip

    def call(self, inputs: Any) -> Any:
        """The normalized inputs."""
        made = ops.layer_normalization(
            inputs, self.gamma, self.beta, self.axis, self.epsilon, rms_scaling=self.rms_scaling
        )
        return ops.cast(made, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """The config; `rms_scaling` of Keras 3.0 to 3.9 only where it is used."""
        config = super().get_config()
        return {**config, "rms_scaling": True} if self.rms_scaling else config


@keras_class(_HOME)
class GroupNormalization(Layer):
    """Normalizes each sample over groups of the channels (Wu and He 2018, arXiv:1803.08494). Source: keras.layers.GroupNormalization.

    Args:
        groups: how many; -1 makes each channel one of its own (instance normalization).
        axis: of the channels.
    """

    supports_masking = True

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not isinstance(groups, int) or (groups <= 0 and groups != -1):
            raise InvalidArgumentError(
                f"Received an invalid value for argument `groups` of layer {self.name!r}, expected a positive integer (or `-1` for "
                f"instance normalization). Received: groups={groups}"
            )
        self.autocast = False
        self.groups, self.axis, self.epsilon, self.center, self.scale = groups, axis, epsilon, center, scale
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.beta_regularizer = regularizers.get(beta_regularizer)
        self.gamma_regularizer = regularizers.get(gamma_regularizer)
        self.beta_constraint = constraints.get(beta_constraint)
        self.gamma_constraint = constraints.get(gamma_constraint)

    def build(self, input_shape: Any) -> None:
        """Make gamma and beta, vectors over the channels."""
        axis = canonical_axis(self.axis, len(input_shape), f"axis of layer {self.name!r}")
        size = input_shape[axis]
        if size is None:
            raise ShapeError(
                f"Axis {self.axis} of the inputs to layer {self.name!r} must be known, got shape {tuple(input_shape)}."
            )
        self.groups = size if self.groups == -1 else self.groups
        if size % self.groups:
            raise ShapeError(
                f"Layer {self.name!r}: {size} channels cannot be cut into {self.groups} groups of one size."
            )
        self.input_spec = InputSpec(ndim=len(input_shape), axes={axis: size})
        self.gamma = self.beta = None
        if self.scale:
            self.gamma = self.add_weight(
                name="gamma", shape=(size,), initializer=self.gamma_initializer, regularizer=self.gamma_regularizer,
                constraint=self.gamma_constraint, autocast=False,
            )  # fmt: skip
        if self.center:
            self.beta = self.add_weight(
                name="beta", shape=(size,), initializer=self.beta_initializer, regularizer=self.beta_regularizer,
                constraint=self.beta_constraint, autocast=False,
            )  # fmt: skip

    def call(self, inputs: Any) -> Any:
        """The normalized inputs."""
        shape = ops.shape(inputs)
        axis = canonical_axis(self.axis, len(shape))
        part = shape[axis] // self.groups
        dtype = "float64" if inputs.dtype == "float64" else "float32"  # half floats overflow in the squares
        x = ops.reshape(ops.cast(inputs, dtype), (*shape[:axis], self.groups, part, *shape[axis + 1 :]))
        mean, variance = ops.moments(x, axes=[a for a in range(1, len(shape) + 1) if a != axis], keepdims=True)
        spread = (*[1] * axis, self.groups, part, *[1] * (len(shape) - axis - 1))
        factor = ops.rsqrt(variance + self.epsilon)
        if self.gamma is not None:
            factor = factor * ops.reshape(ops.cast(self.gamma, dtype), spread)
        made = (x - mean) * factor
        if self.beta is not None:
            made = made + ops.reshape(ops.cast(self.beta, dtype), spread)
        return ops.cast(ops.reshape(made, shape), self.compute_dtype)


@keras_class(_HOME)
class RMSNormalization(Layer):
    """Divides by the root mean square over `axis`, times a learned scale (arXiv:1910.07467). Source: keras.layers.RMSNormalization."""

    def __init__(self, axis: Any = -1, epsilon: float = 1e-6, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis, self.epsilon = axis, epsilon

    def build(self, input_shape: Any) -> None:
        """Make the scale, of the shape of the axes that are normalized."""
        self.axis = sorted(self.axis) if isinstance(self.axis, (list, tuple)) else [self.axis]
        shape = tuple(
            input_shape[canonical_axis(a, len(input_shape), f"axis of layer {self.name!r}")] for a in self.axis
        )
        if None in shape:
            raise ShapeError(
                f"The axes {self.axis} of the inputs to layer {self.name!r} must be known, got shape {tuple(input_shape)}."
            )
        self.scale = self.add_weight(name="scale", shape=shape, initializer="ones")

    def call(self, x: Any) -> Any:
        """The normalized inputs."""
        return ops.rms_normalization(x, scale=self.scale, axis=self.axis, epsilon=self.epsilon)


@keras_class(_HOME)
class UnitNormalization(Layer):
    """Divides by the L2 norm over `axis` (an int or several). Source: keras.layers.UnitNormalization."""

    supports_masking = True

    def __init__(self, axis: Any = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(axis, (int, list, tuple)):
            raise InvalidTypeError(
                f"Invalid value for `axis` argument of layer {self.name!r}: expected an int or a list/tuple of ints. "
                f"Received: axis={axis!r}"
            )
        self.axis = list(axis) if isinstance(axis, (list, tuple)) else axis

    def call(self, inputs: Any) -> Any:
        """The inputs as vectors of length 1."""
        return ops.normalize(inputs, axis=self.axis, order=2, epsilon=1e-12)


@keras_class(_HOME)
class SpectralNormalization(Wrapper):
    """While training, divides the kernel (or embeddings) of the layer inside by its largest singular value (arXiv:1802.05957).

    The value is approached by `power_iterations` steps from a vector that is kept. Source: keras.layers.SpectralNormalization.
    """

    def __init__(self, layer: Any, power_iterations: int = 1, **kwargs: Any) -> None:
        super().__init__(layer, **kwargs)
        if power_iterations <= 0:
            raise InvalidArgumentError(
                f"`power_iterations` of layer {self.name!r} should be greater than zero. Received: `power_iterations={power_iterations}`"
            )
        self.power_iterations = power_iterations

    def build(self, input_shape: Any = None) -> None:
        """Build the layer inside and make the vector."""
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
        """The outputs of the layer inside; while training its kernel is normalized first."""
        if training:
            self._normalize()
        return ops.cast(self.layer(inputs), inputs.dtype)

    def _normalize(self) -> None:
        kernel, u = self.kernel.value, self.vector_u.value
        matrix = ops.reshape(kernel, (-1, self.kernel.shape[-1]))
        blank = ops.all(ops.equal(kernel, 0))  # then there is no direction to follow
        unit, v = u, None
        for _ in range(self.power_iterations):
            v = ops.normalize(ops.matmul(unit, ops.transpose(matrix)), axis=None)
            unit = ops.normalize(ops.matmul(v, matrix), axis=None)
        unit, v = ops.stop_gradient(unit), ops.stop_gradient(v)
        sigma = ops.matmul(ops.matmul(v, matrix), ops.transpose(unit))
        self.vector_u.assign(ops.where(blank, u, unit))
        self.kernel.assign(ops.reshape(kernel / ops.where(blank, 1.0, sigma), self.kernel.shape))
