"""The core layers: Dense, EinsumDense, Activation, Dropout, Embedding, Masking, Identity."""

from __future__ import annotations

import re
from typing import Any, ClassVar, NamedTuple

from graphkit import activations, initializers, ops, random, regularizers
from graphkit.core.declared import Declared, argument, must, or_none
from graphkit.core.errors import InvalidArgumentError, InvalidTypeError, ShapeError
from graphkit.core.serialization import keras_class
from graphkit.layers.adaptable import ADAPTER, Adaptable
from graphkit.layers.contraction import MATMUL, Contraction
from graphkit.layers.declared import (
    BiasArguments,
    BiasWeightArguments,
    BuiltInLayer,
    KernelArguments,
    SeedArgument,
    activation_argument,
    constraint,
    fraction,
    initializer,
    positive,
    regularizer,
    weight_arguments,
)
from graphkit.layers.input_spec import InputSpec
from graphkit.layers.kernel_schemes import KERNELS
from graphkit.layers.layer import Layer
from graphkit.layers.table_schemes import TABLES

_HOME = "keras.layers"
_WEIGHTS = weight_arguments("kernel", "bias", after_regularizers="")


class _Product:
    """The attributes that a product with a kernel uses."""

    contraction: Contraction
    bias: Any = None
    activation: Any


class _KernelLayer(KernelArguments, BiasWeightArguments, Adaptable, _Product):
    """activation(inputs * kernel + bias), where `contraction` defines the product."""

    main = "kernel"
    weight_names: ClassVar[tuple[str, ...]] = ("_kernel", "bias")
    zero_name = "kernel_zero"

    @property
    def kernel(self) -> Any:
        """The kernel: a variable, or a tensor where LoRA or quantization changes it."""
        return self.adapted()

    @kernel.setter
    def kernel(self, value: Any) -> None:
        self._kernel = value

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Return the output."""
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
        """Return the bias rounded to bfloat16, as Keras adds it to float8 products."""
        if self.compute_dtype != "float32":
            return self.bias
        return ops.cast(ops.cast(self.bias, "bfloat16"), "float32")


@keras_class(_HOME)
class Dense(BiasArguments, _KernelLayer):
    """activation(x @ kernel + bias) over the last axis. Source: keras.layers.Dense.

    Input (batch, ..., n), output (batch, ..., units).

    Args:
        units: the size of the last axis of the output.
        activation: a name or function applied to the output; linear by default.
        use_bias: whether a bias (units,) is added.
        kernel_initializer, kernel_regularizer, kernel_constraint: of the kernel (n, units).
        bias_initializer, bias_regularizer, bias_constraint: of the bias.
        lora_rank: the rank of a LoRA update that is trained instead of the kernel; None trains the kernel.
        lora_alpha: the update is scaled by lora_alpha / lora_rank; `lora_rank` by default.
        quantization_config: how the kernel is quantized, if the dtype policy is a quantized one.
    """

    supports_masking = True
    schemes = KERNELS
    contraction = Contraction(MATMUL, 2)

    argument_order = f"units activation use_bias {weight_arguments('kernel', 'bias')} {ADAPTER} quantization_config"
    config_order = f"units activation use_bias {_WEIGHTS} quantization_config {ADAPTER}"

    units: int = argument(check=positive)
    activation: Any = activation_argument()

    def __post_init__(self) -> None:
        super().__post_init__()
        self.input_spec = InputSpec(min_ndim=2)

    def build(self, input_shape: Any) -> None:
        """Create kernel (n, units) and bias (units,).

        Raises:
            ShapeError: the last axis of the inputs is unknown.
        """
        size = input_shape[-1]
        if size is None:
            raise ShapeError(
                f"The last axis of the inputs to layer {self.name!r} must be known, got shape {tuple(input_shape)}."
            )
        self.build_main((size, self.units), self.kernel_initializer)
        self.bias = self._add_weight_of("bias", (self.units,)) if self.use_bias else None
        self.input_spec = InputSpec(min_ndim=2, axes={-1: size})
        self.build_adapter()


@keras_class(_HOME)
class Activation(BuiltInLayer):
    """An activation function as a layer. Source: keras.layers.Activation.

    Args:
        activation: a name, function or config.
    """

    supports_masking = True
    built_at_once = True

    activation: Any = argument(convert=activations.get, save=activations.serialize)

    def call(self, inputs: Any) -> Any:
        """Return the activated inputs."""
        return self.activation(inputs)


class NoisyLayer(SeedArgument, BuiltInLayer):
    """A layer that perturbs its inputs during training; its first argument is the strength."""

    supports_masking = True
    built_at_once = True

    def __post_init__(self) -> None:
        if self._strength() > 0:
            self.seed_generator = random.SeedGenerator(self.seed)

    def _strength(self) -> float:
        return float(getattr(self, self.declaration.order[0]))

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Return the inputs, perturbed during training."""
        return self._perturbed(inputs) if training and self._strength() > 0 else inputs

    def _perturbed(self, inputs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} defines no _perturbed(inputs)")


