"""Quantization schemes for embedding tables: int8, int4."""

from __future__ import annotations

from typing import Any, ClassVar

from graphkit import ops, quantizers
from graphkit.layers.schemes import (
    SIGNED4,
    Scheme,
    block_size_of,
    frozen,
    group_of,
    input_quantizer,
    int4_encoded,
    weight_quantizer,
)


class Int8Table(Scheme):
    """int8 weights with a scale for each row. The reverse table, if there is one, has a scale for each column."""

    extra: ClassVar[tuple[str, ...]] = ("embeddings_scale",)

    def build(self, layer: Any) -> None:
        """Create tables and scales."""
        rows, width = layer.main_shape
        layer.inputs_quantizer = input_quantizer(layer, quantizers.AbsMaxQuantizer(axis=-1))
        layer._embeddings = frozen(layer, "embeddings", (rows, width), "int8")
        layer.embeddings_scale = frozen(layer, "embeddings_scale", (rows,), initializer="ones")
        if layer.has_reverse_table:
            layer.reverse_embeddings = frozen(layer, "reverse_embeddings", (width, rows), "int8")
            layer.reverse_embeddings_scale = frozen(layer, "reverse_embeddings_scale", (rows,), initializer="ones")

    def replaced(self, layer: Any) -> tuple[str, ...]:
        """Return the attributes of the float tables, which are removed."""
        return ("_embeddings", "reverse_embeddings") if layer.has_reverse_table else ("_embeddings",)

    def weight_names(self, layer: Any) -> tuple[str, ...]:
        """Return the attributes that hold weights: each table followed by its scale, zero point and group index."""
        back = tuple(f"reverse_{name}" for name in ("embeddings", *self.extra) if name != "g_idx")
        return ("_embeddings", *self.extra, *back)

    def encode(self, layer: Any) -> dict[str, Any]:
        """Return tables and scales by attribute."""
        quantizer = weight_quantizer(layer, quantizers.AbsMaxQuantizer(axis=-1))
        made = self._encoded(layer._embeddings, quantizer)
        if layer.has_reverse_table:
            values, scale = weight_quantizer(layer, quantizers.AbsMaxQuantizer(axis=0))(layer.reverse_embeddings)
            made |= {"reverse_embeddings": values, "reverse_embeddings_scale": ops.squeeze(scale, 0)}
        return made

    @staticmethod
    def _encoded(table: Any, quantizer: Any) -> dict[str, Any]:
        values, scale = quantizer(table)
        return {"_embeddings": values, "embeddings_scale": ops.squeeze(scale, -1)}

    def merged(self, layer: Any) -> dict[str, Any]:
        """Return table and scale by attribute."""
        floats = ops.true_divide(
            ops.cast(layer._embeddings, layer.compute_dtype), ops.expand_dims(layer.embeddings_scale, -1)
        )
        return self._encoded(ops.add(floats, layer.lora_update()), quantizers.AbsMaxQuantizer(axis=-1))

    def rows(self, layer: Any, places: Any) -> Any:
        """Return the dequantized rows with these indices."""
        values = ops.cast(ops.take(layer._embeddings, places, axis=0), layer.compute_dtype)
        return ops.true_divide(values, ops.expand_dims(ops.take(layer.embeddings_scale, places, axis=0), -1))

    def logits(self, layer: Any, inputs: Any) -> Any:
        """Return the logits: the inputs times the reverse table."""
        table, scale = self._back(layer)
        return _scaled_product(layer, inputs, table, scale)

    @staticmethod
    def _back(layer: Any) -> tuple[Any, Any]:
        if layer.has_reverse_table:
            return layer.reverse_embeddings, layer.reverse_embeddings_scale
        return ops.transpose(layer._embeddings), layer.embeddings_scale


def _scaled_product(layer: Any, inputs: Any, table: Any, scale: Any) -> Any:
    """Return inputs @ table / scale, quantizing the inputs first if the layer does. With scale None, the table is dequantized."""
    divisor = scale
    if layer.inputs_quantizer is not None:
        inputs, input_scale = layer.inputs_quantizer(inputs)
        divisor = input_scale if scale is None else ops.multiply(input_scale, scale)
    made = ops.matmul(inputs, table)
    made = made if scale is None else ops.cast(made, layer.compute_dtype)
    return made if divisor is None else ops.true_divide(made, divisor)


