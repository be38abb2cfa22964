"""The settings of a quantized layer or model. Source: keras.quantizers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from graphkit.core.errors import InvalidArgumentError
from graphkit.core.serialization import deserialize, keras_class, serialize
from graphkit.dtype_policies import QUANTIZATION_MODES
from graphkit.quantizers.absmax import AbsMaxQuantizer

_HOME = "keras.quantizers"


@keras_class(_HOME)
class QuantizationConfig:
    """Base of quantization configs.

    Args:
        weight_quantizer: quantizes weights; None for the mode's default.
        activation_quantizer: quantizes activations; None to leave them alone.

    Source: keras.quantizers.QuantizationConfig.
    """

    mode: ClassVar[str] = ""

    def __init__(self, weight_quantizer: Any = None, activation_quantizer: Any = None) -> None:
        self.weight_quantizer, self.activation_quantizer = weight_quantizer, activation_quantizer

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments as JSON data."""
        return {
            "weight_quantizer": serialize(self.weight_quantizer),
            "activation_quantizer": serialize(self.activation_quantizer),
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Any:
        """Return an object with this config."""
        return cls(**{key: deserialize(value) for key, value in config.items()})

    @staticmethod
    def weight_quantizer_or_default(config: QuantizationConfig | None, default: Any) -> Any:
        """Return the weight quantizer of a config, or a default if there is none."""
        return default if config is None or config.weight_quantizer is None else config.weight_quantizer

    @staticmethod
    def activation_quantizer_or_default(config: QuantizationConfig | None, default: Any) -> Any:
        """Return the activation quantizer of a config, which may be None; a default without a config."""
        return default if config is None else config.activation_quantizer

    def _check_quantizer(self, name: str, wanted: Any) -> None:
        """Raise InvalidArgumentError if the weight quantizer has another value for an attribute."""
        found = getattr(self.weight_quantizer, name, wanted)
        if self.weight_quantizer is not None and found != wanted:
            raise InvalidArgumentError(
                f"{type(self).__name__} requires a weight_quantizer with {name}={wanted!r}. Received: {name}={found!r}"
            )


@keras_class(_HOME)
class Int8QuantizationConfig(QuantizationConfig):
    """int8 weights and, by default, int8 activations; `activation_quantizer=None` keeps activations as floats.

    Raises:
        InvalidArgumentError: the weight quantizer's `output_dtype` is not int8.

    Source: keras.quantizers.Int8QuantizationConfig.
    """

    mode = "int8"

    def __init__(self, weight_quantizer: Any = None, activation_quantizer: Any = "default") -> None:
        super().__init__(
            weight_quantizer, AbsMaxQuantizer() if activation_quantizer == "default" else activation_quantizer
        )
        self._check_quantizer("output_dtype", "int8")


@keras_class(_HOME)
class Int4QuantizationConfig(QuantizationConfig):
    """int4 weights.

    Args:
        weight_quantizer: a custom quantizer of weights.
        activation_quantizer: a custom quantizer of activations, which otherwise stay floats.
        block_size: inputs per group, each group with its own scale and zero point; None or -1 for one scale per output.

    Raises:
        InvalidArgumentError: `block_size` is invalid or combined with custom quantizers, or the weight quantizer is not int4.

    Source: keras.quantizers.Int4QuantizationConfig.
    """

    mode = "int4"

    def __init__(
        self, weight_quantizer: Any = None, activation_quantizer: Any = "default", block_size: int | None = 128
    ) -> None:
        super().__init__(weight_quantizer, None if activation_quantizer == "default" else activation_quantizer)
        if block_size is not None and block_size != -1 and block_size <= 0:
            raise InvalidArgumentError(
                f"block_size must be None, -1, or a positive integer. Received: block_size={block_size}"
            )
        self.block_size = block_size
        own = self.weight_quantizer is not None or self.activation_quantizer is not None
        if block_size is not None and block_size > 0 and own:
            raise InvalidArgumentError(
                "Int4 sub-channel quantization (block_size > 0) does not support custom quantizers. Either set block_size to None "
                "or -1 for per-channel quantization, or remove the custom quantizer arguments. Received: "
                f"block_size={block_size}"
            )
        self._check_quantizer("value_range", (-8, 7))
        self._check_quantizer("output_dtype", "int8")

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments as JSON data."""
        return {**super().get_config(), "block_size": self.block_size}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Any:
        """Return an object with this config; configs without `block_size` are older than groups."""
        return super().from_config({"block_size": None, **config})


@keras_class(_HOME)
class Float8QuantizationConfig(QuantizationConfig):
    """Matrix products in float8. Source: keras.quantizers.Float8QuantizationConfig."""

    mode = "float8"

    def __init__(self) -> None:
        super().__init__()

    def get_config(self) -> dict[str, Any]:
        """Return an empty dict."""
        return {}


def _check_positive(owner: Any, *names: str) -> None:
    for name in names:
        if getattr(owner, name) <= 0:
            raise InvalidArgumentError(f"{name} must be a positive integer.")


class _CalibratedConfig(QuantizationConfig):
    """Base of configs for methods that calibrate on samples. The samples are not saved."""

    _saved: ClassVar[tuple[str, ...]]
    weight_bits: int
    group_size: int

    def _check_group_size(self) -> None:
        if self.group_size < -1 or self.group_size == 0:
            raise InvalidArgumentError(
                f"Invalid group_size. Supported values are -1 (whole-tensor) or a positive integer, but got {self.group_size}."
            )

    def dtype_policy_string(self) -> str:
        """Return the mode as it is written in a dtype policy, such as "gptq/4/128"."""
        return f"{self.mode}/{self.weight_bits}/{self.group_size}"

    def get_config(self) -> dict[str, Any]:
        """Return the settings; `dataset` and `tokenizer` are None."""
        return {"dataset": None, "tokenizer": None, **{name: getattr(self, name) for name in self._saved}}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Any:
        """Return an object with this config."""
        return cls(**config)


@keras_class(_HOME)
class GPTQConfig(_CalibratedConfig):
    """Settings of GPTQ (arXiv:2210.17323).

    Args:
        dataset: texts or token ids to calibrate on.
        tokenizer: converts texts to token ids.
        weight_bits: 2, 3, 4 or 8.
        num_samples: sequences to calibrate on.
        per_channel: one scale per output channel instead of one per tensor.
        sequence_length: tokens per sequence.
        hessian_damping: from 0 to 1, the fraction of the Hessian's mean diagonal that is added to its diagonal.
        group_size: weights that share a scale and a zero point; -1 for no groups.
        symmetric: quantize symmetrically about 0.
        activation_order: quantize columns in the order of decreasing activation.
        quantization_layer_structure: the layers before and inside the blocks of the model.

    Raises:
        InvalidArgumentError: a setting is out of range.

    Source: keras.quantizers.GPTQConfig.
    """

    mode = "gptq"
    _saved = (
        "weight_bits", "num_samples", "per_channel", "sequence_length", "hessian_damping", "group_size", "symmetric",
        "activation_order", "quantization_layer_structure",
    )  # fmt: skip

    def __init__(
        self,
        dataset: Any,
        tokenizer: Any,
        *,
        weight_bits: int = 4,
        num_samples: int = 128,
        per_channel: bool = True,
        sequence_length: int = 512,
        hessian_damping: float = 0.01,
        group_size: int = 128,
        symmetric: bool = False,
        activation_order: bool = False,
        quantization_layer_structure: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.dataset, self.tokenizer = dataset, tokenizer
        self.weight_bits, self.num_samples, self.per_channel = weight_bits, num_samples, per_channel
        self.sequence_length, self.hessian_damping, self.group_size = sequence_length, hessian_damping, group_size
        self.symmetric, self.activation_order = symmetric, activation_order
        self.quantization_layer_structure = quantization_layer_structure
        if weight_bits not in (2, 3, 4, 8):
            raise InvalidArgumentError(f"Unsupported weight_bits {weight_bits}. Supported values are 2, 3, 4, and 8.")
        _check_positive(self, "num_samples", "sequence_length")
        if not 0 <= hessian_damping <= 1:
            raise InvalidArgumentError("hessian_damping must be between 0 and 1.")
        self._check_group_size()


@keras_class(_HOME)
class AWQConfig(_CalibratedConfig):
    """Settings of AWQ (arXiv:2306.00978).

    Args:
        dataset: texts or token ids to calibrate on.
        tokenizer: converts texts to token ids.
        weight_bits: 4.
        num_samples: sequences to calibrate on.
        sequence_length: tokens per sequence.
        group_size: weights that share a scale and a zero point; -1 for no groups.
        num_grid_points: the number of scales that are tried.
        quantization_layer_structure: the layers before and inside the blocks of the model.

    Raises:
        InvalidArgumentError: a setting is out of range.

    Source: keras.quantizers.AWQConfig.
    """

    mode = "awq"
    _saved = (
        "weight_bits",
        "num_samples",
        "sequence_length",
        "group_size",
        "num_grid_points",
        "quantization_layer_structure",
    )

    def __init__(
        self,
        dataset: Any,
        tokenizer: Any,
        *,
        weight_bits: int = 4,
        num_samples: int = 128,
        sequence_length: int = 512,
        group_size: int = 128,
        num_grid_points: int = 20,
        quantization_layer_structure: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.dataset, self.tokenizer = dataset, tokenizer
        self.weight_bits, self.num_samples, self.sequence_length = weight_bits, num_samples, sequence_length
        self.group_size, self.num_grid_points = group_size, num_grid_points
        self.quantization_layer_structure = quantization_layer_structure
        if weight_bits != 4:
            raise InvalidArgumentError(f"AWQ only supports 4-bit quantization. Received weight_bits={weight_bits}.")
        _check_positive(self, "num_samples", "sequence_length", "num_grid_points")
        self._check_group_size()


def resolved_config(mode: Any, config: Any) -> Any:
    """Return the config that the arguments of `quantize(mode, config)` select.

    Raises:
        InvalidArgumentError: the arguments name no mode, an unknown mode or two modes, or `config` is not a config.
    """
    if isinstance(config, str):
        mode, config = config, None
    if mode is not None:
        check_mode(mode)
    if config is None:
        if mode is None:
            raise InvalidArgumentError("You must provide either `mode` or `config` to `quantize`.")
        if mode not in _DEFAULTS:
            names = {"gptq": "a `GPTQConfig`", "awq": "an `AWQConfig`"}
            raise InvalidArgumentError(
                f"For {mode.upper()}, you must pass {names[mode]} object in the `config` argument."
            )
        return _DEFAULTS[mode]()
    if not isinstance(config, QuantizationConfig):
        raise InvalidArgumentError(
            f"Argument `config` must be an instance of `QuantizationConfig`. Received: config={config!r} (of type {type(config)})"
        )
    if mode is not None and config.mode != mode:
        raise InvalidArgumentError(f"Contradictory arguments: mode='{mode}' but config.mode='{config.mode}'")
    check_mode(config.mode)
    return config


_DEFAULTS = {"int8": Int8QuantizationConfig, "int4": Int4QuantizationConfig, "float8": Float8QuantizationConfig}


def check_mode(mode: Any) -> None:
    """Check that `mode` is a quantization mode.

    Raises:
        InvalidArgumentError: it is not.
    """
    if mode not in QUANTIZATION_MODES:
        raise InvalidArgumentError(
            f"Invalid quantization mode. Expected one of {QUANTIZATION_MODES}. Received: mode={mode}"
        )
