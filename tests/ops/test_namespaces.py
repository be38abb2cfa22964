"""ops.numpy, ops.nn, ops.linalg and ops.image export what Keras' namespaces export."""

from __future__ import annotations

import pytest

from graphkit import ops
from graphkit.ops._namespaces import NN, NUMPY
from graphkit.ops.image import __all__ as image_names
from graphkit.ops.linalg import __all__ as linalg_names


@pytest.mark.parametrize(
    ("space", "names"), [("numpy", NUMPY), ("nn", NN), ("linalg", linalg_names), ("image", image_names)]
)
def test_every_name_is_an_op(space: str, names: list[str]) -> None:
    assert [n for n in names if not callable(getattr(getattr(ops, space), n, None))] == []


def test_a_namespace_shows_the_very_op() -> None:
    assert ops.numpy.sum is ops.sum
    assert ops.nn.conv is ops.conv
    assert ops.linalg.norm is ops.norm


def test_a_name_that_is_no_op_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"'graphkit\.ops\.numpy' has no attribute 'loadtxt'"):
        _ = ops.numpy.loadtxt
