"""The table of cases: a row for every primitive, which drives all that is checked of it (`walk.py`).

Modules named `cases_*.py` beside this one hold the rows of a family: each has a list `CASES`.
"""

from __future__ import annotations

import pkgutil
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

import graphkit.ops  # noqa: F401  (registers the primitives)
from graphkit.ir.primitive import PRIMITIVES
from tests.ops.case import (
    Case,
    Composed,
    Row,
    boolean,
    case,
    composed,
    distinct,
    fixed,
    made_by,
    real,
    same_draw,
    value,
    whole,
)

_BYTES = np.array([[-128, 127, 5, 0], [127, 127, 127, -128], [-3, 2, 100, 77]])
_UNIT = np.linspace(-0.9, 0.9, 6).reshape(2, 3)
_BROADCASTS = (((3, 4), (3, 4)), ((3, 4), (4,)), ((2, 1, 4), (3, 1)), ((), (3,)), ((1,), (2, 1)))


def _binaries() -> list[Case]:
    made: list[Case] = []
    for a, b in _BROADCASTS:
        made += [case(name, real(*a), real(*b)) for name in ("add", "subtract", "multiply")]
        made += [
            case("divide", real(*a), real(*b, low=0.5)),
            case("power", real(*a, low=0.3), real(*b)),
            case("mod", real(*a, low=2.1, high=2.9), real(*b, low=0.9, high=1.0), second=False),
            case("fmod", real(*a, low=-2.9, high=-2.1), real(*b, low=0.9, high=1.0), second=False),
            case("arctan2", real(*a, away=(0,)), real(*b, away=(0,))),
        ]
    tie_free = (real(3, 4, low=0, high=1), real(4, low=1.1, high=2)), (real(2, 1, 4, low=1.2), real(3, 1, high=1))
    made += [case(name, *pair) for name in ("maximum", "minimum") for pair in tie_free]
    made += [
        case("power", fixed(2.0, -1.5, 3.0), fixed(2.0, 2.0, 3.0), held=(1,)),
        case("floor_divide", real(3, 4, low=0.2, high=0.8), fixed(0.3, -0.3, 0.9, -0.9), exact=False),
        case("maximum", fixed(1.0, 2.0), fixed(0.0, 3.0)),
    ]
    comparisons = ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")
    made += [case(name, fixed(1.0, 2.0, 3.0), value([[1.0], [2.5]])) for name in comparisons]
    made += [case(name, whole(3, 4, high=3), whole(4, high=3)) for name in comparisons]
    made += [case(name, boolean(3, 4), boolean(4)) for name in ("logical_and", "logical_or", "logical_xor", "equal")]
    return [*made, *_integers()]


def _integers() -> list[Case]:
    """Quotients of negative numbers, by 0 and at the ends of a dtype; numbers that no float64 holds."""
    ends = value([-(2**31), -(2**31), 7, -7], np.int32), value([-1, 0, 0, -1], np.int32)
    tiny = value([0, 7, 255], np.uint8), value([0, 0, 2], np.uint8)
    large = value([2**64 - 5, 7, 2**63], np.uint64), value([1000, 2**63 + 1, 3], np.uint64)
    quotients = ("mod", "fmod", "floor_divide")
    return [
        *(case(name, *pair) for name in quotients for pair in (ends, tiny)),
        *(case(name, whole(3, 4, low=-5), value(3, np.int32)) for name in ("mod", "floor_divide")),
        *(case(n, *large) for n in ("mod", "floor_divide", "maximum", "minimum", "less", "greater_equal")),
    ]


_UNARY: dict[str, dict[str, Any]] = {
    "identity": {}, "stop_gradient": {}, "negative": {}, "square": {}, "exp": {}, "expm1": {}, "sin": {}, "cos": {}, "tanh": {},
    "sinh": {}, "cosh": {}, "asinh": {}, "atan": {}, "sigmoid": {}, "softplus": {}, "silu": {}, "mish": {}, "erf": {},
    "abs": {"away": (0,)}, "sign": {"away": (0,)}, "relu": {"away": (0,)}, "selu": {"away": (0,)}, "softsign": {"away": (0,)},
    "floor": {"away": (-1, 0, 1)}, "ceil": {"away": (-1, 0, 1)}, "round": {"away": (-1.5, -0.5, 0.5, 1.5)},
    "sqrt": {"low": 0.1}, "rsqrt": {"low": 0.1}, "log": {"low": 0.1}, "log1p": {"low": -0.8}, "tan": {"low": -1, "high": 1},
    "asin": {"low": -0.9, "high": 0.9}, "acos": {"low": -0.9, "high": 0.9}, "atanh": {"low": -0.9, "high": 0.9},
    "acosh": {"low": 1.2, "high": 3}, "erfinv": {"low": -0.95, "high": 0.95}, "erfc": {}, "hard_silu": {"away": (-3, 3)},
}  # fmt: skip
_UNDIFFERENTIATED_ONCE_MORE = ("stop_gradient", "floor", "ceil", "round")


