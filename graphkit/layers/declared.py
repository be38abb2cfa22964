"""Declaring the arguments of built-in layers: the base class, checks, and recurring groups of arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from graphkit import activations, constraints, initializers, regularizers
from graphkit.core.declared import Declared, argument, declaration_of, is_positive_int, must
from graphkit.core.recording import our_class, recorded_config
from graphkit.layers.input_spec import InputSpec
from graphkit.layers.layer import Layer
from graphkit.ops._windows import per_axis


class BuiltInLayer(Declared, Layer, kw_only=True):
    """Base of the built-in layers, whose arguments are declared. User-defined layers subclass `Layer` and write an `__init__`.

    Raises:
        InvalidArgumentError: an argument fails its check; InvalidTypeError for some wrong types.
        UnknownArgumentError: a keyword argument is not known.
    """

    passes_on = True
    takes_numbers = False

    # Keyword arguments of every layer; a layer that shows one in its signature lists it in `argument_order`.
    activity_regularizer: Any = argument(default=None, hidden=True, for_base=True, saved=False)
    trainable: bool = argument(default=True, hidden=True, for_base=True, saved=False)
    dtype: Any = argument(default=None, hidden=True, for_base=True, saved=False)
    autocast: bool = argument(default=True, hidden=True, for_base=True, saved=False)
    name: Any = argument(default=None, hidden=True, for_base=True, saved=False)
    if TYPE_CHECKING:  # further keyword arguments that `Layer` itself handles
        input_shape: Any = argument(default=None)
        batch_input_shape: Any = argument(default=None)
        batch_shape: Any = argument(default=None)
        batch_size: Any = argument(default=None)
        input_dim: Any = argument(default=None)
        input_length: Any = argument(default=None)

    def get_config(self) -> dict[str, Any]:
        """Return the config. Where `config_order` names "name", Keras writes just the arguments listed there."""
        names = self._saved_names()
        if "name" not in names:
            return super().get_config()
        config = {n: self._serialize_argument(n) for n in names}
        return {**config, **recorded_config(self, config)}

    def _saved_names(self) -> list[str]:
        made = declaration_of(our_class(type(self)))
        return super()._saved_names() if made is None else list(made.saved)

    @classmethod
    def _known_arguments(cls) -> list[str]:
        return [*super()._known_arguments(), *cls.declaration.arguments]

    def _serialize_argument(self, name: str) -> Any:
        known = self.declaration.arguments.get(name)
        if known is None or known.save is activations.serialize:
            return super()._serialize_argument(name if known is None else known.attribute)
        return self.saved_argument(name)

    def _add_weight_of(self, kind: str, shape: Any, name: str | None = None, **options: Any) -> Any:
        """Create a weight with the initializer, regularizer and constraint from the arguments `<kind>_...`."""
        declared = {part: getattr(self, f"{kind}_{part}") for part in ("initializer", "regularizer", "constraint")}
        return self.add_weight(name=name or kind, shape=shape, **{**declared, **options})


class SpatialLayer(BuiltInLayer, kw_only=True):
    """A layer over `rank` spatial axes, declared as `class Conv2D(..., rank=2)`."""

    rank: ClassVar[int] = 0

    def __init_subclass__(cls, *, rank: int | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if rank is not None:
            cls.rank = rank

    def __post_init__(self) -> None:
        super().__post_init__()
        self.input_spec = InputSpec(ndim=self.rank + 2)


# ----- kinds of arguments -----


def activation_argument(default: Any = None) -> Any:
    """Declare an activation: a name, function or config; None means `linear`."""
    return argument(default=default, convert=activations.get, save=activations.serialize)


def initializer(default: Any) -> Any:
    """Declare the initializer of a weight."""
    return argument(default=default, convert=initializers.get)


def regularizer() -> Any:
    """Declare the regularizer of a weight, None by default."""
    return argument(default=None, convert=regularizers.get)


def constraint() -> Any:
    """Declare the constraint of a weight, None by default."""
    return argument(default=None, convert=constraints.get)


# ----- checks -----


positive = must(
    is_positive_int,
    "Received an invalid value for `{name}` of layer {owner.name!r}, expected a positive integer. Received: {name}={value}",
)


fraction = must(
    lambda value: isinstance(value, (int, float)) and 0 <= value <= 1,
    "Invalid value received for argument `{name}` of layer {owner.name!r}. Expected a float value between 0 and 1. "
    "Received: {name}={value}",
)


def sizes(layer: Any, name: str, value: Any) -> tuple[int, ...]:
    """Return a size for each of the layer's `rank` spatial axes, from an int or a sequence.

    Raises:
        InvalidArgumentError: `value` is neither a positive int nor `rank` of them.
    """
    return per_axis(value, layer.rank, name)


def sizes_or_zero(layer: Any, name: str, value: Any) -> tuple[int, ...]:
    """Like `sizes`, but 0 is allowed."""
    return per_axis(value, layer.rank, name, allow_zero=True)


# ----- groups -----


class ActivationArgument(Declared, kw_only=True):
    """The function applied to the outputs."""

    activation: Any = activation_argument()


class KernelArguments(Declared, kw_only=True):
    """Initializer, regularizer and constraint of the weight `kernel`."""

    kernel_initializer: Any = initializer("glorot_uniform")
    kernel_regularizer: Any = regularizer()
    kernel_constraint: Any = constraint()


class BiasWeightArguments(Declared, kw_only=True):
    """Initializer, regularizer and constraint of the weight `bias`."""

    bias_initializer: Any = initializer("zeros")
    bias_regularizer: Any = regularizer()
    bias_constraint: Any = constraint()


class BiasArguments(BiasWeightArguments, kw_only=True):
    """Whether there is a weight `bias`, with its initializer, regularizer and constraint."""

    use_bias: bool = argument(default=True)


class RecurrentArguments(Declared, kw_only=True):
    """Initializer, regularizer and constraint of the weight `recurrent_kernel`."""

    recurrent_initializer: Any = initializer("orthogonal")
    recurrent_regularizer: Any = regularizer()
    recurrent_constraint: Any = constraint()


class SeedArgument(Declared, kw_only=True):
    """The seed of a random layer."""

    seed: int | None = argument(default=None)


def weight_arguments(
    *kinds: str, after_initializers: str = "", after_regularizers: str = "activity_regularizer"
) -> str:
    """Return the argument names of these kinds of weights in Keras' order, for `argument_order`.

    Args:
        kinds: "kernel", "bias", ...: the prefixes of the arguments.
        after_initializers: names that follow the initializers.
        after_regularizers: names that follow the regularizers.
    """
    initializers, regularizers, constraints = (
        " ".join(f"{kind}_{part}" for kind in kinds) for part in ("initializer", "regularizer", "constraint")
    )
    return f"{initializers} {after_initializers} {regularizers} {after_regularizers} {constraints}"
