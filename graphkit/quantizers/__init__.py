"""Quantizers: floats as small integers with a scale, and the configs of quantized layers. Source: keras.quantizers (Keras 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphkit.core.errors import InvalidArgumentError
from graphkit.core.serialization import deserialize as from_envelope
from graphkit.core.serialization import resolve
from graphkit.core.serialization import serialize as to_json
from graphkit.quantizers.absmax import (
    AbsMaxQuantizer,
    Quantizer,
    abs_max_quantize,
    abs_max_quantize_grouped_with_zero_point,
)
from graphkit.quantizers.configs import (
    AWQConfig,
    Float8QuantizationConfig,
    GPTQConfig,
    Int4QuantizationConfig,
    Int8QuantizationConfig,
    QuantizationConfig,
)
from graphkit.quantizers.fake import fake_quant_with_min_max_vars
from graphkit.quantizers.float8 import compute_float8_amax_history, compute_float8_scale, quantize_and_dequantize
from graphkit.quantizers.groups import compute_quantization_parameters, dequantize_with_sz_map, quantize_with_sz_map
from graphkit.quantizers.packing import pack_int4, unpack_int4

__all__ = [
    "AWQConfig",
    "AbsMaxQuantizer",
    "Float8QuantizationConfig",
    "GPTQConfig",
    "Int4QuantizationConfig",
    "Int8QuantizationConfig",
    "QuantizationConfig",
    "Quantizer",
    "abs_max_quantize",
    "abs_max_quantize_grouped_with_zero_point",
    "compute_float8_amax_history",
    "compute_float8_scale",
    "compute_quantization_parameters",
    "dequantize_with_sz_map",
    "deserialize",
    "fake_quant_with_min_max_vars",
    "get",
    "pack_int4",
    "quantize_and_dequantize",
    "quantize_with_sz_map",
    "serialize",
    "unpack_int4",
]


def serialize(initializer: Any) -> Any:
    """Return the config of a quantizer, or of a quantization config, as JSON data. Source: keras.quantizers.serialize."""
    return to_json(initializer)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Return the quantizer or quantization config that `serialize` wrote. Source: keras.quantizers.deserialize."""
    return from_envelope(config, custom_objects)


def get(identifier: Any) -> Any:
    """Return a quantizer for None, a name, a serialized quantizer, a class or an object.

    Raises:
        InvalidArgumentError: the identifier is of another kind.

    Source: keras.quantizers.get.
    """
    made = (
        resolve(identifier, "keras.quantizers", "quantizer") if not isinstance(identifier, (int, float)) else identifier
    )
    if made is not None and not isinstance(made, QuantizationConfig) and not callable(made):
        raise InvalidArgumentError(f"Could not interpret quantizer identifier: {identifier!r}")
    return made
