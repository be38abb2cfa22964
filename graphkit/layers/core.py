"""The core layers: Dense, Activation, Dropout, Embedding, Masking, Identity."""

from __future__ import annotations

from typing import Any

from graphkit import activations, constraints, initializers, ops, random, regularizers
from graphkit.core.errors import InvalidArgumentError, ShapeError
from graphkit.core.serialization import keras_class
from graphkit.layers.input_spec import InputSpec
from graphkit.layers.layer import Layer

_HOME = "keras.layers"


def check_positive(layer: Layer, argument: str, value: Any) -> None:
    """Raise InvalidArgumentError unless `value` is a positive int."""
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise InvalidArgumentError(f"Received an invalid value for `{argument}` of layer {layer.name!r}, expected a positive integer. Received: {argument}={value}")


@keras_class(_HOME)
class Dense(Layer):
    """activation(x @ kernel + bias) over the last axis. Input (batch, ..., n), output (batch, ..., units). Source: keras.layers.Dense."""

    supports_masking = True

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        check_positive(self, "units", units)
        self.units = units
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.input_spec = InputSpec(min_ndim=2)

    def build(self, input_shape: Any) -> None:
        """Make kernel (n, units) and bias (units,)."""
        size = input_shape[-1]
        if size is None:
            raise ShapeError(f"The last axis of the inputs to layer {self.name!r} must be known, got shape {tuple(input_shape)}.")
        self.kernel = self.add_weight(
            name="kernel",
            shape=(size, self.units),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(self.units,),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self.input_spec = InputSpec(min_ndim=2, axes={-1: size})

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """The output."""
        x = ops.matmul(inputs, self.kernel)
        if self.bias is not None:
            x = x + self.bias
        return x if self.activation is None else self.activation(x)


@keras_class(_HOME)
class Activation(Layer):
    """An activation function as a layer. Source: keras.layers.Activation."""

    supports_masking = True

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = activations.get(activation)

    def call(self, inputs: Any) -> Any:
        """The activated inputs."""
        return self.activation(inputs)


@keras_class(_HOME)
class Dropout(Layer):
    """While training, elements are zeroed with probability `rate` and the others scaled up. Source: keras.layers.Dropout."""

    supports_masking = True

    def __init__(self, rate: float, noise_shape: Any = None, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(rate, (int, float)) or not 0 <= rate <= 1:
            raise InvalidArgumentError(f"Invalid value received for argument `rate` of layer {self.name!r}. Expected a float value between 0 and 1. Received: rate={rate}")
        self.rate, self.seed, self.noise_shape = rate, seed, noise_shape
        if rate > 0:
            self.seed_generator = random.SeedGenerator(seed)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """The inputs, some of them zeroed while training."""
        if not training or self.rate == 0:
            return inputs
        return random.dropout(inputs, self.rate, noise_shape=self.noise_shape, seed=self.seed_generator)


@keras_class(_HOME)
class Embedding(Layer):
    """Rows of a table by integer. Input (batch, ...), output (batch, ..., output_dim). Source: keras.layers.Embedding."""

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        weights: Any = None,
        **kwargs: Any,
    ) -> None:
        length = kwargs.pop("input_length", None)
        if length is not None:
            kwargs["input_shape"] = tuple(length) if isinstance(length, (list, tuple)) else (length,)
        super().__init__(**kwargs)
        check_positive(self, "input_dim", input_dim)
        check_positive(self, "output_dim", output_dim)
        self.input_dim, self.output_dim, self.mask_zero = input_dim, output_dim, mask_zero
        self.embeddings_initializer = initializers.get(embeddings_initializer)
        self.embeddings_regularizer = regularizers.get(embeddings_regularizer)
        self.embeddings_constraint = constraints.get(embeddings_constraint)
        self.autocast = False
        self._first_weights = weights

    def build(self, input_shape: Any = None) -> None:
        """Make the table (input_dim, output_dim)."""
        self.embeddings = self.add_weight(
            name="embeddings",
            shape=(self.input_dim, self.output_dim),
            initializer=self.embeddings_initializer,
            regularizer=self.embeddings_regularizer,
            constraint=self.embeddings_constraint,
        )
        if self._first_weights is not None:
            given = self._first_weights
            self.set_weights(given if isinstance(given, (list, tuple)) else [given])

    def call(self, inputs: Any) -> Any:
        """The rows."""
        return ops.cast(ops.take(self.embeddings, ops.cast(inputs, "int32"), axis=0), self.compute_dtype)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """With mask_zero: where the index is not 0."""
        return ops.not_equal(inputs, 0) if self.mask_zero else None

    def get_config(self) -> dict[str, Any]:
        """The config; initial weights are no part of it."""
        return {k: v for k, v in super().get_config().items() if k != "weights"}

    def _serialize_argument(self, name: str) -> Any:
        return None if name == "weights" else super()._serialize_argument(name)


@keras_class(_HOME)
class Masking(Layer):
    """Masks the steps all of whose features equal `mask_value`. Source: keras.layers.Masking."""

    def __init__(self, mask_value: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mask_value = mask_value

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """Where any feature differs from the mask value."""
        return ops.any(ops.not_equal(inputs, self.mask_value), axis=-1)

    def call(self, inputs: Any) -> Any:
        """The inputs, masked steps as zeros."""
        kept = ops.any(ops.not_equal(inputs, self.mask_value), axis=-1, keepdims=True)
        return inputs * ops.cast(kept, inputs.dtype)


@keras_class(_HOME)
class Identity(Layer):
    """The inputs unchanged. Source: keras.layers.Identity."""

    supports_masking = True

    def call(self, inputs: Any) -> Any:
        """The inputs."""
        return inputs


@keras_class(_HOME)
class ActivityRegularization(Layer):
    """The inputs unchanged, with a penalty on them. Source: keras.layers.ActivityRegularization."""

    supports_masking = True

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Any) -> None:
        super().__init__(activity_regularizer=regularizers.L1L2(l1=l1, l2=l2), **kwargs)
        self.l1, self.l2 = l1, l2

    def call(self, inputs: Any) -> Any:
        """The inputs."""
        return inputs

    def get_config(self) -> dict[str, Any]:
        """The config; the regularizer follows from l1 and l2."""
        return {k: v for k, v in super().get_config().items() if k != "activity_regularizer"}
