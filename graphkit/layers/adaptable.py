"""Layers with one large weight that LoRA can adapt (arXiv:2106.09685) and quantisation can shrink."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from graphkit import dtype_policies, initializers, ops, quantizers
from graphkit.core import names
from graphkit.core.declared import Declared, argument
from graphkit.core.errors import InvalidArgumentError, MissingWeightError, UnsupportedError
from graphkit.core.serialization import deserialize
from graphkit.ir.tracing import tracing
from graphkit.ir.variable import Variable
from graphkit.layers.declared import BuiltInLayer
from graphkit.layers.schemes import Scheme
from graphkit.quantizers.configs import resolved_config

ADAPTER = "lora_rank lora_alpha"


class AdapterArguments(Declared, kw_only=True):
    """Of what is trained in place of a large weight."""

    lora_rank: int | None = argument(default=None)
    lora_alpha: Any = argument(default=None)


class QuantizationArguments(Declared, kw_only=True):
    """Of what is kept in place of a large weight."""

    quantization_config: Any = argument(default=None, convert=deserialize)


class LowRank(AdapterArguments, BuiltInLayer):
    """A layer that keeps its large weight in `_<main>`, makes it with `build_main`, and computes with `adapted()`.

    Args:
        lora_rank: the rank of the update that is trained in place of the weight; None: the weight itself is trained.
        lora_alpha: the update counts `lora_alpha / lora_rank` times; the rank by default.
    """

    main: ClassVar[str] = "kernel"
    weight_names: ClassVar[tuple[str, ...]] = ()
    """The attributes that hold weights, in the order of files."""
    computed_names: ClassVar[frozenset[str]] = frozenset(
        {"main_weight", "lora_weights", "scheme", "kernel", "embeddings"}
    )
    """Properties that hold nothing of their own, so that writing a file need not ask them."""

    def __post_init__(self) -> None:
        self.lora_alpha = self.lora_rank if self.lora_alpha is None else self.lora_alpha
        self.lora_enabled = self.is_quantized = False

    @property
    def scheme(self) -> Any:
        """How the weight is quantised: not at all; see `Adaptable`."""
        return None

    # ----- building -----

    def build_main(self, shape: tuple[int, ...], initializer: Any) -> None:
        """Make the weight as floats, or what stands for it where the layer is quantised."""
        self.main_shape = shape
        scheme = self.scheme
        if scheme is not None:
            scheme.build(self)
            self.is_quantized = True
        if scheme is None or scheme.keeps_floats:
            setattr(self, f"_{self.main}", self._add_weight_of(self.main, shape, initializer=initializer))

    def build_adapter(self) -> None:
        """The last step of `build`: the adapter, if the constructor asked for one."""
        self.built = True
        if self.lora_rank:
            self.enable_lora(self.lora_rank, self.lora_alpha)

    @contextmanager
    def _making(self) -> Iterator[None]:
        """Weights made inside are named as if made while building; programs that were compiled with the old ones are given up."""
        for variable in self._own_variables:
            variable.share(variable.array.copy())
        with names.scope_is(self.path or self.name), tracing(None):
            yield

    # ----- the weight -----

    @property
    def main_weight(self) -> Any:
        """The weight as it is kept: floats, or bytes. Raises MissingWeightError."""
        if not self.built and not self._building:
            raise MissingWeightError(f"You must build the layer before accessing `{self.main}` (layer {self.name!r}).")
        scheme = self.scheme
        return getattr(self, f"_{self.main}", None) if scheme is None else scheme.kept(self)

    def adapted(self) -> Any:
        """The weight with the adapter's update: a variable, or a tensor of the compute dtype."""
        weight = self.main_weight
        if not self.lora_enabled or self.is_quantized:
            return weight
        return ops.cast(ops.add(weight, self.lora_update()), self.compute_dtype)

    # ----- LoRA -----

    @property
    def lora_weights(self) -> tuple[Variable, Variable]:
        """The two factors of the update."""
        return getattr(self, f"lora_{self.main}_a"), getattr(self, f"lora_{self.main}_b")

    def lora_update(self) -> Any:
        """What the adapter adds to the weight."""
        return self.lora_factor * ops.matmul(*self.lora_weights)

    @property
    def lora_factor(self) -> float:
        """How many times the product of the factors counts."""
        return float(self.lora_alpha or 0) / float(self.lora_rank or 1)

    def enable_lora(
        self,
        rank: int,
        lora_alpha: float | None = None,
        a_initializer: Any = "he_uniform",
        b_initializer: Any = "zeros",
    ) -> None:
        """Freeze the weight and train an update of this rank in its place.

        Raises InvalidArgumentError for a layer that is not built, is adapted already, or constrains its weight; UnsupportedError
        under GPTQ and AWQ. Source: keras Layer.enable_lora.
        """
        if getattr(self, f"{self.main}_constraint"):
            raise InvalidArgumentError(
                f"Lora is incompatible with {self.main} constraints. In order to enable lora on this layer, remove the "
                f"`{self.main}_constraint` argument (layer {self.name!r})."
            )
        if not self.built:
            raise InvalidArgumentError(f"Cannot enable lora on a layer that isn't yet built (layer {self.name!r}).")
        if self.lora_enabled:
            raise InvalidArgumentError(
                f"lora is already enabled. This can only be done once per layer (layer {self.name!r})."
            )
        scheme = self.scheme
        if scheme is not None and not scheme.adaptable:
            raise UnsupportedError(
                f"lora is not currently supported with {str(self.quantization_mode).upper()} quantization (layer {self.name!r})."
            )
        shapes = {"a": (*self.main_shape[:-1], rank), "b": (rank, self.main_shape[-1])}
        with self._making():
            for part, initializer in (("a", a_initializer), ("b", b_initializer)):
                name = f"lora_{self.main}_{part}"
                factor = self.add_weight(
                    name=name,
                    shape=shapes[part],
                    initializer=initializers.get(initializer),
                    dtype="float32",
                    regularizer=getattr(self, f"{self.main}_regularizer"),
                )
                setattr(self, name, factor)
        getattr(self, f"_{self.main}").trainable = False
        self.lora_enabled, self.lora_rank = True, rank
        self.lora_alpha = rank if lora_alpha is None else lora_alpha

    # ----- files -----

    def stored_variables(self) -> list[Variable]:
        """The weights in the order of files; the adapter's are no part of it."""
        scheme = self.scheme
        order = self.weight_names if scheme is None else scheme.weight_names(self)
        held = [getattr(self, name, None) for name in order]
        return [v for v in held if isinstance(v, Variable)]

    def stored_values(self) -> dict[Variable, Any]:
        """What files hold in place of variables: the weight with the adapter's update, quantised anew where it is."""
        if not self.lora_enabled or not self.built:
            return {}
        with tracing(None):
            scheme = self.scheme
            if scheme is None:
                return {getattr(self, f"_{self.main}"): self.adapted()}
            return {getattr(self, name): value for name, value in scheme.merged(self).items()}

    def weights_were_loaded(self) -> None:
        """After a file was read: it had the adapter's update in the weight."""
        if self.lora_enabled:
            for factor in self.lora_weights:
                factor.assign(ops.zeros(factor.shape))

    def get_config(self) -> dict[str, Any]:
        """The config; the adapter's rank and alpha only where there is one."""
        config = super().get_config()
        return config if self.lora_rank else {n: v for n, v in config.items() if n not in ("lora_rank", "lora_alpha")}