def _unaries() -> list[Case]:
    made = []
    for name, domain in _UNARY.items():
        second = name not in _UNDIFFERENTIATED_ONCE_MORE
        gradient = name != "stop_gradient"
        made += [
            case(name, real(*shape, **domain), second=second, gradient=gradient) for shape in ((3, 4), (), (2, 1, 3))
        ]
    specials = value([0.0, np.inf, -np.inf, np.nan, -1.0])
    made += [case(name, specials) for name in ("isnan", "isinf")]
    made += [
        case("logical_not", boolean(3)),
        case("cast", real(3, 2), dtype="float32", gradient=False),
        case("cast", whole(3), dtype="float32"),
        case("cast", real(3, away=(-1, 0, 1)), dtype="int32", gradient=False),
        case("cast", whole(4, high=2), dtype="bool"),
        case("clip", real(3, 4, away=(-1, 0.5)), low=-1.0, high=0.5),
        case("relu_grad", real(3, 4), real(3, 4, away=(0,))),
        case("leaky_relu", real(3, 4, away=(0,)), negative_slope=0.2),
        case("leaky_relu", real(3, 4, away=(0,)), negative_slope=1.5),
        case("elu", real(3, 4, away=(0,)), alpha=1.3),
        case("celu", real(3, 4, away=(0,)), alpha=1.3),
        case("hard_sigmoid", real(3, 4, low=-5, high=5, away=(-3, 3)), alpha=1 / 6, beta=0.5),
        case("gelu", real(3, 4), approximate=False),
        case("gelu", real(3, 4), approximate=True),
        case("gelu_grad", real(3, 4), real(3, 4), approximate=False),
        case("gelu_grad", real(3, 4), real(3, 4), approximate=True),
        case("select", boolean(3, 1), real(3, 4), real(4)),
        case("select", boolean(2, 3), real(), real(3)),
        case("select", boolean(2, 3), boolean(3), boolean(2, 3)),
        case("expm1", value(_UNIT * 1e-6), tolerance=1e-9),
        case("log1p", value(_UNIT * 1e-6), tolerance=1e-9),
        case("erfc", value(_UNIT * 4 + 4)),
    ]
    return made


_SHAPING = [
    case("size", value=7),
    case("reshape", real(3, 4), shape=(2, 6)),
    case("reshape", real(1, 3), shape=(3,)),
    case("transpose", real(2, 3, 4), axes=(2, 0, 1)),
    case("broadcast_to", real(3, 1), shape=(2, 3, 4)),
    case("broadcast_to", real(), shape=(2, 2)),
    case("concatenate", real(2, 3), real(2, 1), real(2, 2), axis=1),
    case("concatenate", whole(2, 3), whole(1, 3), axis=0),
    case("slice", real(5, 4), starts=(1, 0), stops=(5, 4), steps=(2, 1)),
    case("slice", real(5, 4), starts=(4, 0), stops=(-1, 3), steps=(-1, 1)),
    case("unslice", real(2, 4), starts=(1, 0), stops=(5, 4), steps=(2, 1), shape=(5, 4)),
    case("pad", real(3, 2), real(), widths=((1, 2), (0, 1)), mode="constant"),
    case("pad", real(3, 4), value(0.0), widths=((1, 2), (2, 1)), mode="reflect"),
    case("pad", real(3, 4), value(0.0), widths=((1, 2), (2, 1)), mode="symmetric"),
    case("pad", real(3, 4), value(0.0), widths=((1, 2), (2, 1)), mode="edge"),
    case("arange", start=1, stop=10, step=3, dtype="int32"),
    case("arange", start=5, stop=0, step=-2, dtype="float32"),
]

