# ruff: noqa: E501 (one call per line)
"""Calls of every public op of Keras, as data: what the documentation of each op implies that it accepts or refuses.

Nothing of Keras or graphkit is imported here; tests/interop/keras_ops_sweep.py makes the calls under both.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any, NamedTuple


class T(NamedTuple):
    """A tensor argument: its shape, its dtype, and which values it holds (see `keras_ops_sweep.values`)."""

    shape: tuple[int, ...]
    dtype: str = "float32"
    kind: str = "normal"


class Call(NamedTuple):
    """One call of an op: `name` is a path below `keras`, such as "ops.image.resize"."""

    name: str
    args: tuple[Any, ...]
    options: dict[str, Any]

    def title(self) -> str:
        """Show the call on one line."""
        inner = [_show(a) for a in self.args] + [f"{k}={_show(v)}" for k, v in self.options.items()]
        return f"{self.name}({', '.join(inner)})"


def _show(value: Any) -> str:
    if isinstance(value, T):
        return f"T({value.shape}, {value.dtype}, {value.kind})"
    if type(value) in (list, tuple):
        return f"{type(value).__name__}[{', '.join(_show(v) for v in value)}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {_show(v)}" for k, v in value.items()) + "}"
    return repr(value)


CALLS: list[Call] = []


def call(names: str, *args: Any, **options: Any) -> None:
    """Add a call of each of these ops."""
    for name in names.split():
        path = name if name.startswith(("random.", "ops.")) else f"ops.{name}"
        CALLS.append(Call(path, args, options))


def calls(names: str, *args: Any, **choices: Any) -> None:
    """Add a call for each choice of each option, each option alone: lists of values."""
    call(names, *args)
    for key, values in choices.items():
        for value in values:
            call(names, *args, **{key: value})


A, B, V, S = T((2, 3)), T((2, 3), "float32", "other"), T((3,)), T(())
P = T((2, 3), "float32", "positive")
I23 = T((2, 3), "int32")
C3 = T((2, 3, 4))
SQ = T((3, 3))
EMPTY = T((0, 3))
BAD_AXES = (2, -3, 5)

# ----- one tensor, elementwise -----

UNARY = (
    "abs absolute angle arccos arccosh arcsin arcsinh arctan arctanh bitwise_invert bitwise_not cbrt ceil conj conjugate copy cos cosh"
    " deg2rad erf erfc erfinv exp exp2 expm1 fabs floor i0 imag isfinite isinf isnan isneginf isposinf isreal log log10 log1p log2"
    " logical_not nan_to_num negative rad2deg real reciprocal round rsqrt sign signbit sin sinc sinh sqrt square stop_gradient tan tanh"
    " trunc ones_like zeros_like empty_like celu elu gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu"
    " log_sigmoid log_softmax relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign sparse_plus sparse_sigmoid sparsemax"
    " squareplus swish tanh_shrink threshold"
)
for _name in UNARY.split():
    if _name == "threshold":
        for _x in (A, P, S, I23, EMPTY, [1.0, -2.0], 1.5):
            call(_name, _x, 0.5, 0.1)
        continue
    for _x in (A, T((2, 4, 1)), P, S, I23, EMPTY, T((2, 3), "bool"), [1, 2], [0.5, -2.0], 1, 0.5):
        if _name in ("glu",) and _x == A:
            _x = T((2, 4))
        call(_name, _x)
    for _x in (
        T((2, 3), "complex64"),
        T((4, 4), "float32", "special"),
        T((2, 3), "float16"),
        T((2, 3), "bfloat16"),
        T((2, 3), "uint8"),
        T((2, 3), "int8"),
    ):
        call(_name, _x)
calls("nan_to_num", T((3, 3), "float32", "special"), nan=[1.0, -2], posinf=[3.0], neginf=[-4.0])
calls("round", T((2, 3), "float32", "big"), decimals=[0, 1, 2, -1])
calls("round", I23, decimals=[0, 1, -1])
calls("celu elu", A, alpha=[0.5, 2.0])
calls("gelu", A, approximate=[True, False])
calls("glu", T((4, 4)), axis=[0, 1, -1, 2])
calls("hard_shrink soft_shrink", A, threshold=[0.1, 1.0])
calls("leaky_relu", A, negative_slope=[0.1, 0.5])
calls("squareplus", A, b=[1, 9.0])
calls("softmax log_softmax sparsemax", C3, axis=[0, 1, 2, -1, -3, None, (0, 1), [1, 2], 3, -4])
calls("ones_like zeros_like", A, dtype=["int32", "bool", "float16", "foo", None])
calls("full_like", A, 2, dtype=["int32", "float16", None])
calls("full_like", A, V)
calls("full_like", A, T((4,)))
calls(
    "normalize",
    C3,
    axis=[0, 1, -1, -2, None, 3, (1, 2)],
    order=[1, 2, 3, float("inf"), 0, 1.5, "fro"],
    epsilon=[1e-3, None],
)
calls("normalize", [1.0, 2.0])
calls("normalize", I23)
calls("view", T((2, 4), "int32"), dtype=["float32", "int16", "int8", "uint8", "int64", "float64"])
calls("view", T((2, 3), "int8"), dtype=["int32"])
calls("cast saturate_cast", A, dtype=["float16", "int32", "uint8", "bool", "bfloat16", "int8"])
for _d in ("float16", "int32", "uint8", "bool", "foo", None, "complex64", "float64", int, float):
    call("cast", T((2, 3), "float32", "big"), _d)
    call("saturate_cast", T((2, 3), "float32", "big"), _d)
    call("cast", I23, _d)
    call("convert_to_tensor", [1, 2], _d)
    call("convert_to_tensor", [1.5, 2], dtype=_d)
    call("convert_to_tensor", A, dtype=_d)
    call("array", [1, 2], _d)
    call("zeros ones empty", (2, 3), dtype=_d)
    call("zeros ones empty", [2, 3], _d)
    call("full", (2, 3), 2, dtype=_d)
    call("eye identity", 3, dtype=_d)
    call("arange", 5, dtype=_d)
    call("linspace", 0, 5, 4, dtype=_d)
    call("tri", 3, dtype=_d)
    call("one_hot", T((2,), "int32", "index3"), 3, dtype=_d)
    call("sum prod mean cumsum cumprod nansum nanprod nanmean", A, dtype=_d)

# ----- two tensors -----

BINARY = (
    "add subtract multiply divide true_divide floor_divide mod power maximum minimum equal not_equal less less_equal greater greater_equal"
    " arctan2 fmax fmin fmod heaviside hypot isclose allclose logaddexp logaddexp2 logical_and logical_or logical_xor divide_no_nan nextafter"
)
INTEGER = (
    "bitwise_and bitwise_or bitwise_xor bitwise_left_shift bitwise_right_shift left_shift right_shift gcd lcm ldexp"
)
for _name in BINARY.split():
    for _x, _y in (
        (A, P),
        (A, V),
        (V, P),
        (A, S),
        (A, 2),
        (2.0, P),
        (A, [1.0, 2.0, 3.0]),
        ([1, 2, 3], P),
        (EMPTY, V),
        (I23, T((2, 3), "int32", "positive")),
        (A, T((2, 3), "bool")),
        (2, 3),
        (T((2, 1, 3)), T((4, 1), "float32", "positive")),
        (T((2, 3), "bool"), T((2, 3), "bool")),
        (T((2, 3), "complex64"), T((2, 3), "complex64")),
        (T((4, 1), "float32", "special"), T((1, 4), "float32", "special")),
    ):
        call(_name, _x, _y)
    for _x, _y in ((A, T((2, 4))), (T((2, 3, 4)), A), (A, "x"), (A, None), (None, A)):
        call(_name, _x, _y)
for _name in INTEGER.split():
    for _x, _y in (
        (I23, T((2, 3), "int32", "index3")),
        (I23, T((3,), "int32", "index3")),
        (I23, 2),
        (3, T((2,), "int32", "index3")),
        ([1, 2], [3, 1]),
        (T((2, 3), "uint8"), T((2, 3), "int32", "index3")),
        (T((2, 3), "bool"), T((2, 3), "bool")),
        (A, A),
        (I23, T((2, 4), "int32")),
        (I23, 1.5),
    ):
        call(_name, _x, _y)
calls("isclose allclose", A, A, rtol=[0.1], atol=[0.1], equal_nan=[True])
call("isclose allclose", T((4,), "float32", "special"), T((4,), "float32", "special"), equal_nan=True)
calls("clip", A, -0.5, 0.5)
for _lo, _hi in ((0, 1), (-1.0, None), (None, 0.5), (S, S), (V, V), ([0.0, 0.1, 0.2], 1.0), (None, None)):
    call("clip", A, _lo, _hi)
    call("clip", I23, _lo, _hi)
call("clip", A, x_min=0.0, x_max=0.5)
call("where", T((2, 3), "bool"))
call("where", A)
for _c in (T((2, 3), "bool"), T((3,), "bool"), True, [True, False, True], I23):
    for _x, _y in ((A, B), (A, 0), (1, 2.0), (A, V), (I23, A), (S, S), (None, None), (A, None), (A, T((4,)))):
        call("where", _c, _x, _y)
call("select", [T((2, 3), "bool"), T((2, 3), "bool", "other")], [A, B], 0.5)
call("select", [T((2, 3), "bool")], [A], B)
call("select", [T((2, 3), "bool")], [A, B])
call("select", [T((3,), "bool"), T((2, 3), "bool")], [A, V])
call("select", [T((2, 3), "bool")], [I23], 1.5)

# ----- reductions -----

REDUCE = "all any amax amin max min mean prod std sum var logsumexp nanmax nanmin nanmean nanprod nanstd nansum nanvar median nanmedian average count_nonzero ptp argmax argmin nanargmax nanargmin"
for _name in REDUCE.split():
    _keep = () if _name in ("average", "count_nonzero") else (True,)
    for _x in (
        C3,
        A,
        I23,
        T((2, 3), "bool"),
        S,
        EMPTY,
        T((2, 3), "float16"),
        [[1.0, 2.0], [3.0, 4.0]],
        [1, 2],
        1.5,
        T((2, 3), "uint8"),
        T((2, 3), "float32", "nan"),
    ):
        call(_name, _x)
    for _axis in (0, 1, -1, 2, (0, 1), [0, 2], (-1, 0), (), None, 3, -4, (0, 0)):
        call(_name, C3, axis=_axis)
        call(_name, C3, _axis)
        for _k in _keep:
            call(_name, C3, axis=_axis, keepdims=_k)
    call(_name, EMPTY, axis=0)
    call(_name, EMPTY, axis=1)
call("max min", C3, initial=5.0)
call("max min", EMPTY, initial=5.0)
call("max min", EMPTY, axis=0, initial=5.0)
calls("average", C3, axis=[0, (0, 1)], weights=[C3, T((2, 3, 4), "int32", "positive")])
call("average", C3, axis=1, weights=T((3,), "float32", "positive"))
call("average", C3, axis=(0, 1), weights=T((2, 3), "float32", "positive"))
call("average", C3, weights=T((3,), "float32", "positive"))
call("average", C3, axis=1, weights=T((4,), "float32", "positive"))
call("average", I23, axis=0, weights=[1, 2])
for _q in (0.5, [0.25, 0.75], T((2,), "float32", "unit"), 0, 1, T((2, 2), "float32", "unit"), -0.1, 1.1):
    for _m in ("linear", "lower", "higher", "midpoint", "nearest", "foo"):
        call("quantile nanquantile", C3, _q, axis=1, method=_m)
    for _axis in (None, 0, (0, 1), -1, 3):
        call("quantile nanquantile", C3, _q, axis=_axis)
        call("quantile nanquantile", C3, _q, axis=_axis, keepdims=True)
for _q in (50, [25, 75.0], T((2,), "float32", "percent"), 0, 101):
    for _m in ("linear", "lower", "higher", "midpoint", "nearest", "foo"):
        call("percentile nanpercentile", C3, _q, axis=1, method=_m)
    call("percentile nanpercentile", I23, _q)
    call("percentile nanpercentile", C3, _q, axis=(0, 2), keepdims=True)
calls("cumsum cumprod nancumsum nancumprod", C3, axis=[0, 1, -1, None, 3, -4])
call("cumsum cumprod nancumsum nancumprod", S)
call("cumsum cumprod nancumsum nancumprod", T((2, 3), "float32", "nan"), axis=1)
calls("trapezoid", C3, axis=[0, 1, -1, 3], dx=[0.5, 2])
calls("trapezoid", C3, x=[T((4,)), C3, [0.0, 1.0, 3.0, 4.0], T((3,))])
call("trapezoid", C3, T((3,)), axis=1)
calls(
    "norm",
    T((3, 4)),
    ord=[None, 1, 2, -1, -2, 0, float("inf"), float("-inf"), "fro", "nuc", "foo", 3, 1.5],
    axis=[0, 1, -1, (0, 1), (1, 0), None, 2, (0, 0)],
    keepdims=[True],
)
for _o in (None, 1, 2, -1, -2, 0, float("inf"), float("-inf"), "fro", "nuc", 3, 1.5, "foo"):
    for _axis in (0, -1, (0, 1), (-2, -1), (2, 0), [1, 2], (0, 1, 2), None, 3):
        call("norm", C3, ord=_o, axis=_axis)
        call("norm", C3, ord=_o, axis=_axis, keepdims=True)
    call("norm", V, _o)
    call("norm", I23, _o)
call("norm", [3, 4])
for _ax in ((0,), 0, [0, 1], (-1,), (0, 1, 2), 3, None):
    call("moments", C3, _ax)
    call("moments", C3, axes=_ax, keepdims=True)
call("moments", C3, axes=[0], synchronized=True)
call("moments", T((2, 3), "float16"), axes=[0])
call("moments", I23, axes=[0])

# ----- sorting, searching, counting -----

calls("argsort sort", C3, axis=[0, 1, -1, None, 3])
call("argsort sort", S)
call("argsort sort", [3, 1, 2])
call("argsort sort", I23, 0)
for _k in (0, 1, -1, 2, 5):
    calls("argpartition", T((5,)), kth=[_k])
    call("argpartition", T((2, 5)), _k)
    call("argpartition", T((2, 5)), _k, 0)
    call("argpartition", T((2, 5)), _k, axis=None)
for _k in (1, 2, 3, 4, 0):
    call("top_k", A, _k)
    call("top_k", A, k=_k, sorted=False)
call("top_k", I23, 2)
call("top_k", S, 1)
call("top_k", [1.0, 3.0, 2.0], 2)
for _k in (1, 2, 5):
    call("in_top_k", T((3,), "int32", "index4"), T((3, 4)), _k)
    call("in_top_k", targets=T((3,), "int32", "index4"), predictions=T((3, 4)), k=_k)
call("in_top_k", [0, 5], T((2, 4)), 1)
call("in_top_k", T((3,), "int32"), T((4, 4)), 1)
call("in_top_k", T((3, 1), "int32"), T((3, 4)), 1)
for _side in ("left", "right", "foo"):
    call("searchsorted", [1.0, 2.0, 3.0], T((2, 2)), side=_side)
    call("searchsorted", T((4,), "float32", "sorted"), V, _side)
    call("searchsorted", T((4,), "int32", "sorted"), T((2,), "int32"), side=_side)
call("searchsorted", T((2, 4)), V)
call("searchsorted", T((4,), "float32", "sorted"), 0.5)
call("searchsorted", T((4,), "float32", "sorted"), S)
for _bins in (T((4,), "float32", "sorted"), [0.0, 1.0], [0, 1, 2], [1, 0]):
    call("digitize", A, _bins)
    call("digitize", I23, bins=_bins)
call("digitize", A, T((2, 2)))
for _w in (None, T((5,)), T((5,), "int32"), T((4,)), [1, 2, 3, 4, 5.5]):
    for _m in (0, 8, 2):
        call("bincount", T((5,), "int32", "index4"), weights=_w, minlength=_m)
call("bincount", T((2, 5), "int32", "index4"), minlength=5)
call("bincount", T((2, 5), "int32", "index4"), weights=T((2, 5)), minlength=5)
call("bincount", [1, 2, 2], None, 4)
call("bincount", T((5,), "uint8", "index4"))
call("bincount", V)
call("bincount", T((5,), "int32", "index4"), minlength=-1)
call("bincount", T((5,), "int32", "index4"), sparse=True)
for _o in (
    {},
    {"bins": 5},
    {"range": (0, 1)},
    {"bins": 3, "range": (-1.0, 1.0)},
    {"bins": -1},
    {"bins": 2.5},
    {"range": (1,)},
    {"range": (2, 1)},
    {"range": 3},
    {"bins": [0, 1, 2]},
    {"bins": 0},
):
    call("histogram", T((7,)), **_o)
    call("histogram", A, **_o)
    call("histogram", T((6,), "int32"), **_o)
call("nonzero", A)
call("nonzero", [[0, 1], [1, 0]])
call("nonzero", S)
for _o in (
    {},
    {"sorted": True},
    {"return_inverse": True},
    {"return_counts": True},
    {"return_index": True},
    {"axis": 0},
    {"axis": 1, "return_counts": True},
    {"size": 4},
    {"size": 4, "fill_value": 9},
    {"return_inverse": True, "return_counts": True, "axis": 0},
    {"axis": 4},
):
    call("unique", T((6,), "int32", "index3"), **_o)
    call("unique", T((2, 3), "int32", "index3"), **_o)
for _o in ({}, {"assume_unique": True}, {"invert": True}):
    call("isin", I23, T((3,), "int32"), **_o)
    call("isin", A, [0.5, 1], **_o)
    call("isin", 1, [1, 2], **_o)
call("unravel_index", T((3,), "int32", "index4"), (3, 4))
call("unravel_index", 5, (3, 4))
call("unravel_index", [1, 7], [3, 4])
call("unravel_index", T((2, 3), "int64", "index4"), shape=(3, 4))
call("unravel_index", T((2,), "int32", "index4"), (None, 4))
call("unravel_index", 50, (3, 4))

# ----- shapes -----

for _axis in (0, 1, -1, -3, 2, 3, -4, (0, 1), (0, -1), [1, 3], None, ()):
    call("expand_dims", A, _axis)
    call("squeeze", T((1, 3, 1)), _axis)
    call("flip", C3, _axis)
call("squeeze", C3)
call("squeeze", C3, 0)
call("fliplr flipud", C3)
call("fliplr flipud", V)
call("fliplr flipud", S)
for _s in (
    (3, 2),
    (6,),
    -1,
    (-1,),
    (2, -1),
    [3, -1],
    (-1, -1),
    (4, 2),
    (2, 3, 1),
    (None, 2),
    (None, None),
    (),
    6,
    (-2, 3),
    (0, 3),
):
    call("reshape", A, _s)
    call("broadcast_to", V, _s)
call("reshape", A, newshape=(3, 2))
call("reshape", EMPTY, (3, 0))
call("reshape", EMPTY, (-1,))
call("reshape", EMPTY, (0, -1))
call("reshape", S, (1, 1))
call("ravel", C3)
call("ravel", S)
for _axes in (None, (0, 2, 1), [2, 1, 0], (-1, 0, 1), (0, 1), (0, 0, 1), (0, 1, 3)):
    call("transpose", C3, _axes)
    call("transpose", C3, axes=_axes)
call("transpose", S)
for _a, _b in ((0, 1), (0, -1), ((0, 1), (-1, 0)), ([0, 1], [1, 2]), (3, 0), (0, 3), ((0, 0), (1, 2)), ((0, 1), (1,))):
    call("moveaxis", C3, _a, _b)
    call("moveaxis", C3, source=_a, destination=_b)
    call("swapaxes", C3, _a, _b)
for _axis in (0, 1, -1, 2, None, -3):
    call("concatenate", [A, B], axis=_axis)
    call("concatenate", [A, T((2, 4))], axis=_axis)
    call("concatenate", (A, T((4, 3))), _axis)
    call("concatenate", [A, I23], axis=_axis)
    call("stack", [A, B], axis=_axis)
    call("stack", [A, T((2, 4))], axis=_axis)
    call("append", A, B, axis=_axis)
    call("append", A, T((2, 4)), _axis)
call("concatenate stack hstack vstack dstack", [])
call("concatenate stack hstack vstack dstack", [A])
call("concatenate stack hstack vstack dstack", [A, V])
call("concatenate stack hstack vstack dstack", [V, V])
call("concatenate stack hstack vstack dstack", [S, S])
call("concatenate stack hstack vstack dstack", [C3, C3])
call("concatenate stack hstack vstack dstack", [[1, 2], [3, 4]])
call("concatenate stack hstack vstack dstack", [1, 2])
call("concatenate stack hstack vstack dstack", A)
call("hstack", [A, T((2, 1))])
call("vstack", [A, T((1, 3))])
call("dstack", [A, A])
call("append", A, 3)
call("append", [1, 2], [[3.0]])
for _n in (1, 2, 3, 4, [1, 3], (2,), [], [3, 1], 0, -1, T((2,), "int32", "sorted")):
    for _axis in (0, 1, -1, 3):
        call("split array_split", T((4, 6, 4)), _n, axis=_axis)
    call("split", T((4, 6, 4)), _n)
    call("hsplit vsplit dsplit", T((4, 4, 4)), _n)
call("hsplit", T((6,)), 3)
call("vsplit dsplit", V, 3)
call("array_split", V, 2)
call("split", T((6,)), indices_or_sections=3)
for _n, _axis in product((1, 2, -1, 5, 0, (1, 2), (1,), T((), "int32", "one")), (None, 0, -1, (0, 1), 3)):
    call("roll", C3, _n, axis=_axis)
for _k, _axes in product((0, 1, 2, 3, 4, -1), ((0, 1), (1, 2), (2, 0))):
    call("rot90", C3, k=_k, axes=_axes)
calls("rot90", C3, axes=[(0, 0), (0,), (0, 4), (0, 1, 2)], k=[1.5])
call("rot90", V)
for _r, _axis in product(
    (1, 2, 0, [2], [1, 2], [1, 0, 2], T((2,), "int32", "positive"), T((), "int32", "one"), -1, [1, 2, 3, 4]),
    (None, 0, 1, -1, 3),
):
    call("repeat", A, _r, axis=_axis)
for _r in (2, (2,), [1, 2], (2, 1, 3), (), 0, T((2,), "int32", "positive"), (1, 2, 1, 2)):
    call("tile", A, _r)
for _m in ("constant", "reflect", "symmetric", "foo", "edge", "empty", "wrap"):
    for _w in (
        1,
        (1,),
        ((1, 1),),
        ((1, 0), (0, 2)),
        [[1, 1], [0, 0]],
        [1, 2],
        (1, 1, 1),
        ((1, 1), (1, 1), (1, 1)),
        -1,
        [[0, 1]],
    ):
        call("pad", A, _w, mode=_m)
calls("pad", A, 1, constant_values=[2, 0.5, None])
call("pad", A, 1, "reflect", 2)
call("pad", I23, ((0, 1), (1, 0)), constant_values=1.7)
for _k in (0, 1, -1, 2, 5, -4):
    call("diag diagflat tril triu", V, k=_k)
    call("diag diagflat tril triu", A, k=_k)
    call("tril triu", C3, _k)
    call("trace", T((3, 4)), offset=_k)
    call("diagonal", T((3, 4)), offset=_k)
call("diag diagonal trace tril triu diagflat", C3)
call("diag diagonal trace tril triu diagflat", S)
for _a, _b in ((0, 1), (1, 2), (-1, 0), (0, 0), (0, 3)):
    call("trace diagonal", C3, axis1=_a, axis2=_b)
    call("trace diagonal", C3, 1, _a, _b)
call("trace", I23)
call("trace", T((3, 3), "int8"))
call("trace", T((3, 3), "bool"))
for _n, _axis in product((0, 1, 2, 5, -1), (0, 1, -1, 3)):
    call("diff", C3, n=_n, axis=_axis)
call("diff", S)
call("diff", [1, 2, 4])
for _i in ("xy", "ij", "foo"):
    call("meshgrid", V, T((4,)), indexing=_i)
    call("meshgrid", V, T((4,)), T((2,)), indexing=_i)
    call("meshgrid", V, indexing=_i)
    call("meshgrid", A, T((4,)), indexing=_i)
    call("meshgrid", S, T((4,)), indexing=_i)
    call("meshgrid", [1, 2], [3, 4], indexing=_i)
call("meshgrid")
for _axis in (None, 0, 1, -1, 3):
    call("take", C3, T((2,), "int32", "index3"), axis=_axis)
    call("take", C3, T((2, 2), "int32", "index2"), _axis)
    call("take", C3, 1, axis=_axis)
    call("take", C3, [0, -1], axis=_axis)
    call("take", C3, [0, 7], axis=_axis)
    call("take_along_axis", C3, T((2, 3, 4), "int32", "index2"), axis=_axis)
    call("take_along_axis", C3, T((1, 1, 1), "int32", "index2"), axis=_axis)
    call("take_along_axis", C3, T((24,), "int32", "index2"), axis=_axis)
    call("unstack", C3, axis=_axis)
call("unstack", C3, num=2)
call("unstack", C3, 3, 1)
call("unstack", C3, num=5)
for _k in (
    1,
    0,
    -1,
    (0, 1),
    (slice(None), 0),
    Ellipsis,
    (Ellipsis, 0),
    None,
    (None, 0),
    slice(0, 1),
    (slice(None, None, 2), slice(1, None)),
    5,
    (0, 0, 0, 0),
    [0, 1],
    (slice(None), None, 1),
):
    call("get_item", C3, _k)
call("shape", C3)
call("size", C3)
call("ndim", C3)
call("size ndim shape", [1, 2])
call("size ndim shape", 1.0)
call("dtype", A)
call("dtype", I23)
for _p in (
    "a b c -> a (b c)",
    "a b c -> c a b",
    "a (b d) c -> a b d c",
    "a b c -> (a b c)",
    "a b -> b a",
    "a b c -> a b",
    "a b (c d) -> a c b d",
):
    call("rearrange", C3, _p)
call("rearrange", C3, "a b (c d) -> a c b d", c=2)
call("rearrange", C3, "a b (c d) -> a c b d", c=3)
call("rearrange", C3, "a (b d) c -> a b d c", d=3)
call("slice", C3, (0, 1, 1), (1, 2, 2))
call("slice", C3, [0, 1, 1], [1, -1, 2])
call("slice", C3, T((3,), "int32", "zeros"), (1, 2, 2))
call("slice", C3, (0, 1), (1, 2))
call("slice", C3, (0, 1, 1), (5, 2, 2))
call("slice", I23, start_indices=(0, 0), shape=(1, 1))
call("slice_update", C3, (0, 1, 1), T((1, 2, 2)))
call("slice_update", C3, [0, 0, 0], T((1, 1, 1)))
call("slice_update", C3, (1, 2, 3), T((2, 2, 2)))
call("slice_update", C3, (0, 1), T((1, 2, 2)))
call("slice_update", C3, (0, 0, 0), T((2, 2)))
call("slice_update", I23, (0, 0), T((1, 1)))
call("scatter", [[0], [2]], [1.0, 2.0], (4,))
call("scatter", T((2, 1), "int32", "index3"), T((2, 3)), (4, 3))
call("scatter", T((2, 2), "int32", "index3"), T((2,)), shape=(4, 3))
call("scatter", [[1], [1]], [1, 2], (4,))
call("scatter", [[-1]], [5.0], (4,))
call("scatter", [[9]], [5.0], (4,))
call("scatter", T((2, 1), "int32", "index3"), T((2, 3)), (4, 4))
for _r in (None, "add", "max", "min", "mul", "foo"):
    call("scatter_update", A, [[0, 0], [1, 2]], T((2,)), reduction=_r)
    call("scatter_update", A, [[0], [1]], T((2, 3)), reduction=_r)
    call("scatter_update", A, T((3, 1), "int32", "index2"), T((3, 3)), _r)
    call("scatter_update", A, [[0, 0], [0, 0]], T((2,)), reduction=_r)
    call("scatter_update", A, [[0, 0]], T((3,)), reduction=_r)
    call("scatter_update", A, [[0, 0, 0]], T((1,)), reduction=_r)
for _o in (
    {"num_segments": 4},
    {},
    {"num_segments": 4, "sorted": True},
    {"num_segments": 2},
    {"num_segments": 0},
    {"num_segments": T((), "int32", "four")},
):
    for _x in (T((4,)), T((4, 2)), T((4,), "int32"), T((4, 2, 2))):
        call("segment_sum segment_max segment_min segment_prod", _x, [0, 0, 1, 3], **_o)
    call("segment_sum segment_max segment_min segment_prod", T((4,)), T((4,), "int32", "index3"), **_o)
    call("segment_sum segment_max segment_min segment_prod", T((4,)), [0, -1, 1, 9], **_o)
    call("segment_sum segment_max", T((3,)), [0, 0, 1, 3], **_o)
    call("segment_sum segment_max", T((4, 2)), T((4, 2), "int32", "index3"), **_o)

# ----- making -----

for _a in (
    (5,),
    (1, 5),
    (1, 5, 2),
    (5, 1, -1),
    (0.0, 1.0, 0.25),
    (0,),
    (5, 1),
    (2.5,),
    (0, 1, 0),
    (None,),
    (1, None),
    (T((), "int32", "four"),),
    (1, T((), "int32", "four")),
):
    call("arange", *_a)
call("arange", stop=3, start=1)
call("arange", 3, None, 1)
for _o in (
    {},
    {"num": 5},
    {"num": 0},
    {"num": 1},
    {"endpoint": False},
    {"retstep": True},
    {"num": 4, "endpoint": False, "retstep": True},
    {"num": -1},
    {"num": 2.5},
    {"axis": -1, "num": 3},
    {"axis": 1, "num": 3},
    {"dtype": "int32", "num": 4},
):
    call("linspace", 0, 10, **_o)
    call("linspace", V, T((3,), "float32", "positive"), **_o)
    call("linspace", 0, V, **_o)
    call("linspace", A, B, **_o)
    if "retstep" not in _o:
        call("logspace geomspace", 1, 3, **_o)
        call("logspace geomspace", T((3,), "float32", "positive"), T((3,), "float32", "bigger"), **_o)
calls("logspace", 0, 2, base=[2, 3.0, T((), "float32", "positive")], num=[3])
call("linspace", V, T((4,)))
call("logspace geomspace", V, T((4,)))
for _n, _m, _k in (
    (3, None, 0),
    (3, 4, 0),
    (3, 4, 1),
    (3, 2, -1),
    (0, None, 0),
    (3, 4, 9),
    (-1, None, 0),
    (3.0, None, 0),
    (3, -1, 0),
    ("3", None, 0),
):
    call("eye", _n, _m, _k)
    call("eye", _n, M=_m, k=_k)
    call("tri", _n, _m, _k)
call("identity", 0)
call("identity", -1)
call("zeros ones empty", 3)
call("zeros ones empty", ())
call("zeros ones empty", (2, -1))
call("zeros ones empty", (2, None))
call("zeros ones empty", (2, 1.5))
for _v in (1, 1.5, True, [1, 2, 3], V, S, T((4,)), "x"):
    call("full", (2, 3), _v)
    call("full_like", A, _v)
call("full", 3, 1.0)
for _name, _n in product(
    ["bartlett", "blackman", "hamming", "hanning"], (0, 1, 2, 5, 6, S, T((), "int32", "four"), -1, 2.5, None)
):
    call(_name, _n)
for _n, _b in product((0, 1, 2, 5, 6), (0, 2.5, 14, T((), "float32", "positive"))):
    call("kaiser", _n, _b)
calls("vander", V, N=[0, 1, 2, 5, None, -1, 1.5], increasing=[True])
call("vander", V, 4, True)
call("vander", A)
call("vander", [1, 2, 3])
call("array", A)
call("array", [[1, 2], [3, 4.5]])
call("array", 1)
call("array convert_to_tensor", [])
call("array convert_to_tensor", [[1], [2, 3]])
call("array convert_to_tensor", "abc")
call("array convert_to_tensor", None)
call("convert_to_tensor", A, sparse=False)
call("convert_to_tensor", A, sparse=True)
call("is_tensor", A)
call("is_tensor", [1])
call("is_tensor", 1.0)

# ----- products -----

for _x, _y in (
    (A, T((3, 4))),
    (V, V),
    (A, V),
    (C3, T((4, 5))),
    (C3, T((2, 4, 5))),
    (T((2, 1, 3, 4)), T((3, 4, 2))),
    (A, A),
    (S, A),
    (V, S),
    (I23, T((3, 2), "int32")),
    (T((2, 3), "int8"), T((3, 2), "int8")),
    (A, 2.0),
    ([1, 2], [3, 4]),
    (T((2, 3), "bool"), T((3, 2), "bool")),
    (A, T((3, 2), "float16")),
):
    call("matmul dot inner outer tensordot vdot kron", _x, _y)
for _ax in (0, 1, 2, (0, 1), ((0,), (0,)), ([1, 0], [1, 0]), ((1,), (0,)), (0, 0), 3, -1, [[0, 1], [0]]):
    call("tensordot", A, B, axes=_ax)
    call("tensordot", C3, C3, axes=_ax)
for _e, _x in (
    ("ij,jk->ik", (A, T((3, 4)))),
    ("ij,jk", (A, T((3, 4)))),
    ("ij->ji", (A,)),
    ("ii->i", (SQ,)),
    ("ii", (SQ,)),
    ("ij->", (A,)),
    ("...ij,jk->...ik", (C3, T((4, 2)))),
    ("ij,ij->i", (A, B)),
    ("i,j->ij", (V, V)),
    ("bij,bjk->bik", (C3, T((2, 4, 2)))),
    ("ij,jk->ik", (A, A)),
    ("ij", (A,)),
    ("i,j", (A, V)),
    ("ij,jk,kl->il", (A, T((3, 4)), T((4, 2)))),
    ("ab,ab->", (A, B)),
    ("ij,jk->im", (A, T((3, 4)))),
    ("ijk->kji", (C3,)),
    ("i...,i...->...", (C3, C3)),
    ("ij,kj->ik", (I23, I23)),
    ("ij,jk->ik", (A, T((3, 4), "int32"))),
    ("ij jk->ik", (A, T((3, 4)))),
    ("ij, jk -> ik", (A, T((3, 4)))),
    ("IJ,JK->IK", (A, T((3, 4)))),
    ("b...->b", (C3,)),
):
    call("einsum", _e, *_x)
for _x, _y in (
    (V, V),
    (A, A),
    (T((2, 2)), T((2, 2))),
    (T((2, 2)), A),
    (A, T((2, 2))),
    (V, A),
    (T((4,)), T((4,))),
    (T((3, 2, 4)), T((3, 4, 2))),
):
    call("cross", _x, _y)
call("cross", T((3, 4)), T((3, 4)), axis=0)
call("cross", T((3, 4)), T((4, 3)), 0, 1, 0)
call("cross", T((3, 4)), T((4, 3)), axisa=0, axisb=1)
call("cross", T((3, 4)), T((4, 3)), axisa=0, axisb=1, axisc=0)
for _m in ("valid", "same", "full", "foo"):
    call("correlate", V, T((2,)), mode=_m)
    call("correlate", T((2,)), T((5,)), _m)
    call("correlate", T((5,), "int32"), T((2,), "int32"), _m)
call("correlate", A, A)
call("corrcoef", A)
call("corrcoef", V)
call("corrcoef", C3)
call("corrcoef", I23)
for _o in ({}, {"p": 1}, {"p": 2.0}, {"p": float("inf")}, {"p": 3.0}, {"p": 0}):
    call("cdist", A, T((4, 3)), **_o)
    call("cdist", T((5, 2, 3)), T((5, 4, 3)), **_o)
call("cdist", A, T((4, 2)))
call("cdist", V, V)

# ----- linear algebra -----

for _x in (
    SQ,
    T((3, 3), "float32", "posdef"),
    T((2, 3, 3), "float32", "posdef"),
    T((2, 2, 3, 3), "float32", "posdef"),
    A,
    V,
    S,
    T((3, 3), "int32", "posdef"),
    T((0, 3, 3)),
):
    call("cholesky cholesky_inverse det inv eig eigh lu_factor qr svd slogdet logdet matrix_rank pinv", _x)
calls("cholesky cholesky_inverse", T((3, 3), "float32", "posdef"), upper=[True])
calls("qr", T((4, 3)), mode=["reduced", "complete", "foo", "r"])
calls("qr", T((2, 3, 4)), mode=["reduced", "complete"])
calls("svd", T((4, 3)), full_matrices=[True, False], compute_uv=[False])
calls("svd", T((2, 3, 4)), full_matrices=[True, False], compute_uv=[False])
calls("svd", T((4, 3)), hermitian=[True])
calls("pinv", T((2, 4, 3)), rcond=[1e-2, None], hermitian=[False])
calls("matrix_rank", T((2, 4, 3)), tol=[0.5, None])
for _y in (V, T((3, 2)), T((2, 3, 2)), T((4,)), T((2, 3, 1))):
    call("solve", T((3, 3), "float32", "posdef"), _y)
    call("solve", T((2, 3, 3), "float32", "posdef"), _y)
    calls("solve_triangular", T((3, 3), "float32", "posdef"), _y, lower=[True])
    calls("solve_triangular", T((2, 3, 3), "float32", "posdef"), _y, lower=[True])
    call("lstsq", T((3, 2)), _y)
call("solve solve_triangular", A, V)
call("lstsq", T((4, 3)), T((4,)), rcond=0.1)
call("lstsq", T((4, 3)), T((4, 2)))
call("lstsq", T((2, 4, 3)), T((2, 4, 2)))
call("lstsq", V, V)

# ----- complex numbers and signals -----

call("view_as_complex", T((3, 2)))
call("view_as_complex", T((3, 3)))
call("view_as_complex", T((3, 2), "int32"))
call("view_as_real", T((3,), "complex64"))
call("view_as_real", A)
call("polar", P, A)
call("polar", P, T((2, 4)))
for _n in (2, 4, 8):
    call("fft", (T((2, _n)), T((2, _n), "float32", "other")))
    call("fft2 ifft2", (T((2, _n, 4)), T((2, _n, 4), "float32", "other")))
    calls("rfft", T((2, _n)), fft_length=[2, 4, 6, None])
    calls("irfft", (T((2, _n)), T((2, _n), "float32", "other")), fft_length=[2, 4, 7, None])
call("fft", A)
call("fft", (A, T((2, 4))))
call("fft", (S, S))
call("fft fft2 ifft2 irfft", (A,))
call("fft fft2 ifft2 irfft", (V, V))
call("fft2", (I23, I23))
call("rfft", S)
call("rfft", T((5,)), 8)
call("rfft irfft", A, 0)
for _o in (
    {},
    {"window": "hann"},
    {"window": "hamming"},
    {"window": None},
    {"center": False},
    {"window": "foo"},
    {"window": T((4,), "float32", "positive")},
    {"window": T((3,), "float32", "positive")},
    {"center": False, "window": None},
):
    call("stft", T((2, 16)), 4, 2, 4, **_o)
    call("stft", T((16,)), 4, 2, 8, **_o)
    call("istft", (T((2, 5, 3)), T((2, 5, 3), "float32", "other")), 4, 2, 4, **_o)
    call("istft", (T((5, 5)), T((5, 5), "float32", "other")), 4, 2, 8, length=12, **_o)
call("stft", T((16,)), 4, 2, 3)
call("stft", T((16,)), 4, 0, 4)
call("stft", T((16,), "int32"), 4, 2, 4)
call("stft", S, 4, 2, 4)
call("istft", (T((5, 5)), T((5, 4))), 4, 2, 8)
call("istft", T((5, 5)), 4, 2, 8)
call("istft", (T((5, 5)), T((5, 5))), 9, 2, 8)
for _l, _s in ((2, 1), (3, 2), (16, 1), (20, 1), (0, 1), (2, 0)):
    call("extract_sequences", T((16,)), _l, _s)
    call("extract_sequences", T((2, 16)), sequence_length=_l, sequence_stride=_s)

# ----- neural networks -----

for _axis in (-1, 0, 1, 2, 3):
    call("one_hot", T((2, 3), "int32", "index3"), 4, axis=_axis)
call("one_hot multi_hot", [0, 2, -1, 7], 4)
call("one_hot multi_hot", T((), "int32", "one"), 4)
call("one_hot", 1, num_classes=3)
call("one_hot", A, 4)
call("one_hot", T((2,), "int32", "index3"), 3, sparse=True)
call("multi_hot", T((2, 3), "int32", "index3"), 4)
call("multi_hot", T((2, 3, 4), "int32", "index3"), 4)
calls("multi_hot", T((2, 3), "int32", "index3"), 4, axis=[-1, 1, 0], dtype=["int32", "bool"])
for _f in (True, False):
    call("binary_crossentropy", T((2, 3), "float32", "unit"), T((2, 3), "float32", "unit"), from_logits=_f)
    call("binary_crossentropy", [1.0, 0.0], [0.2, 0.8], _f)
    for _axis in (-1, 0, 1, 2):
        call(
            "categorical_crossentropy",
            T((2, 3), "float32", "unit"),
            T((2, 3), "float32", "unit"),
            from_logits=_f,
            axis=_axis,
        )
        call(
            "sparse_categorical_crossentropy",
            T((2,), "int32", "index2"),
            T((2, 3), "float32", "unit"),
            from_logits=_f,
            axis=_axis,
        )
    call("sparse_categorical_crossentropy", T((2, 1), "int32", "index2"), T((2, 3), "float32", "unit"), from_logits=_f)
    call("sparse_categorical_crossentropy", T((2, 4), "int32", "index2"), T((2, 4, 3), "float32", "unit"), _f)
call("binary_crossentropy categorical_crossentropy", A, V)
call("binary_crossentropy categorical_crossentropy", A, T((2, 4)))
call("categorical_crossentropy", S, S)
call("categorical_crossentropy", V, V)
call("sparse_categorical_crossentropy", T((3,), "int32"), A)
call("sparse_categorical_crossentropy", T((2, 3), "int32"), A)
call("sparse_categorical_crossentropy", T((2,), "int32", "index2"), S)
call("sparse_categorical_crossentropy", S, S)
for _o in (
    {},
    {"padding": "same"},
    {"padding": "SAME"},
    {"padding": "foo"},
    {"strides": 1},
    {"strides": 2, "padding": "same"},
    {"strides": (1,)},
    {"strides": (2,), "padding": "same"},
    {"data_format": "channels_first"},
    {"data_format": "channels_last"},
    {"data_format": "foo"},
    {"strides": (1, 2, 3)},
    {"strides": 0},
    {"strides": (1, 2)},
):
    call("max_pool average_pool", T((2, 5, 3)), 2, **_o)
    call("max_pool average_pool", T((2, 5, 6, 3)), (2, 3), **_o)
    call("max_pool average_pool", T((2, 5, 6, 3)), pool_size=2, **_o)
    call("max_pool average_pool", T((1, 4, 5, 4, 2)), (2, 2, 2), **_o)
call("max_pool average_pool", A, 2)
call("max_pool average_pool", T((2, 5, 3)), (2, 2))
call("max_pool average_pool", T((2, 5, 3)), 9)
call("max_pool average_pool", T((2, 5, 3)), 0)
call("max_pool average_pool", T((2, 5, 3), "int32"), 2)
for _o in ({}, {"data_format": "channels_first"}, {"data_format": "foo"}):
    for _n in (1, 2, 3, 7, (2,), (2, 3), (1, 2, 3), 0):
        call("adaptive_average_pool adaptive_max_pool", T((2, 5, 3)), _n, **_o)
        call("adaptive_average_pool adaptive_max_pool", T((2, 5, 6, 3)), _n, **_o)
        call("adaptive_average_pool adaptive_max_pool", T((1, 4, 5, 3, 2)), _n, **_o)
CONV_OPTIONS = (
    {},
    {"padding": "same"},
    {"padding": "SAME"},
    {"padding": "causal"},
    {"padding": "foo"},
    {"strides": 2},
    {"strides": 2, "padding": "same"},
    {"strides": (2,)},
    {"strides": (2, 1)},
    {"dilation_rate": 2},
    {"dilation_rate": (2,)},
    {"dilation_rate": (1, 2)},
    {"data_format": "channels_last"},
    {"data_format": "channels_first"},
    {"data_format": "foo"},
    {"strides": 0},
    {"strides": (2, 3, 2)},
    {"dilation_rate": 2, "strides": 2},
    {"dilation_rate": 2, "padding": "same"},
)
for _o in CONV_OPTIONS:
    call("conv", T((2, 7, 3)), T((3, 3, 4)), **_o)
    call("conv", T((2, 7, 6, 3)), T((3, 2, 3, 4)), **_o)
    call("conv", T((1, 6, 6, 4)), T((2, 2, 2, 6)), **_o)
    call("conv", T((1, 5, 5, 5, 2)), T((2, 2, 2, 2, 3)), **_o)
    call("depthwise_conv", T((2, 7, 3)), T((3, 3, 2)), **_o)
    call("depthwise_conv", T((2, 7, 6, 3)), T((3, 2, 3, 1)), **_o)
    call("separable_conv", T((2, 7, 6, 3)), T((3, 2, 3, 2)), T((1, 1, 6, 4)), **_o)
    call("separable_conv", T((2, 7, 3)), T((3, 3, 2)), T((1, 6, 4)), **_o)
    call("conv_transpose", T((2, 5, 3)), T((3, 4, 3)), **_o)
    call("conv_transpose", T((2, 5, 4, 3)), T((3, 2, 4, 3)), **_o)
    call("conv_transpose", T((1, 3, 3, 3, 2)), T((2, 2, 2, 3, 2)), **_o)
for _p in (0, 1, None, (1,), (0, 1)):
    call("conv_transpose", T((2, 5, 4, 3)), T((3, 3, 4, 3)), 2, output_padding=_p)
    call("conv_transpose", T((2, 5, 3)), T((3, 4, 3)), strides=2, padding="same", output_padding=_p)
call("conv", T((2, 7, 3)), T((3, 4, 4)))
call("conv", T((2, 7, 3)), T((9, 3, 4)))
call("conv", A, T((3, 3, 4)))
call("conv", T((2, 7, 3)), T((3, 3, 4, 4)))
call("depthwise_conv", T((2, 7, 3)), T((3, 2, 2)))
call("conv_transpose", T((2, 5, 3)), T((3, 4, 2)))
call("conv", T((2, 7, 3), "float16"), T((3, 3, 4), "float16"))
for _o in ({}, {"offset": V}, {"scale": V}, {"offset": V, "scale": V, "epsilon": 0.1}):
    call("batch_normalization", A, V, (P[:0] and V) or T((3,), "float32", "positive"), axis=-1, **_o)
    call("batch_normalization", T((2, 3, 4)), V, T((3,), "float32", "positive"), 1, **_o)
call("batch_normalization", A, T((2,)), T((2,), "float32", "positive"), axis=-1)
call("batch_normalization", A, V, T((3,), "float32", "positive"), axis=3)
call("batch_normalization", A, A, A, axis=-1)
for _o in (
    {},
    {"gamma": T((4,))},
    {"beta": T((4,))},
    {"axis": 1},
    {"axis": [1, 2]},
    {"axis": (-1,)},
    {"epsilon": 0.1},
    {"rms_scaling": True},
    {"axis": [1, 2], "gamma": T((3, 4)), "beta": T((3, 4))},
    {"axis": 3},
):
    call("layer_normalization", C3, **_o)
for _o in ({}, {"scale": T((4,))}, {"axis": -1}, {"axis": 1}, {"axis": (1, 2)}, {"epsilon": 0.1}, {"scale": 2.0}):
    call("rms_normalization", C3, **_o)
call("psnr", A, B, 1.0)
call("psnr", A, T((2, 4)), 1.0)
call("psnr", x1=A, x2=A, max_val=2)
for _o in (
    {},
    {"scale": 0.5},
    {"is_causal": True},
    {"flash_attention": False},
    {"flash_attention": True},
    {"bias": T((1, 2, 3, 4))},
    {"bias": T((2, 2, 3, 4))},
    {"mask": T((2, 2, 3, 4), "bool")},
    {"mask": T((1, 1, 3, 4), "bool")},
    {"mask": T((2, 2, 3, 4), "bool"), "bias": T((2, 2, 3, 4)), "scale": 0.1},
    {"attn_logits_soft_cap": 2.0},
):
    call("dot_product_attention", T((2, 3, 2, 5)), T((2, 4, 2, 5)), T((2, 4, 2, 5)), **_o)
call("dot_product_attention", T((2, 3, 4, 5)), T((2, 4, 2, 5)), T((2, 4, 2, 5)))
call("dot_product_attention", T((2, 3, 4, 5)), T((2, 4, 3, 5)), T((2, 4, 3, 5)))
call("dot_product_attention", T((3, 2, 5)), T((4, 2, 5)), T((4, 2, 5)))
call("dot_product_attention", T((2, 3, 2, 5)), T((2, 4, 2, 6)), T((2, 4, 2, 5)))
for _b in (2, 1, 0, 3, -1, 2.0):
    for _d in ("channels_last", "channels_first", None, "foo"):
        call("depth_to_space", T((1, 4, 4, 4)), _b, data_format=_d)
        call("space_to_depth", T((1, 4, 4, 4)), _b, data_format=_d)
call("depth_to_space space_to_depth", C3, 2)
for _o in (
    {},
    {"stride": 2},
    {"padding": 1},
    {"dilation": 2},
    {"stride": (1, 2), "padding": (1, 0)},
    {"dilation": (1, 2), "stride": 2, "padding": 1},
):
    call("unfold", T((1, 2, 6, 5)), 2, **_o)
    call("unfold", T((1, 2, 6, 5)), kernel_size=(3, 2), **_o)
    call("fold", T((1, 8, 20)), (6, 5), 2, **_o)
call("unfold", C3, 2)
call("fold", T((1, 8, 19)), (6, 5), 2)
call("fold", T((1, 7, 20)), (6, 5), 2)
_CTC = (T((2, 3), "int32", "label"), T((2, 6, 5)), T((2,), "int32", "three"), T((2,), "int32", "six"))
calls("ctc_loss", *_CTC, mask_index=[0, 4])
call("ctc_loss", T((3,), "int32"), T((2, 6, 5)), T((2,), "int32"), T((2,), "int32"))
call("ctc_loss", T((2, 3), "int32"), T((6, 5)), T((2,), "int32"), T((2,), "int32"))
for _o in (
    {},
    {"strategy": "beam_search"},
    {"strategy": "beam_search", "top_paths": 2},
    {"merge_repeated": False},
    {"mask_index": 0},
    {"strategy": "foo"},
    {"strategy": "beam_search", "beam_width": 3, "top_paths": 1},
):
    call("ctc_decode", T((2, 6, 5)), T((2,), "int32", "six"), **_o)
call("ctc_decode", T((6, 5)), T((2,), "int32", "six"))

# ----- images -----

IMG, IMGS, CF = T((4, 5, 3), "float32", "unit"), T((2, 4, 5, 3), "float32", "unit"), T((2, 3, 4, 5), "float32", "unit")
for _m, _sz in product(
    ("bilinear", "nearest", "bicubic", "lanczos3", "lanczos5", "foo", "area"),
    ((6, 7), (2, 3), [8, 2], 3, (4, 5), (1, 1), (2, 3, 3), (0, 2)),
):
    call("image.resize", IMGS, _sz, interpolation=_m)
    call("image.resize", IMG, _sz, _m)
for _o in (
    {"antialias": True},
    {"crop_to_aspect_ratio": True},
    {"pad_to_aspect_ratio": True},
    {"pad_to_aspect_ratio": True, "fill_value": 0.5},
    {"pad_to_aspect_ratio": True, "crop_to_aspect_ratio": True},
    {"fill_mode": "foo"},
    {"pad_to_aspect_ratio": True, "fill_mode": "reflect"},
    {"data_format": "foo"},
    {"antialias": True, "interpolation": "bicubic"},
    {"antialias": True, "interpolation": "lanczos3"},
):
    for _sz in ((2, 3), (6, 4), (3, 8)):
        call("image.resize", IMGS, _sz, **_o)
        call("image.resize", IMG, _sz, **_o)
        call("image.resize", CF, _sz, **{"data_format": "channels_first", **_o})
for _d, _m in product(
    ("uint8", "int32", "float16", "bfloat16", "int8", "bool"), ("bilinear", "nearest", "bicubic", "lanczos3")
):
    call("image.resize", T((4, 5, 3), _d, "image"), (6, 3), interpolation=_m)
call("image.resize", A, (2, 2))
call("image.resize", T((1, 2, 3, 4, 5)), (2, 2))
for _d in (None, "channels_last", "channels_first", "foo"):
    call("image.rgb_to_grayscale image.rgb_to_hsv image.hsv_to_rgb", IMG, data_format=_d)
    call("image.rgb_to_grayscale image.rgb_to_hsv image.hsv_to_rgb", IMGS, data_format=_d)
    call("image.rgb_to_grayscale image.rgb_to_hsv image.hsv_to_rgb", CF, data_format=_d)
    call("image.sobel_edges", IMGS, data_format=_d)
    call("image.sobel_edges", CF, data_format=_d)
call("image.rgb_to_grayscale image.rgb_to_hsv image.hsv_to_rgb image.sobel_edges", A)
call("image.rgb_to_grayscale image.rgb_to_hsv image.hsv_to_rgb", T((4, 5, 2)))
call("image.rgb_to_grayscale image.rgb_to_hsv image.hsv_to_rgb", T((4, 5, 3), "uint8", "image"))
_AFFINE = (T((8,), "float32", "affine"), T((2, 8), "float32", "affine"))
for _o in (
    {},
    {"interpolation": "nearest"},
    {"interpolation": "bilinear"},
    {"interpolation": "foo"},
    *({"fill_mode": m} for m in ("constant", "nearest", "wrap", "mirror", "reflect", "foo")),
    {"fill_value": 0.5},
    {"data_format": "channels_last"},
    {"data_format": "foo"},
    {"interpolation": "nearest", "fill_mode": "reflect"},
):
    call("image.affine_transform", IMG, _AFFINE[0], **_o)
    call("image.affine_transform", IMGS, _AFFINE[1], **_o)
    call("image.affine_transform", T((4, 5, 3), "uint8", "image"), _AFFINE[0], **_o)
call("image.affine_transform", CF, _AFFINE[1], data_format="channels_first")
call("image.affine_transform", IMGS, _AFFINE[0])
call("image.affine_transform", IMG, _AFFINE[1])
call("image.affine_transform", A, _AFFINE[0])
call("image.affine_transform", IMG, T((7,)))
call("image.affine_transform", IMG, T((2, 2, 2)))
_PTS, _PTS2 = T((4, 2), "float32", "corners"), T((4, 2), "float32", "corners2")
for _o in ({}, {"interpolation": "nearest"}, {"interpolation": "foo"}, {"fill_value": 0.3}, {"data_format": "foo"}):
    call("image.perspective_transform", IMG, _PTS, _PTS2, **_o)
    call(
        "image.perspective_transform",
        IMGS,
        T((2, 4, 2), "float32", "corners"),
        T((2, 4, 2), "float32", "corners2"),
        **_o,
    )
call(
    "image.perspective_transform",
    CF,
    T((2, 4, 2), "float32", "corners"),
    T((2, 4, 2), "float32", "corners2"),
    data_format="channels_first",
)
call("image.perspective_transform", IMGS, _PTS, _PTS2)
call("image.perspective_transform", A, _PTS, _PTS2)
call("image.perspective_transform", IMG, T((3, 2)), _PTS2)
call("image.perspective_transform", IMG, _PTS, T((4, 3)))
for _m, _order in product(("constant", "nearest", "wrap", "mirror", "reflect", "foo"), (0, 1, 2)):
    call("image.map_coordinates", T((4, 5)), T((2, 6), "float32", "coordinates"), _order, fill_mode=_m)
    call(
        "image.map_coordinates",
        T((4, 5, 3)),
        T((3, 2, 3), "float32", "coordinates"),
        order=_order,
        fill_mode=_m,
        fill_value=0.5,
    )
    call(
        "image.map_coordinates", T((4, 5), "uint8", "image"), T((2, 6), "float32", "coordinates"), _order, fill_mode=_m
    )
call("image.map_coordinates", T((4, 5)), T((3, 6)), 1)
call("image.map_coordinates", T((4, 5)), T((2,)), 1)
call("image.map_coordinates", T((4, 5)), S, 1)
for _o in (
    {"top_padding": 1, "left_padding": 2, "target_height": 7, "target_width": 8},
    {"top_padding": 1, "left_padding": 2, "bottom_padding": 0, "right_padding": 1},
    {"bottom_padding": 1, "right_padding": 1, "target_height": 7, "target_width": 8},
    {},
    {"top_padding": 1},
    {"top_padding": -1, "left_padding": 0, "target_height": 7, "target_width": 8},
    {"top_padding": 9, "left_padding": 0, "target_height": 7, "target_width": 8},
    {"top_padding": 1, "bottom_padding": 1, "target_height": 9, "left_padding": 0, "right_padding": 0},
):
    call("image.pad_images", IMG, **_o)
    call("image.pad_images", IMGS, **_o)
    call("image.pad_images", CF, data_format="channels_first", **_o)
for _o in (
    {"top_cropping": 1, "left_cropping": 2, "target_height": 2, "target_width": 2},
    {"top_cropping": 1, "left_cropping": 2, "bottom_cropping": 0, "right_cropping": 1},
    {"bottom_cropping": 1, "right_cropping": 1, "target_height": 2, "target_width": 3},
    {},
    {"top_cropping": 1},
    {"top_cropping": -1, "left_cropping": 0, "target_height": 2, "target_width": 2},
    {"top_cropping": 3, "left_cropping": 0, "target_height": 7, "target_width": 8},
    {"top_cropping": 1, "bottom_cropping": 1, "target_height": 1, "left_cropping": 0, "right_cropping": 0},
):
    call("image.crop_images", IMG, **_o)
    call("image.crop_images", IMGS, **_o)
    call("image.crop_images", CF, data_format="channels_first", **_o)
call("image.pad_images", A, 1, 1, 1, 1)
call("image.crop_images", A, 1, 1, 1, 1)
call("image.pad_images", IMG, 1, 1, 1, 1)
call("image.crop_images", IMG, 1, 1, 1, 1)
for _o in (
    {},
    {"strides": 1},
    {"strides": (2, 1)},
    {"dilation_rate": 2},
    {"padding": "same"},
    {"padding": "foo"},
    {"data_format": "foo"},
    {"strides": 0},
    {"strides": -1},
    {"dilation_rate": 0},
    {"strides": 2, "dilation_rate": 2},
):
    call("image.extract_patches", IMG, (2, 2), **_o)
    call("image.extract_patches", IMGS, 2, **_o)
    call("image.extract_patches", IMGS, size=(3, 2), **_o)
call("image.extract_patches", CF, (2, 2), data_format="channels_first")
call("image.extract_patches", CF, (2, 2), 1, 1, "same", "channels_first")
call("image.extract_patches", IMGS, "2")
call("image.extract_patches", IMGS, (2, 2, 2))
call("image.extract_patches", IMGS, (2, 2, 2, 2))
call("image.extract_patches", IMGS, (0, 2))
call("image.extract_patches", A, (2, 2))
call("image.extract_patches", T((1, 4, 4, 4, 2)), (2, 2, 2))
call("image.extract_patches", T((4, 4, 4, 2)), (2, 2, 2))
for _o in (
    {},
    {"kernel_size": (5, 3)},
    {"sigma": (0.5, 2.0)},
    {"kernel_size": (3, 3), "sigma": (2.0, 2.0)},
    {"data_format": "channels_last"},
    {"data_format": "foo"},
    {"kernel_size": 3},
    {"kernel_size": (2, 2)},
):
    call("image.gaussian_blur", IMG, **_o)
    call("image.gaussian_blur", IMGS, **_o)
call("image.gaussian_blur", CF, data_format="channels_first")
call("image.gaussian_blur image.elastic_transform", A)
for _o in (
    {},
    {"alpha": 5.0},
    {"sigma": 3.0},
    {"interpolation": "nearest"},
    {"interpolation": "foo"},
    {"fill_mode": "constant"},
    {"fill_mode": "foo"},
    {"fill_value": 1.0},
    {"data_format": "foo"},
):
    call("image.elastic_transform", IMG, seed=1, **_o)
    call("image.elastic_transform", IMGS, seed=1, **_o)
for _m in (
    "linear",
    "bilinear",
    "trilinear",
    "triangle",
    "cubic",
    "bicubic",
    "tricubic",
    "lanczos3",
    "lanczos5",
    "foo",
    "nearest",
):
    for _aa in (True, False):
        call("image.scale_and_translate", IMG, (6, 7, 3), [1.5, 0.7], [0.2, 1.0], (0, 1), _m, _aa)
        call(
            "image.scale_and_translate",
            images=IMGS,
            output_shape=(2, 6, 7, 3),
            scale=T((2,), "float32", "positive"),
            translation=V[:0] or T((2,)),
            spatial_dims=(1, 2),
            method=_m,
            antialias=_aa,
        )
call("image.scale_and_translate", IMG, (6, 7), [1.5, 0.7], [0.2, 1.0], (0, 1), "linear")
call("image.scale_and_translate", IMG, (6, 7, 3), [1.5], [0.2, 1.0], (0, 1), "linear")
call("image.scale_and_translate", IMG, (6, 7, 4), [1.5, 1.0], [0.2, 1.0], (0, 1), "linear")
call("image.scale_and_translate", IMG, (6, 7, 3), [1.5, 1.0], [0.2, 1.0], (0, 5), "linear")
BIG = T((2, 12, 13, 3), "float32", "unit")
for _o in (
    {},
    {"max_val": 2.0},
    {"filter_size": 3},
    {"filter_sigma": 0.5},
    {"k1": 0.1},
    {"k2": 0.1},
    {"filter_size": 20},
):
    call("image.ssim", BIG, T((2, 12, 13, 3), "float32", "other_unit"), **_o)
    call("image.ssim", T((12, 13, 3), "float32", "unit"), T((12, 13, 3), "float32", "other_unit"), **_o)
call("image.ssim", BIG, IMGS)

# ----- random numbers: shapes, dtypes, refusals -----

for _name, _rest in (("random.normal", ()), ("random.uniform", ()), ("random.truncated_normal", ())):
    for _shape in ((2, 3), [2, 3], (), 3, (2, None), (0, 3), None, (2, -1)):
        call(_name, _shape, seed=1)
    for _dtype in ("float16", "bfloat16", "float32", "int32", "foo", None, "float64", "bool"):
        call(_name, (2, 3), dtype=_dtype, seed=1)
    for _seed in (1, None, -3, 1.5, "a", True, 2**40):
        call(_name, (2, 3), seed=_seed)
calls("random.normal random.truncated_normal", (2, 3), mean=[1.0, 5], stddev=[0.0, 2.0, 3])
calls("random.uniform", (2, 3), minval=[-1.0, 0.5], maxval=[2.0, 3])
for _o in (
    {},
    {"dtype": "int64"},
    {"dtype": "uint8"},
    {"dtype": "float32"},
    {"dtype": "foo"},
    {"dtype": None},
    {"seed": 2},
):
    call("random.randint", (2, 3), 0, 5, **{"seed": 1, **_o})
call("random.randint", (2, 3), minval=3, maxval=3, seed=1)
call("random.randint", (2, 3), 1.5, 5.5, seed=1)
call("random.randint", (2, 3), 5, 1, seed=1)
for _n in (1, 3, 0):
    call("random.categorical", A, _n, seed=1)
    call("random.categorical", A, num_samples=_n, dtype="int64", seed=1)
call("random.categorical", V, 2, seed=1)
call("random.categorical", C3, 2, seed=1)
call("random.categorical", [[0.5, 0.5]], 2, seed=1)
for _o in (
    {},
    {"noise_shape": (2, 1)},
    {"noise_shape": (None, 1)},
    {"noise_shape": (3, 3)},
    {"noise_shape": (2, 1, 1)},
):
    for _r in (0.5, 0.0, 1.0):
        call("random.dropout", A, _r, seed=1, **_o)
call("random.dropout", I23, 0.5, seed=1)
for _axis in (0, 1, -1, 2):
    call("random.shuffle", A, axis=_axis, seed=1)
call("random.shuffle", [1, 2, 3], seed=1)
call("random.gamma", (2, 3), 0.5, seed=1)
call("random.gamma", (2, 3), alpha=V, seed=1)
call("random.gamma", (2, 3), T((4,), "float32", "positive"), seed=1)
call("random.binomial", (2, 3), 5, 0.5, seed=1)
call("random.binomial", (2, 3), counts=[1, 2, 3], probabilities=0.3, seed=1)
call("random.beta", (2, 3), 1.0, 2.0, seed=1)
call("random.beta", (2, 3), alpha=P, beta=P, seed=1)


def every() -> Iterator[tuple[str, Call]]:
    """Yield each different call once, with its title."""
    seen: set[str] = set()
    for one in CALLS:
        title = one.title()
        if title not in seen:
            seen.add(title)
            yield title, one
