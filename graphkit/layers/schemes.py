"""Base of the quantization schemes: how a large weight is stored, and how the layer computes with it.

`kernel_schemes` and `table_schemes` define the schemes of kernels and embedding tables, by the mode of the dtype policy.
"""

from __future__ import annotations

from typing import Any, ClassVar

from graphkit import ops, quantizers
from graphkit.core.errors import UnsupportedError
from graphkit.dtype_policies import Int4DTypePolicy

SIGNED4 = (-8, 7)


def frozen(
    layer: Any, name: str, shape: Any, dtype: str | None = None, initializer: Any = "zeros", **options: Any
) -> Any:
    """Create a weight that is not trained."""
    return layer.add_weight(
        name=name, shape=tuple(shape), dtype=dtype, initializer=initializer, trainable=False, **options
    )


def weight_quantizer(layer: Any, default: Any) -> Any:
    """Return the quantizer of the weight: that of the config, else `default`."""
    own = getattr(layer.quantization_config, "weight_quantizer", None)
    return default if own is None else own


def input_quantizer(layer: Any, default: Any) -> Any:
    """Return the quantizer of the inputs, or None to leave them unquantized. A config overrides `default`."""
    config = layer.quantization_config
    return default if config is None else config.activation_quantizer


def block_size_of(layer: Any) -> int | None:
    """Return the size of int4 groups from the config, else from the policy; None for no groups."""
    config, policy = layer.quantization_config, layer.own_policy
    size = getattr(config, "block_size", None)
    if size is None and not isinstance(config, quantizers.Int4QuantizationConfig):
        size = policy.block_size if isinstance(policy, Int4DTypePolicy) else None
    return None if size == -1 else size


def group_of(size: int) -> Any:
    """Return an initializer of group indices: 0 for the first `size` elements, then 1, and so on."""
    return lambda shape, dtype: ops.floor_divide(ops.arange(shape[0], dtype=dtype), size)


class Scheme:
    """A quantization scheme. The weights are attributes of the layer, as in Keras."""

    keeps_floats: ClassVar[bool] = False  # whether the float weight is kept and trained
    calibrated: ClassVar[bool] = False  # whether the weight is quantized only after calibration on sample data
    adaptable: ClassVar[bool] = True  # whether it can be combined with LoRA
    extra: ClassVar[tuple[str, ...]] = ()

    def build(self, layer: Any) -> None:
        """Create the weights that replace the float weight."""
        raise NotImplementedError(f"{type(self).__name__} defines no build(layer)")

    def encode(self, layer: Any) -> dict[str, Any]:
        """Return the quantized form of the layer's float weights, by attribute."""
        return {}

    def replaced(self, layer: Any) -> tuple[str, ...]:
        """Return the attributes of the float weights that are removed."""
        return (f"_{layer.main}",)

    def weight_names(self, layer: Any) -> tuple[str, ...]:
        """Return the attributes that hold weights, in the order in which files store them."""
        return (*layer.weight_names, *self.extra)

    def kept(self, layer: Any) -> Any:
        """Return the value that the layer shows as its weight."""
        return getattr(layer, f"_{layer.main}")

    def merged(self, layer: Any) -> dict[str, Any]:
        """Return the quantized form of the weight with the LoRA update merged in, by attribute.

        Raises:
            UnsupportedError: the scheme cannot be combined with LoRA.
        """
        raise UnsupportedError(f"{layer.quantization_mode} does not support LoRA (layer {layer.name!r}).")

    def policy_mode(self, layer: Any) -> str:
        """Return the mode as it appears in the name of the dtype policy."""
        return str(layer.quantization_config.mode)


def int4_encoded(matrix: Any, block_size: int | None, quantizer: Any, pack_axis: int) -> tuple[Any, Any, Any]:
    """Quantize a matrix; return (packed integers, scale, zero point).

    Without groups there is a scale for each column and no zero point; with groups, both for each group of rows in a column.
    """
    if block_size is None:
        values, scale = quantizer(matrix)
        scale, zero = ops.squeeze(scale, 0), None
    else:
        values, scale, zero = quantizers.abs_max_quantize_grouped_with_zero_point(matrix, block_size, to_numpy=True)
    return quantizers.pack_int4(values, axis=pack_axis)[0], scale, zero