_AXES: tuple[dict[str, Any], ...] = (
    {"axes": (0, 1, 2), "keepdims": False},
    {"axes": (1,), "keepdims": True},
    {"axes": (0, 2), "keepdims": False},
    {"axes": (0, 2), "keepdims": True},
)
_REDUCTIONS = [
    *(case(name, real(2, 3, 4), **axes) for name in ("reduce_sum", "reduce_mean") for axes in _AXES),
    *(case(name, distinct(2, 3, 4), **axes) for name in ("reduce_max", "reduce_min") for axes in _AXES),
    *(case("reduce_prod", real(2, 3, 2, low=0.5), **axes) for axes in _AXES),
    case("reduce_prod", value([[0.0, 2.0, 3.0], [0.5, 0.0, 0.0]]), axes=(1,), keepdims=False, second=False),
    case("reduce_sum", whole(2, 3), axes=(1,), keepdims=False),
    *(
        case(name, boolean(3, 4), axes=(1,), keepdims=keep)
        for name in ("reduce_all", "reduce_any")
        for keep in (False, True)
    ),
    case("sum_to", real(2, 3, 4), shape=(3, 1)),
    case("sum_to", real(2, 3), shape=(2, 3)),
    *(case(name, distinct(3, 4), axis=1, keepdims=keep) for name in ("argmax", "argmin") for keep in (False, True)),
    case("argmax", fixed(1.0, 3.0, 3.0), axis=0, keepdims=False),
    *(
        case(name, real(3, 4, low=0.5), axis=axis, exclusive=exclusive, reverse=reverse)
        for name in ("cumsum", "cumprod")
        for axis, exclusive, reverse in (
            (1, False, False),
            (0, True, False),
            (1, True, False),
            (1, False, True),
            (1, True, True),
        )
    ),
]

_INDEXING = [
    case("take", real(5, 3), whole(2, 4, low=-5), axis=0),
    case("with_classes", whole(6), size=5, least=0),
    case("take", real(2, 5, 3), whole(4), axis=1),
    case("take", real(2, 5), value(3, np.int32), axis=1),
    case("scatter_add", real(2, 4, 3), whole(2, 4, low=-5), axis=0, size=5),
    case("scatter_add", real(2, 4, 3), whole(4), axis=1, size=5),
    case("scatter_add", real(6), whole(6), axis=0, size=5),
    case("take_along_axis", real(3, 5), whole(3, 2, low=-5), axis=1),
    case("take_along_axis", real(5, 3), whole(2, 3), axis=0),
    case("scatter_along_axis", real(3, 4), whole(3, 4), axis=1, size=5),
    *(
        case("scatter_reduce", distinct(5, 3), fixed(1, 4, 1, dtype=np.int32), real(3, 3), reduction=r)
        for r in ("mul", "max", "min")
    ),
    case(
        "scatter_reduce",  # one zero in a place, or two: the rule holds, its own derivative does not
        fixed(0.0, 2.0, 0.0, 1.5),
        fixed(0, 1, 1, 2, 3, 3, dtype=np.int32),
        fixed(3.0, 0.0, 2.0, 0.0, 0.5, -1.0),
        reduction="mul",
        second=False,
    ),
    case("scatter_set", real(5, 3), fixed(1, 4, dtype=np.int32), real(2, 3)),
    case("argsort", distinct(3, 4), axis=1),
    case("argsort", fixed(2.0, 1.0, 2.0, 1.0), axis=0),
    case("argsort", whole(2, 6), axis=1),
    case("nonzero", fixed(2.0, 0.0, 0.0, 1.0), size=2, free=False),
    case("nonzero", value([[0.0, 3.0], [-1.0, 0.0]]), size=2, free=False),
    case("top_k", distinct(3, 5), k=2),
    case("top_k", whole(3, 5, high=3), k=5),
    case("searchsorted", real(2, 3), fixed(-1.0, 0.0, 0.5), side="left"),
    case("searchsorted", fixed(0.0, 0.5, 2.0), fixed(-1.0, 0.0, 0.5), side="right"),
]

_LINEAR = [
    case("matmul", real(3, 4), real(4, 2)),
    case("matmul", real(2, 3, 4), real(4, 2)),
    case("matmul", real(2, 3, 4), real(2, 4, 2)),
    case("matmul", real(2, 1, 3, 4), real(3, 4, 2)),
    case("matmul", real(3, 4), real(2, 4, 2)),
    case("matmul", whole(3, 4), whole(4, 2)),
    case("matmul_int8", value(_BYTES, np.int8), value(_BYTES[:, ::-1].T, np.int8)),
    case("einsum", value(_BYTES, np.int8), value(_BYTES.T, np.int8), equation="ab,bc->ac"),
    case("einsum", value(_BYTES, np.int8), value(_BYTES, np.int8), equation="ab,ab->ab"),
    case("matmul_int8", value(_BYTES[None], np.int8), value(_BYTES.T, np.int8)),
    case("einsum", real(2, 3, 4), real(4, 5, 6), equation="abc,cde->abde"),
    case("einsum", real(2, 3, 4, 5), real(2, 6, 4, 5), equation="aecd,abcd->acbe"),
    case("einsum", real(3), real(4), equation="a,b->ba"),
    case("einsum", real(2, 5, 2, 3), real(2, 3, 4), equation="abcd,cde->abe"),
    case("einsum", value(_BYTES[None], np.int8), value(_BYTES.T[:, :, None], np.int8), equation="abc,cde->abde"),
    case("einsum", real(3, 4), real(3, 4), equation="ab,ab->a"),
]

