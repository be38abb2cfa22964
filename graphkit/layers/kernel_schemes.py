"""Quantization schemes for kernels: int8, int4, float8, GPTQ, AWQ."""

from __future__ import annotations

from math import prod
from typing import Any, ClassVar

from graphkit import ops, quantizers
from graphkit.core.errors import InvalidArgumentError, UnsupportedError
from graphkit.dtype_policies import AWQDTypePolicy, GPTQDTypePolicy, QuantizedFloat8DTypePolicy
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
from graphkit.quantizers.float8 import LARGEST


class Int8Kernel(Scheme):
    """int8 weights with a scale for each output. Inputs are quantized as well, scaled by their largest absolute value."""

    extra: ClassVar[tuple[str, ...]] = ("kernel_scale",)

    def build(self, layer: Any) -> None:
        """Create kernel and scale."""
        layer.inputs_quantizer = input_quantizer(layer, quantizers.AbsMaxQuantizer())
        layer._kernel = frozen(layer, "kernel", layer.main_shape, "int8")
        shape = layer.contraction.scale_shape(layer.main_shape)
        layer.kernel_scale = frozen(layer, "kernel_scale", shape, initializer="ones")

    def encode(self, layer: Any) -> dict[str, Any]:
        """Return kernel and scale by attribute."""
        axes = layer.contraction.kernel_axes
        return self._encoded(layer, layer._kernel, weight_quantizer(layer, quantizers.AbsMaxQuantizer(axis=axes)))

    def merged(self, layer: Any) -> dict[str, Any]:
        """Return kernel and scale by attribute."""
        axes = layer.contraction.kernel_axes
        floats = ops.add(self.decode(layer, layer._kernel, layer.kernel_scale), layer.lora_update())
        return self._encoded(layer, floats, quantizers.AbsMaxQuantizer(axis=axes))

    @staticmethod
    def _encoded(layer: Any, kernel: Any, quantizer: Any) -> dict[str, Any]:
        values, scale = quantizer(kernel)
        return {"_kernel": values, "kernel_scale": layer.contraction.kernel_scale(scale)}

    @staticmethod
    def decode(layer: Any, kernel: Any, scale: Any) -> Any:
        """Return the dequantized kernel."""
        return ops.true_divide(ops.cast(kernel, layer.compute_dtype), layer.contraction.kernel_scale_back(scale))

    def product(self, layer: Any, inputs: Any, training: Any) -> Any:
        """Return the product; its gradient is that of the product with the dequantized kernel."""
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
    """int4 weights, two to a byte. The kernel is a matrix (axes summed over, the rest) with a scale per column, or per group of rows."""

    extra: ClassVar[tuple[str, ...]] = ("kernel_scale", "kernel_zero", "g_idx")

    def build(self, layer: Any) -> None:
        """Create kernel and scale and, with groups, the zero point and the group index."""
        layer.inputs_quantizer = input_quantizer(layer, None)
        rows, columns = layer.contraction.matrix_shape(layer.main_shape)
        layer._kernel = frozen(layer, "kernel", (rows, (columns + 1) // 2), "int8")
        size = block_size_of(layer)
        shape = (columns,) if size is None else (-(-rows // size), columns)
        layer.kernel_scale = frozen(layer, "kernel_scale", shape, initializer="ones")
        layer.kernel_zero = layer.g_idx = None
        if size is not None:
            layer.kernel_zero = frozen(layer, "kernel_zero", shape, "int8")
            layer.g_idx = frozen(layer, "g_idx", (rows,), "float32", group_of(size))

    def encode(self, layer: Any) -> dict[str, Any]:
        """Return kernel, scale and zero point by attribute."""
        default = quantizers.AbsMaxQuantizer(axis=0, value_range=SIGNED4)
        return self._encoded(layer, layer._kernel, weight_quantizer(layer, default))

    def merged(self, layer: Any) -> dict[str, Any]:
        """Return kernel, scale and zero point by attribute."""
        floats = ops.add(self.decode(layer, *self._parts(layer)), layer.lora_update())
        return self._encoded(layer, floats, quantizers.AbsMaxQuantizer(axis=0, value_range=SIGNED4))

    @staticmethod
    def _encoded(layer: Any, kernel: Any, quantizer: Any) -> dict[str, Any]:
        matrix = ops.reshape(kernel, layer.contraction.matrix_shape(layer.main_shape))
        weights, scale, zero = int4_encoded(matrix, block_size_of(layer), quantizer, pack_axis=1)
        made = {"_kernel": weights, "kernel_scale": scale}
        return made if zero is None else {**made, "kernel_zero": zero}

    @staticmethod
    def _parts(layer: Any) -> list[Any]:
        held = [layer._kernel, layer.kernel_scale, layer.kernel_zero, layer.g_idx]
        return [v for v in held if v is not None]

    @staticmethod
    def unpacked(layer: Any, kernel: Any) -> Any:
        """Return the kernel as a matrix of unpacked integers."""
        return quantizers.unpack_int4(kernel, layer.contraction.matrix_shape(layer.main_shape)[1], axis=1)

    def kept(self, layer: Any) -> Any:
        """Return the unpacked integers in the kernel's shape."""
        return ops.reshape(self.unpacked(layer, layer._kernel), layer.main_shape)

    def decode(self, layer: Any, kernel: Any, scale: Any, zero: Any = None, g_idx: Any = None) -> Any:
        """Return the dequantized kernel."""
        matrix = self.unpacked(layer, kernel)
        if zero is not None:
            made = quantizers.dequantize_with_sz_map(matrix, scale, zero, g_idx, group_axis=0)
        else:
            made = ops.true_divide(ops.cast(matrix, layer.compute_dtype), scale)
        return ops.reshape(ops.cast(made, layer.compute_dtype), layer.main_shape)

    def product(self, layer: Any, inputs: Any, training: Any) -> Any:
        """Return the product; its gradient is that of the product with the dequantized kernel."""
        contraction = layer.contraction

        @ops.custom_gradient
        def multiplied(inputs: Any, *parts: Any) -> Any:
            def gradient(upstream: Any) -> tuple[Any, ...]:
                return contraction.backwards(upstream, self.decode(layer, *parts)), *[None] * len(parts)

            factor, divisor = inputs, None
            if layer.inputs_quantizer is not None:
                factor, divisor = layer.inputs_quantizer(inputs, axis=contraction.input_axes)
                divisor = contraction.input_scale(divisor)
            late = len(parts) == 2 and contraction.is_matmul  # a scale per column can be applied after the product
            if late:
                divisor = parts[1] if divisor is None else ops.multiply(parts[1], divisor)
            kernel = self.unpacked(layer, parts[0]) if late else self.decode(layer, *parts)
            made = ops.cast(contraction(factor, kernel), layer.compute_dtype)
            return made if divisor is None else ops.true_divide(made, divisor), gradient

        return multiplied(inputs, *self._parts(layer))

    def policy_mode(self, layer: Any) -> str:
        """Return int4 with the group size, -1 for no groups."""
        return f"int4/{block_size_of(layer) or -1}"


_FLOAT8 = (
    "inputs_scale",
    "inputs_amax_history",
    "kernel_scale",
    "kernel_amax_history",
    "outputs_grad_scale",
    "outputs_grad_amax_history",
)


class Float8Kernel(Scheme):
    """Products of float8 values (arXiv:2209.05433). The float kernel is kept; scales follow the largest values of the last steps.

    New scales and histories are returned as "gradients", which the optimizer assigns.
    """

    keeps_floats = True
    extra: ClassVar[tuple[str, ...]] = _FLOAT8

    def build(self, layer: Any) -> None:
        """Create scales and histories."""
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
        """Return the product of inputs and kernel rounded to float8.

        Raises:
            UnsupportedError: LoRA is enabled.
        """
        if layer.lora_enabled:
            raise UnsupportedError(f"float8 does not support LoRA (layer {layer.name!r}).")
        dtype = layer.compute_dtype

        @ops.custom_gradient
        def rounded(x: Any, scale: Any, history: Any) -> Any:
            new = self._updated(x, scale, history, "float8_e4m3fn") if training else (None, None)
            made = quantizers.quantize_and_dequantize(x, scale, "float8_e4m3fn", dtype)
            return made, lambda upstream: (upstream, *new)

        @ops.custom_gradient
        def passed(x: Any, scale: Any, history: Any) -> Any:
            def gradient(upstream: Any) -> tuple[Any, Any, Any]:
                made = quantizers.quantize_and_dequantize(upstream, scale, "float8_e5m2", dtype)
                return made, *self._updated(upstream, scale, history, "float8_e5m2")

            return x, gradient

        a = rounded(inputs, layer.inputs_scale, layer.inputs_amax_history)
        b = rounded(layer._kernel, layer.kernel_scale, layer.kernel_amax_history)
        return passed(layer.contraction(a, b), layer.outputs_grad_scale, layer.outputs_grad_amax_history)

    @staticmethod
    def _updated(x: Any, scale: Any, history: Any, dtype: str) -> tuple[Any, Any]:
        """Return the scale and the history after a step."""
        new = quantizers.compute_float8_scale(ops.max(history), scale, LARGEST[dtype])
        return new, quantizers.compute_float8_amax_history(x, history)


class CalibratedKernel(Scheme):
    """GPTQ: groups of inputs with a scale and a zero point for each output, found from sample data. The matrix is stored transposed."""

    calibrated = True
    adaptable = False
    extra: ClassVar[tuple[str, ...]] = ("quantized_kernel", "kernel_scale", "kernel_zero", "g_idx")

    def build(self, layer: Any) -> None:
        """Create the integers, scale, zero point and group index; a float kernel, if present, is used until calibration."""
        layer.is_calibrated = not hasattr(layer, f"_{layer.main}")
        rows, columns = calibrated_shape(layer)
        kept = (columns + 1) // 2 if self.bits(layer) == 4 else columns
        layer.quantized_kernel = frozen(layer, "kernel", (kept, rows), "uint8")
        size = self._settings(layer).group_size
        shape = (columns, 1 if size == -1 else -(-rows // size))
        layer.kernel_scale = frozen(layer, "kernel_scale", shape, initializer="ones")
        layer.kernel_zero = frozen(layer, layer.zero_name, shape, "uint8")
        self._build_more(layer, rows, columns)
        layer.g_idx = frozen(layer, "g_idx", (rows,), "float32")

    def _build_more(self, layer: Any, rows: int, columns: int) -> None:
        if hasattr(layer, "gptq_unpacked_column_size"):
            layer.gptq_unpacked_column_size = columns

    @staticmethod
    def _settings(layer: Any) -> Any:
        """Return the config, or the policy from a file."""
        policy = layer.own_policy
        return policy if isinstance(policy, (GPTQDTypePolicy, AWQDTypePolicy)) else layer.quantization_config

    def bits(self, layer: Any) -> int:
        """Return the number of bits per weight."""
        return int(self._settings(layer).weight_bits)

    def weight_names(self, layer: Any) -> tuple[str, ...]:
        """Return the attributes without the float kernel, which a calibrated layer no longer has."""
        return (*(n for n in layer.weight_names if n != f"_{layer.main}"), *self.extra)

    def kept(self, layer: Any) -> Any:
        """Return the float kernel before calibration, then the unpacked integers (outputs, inputs)."""
        return self.unpacked(layer) if layer.is_calibrated else layer._kernel

    def unpacked(self, layer: Any) -> Any:
        """Return the matrix of unpacked integers, (outputs, inputs)."""
        if self.bits(layer) != 4:
            return layer.quantized_kernel
        return quantizers.unpack_int4(layer.quantized_kernel, calibrated_shape(layer)[1], axis=0, dtype="uint8")

    def product(self, layer: Any, inputs: Any, training: Any) -> Any:
        """Return the product with the dequantized kernel."""
        return layer.contraction(inputs, self.decode(layer) if layer.is_calibrated else layer._kernel)

    def decode(self, layer: Any) -> Any:
        """Return the dequantized kernel."""
        matrix = quantizers.dequantize_with_sz_map(
            self.unpacked(layer), layer.kernel_scale, layer.kernel_zero, layer.g_idx
        )
        return ops.reshape(ops.transpose(matrix), layer.main_shape)

    def policy_mode(self, layer: Any) -> str:
        """Return the mode with the bits and the group size."""
        return str(layer.quantization_config.dtype_policy_string())


class ActivationAwareKernel(CalibratedKernel):
    """AWQ: the rows of important inputs were scaled up before the kernel was quantized."""

    extra: ClassVar[tuple[str, ...]] = ("quantized_kernel", "kernel_scale", "kernel_zero", "awq_scales", "g_idx")

    def _build_more(self, layer: Any, rows: int, columns: int) -> None:
        layer.awq_scales = frozen(layer, "awq_scales", (rows,), initializer="ones")

    def decode(self, layer: Any) -> Any:
        """Return the dequantized kernel."""
        matrix = quantizers.dequantize_with_sz_map(
            self.unpacked(layer), layer.kernel_scale, layer.kernel_zero, layer.g_idx
        )
        scaled = ops.true_divide(ops.transpose(matrix), ops.expand_dims(layer.awq_scales, -1))
        return ops.reshape(scaled, layer.main_shape)


def calibrated_shape(layer: Any) -> tuple[int, int]:
    """Return (inputs, outputs) of a kernel for GPTQ and AWQ. Of three axes, only the first belongs to the inputs if it is the largest.

    Raises:
        InvalidArgumentError: the kernel has neither two nor three axes.
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


KERNELS: dict[str, Scheme] = {
    "int8": Int8Kernel(),
    "int4": Int4Kernel(),
    "float8": Float8Kernel(),
    "gptq": CalibratedKernel(),
    "awq": ActivationAwareKernel(),
}
