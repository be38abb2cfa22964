"""The core layers: Dense, EinsumDense, Activation, Dropout, Embedding, Masking, Identity."""

from __future__ import annotations

import re
from typing import Any, ClassVar, NamedTuple

from graphkit import activations, constraints, initializers, ops, random, regularizers
from graphkit.core.errors import InvalidArgumentError, ShapeError
from graphkit.core.serialization import keras_class
from graphkit.layers.adaptable import Adaptable
from graphkit.layers.contraction import MATMUL, Contraction
from graphkit.layers.input_spec import InputSpec
from graphkit.layers.kernel_schemes import KERNELS
from graphkit.layers.layer import Layer
from graphkit.layers.table_schemes import TABLES

_HOME = "keras.layers"


def check_positive(layer: Layer, argument: str, value: Any) -> None:
    """Raise InvalidArgumentError unless `value` is a positive int."""
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise InvalidArgumentError(
            f"Received an invalid value for `{argument}` of layer {layer.name!r}, expected a positive integer. Received: {argument}={value}"
        )


class _KernelLayer(Adaptable):
    """activation(inputs * kernel + bias) for a product that `contraction` says."""

    main = "kernel"
    weight_names: ClassVar[tuple[str, ...]] = ("_kernel", "bias")
    zero_name = "kernel_zero"
    contraction: Contraction
    bias: Any = None
    activation: Any

    @property
    def kernel(self) -> Any:
        """The kernel: a variable, or a tensor where an adapter or quantisation changes it."""
        return self.adapted()

    @kernel.setter
    def kernel(self, value: Any) -> None:
        self._kernel = value

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """The output."""
        scheme = self.scheme
        x = self.contraction(inputs, self.kernel) if scheme is None else scheme.product(self, inputs, training)
        if scheme is not None and self.lora_enabled:
            a, b = self.lora_weights
            added = ops.matmul(self.contraction(inputs, a), b)
            x = ops.cast(ops.add(x, self.lora_factor * added), self.compute_dtype)
        if self.bias is not None:
            x = ops.add(x, self.bias if self.quantization_mode != "float8" else self._float8_bias())
        return x if self.activation is None else self.activation(x)

    def _float8_bias(self) -> Any:
        """The bias as bfloat16 has it, as Keras adds it to float8 products."""
        if self.compute_dtype != "float32":
            return self.bias
        return ops.cast(ops.cast(self.bias, "bfloat16"), "float32")


@keras_class(_HOME)
class Dense(_KernelLayer):
    """activation(x @ kernel + bias) over the last axis. Input (batch, ..., n), output (batch, ..., units). Source: keras.layers.Dense."""

    supports_masking = True
    schemes = KERNELS
    contraction = Contraction(MATMUL, 2)

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
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        quantization_config: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            activity_regularizer=activity_regularizer, lora_rank=lora_rank, lora_alpha=lora_alpha,
            quantization_config=quantization_config, **kwargs,
        )  # fmt: skip
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
            raise ShapeError(
                f"The last axis of the inputs to layer {self.name!r} must be known, got shape {tuple(input_shape)}."
            )
        self.build_main((size, self.units), self.kernel_initializer)
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
        self.build_adapter()


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
            raise InvalidArgumentError(
                f"Invalid value received for argument `rate` of layer {self.name!r}. "
                f"Expected a float value between 0 and 1. Received: rate={rate}"
            )
        self.rate, self.seed, self.noise_shape = rate, seed, noise_shape
        if rate > 0:
            self.seed_generator = random.SeedGenerator(seed)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """The inputs, some of them zeroed while training."""
        if not training or self.rate == 0:
            return inputs
        return random.dropout(inputs, self.rate, noise_shape=self.noise_shape, seed=self.seed_generator)


