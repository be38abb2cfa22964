"""Pooling: values against direct loops over windows, ties, padding, gradients, sizes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from graphkit import ops
from graphkit.core import threads
from graphkit.core.dims import Dim
from graphkit.core.errors import InvalidArgumentError, ShapeError
from graphkit.ir.gradient import grad
from graphkit.ir.spec import TensorSpec, spec
from graphkit.ir.tracing import trace
from graphkit.ops import _pool, pooling
from graphkit.ops._windows import output_sizes, resolve_padding


def normal(*shape: int, seed: int = 0) -> Any:
    return np.random.Generator(np.random.Philox(seed)).normal(size=shape)


def windows(x: Any, window: Any, strides: Any, pads: Any) -> Iterator[tuple[Any, Any]]:
    """(place of the output, index of the part of x) for every window; channels last."""
    ones = (1,) * len(window)
    outs = output_sizes(x.shape[1:-1], window, strides, ones, pads)
    for place in itertools.product(*map(range, outs)):
        starts = [p * s - before for p, s, (before, _) in zip(place, strides, pads, strict=True)]
        inside = tuple(slice(max(a, 0), min(a + k, n)) for a, k, n in zip(starts, window, x.shape[1:-1], strict=True))
        yield (slice(None), *place), (slice(None), *inside)


def direct(x: Any, function: Any, window: Any, strides: Any, pads: Any) -> Any:
    """Each window's part of x reduced by a NumPy function."""
    outs = output_sizes(x.shape[1:-1], window, strides, (1,) * len(window), pads)
    result = np.zeros((x.shape[0], *outs, x.shape[-1]))
    for place, inside in windows(x, window, strides, pads):
        result[place] = function(x[inside], axis=tuple(range(1, x.ndim - 1)))
    return result


CONFIGURATIONS = [
    ((6,), (2,), (2,), "valid"),
    ((7,), (3,), (1,), "same"),
    ((6, 7), (2, 2), (2, 2), "valid"),
    ((6, 7), (3, 2), (2, 1), "same"),
    ((5, 5), (2, 2), (3, 3), "valid"),
    ((4, 5), (1, 1), (2, 2), "valid"),
    ((4, 5), (5, 6), (1, 1), "same"),
    ((4, 5, 3), (2, 3, 2), (2, 1, 2), "same"),
    ((4, 4, 4), (2, 2, 2), (2, 2, 2), "valid"),
]


