"""Operators of com.microsoft, beside onnxruntime."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

from graphkit.converters.onnx.operators import Evaluator
from graphkit.errors import UnsupportedError
from tests.converters.onnx.one_node import differs, model_of, parts

rng = np.random.default_rng(0)


class Case(NamedTuple):
    """A node: operator, inputs, attributes, outputs, and which inputs (by position) must be known to trace it."""

    operator: str
    inputs: list[Any]
    attributes: dict[str, Any] = {}  # noqa: RUF012 - never changed
    outputs: Any = 1
    constants: tuple[int, ...] = ()
    tolerance: float = 1e-5
    domain: str = "com.microsoft"


def f(*shape: int, dtype: Any = np.float32) -> Any:
    return np.asarray(rng.normal(size=shape), dtype)


def i(low: int, high: int, *shape: int, dtype: Any = np.int64) -> Any:
    return np.asarray(rng.integers(low, high, shape), dtype)


def as_pairs(x: Any) -> Any:
    return np.stack([x.real, x.imag], -1).astype(np.float32)


def convolved(x: Any, w: Any) -> Any:
    """Convolve (batch, height, width, channels) with (filters, height, width, channels)."""
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[1:3], (1, 2))
    return np.einsum("bhwcij,oijc->bhwo", windows, w)


def number(value: float, dtype: Any = np.float32) -> Any:
    return np.array(value, dtype)


X = f(2, 3, 8)
IMAGE, FILTERS = f(2, 4, 6, 6), f(5, 4, 3, 3)
CASES: dict[str, Case] = {
    "gelu": Case("Gelu", [X]),
    "fast gelu": Case("FastGelu", [X]),
    "fast gelu with bias": Case("FastGelu", [X, f(8)]),
    "quick gelu": Case("QuickGelu", [X], {"alpha": 1.2}),
    "bias gelu": Case("BiasGelu", [X, f(8)]),
    "scaled silu": Case("ScaledSiLU", [X], {"alpha": 0.7}),
    "fused matmul": Case("FusedMatMul", [f(2, 3, 4), f(2, 4, 5)], {"alpha": 0.5}),
    "fused matmul of transposed A": Case("FusedMatMul", [f(2, 4, 3), f(4, 5)], {"transA": 1}),
    "fused matmul of transposed B": Case("FusedMatMul", [f(3, 4), f(2, 5, 4)], {"transB": 1}),
    "fused matmul of vectors": Case("FusedMatMul", [f(4), f(4)], {"transA": 1, "transB": 1}),
    "fused matmul, batch of A last": Case("FusedMatMul", [f(3, 2, 4), f(2, 4, 5)], {"transBatchA": 1}),
    "fused matmul, batch of B last": Case("FusedMatMul", [f(2, 3, 4), f(4, 2, 5)], {"transBatchB": 1}),
    "fused matmul, batch of A last, transposed": Case("FusedMatMul", [f(4, 2, 3), f(2, 4, 5)], {"transBatchA": 1, "transA": 1}),
    "transposed matmul": Case("TransposeMatMul", [f(4, 3), f(4, 5)], {"transA": 1, "alpha": 2.0}),
    "fused conv": Case("FusedConv", [IMAGE, FILTERS, f(5)], {"activation": "Relu"}),
    "fused conv, leaky": Case("FusedConv", [IMAGE, FILTERS], {"activation": "LeakyRelu", "activation_params": [0.2]}),
    "fused conv, limited": Case("FusedConv", [IMAGE, FILTERS], {"activation": "Clip", "activation_params": [-0.5, 0.7], "pads": [1] * 4}),
    "fused conv, sum": Case("FusedConv", [IMAGE, FILTERS, f(5), f(2, 5, 4, 4)], {"activation": "Tanh"}),
    "simplified layer normalization": Case("SimplifiedLayerNormalization", [X, f(8)], {"axis": -1, "epsilon": 1e-3}, domain=""),
    "skip layer normalization": Case("SkipLayerNormalization", [X, f(2, 3, 8), f(8), f(8)], {"epsilon": 1e-3}),
    "skip layer normalization with a bias": Case(
        "SkipLayerNormalization", [X, f(2, 3, 8), f(8), f(8), f(8)], {"epsilon": 1e-3}, (True, False, False, True)
    ),
    "skip layer normalization, one skip": Case("SkipLayerNormalization", [X, f(1, 3, 8), f(8)], {"epsilon": 1e-3}),
    "skip simplified layer normalization": Case(
        "SkipSimplifiedLayerNormalization", [X, f(2, 3, 8), f(8), f(8)], {"epsilon": 1e-3}, (True, False, False, True)
    ),
    "embeddings": Case(
        "EmbedLayerNormalization",
        [i(0, 9, 2, 3, dtype=np.int32), i(0, 2, 2, 3, dtype=np.int32), f(9, 4), f(5, 4), f(2, 4), f(4), f(4),
         np.array([[1, 1, 0], [1, 1, 1]], np.int32)], {"epsilon": 1e-3}, 3,
    ),
    "embeddings without segments": Case(
        "EmbedLayerNormalization", [i(0, 9, 2, 3, dtype=np.int32), None, f(9, 4), f(5, 4), None, f(4), f(4)], {"epsilon": 1e-3}, 2,
    ),
    "embeddings at positions": Case(
        "EmbedLayerNormalization",
        [i(0, 9, 2, 3, dtype=np.int32), None, f(9, 4), f(5, 4), None, f(4), f(4), None, i(0, 5, 2, 3, dtype=np.int32)], {}, 2,
    ),
    "squared distances": Case("CDist", [f(4, 3), f(5, 3)], {"metric": "sqeuclidean"}),
    "distances": Case("CDist", [f(4, 3), f(5, 3)], {"metric": "euclidean"}),
    "inverse": Case("Inverse", [f(2, 3, 3) + 3 * np.eye(3, dtype=np.float32)]),
    "expand dims": Case("ExpandDims", [f(2, 3), np.array(-1, np.int32)], constants=(1,)),
    "gather nd": Case("GatherND", [f(3, 4, 2), i(0, 3, 5, 2)]),
    "trilu": Case("Trilu", [f(4, 4), np.array(1, np.int64)], {"upper": 0}, constants=(1,)),
    "grid sample": Case("GridSample", [IMAGE, f(2, 3, 4, 2) * 0.6], {"mode": "bilinear"}),
    "grid sample at the border": Case(
        "GridSample", [IMAGE, f(2, 3, 4, 2)], {"mode": "bicubic", "padding_mode": "border", "align_corners": 1}, tolerance=1e-4
    ),
    "pad": Case("Pad", [f(3, 4), np.array([1, 0, 2, 1]), number(2.5)], {"mode": "constant"}, constants=(1, 2)),
    "range": Case("Range", [number(1.0), number(7.0)], constants=(0, 1)),
    "unique": Case("Unique", [np.array([2, 1, 1, 3, 4, 3], np.float32)], {}, 3, constants=(0,)),
    "windows": Case("UnfoldTensor", [f(2, 7, 3)], {"dim": 1, "size": 3, "step": 2}),
    "windows of the last axis": Case("UnfoldTensor", [f(2, 7)], {"size": 4}),
    "repeated n-grams": Case(
        "NGramRepeatBlock", [np.array([[1, 2, 3, 1, 2], [4, 4, 4, 4, 4]]), f(2, 6)], {"ngram_size": 3}, constants=(0,)
    ),
    "crop and resize": Case(
        "CropAndResize",
        [IMAGE, np.array([[0.1, 0.2, 0.8, 0.9], [0.9, -0.1, 0.2, 1.2]], np.float32), np.array([0, 1], np.int32),
         np.array([3, 4], np.int32)], {"extrapolation_value": -1.0}, constants=(3,),
    ),
    "crop and resize to one": Case(
        "CropAndResize",
        [IMAGE, np.array([[0.1, 0.2, 0.8, 0.9]], np.float32), np.array([1], np.int32), np.array([1, 1], np.int32)], {}, constants=(3,),
    ),
    "crop and resize, nearest": Case(
        "CropAndResize",
        [IMAGE, np.array([[0.1, 0.2, 0.83, 0.91]], np.float32), np.array([1], np.int32), np.array([3, 4], np.int32)],
        {"mode": "nearest"}, constants=(3,),
    ),
    "transposed convolution with pads": Case(
        "ConvTransposeWithDynamicPads", [f(1, 3, 4, 4), f(3, 2, 3, 3), np.array([1, 1, 0, 1])],
        {"strides": [2, 2], "kernel_shape": [3, 3]}, constants=(2,),
    ),
    "channels-last max pool": Case(
        "NhwcMaxPool", [i(-99, 99, 2, 6, 6, 3, dtype=np.int8)], {"kernel_shape": [3, 3], "pads": [1] * 4, "strides": [2, 2]}
    ),
}  # fmt: skip
CASES |= {
    "gated add": Case("GatedAdd", [f(2, 8), f(2, 8), f(2, 1)]),
    "gated RMS normalization": Case("GatedRMSNorm", [f(2, 8), f(4), f(2, 8)], {"activation": "sigmoid"}),
}
for _name in ("Relu", "LeakyRelu", "Sigmoid", "Tanh", "Softplus", "HardSigmoid", "Elu"):
    CASES[f"fused gemm {_name}"] = Case(
        "FusedGemm", [f(3, 4), f(5, 4), f(5)],
        {"activation": _name, "activation_alpha": 0.3, "activation_beta": 0.4, "transB": 1, "alpha": 0.5, "beta": 2.0},
    )  # fmt: skip

# ----- attention -----

RAW_MASK = np.array([[1, 1, 1, 0], [0, 1, 1, 1]], np.int32)
A, W, B = f(2, 4, 8), f(8, 24), f(24)
CASES |= {
    "attention": Case("Attention", [A, W, B], {"num_heads": 2}),
    "attention without bias": Case("Attention", [A, W], {"num_heads": 2}),
    "causal attention": Case("Attention", [A, W, B], {"num_heads": 2, "unidirectional": 1}),
    "attention with a mask": Case("Attention", [A, W, B, RAW_MASK], {"num_heads": 2}),
    "causal attention with a mask": Case("Attention", [A, W, B, RAW_MASK], {"num_heads": 2, "unidirectional": 1}),
    "attention with lengths": Case("Attention", [A, W, B, np.array([3, 2], np.int32)], {"num_heads": 2}),
    "attention with ends and starts": Case("Attention", [A, W, B, np.array([3, 4, 0, 1], np.int32)], {"num_heads": 2}),
    "attention with a mask of pairs": Case("Attention", [A, W, B, i(0, 2, 2, 4, 4, dtype=np.int32)], {"num_heads": 2}),
    "attention with a bias of scores": Case("Attention", [A, W, B, None, None, f(1, 2, 4, 4)], {"num_heads": 2, "scale": 0.4}),
    "attention with the past": Case("Attention", [A, W, B, None, f(2, 2, 2, 3, 4)], {"num_heads": 2, "unidirectional": 1}, 2),
    "attention with the past and a mask": Case(
        "Attention", [A, W, B, i(0, 2, 2, 7, dtype=np.int32), f(2, 2, 2, 3, 4)], {"num_heads": 2}, 2
    ),
    "attention of other widths": Case("Attention", [A, f(8, 8 + 8 + 12), f(28)], {"num_heads": 2, "qkv_hidden_sizes": [8, 8, 12]}),
    "multi-head attention": Case("MultiHeadAttention", [A, f(2, 5, 8), f(2, 5, 6), None], {"num_heads": 2}),
    "multi-head attention with a bias": Case("MultiHeadAttention", [A, f(2, 5, 8), f(2, 5, 8), f(24)], {"num_heads": 2}),
    "multi-head attention with a mask": Case(
        "MultiHeadAttention", [A, f(2, 4, 8), f(2, 4, 8), None, RAW_MASK], {"num_heads": 2, "mask_filter_value": -100.0}
    ),
    "multi-head attention with a bias of scores": Case(
        "MultiHeadAttention", [A, f(2, 4, 8), f(2, 4, 8), None, None, f(1, 2, 4, 4)], {"num_heads": 2, "scale": 0.3}
    ),
    "multi-head attention with the past": Case(
        "MultiHeadAttention", [A, f(2, 4, 8), f(2, 4, 8), None, None, None, f(2, 2, 3, 4), f(2, 2, 3, 4)],
        {"num_heads": 2, "unidirectional": 1}, 3,
    ),
    "multi-head attention with heads of the keys": Case("MultiHeadAttention", [A, f(2, 2, 5, 4), f(2, 2, 5, 4)], {"num_heads": 2}),
    "rotary embedding": Case("RotaryEmbedding", [A, i(0, 9, 2, 4), f(9, 2), f(9, 2)]),
    "rotary embedding, interleaved": Case("RotaryEmbedding", [A, i(0, 9, 2, 4), f(9, 2), f(9, 2)], {"interleaved": 1}),
    "rotary embedding from a position": Case("RotaryEmbedding", [A, np.array([3]), f(9, 2), f(9, 2)]),
    "rotary embedding of heads": Case("RotaryEmbedding", [f(2, 3, 4, 6), i(0, 9, 2, 4), f(9, 3), f(9, 3)]),
    "rotary embedding of a part": Case(
        "RotaryEmbedding", [f(2, 4, 12), i(0, 9, 2, 4), f(9, 2), f(9, 2)], {"num_heads": 2, "rotary_embedding_dim": 4}
    ),
}  # fmt: skip


def gqa(steps: int, past: int, lengths: list[int], total: int, packed: bool = False, **attributes: Any) -> Case:
    """Return a case with 4 heads for the queries and 2 for the keys, of 16 elements."""
    inputs: list[Any] = [f(2, steps, 64), f(2, steps, 32), f(2, steps, 32)]
    if packed:
        inputs = [np.concatenate(inputs, -1), None, None]
    cache = [f(2, 2, past, 16), f(2, 2, past, 16)] if past else [None, None]
    inputs += [*cache, np.array(lengths, np.int32), np.array(total, np.int32)]
    if attributes.get("do_rotary"):
        inputs += [f(32, 8), f(32, 8)]
    return Case("GroupQueryAttention", inputs, {"num_heads": 4, "kv_num_heads": 2, **attributes}, 3, (6,), 1e-4)


CASES |= {
    "grouped attention": gqa(5, 0, [4, 4], 5),
    "grouped attention, packed": gqa(5, 0, [4, 4], 5, True),
    "grouped attention, rotated": gqa(5, 0, [4, 4], 5, do_rotary=1),
    "grouped attention, rotated pairs": gqa(5, 0, [4, 4], 5, do_rotary=1, rotary_interleaved=1),
    "grouped attention, capped": gqa(5, 0, [4, 4], 5, softcap=2.0),
    "grouped attention, window": gqa(5, 0, [4, 4], 5, local_window_size=2),
    "grouped attention, smooth": gqa(5, 0, [4, 4], 5, smooth_softmax=1),
    "grouped attention with the past": gqa(1, 6, [6, 6], 7, do_rotary=1),
    "grouped attention with pasts of two lengths": gqa(1, 6, [6, 4], 7, do_rotary=1),
}

# ----- quantized -----


def q(dtype: Any = np.uint8, *shape: int) -> Any:
    info = np.iinfo(dtype)
    return i(info.min, info.max + 1, *shape, dtype=dtype)


for _dtype, _zero in ((np.uint8, 120), (np.int8, -3)):
    _a, _b, _z = q(_dtype, 2, 3, 8), q(_dtype, 3, 8), number(_zero, _dtype)
    _s, _t, _u = number(0.02013), number(0.03077), number(0.05031)  # no result is halfway between two integers
    _n = np.dtype(_dtype).name
    CASES |= {
        f"add of {_n}": Case("QLinearAdd", [_a, _s, _z, _b, _t, number(7, _dtype), _u, _z]),
        f"mul of {_n}": Case("QLinearMul", [_a, _s, _z, _b, _t, number(7, _dtype), _u, _z]),
        f"sigmoid of {_n}": Case("QLinearSigmoid", [_a, _s, _z, number(1 / 256), number(0, _dtype)]),
        f"leaky relu of {_n}": Case("QLinearLeakyRelu", [_a, _s, _z, _t, _z], {"alpha": 0.2}),
        f"softmax of {_n}": Case("QLinearSoftmax", [_a, _s, _z, number(1 / 256), number(0, _dtype)], {"axis": -1, "opset": 13}),
        f"softmax of {_n} at 12": Case("QLinearSoftmax", [_a, _s, _z, number(1 / 256), number(0, _dtype)], {"axis": 1, "opset": 12}),
        f"concat of {_n}": Case("QLinearConcat", [_u, _z, _a, _s, _z, q(_dtype, 2, 3, 4), _t, _z], {"axis": 2}),
        f"where of {_n}": Case("QLinearWhere", [i(0, 2, 2, 3, 8) > 0, _a, _s, _z, _a[::-1].copy(), _t, _z, _u, _z]),
        f"average pool of {_n}": Case(
            "QLinearAveragePool", [q(_dtype, 2, 3, 6, 6), _s, _z, _t, _z], {"kernel_shape": [3, 3], "pads": [1] * 4, "strides": [2, 2]}
        ),
        f"channels-last average pool of {_n}": Case(
            "QLinearAveragePool", [q(_dtype, 2, 6, 6, 3), _s, _z, _t, _z], {"kernel_shape": [2, 2], "channels_last": 1}
        ),
        f"global average pool of {_n}": Case("QLinearGlobalAveragePool", [q(_dtype, 2, 3, 6, 6), _s, _z, _t, _z]),
        f"channels-last global average pool of {_n}": Case(
            "QLinearGlobalAveragePool", [q(_dtype, 2, 6, 6, 3), _s, _z, _t, _z], {"channels_last": 1}
        ),
        f"gemm of {_n}": Case("QGemm", [q(_dtype, 3, 4), _s, _z, q(_dtype, 4, 5), _t, _z, i(-99, 99, 5, dtype=np.int32), _u, _z]),
        f"gemm of {_n} to floats": Case("QGemm", [q(_dtype, 3, 4), _s, _z, q(_dtype, 5, 4), _t, _z], {"transB": 1, "alpha": 0.5}),
        f"matmul of {_n} to floats": Case(
            "MatMulIntegerToFloat", [q(_dtype, 3, 4), q(_dtype, 4, 5), _s, f(5) ** 2, _z, q(_dtype, 5), f(5)]
        ),
        f"dynamic matmul of {_n}": Case("DynamicQuantizeMatMul", [f(3, 4), q(_dtype, 4, 5), _s, _z, f(5)]),
        f"dynamic matmul of {_n} by column": Case("DynamicQuantizeMatMul", [f(3, 4), q(_dtype, 4, 5), f(5) ** 2, q(_dtype, 5)]),
        f"quantize to {_n}": Case("QuantizeLinear", [f(3, 4), number(0.02), _z]),
        f"quantize to {_n} by column": Case("QuantizeLinear", [f(3, 4), f(4) ** 2 + 0.01, q(_dtype, 4)], {"axis": 1}),
        f"dequantize {_n}": Case("DequantizeLinear", [_a, _s, _z]),
    }  # fmt: skip
CASES |= {
    "quantize to int16": Case("QuantizeLinear", [f(3, 4), number(0.02), number(5, np.int16)]),
    "dequantize uint16": Case("DequantizeLinear", [q(np.uint16, 3, 4), number(0.02), number(5, np.uint16)]),
    "dequantize int32": Case("DequantizeLinear", [i(-999, 999, 3, 4, dtype=np.int32), number(0.02)]),
    "channels-last convolution of uint8": Case(
        "QLinearConv",
        [q(np.uint8, 2, 6, 6, 4), number(0.02), number(120, np.uint8), q(np.int8, 5, 4, 3, 3), number(0.03), number(0, np.int8),
         number(0.05), number(110, np.uint8), i(-99, 99, 5, dtype=np.int32)], {"channels_last": 1, "pads": [1] * 4},
    ),
    "matmul of 16 bits": Case("MatMulInteger16", [i(-99, 99, 3, 4, dtype=np.int16), i(-99, 99, 4, 5, dtype=np.int16)]),
    "quantized attention": Case(
        "QAttention",
        [q(np.uint8, 2, 4, 8), q(np.int8, 8, 24), f(24), number(0.02), number(0.03), RAW_MASK, number(120, np.uint8), number(0, np.int8)],
        {"num_heads": 2}, tolerance=1e-4,
    ),
}  # fmt: skip
for _bits in (2, 4, 8):
    _packed = 16 * _bits // 8
    CASES[f"matmul of {_bits} bits"] = Case(
        "MatMulNBits", [f(3, 32), q(np.uint8, 5, 2, _packed), f(5, 2)], {"K": 32, "N": 5, "bits": _bits, "block_size": 16},
        tolerance=1e-4,
    )  # fmt: skip
    CASES[f"matmul of {_bits} bits with zero points"] = Case(
        "MatMulNBits", [f(3, 32), q(np.uint8, 5, 2, _packed), f(5, 2), q(np.uint8, 5, -(-2 * _bits // 8)), None, f(5)],
        {"K": 32, "N": 5, "bits": _bits, "block_size": 16}, tolerance=1e-4,
    )  # fmt: skip
CASES["matmul of 4 bits, a part of a block"] = Case(
    "MatMulNBits",
    [f(3, 24), q(np.uint8, 5, 2, 8), f(5, 2)],
    {"K": 24, "N": 5, "bits": 4, "block_size": 16},
    tolerance=1e-4,
)
for _kind in (0, 1):
    CASES[f"matmul of bitsandbytes {_kind}"] = Case(
        "MatMulBnb4", [f(3, 32), q(np.uint8, 5 * 16), f(10) ** 2], {"K": 32, "N": 5, "block_size": 16, "quant_type": _kind},
        tolerance=1e-4,
    )  # fmt: skip
CASES["rows of blocks of 4 bits"] = Case(
    "GatherBlockQuantized",
    [q(np.uint8, 6, 16), i(0, 6, 2, 3), f(6, 2), q(np.uint8, 6, 1)],
    {"block_size": 16, "bits": 4},
)
CASES["rows of blocks of 8 bits"] = Case(
    "GatherBlockQuantized", [q(np.uint8, 6, 32), i(0, 6, 4), f(6, 2)], {"block_size": 16, "bits": 8}
)
for _direction, _d in (("forward", 1), ("reverse", 1), ("bidirectional", 2)):
    CASES[f"dynamic LSTM {_direction}"] = Case(
        "DynamicQuantizeLSTM",
        [f(5, 2, 3), q(np.int8, _d, 3, 16), q(np.int8, _d, 4, 16), f(_d, 32), None, f(_d, 2, 4), f(_d, 2, 4), None,
         f(_d) ** 2 * 0.01 + 0.005, np.zeros(_d, np.int8), f(_d) ** 2 * 0.01 + 0.005, np.zeros(_d, np.int8)],
        {"hidden_size": 4, "direction": _direction}, 3, (1, 2), 1e-4,
    )  # fmt: skip


def check(name: str) -> list[str]:
    case = CASES[name]
    return parts(
        case.operator, case.inputs, case.attributes, case.domain, case.outputs, rtol=1e-4, atol=case.tolerance,
        constants=case.constants,
    )  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_an_operator_of_com_microsoft_agrees_with_onnxruntime(name: str) -> None:
    assert check(name) == []


# ----- operators without a kernel for the CPU: beside NumPy -----


def gelu(x: Any) -> Any:
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / np.sqrt(2)))


def softmax(x: Any) -> Any:
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def grouped(x: Any, groups: int) -> Any:
    parts_of = x.reshape(*x.shape[:3], groups, -1)
    unit = (parts_of - parts_of.mean((1, 2, 4), keepdims=True)) / np.sqrt(parts_of.var((1, 2, 4), keepdims=True) + 1e-5)
    return unit.reshape(x.shape)


PLAIN: dict[str, tuple[str, list[Any], dict[str, Any], Callable[..., Any]]] = {
    "bias split gelu": ("BiasSplitGelu", [X, f(8)], {}, lambda x, b: (x + b)[..., :4] * gelu((x + b)[..., 4:])),
    "bias add": ("BiasAdd", [X, f(8), f(2, 3, 8)], {}, lambda x, b, s: x + b + s),
    "bias softmax": ("BiasSoftmax", [X, f(2, 1, 8)], {"axis": 2, "is_inner_broadcast": 1}, lambda x, b: softmax(x + b)),
    "bias dropout": ("BiasDropout", [X, f(8), f(2, 3, 8)], {}, lambda x, b, r: x + b + r),
    "product and fast gelu": (
        "GemmFastGelu", [f(3, 4), f(4, 5), f(5)], {},
        lambda x, w, b: (y := x @ w + b) * 0.5 * (1 + np.tanh(0.7978845608 * (y + 0.044715 * y**3))),
    ),
    "complex product": (
        "ComplexMul", [f(3, 2), f(3, 2)], {}, lambda a, b: as_pairs((a[:, 0] + 1j * a[:, 1]) * (b[:, 0] + 1j * b[:, 1])),
    ),
    "complex product, conjugate": (
        "ComplexMulConj", [f(3, 2), f(3, 2)], {}, lambda a, b: as_pairs((a[:, 0] + 1j * a[:, 1]) * (b[:, 0] - 1j * b[:, 1])),
    ),
    "channels-last convolution": (
        "NhwcConv", [np.moveaxis(IMAGE, 1, -1).copy(), np.moveaxis(FILTERS, 1, -1).copy()], {}, lambda x, w: convolved(x, w),
    ),
    "channels-last fused convolution": (
        "NhwcFusedConv", [np.moveaxis(IMAGE, 1, -1).copy(), FILTERS], {"activation": "Relu"},
        lambda x, w: np.maximum(convolved(x, np.moveaxis(w, 1, -1)), 0),
    ),
    "group normalization": (
        "GroupNorm", [f(2, 3, 3, 8), f(8), f(8)], {"groups": 4, "activation": 1},
        lambda x, g, b: (y := grouped(x, 4) * g + b) / (1 + np.exp(-y)),
    ),
    "group normalization of a sum": (
        "SkipGroupNorm", [f(2, 3, 3, 8), f(8), f(8), f(2, 8), f(8)], {"groups": 4, "activation": 0},
        lambda x, g, b, s, a: grouped(x + s[:, None, None] + a, 4) * g + b,
    ),
    "transform": ("Rfft", [f(2, 8)], {"signal_ndim": 1, "onesided": 1, "normalized": 0}, lambda x: as_pairs(np.fft.rfft(x))),
    "transform of images": (
        "Rfft", [f(2, 4, 6)], {"signal_ndim": 2, "onesided": 1, "normalized": 0}, lambda x: as_pairs(np.fft.rfft2(x)),
    ),
    "inverse transform": (
        "Irfft", [as_pairs(np.fft.rfft(X))], {"signal_ndim": 1, "onesided": 1, "normalized": 0}, lambda x: X,
    ),
    "inverse transform of images": (
        "Irfft", [as_pairs(np.fft.rfft2(X[:, :2]))], {"signal_ndim": 2, "onesided": 1, "normalized": 0}, lambda x: X[:, :2],
    ),
    "finite": ("IsAllFinite", [X, f(2)], {}, lambda x, y: np.array([True])),
    "not finite": ("IsAllFinite", [X, np.array([np.inf], np.float32)], {}, lambda x, y: np.array([False])),
    "product of integers": (
        "MulInteger", [q(np.uint8, 2, 3), number(3, np.uint8), q(np.uint8, 3), number(7, np.uint8)], {},
        lambda a, x, b, y: (a.astype(np.int32) - 3) * (b.astype(np.int32) - 7),
    ),
    "sum of integers": ("ReduceSumInteger", [q(np.uint8, 2, 3)], {"axes": [1]}, lambda x: x.astype(np.int32).sum(1, keepdims=True)),
    "gated units": (
        "SwiGLU", [X, f(2, 3, 8)], {"activation_alpha": 1.7, "activation_beta": 1.0, "limit": 0.5},
        lambda x, y: (g := np.minimum(x, 0.5)) / (1 + np.exp(-1.7 * g)) * (np.clip(y, -0.5, 0.5) + 1),
    ),
    "positions of T5": (
        "RelativePositionBias", [f(4, 2), np.array(3), np.array(3)], {"max_distance": 8, "is_bidirectional": 1},
        lambda t, a, b: t[[[0, 3, 3], [1, 0, 3], [1, 1, 0]]].transpose(2, 0, 1)[None],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PLAIN)
def test_an_operator_without_a_kernel_agrees_with_numpy(name: str) -> None:
    operator, inputs, attributes, expected = PLAIN[name]
    evaluate = Evaluator(model_of(operator, inputs, attributes, "com.microsoft"))

    (got,) = evaluate({f"x{i}": x for i, x in enumerate(inputs)})

    want = expected(*inputs)
    assert differs(got, np.asarray(want, got.dtype), 1e-4, 1e-5) is None


def test_the_order_of_the_axes_of_channels_last_weights_is_not_guessed() -> None:
    images, weights = f(1, 5, 5, 3), f(2, 3, 3, 3)
    evaluate = Evaluator(model_of("NhwcConv", [images, weights], {}, "com.microsoft"))

    with pytest.raises(UnsupportedError, match="channels-first or channels-last"):
        evaluate({"x0": images, "x1": weights})


WORDS = np.array(["The quick, brown fox", "a", "jumps over  it."], object)
TOKENS: dict[str, dict[str, Any]] = {
    "words": {"tokenexp": "[a-zA-Z]+", "mark": 0, "mincharnum": 1, "pad_value": "#"},
    "long words, marked": {"tokenexp": "[a-zA-Z]+", "mark": 1, "mincharnum": 2, "pad_value": "#"},
    "separated": {"separators": [" ", "[,.]"], "mark": 0, "mincharnum": 1, "pad_value": ""},
    "characters": {"separators": [""], "mark": 0, "mincharnum": 1, "pad_value": "#"},
}


@pytest.mark.parametrize("name", TOKENS)
def test_tokens_agree_with_onnxruntime(name: str) -> None:
    for texts in (WORDS, WORDS[:2].reshape(1, 2)):
        assert parts("Tokenizer", [texts], TOKENS[name], "com.microsoft", traced=False) == []
