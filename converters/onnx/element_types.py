"""Dtypes in ONNX: element types by their Keras names, and the dtypes that onnxruntime computes in."""

from __future__ import annotations

from onnx import TensorProto

from graphkit.core.errors import ExportError

ELEMENT_TYPES: dict[str, int] = {
    "bool": TensorProto.BOOL, "string": TensorProto.STRING,
    "uint8": TensorProto.UINT8, "uint16": TensorProto.UINT16, "uint32": TensorProto.UINT32, "uint64": TensorProto.UINT64,
    "int8": TensorProto.INT8, "int16": TensorProto.INT16, "int32": TensorProto.INT32, "int64": TensorProto.INT64,
    "bfloat16": TensorProto.BFLOAT16, "float16": TensorProto.FLOAT16, "float32": TensorProto.FLOAT,
    "float8_e4m3fn": TensorProto.FLOAT8E4M3FN, "float8_e5m2": TensorProto.FLOAT8E5M2,
    "float8_e4m3fnuz": TensorProto.FLOAT8E4M3FNUZ, "float8_e5m2fnuz": TensorProto.FLOAT8E5M2FNUZ,
    "float8_e8m0fnu": TensorProto.FLOAT8E8M0, "float4_e2m1fn": TensorProto.FLOAT4E2M1,
    "int4": TensorProto.INT4, "uint4": TensorProto.UINT4, "int2": TensorProto.INT2, "uint2": TensorProto.UINT2,
    "float64": TensorProto.DOUBLE, "complex64": TensorProto.COMPLEX64, "complex128": TensorProto.COMPLEX128,
}  # fmt: skip

NAMES_OF_TYPES: dict[int, str] = {number: name for name, number in ELEMENT_TYPES.items()}


def element_type(dtype: str) -> int:
    """Return the `TensorProto.DataType` of a dtype.

    Raises:
        ExportError: ONNX has no such element type.
    """
    try:
        return ELEMENT_TYPES[dtype]
    except KeyError:
        raise ExportError(f"ONNX has no element type for dtype {dtype!r}.") from None


# The dtypes that onnxruntime has CPU kernels for, by operator. The standard allows more. A node of another dtype is written with
# casts around it: integers stay exact (they wrap as the narrow type would), and half floats are rounded once per operator
# (onnxruntime would insert casts for float16 itself, but drops the rounding between two such nodes). Operators that are not listed
# accept every dtype.
_FLOAT = "float32"
_FLOATS = "float32 float64"
_NUMBERS = "float32 float64 int32 int64"
_GROUPS: dict[str, str] = {
    "Acos Acosh Asin Asinh Atan Atanh Cosh Sinh Tan Elu Erf HardSigmoid HardSwish LeakyRelu Mish PRelu Selu Softplus Softsign "
    "ThresholdedRelu Celu Gelu AveragePool Conv ConvTranspose GlobalAveragePool GlobalMaxPool InstanceNormalization "
    "LpPool LRN Det Hardmax Swish GroupNormalization Attention": _FLOAT,
    "Sin Cos Exp Log Sqrt Tanh Sigmoid Softmax LogSoftmax Floor Ceil Round Reciprocal Gemm BatchNormalization "
    "LayerNormalization MaxPool GridSample LpNormalization RMSNormalization DFT": _FLOATS,
    "RNN LSTM GRU": _FLOAT,
    "Div Mod Max Min Less LessOrEqual Greater GreaterOrEqual": _NUMBERS + " uint64",  # as int64, large values would be negative
    "Add Sub Mul Pow MatMul Einsum Clip CumSum CumProd "
    "ReduceSum ReduceMean ReduceProd ReduceMax ReduceMin ReduceSumSquare ReduceLogSumExp ReduceL1 ReduceL2 TopK": _NUMBERS,
    "Neg Abs Sign": _NUMBERS,
    "Relu": "float32 float64 int32",
    "ArgMax ArgMin": "float32 float64 int32 int64",
    "Equal": _NUMBERS + " bool string",
    "Where": _NUMBERS + " uint8 string",
    "Expand Tile": _NUMBERS + " bool string uint8 int8",
    "Pad": _NUMBERS + " bool uint8 int8",
    "Trilu": _NUMBERS + " bool",
    "Range": _NUMBERS,
    "OneHot": "float32 int32 int64",
    "Resize": "float32 int32 uint8",
    "NonZero": "float32 int32 int64 bool uint8",
    "EyeLike": _NUMBERS,
}  # fmt: skip
KERNEL_DTYPES: dict[str, frozenset[str]] = {
    op: frozenset(dtypes.split()) for ops, dtypes in _GROUPS.items() for op in ops.split()
}

# The inputs that have the dtype in which a node computes, if only some have it.
TYPED_INPUTS: dict[str, tuple[int, ...]] = {
    "Where": (1, 2), "TopK": (0,), "CumSum": (0,), "CumProd": (0,), "Attention": (0, 1, 2),
    "Expand": (0,), "Tile": (0,), "Pad": (0, 2), "Trilu": (0,), "Resize": (0,),
    "ReduceSum": (0,), "ReduceMean": (0,), "ReduceProd": (0,), "ReduceMax": (0,), "ReduceMin": (0,), "ReduceSumSquare": (0,),
    "ReduceLogSumExp": (0,), "ReduceL1": (0,), "ReduceL2": (0,), "LSTM": (0, 1, 2, 3, 5, 6, 7), "GRU": (0, 1, 2, 3, 5),
    "RNN": (0, 1, 2, 3, 5), "OneHot": (2,), "DFT": (0,),
}  # fmt: skip

# Operators whose first output does not have the dtype of their first input.
RESULT_DTYPES: dict[str, str] = {
    **dict.fromkeys(
        ["Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "And", "Or", "Xor", "Not", "IsNaN", "IsInf"],
        "bool",
    ),
    **dict.fromkeys(["Shape", "Size", "ArgMax", "ArgMin", "NonZero"], "int64"),
    "MatMulInteger": "int32",
}
RESULT_LIKE_INPUT: dict[str, int] = {"Where": 1, "OneHot": 2}

_WIDER = {
    "bfloat16": ("float32",), "float16": ("float32",),
    "bool": ("uint8", "int32"),
    "int8": ("int32",), "uint8": ("int32",), "int16": ("int32",), "uint16": ("int32",),
    "uint32": ("int64",), "uint64": ("int64",), "int32": ("int64", "float32"), "int64": ("int32", "float32"),
    "float64": ("float32",),
}  # fmt: skip


def computing_dtype(op: str, dtype: str) -> str:
    """Return the dtype in which onnxruntime computes operator `op` on inputs of `dtype`."""
    known = KERNEL_DTYPES.get(op)
    if known is None or dtype in known:
        return dtype
    candidates = [wider for wider in _WIDER.get(dtype, ()) if wider in known]
    # int64 for operators on floats: no conversion is exact, and no op needs it
    return candidates[0] if candidates else dtype
