"""Layers with one large weight that can be adapted by LoRA (arXiv:2106.09685) and quantized."""

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
    """The arguments of LoRA."""

    lora_rank: int | None = argument(default=None)
    lora_alpha: Any = argument(default=None)


class QuantizationArguments(Declared, kw_only=True):
    """The argument of quantization."""

    quantization_config: Any = argument(default=None, convert=deserialize)


class LowRank(AdapterArguments, BuiltInLayer):
    """A layer that stores its large weight in `_<main>`, creates it with `build_main`, and computes with `adapted()`.

    Args:
        lora_rank: the rank of the update that is trained instead of the weight; None trains the weight itself.
        lora_alpha: the update is scaled by lora_alpha / lora_rank; `lora_rank` by default.
    """

    main: ClassVar[str] = "kernel"
    weight_names: ClassVar[tuple[str, ...]] = ()
    """The attributes that hold weights, in the order in which files store them."""
    computed_names: ClassVar[frozenset[str]] = frozenset(
        {"main_weight", "lora_weights", "scheme", "kernel", "embeddings"}
    )
    """Properties that are computed from other attributes, which writing a file skips."""

    def __post_init__(self) -> None:
        self.lora_alpha = self.lora_rank if self.lora_alpha is None else self.lora_alpha
        self.lora_enabled = self.is_quantized = False

    @property
    def scheme(self) -> Any:
        """The quantization scheme of the weight: None here; see `Adaptable`."""
        return None

    # ----- building -----

    def build_main(self, shape: tuple[int, ...], initializer: Any) -> None:
        """Create the float weight, or its quantized form where the layer is quantized.

        Args:
            shape: the shape of the float weight.
            initializer: of the float weight.
        """
        self.main_shape = shape
        scheme = self.scheme
        if scheme is not None:
            scheme.build(self)
            self.is_quantized = True
        if scheme is None or scheme.keeps_floats:
            setattr(self, f"_{self.main}", self._add_weight_of(self.main, shape, initializer=initializer))

    def build_adapter(self) -> None:
        """Finish `build`: enable LoRA if the constructor was given a rank."""
        self.built = True
        if self.lora_rank:
            self.enable_lora(self.lora_rank, self.lora_alpha)

    @contextmanager
    def _creating_weights(self) -> Iterator[None]:
        """Name weights created inside as in `build`, and invalidate programs that were compiled with the old weights."""
        for variable in self._own_variables:
            variable.share(variable.array.copy())
        building, self._building = self._building, True  # so that `add_weight` adds no scope of its own
        try:
            with names.scope_is(self.path or self.name), tracing(None), self._unlocked():
                yield
        finally:
            self._building = building

    # ----- the weight -----

    @property
    def main_weight(self) -> Any:
        """The weight as stored, as floats or integers. Raises MissingWeightError before the layer is built."""
        if not self.built and not self._building:
            raise MissingWeightError(f"You must build the layer before accessing `{self.main}` (layer {self.name!r}).")
        scheme = self.scheme
        return getattr(self, f"_{self.main}", None) if scheme is None else scheme.kept(self)

    def adapted(self) -> Any:
        """Return the weight with the LoRA update: a variable, or a tensor of the compute dtype."""
        weight = self.main_weight
        if not self.lora_enabled or self.is_quantized:
            return weight
        return ops.cast(ops.add(weight, self.lora_update()), self.compute_dtype)

    # ----- LoRA -----

    @property
    def lora_weights(self) -> tuple[Variable, Variable]:
        """The two factors of the LoRA update, (..., rank) and (rank, n)."""
        return getattr(self, f"lora_{self.main}_a"), getattr(self, f"lora_{self.main}_b")

    def lora_update(self) -> Any:
        """Return the LoRA update: the scaled product of its two factors."""
        return self.lora_factor * ops.matmul(*self.lora_weights)

    @property
    def lora_factor(self) -> float:
        """The scale of the LoRA update: lora_alpha / lora_rank."""
        return float(self.lora_alpha or 0) / float(self.lora_rank or 1)

    def enable_lora(
        self,
        rank: int,
        lora_alpha: float | None = None,
        a_initializer: Any = "he_uniform",
        b_initializer: Any = "zeros",
    ) -> None:
        """Freeze the weight and train an update of this rank in its place. Source: keras Layer.enable_lora.

        Args:
            rank: the inner size of the update's two factors.
            lora_alpha: the update is scaled by lora_alpha / rank; `rank` by default.
            a_initializer: of the first factor.
            b_initializer: of the second factor.

        Raises:
            InvalidArgumentError: the layer is not built, has LoRA enabled, or constrains its weight.
            UnsupportedError: the layer is quantized by GPTQ or AWQ.
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
        with self._creating_weights():
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
        """Return the weights in the order in which files store them, without those of LoRA."""
        scheme = self.scheme
        order = self.weight_names if scheme is None else scheme.weight_names(self)
        held = [getattr(self, name, None) for name in order]
        return [v for v in held if isinstance(v, Variable)]

    def stored_values(self) -> dict[Variable, Any]:
        """Return the values that files store under LoRA: the weight with the update merged in, quantized again if it was."""
        if not self.lora_enabled or not self.built:
            return {}
        with tracing(None):
            scheme = self.scheme
            if scheme is None:
                return {getattr(self, f"_{self.main}"): self.adapted()}
            return {getattr(self, name): value for name, value in scheme.merged(self).items()}

    def weights_were_loaded(self) -> None:
        """Reset the LoRA factors after a file was read, since its weight already includes the update."""
        if self.lora_enabled:
            for factor in self.lora_weights:
                factor.assign(ops.zeros(factor.shape))

    def get_config(self) -> dict[str, Any]:
        """Return the config, with rank and alpha only where LoRA is enabled."""
        config = super().get_config()
        return config if self.lora_rank else {n: v for n, v in config.items() if n not in ("lora_rank", "lora_alpha")}


class Adaptable(QuantizationArguments, LowRank):
    """A layer whose large weight can also be quantized.

    Args:
        quantization_config: how the weight is quantized, if the dtype policy is a quantized one.
    """

    schemes: ClassVar[Mapping[str, Scheme]] = {}

    @property
    def scheme(self) -> Any:
        """The quantization scheme of the weight, None if it is not quantized. Raises UnsupportedError for an unknown mode."""
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
        """Quantize the weight. Source: keras Layer.quantize.

        Args:
            mode: "int8", "int4", "float8", "gptq" or "awq".
            config: a config from `graphkit.quantizers`, instead of or in addition to `mode`.
            type_check: whether to refuse subclasses of the built-in layers.

        Raises:
            InvalidArgumentError: the layer is not built or already quantized, or computes in float16 (mode int8).
            UnsupportedError: the layer does not have this mode, or is a subclass of a built-in layer.
        """
        config = resolved_config(mode, config)
        self._check_quantizable(config.mode)
        if type_check and "schemes" not in vars(type(self)):
            raise UnsupportedError(f"Layer {type(self).__name__} does not have a `quantize` method implemented.")
        scheme = self._scheme_of(config.mode)
        self.quantization_config = config
        with self._creating_weights():
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

    def quantized_build(self, kernel_shape: Any, mode: Any, config: Any = None) -> None:
        """Create the weights of a quantized layer, without values. Source: keras Dense.quantized_build.

        Args:
            kernel_shape: the shape of the float weight.
            mode: "int8", "int4", "float8", "gptq" or "awq".
            config: a config from `graphkit.quantizers`.

        Raises:
            UnsupportedError: the layer does not have this mode.
        """
        scheme = self._scheme_of(mode)
        self.main_shape = tuple(kernel_shape)
        self.quantization_config = self.quantization_config if config is None else config
        scheme.build(self)
        self.is_quantized = True

    @property
    def variable_serialization_spec(self) -> dict[str | None, list[str]]:
        """The names of the weights that files hold, in order, by quantization mode. Source: keras Dense.variable_serialization_spec."""

        def public(names: tuple[str, ...]) -> list[str]:
            reversible = hasattr(self, "tie_weights")
            return [n.removeprefix("_") for n in names if reversible or not n.startswith("reverse_")]

        of_modes: dict[str | None, list[str]] = {mode: public(scheme.weight_names(self)) for mode, scheme in self.schemes.items()}
        return {None: public(self.weight_names), **of_modes}

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
        """The value of the constructor's `dtype`. Setting a quantized policy quantizes the layer.

        Raises:
            InvalidArgumentError: the policy is one of GPTQ or AWQ, which need sample data.
        """
        return self._dtype_policy

    @dtype_policy.setter
    def dtype_policy(self, value: Any) -> None:
        policy = dtype_policies.get(value)
        if policy.quantization_mode is not None and self.built and not self.is_quantized:
            if policy.quantization_mode in ("gptq", "awq"):
                raise InvalidArgumentError(
                    f"Implicitly enabling {policy.quantization_mode.upper()} quantization by setting `dtype_policy` to '{value}' is "
                    "not supported: it needs sample data. Use layer.quantize or model.quantize with a config."
                )
            config = (
                quantizers.Int4QuantizationConfig(block_size=policy.block_size)
                if hasattr(policy, "block_size")
                else None
            )
            self.quantize(policy.quantization_mode, config)
        self._take_policy(policy)


def policy_with_inner(layer: BuiltInLayer) -> Any:
    """Return the policy to save for a layer whose inner layers were made with its policy: a map by path if one of them differs."""
    given, own = layer.dtype_policy, layer.own_policy
    others = {
        inner.path: inner.own_policy
        for inner in layer._layers
        if isinstance(inner, Adaptable) and inner.own_policy != own
    }
    if isinstance(given, dtype_policies.DTypePolicyMap) or not others or None in others:
        return given
    return dtype_policies.DTypePolicyMap(own, {str(path): policy for path, policy in others.items()})