_noise_shape = must(
    lambda value: (
        isinstance(value, (list, tuple))
        and all(n is None or (isinstance(n, int) and not isinstance(n, bool) and n > 0) for n in value)
    ),
    "Invalid value received for argument `noise_shape` of layer {owner.name!r}. Expected a tuple or list of positive integers or None. "
    "Received: noise_shape={value}",
)


@keras_class(_HOME)
class Dropout(NoisyLayer):
    """During training, sets elements to 0 with probability `rate` and scales the others by 1 / (1 - rate). Source: keras.layers.Dropout.

    Args:
        rate: a float from 0 to 1.
        noise_shape: the shape of the mask, with the batch axis, which broadcasts to the inputs; None for a size of the inputs.
        seed: an int; drawn at random by default.
    """

    rate: float = argument(check=fraction)
    noise_shape: Any = argument(default=None, check=or_none(_noise_shape))

    def _perturbed(self, inputs: Any) -> Any:
        return random.dropout(inputs, self.rate, noise_shape=self.noise_shape, seed=self.seed_generator)


class EmbeddingsArguments(Declared, kw_only=True):
    """Initializer, regularizer and constraint of the weight `embeddings`."""

    embeddings_initializer: Any = initializer("uniform")
    embeddings_regularizer: Any = regularizer()
    embeddings_constraint: Any = constraint()


@keras_class(_HOME)
class Embedding(EmbeddingsArguments, Adaptable):
    """Looks up rows of a table. Source: keras.layers.Embedding.

    Input (batch, ...) of integers, output (batch, ..., output_dim).

    Args:
        input_dim: the number of rows: the largest index plus 1.
        output_dim: the size of a row.
        embeddings_initializer, embeddings_regularizer, embeddings_constraint: of the table (input_dim, output_dim).
        mask_zero: index 0 is padding: the output's mask is False there.
        weights: the initial table, or a list that holds it.
        lora_rank, lora_alpha, quantization_config: as for `Dense`.
    """

    main = "embeddings"
    schemes = TABLES
    weight_names: ClassVar[tuple[str, ...]] = ("_embeddings",)
    has_reverse_table = False

    _order = "embeddings_initializer embeddings_regularizer embeddings_constraint mask_zero"
    argument_order = f"input_dim output_dim {_order} weights {ADAPTER} quantization_config"
    config_order = (
        "input_dim output_dim embeddings_initializer embeddings_regularizer activity_regularizer embeddings_constraint mask_zero "
        f"quantization_config {ADAPTER}"
    )

    input_dim: int = argument(check=positive)
    output_dim: int = argument(check=positive)
    mask_zero: bool = argument(default=False, kw_only=True)
    _first_weights: Any = argument(default=None, alias="weights", kw_only=True)

    def __pre_init__(self, given: dict[str, Any], more: dict[str, Any]) -> None:
        length = more.pop("input_length", None)
        if length is not None:
            more["input_shape"] = tuple(length) if isinstance(length, (list, tuple)) else (length,)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.autocast, self.supports_masking = False, self.mask_zero  # type: ignore[misc]
        if self._first_weights is not None:
            self.build()
            given, self._first_weights = self._first_weights, None
            self.set_weights(given if isinstance(given, (list, tuple)) else [given])

    def build(self, input_shape: Any = None) -> None:
        """Create the table (input_dim, output_dim)."""
        self.build_main((self.input_dim, self.output_dim), self.embeddings_initializer)
        self.build_adapter()

    @property
    def embeddings(self) -> Any:
        """The table: a variable, or a tensor where LoRA or quantization changes it."""
        return self.adapted()

    @embeddings.setter
    def embeddings(self, value: Any) -> None:
        self._embeddings = value

    def quantized_build(self, embeddings_shape: Any, mode: Any, config: Any = None) -> None:
        """Create the weights of a quantized layer, without values: see `Dense.quantized_build`."""
        super().quantized_build(embeddings_shape, mode, config)

    def call(self, inputs: Any) -> Any:
        """Return the rows for integers (batch, ...), as (batch, ..., output_dim)."""
        places, scheme = ops.cast(inputs, "int32"), self.scheme
        if scheme is None:
            return ops.cast(ops.take(self.embeddings, places, axis=0), self.compute_dtype)
        rows = scheme.rows(self, places)
        if not self.lora_enabled:
            return rows
        a, b = self.lora_weights
        added = ops.matmul(ops.take(a, places, axis=0), b)
        return ops.cast(ops.add(rows, self.lora_factor * added), self.compute_dtype)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Return where the index is not 0, or None without `mask_zero`."""
        return ops.not_equal(inputs, 0) if self.mask_zero else None


@keras_class(_HOME)
class Masking(BuiltInLayer):
    """Masks the time steps all of whose features equal `mask_value`. Source: keras.layers.Masking."""

    supports_masking = built_at_once = True

    mask_value: float = argument(default=0.0)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Return where any feature differs from the mask value, (batch, time)."""
        return ops.any(ops.not_equal(inputs, self.mask_value), axis=-1)

    def call(self, inputs: Any) -> Any:
        """Return the inputs with masked time steps set to 0."""
        kept = ops.any(ops.not_equal(inputs, self.mask_value), axis=-1, keepdims=True)
        return inputs * ops.cast(kept, inputs.dtype)


