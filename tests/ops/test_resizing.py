"""Resizing: the matrices, layouts, aspect ratios; numbers against onnxruntime's Resize and by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphkit.core.errors import InvalidArgumentError, ShapeError
from graphkit.ir.spec import spec
from graphkit.ir.tracing import trace
from graphkit.ops.resizing import INTERPOLATIONS, resize, resize_matrix


def normal(*shape: int) -> Any:
    return np.random.Generator(np.random.Philox(0)).normal(size=shape)


_ONNX: dict[str, dict[str, Any]] = {
    "bilinear": {"mode": "linear"},
    "bicubic": {"mode": "cubic", "cubic_coeff_a": -0.5, "exclude_outside": 1},
}


@pytest.mark.parametrize("size", [(8, 6), (4, 3), (5, 7), (1, 9), (12, 2)])
@pytest.mark.parametrize("interpolation", list(_ONNX))
def test_onnxruntime_agrees(interpolation: str, size: tuple[int, int]) -> None:
    import onnxruntime
    from onnx import TensorProto, helper

    x = normal(2, 3, 4, 3).astype("float32")
    node = helper.make_node(
        "Resize", ["x", "", "", "s"], ["y"], coordinate_transformation_mode="half_pixel", **_ONNX[interpolation]
    )
    infos = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, [None] * 4),
        helper.make_tensor_value_info("s", TensorProto.INT64, [4]),
    ]
    graph = helper.make_graph(
        [node], "resize", infos, [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * 4)]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    wanted = session.run(None, {"x": x, "s": np.array([2, 3, *size], "int64")})[0]
    np.testing.assert_allclose(
        resize(x, size, interpolation, data_format="channels_first"), wanted, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_the_weights_of_a_position_sum_to_one(interpolation: str, antialias: bool) -> None:
    for old, new in ((3, 7), (7, 3), (5, 5), (1, 4), (4, 1)):
        np.testing.assert_allclose(resize_matrix(old, new, interpolation, antialias).sum(axis=1), 1)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_the_same_size_changes_nothing(interpolation: str) -> None:
    x = normal(2, 4, 5, 3)
    np.testing.assert_allclose(resize(x, (4, 5), interpolation), x, atol=1e-12)


def test_nearest_repeats_for_whole_factors() -> None:
    x = np.arange(6.0).reshape(1, 2, 3, 1)
    np.testing.assert_array_equal(resize(x, (4, 9), "nearest"), x.repeat(2, axis=1).repeat(3, axis=2))


def test_bilinear_by_hand() -> None:
    assert resize(np.array([0.0, 1.0]).reshape(1, 2, 1), (1, 4)).ravel().tolist() == [0, 0.25, 0.75, 1]


def test_antialiasing_averages_when_it_shrinks() -> None:
    x = np.array([0.0, 1.0] * 4).reshape(1, 8, 1)
    found = resize(x, (1, 2), antialias=True).ravel()
    # a triangle of half-width 4 around 1.5: weights 5 7 7 5 3 1 over 28, the ones stand at the odd places
    np.testing.assert_allclose(found, [13 / 28, 15 / 28])


def test_one_image_and_both_layouts() -> None:
    x = normal(4, 5, 3)
    last = resize(x, (6, 2))
    np.testing.assert_allclose(resize(x[None], (6, 2))[0], last)
    np.testing.assert_allclose(
        resize(x.transpose(2, 0, 1), (6, 2), data_format="channels_first"), last.transpose(2, 0, 1)
    )


def test_cropping_and_padding_keep_the_aspect_ratio() -> None:
    x = normal(1, 4, 8, 1)
    np.testing.assert_allclose(resize(x, (4, 4), crop_to_aspect_ratio=True), x[:, :, 2:6])
    padded = resize(x, (8, 8), "nearest", pad_to_aspect_ratio=True, fill_value=9.0)
    np.testing.assert_array_equal(padded, np.pad(x, ((0, 0), (2, 2), (0, 0), (0, 0)), constant_values=9.0))


def test_unknown_sizes() -> None:
    program = trace(lambda x: resize(x, (x.shape[1] * 2, 7)), spec("b", "h", 4, 3))
    assert str(program.outputs[0].spec) == "float32[b, 2*h, 7, 3]"


def test_wrong_arguments_are_refused() -> None:
    x = normal(1, 4, 4, 1)
    with pytest.raises(InvalidArgumentError, match="tuple of 2 integers"):
        resize(x, (3,))
    with pytest.raises(InvalidArgumentError, match="positive height and width"):
        resize(x, (0, 3))
    with pytest.raises(InvalidArgumentError, match="interpolation=area"):
        resize(x, (3, 3), "area")
    with pytest.raises(InvalidArgumentError, match="only one of"):
        resize(x, (3, 3), crop_to_aspect_ratio=True, pad_to_aspect_ratio=True)
    with pytest.raises(ShapeError, match="rank 3"):
        resize(normal(4, 4), (3, 3))
