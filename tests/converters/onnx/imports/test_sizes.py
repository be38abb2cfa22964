"""Graphs with free sizes: shape arithmetic in floats, quotients, and operators whose shapes depend on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import graphkit

from .graphs import graph_model, info, real, reference, saved, weights
from .test_graph import check, outputs

node = helper.make_node
FREE = ("batch", 2, "height", "width")


def agrees(model: onnx.ModelProto, folder: Path, *batches: Any) -> Any:
    """Compare a model with onnxruntime for batches of several sizes, as nodes and lifted."""
    imported = check(model, folder, batches[0])
    lifted = graphkit.load(saved(model, folder))
    for x in batches:
        (wanted,) = reference(model, x)
        for made in (imported, lifted):
            np.testing.assert_allclose(outputs(made, x)[0], wanted, rtol=1e-4, atol=1e-5)
    return lifted


def constants(**arrays: Any) -> list[onnx.TensorProto]:
    return [numpy_helper.from_array(np.asarray(a), name) for name, a in arrays.items()]


@pytest.mark.parametrize("transformation", ["half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel"])
@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize("exclude", [0, 1])
def test_resize_of_free_sizes(tmp_path: Path, mode: str, transformation: str, exclude: int) -> None:
    if exclude and mode == "linear":
        return
    resize = node(
        "Resize",
        ["x", "", "scales"],
        ["y"],
        mode=mode,
        coordinate_transformation_mode=transformation,
        exclude_outside=exclude,
    )
    model = graph_model([resize], [info("x", *FREE)], ["y"], constants(scales=np.array([1, 1, 2, 1.5], np.float32)))
    agrees(model, tmp_path, real(2, 2, 4, 6), real(1, 2, 7, 4))


def test_sizes_computed_in_floats(tmp_path: Path) -> None:
    """The old form of an interpolation by a factor: floor(height * 1.5), cast to integers."""
    nodes = [
        node("Shape", ["x"], ["s"], start=2, end=4),
        node("Cast", ["s"], ["f"], to=TensorProto.FLOAT),
        node("Mul", ["f", "factor"], ["m"]),
        node("Floor", ["m"], ["r"]),
        node("Cast", ["r"], ["i"], to=TensorProto.INT64),
        node("Shape", ["x"], ["first"], start=0, end=2),
        node("Concat", ["first", "i"], ["sizes"], axis=0),
        node(
            "Resize",
            ["x", "", "", "sizes"],
            ["y"],
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        ),
    ]
    model = graph_model(nodes, [info("x", *FREE)], ["y"], constants(factor=np.float32(1.5)))
    agrees(model, tmp_path, real(2, 2, 4, 6), real(1, 2, 5, 3))


def test_quotients_of_sizes_in_floats(tmp_path: Path) -> None:
    """height / (2 * height) is a number; height / width is computed when the model runs."""
    nodes = [
        node("Shape", ["x"], ["h1"], start=2, end=3),
        node("Shape", ["x"], ["w1"], start=3, end=4),
        node("Cast", ["h1"], ["h"], to=TensorProto.FLOAT),
        node("Cast", ["w1"], ["w"], to=TensorProto.FLOAT),
        node("Mul", ["h", "two"], ["h2"]),
        node("Div", ["h", "h2"], ["half"]),
        node("Div", ["h", "w"], ["aspect"]),
        node("Mul", ["x", "half"], ["a"]),
        node("Mul", ["a", "aspect"], ["y"]),
    ]
    model = graph_model(nodes, [info("x", *FREE)], ["y"], constants(two=np.float32(2)))
    imported = agrees(model, tmp_path, real(2, 2, 4, 6), real(1, 2, 5, 3))
    assert imported is not None


def test_range_of_floats_up_to_a_free_size(tmp_path: Path) -> None:
    nodes = [
        node("Shape", ["x"], ["s"], start=3, end=4),
        node("Squeeze", ["s"], ["n"]),
        node("Cast", ["n"], ["f"], to=TensorProto.FLOAT),
        node("Range", ["zero", "f", "one"], ["r"]),
        node("Add", ["x", "r"], ["y"]),
    ]
    model = graph_model(nodes, [info("x", *FREE)], ["y"], constants(zero=np.float32(0), one=np.float32(1)))
    agrees(model, tmp_path, real(2, 2, 4, 6), real(1, 2, 5, 3))


def test_a_free_size_is_split_by_a_known_divisor(tmp_path: Path) -> None:
    """Pixel unshuffling: the height becomes (height / 2, 2)."""
    nodes = [
        node("Reshape", ["x", "rows"], ["a"]),
        node("Transpose", ["a"], ["b"], perm=[0, 1, 3, 2, 4]),
        node("Reshape", ["b", "joined"], ["y"]),
    ]
    known = constants(rows=np.array([0, 0, -1, 2, 1]), joined=np.array([0, 4, -1, 1]))
    model = graph_model(nodes, [info("x", "batch", 2, "height", 1)], ["y"], known)
    agrees(model, tmp_path, real(2, 2, 4, 1), real(1, 2, 10, 1))


def test_circular_padding_of_free_sizes(tmp_path: Path) -> None:
    model = graph_model(
        [node("Pad", ["x", "pads"], ["y"], mode="wrap")],
        [info("x", *FREE)],
        ["y"],
        constants(pads=np.array([0, 0, 1, 2, 0, 0, 2, 1])),
    )
    agrees(model, tmp_path, real(2, 2, 4, 6), real(1, 2, 5, 3))


def test_resize_by_a_float32_factor_rounds_as_onnxruntime(tmp_path: Path) -> None:
    """12 * float32(7 / 12) is less than 7, but 7 in float32."""
    scales = np.array([1, 1, 7 / 12, 9 / 12], np.float32)
    resize = node("Resize", ["x", "", "scales"], ["y"], mode="linear")
    model = graph_model([resize], [info("x", "batch", 2, 12, 12)], ["y"], constants(scales=scales))
    agrees(model, tmp_path, real(2, 2, 12, 12), real(1, 2, 12, 12))


@pytest.mark.parametrize("operator", ["Conv", "MaxPool", "AveragePool"])
def test_same_padding_with_strides_of_free_sizes(tmp_path: Path, operator: str) -> None:
    inputs = ["x", "w"] if operator == "Conv" else ["x"]
    window = node(operator, inputs, ["y"], auto_pad="SAME_UPPER", strides=[2, 2], kernel_shape=[3, 3])
    model = graph_model(
        [window], [info("x", *FREE)], ["y"], constants(w=real(3, 2, 3, 3)) if operator == "Conv" else ()
    )
    agrees(model, tmp_path, real(2, 2, 5, 6), real(1, 2, 8, 7))


@pytest.mark.parametrize("pads", [[0, 0, 0, 0], [1, 1, 1, 1]])
def test_ceil_mode_of_free_sizes(tmp_path: Path, pads: list[int]) -> None:
    pool = node("MaxPool", ["x"], ["y"], ceil_mode=1, strides=[2, 2], kernel_shape=[3, 3], pads=pads)
    model = graph_model([pool], [info("x", *FREE)], ["y"])
    agrees(model, tmp_path, real(2, 2, 5, 6), real(1, 2, 8, 7))


def test_positions_of_the_largest_elements_of_a_free_batch(tmp_path: Path) -> None:
    pool = node("MaxPool", ["x"], ["largest", "y"], strides=[2, 2], kernel_shape=[2, 2])
    model = graph_model([pool], [info("x", *FREE)], ["y"], output_dtype="int64")
    agrees(model, tmp_path, real(2, 2, 4, 6), real(3, 2, 8, 4))


def test_a_slice_to_a_billion_takes_a_free_axis_whole(tmp_path: Path) -> None:
    cut = node("Slice", ["x", "starts", "ends", "axes"], ["y"])
    known = constants(starts=np.array([0, 1]), ends=np.array([10**9, 10**9]), axes=np.array([2, 3]))
    model = graph_model([cut], [info("x", *FREE)], ["y"], known)
    agrees(model, tmp_path, real(2, 2, 4, 6), real(3, 2, 8, 4))


def test_a_constant_is_cut_at_a_free_size(tmp_path: Path) -> None:
    """Position numbers, of which as many are taken as there are words."""
    nodes = [
        node("Shape", ["x"], ["s"], start=3, end=4),
        node("Slice", ["positions", "zero", "s", "axis"], ["p"]),
        node("Gather", ["table", "p"], ["e"]),
        node("Add", ["x", "e"], ["y"]),
    ]
    known = constants(positions=np.arange(8)[None], zero=np.array([0]), axis=np.array([1]), table=real(8))
    model = graph_model(nodes, [info("x", *FREE)], ["y"], known)
    agrees(model, tmp_path, real(2, 2, 4, 6), real(3, 2, 8, 4))


@pytest.mark.parametrize("operator", ["Max", "Min"])
@pytest.mark.parametrize("shape", [(2, 3, 5), (2, 6, 4), (1, 4, 4)])
def test_the_larger_and_the_smaller_of_free_sizes(tmp_path: Path, operator: str, shape: tuple[int, ...]) -> None:
    """Pad images to squares of the larger side; cut them to squares of the smaller one."""
    ends = {
        "Max": [
            node("Sub", ["side", "sizes"], ["rest"]), node("Concat", ["zeros", "rest"], ["pads"], axis=0),
            node("Pad", ["x", "pads", "", "axes"], ["y"]),
        ],
        "Min": [node("Concat", ["side", "side"], ["square"], axis=0), node("Slice", ["x", "zeros", "square", "axes"], ["y"])],
    }  # fmt: skip
    nodes = [
        node("Shape", ["x"], ["sizes"], start=1),
        node("Split", ["sizes"], ["h", "w"], num_outputs=2),
        node(operator, ["h", "w"], ["side"]),
        *ends[operator],
    ]
    constants = weights(zeros=np.array([0, 0]), axes=np.array([1, 2]))
    check(graph_model(nodes, [info("x", "n", "h", "w")], ["y"], constants), tmp_path, real(*shape))
