"""What real Keras 3.15.1 refuses with a ValueError or TypeError is refused here with an error that says why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from graphkit import KerasTensor, ops, random
from graphkit.core.errors import DTypeError, InvalidArgumentError, InvalidTypeError, ShapeError

MATRIX = np.arange(6, dtype=np.float32).reshape(2, 3)
IDS = np.array([0, 1, 1], np.int32)
PAIR = np.ones((3, 5), np.float32), np.ones((3, 5), np.float32)
IMAGE = np.ones((1, 2, 2, 4), np.float32)

Refusal = tuple[Callable[[], Any], type[Exception], str]


def _square(name: str, *rest: Any) -> dict[str, Refusal]:
    shapes = ((None, None, 20), (20, None), (None, 20, 15), (2, 3))
    found: dict[str, Refusal] = {
        f"{name} of {shape}": (
            lambda shape=shape: getattr(ops, name)(KerasTensor(shape), *rest),  # type: ignore[misc]
            ShapeError,
            f"{name}: expected square matrices",
        )
        for shape in shapes
    }
    found[f"{name} of a vector"] = (lambda: getattr(ops, name)(MATRIX[0], *rest), ShapeError, "rank >= 2")
    return found


def _blocks(name: str) -> dict[str, Refusal]:
    found: dict[str, Refusal] = {
        f"{name} by {size}": (
            lambda size=size: getattr(ops, name)(IMAGE, size),  # type: ignore[misc]
            InvalidArgumentError,
            "`block_size` must be at least 2",
        )
        for size in (1, 0, -2)
    }
    found[f"{name} by a float"] = (lambda: getattr(ops, name)(IMAGE, 2.0), InvalidTypeError, "must be an int")
    return found


def _segments(name: str) -> dict[str, Refusal]:
    op = getattr(ops, name)
    return {
        f"{name} ids of two axes": (lambda: op(MATRIX, np.zeros((2, 3), np.int32)), ShapeError, "must have one axis"),
        f"{name} too few ids": (lambda: op(MATRIX, IDS), ShapeError, "must hold one id for each slice"),
        f"{name} ids of floats": (lambda: op(MATRIX[0], IDS.astype("float32")), DTypeError, "expects integer indices"),
        f"{name} fewer than none": (lambda: op(MATRIX[0], IDS, num_segments=-1), InvalidArgumentError, "must not be negative"),
    }  # fmt: skip


def _norms() -> dict[str, Refusal]:
    given = [
        (MATRIX[0], "fro", None), (MATRIX, "fro", 1), (MATRIX, "nuc", (0,)), (MATRIX, 0, None), (MATRIX, 3, (0, 1)),
        (MATRIX, "half", None), (MATRIX, "half", 0), (MATRIX[None], 2, None), (MATRIX[None], None, (0, 1, 2)),
    ]  # fmt: skip
    return {
        f"norm {ord_} of {x.ndim} axes over {axis}": (
            lambda x=x, ord_=ord_, axis=axis: ops.norm(x, ord=ord_, axis=axis),  # type: ignore[misc]
            InvalidArgumentError,
            "norm: ord=",
        )
        for x, ord_, axis in given
    }


def _pieces() -> dict[str, Refusal]:
    calls: dict[str, Callable[[Any], Any]] = {
        "stft": lambda n: ops.stft(MATRIX, 2, n, 2),
        "istft": lambda n: ops.istft(PAIR, 8, n, 8),
        "extract_sequences": lambda n: ops.extract_sequences(MATRIX, 2, n),
    }
    return {
        f"{name} with a stride of {stride}": (
            lambda call=call, stride=stride: call(stride),  # type: ignore[misc]
            InvalidArgumentError,
            f"{name}: `sequence_stride` must be a positive integer",
        )
        for name, call in calls.items()
        for stride in (0, -1, 0.5)
    }


_DISTRIBUTIONS: dict[str, tuple[Any, ...]] = {
    "uniform": (), "normal": (), "truncated_normal": (), "gamma": (1.0,), "beta": (1.0, 1.0), "binomial": (2, 0.5),
}  # fmt: skip

REFUSED: dict[str, Refusal] = {
    **{k: v for n in ("cholesky", "cholesky_inverse", "det", "eig", "eigh", "inv") for k, v in _square(n).items()},
    **{k: v for n in ("solve", "solve_triangular") for k, v in _square(n, np.ones(3, np.float32)).items()},
    **{k: v for n in ("depth_to_space", "space_to_depth") for k, v in _blocks(n).items()},
    **{k: v for n in ("segment_sum", "segment_max", "segment_min", "segment_prod") for k, v in _segments(n).items()},
    **_norms(),
    **_pieces(),
    "qr of unknown sizes": (lambda: ops.qr(KerasTensor((None, 20, None))), ShapeError, "qr expects matrices of known size"),
    "solve of other rows": (lambda: ops.solve(np.eye(3), np.ones(2)), ShapeError, "do not fit right-hand sides with 2 rows"),
    "solve of a batch": (lambda: ops.solve(np.eye(3), np.ones((2, 3, 1))), ShapeError, "as many axes as the matrices"),
    "lstsq of a batch": (lambda: ops.lstsq(MATRIX[None], np.ones((1, 2))), ShapeError, "lstsq expects a single matrix"),
    "lstsq of other rows": (lambda: ops.lstsq(MATRIX, np.ones(3)), ShapeError, "do not fit right-hand sides with 3 rows"),
    "squeeze of 3": (lambda: ops.squeeze(KerasTensor((None, 3)), axis=1), ShapeError, "its size is 3, not 1"),
    "squeeze of unknown": (lambda: ops.squeeze(KerasTensor((None, 3)), axis=0), ShapeError, "not known to be 1"),
    "segment_sum of flags": (lambda: ops.segment_sum(IDS > 0, IDS), DTypeError, "segment_sum expects numbers, got bool"),
    "segment_prod of flags": (lambda: ops.segment_prod(IDS > 0, IDS), DTypeError, "segment_prod expects numbers, got bool"),
    "bincount of floats": (lambda: ops.bincount(MATRIX[0]), DTypeError, "bincount expects integer indices"),
    "take by floats": (lambda: ops.take(MATRIX, MATRIX[0]), DTypeError, "take expects integer indices"),
    "pad by less than nothing": (lambda: ops.pad(MATRIX, -1), InvalidArgumentError, "no width may be negative"),
    "pad by halves": (lambda: ops.pad(MATRIX, 0.5), InvalidTypeError, "a width must be an integer"),
    "pad by three": (lambda: ops.pad(MATRIX, [1, 2, 3]), ShapeError, "a pair for each of the 2 axes"),
    "diagonal of one axis twice": (lambda: ops.diagonal(MATRIX, axis1=1, axis2=-1), ShapeError, "two different axes"),
    **{
        f"{name} of nothing": (lambda name=name: getattr(ops, name)(np.zeros((0, 3), np.float32), axis=0), ShapeError, "no elements")
        for name in ("amax", "amin", "max", "min", "argmax", "argmin", "nanargmax", "nanargmin")
    },
    "split at places that fall": (lambda: ops.split(MATRIX, [2, 1], axis=1), ShapeError, "must be ascending and within"),
    "split behind the end": (lambda: ops.split(MATRIX, [9], axis=1), ShapeError, "must be ascending and within"),
    "pad with a value at the edge": (lambda: ops.pad(MATRIX, 1, "edge", 7), InvalidArgumentError, "requires mode='constant'"),
    "moveaxis of two to one": (lambda: ops.moveaxis(MATRIX, (0, 1), 0), ShapeError, "must hold the same number of axes"),
    "concatenate of nothing": (lambda: ops.concatenate([]), InvalidArgumentError, "at least one tensor"),
    "linspace of less than none": (lambda: ops.linspace(0, 1, num=-1), InvalidArgumentError, "must not be negative"),
    "arange of an unknown size": (
        lambda: ops.arange(ops.shape(KerasTensor((None, 3)))[0]),
        InvalidArgumentError,
        "`start` must be a known number, got None",
    ),
    "negative power of integers": (lambda: ops.power(IDS, np.array([-1, 0, 1])), InvalidArgumentError, "negative powers"),
    "trace of a vector": (lambda: ops.trace(MATRIX[0]), ShapeError, "at least two axes"),
    "vander of a matrix": (lambda: ops.vander(MATRIX), ShapeError, "vander expects one axis"),
    **{
        f"random.{name} of {kind}": (
            lambda name=name, args=args, kind=kind: getattr(random, name)((2,), *args, dtype=kind),
            InvalidArgumentError,
            f"random.{name}: `dtype` must be a floating point dtype",
        )
        for name, args in _DISTRIBUTIONS.items()
        for kind in ("int32", "uint8", "bool")
    },
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused(name: str) -> None:
    call, kind, words = REFUSED[name]
    with pytest.raises(kind, match=words):
        call()


TAKEN: dict[str, tuple[Callable[[], Any], tuple[int | None, ...]]] = {  # no dtype is checked while shapes alone are asked for
    "take": (lambda: ops.take(KerasTensor((5, 2)), KerasTensor((3,)), axis=0), (3, 2)),
    "take_along_axis": (lambda: ops.take_along_axis(KerasTensor((5, 2)), KerasTensor((1, 2)), axis=0), (1, 2)),
    "in_top_k": (lambda: ops.in_top_k(KerasTensor((3,)), KerasTensor((3, 4)), k=2), (3,)),
    "bitwise_and": (lambda: ops.bitwise_and(KerasTensor((3,)), KerasTensor((3,))), (3,)),
    "bitwise_not": (lambda: ops.bitwise_not(KerasTensor((3,))), (3,)),
    "left_shift": (lambda: ops.left_shift(KerasTensor((3,)), KerasTensor((3,))), (3,)),
    "gcd": (lambda: ops.gcd(KerasTensor((3,)), KerasTensor((3,))), (3,)),
    "lcm": (lambda: ops.lcm(KerasTensor((3,)), KerasTensor((2, 1))), (2, 3)),
    "ldexp": (lambda: ops.ldexp(KerasTensor((3,)), KerasTensor((3,))), (3,)),
    "unravel_index": (lambda: ops.unravel_index(KerasTensor((3,)), (2, 2))[1], (3,)),
    "fft": (lambda: ops.fft((KerasTensor((3,), "int32"), KerasTensor((3,), "int32")))[0], (3,)),
    "inv": (lambda: ops.inv(KerasTensor((None, None))), (None, None)),
    "det": (lambda: ops.det(KerasTensor((None, 20, 20))), (None,)),
    "solve": (lambda: ops.solve(KerasTensor((None, 20, 20)), KerasTensor((None, 20))), (None, 20)),
}  # fmt: skip


@pytest.mark.parametrize("name", TAKEN)
def test_a_symbolic_tensor_is_taken(name: str) -> None:
    call, shape = TAKEN[name]
    assert tuple(call().shape) == shape
