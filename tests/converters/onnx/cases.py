"""One small program or more for every primitive, with unknown sizes wherever the op allows them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphkit import ops
from graphkit.core.dims import Dim
from graphkit.ir.gradient import grad
from graphkit.ir.primitive import PRIMITIVES
from graphkit.ir.program import Program
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import trace
from graphkit.ops import (
    arithmetic,
    attention,
    batch_norm,
    control,
    convolution,
    counting,
    indexing,
    linear,
    nn,
    normalization,
    pooling,
    probabilities,
    recurrent,
    resizing,
    strings,
)
from tests.converters.onnx.comparing import sample

SIZES: Mapping[str, int] = {"b": 2, "t": 5, "s": 6, "h": 7, "w": 6}


@dataclass(frozen=True)
class Case:
    """A function of tensors with these specs; `arrays` replace random inputs."""

    name: str
    function: Callable[..., Any]
    specs: tuple[TensorSpec, ...]
    positive: bool = False
    arrays: tuple[Any, ...] | None = None
    tolerance: float | None = None
    gradient: bool = False

    def program(self) -> Program:
        """Return the program, or that of the gradients of its sum of squares."""
        if not self.gradient:
            return trace(self.function, *self.specs)
        return grad(trace(lambda *xs: ops.sum(ops.square(self.function(*xs))), *self.specs))

    def inputs(self) -> list[Any]:
        """Return arrays for the inputs."""
        if self.arrays is not None:
            return list(self.arrays)
        return [sample(s, SIZES, seed, self.positive) for seed, s in enumerate(self.specs)]


def specs(text: str) -> tuple[TensorSpec, ...]:
    """Parse specs such as `"b 3, 3 4:int32"`: sizes are numbers or names, the default dtype is float32."""
    made = []
    for part in text.split(","):
        sizes, _, dtype = part.strip().partition(":")
        shape = tuple(int(s) if s.isdigit() else Dim.named(s) for s in sizes.split())
        made.append(TensorSpec(shape, dtype or "float32"))
    return tuple(made)


def case(name: str, function: Callable[..., Any], text: str, **options: Any) -> Case:
    """Define a case in one line."""
    return Case(name, function, specs(text), **options)


def _bound(name: str, **params: Any) -> Callable[..., Any]:
    return lambda *xs: PRIMITIVES[name].bind(*xs, **params)


_ENDS = np.array([-(2**31), -(2**31), 7, -7], np.int32), np.array([-1, 0, 0, -1], np.int32)
_BYTES = np.array([0, 7, 255], np.uint8), np.array([0, 0, 2], np.uint8)

_UNARY = [
    "negative", "abs", "sign", "square", "exp", "expm1", "sin", "cos", "tan", "atan", "sinh", "cosh", "tanh", "asinh",
    "floor", "ceil", "round", "sigmoid", "relu", "isnan", "isinf", "stop_gradient", "identity", "erf", "erfc", "selu",
    "softplus", "softsign", "silu", "mish",
]  # fmt: skip
_POSITIVE = ["sqrt", "log", "log1p", "rsqrt"]
_BINARY = [
    "add", "subtract", "multiply", "divide", "power", "maximum", "minimum", "less", "less_equal", "greater",
    "greater_equal", "relu_grad",
]  # fmt: skip
_LOGICAL = ["logical_and", "logical_or", "logical_xor"]
_REDUCTIONS = [
    "reduce_sum", "reduce_mean", "reduce_max", "reduce_min", "reduce_prod",
]  # fmt: skip
_UNIT = np.linspace(-0.9, 0.9, 6, dtype=np.float32).reshape(2, 3)

ELEMENTWISE = [
    *(case(n, _bound(n), "b t 3") for n in _UNARY),
    *(case(n, _bound(n), "b t 3", positive=True) for n in _POSITIVE),
    *(case(n, _bound(n), "b t 3, t 3", positive=True) for n in _BINARY),
    *(case(n, _bound(n), "b t 3:bool, t 3:bool") for n in _LOGICAL),
    *(case(n, _bound(n), "b 3", arrays=(_UNIT,)) for n in ("asin", "acos", "atanh")),
    case("acosh", _bound("acosh"), "b 3", arrays=(_UNIT + 2,)),
    case("expm1 near zero", _bound("expm1"), "b 3", arrays=(_UNIT * 1e-6,), tolerance=1e-9),
    case("log1p near zero", _bound("log1p"), "b 3", arrays=(_UNIT * 1e-6,), tolerance=1e-9),
    case("erfc in the tail", _bound("erfc"), "b 3", arrays=(_UNIT * 4 + 4,)),
    case("erfinv", _bound("erfinv"), "b 3", arrays=(_UNIT,)),
    case("equal", _bound("equal"), "b 3:int32, 3:int32"),
    case("not_equal", _bound("not_equal"), "b 3:int32, 3:int32"),
    case("equal bool", _bound("equal"), "b 3:bool, 3:bool"),
    case("logical_not", _bound("logical_not"), "b 3:bool"),
    case("select", _bound("select"), "b 3:bool, 3, b 3"),
    case("select bool", _bound("select"), "b 3:bool, 3:bool, b 3:bool"),
    case("clip", _bound("clip", low=-0.5, high=0.7), "b 3"),
    case("cast", _bound("cast", dtype="int32"), "b 3"),
    case("cast to bool", _bound("cast", dtype="bool"), "b 3:int32"),
    case("cast through bfloat16", lambda x: ops.cast(ops.exp(ops.cast(x, "bfloat16")), "float32"), "b 3", tolerance=2e-2),
    case("floor_divide", _bound("floor_divide"), "b 3, 3"),
    case("floor_divide of ints", lambda x: ops.floor_divide(ops.subtract(x, 2), 3), "b 3:int32"),
    case("mod", _bound("mod"), "b 3, 3"),
    case("fmod", _bound("fmod"), "b 3, 3"),
    *(case(f"{n} of ints by what is not there", _bound(n), "4:int32, 4:int32", arrays=_ENDS) for n in ("mod", "fmod", "floor_divide")),
    *(case(f"{n} of bytes by 0", _bound(n), "3:uint8, 3:uint8", arrays=_BYTES) for n in ("mod", "fmod", "floor_divide")),
    case("mod of ints", lambda x: ops.mod(ops.subtract(x, 2), 3), "b 3:int32"),
    case("arctan2", arithmetic.arctan2, "b 3, b 3"),
    *(case(f"add of {d}", lambda x: ops.add(x, x), f"b 3:{d}") for d in ("int8", "uint8", "int16", "int64", "uint32", "float64")),
    case("add of float16", lambda x: ops.add(x, x), "b 3:float16"),
    case("tan of float64", ops.tan, "b 3:float64"),
    case("size", lambda x: ops.multiply(x, ops.cast(ops.shape(x)[0] * 2 - 1, "float32")), "b 3"),
    case("size, floor division", lambda x: ops.add(x, ops.cast((ops.shape(x)[0] - 3) // 2, "float32")), "b 3"),
]  # fmt: skip

ACTIVATIONS = [
    case("leaky_relu", lambda x: nn.leaky_relu(x, 0.3), "b 3"),
    case("elu", lambda x: nn.elu(x, 0.7), "b 3"),
    case("celu", lambda x: nn.celu(x, 0.7), "b 3"),
    case("hard_sigmoid", nn.hard_sigmoid, "b 3"),
    case("gelu", lambda x: nn.gelu(x, approximate=False), "b 3"),
    case("gelu by tanh", nn.gelu, "b 3"),
    case("gelu_grad", nn.gelu, "b 3", gradient=True),
    case("softmax", probabilities.softmax, "b t 3"),
    case("softmax over two axes", lambda x: probabilities.softmax(x, axis=(1, 2)), "b t 3"),
    case("log_softmax", lambda x: probabilities.log_softmax(x, axis=1), "b t 3"),
    case("softmax_grad", probabilities.softmax, "b 3", gradient=True),
    case("log_softmax_grad", probabilities.log_softmax, "b 3", gradient=True),
]

REDUCTIONS = [
    *(case(n, _bound(n, axes=(0, 2), keepdims=k), "b t 3", positive=True) for n in _REDUCTIONS for k in (False, True)),
    case("reduce_all", _bound("reduce_all", axes=(1,), keepdims=False), "b 3:bool"),
    case("reduce_any", _bound("reduce_any", axes=(1,), keepdims=True), "b 3:bool"),
    case("argmax", _bound("argmax", axis=1, keepdims=False), "b t 3"),
    case("argmin", _bound("argmin", axis=0, keepdims=True), "b t 3"),
    case("sum_to", lambda x, y: ops.multiply(x, y), "b t 3, t 1", gradient=True),
    *(case(f"{n} {e} {r}", _bound(n, axis=1, exclusive=e, reverse=r), "b t 3")
      for n in ("cumsum", "cumprod") for e in (False, True) for r in (False, True)),
]  # fmt: skip

SHAPING = [
    case("reshape", lambda x: ops.reshape(x, (-1, 6)), "b 2 3"),
    case("reshape, two unknown axes", lambda x: ops.reshape(x, (ops.shape(x)[0], ops.shape(x)[1], 1, 3)), "b t 3"),
    case("reshape, axes exchanged", lambda x: ops.reshape(x, (ops.shape(x)[1], ops.shape(x)[0], 3)), "b t 3"),
    case("reshape to nothing", lambda x: ops.reshape(x[:, :0], (-1, 0, 2)), "b 4"),
    case("transpose", lambda x: ops.transpose(x, (2, 0, 1)), "b t 3"),
    case("broadcast_to", lambda x, y: ops.broadcast_to(x, ops.shape(y)), "t 1, b t 3"),
    case("concatenate", lambda x, y: ops.concatenate([x, y], axis=1), "b t 3, b 2 3"),
    case("tile", lambda x: ops.tile(x, (2, 3)), "b 3"),
    case("repeat", lambda x: ops.repeat(x, 2, axis=0), "b 3"),
    case("slice", lambda x: x[:, 1:-1, ::2], "b t 3"),
    case("slice backwards", lambda x: x[::-1, :, 1], "b t 3"),
    case("slice to a size", lambda x: x[: ops.shape(x)[1] // 2], "4 t"),
    case("unslice", lambda x: x[:, 1:-1, ::2], "b t 5", gradient=True),
    case("unslice backwards", lambda x: x[::-1, ::-2], "b 5", gradient=True),
    case("pad", lambda x: ops.pad(x, ((0, 0), (1, 2)), constant_values=3), "b 3"),
    *(case(f"pad {m}", lambda x, m=m: ops.pad(x, ((0, 0), (2, 1)), mode=m), "b 4") for m in ("reflect", "symmetric", "edge")),
    *(case(f"pad {m} gradient", lambda x, m=m: ops.pad(x, ((0, 0), (2, 1)), mode=m), "b 4", gradient=True) for m in ("reflect", "edge")),
    case("arange", lambda x: ops.add(x, ops.cast(ops.arange(ops.shape(x)[1]), "float32")), "b t"),
]  # fmt: skip

_WHERE = np.array([2, -1, 0, 2], np.int32)
_TWICE = np.array([[1], [0], [1]], np.int32)
_HOLES = np.array([[0.0, 2.0, 0.0], [0.0, 0.0, -1.0]], np.float32)
INDEXING = [
    case("with_classes", lambda x: indexing.with_classes_p.bind(x, size=5, least=0), "b:int32"),
    case("take", lambda x: ops.take(x, _WHERE, axis=1), "b 3 t"),
    case("take rows", lambda x, i: ops.take(x, i, axis=0), "4 3, b t:int32"),
    case("scatter_add", lambda x: ops.take(x, _WHERE, axis=1), "b 3 t", gradient=True),
    case("scatter_add rows", lambda x: ops.take(x, _WHERE.reshape(2, 2), axis=0), "3 t", gradient=True),
    case("take_along_axis", lambda x, i: indexing.take_along_axis(x, i, axis=1), "b 4 3, b t 3:int32"),
    case(
        "scatter_along_axis", lambda x: indexing.take_along_axis(x, _WHERE.reshape(1, 4), axis=1), "b 3", gradient=True
    ),
    case("scatter_set", lambda x, u: ops.scatter_update(x, np.array([[1], [0]], np.int32), u), "4 t, 2 t"),
    *(
        case(f"scatter_reduce {r}", lambda x, u, r=r: ops.scatter_update(x, _TWICE, u, reduction=r), "4 t, 3 t")
        for r in ("mul", "max", "min")
    ),
    case(
        "scatter_reduce gradient",
        lambda x, u: ops.scatter_update(x, _TWICE, u, reduction="mul"),
        "4 t, 3 t",
        gradient=True,
    ),
    case("argsort", lambda x: indexing.argsort(x, axis=0), "b t"),
    case("argsort of equals", lambda x: indexing.argsort(x, axis=1), "b 6:int32"),
    case("top_k", lambda x: list(indexing.top_k(x, 2)), "b 5"),
    case("nonzero", lambda x: list(counting.nonzero_p.bind(x, size=2)), "b t", arrays=(_HOLES,)),
    case("searchsorted", lambda x: indexing.digitize(x, [-0.5, 0.0, 0.5]), "b 3"),
]


def _in_bfloat16(x: Any) -> Any:
    return ops.cast(ops.matmul(ops.cast(x, "bfloat16"), ops.cast(ops.ones((3, 2)), "bfloat16")), "float32")


LINEAR = [
    case("matmul", ops.matmul, "b t 3, 3 4"),
    case("matmul of ints", ops.matmul, "b 3:int32, 3 4:int32"),
    case("matmul of bytes", ops.matmul, "b t 3:int8, 3 4:int8"),
    case("einsum of bytes", lambda x, y: linear.einsum("abc,cde->abde", x, y), "b t 3:int8, 3 2 4:int8"),
    case("matmul of bfloat16", lambda x: _in_bfloat16(x), "b 3", tolerance=5e-2),
    case("einsum", lambda x, y: linear.einsum("abc,cde->abde", x, y), "b t 3, 3 2 4"),
    case("einsum, several summed", lambda x, y: linear.einsum("abcd,cde->abe", x, y), "b t 2 3, 2 3 4"),
    case("einsum of two batches", lambda x, y: linear.einsum("aecd,abcd->acbe", x, y), "b t 2 3, b t 2 3"),
]  # fmt: skip

_FORMATS = ("channels_last", "channels_first")


def _image(data_format: str, sizes: str, channels: int) -> str:
    return f"b {sizes} {channels}" if data_format == "channels_last" else f"b {channels} {sizes}"


def _spatial(name: str, function: Callable[..., Any], sizes: str, more: str = "", gradient: bool = False) -> list[Case]:
    """Define a case for each data format."""
    return [
        case(
            f"{name} {f}",
            lambda *xs, f=f: function(*xs, f),
            _image(f, sizes, 4) + more,
            gradient=gradient,
            tolerance=1e-3,
        )
        for f in _FORMATS
    ]


CONVOLUTION = [
    *_spatial("conv", lambda x, k, f: convolution.conv(x, k, 2, "valid", f), "h w", ", 3 3 4 6"),
    *_spatial("conv same", lambda x, k, f: convolution.conv(x, k, 2, "same", f), "h w", ", 3 2 4 6"),
    *_spatial("conv in groups", lambda x, k, f: convolution.conv(x, k, 1, "same", f, 2), "h w", ", 3 3 2 6"),
    *_spatial("conv cropping", lambda x, k, f: convolution.conv(x, k, 1, ((-1, 0), (2, -1)), f), "h w", ", 3 3 4 6"),
    *_spatial("conv1d", lambda x, k, f: convolution.conv(x, k, 1, "causal", f), "t", ", 3 4 6"),
    *_spatial("conv3d", lambda x, k, f: convolution.conv(x, k, 1, "same", f), "3 4 5", ", 2 2 2 4 2"),
    *_spatial("depthwise", lambda x, k, f: convolution.depthwise_conv(x, k, 1, "same", f), "h w", ", 3 3 4 2"),
    *_spatial("conv_transpose", lambda x, k, f: convolution.conv_transpose(x, k, 2, "same", data_format=f), "h w", ", 3 3 2 4"),
    *_spatial("conv_transpose valid", lambda x, k, f: convolution.conv_transpose(x, k, 3, "valid", data_format=f), "h w", ", 2 2 2 4"),
    *_spatial("conv gradient", lambda x, k, f: convolution.conv(x, k, 2, "same", f), "7 6", ", 3 3 4 2", gradient=True),
    *_spatial("conv in groups gradient", lambda x, k, f: convolution.conv(x, k, 1, "valid", f, 2), "h w", ", 2 3 2 4", gradient=True),
    *_spatial("max_pool", lambda x, f: pooling.max_pool(x, 3, 2, "same", f), "h w"),
    *_spatial("average_pool", lambda x, f: pooling.average_pool(x, 3, 2, "same", f), "h w"),
    *_spatial("max_pool gradient", lambda x, f: pooling.max_pool(x, 3, 2, "same", f), "7 6", gradient=True),
    *_spatial("average_pool gradient", lambda x, f: pooling.average_pool(x, 3, 2, "same", f), "7 6", gradient=True),
    *_spatial("average_pool gradient, unknown", lambda x, f: pooling.average_pool(x, 2, 2, "valid", f), "h w", gradient=True),
    case("max_pool_pick", lambda h, x: PRIMITIVES["max_pool_pick"].bind(
        h, x, pooling.max_pool(x, 2, 2), window=(2, 2), strides=(2, 2), padding=((0, 0), (0, 0)), data_format="channels_last"
    ), "b 6 4 2, b 6 4 2"),
]  # fmt: skip

RESIZING = [
    *(case(f"resize {how} {a}", lambda x, how=how, a=a: resizing.resize(x, (5, 9), how, a), f"b {s} 3", tolerance=1e-3)
      for how in resizing.INTERPOLATIONS for a in (False, True) for s in ("h w", "7 6")),
    case("resize_grad", lambda x: resizing.resize(x, (5, 9), "bicubic"), "b h w 3", gradient=True, tolerance=1e-3),
]  # fmt: skip

_VECTORS = ", 4, 4"
NORMALIZATION = [
    case("batch_normalization", lambda x, m, v: batch_norm.batch_normalization(x, m, ops.square(v), 1), "b 4 t" + _VECTORS),
    case("batch_normalization, last axis", lambda x, m, v: batch_norm.batch_normalization(x, m, ops.square(v), -1), "b t 4" + _VECTORS),
    case("batch_normalization_training", lambda x, s, o: list(batch_norm.batch_normalization_training(x, -1, o, s)), "b t 4" + _VECTORS),
    case("batch_normalization_grad", lambda x, s, o: batch_norm.batch_normalization_training(x, -1, o, s)[0], "b t 4" + _VECTORS,
         gradient=True, tolerance=1e-3),
    case("layer_normalization", lambda x, g, o: normalization.layer_normalization(x, g, o), "b t 4" + _VECTORS),
    case("layer_normalization_grad", lambda x, g, o: normalization.layer_normalization(x, g, o), "b t 4" + _VECTORS,
         gradient=True, tolerance=1e-3),
    case("rms_normalization", lambda x, g: normalization.rms_normalization(x, g), "b t 4, 4"),
    case("attention", lambda q, k, v: attention.dot_product_attention(q, k, v), "b t 2 4, b s 2 4, b s 2 3"),
    case("causal attention", lambda q, v: attention.dot_product_attention(q, q, v, is_causal=True), "b t 2 4, b t 2 3"),
    case("attention_grad", lambda q, k, v: attention.dot_product_attention(q, k, v), "b t 2 4, b s 2 4, b s 2 3", gradient=True,
         tolerance=1e-3),
]  # fmt: skip


def _steps(x: Any, h: Any, reverse: bool = False) -> Any:
    def step(carry: Any, slice_: Any) -> Any:
        made = ops.tanh(ops.add(carry, slice_))
        return made, ops.multiply(made, 2.0)

    last, stacked = control.scan(step, h, ops.transpose(x, (1, 0, 2)), reverse=reverse)
    return ops.concatenate([ops.reshape(last, (1, -1, 3)), stacked], axis=0)


CONTROL = [
    case("scan", _steps, "b t 3, b 3"),
    case("scan backwards", lambda x, h: _steps(x, h, True), "b t 3, b 3"),
    case("scan gradient", _steps, "b t 3, b 3", gradient=True, tolerance=1e-3),
    case("scan that only counts", lambda x: control.scan(lambda c, _: (ops.add(c, 1.0), c), x, None, length=3)[1], "b 3"),
    case("while_loop", lambda x: control.while_loop(lambda v: ops.less(ops.sum(v), 50.0), lambda v: ops.add(v, v), x), "b 3",
         positive=True),
    case("cond, first", lambda x: control.cond(ops.greater(ops.sum(x), 0.0), lambda: ops.add(x, x), lambda: ops.square(x)), "b 3",
         positive=True),
    case("cond, second", lambda x: control.cond(ops.less(ops.sum(x), 0.0), lambda: ops.add(x, x), lambda: x), "b 3", positive=True),
]  # fmt: skip


def _recurrent(name: str, gates: int, states: int, bias: str) -> list[Case]:
    """Define the cases of a recurrent op: each activation, direction and kind of output; states, masks, gradients."""
    function: Any = getattr(recurrent, name)
    text = f"b t 3, 3 {gates * 4}, 4 {gates * 4}, {bias}"
    pairs = ("tanh", "sigmoid"), ("relu", "hard_sigmoid"), ("linear", "hard_sigmoid_keras2")
    inner = [{"activation": a, "recurrent_activation": r} if gates > 1 else {"activation": a} for a, r in pairs]

    def run(*xs: Any, **options: Any) -> list[Any]:
        return list(function(*xs, **options))

    def with_states(*xs: Any) -> list[Any]:
        return run(*xs[:4], xs[4:] if states > 1 else xs[4])

    def small(*xs: Any) -> Any:
        return function(xs[0], *(ops.multiply(w, 0.3) for w in xs[1:]), return_sequences=True)[0]

    return [
        *(case(f"{name} {o['activation']} backwards={back} sequences={seq}",
               lambda *xs, o=o, b=back, s=seq: run(*xs, go_backwards=b, return_sequences=s, **o), text, tolerance=1e-3)
          for o in inner for back in (False, True) for seq in (False, True)),
        case(f"{name} with states", with_states, text + ", b 4" * states, tolerance=1e-3),
        case(f"{name} masked", lambda x, k, r, b, m: run(x, k, r, b, mask=m, return_sequences=True), text + ", b t:bool", tolerance=1e-3),
        case(f"{name} gradient", small, text, gradient=True, tolerance=2e-3),
    ]  # fmt: skip


RECURRENT = [
    *_recurrent("lstm", 4, 2, "16"),
    *_recurrent("gru", 3, 1, "2 12"),
    *_recurrent("simple_rnn", 1, 1, "4"),
    case(
        "gru, reset before",
        lambda x, k, r, b: list(recurrent.gru(x, k, r, b, reset_after=False)),
        "b t 3, 3 12, 4 12, 12",
    ),
]

_TEXT: dict[str, Any] = {"lower": True, "strip": True, "change": None, "ngrams": None}

_TEXTS = np.array(
    ["a", "Grüße, 世界", "", "seventy-seven characters, which do not fit into a single block of sixty-four"], object
)
REST = [
    *(case(n, _bound(n), "b 3:int32, 3:int32") for n in ("bitwise_and", "bitwise_or", "bitwise_xor", "gcd")),
    *(case(f"{n} of flags", _bound(n), "b 3:bool, 3:bool") for n in ("bitwise_and", "bitwise_or", "bitwise_xor")),
    case("bitwise_not", _bound("bitwise_not"), "b 3:int32"),
    *(case(n, _bound(n), "b 3:int32, 3:int32", arrays=(np.arange(-3, 3, dtype=np.int32).reshape(2, 3), np.array([1, 0, 3], np.int32)))
      for n in ("left_shift", "right_shift")),
    *(case(f"fft inverse={i}", lambda *xs, i=i: list(_bound("fft", inverse=i)(*xs)), "b t 6, b t 6") for i in (False, True)),
    case("custom_gradient", ops.custom_gradient(lambda x: (ops.sin(x), lambda upstream: upstream)), "b 3"),
    case("custom_gradient, backwards", ops.custom_gradient(lambda x: (ops.sin(x), lambda upstream: upstream * x)), "b 3", gradient=True),
    case("i0", ops.i0, "b 3"),
    case("solve", ops.solve, "b 3 3, b 3 2", tolerance=2e-3),
    case("det", ops.det, "b 3 3"),
    case("slogdet", lambda x: list(ops.slogdet(x)), "b 3 3"),
    case("cholesky", lambda x: ops.cholesky(ops.add(ops.matmul(x, ops.swapaxes(x, 1, 2)), np.eye(3, dtype=np.float32))), "b 3 3"),
    case("lu_factor", lambda x: list(ops.lu_factor(x)), "b 3 3"),
    case("qr", lambda x: list(ops.qr(x)), "b 4 3", tolerance=1e-3),
    case("string_bytes", lambda x: list(PRIMITIVES["string_bytes"].bind(x, blocks=2)), "b:string", arrays=(_TEXTS,)),
    *(case(f"string_hash {k}", lambda x, k=k: strings.string_hash(x, k), "b:string", arrays=(_TEXTS,))
      for k in (None, (17, 5))),
    *(case(f"{n} of large uint64", _bound(n), "3:uint64, 3:uint64",
           arrays=(np.array([2**64 - 5, 7, 2**63], np.uint64), np.array([1000, 2**63 + 1, 3], np.uint64)))
      for n in ("mod", "floor_divide", "maximum", "minimum", "less", "greater_equal")),
    case("table_lookup", lambda x: strings.table_lookup(strings.as_string(x), ["1", "2"], [5, 6], -1), "b 3:int32"),
    *(case(f"text_indices split={s}", lambda x, s=s: strings.text_indices(x, ["b", "d"], [2, 3], 1, 4, **_TEXT, split=s), "b 1:string",
           arrays=(np.array([["A, b!  c\t d"], [""]], object),)) for s in (None, "whitespace")),
    case("text_counts", lambda x: strings.text_counts(x, ["b", "d"], [2, 3], 1, 4, **_TEXT, split="whitespace"), "b 1:string",
         arrays=(np.array([["A, b!  c\n d"], [""]], object),)),
]  # fmt: skip

CASES: list[Case] = [
    *ELEMENTWISE, *ACTIVATIONS, *REDUCTIONS, *SHAPING, *INDEXING, *LINEAR, *CONVOLUTION, *RESIZING, *NORMALIZATION, *CONTROL,
    *RECURRENT, *REST,
]  # fmt: skip