@keras_class(_HOME)
class Embedding(Adaptable):
    """Rows of a table by integer. Input (batch, ...), output (batch, ..., output_dim). Source: keras.layers.Embedding."""

    main = "embeddings"
    schemes = TABLES
    weight_names: ClassVar[tuple[str, ...]] = ("_embeddings",)
    has_way_back = False

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        weights: Any = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        quantization_config: Any = None,
        **kwargs: Any,
    ) -> None:
        length = kwargs.pop("input_length", None)
        if length is not None:
            kwargs["input_shape"] = tuple(length) if isinstance(length, (list, tuple)) else (length,)
        super().__init__(lora_rank=lora_rank, lora_alpha=lora_alpha, quantization_config=quantization_config, **kwargs)
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
        self.build_main((self.input_dim, self.output_dim), self.embeddings_initializer)
        self.build_adapter()
        if self._first_weights is not None:
            given = self._first_weights
            self.set_weights(given if isinstance(given, (list, tuple)) else [given])

    @property
    def embeddings(self) -> Any:
        """The table: a variable, or a tensor where an adapter or quantisation changes it."""
        return self.adapted()

    @embeddings.setter
    def embeddings(self, value: Any) -> None:
        self._embeddings = value

    def call(self, inputs: Any) -> Any:
        """The rows."""
        places, scheme = ops.cast(inputs, "int32"), self.scheme
        if scheme is None:
            return ops.cast(ops.take(self.embeddings, places, axis=0), self.compute_dtype)
        rows = scheme.rows(self, places)
        if not self.lora_enabled:
            return rows
        a, b = self.lora_weights
        added = ops.matmul(ops.take(a, places, axis=0), b)
        return ops.cast(ops.add(rows, self.lora_factor * added), self.compute_dtype)

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


