"""NumPy's functions on eager tensors give plain arrays, like those of arrays; layers and ops give eager tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from graphkit import ops
from graphkit.ir.eager_tensor import EagerTensor

PLAIN = np.arange(12.0, dtype="float32").reshape(3, 4)
FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "zeros_like": np.zeros_like,
    "full_like": lambda x: np.full_like(x, 3),
    "copy": np.copy,
    "apply_along_axis": lambda x: np.apply_along_axis(lambda row: row * 2, 1, x),
    "apply_along_axis with ops": lambda x: np.apply_along_axis(lambda row: ops.cumsum(row), 1, x),
    "vectorize": lambda x: np.vectorize(lambda row: ops.sum(row), signature="(n)->()")(x),
    "concatenate": lambda x: np.concatenate([x, x]),
    "stack of a dict's values": lambda x: np.stack(list({"a": x, "b": x}.values())),
    "where": lambda x: np.where(x > 3, x, 0),
    "sort": np.sort,
    "reshape": lambda x: np.reshape(x, (-1,)),
    "transpose": np.transpose,
    "pad": lambda x: np.pad(x, 1),
    "broadcast_to": lambda x: np.broadcast_to(x, (2, 3, 4)).copy(),
    "einsum": lambda x: np.einsum("ij->j", x),
    "mean": lambda x: np.mean(x, axis=0),
    "clip": lambda x: np.clip(x, 1, 2),
    "linalg.norm": lambda x: np.linalg.norm(x, axis=0),
    "fft": lambda x: np.fft.fft(x),
    "sliding_window_view": lambda x: np.lib.stride_tricks.sliding_window_view(x, 2, axis=1).copy(),
    "take_along_axis": lambda x: np.take_along_axis(x, np.argsort(x), axis=-1),
    "split": lambda x: np.split(x, 2, axis=1)[1],
    "meshgrid": lambda x: np.meshgrid(x[0], x[1])[0],
    "unique": lambda x: np.unique(x, return_counts=True)[1],
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_of_numpy_gives_a_plain_array_that_can_be_written_to(name: str) -> None:
    tensor = ops.convert_to_tensor(PLAIN)

    made = FUNCTIONS[name](tensor)

    assert type(made) is np.ndarray
    np.testing.assert_array_equal(made, FUNCTIONS[name](PLAIN))
    made[...] = 0


def test_a_function_of_numpy_writes_into_the_given_array() -> None:
    out = np.zeros(4, "float32")

    made = np.mean(ops.convert_to_tensor(PLAIN), axis=0, out=out)

    assert made is out
    np.testing.assert_array_equal(out, PLAIN.mean(axis=0))


def test_ops_still_give_eager_tensors() -> None:
    tensor = ops.convert_to_tensor(PLAIN)

    assert isinstance(tensor, EagerTensor)
    assert all(
        isinstance(t, EagerTensor)
        for t in (tensor + 1, tensor[0], ops.zeros_like(tensor), ops.concatenate([tensor, tensor]))
    )