_SEED = value([3, 5], np.uint32)
_RANDOM = [
    case(name, _SEED, shape=(3, 4), dtype="float32", free=False)
    for name in ("random_uniform", "random_normal", "random_truncated_normal")
] + [
    case("dropout_mask", _SEED, shape=(3, 4), dtype="float32", free=False, rate=0.3),
    case("random_gamma", _SEED, real(4, low=0.5), shape=(3, 4), dtype="float32", free=False, exact=False),
    case(
        "random_binomial",
        _SEED,
        whole(high=9),
        real(4, low=0.1, high=0.9),
        shape=(3, 4),
        dtype="float32",
        free=False,
        exact=False,
    ),
]


def _train_statistics(x: Any) -> tuple[Any, Any]:
    return x.mean(axis=(0, 1)), x.var(axis=(0, 1))


_X = real(4, 3, 2)
_NORMALISATION: list[Row] = [
    case("batch_normalization", real(4, 3, 2), real(2), real(2, low=0.5), real(2), real(2), axis=2, epsilon=1e-3),
    case("batch_normalization", real(4, 3, 2), real(3), real(3, low=0.5), real(3), real(3), axis=1, epsilon=1e-3),
    case("batch_normalization_training", real(4, 3, 2), real(2), real(2), axis=2, epsilon=1e-3),
    case("batch_normalization_training", real(4, 3, 2), real(3), real(3), axis=1, epsilon=1e-2),
    case(
        "batch_normalization_grad",
        real(4, 3, 2),
        same_draw(_X),
        made_by(lambda x: _train_statistics(x)[0], _X),
        made_by(lambda x: _train_statistics(x)[1], _X),
        real(2),
        axis=2,
        epsilon=1e-3,
    ),
    case("layer_normalization", real(3, 4, 5), real(5), real(5), axis=2, epsilon=1e-3),
    case("layer_normalization", real(3, 4, 5), real(4, 5), real(4, 5), axis=1, epsilon=1e-3),
    case("gemm", real(3, 4), real(4, 5), real(5)),
    case("split_parts", real(3, 6, 2), axis=1, sizes=(1, 3, 2)),
    case("layer_normalization_grad", real(3, 4, 5), real(3, 4, 5), real(5), axis=2, epsilon=1e-3),
    case("layer_normalization", real(3, 4, 5), real(5), real(5), axis=2, epsilon=1e-7),
    case("group_normalization", real(2, 6, 3), real(6), real(6), axis=1, groups=2, epsilon=1e-3, free=False),
    case("group_normalization", real(2, 4, 3, 3), real(4), real(4), axis=1, groups=4, epsilon=1e-3, free=False),
    case("group_normalization", real(2, 3, 6), real(6), real(6), axis=2, groups=3, epsilon=1e-3, free=False),
    *(
        composed(
            f"group normalization, {groups} groups",
            partial(PRIMITIVES["group_normalization"].bind, axis=1, groups=groups, epsilon=1e-3),
            "b 6 t s, 6, 6",
        )
        for groups in (1, 2, 6)
    ),
    case("rms_normalization", real(3, 4, 5), real(5), axis=2, epsilon=1e-3),
    case("rms_normalization", real(3, 4, 5), real(5), axis=2, epsilon=1e-7),
    case("rms_normalization", real(3, 4, 5), real(4, 5), axis=1, epsilon=1e-3),
    *(case(name, real(3, 4), axes=(1,)) for name in ("softmax", "log_softmax")),
    *(case(name, real(2, 3, 4), axes=(0, 2)) for name in ("softmax", "log_softmax")),
    *(case(name, real(3, 4), real(3, 4), axes=(1,)) for name in ("softmax_grad", "log_softmax_grad")),
]


def _elsewhere() -> list[Row]:
    package = import_module("tests.ops")
    found: list[Row] = []
    for module in pkgutil.iter_modules(package.__path__):
        if module.name.startswith("cases_"):
            found += import_module(f"tests.ops.{module.name}").CASES
    return found


ROWS: list[Row] = [
    *_binaries(), *_unaries(), *_SHAPING, *_REDUCTIONS, *_INDEXING, *_LINEAR, *_RANDOM, *_NORMALISATION, *_elsewhere(),
]  # fmt: skip


CASES = [row for row in ROWS if isinstance(row, Case)]
COMPOSED = [row for row in ROWS if isinstance(row, Composed)]


def case_id(made: Case) -> str:
    """A readable, unique name for parametrized tests."""
    return f"{made.primitive}-{CASES.index(made)}"