@pytest.fixture(
    params=[(1, 512 * 1024), (2, 512 * 1024), (2, 100)], ids=["one thread", "two threads", "image by image"]
)
def cut(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The ways in which the work is distributed."""
    count, size = request.param
    before = threads.num_threads()
    monkeypatch.setattr(_pool, "_CHUNK_BYTES", size)
    threads.set_num_threads(count)
    yield
    threads.set_num_threads(before)


@pytest.mark.usefixtures("cut")
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("name", ["max_pool", "average_pool"])
@pytest.mark.parametrize(("sizes", "window", "strides", "padding"), CONFIGURATIONS)
def test_each_window_is_reduced(
    sizes: Any, window: Any, strides: Any, padding: str, name: str, data_format: str
) -> None:
    x = normal(3, *sizes, 2)
    pads = resolve_padding(padding, sizes, window, strides, (1,) * len(sizes))
    given = x if data_format == "channels_last" else np.moveaxis(x, -1, 1)
    found = getattr(ops, name)(given, window, strides, padding, data_format)
    found = found if data_format == "channels_last" else np.moveaxis(found, 1, -1)
    np.testing.assert_allclose(found, direct(x, np.max if name == "max_pool" else np.mean, window, strides, pads))


@pytest.mark.usefixtures("cut")
@pytest.mark.parametrize(("sizes", "window", "strides", "padding"), CONFIGURATIONS)
def test_the_gradient_of_a_maximum_goes_to_the_first_of_equals(
    sizes: Any, window: Any, strides: Any, padding: str
) -> None:
    x = np.random.Generator(np.random.Philox(3)).integers(0, 3, (3, *sizes, 2)).astype("float64")
    pads = resolve_padding(padding, sizes, window, strides, (1,) * len(sizes))
    params = {"window": window, "strides": strides, "padding": pads, "data_format": "channels_last"}
    y = pooling.max_pool_p.bind(x, **params)
    g = normal(*y.shape, seed=1)
    wanted = np.zeros_like(x)
    for place, inside in windows(x, window, strides, pads):
        part, target = x[inside], wanted[inside]
        for image, channel in itertools.product(range(3), range(2)):
            first = np.unravel_index(np.argmax(part[image, ..., channel]), part.shape[1:-1])
            target[(image, *first, channel)] += g[(image, *place[1:], channel)]
    found = pooling.max_pool_grad_p.bind(g, x, y, **params)
    np.testing.assert_allclose(found, wanted)
    picked = pooling.max_pool_pick_p.bind(x, x, y, **params)
    np.testing.assert_allclose(picked, y)


@pytest.mark.usefixtures("cut")
@pytest.mark.parametrize(("sizes", "window", "strides", "padding"), CONFIGURATIONS)
def test_the_gradient_of_a_mean_is_its_transpose(sizes: Any, window: Any, strides: Any, padding: str) -> None:
    x = normal(3, *sizes, 2)
    pads = resolve_padding(padding, sizes, window, strides, (1,) * len(sizes))
    params = {"window": window, "strides": strides, "padding": pads, "data_format": "channels_last"}
    y = pooling.average_pool_p.bind(x, **params)
    g = normal(*y.shape, seed=1)
    dx = pooling.average_pool_grad_p.bind(g, sizes=sizes, **params)
    np.testing.assert_allclose(np.sum(dx * x), np.sum(g * y))


def test_padding_does_not_count_in_a_mean() -> None:
    assert ops.average_pool(np.ones((1, 5, 1)), 3, 2, "same").ravel().tolist() == [1, 1, 1]


def test_negative_numbers_win_against_padding() -> None:
    assert ops.max_pool(np.full((1, 3, 1), -5.0), 3, 1, "same").ravel().tolist() == [-5, -5, -5]


def test_integers_have_maxima_too() -> None:
    found = ops.max_pool(np.array([[[-3], [-7], [-1]]], "int32"), 3, 1, "same")
    assert (found.dtype, found.ravel().tolist()) == ("int32", [-3, -1, -1])


def test_strides_are_the_window_by_default() -> None:
    assert ops.max_pool(np.zeros((1, 7, 2)), 3).shape == (1, 2, 2)


def test_strided_views_are_read_right() -> None:
    x = normal(4, 9, 6, 3)[::2, ::-1].transpose(0, 2, 1, 3)
    np.testing.assert_array_equal(ops.max_pool(x, 2), ops.max_pool(x.copy(), 2))


def test_unknown_sizes() -> None:
    program = trace(lambda x: ops.max_pool(x, (3, 2), (2, 2), "same"), spec("b", "h", 7, 2))
    assert program.outputs[0].spec == TensorSpec((Dim.named("b"), (Dim.named("h") + 1) // 2, 4, 2), "float32")
    assert program.equations[0].params["padding"] == "same"


def test_second_derivatives_exist() -> None:
    def loss(x: Any) -> Any:
        return ops.sum(ops.square(ops.max_pool(x, 2)))

    twice = grad(grad(trace(loss, spec(1, 4, 1, dtype="float64")), [0]), [0])
    twice.check()


def test_a_window_larger_than_the_input_is_refused() -> None:
    with pytest.raises(ShapeError, match="output size would be zero or negative"):
        ops.max_pool(np.zeros((1, 3, 3, 2)), 4)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="`pool_size` argument must be a tuple of 2 integers"):
        ops.average_pool(np.zeros((1, 3, 3, 2)), (2, 2, 2))
    with pytest.raises(InvalidArgumentError, match="padding='reflect'"):
        ops.average_pool(np.zeros((1, 3, 3, 2)), 2, padding="reflect")
    with pytest.raises(ShapeError, match="1, 2 or 3 spatial axes"):
        ops.max_pool(np.zeros((3, 2)), 2)
