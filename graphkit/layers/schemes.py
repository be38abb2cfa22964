"""The ways to quantise a layer's large weight: what is kept in its place, and how the layer computes with that.

One class for each idea; `KERNELS` and `TABLES` at the end say which layers have which, by the mode of the dtype policy.
"""

from __future__ import annotations

from math import prod
from typing import Any, ClassVar

from graphkit import ops, quantizers
from graphkit.core.errors import InvalidArgumentError, UnsupportedError
from graphkit.dtype_policies import AWQDTypePolicy, GPTQDTypePolicy, Int4DTypePolicy, QuantizedFloat8DTypePolicy
from graphkit.quantizers.float8 import LARGEST

_SIGNED4 = (-8, 7)


def _frozen(
    layer: Any, name: str, shape: Any, dtype: str | None = None, initializer: Any = "zeros", **options: Any
) -> Any:
    """A weight that is not trained."""
    return layer.add_weight(
        name=name, shape=tuple(shape), dtype=dtype, initializer=initializer, trainable=False, **options
    )


def _weight_quantizer(layer: Any, default: Any) -> Any:
    own = getattr(layer.quantization_config, "weight_quantizer", None)
    return default if own is None else own


def _input_quantizer(layer: Any, default: Any) -> Any:
    """What quantises the inputs; None leaves them as they are."""
    config = layer.quantization_config
    return default if config is None else config.activation_quantizer


def _block_size(layer: Any) -> int | None:
    """The size of int4 groups, None for no groups: what the config says, else the policy."""
    config, policy = layer.quantization_config, layer.own_policy
    size = getattr(config, "block_size", None)
    if size is None and not isinstance(config, quantizers.Int4QuantizationConfig):
        size = policy.block_size if isinstance(policy, Int4DTypePolicy) else None
    return None if size == -1 else size


def _group_of(size: int) -> Any:
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


# ----- kernels -----


class Int8Kernel(Scheme):
    """Bytes and a scale for each output; inputs become bytes as well, by their largest value."""

    extra = ("kernel_scale",)

    def build(self, layer: Any) -> None:
        """Make kernel and scale."""
        layer.inputs_quantizer = _input_quantizer(layer, quantizers.AbsMaxQuantizer())
        layer._kernel = _frozen(layer, "kernel", layer.main_shape, "int8")
        shape = layer.contraction.scale_shape(layer.main_shape)
        layer.kernel_scale = _frozen(layer, "kernel_scale", shape, initializer="ones")

    def encode(self, layer: Any) -> dict[str, Any]:
        """Kernel and scale."""
        axes = layer.contraction.kernel_axes
        return self._encoded(layer, layer._kernel, _weight_quantizer(layer, quantizers.AbsMaxQuantizer(axis=axes)))

    def merged(self, layer: Any) -> dict[str, Any]:
        """Kernel and scale."""
        axes = layer.contraction.kernel_axes
        floats = ops.add(self.decode(layer, layer._kernel, layer.kernel_scale), layer.lora_update())
        return self._encoded(layer, floats, quantizers.AbsMaxQuantizer(axis=axes))

    @staticmethod
    def _encoded(layer: Any, kernel: Any, quantizer: Any) -> dict[str, Any]:
        values, scale = quantizer(kernel)
        return {"_kernel": values, "kernel_scale": layer.contraction.kernel_scale(scale)}

    @staticmethod
    def decode(layer: Any, kernel: Any, scale: Any) -> Any:
        """The kernel as floats."""
        return ops.true_divide(ops.cast(kernel, layer.compute_dtype), layer.contraction.kernel_scale_back(scale))

    def product(self, layer: Any, inputs: Any, training: Any) -> Any:
        """The product; its gradient is that of the kernel as floats."""
        contraction = layer.contraction

        @ops.custom_gradient
        def multiplied(inputs: Any, kernel: Any, scale: Any) -> Any:
            def gradient(upstream: Any) -> tuple[Any, None, None]:
                return contraction.backwards(upstream, self.decode(layer, kernel, scale)), None, None

            divisor, factor = scale, inputs
            if layer.inputs_quantizer is not None:
                factor, input_scale = layer.inputs_quantizer(inputs, axis=contraction.input_axes)
                divisor = ops.multiply(scale, contraction.input_scale(input_scale))
            made = ops.cast(contraction(factor, kernel), layer.compute_dtype)
            return ops.true_divide(made, divisor), gradient

        return multiplied(inputs, layer._kernel, layer.kernel_scale)