class Adaptable(QuantizationArguments, LowRank):
    """A layer whose large weight can be quantised as well.

    Args:
        quantization_config: how the weight is quantised, where the dtype policy says that it is.
    """

    schemes: ClassVar[Mapping[str, Scheme]] = {}

    @property
    def scheme(self) -> Any:
        """How the weight is quantised; None if it is not. Raises UnsupportedError for a mode that the layer has not."""
        mode = self.quantization_mode
        return None if mode is None else self._scheme_of(mode)

    def _scheme_of(self, mode: str) -> Scheme:
        if mode not in self.schemes:
            raise UnsupportedError(
                f"Invalid quantization mode. Expected one of {tuple(self.schemes)}. Received: quantization_mode={mode} "
                f"(layer {self.name!r})"
            )
        return self.schemes[mode]

    def quantize(self, mode: Any = None, config: Any = None, type_check: bool = True, **kwargs: Any) -> None:
        """Quantise the weight: "int8", "int4", "float8", ... or as a config of `graphkit.quantizers` says.

        Raises InvalidArgumentError for a layer that is not built or is quantised already, UnsupportedError for a mode that it has
        not, and for classes derived from Keras' own unless `type_check` is False. Source: keras Layer.quantize.
        """
        config = resolved_config(mode, config)
        self._check_quantizable(config.mode)
        if type_check and "schemes" not in vars(type(self)):
            raise UnsupportedError(f"Layer {type(self).__name__} does not have a `quantize` method implemented.")
        scheme = self._scheme_of(config.mode)
        self.quantization_config = config
        with self._making():
            values = scheme.encode(self)
            if not scheme.keeps_floats and not scheme.calibrated:
                for name in scheme.replaced(self):
                    delattr(self, name)
            scheme.build(self)
            for name, value in values.items():
                getattr(self, name).assign(value)
        self.is_quantized = True
        if self.own_policy.quantization_mode is None:
            self.dtype_policy = f"{scheme.policy_mode(self)}_from_{self.own_policy.name}"

    def _check_quantizable(self, mode: str) -> None:
        if not self.built:
            raise InvalidArgumentError(
                f"Cannot quantize a layer that isn't yet built. Layer '{self.name}' (of type '{type(self).__name__}') is not built "
                "yet."
            )
        if self.is_quantized:
            raise InvalidArgumentError(
                f"Layer '{self.name}' is already quantized with dtype_policy='{self.own_policy.name}'. Received: mode={mode}"
            )
        if mode == "int8" and self.compute_dtype == "float16":
            raise InvalidArgumentError(
                f"Quantization mode='{mode}' doesn't work well with compute_dtype='float16'. Consider loading model/layer with "
                "another dtype policy such as 'mixed_bfloat16' or 'mixed_float16' before calling `quantize()`."
            )

    @property
    def dtype_policy(self) -> Any:
        """What the layer was given as `dtype`; setting a quantised one quantises the layer."""
        return self._dtype_policy

    @dtype_policy.setter
    def dtype_policy(self, value: Any) -> None:
        policy = dtype_policies.get(value)
        if policy.quantization_mode is not None and self.built and not self.is_quantized:
            if policy.quantization_mode in ("gptq", "awq"):
                raise InvalidArgumentError(
                    f"Implicitly enabling {policy.quantization_mode.upper()} quantization by setting `dtype_policy` to '{value}' is "
                    "not supported: it wants samples. Use layer.quantize or model.quantize with a config."
                )
            config = (
                quantizers.Int4QuantizationConfig(block_size=policy.block_size)
                if hasattr(policy, "block_size")
                else None
            )
            self.quantize(policy.quantization_mode, config)
        self._take_policy(policy)


def policy_with_inner(layer: BuiltInLayer) -> Any:
    """What a layer that makes others with its own policy writes as `dtype`: a map by path, where one of them has another by now."""
    given, own = layer.dtype_policy, layer.own_policy
    others = {
        inner.path: inner.own_policy
        for inner in layer._layers
        if isinstance(inner, Adaptable) and inner.own_policy != own
    }
    if isinstance(given, dtype_policies.DTypePolicyMap) or not others or None in others:
        return given
    return dtype_policies.DTypePolicyMap(own, {str(path): policy for path, policy in others.items()})
