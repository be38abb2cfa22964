"""The ways to quantise a layer's large weight: what is kept in its place, and how the layer computes with that.

This is what they have in common; `kernel_schemes` and `table_schemes` say which layers have which, by the mode of the dtype policy.
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
    """A weight that is not trained."""
    return layer.add_weight(
        name=name, shape=tuple(shape), dtype=dtype, initializer=initializer, trainable=False, **options
    )


def weight_quantizer(layer: Any, default: Any) -> Any:
    """What quantises the weight."""
    own = getattr(layer.quantization_config, "weight_quantizer", None)
    return default if own is None else own


def input_quantizer(layer: Any, default: Any) -> Any:
    """What quantises the inputs; None leaves them as they are."""
    config = layer.quantization_config
    return default if config is None else config.activation_quantizer


def block_size_of(layer: Any) -> int | None:
    """The size of int4 groups, None for no groups: what the config says, else the policy."""
    config, policy = layer.quantization_config, layer.own_policy
    size = getattr(config, "block_size", None)
    if size is None and not isinstance(config, quantizers.Int4QuantizationConfig):
        size = policy.block_size if isinstance(policy, Int4DTypePolicy) else None
    return None if size == -1 else size


def group_of(size: int) -> Any:
    """An initializer of the group of each place."""
    return lambda shape, dtype: ops.floor_divide(ops.arange(shape[0], dtype=dtype), size)


class Scheme:
    """One way to quantise. Weights live in attributes of the layer, as in Keras."""

    keeps_floats: ClassVar[bool] = False  # whether the float weight stays, and is trained
    calibrated: ClassVar[bool] = False  # whether the weight is quantised only when samples have been seen
    adaptable: ClassVar[bool] = True  # whether LoRA works beside it
    extra: ClassVar[tuple[str, ...]] = ()

    def build(self, layer: Any) -> None:
        """Make what is kept in place of the float weight."""
        raise NotImplementedError(f"{type(self).__name__} defines no build(layer)")

    def encode(self, layer: Any) -> dict[str, Any]:
        """What is kept, by attribute, of the float weights that the layer has now."""
        return {}

    def replaced(self, layer: Any) -> tuple[str, ...]:
        """The attributes of the float weights that go."""
        return (f"_{layer.main}",)

    def weight_names(self, layer: Any) -> tuple[str, ...]:
        """The attributes that hold weights, in the order of files."""
        return (*layer.weight_names, *self.extra)

    def kept(self, layer: Any) -> Any:
        """What the layer shows as its weight."""
        return getattr(layer, f"_{layer.main}")

    def merged(self, layer: Any) -> dict[str, Any]:
        """What is kept, by attribute, of the weight with the adapter's update. Raises UnsupportedError where they do not mix."""
        raise UnsupportedError(f"{layer.quantization_mode} does not support LoRA (layer {layer.name!r}).")

    def policy_mode(self, layer: Any) -> str:
        """The mode as the dtype policy names it."""
        return str(layer.quantization_config.mode)


def int4_encoded(matrix: Any, block_size: int | None, quantizer: Any, pack_axis: int) -> tuple[Any, Any, Any]:
    """(bytes, scale, zero) of a matrix, a scale for each column, or with groups a scale and a zero for each group of its rows."""
    if block_size is None:
        values, scale = quantizer(matrix)
        scale, zero = ops.squeeze(scale, 0), None
    else:
        values, scale, zero = quantizers.abs_max_quantize_grouped_with_zero_point(matrix, block_size, to_numpy=True)
    return quantizers.pack_int4(values, axis=pack_axis)[0], scale, zero