@keras_class(_HOME)
class Identity(Layer):
    """The inputs unchanged. Source: keras.layers.Identity."""

    supports_masking = True
    built_at_once = True

    def call(self, inputs: Any) -> Any:
        """Return the inputs."""
        return inputs


@keras_class(_HOME)
class ActivityRegularization(BuiltInLayer):
    """Returns its inputs and adds a penalty on them to the loss. Source: keras.layers.ActivityRegularization.

    Args:
        l1: the factor of the sum of absolute values.
        l2: the factor of the sum of squares.

    Raises:
        InvalidTypeError: `activity_regularizer` is given.
    """

    supports_masking = True
    built_at_once = True

    l1: float = argument(default=0.0)
    l2: float = argument(default=0.0)

    def __pre_init__(self, given: dict[str, Any], more: dict[str, Any]) -> None:
        if given["activity_regularizer"] is not None:
            raise InvalidTypeError(
                "ActivityRegularization makes its `activity_regularizer` from `l1` and `l2`; pass those instead."
            )
        given["activity_regularizer"] = regularizers.L1L2(l1=given["l1"], l2=given["l2"])

    def call(self, inputs: Any) -> Any:
        """Return the inputs."""
        return inputs

    def get_config(self) -> dict[str, Any]:
        """Return the config, without the regularizer, which follows from l1 and l2."""
        return {k: v for k, v in super().get_config().items() if k != "activity_regularizer"}


def _as_shape(value: Any) -> tuple[Any, ...]:
    return (value,) if isinstance(value, int) else tuple(value)