class Int4Kernel(Scheme):
    """Two weights in a byte: the kernel as a matrix (summed over, the rest), with a scale for each column, or for each group of rows."""

    extra = ("kernel_scale", "kernel_zero", "g_idx")

    def build(self, layer: Any) -> None:
        """Make kernel and scale, and of groups zero and index."""
        layer.inputs_quantizer = _input_quantizer(layer, None)
        rows, columns = layer.contraction.matrix_shape(layer.main_shape)
        layer._kernel = _frozen(layer, "kernel", (rows, (columns + 1) // 2), "int8")
        size = _block_size(layer)
        shape = (columns,) if size is None else (-(-rows // size), columns)
        layer.kernel_scale = _frozen(layer, "kernel_scale", shape, initializer="ones")
        layer.kernel_zero = layer.g_idx = None
        if size is not None:
            layer.kernel_zero = _frozen(layer, "kernel_zero", shape, "int8")
            layer.g_idx = _frozen(layer, "g_idx", (rows,), "float32", _group_of(size))

    def encode(self, layer: Any) -> dict[str, Any]:
        """Kernel, scale and zero."""
        default = quantizers.AbsMaxQuantizer(axis=0, value_range=_SIGNED4)
        return self._encoded(layer, layer._kernel, _weight_quantizer(layer, default))

    def merged(self, layer: Any) -> dict[str, Any]:
        """Kernel, scale and zero."""
        floats = ops.add(self.decode(layer, *self._parts(layer)), layer.lora_update())
        return self._encoded(layer, floats, quantizers.AbsMaxQuantizer(axis=0, value_range=_SIGNED4))

    @staticmethod
    def _encoded(layer: Any, kernel: Any, quantizer: Any) -> dict[str, Any]:
        matrix = ops.reshape(kernel, layer.contraction.matrix_shape(layer.main_shape))
        weights, scale, zero = int4_encoded(matrix, _block_size(layer), quantizer, pack_axis=1)
        made = {"_kernel": weights, "kernel_scale": scale}
        return made if zero is None else {**made, "kernel_zero": zero}

    @staticmethod
    def _parts(layer: Any) -> list[Any]:
        held = [layer._kernel, layer.kernel_scale, layer.kernel_zero, layer.g_idx]
        return [v for v in held if v is not None]

    @staticmethod
    def unpacked(layer: Any, kernel: Any) -> Any:
        """The matrix of small integers."""
        return quantizers.unpack_int4(kernel, layer.contraction.matrix_shape(layer.main_shape)[1], axis=1)

    def kept(self, layer: Any) -> Any:
        """The small integers, in the kernel's shape."""
        return ops.reshape(self.unpacked(layer, layer._kernel), layer.main_shape)

    def decode(self, layer: Any, kernel: Any, scale: Any, *groups: Any) -> Any:
        """The kernel as floats."""
        matrix = self.unpacked(layer, kernel)
        if groups:
            made = quantizers.dequantize_with_sz_map(matrix, scale, *groups, group_axis=0)
        else:
            made = ops.true_divide(ops.cast(matrix, layer.compute_dtype), scale)
        return ops.reshape(ops.cast(made, layer.compute_dtype), layer.main_shape)

    def product(self, layer: Any, inputs: Any, training: Any) -> Any:
        """The product; its gradient is that of the kernel as floats."""
        contraction = layer.contraction

        @ops.custom_gradient
        def multiplied(inputs: Any, *parts: Any) -> Any:
            def gradient(upstream: Any) -> tuple[Any, ...]:
                return contraction.backwards(upstream, self.decode(layer, *parts)), *[None] * len(parts)

            factor, divisor = inputs, None
            if layer.inputs_quantizer is not None:
                factor, divisor = layer.inputs_quantizer(inputs, axis=contraction.input_axes)
                divisor = contraction.input_scale(divisor)
            late = len(parts) == 2 and contraction.is_matmul  # the scale of a column may wait until after the product
            if late:
                divisor = parts[1] if divisor is None else ops.multiply(parts[1], divisor)
            kernel = self.unpacked(layer, parts[0]) if late else self.decode(layer, *parts)
            made = ops.cast(contraction(factor, kernel), layer.compute_dtype)
            return made if divisor is None else ops.true_divide(made, divisor), gradient

        return multiplied(inputs, *self._parts(layer))

    def policy_mode(self, layer: Any) -> str:
        """int4 and the size of the groups."""
        return f"int4/{_block_size(layer) or -1}"


def int4_encoded(matrix: Any, block_size: int | None, quantizer: Any, pack_axis: int) -> tuple[Any, Any, Any]:
    """(bytes, scale, zero) of a matrix, a scale for each column, or with groups a scale and a zero for each group of its rows."""
    if block_size is None:
        values, scale = quantizer(matrix)
        scale, zero = ops.squeeze(scale, 0), None
    else:
        values, scale, zero = quantizers.abs_max_quantize_grouped_with_zero_point(matrix, block_size, to_numpy=True)
    return quantizers.pack_int4(values, axis=pack_axis)[0], scale, zero


_FLOAT8 = (
    "inputs_scale",
    "inputs_amax_history",
    "kernel_scale",
    "kernel_amax_history",
    "outputs_grad_scale",
    "outputs_grad_amax_history",
)


class Float8Kernel(Scheme):
    """Products of float8 numbers (arXiv:2209.05433): the kernel stays, scales follow the largest values of the last steps.

    The new scales and histories come as "gradients", which the optimizer assigns.
    """

    keeps_floats = True
    extra = _FLOAT8

    def build(self, layer: Any) -> None:
        """Make scales and histories."""
        policy = layer.own_policy
        length = getattr(policy, "amax_history_length", QuantizedFloat8DTypePolicy.default_amax_history_length)
        for name in _FLOAT8:
            shape, initializer = ((), "ones") if name.endswith("scale") else ((length,), "zeros")
            made = layer.add_weight(
                name=name,
                shape=shape,
                dtype="float32",
                initializer=initializer,
                autocast=False,
                overwrite_with_gradient=True,
            )
            setattr(layer, name, made)

    def product(self, layer: Any, inputs: Any, training: Any) -> Any:
        """The product of what float8 leaves of both."""
        if layer.lora_enabled:
            raise UnsupportedError(f"float8 does not support LoRA (layer {layer.name!r}).")
        dtype = layer.compute_dtype

        @ops.custom_gradient
        def rounded(x: Any, scale: Any, history: Any) -> Any:
            new = self._renewed(x, scale, history, "float8_e4m3fn") if training else (None, None)
            made = quantizers.quantize_and_dequantize(x, scale, "float8_e4m3fn", dtype)
            return made, lambda upstream: (upstream, *new)

        @ops.custom_gradient
        def passed(x: Any, scale: Any, history: Any) -> Any:
            def gradient(upstream: Any) -> tuple[Any, Any, Any]:
                made = quantizers.quantize_and_dequantize(upstream, scale, "float8_e5m2", dtype)
                return made, *self._renewed(upstream, scale, history, "float8_e5m2")

            return x, gradient

        a = rounded(inputs, layer.inputs_scale, layer.inputs_amax_history)
        b = rounded(layer._kernel, layer.kernel_scale, layer.kernel_amax_history)
        return passed(layer.contraction(a, b), layer.outputs_grad_scale, layer.outputs_grad_amax_history)

    @staticmethod
    def _renewed(x: Any, scale: Any, history: Any, dtype: str) -> tuple[Any, Any]:
        """The scale and the history after a step."""
        new = quantizers.compute_float8_scale(ops.max(history), scale, LARGEST[dtype])
        return new, quantizers.compute_float8_amax_history(x, history)


class CalibratedKernel(Scheme):
    """GPTQ and AWQ: groups of inputs with a scale and a zero for each output, found from samples. The matrix is kept transposed."""

    calibrated = True
    adaptable = False
    extra = ("quantized_kernel", "kernel_scale", "kernel_zero", "g_idx")

    def build(self, layer: Any) -> None:
        """Make the bytes, scale, zero and index; the float kernel, if there is one, serves until the samples have been seen."""
        layer.is_calibrated = not hasattr(layer, f"_{layer.main}")
        rows, columns = calibrated_shape(layer)
        kept = (columns + 1) // 2 if self.bits(layer) == 4 else columns
        layer.quantized_kernel = _frozen(layer, "kernel", (kept, rows), "uint8")
        size = self._settings(layer).group_size
        shape = (columns, 1 if size == -1 else -(-rows // size))
        layer.kernel_scale = _frozen(layer, "kernel_scale", shape, initializer="ones")
        layer.kernel_zero = _frozen(layer, layer.zero_name, shape, "uint8")
        self._build_more(layer, rows, columns)
        layer.g_idx = _frozen(layer, "g_idx", (rows,), "float32")

    def _build_more(self, layer: Any, rows: int, columns: int) -> None:
        if hasattr(layer, "gptq_unpacked_column_size"):
            layer.gptq_unpacked_column_size = columns

    @staticmethod
    def _settings(layer: Any) -> Any:
        """The config, or the policy that a file names."""
        policy = layer.own_policy
        return policy if isinstance(policy, (GPTQDTypePolicy, AWQDTypePolicy)) else layer.quantization_config

    def bits(self, layer: Any) -> int:
        """The bits of a weight."""
        return int(self._settings(layer).weight_bits)

    def weight_names(self, layer: Any) -> tuple[str, ...]:
        """Without the float kernel, which a calibrated layer has no more."""
        return (*(n for n in layer.weight_names if n != f"_{layer.main}"), *self.extra)

    def kept(self, layer: Any) -> Any:
        """The float kernel before calibration, then the small integers (outputs, inputs)."""
        return self.unpacked(layer) if layer.is_calibrated else layer._kernel

    def unpacked(self, layer: Any) -> Any:
        """The matrix of small integers, (outputs, inputs)."""
        if self.bits(layer) != 4:
            return layer.quantized_kernel
        return quantizers.unpack_int4(layer.quantized_kernel, calibrated_shape(layer)[1], axis=0, dtype="uint8")

    def product(self, layer: Any, inputs: Any, training: Any) -> Any:
        """The product with the kernel as floats."""
        return layer.contraction(inputs, self.decode(layer) if layer.is_calibrated else layer._kernel)

    def decode(self, layer: Any) -> Any:
        """The kernel as floats."""
        matrix = quantizers.dequantize_with_sz_map(
            self.unpacked(layer), layer.kernel_scale, layer.kernel_zero, layer.g_idx
        )
        return ops.reshape(ops.transpose(matrix), layer.main_shape)

    def policy_mode(self, layer: Any) -> str:
        """The mode, bits and size of the groups."""
        return str(layer.quantization_config.dtype_policy_string())


class ActivationAwareKernel(CalibratedKernel):
    """AWQ: inputs that matter have been scaled up before the kernel was quantised."""

    extra = ("quantized_kernel", "kernel_scale", "kernel_zero", "awq_scales", "g_idx")

    def _build_more(self, layer: Any, rows: int, columns: int) -> None:
        layer.awq_scales = _frozen(layer, "awq_scales", (rows,), initializer="ones")

    def decode(self, layer: Any) -> Any:
        """The kernel as floats."""
        matrix = quantizers.dequantize_with_sz_map(
            self.unpacked(layer), layer.kernel_scale, layer.kernel_zero, layer.g_idx
        )
        scaled = ops.true_divide(ops.transpose(matrix), ops.expand_dims(layer.awq_scales, -1))
        return ops.reshape(scaled, layer.main_shape)


def calibrated_shape(layer: Any) -> tuple[int, int]:
    """(inputs, outputs) of a kernel as GPTQ and AWQ see it: of three axes the largest one tells which side has two.

    Raises InvalidArgumentError for a kernel of another number of axes.
    """
    shape = layer.main_shape
    if len(shape) == 2:
        return shape[0], shape[1]
    if len(shape) != 3:
        raise InvalidArgumentError(
            f"{str(layer.quantization_mode).upper()} quantization only supports 2D or 3D kernels, layer {layer.name!r} has one of "
            f"shape {tuple(shape)}."
        )
    heads_last = shape.index(max(shape)) == 0
    return (shape[0], prod(shape[1:])) if heads_last else (prod(shape[:2]), shape[2])


# ----- tables of rows -----


class Int8Table(Scheme):
    """Bytes and a scale for each row. A second table, for the way back, has a scale for each column."""

    extra = ("embeddings_scale",)

    def build(self, layer: Any) -> None:
        """Make table and scale."""
        rows, width = layer.main_shape
        layer.inputs_quantizer = _input_quantizer(layer, quantizers.AbsMaxQuantizer(axis=-1))
        layer._embeddings = _frozen(layer, "embeddings", (rows, width), "int8")
        layer.embeddings_scale = _frozen(layer, "embeddings_scale", (rows,), initializer="ones")
        if layer.has_way_back:
            layer.reverse_embeddings = _frozen(layer, "reverse_embeddings", (width, rows), "int8")
            layer.reverse_embeddings_scale = _frozen(layer, "reverse_embeddings_scale", (rows,), initializer="ones")

    def replaced(self, layer: Any) -> tuple[str, ...]:
        """The tables."""
        return ("_embeddings", "reverse_embeddings") if layer.has_way_back else ("_embeddings",)

    def weight_names(self, layer: Any) -> tuple[str, ...]:
        """Each table with what belongs to it."""
        back = tuple(f"reverse_{name}" for name in ("embeddings", *self.extra) if name != "g_idx")
        return ("_embeddings", *self.extra, *back)

    def encode(self, layer: Any) -> dict[str, Any]:
        """Tables and scales."""
        quantizer = _weight_quantizer(layer, quantizers.AbsMaxQuantizer(axis=-1))
        made = self._encoded(layer._embeddings, quantizer)
        if layer.has_way_back:
            values, scale = _weight_quantizer(layer, quantizers.AbsMaxQuantizer(axis=0))(layer.reverse_embeddings)
            made |= {"reverse_embeddings": values, "reverse_embeddings_scale": ops.squeeze(scale, 0)}
        return made

    @staticmethod
    def _encoded(table: Any, quantizer: Any) -> dict[str, Any]:
        values, scale = quantizer(table)
        return {"_embeddings": values, "embeddings_scale": ops.squeeze(scale, -1)}

    def merged(self, layer: Any) -> dict[str, Any]:
        """Table and scale."""
        floats = ops.true_divide(
            ops.cast(layer._embeddings, layer.compute_dtype), ops.expand_dims(layer.embeddings_scale, -1)
        )
        return self._encoded(ops.add(floats, layer.lora_update()), quantizers.AbsMaxQuantizer(axis=-1))

    def rows(self, layer: Any, places: Any) -> Any:
        """The rows at these places, as floats."""
        values = ops.cast(ops.take(layer._embeddings, places, axis=0), layer.compute_dtype)
        return ops.true_divide(values, ops.expand_dims(ops.take(layer.embeddings_scale, places, axis=0), -1))

    def logits(self, layer: Any, inputs: Any) -> Any:
        """The way back."""
        table, scale = self._back(layer)
        return _scaled_product(layer, inputs, table, scale)

    @staticmethod
    def _back(layer: Any) -> tuple[Any, Any]:
        if layer.has_way_back:
            return layer.reverse_embeddings, layer.reverse_embeddings_scale
        return ops.transpose(layer._embeddings), layer.embeddings_scale


def _scaled_product(layer: Any, inputs: Any, table: Any, scale: Any) -> Any:
    """inputs @ table / scale; the inputs are quantised first if the layer says so. A scale of None is in the table already."""
    divisor = scale
    if layer.inputs_quantizer is not None:
        inputs, input_scale = layer.inputs_quantizer(inputs)
        divisor = input_scale if scale is None else ops.multiply(input_scale, scale)
    made = ops.matmul(inputs, table)
    made = made if scale is None else ops.cast(made, layer.compute_dtype)
    return made if divisor is None else ops.true_divide(made, divisor)


class Int4Table(Int8Table):
    """Two numbers in a byte, with a scale for each row, or for each group in it."""

    extra = ("embeddings_scale", "embeddings_zero", "g_idx")

    def build(self, layer: Any) -> None:
        """Make table and scale, and of groups zero and index."""
        rows, width = layer.main_shape
        layer.inputs_quantizer = _input_quantizer(layer, quantizers.AbsMaxQuantizer(axis=-1))
        size = _block_size(layer)
        groups = () if size is None else (-(-width // size),)
        layer._embeddings = _frozen(layer, "embeddings", (rows, (width + 1) // 2), "int8")
        layer.embeddings_scale = _frozen(layer, "embeddings_scale", (rows, *groups), initializer="ones")
        layer.embeddings_zero = layer.g_idx = None
        if size is not None:
            layer.embeddings_zero = _frozen(layer, "embeddings_zero", (rows, *groups), "int8")
            layer.g_idx = _frozen(layer, "g_idx", (width,), "float32", _group_of(size))
        if layer.has_way_back:
            layer.reverse_embeddings = _frozen(layer, "reverse_embeddings", ((width + 1) // 2, rows), "int8")
            layer.reverse_embeddings_scale = _frozen(
                layer, "reverse_embeddings_scale", (*groups, rows), initializer="ones"
            )
            if size is not None:
                layer.reverse_embeddings_zero = _frozen(layer, "reverse_embeddings_zero", (*groups, rows))

    def encode(self, layer: Any) -> dict[str, Any]:
        """Tables, scales and zeros."""
        made = self._encoded_table(layer, layer._embeddings, quantizers.AbsMaxQuantizer(axis=0, value_range=_SIGNED4))
        if layer.has_way_back:
            quantizer = _weight_quantizer(layer, quantizers.AbsMaxQuantizer(axis=0, value_range=_SIGNED4))
            found = int4_encoded(layer.reverse_embeddings, _block_size(layer), quantizer, pack_axis=0)
            made |= _named("reverse_embeddings", "reverse_embeddings", found)
        return made

    def merged(self, layer: Any) -> dict[str, Any]:
        """Table, scale and zero."""
        floats = ops.add(self._floats(layer, layer._embeddings, self._groups(layer)), layer.lora_update())
        return self._encoded_table(layer, floats, quantizers.AbsMaxQuantizer(axis=0, value_range=_SIGNED4))

    @staticmethod
    def _encoded_table(layer: Any, table: Any, default: Any) -> dict[str, Any]:
        own = getattr(layer.quantization_config, "weight_quantizer", None)
        quantizer = default if own is None else lambda x: _turned_quantizer(own, x)
        found = int4_encoded(ops.transpose(table), _block_size(layer), quantizer, pack_axis=0)
        return _named("_embeddings", "embeddings", [None if v is None else ops.transpose(v) for v in found])

    @staticmethod
    def _groups(layer: Any) -> list[Any]:
        return [v for v in (layer.embeddings_scale, layer.embeddings_zero) if v is not None]

    def kept(self, layer: Any) -> Any:
        """The small integers."""
        return quantizers.unpack_int4(layer._embeddings, layer.main_shape[1], axis=-1)

    def rows(self, layer: Any, places: Any) -> Any:
        """The rows at these places, as floats."""
        table = ops.take(layer._embeddings, places, axis=0)
        return self._floats(layer, table, [ops.take(v, places, axis=0) for v in self._groups(layer)])

    @staticmethod
    def _floats(layer: Any, packed: Any, groups: list[Any]) -> Any:
        """Rows of bytes, with their scales and zeros, as floats."""
        values = ops.cast(quantizers.unpack_int4(packed, layer.main_shape[1], axis=-1), layer.compute_dtype)
        if len(groups) == 1:
            return ops.true_divide(values, ops.expand_dims(groups[0], -1))
        return quantizers.dequantize_with_sz_map(values, *groups, layer.g_idx, group_axis=-1)

    def logits(self, layer: Any, inputs: Any) -> Any:
        """The way back."""
        packed, scale = self._back(layer)
        table = quantizers.unpack_int4(packed, layer.main_shape[1], axis=0)
        if layer.g_idx is None:
            return _scaled_product(layer, inputs, table, scale)
        zero = layer.reverse_embeddings_zero if layer.has_way_back else ops.transpose(layer.embeddings_zero)
        scale = scale if layer.has_way_back else ops.transpose(scale)
        values = ops.cast(table, layer.compute_dtype)
        floats = quantizers.dequantize_with_sz_map(values, scale, zero, layer.g_idx, group_axis=0)
        return _scaled_product(layer, inputs, floats, None)

    def policy_mode(self, layer: Any) -> str:
        """int4 and the size of the groups."""
        return f"int4/{_block_size(layer) or -1}"


def _turned_quantizer(quantizer: Any, x: Any) -> tuple[Any, Any]:
    """A quantizer of one's own was made for the table as it stands."""
    return tuple(ops.transpose(v) for v in quantizer(ops.transpose(x)))  # type: ignore[return-value]


def _named(weight: str, prefix: str, found: Any) -> dict[str, Any]:
    """(bytes, scale, zero) by attribute."""
    named = {weight: found[0], f"{prefix}_scale": found[1], f"{prefix}_zero": found[2]}
    return {name: value for name, value in named.items() if value is not None}


KERNELS: dict[str, Scheme] = {
    "int8": Int8Kernel(),
    "int4": Int4Kernel(),
    "float8": Float8Kernel(),
    "gptq": CalibratedKernel(),
    "awq": ActivationAwareKernel(),
}
TABLES: dict[str, Scheme] = {"int8": Int8Table(), "int4": Int4Table()}
