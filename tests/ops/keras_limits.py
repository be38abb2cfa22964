"""Calls of ops at their limits, with results recorded from real Keras (fixtures/ops/limits.npz, by tests/interop/sweep_ops.py).

NaN, infinities, zeros of both signs, overflow, empty tensors, every way to give an axis, and invalid arguments. Each call
takes the `ops` namespace, Keras' or ours. Nothing of graphkit is imported here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Call = Callable[[Any], Any]
NAN, INF = np.nan, np.inf

FLOATS = np.array([NAN, INF, -INF, 0.0, -0.0, 1.5, -2.5, 0.5, -0.5, 2.0, 1e30], np.float32)
INTS = np.array([-7, -3, -1, 0, 1, 2, 3, 100], np.int32)
BYTES = np.array([0, 1, 2, 3, 128, 200, 255], np.uint8)
SMALL = np.array([-128, -7, -1, 0, 1, 2, 127], np.int8)
FLAGS = np.array([True, False])
COMPLEX = np.array([1 + 2j, -1 - 2j, 0j, complex(0, -1), -3 + 0j], np.complex64)
HOLES = np.array([[1.0, NAN, 3.0], [-1.0, 5.0, 2.0]], np.float32)
WIDE = np.array([[INF, 1.0, -INF], [-INF, -INF, -INF], [INF, INF, 2.0]], np.float32)
CUBE = np.arange(24, dtype=np.float32).reshape(2, 3, 4) % 7
NOTHING = np.zeros((0, 3), np.float32)
VECTOR = np.array([3.0, 1.0, 2.0, 1.0], np.float32)
PICTURES: dict[str, Any] = {
    "bytes": np.arange(12, dtype=np.uint8).reshape(3, 4, 1) * 21,
    "small": np.arange(12, dtype=np.int8).reshape(3, 4, 1) * 10 - 60,
    "ints": np.arange(12, dtype=np.int32).reshape(3, 4, 1) * 99 - 500,
}
KINDS: dict[str, Any] = {
    "floats": FLOATS,
    "ints": INTS,
    "bytes": BYTES,
    "small": SMALL,
    "flags": FLAGS,
    "complex": COMPLEX,
}

UNARY = (
    "abs angle arccos arccosh arcsin arcsinh arctan arctanh cbrt ceil conj cos cosh deg2rad erf erfc erfinv exp exp2 expm1 fabs"
    " floor i0 imag isfinite isinf isnan isneginf isposinf isreal log log10 log1p log2 logical_not nan_to_num negative rad2deg"
    " real reciprocal round rsqrt sign signbit sinc sin sinh sqrt square tan tanh trunc bitwise_not"
    " celu elu gelu hard_shrink hard_sigmoid hard_silu hard_tanh leaky_relu log_sigmoid relu relu6 selu sigmoid silu soft_shrink"
    " softplus softsign sparse_plus sparse_sigmoid squareplus tanh_shrink"
)  # fmt: skip
BINARY = (
    "add arctan2 divide divide_no_nan equal floor_divide fmax fmin fmod greater greater_equal heaviside hypot isclose less"
    " less_equal logaddexp logaddexp2 logical_and logical_or logical_xor maximum minimum mod multiply nextafter not_equal power"
    " subtract gcd lcm bitwise_and bitwise_or bitwise_xor"
)  # fmt: skip
REDUCTIONS = (
    "all amax amin any argmax argmin count_nonzero cumprod cumsum logsumexp max mean median min nanargmax nanargmin nancumprod"
    " nancumsum nanmax nanmean nanmedian nanmin nanprod nanstd nansum nanvar prod ptp std sum var average norm"
)  # fmt: skip
LINES = "sort argsort softmax log_softmax sparsemax normalize diff flip cumsum"
ENDLESS = {
    ("power", "ints"),
    ("power", "small"),
    ("gcd", "small"),
    ("lcm", "small"),
}  # JAX does not return from these
_KEEPS = set(REDUCTIONS.split()) - {"cumprod", "cumsum", "nancumprod", "nancumsum", "average", "count_nonzero"}


def _call(name: str, *args: Any, **options: Any) -> Call:
    return lambda ops: getattr(ops, name)(*args, **options)


def _grid(x: Any) -> tuple[Any, Any]:
    return x[:, None], x[None, :]


CALLS: dict[str, Call] = {
    **{f"{n} of {k}": _call(n, x) for n in UNARY.split() for k, x in KINDS.items()},
    **{
        f"{n} of {k} and {k}": _call(n, *_grid(x))
        for n in BINARY.split()
        for k, x in KINDS.items()
        if k != "complex" and (n, k) not in ENDLESS
    },
    **{
        f"{n} of {k}, axis {axis}": _call(n, x, axis=axis)
        for n in REDUCTIONS.split()
        for k, x in (
            ("holes", HOLES),
            ("wide", WIDE),
            ("nothing", NOTHING),
            ("ints", INTS.reshape(2, 4)),
            ("flags", FLAGS[None]),
        )
        for axis in (None, 0, -1)
    },
    **{
        f"{n} of a cube, axis {axis}": _call(n, CUBE, axis=axis)
        for n in REDUCTIONS.split()
        for axis in ((0, 2), (-1, 0), 3, -4, (1, 1), ())
    },
    **{f"{n} of a cube, kept": _call(n, CUBE, axis=-2, keepdims=True) for n in sorted(_KEEPS)},
    **{f"{n} of a scalar": _call(n, np.float32(2.5)) for n in REDUCTIONS.split()},
    **{
        f"{n} of {k} along {axis}": _call(n, x, axis=axis)
        for n in LINES.split()
        for k, x in (("holes", HOLES), ("wide", WIDE))
        for axis in (0, -1, 2)
    },
    # ----- sizes, places -----
    **{
        f"squeeze {axis}": _call("squeeze", np.ones((1, 3, 1), np.float32), axis=axis)
        for axis in (None, 0, -1, (0, 2), 1, 3, (0, 0))
    },
    **{f"expand_dims {axis}": _call("expand_dims", HOLES, axis) for axis in (0, -1, (0, 2), 3, -4, (1, 1))},
    **{
        f"transpose {axes}": _call("transpose", CUBE, axes=axes)
        for axes in (None, (1, 0, 2), (0, 1), (0, 0, 1), (-1, 0, 1), (3, 0, 1))
    },
    **{
        f"moveaxis {a} {b}": _call("moveaxis", CUBE, a, b)
        for a, b in ((0, -1), ((0, 1), (1, 2)), ((0, 0), (1, 2)), (3, 0), ((0, 1), 2))
    },
    **{f"swapaxes {a} {b}": _call("swapaxes", CUBE, a, b) for a, b in ((0, -1), (1, 1), (0, 3))},
    **{
        f"reshape {shape}": _call("reshape", CUBE, shape)
        for shape in ((4, 6), -1, (2, -1), (5, -1), (-1, -1), (2, 3, 5))
    },
    **{f"flip {axis}": _call("flip", CUBE, axis=axis) for axis in (None, 0, (0, -1), 3)},
    **{
        f"roll {s} {a}": _call("roll", CUBE, s, axis=a)
        for s, a in ((1, None), (5, 0), (-2, -1), ((1, 2), (0, 1)), (1, 3), (0, 0))
    },
    **{
        f"rot90 {k} {axes}": _call("rot90", CUBE, k=k, axes=axes)
        for k, axes in ((1, (0, 1)), (-1, (0, 2)), (5, (1, 2)), (1, (0, 0)), (1, (0, 3)))
    },
    **{
        f"repeat {r} {a}": _call("repeat", HOLES, r, axis=a)
        for r, a in ((2, None), (0, 0), ([1, 2], 0), ([1, 2, 0], 1), (2, 2), ([1, 2], 1))
    },
    **{f"tile {r}": _call("tile", HOLES, r) for r in (2, (2, 1), (2, 1, 1), 0, (1, 0))},
    **{
        f"split {p} {a}": _call("split", CUBE, p, axis=a)
        for p, a in ((2, 0), (3, 0), ([1, 3], -1), ([], 0), (2, 3), ([3, 1], -1), ([9], -1))
    },
    **{f"array_split {p} {a}": _call("array_split", CUBE, p, axis=a) for p, a in ((2, 1), (5, 0), ([1, 3], -1))},
    **{f"stack {a}": _call("stack", [HOLES, HOLES], axis=a) for a in (0, 2, -1, 3, -4)},
    **{f"concatenate {a}": _call("concatenate", [HOLES, HOLES], axis=a) for a in (0, -1, 2, -3)},
    "concatenate of unlike": _call("concatenate", [HOLES, CUBE]),
    "concatenate of nothing": _call("concatenate", []),
    "stack of unlike": _call("stack", [HOLES, WIDE]),
    **{
        f"take {i} {a}": _call("take", CUBE, np.array(i), axis=a)
        for i, a in ((2, None), ([0, -1], 0), ([[1, 0]], 2), (1, 3), ([], 0))
    },
    **{
        f"take_along_axis {a}": _call("take_along_axis", HOLES, np.array([[0, 1, -1]]), axis=a)
        for a in (0, -2, None, 2)
    },
    **{
        f"diagonal {o} {a} {b}": _call("diagonal", CUBE, offset=o, axis1=a, axis2=b)
        for o, a, b in ((0, 0, 1), (1, -1, 1), (-5, 0, 2), (0, 1, 1), (0, 3, 0))
    },
    **{
        f"trace {o} {a} {b}": _call("trace", CUBE, offset=o, axis1=a, axis2=b)
        for o, a, b in ((0, 0, 1), (1, -1, 1), (-5, 0, 2), (0, 1, 1))
    },
    **{f"diag {k}": _call("diag", VECTOR, k=k) for k in (0, 2, -1)},
    **{f"diag of a matrix {k}": _call("diag", HOLES, k=k) for k in (0, 2, -1, 5)},
    "diag of a cube": _call("diag", CUBE),
    **{f"tri{x} {k}": _call(f"tri{x}", HOLES, k=k) for x in "lu" for k in (0, 1, -1, 5, -5)},
    **{f"eye {n} {m} {k}": _call("eye", n, m, k=k) for n, m, k in ((2, None, 0), (2, 3, 1), (0, None, 0), (2, 2, -5))},
    **{
        f"pad {w} {mode}": _call("pad", HOLES, w, mode=mode)
        for w in (1, (1, 0), ((0, 1), (2, 0)))
        for mode in ("constant", "edge", "wrap", "reflect", "symmetric")
        if w != ((0, 1), (2, 0)) or mode != "reflect"
    },
    "pad valued": _call("pad", HOLES, 1, mode="constant", constant_values=7),
    "pad valued with edge": _call("pad", HOLES, 1, mode="edge", constant_values=7),
    "pad unknown": _call("pad", HOLES, 1, mode="middle"),
    **{
        f"vander {n} {i}": _call("vander", VECTOR, N=n, increasing=i)
        for n, i in ((None, False), (2, True), (0, False), (-1, False))
    },
    **{
        f"slice {s} {n}": _call("slice", VECTOR, (s,), (n,))
        for s, n in ((1, 2), (3, 2), (-2, 2), (9, 2), (1, 9), (1, 0))
    },
    **{
        f"slice_update {s}": _call("slice_update", VECTOR, (s,), np.array([8.0, 9.0], np.float32))
        for s in (1, 3, -1, 9)
    },
    **{
        f"one_hot {k}": _call("one_hot", x, 3)
        for k, x in (
            ("ints", INTS),
            ("bytes", BYTES),
            ("small", SMALL),
            ("floats", np.array([0.0, 1.5, 2.0], np.float32)),
        )
    },
    **{f"one_hot axis {a}": _call("one_hot", INTS, 3, axis=a) for a in (0, -2, 2)},
    "multi_hot": _call("multi_hot", INTS, 4),
    **{f"unravel_index {i}": _call("unravel_index", np.array([i], np.int32), (3, 4)) for i in (0, 11, -1)},
    # ----- orders -----
    **{
        f"top_k {k} of {n}": _call("top_k", x, k)
        for k in (1, 2, 3)
        for n, x in (("holes", HOLES), ("wide", WIDE), ("nothing", NOTHING))
    },
    "top_k too many": _call("top_k", VECTOR, 5),
    **{
        f"in_top_k {k}": _call(
            "in_top_k",
            np.array([1, 0, 7, -1], np.int32),
            np.array([[0.1, NAN, 0.5], [NAN, 0.2, INF], [1, 2, 3], [1, 2, 2]], np.float32),
            k,
        )
        for k in (1, 2, 3)
    },
    **{
        f"searchsorted {s}": _call(
            "searchsorted", np.array([1, 2, 2, 5], np.float32), np.array([2, NAN, 0, 9, INF, -INF], np.float32), side=s
        )
        for s in ("left", "right", "middle")
    },
    "digitize": _call("digitize", FLOATS, np.array([-1, 0, 1], np.float32)),
    **{f"unique of {k}": _call("unique", x) for k, x in KINDS.items() if k != "complex"},
    "nonzero of floats": _call("nonzero", FLOATS),
    "nonzero of a scalar": _call("nonzero", np.float32(2)),
    **{
        f"argpartition {k}": lambda ops, k=k: ops.sort(ops.take(VECTOR, ops.argpartition(VECTOR, k)[: k + 1]))
        for k in (0, 2)
    },
    "argpartition too far": _call("argpartition", VECTOR, 9),
    # ----- counts, quantiles -----
    **{
        f"bincount of {k}": _call("bincount", x)
        for k, x in (
            ("bytes", BYTES[:4]),
            ("small", SMALL),
            ("ints", INTS),
            ("flags", FLAGS),
            ("nothing", np.zeros(0, np.int32)),
            ("floats", VECTOR),
        )
    },
    "bincount at least": _call("bincount", BYTES[:4], minlength=9),
    "bincount weighted": _call("bincount", BYTES[:4], weights=VECTOR),
    "bincount of negative length": _call("bincount", BYTES[:4], minlength=-1),
    **{
        f"quantile {q} {m}": _call("quantile", HOLES[1], q, method=m)
        for q in (0.0, 0.3, 1.0, 1.5, -0.5)
        for m in ("linear", "lower", "higher", "midpoint", "nearest")
    },
    **{f"quantile of wide {q}": _call("quantile", WIDE, q, axis=1) for q in (0.0, 1.0)},
    "quantile unknown": _call("quantile", HOLES, 0.5, method="near"),
    **{f"{n} {q}": _call(n, HOLES, q, axis=1) for n in ("percentile", "nanpercentile") for q in (0, 50, 100)},
    **{
        f"histogram {r}": _call("histogram", np.array([1.0, 2, 2, 5], np.float32), bins=3, range=r)
        for r in (None, (0, 4), (2, 2), (4, 0))
    },
    **{f"histogram of {b} bins": _call("histogram", VECTOR, bins=b) for b in (1, 0, -1)},
    **{
        f"corrcoef of {k}": _call("corrcoef", x)
        for k, x in (("cube", CUBE[0]), ("constant", np.ones((2, 3), np.float32)), ("vector", VECTOR))
    },
    **{
        f"average {w}": _call("average", HOLES[1:], axis=1, weights=np.array(w, np.float32))
        for w in ([1, 2, 3], [0, 0, 0], [1, 2])
    },
    **{f"isclose {e}": _call("isclose", FLOATS, FLOATS + np.float32(1e-6), equal_nan=e) for e in (False, True)},
    **{f"isin {i}": _call("isin", FLOATS, np.array([NAN, 1.5, 0.0], np.float32), invert=i) for i in (False, True)},
    **{
        f"clip {a} {b}": _call("clip", FLOATS, a, b)
        for a, b in ((0, 1), (1, 0), (NAN, 1), (-INF, INF), (None, 1), (0, None))
    },
    **{
        f"nan_to_num {o}": _call("nan_to_num", FLOATS, **o) for o in ({}, {"nan": 7.0}, {"posinf": 1.0, "neginf": -1.0})
    },
    **{
        f"round {k} {d}": _call("round", x, d)
        for d in (0, 1, 2, -1, -3)
        for k, x in (
            ("floats", np.array([1.25, 1.35, -2.5, 1234.5, 15.0], np.float32)),
            ("ints", np.array([15, 25, -15, 149, 1500], np.int32)),
            ("bytes", BYTES),
            ("small", SMALL),
        )
    },
    **{
        f"{n} of {k} n={m}": _call("diff", x, n=m)
        for n, m in (("diff", 0), ("diff", 2), ("diff", 9), ("diff", -1))
        for k, x in (("bytes", BYTES), ("flags", FLAGS), ("floats", VECTOR))
    },
    # ----- Python numbers that a dtype cannot hold -----
    **{
        f"{n} of {k} and {v}": _call(n, x, v)
        for n in ("add", "subtract", "multiply", "equal", "less", "greater", "not_equal", "greater_equal")
        for k, x in (("bytes", BYTES), ("small", SMALL))
        for v in (-1, 300, -300)
    },
    **{
        f"where of {k} and {v}": _call("where", FLAGS[:, None], x, v)
        for k, x in (("bytes", BYTES), ("small", SMALL))
        for v in (-1, 300)
    },
    **{
        f"full_like of {k} {v}": _call("full_like", x, v)
        for k, x in (("bytes", BYTES), ("small", SMALL), ("ints", INTS))
        for v in (-1, 1.7, 300)
    },
    # ----- making -----
    **{
        f"arange {a}": _call("arange", *a)
        for a in ((3,), (3.0,), (5, 0, -2), (0, 1, 0.3), (3, 0), (0, 3, 0), (0, 1, 0.1), (2.5,), (-3,))
    },
    **{
        f"linspace {a} {o}": _call("linspace", *a, **o)
        for a in ((0, 1), (1, 0), (-1.5, 1.5))
        for o in ({"num": 3}, {"num": 1}, {"num": 0}, {"num": 4, "endpoint": False})
    },
    "linspace step": _call("linspace", 0, 1, num=3, retstep=True),
    "linspace of vectors": _call("linspace", VECTOR, VECTOR + 1, num=3, axis=-1),
    "linspace less than none": _call("linspace", 0, 1, num=-1),
    **{f"logspace {a}": _call("logspace", *a, num=3) for a in ((0, 2), (1, 0))},
    **{f"geomspace {a}": _call("geomspace", *a, num=3) for a in ((1, 100), (-1, -100), (8, 1))},
    **{f"meshgrid {i}": _call("meshgrid", VECTOR, VECTOR[:2], indexing=i) for i in ("xy", "ij", "yx")},
    **{f"{n} {s}": _call(n, s) for n in ("bartlett", "blackman", "hamming", "hanning") for s in (0, 1, 2, 5)},
    "kaiser 1": _call("kaiser", 1, 2.0),
    # ----- products -----
    **{
        f"cross {a.shape} {b.shape}": _call("cross", a, b)
        for a, b in (
            (VECTOR[:3], VECTOR[1:]),
            (VECTOR[:2], VECTOR[2:]),
            (VECTOR[:2], VECTOR[:3]),
            (VECTOR, VECTOR),
            (CUBE[..., :3], VECTOR[:3]),
        )
    },
    **{f"{n} of vectors": _call(n, VECTOR, VECTOR) for n in ("dot", "inner", "outer", "vdot", "matmul", "kron")},
    **{f"{n} of unlike": _call(n, VECTOR, VECTOR[:3]) for n in ("dot", "inner", "matmul", "vdot")},
    **{
        f"{n} with a scalar": _call(n, np.float32(2), VECTOR)
        for n in ("dot", "inner", "outer", "matmul", "kron", "vdot")
    },
    **{f"{n} of small": _call(n, SMALL, SMALL) for n in ("dot", "inner", "vdot", "matmul", "outer")},
    **{f"{n} of flags": _call(n, FLAGS, FLAGS) for n in ("dot", "inner", "vdot", "matmul")},
    "vdot of complex": _call("vdot", COMPLEX, COMPLEX),
    "inner of complex": _call("inner", COMPLEX, COMPLEX),
    **{
        f"tensordot {a}": _call("tensordot", CUBE, CUBE, axes=a)
        for a in (3, 0, ((0,), (0,)), ([0, 1], [0, 1]), 2, ((0,), (1,)))
    },
    "einsum diagonal": _call("einsum", "ii->i", WIDE),
    "einsum implied": _call("einsum", "ij,jk", CUBE[0], CUBE[0].T),
    "einsum wrong": _call("einsum", "ij,jk->iz", CUBE[0], CUBE[0].T),
    "einsum unlike": _call("einsum", "ij,jk->ik", CUBE[0], CUBE[0]),
    "correlate of ints": _call("correlate", INTS, INTS[:3]),
    # ----- losses, norms, attention at their limits -----
    **{
        f"binary_crossentropy {t} {p}": _call(
            "binary_crossentropy", np.array([t], np.float32), np.array([p], np.float32), from_logits=logits
        )
        for t in (0.0, 1.0)
        for p, logits in ((0.0, False), (1.0, False), (0.0, True), (80.0, True), (-200.0, True))
    },
    **{
        f"categorical_crossentropy {logits}": _call(
            "categorical_crossentropy",
            np.array([[0, 1, 0]], np.float32),
            np.array([[0.0, 0.0, 3.0]], np.float32),
            from_logits=logits,
        )
        for logits in (False, True)
    },
    **{
        f"sparse_categorical_crossentropy {logits} {c}": _call(
            "sparse_categorical_crossentropy",
            np.array([c], np.int32),
            np.array([[0.5, 0.0, 3.0]], np.float32),
            from_logits=logits,
        )
        for logits in (False, True)
        for c in (0, 1)
    },
    **{
        f"norm {o} of zeros": _call("norm", np.zeros((2, 2), np.float32), ord=o)
        for o in (None, "fro", "nuc", 1, 2, INF)
    },
    **{
        f"norm {o} over {a}": _call("norm", CUBE, ord=o, axis=a)
        for o in (1, -1, INF, -INF, "fro", 2)
        for a in ((0, 1), (1, 0), (-1, 0))
    },
    **{f"norm {o} of wide": _call("norm", WIDE, ord=o, axis=1) for o in (None, 0, 1, INF, -INF, 3, 0.5, -1)},
    **{
        f"normalize {o}": _call("normalize", np.array([[3.0, 4.0], [0.0, 0.0]], np.float32), order=o) for o in (1, 2, 3)
    },
    "moments": _call("moments", HOLES, axes=[0]),
    "layer_normalization of a constant": _call("layer_normalization", np.ones((2, 3), np.float32)),
    # ----- segments -----
    **{
        f"segment_{n} {i}": _call(f"segment_{n}", VECTOR, np.array(i, np.int32), num_segments=3)
        for n in ("sum", "max", "min", "prod")
        for i in ([0, 0, 2, 2], [0, -1, 7, 1], [-5, 1, 1, 1])
    },
    **{
        f"segment_{n} of ints": _call(f"segment_{n}", INTS[:4], np.array([0, 0, 2, 2], np.int32), num_segments=4)
        for n in ("sum", "max", "min", "prod")
    },
    **{
        f"segment_{n} of none": _call(f"segment_{n}", VECTOR, np.array([0, 0, 1, 1], np.int32), num_segments=0)
        for n in ("sum", "max", "min", "prod")
    },
    **{
        f"segment_{n} of flags": _call(
            f"segment_{n}", np.array([True, False, True]), np.array([0, 0, 2], np.int32), num_segments=4
        )
        for n in ("sum", "max", "min", "prod")
    },
    # ----- images -----
    **{
        f"resize {k} {m} {s}": lambda ops, x=x, m=m, s=s: ops.image.resize(x, s, interpolation=m)
        for k, x in PICTURES.items()
        for m in ("bilinear", "nearest", "bicubic", "lanczos3", "lanczos5")
        for s in ((2, 5), (3, 4))
    },
    **{
        f"crop or pad {o}": lambda ops, o=o: ops.image.resize(
            np.arange(12, dtype=np.uint8).reshape(3, 4, 1) * 21, (4, 3), **o
        )
        for o in (
            {"crop_to_aspect_ratio": True},
            {"pad_to_aspect_ratio": True},
            {"pad_to_aspect_ratio": True, "fill_value": 9},
        )
    },
    "rgb_to_grayscale of bytes": lambda ops: ops.image.rgb_to_grayscale(
        np.arange(24, dtype=np.uint8).reshape(2, 4, 3) * 10
    ),
    "sobel_edges of ints": lambda ops: ops.image.sobel_edges(np.arange(12, dtype=np.int32).reshape(1, 3, 4, 1)),
    # ----- Fourier -----
    **{
        f"istft plain {s}": lambda ops, s=s: ops.istft(
            ops.stft(np.arange(64, dtype=np.float32), 16, s, 16, window=None), 16, s, 16, window=None
        )
        for s in (4, 8, 16)
    },
    **{
        f"istft plain wider {c}": lambda ops, c=c: ops.istft(
            ops.stft(np.arange(64, dtype=np.float32), 12, 4, 16, window=None, center=c),
            12,
            4,
            16,
            window=None,
            center=c,
        )
        for c in (True, False)
    },
    **{f"{n} {s}": _call(n, VECTOR, fft_length=s) for n in ("rfft",) for s in (None, 2, 3, 8)},
}
