"""What the built-in layers share in declaring their arguments: their base, the checks, the groups that recur."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from graphkit import activations, constraints, initializers, regularizers
from graphkit.core.declared import Declared, argument, declaration_of, is_positive_int, must
from graphkit.core.recording import our_class, recorded_config
from graphkit.layers.input_spec import InputSpec
from graphkit.layers.layer import Layer
from graphkit.ops._windows import per_axis


class BuiltInLayer(Declared, Layer, kw_only=True):
    """Base of graphkit's own layers, whose arguments are declared. Layers of users subclass `Layer` and write an `__init__`."""

    passes_on = True

    # What every layer takes, by name; a layer whose signature shows one names it in `argument_order`.
    activity_regularizer: Any = argument(default=None, hidden=True, for_base=True, saved=False)
    trainable: bool = argument(default=True, hidden=True, for_base=True, saved=False)
    dtype: Any = argument(default=None, hidden=True, for_base=True, saved=False)
    autocast: bool = argument(default=True, hidden=True, for_base=True, saved=False)
    name: Any = argument(default=None, hidden=True, for_base=True, saved=False)
    if TYPE_CHECKING:  # what further names `Layer` itself takes out of its keyword arguments
        input_shape: Any = argument(default=None)
        batch_input_shape: Any = argument(default=None)
        batch_shape: Any = argument(default=None)
        batch_size: Any = argument(default=None)
        input_dim: Any = argument(default=None)
        input_length: Any = argument(default=None)

    def get_config(self) -> dict[str, Any]:
        """The config; of some layers Keras writes only what their `config_order` names, which then has the name and the dtype."""
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
        """A weight with the initializer, regularizer and constraint that the arguments `kind_...` say."""
        said = {part: getattr(self, f"{kind}_{part}") for part in ("initializer", "regularizer", "constraint")}
        return self.add_weight(name=name or kind, shape=shape, **{**said, **options})


class SpatialLayer(BuiltInLayer, kw_only=True):
    """Layers over `rank` spatial axes: `class Conv2D(..., rank=2)`."""

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
    """An activation: a name, a function, a config; None is `linear`."""
    return argument(default=default, convert=activations.get, save=activations.serialize)


def initializer(default: Any) -> Any:
    """An initializer of a weight."""
    return argument(default=default, convert=initializers.get)


def regularizer() -> Any:
    """A regularizer of a weight, none by default."""
    return argument(default=None, convert=regularizers.get)


def constraint() -> Any:
    """A constraint of a weight, none by default."""
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
    """A size for each of the layer's `rank` spatial axes, from one number or several. Raises InvalidArgumentError."""
    return per_axis(value, layer.rank, name)


def sizes_or_zero(layer: Any, name: str, value: Any) -> tuple[int, ...]:
    """Like `sizes`; they may be 0."""
    return per_axis(value, layer.rank, name, allow_zero=True)


# ----- groups -----


class ActivationArgument(Declared, kw_only=True):
    """Of the function that the outputs go through."""

    activation: Any = activation_argument()


class KernelArguments(Declared, kw_only=True):
    """Of the weight `kernel`."""

    kernel_initializer: Any = initializer("glorot_uniform")
    kernel_regularizer: Any = regularizer()
    kernel_constraint: Any = constraint()


class BiasWeightArguments(Declared, kw_only=True):
    """Of the weight `bias`."""

    bias_initializer: Any = initializer("zeros")
    bias_regularizer: Any = regularizer()
    bias_constraint: Any = constraint()


class BiasArguments(BiasWeightArguments, kw_only=True):
    """Of the weight `bias`, and whether there is one."""

    use_bias: bool = argument(default=True)


class RecurrentArguments(Declared, kw_only=True):
    """Of the weight `recurrent_kernel`."""

    recurrent_initializer: Any = initializer("orthogonal")
    recurrent_regularizer: Any = regularizer()
    recurrent_constraint: Any = constraint()


class SeedArgument(Declared, kw_only=True):
    """Of layers with chance in them."""

    seed: int | None = argument(default=None)


def weight_arguments(
    *kinds: str, behind_initializers: str = "", behind_regularizers: str = "activity_regularizer"
) -> str:
    """The arguments of some weights in Keras' order, for `argument_order`."""
    initializers, regularizers, constraints = (
        " ".join(f"{kind}_{part}" for kind in kinds) for part in ("initializer", "regularizer", "constraint")
    )
    return f"{initializers} {behind_initializers} {regularizers} {behind_regularizers} {constraints}"