@keras_class(_HOME)
class EinsumDense(_KernelLayer):
    """activation(einsum(equation, x, kernel) + bias). Source: keras.layers.EinsumDense.

    Args:
        equation: "abc,cd->abd", "...x,xy->...y" or "ab...,bc->ac...": inputs, kernel, outputs.
        output_shape: an int, or a shape without the batch axis and without the axes of `...`; None for sizes given by the inputs.
        activation: a name or function applied to the output; linear by default.
        bias_axes: the letters of the output axes that the bias has; None for no bias.
        kernel_initializer, kernel_regularizer, kernel_constraint: of the kernel.
        bias_initializer, bias_regularizer, bias_constraint: of the bias.
        gptq_unpacked_column_size: the number of columns of a GPTQ kernel before it was packed to 4 bits; Keras stores it in configs.
        lora_rank, lora_alpha, quantization_config: as for `Dense`.
    """

    schemes = KERNELS
    zero_name = "zero_point"

    argument_order = (
        f"equation output_shape activation bias_axes {_WEIGHTS} {ADAPTER} gptq_unpacked_column_size quantization_config"
    )
    config_order = (
        f"output_shape equation activation bias_axes {weight_arguments('kernel', 'bias')} gptq_unpacked_column_size "
        f"quantization_config {ADAPTER}"
    )

    equation: str = argument()
    partial_output_shape: Any = argument(convert=_as_shape, alias="output_shape")
    activation: Any = activation_argument()
    bias_axes: str | None = argument(default=None)
    gptq_unpacked_column_size: int | None = argument(default=None, kw_only=True)

    def build(self, input_shape: Any) -> None:
        """Create the kernel and the bias, with the sizes of the equation's letters.

        Raises:
            InvalidArgumentError: the equation is malformed, or `bias_axes` names an axis that the output lacks.
            ShapeError: the inputs or `output_shape` do not fit the equation, or a size is unknown.
        """
        terms = _EinsumTerms.of(self)
        inputs, outputs = terms.sizes(self, tuple(input_shape))
        self.contraction = Contraction(self.equation, len(input_shape))
        shape = tuple(_known_size(self, letter, outputs, inputs) for letter in terms.kernel)
        self.build_main(shape, self._fans(terms))
        self.bias = None
        if self.bias_axes is not None:
            self.bias = self._add_weight_of("bias", self._bias_shape(terms, outputs, len(input_shape)))
        self.input_spec = InputSpec(ndim=len(input_shape))
        self.build_adapter()

    def _fans(self, terms: _EinsumTerms) -> Any:
        """Return the kernel's initializer with its input and output axes set, if it scales with fan-in or fan-out."""
        given = self.kernel_initializer
        if not isinstance(given, initializers.VarianceScaling) or (
            given.input_axes is not None and given.output_axes is not None
        ):
            return given
        fan_out = [i for i, letter in enumerate(terms.kernel) if letter in terms.outputs]
        fan_in = [i for i in range(len(terms.kernel)) if i not in fan_out]
        return type(given).from_config(
            {**given.get_config(), "seed": given.seed, "input_axes": fan_in, "output_axes": fan_out}
        )

    def _bias_shape(self, terms: _EinsumTerms, outputs: dict[str, int | None], rank: int) -> tuple[int, ...]:
        axes = str(self.bias_axes)
        wrong = [letter for letter in axes if letter not in terms.outputs]
        if wrong:
            raise InvalidArgumentError(
                f"Bias dimension '{wrong[0]}' was requested, but is not part of the output spec '{terms.outputs}' (layer {self.name!r})."
            )
        last = terms.outputs[min(terms.outputs.index(letter) for letter in axes) :]
        trailing = rank - len(terms.inputs) if terms.dots == "right" else 0
        return (*(_known_size(self, letter, outputs, {}) if letter in axes else 1 for letter in last), *[1] * trailing)

    def get_config(self) -> dict[str, Any]:
        """Return the config, with the GPTQ size only if there is one."""
        config = super().get_config()
        if not self.gptq_unpacked_column_size:
            config.pop("gptq_unpacked_column_size", None)
        return config


class _EinsumTerms(NamedTuple):
    """The letters of an EinsumDense equation, and on which side `...` is: "left", "right" or None."""

    inputs: str
    kernel: str
    outputs: str
    dots: str | None

    @classmethod
    def of(cls, layer: EinsumDense) -> _EinsumTerms:
        """Parse the layer's equation. Raises InvalidArgumentError if it is malformed."""
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
                        f"Letter {strange[0]!r} of equation {layer.equation!r} of layer {layer.name!r} occurs only in the kernel or only "
                        "in the output: each letter must occur in at least two of inputs, kernel and output."
                    )
                return terms
        raise InvalidArgumentError(
            f"Invalid einsum equation '{layer.equation}' of layer {layer.name!r}. Equations must be in the form [X],[Y]->[Z], "
            "...[X],[Y]->...[Z], or [X]...,[Y]->[Z]...."
        )

    def sizes(
        self, layer: EinsumDense, shape: tuple[int | None, ...]
    ) -> tuple[dict[str, int | None], dict[str, int | None]]:
        """Return the sizes of the letters of the inputs and of the outputs, None where unknown.

        Raises:
            ShapeError: the inputs' shape, with the batch axis, or `output_shape` does not fit the equation.
        """
        more = len(shape) - len(self.inputs)
        if more < 0 or (more and self.dots is None):
            raise ShapeError(
                f"Equation {layer.equation!r} of layer {layer.name!r} does not fit inputs of shape {shape}."
            )
        left = more if self.dots == "left" else 0
        whole = (*shape[: max(1, left)], *layer.partial_output_shape)
        if self.outputs == self.inputs[0] and self.dots is None:
            whole = shape[:1]  # the output is the batch axis alone, which `output_shape` leaves out
        if len(whole) != left + len(self.outputs):
            raise ShapeError(
                f"`output_shape` {layer.partial_output_shape} of layer {layer.name!r} does not fit the output {self.outputs!r} of "
                f"equation {layer.equation!r}; leave out the batch axis and the axes of `...`."
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
    """Return the size of a letter from the first table that has it."""
    found = next((table[letter] for table in tables if table.get(letter) is not None), None)
    if found is None:
        raise ShapeError(
            f"Layer {layer.name!r}: the size of letter {letter!r} must be given by the inputs or by `output_shape`."
        )
    return found