@keras_class(_HOME)
class EinsumDense(_KernelLayer):
    """activation(einsum(equation, x, kernel) + bias). Source: keras.layers.EinsumDense.

    Args:
        equation: "abc,cd->abd", "...x,xy->...y" or "ab...,bc->ac...": inputs, kernel, outputs.
        output_shape: an int or a shape without the batch axis (and without what `...` stands for); None where the inputs say it.
        bias_axes: the letters of the output that the bias has; None for no bias.
        gptq_unpacked_column_size: what Keras notes of a kernel of 4 bits under GPTQ.
    """

    schemes = KERNELS
    zero_name = "zero_point"

    def __init__(
        self,
        equation: str,
        output_shape: Any,
        activation: Any = None,
        bias_axes: str | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        gptq_unpacked_column_size: int | None = None,
        quantization_config: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(lora_rank=lora_rank, lora_alpha=lora_alpha, quantization_config=quantization_config, **kwargs)
        self.gptq_unpacked_column_size = gptq_unpacked_column_size
        self.equation = equation
        self.partial_output_shape = (output_shape,) if isinstance(output_shape, int) else tuple(output_shape)
        self.bias_axes = bias_axes
        self.activation = activations.get(activation)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)

    def build(self, input_shape: Any) -> None:
        """Make the kernel and the bias, of the sizes that the equation's letters have."""
        terms = _EinsumTerms.of(self)
        inputs, outputs = terms.sizes(self, tuple(input_shape))
        self.contraction = Contraction(self.equation, len(input_shape))
        shape = tuple(_known_size(self, letter, outputs, inputs) for letter in terms.kernel)
        self.build_main(shape, self._fans(terms))
        self.bias = None
        if self.bias_axes is not None:
            self.bias = self.add_weight(
                name="bias",
                shape=self._bias_shape(terms, outputs, len(input_shape)),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self.input_spec = InputSpec(ndim=len(input_shape))
        self.build_adapter()

    def _fans(self, terms: _EinsumTerms) -> Any:
        """The kernel's initializer, told which axes are the units that come in and which are those that go out."""
        given = self.kernel_initializer
        if not isinstance(given, initializers.VarianceScaling) or (
            given.input_axes is not None and given.output_axes is not None
        ):
            return given
        going = [i for i, letter in enumerate(terms.kernel) if letter in terms.outputs]
        coming = [i for i in range(len(terms.kernel)) if i not in going]
        return type(given).from_config(
            {**given.get_config(), "seed": given.seed, "input_axes": coming, "output_axes": going}
        )

    def _bias_shape(self, terms: _EinsumTerms, outputs: dict[str, int | None], rank: int) -> tuple[int, ...]:
        axes = str(self.bias_axes)
        wrong = [letter for letter in axes if letter not in terms.outputs]
        if wrong:
            raise InvalidArgumentError(
                f"Bias dimension '{wrong[0]}' was requested, but is not part of the output spec '{terms.outputs}' (layer {self.name!r})."
            )
        last = terms.outputs[min(terms.outputs.index(letter) for letter in axes) :]
        behind = rank - len(terms.inputs) if terms.dots == "right" else 0
        return (*(_known_size(self, letter, outputs, {}) if letter in axes else 1 for letter in last), *[1] * behind)

    def get_config(self) -> dict[str, Any]:
        """The config; `output_shape` stands first, as Keras writes it."""
        config = super().get_config()
        if not self.gptq_unpacked_column_size:
            config.pop("gptq_unpacked_column_size", None)
        base = {name: config.pop(name) for name in ("name", "trainable", "dtype")}
        return {**base, "output_shape": config.pop("output_shape"), **config}

    def _serialize_argument(self, name: str) -> Any:
        return list(self.partial_output_shape) if name == "output_shape" else super()._serialize_argument(name)


class _EinsumTerms(NamedTuple):
    """The letters of an EinsumDense's equation, and on which side `...` stands."""

    inputs: str
    kernel: str
    outputs: str
    dots: str | None

    @classmethod
    def of(cls, layer: EinsumDense) -> _EinsumTerms:
        equation = layer.equation.replace(" ", "")
        for dots, pattern in _EQUATIONS.items():
            found = re.fullmatch(pattern, equation)
            if found:
                terms = cls(found[1], found[2], found[3], dots)
                strange = [
                    i
                    for i in terms.outputs + terms.kernel
                    if i not in terms.inputs and (i not in terms.kernel or i not in terms.outputs)
                ]
                if strange:
                    raise InvalidArgumentError(
                        f"Letter {strange[0]!r} of equation {layer.equation!r} of layer {layer.name!r} stands in the kernel or the output "
                        "only: each must stand in two of inputs, kernel and output."
                    )
                return terms
        raise InvalidArgumentError(
            f"Invalid einsum equation '{layer.equation}' of layer {layer.name!r}. Equations must be in the form [X],[Y]->[Z], "
            "...[X],[Y]->...[Z], or [X]...,[Y]->[Z]...."
        )

    def sizes(
        self, layer: EinsumDense, shape: tuple[int | None, ...]
    ) -> tuple[dict[str, int | None], dict[str, int | None]]:
        """The size of each letter of the inputs and of the outputs, None where unknown."""
        more = len(shape) - len(self.inputs)
        if more < 0 or (more and self.dots is None):
            raise ShapeError(
                f"Equation {layer.equation!r} of layer {layer.name!r} does not fit inputs of shape {shape}."
            )
        left = more if self.dots == "left" else 0
        whole = (*shape[: max(1, left)], *layer.partial_output_shape)
        if len(whole) != left + len(self.outputs):
            raise ShapeError(
                f"`output_shape` {layer.partial_output_shape} of layer {layer.name!r} does not fit the output {self.outputs!r} of "
                f"equation {layer.equation!r}; leave out the batch axis and what ... stands for."
            )
        inputs = dict(zip(self.inputs, shape[left:], strict=False))
        outputs = dict(zip(self.outputs, whole[left:], strict=True))
        for letter, size in outputs.items():
            if size is not None and inputs.get(letter, size) != size:
                raise ShapeError(
                    f"Input shape and output shape do not match at shared dimension '{letter}' of layer {layer.name!r}. Input shape is "
                    f"{inputs[letter]}, and output shape is {size}."
                )
        return inputs, outputs


_EQUATIONS: dict[str | None, str] = {
    None: r"([a-zA-Z]+),([a-zA-Z]+)->([a-zA-Z]+)",
    "left": r"\.\.\.([a-zA-Z]+),([a-zA-Z]+)->\.\.\.([a-zA-Z]+)",
    "right": r"([a-zA-Z]{2,})\.\.\.,([a-zA-Z]+)->([a-zA-Z]+)\.\.\.",
}


def _known_size(layer: Layer, letter: str, *tables: dict[str, int | None]) -> int:
    """The size of a letter in the first table that knows it."""
    found = next((table[letter] for table in tables if table.get(letter) is not None), None)
    if found is None:
        raise ShapeError(
            f"Layer {layer.name!r}: the size of letter {letter!r} must be known, by the inputs or by `output_shape`."
        )
    return found