class Int4Table(Int8Table):
    """int4 weights, two to a byte, with a scale for each row, or for each group within a row."""

    extra: ClassVar[tuple[str, ...]] = ("embeddings_scale", "embeddings_zero", "g_idx")

    def build(self, layer: Any) -> None:
        """Create tables and scales and, with groups, zero points and the group index."""
        rows, width = layer.main_shape
        layer.inputs_quantizer = input_quantizer(layer, quantizers.AbsMaxQuantizer(axis=-1))
        size = block_size_of(layer)
        groups = () if size is None else (-(-width // size),)
        layer._embeddings = frozen(layer, "embeddings", (rows, (width + 1) // 2), "int8")
        layer.embeddings_scale = frozen(layer, "embeddings_scale", (rows, *groups), initializer="ones")
        layer.embeddings_zero = layer.g_idx = None
        if size is not None:
            layer.embeddings_zero = frozen(layer, "embeddings_zero", (rows, *groups), "int8")
            layer.g_idx = frozen(layer, "g_idx", (width,), "float32", group_of(size))
        if layer.has_reverse_table:
            layer.reverse_embeddings = frozen(layer, "reverse_embeddings", ((width + 1) // 2, rows), "int8")
            layer.reverse_embeddings_scale = frozen(
                layer, "reverse_embeddings_scale", (*groups, rows), initializer="ones"
            )
            if size is not None:
                layer.reverse_embeddings_zero = frozen(layer, "reverse_embeddings_zero", (*groups, rows))

    def encode(self, layer: Any) -> dict[str, Any]:
        """Return tables, scales and zero points by attribute."""
        made = self._encoded_table(layer, layer._embeddings, quantizers.AbsMaxQuantizer(axis=0, value_range=SIGNED4))
        if layer.has_reverse_table:
            quantizer = weight_quantizer(layer, quantizers.AbsMaxQuantizer(axis=0, value_range=SIGNED4))
            found = int4_encoded(layer.reverse_embeddings, block_size_of(layer), quantizer, pack_axis=0)
            made |= _named("reverse_embeddings", "reverse_embeddings", found)
        return made

    def merged(self, layer: Any) -> dict[str, Any]:
        """Return table, scale and zero point by attribute."""
        floats = ops.add(self._floats(layer, layer._embeddings, self._groups(layer)), layer.lora_update())
        return self._encoded_table(layer, floats, quantizers.AbsMaxQuantizer(axis=0, value_range=SIGNED4))

    @staticmethod
    def _encoded_table(layer: Any, table: Any, default: Any) -> dict[str, Any]:
        own = getattr(layer.quantization_config, "weight_quantizer", None)
        quantizer = default if own is None else lambda x: _transposed_quantizer(own, x)
        found = int4_encoded(ops.transpose(table), block_size_of(layer), quantizer, pack_axis=0)
        return _named("_embeddings", "embeddings", [None if v is None else ops.transpose(v) for v in found])

    @staticmethod
    def _groups(layer: Any) -> list[Any]:
        return [v for v in (layer.embeddings_scale, layer.embeddings_zero) if v is not None]

    def kept(self, layer: Any) -> Any:
        """Return the unpacked integers."""
        return quantizers.unpack_int4(layer._embeddings, layer.main_shape[1], axis=-1)

    def rows(self, layer: Any, places: Any) -> Any:
        """Return the dequantized rows with these indices."""
        table = ops.take(layer._embeddings, places, axis=0)
        return self._floats(layer, table, [ops.take(v, places, axis=0) for v in self._groups(layer)])

    @staticmethod
    def _floats(layer: Any, packed: Any, groups: list[Any]) -> Any:
        """Dequantize packed rows with their scales and zero points."""
        values = ops.cast(quantizers.unpack_int4(packed, layer.main_shape[1], axis=-1), layer.compute_dtype)
        if len(groups) == 1:
            return ops.true_divide(values, ops.expand_dims(groups[0], -1))
        return quantizers.dequantize_with_sz_map(values, groups[0], groups[1], layer.g_idx, group_axis=-1)

    def logits(self, layer: Any, inputs: Any) -> Any:
        """Return the logits: the inputs times the reverse table."""
        packed, scale = self._back(layer)
        table = quantizers.unpack_int4(packed, layer.main_shape[1], axis=0)
        if layer.g_idx is None:
            return _scaled_product(layer, inputs, table, scale)
        zero = layer.reverse_embeddings_zero if layer.has_reverse_table else ops.transpose(layer.embeddings_zero)
        scale = scale if layer.has_reverse_table else ops.transpose(scale)
        values = ops.cast(table, layer.compute_dtype)
        floats = quantizers.dequantize_with_sz_map(values, scale, zero, layer.g_idx, group_axis=0)
        return _scaled_product(layer, inputs, floats, None)

    def policy_mode(self, layer: Any) -> str:
        """Return int4 with the group size, -1 for no groups."""
        return f"int4/{block_size_of(layer) or -1}"


def _transposed_quantizer(quantizer: Any, x: Any) -> tuple[Any, Any]:
    """Apply a user-defined quantizer, which expects the table itself, to the transposed table."""
    return tuple(ops.transpose(v) for v in quantizer(ops.transpose(x)))


def _named(weight: str, prefix: str, found: Any) -> dict[str, Any]:
    """Return (integers, scale, zero point) by attribute, without those that are None."""
    named = {weight: found[0], f"{prefix}_scale": found[1], f"{prefix}_zero": found[2]}
    return {name: value for name, value in named.items() if value is not None}


TABLES: dict[str, Scheme] = {"int8": Int8Table(), "int4": Int4Table()}
