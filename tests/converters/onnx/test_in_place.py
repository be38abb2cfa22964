"""Opening of ONNX files whose weights stay where they are. Values are compared with those that the onnx package reads."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import graphkit
from graphkit import errors
from graphkit.converters.onnx import in_place
from graphkit.converters.onnx.files import opened_message, read_message

SHAPE = (512, 300)  # above the sizes from which tensors are cut out and mapped
DTYPES = ("float32", "float16", "float64", "bfloat16", "int8", "int32", "uint8", "bool", "int4", "float8_e4m3fn")


def values(dtype: str) -> Any:
    kind = helper.tensor_dtype_to_np_dtype(getattr(onnx.TensorProto, {"bool": "BOOL", "float32": "FLOAT", "float64": "DOUBLE",
        "float8_e4m3fn": "FLOAT8E4M3FN"}.get(dtype, dtype.upper())))  # fmt: skip
    return np.random.default_rng(0).integers(0, 2 if dtype == "bool" else 7, (1024, 1024)).astype(kind)


def file_of(folder: Path, arrays: dict[str, Any], external: bool) -> Path:
    """Write a model that returns its input, and has the arrays as initializers."""
    x, y = (helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, [1]) for n in "xy")
    tensors = [numpy_helper.from_array(a, n) for n, a in arrays.items()]
    model = helper.make_model(helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y], tensors))
    path = folder / "m.onnx"
    onnx.save(model, path, save_as_external_data=external, location="m.data", size_threshold=1024)
    return path


@pytest.mark.parametrize("external", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_tensors_have_the_values_that_onnx_reads(tmp_path: Path, dtype: str, external: bool) -> None:
    path = file_of(tmp_path, {"w": values(dtype), "small": values(dtype)[:2, :3]}, external)
    message, whole = opened_message(path), onnx.load(path)
    for tensor, expected in zip(message.graph.initializer, whole.graph.initializer, strict=True):
        got, wanted = in_place.tensor_array(tensor, path), numpy_helper.to_array(expected)
        assert got.dtype == wanted.dtype
        np.testing.assert_array_equal(got.astype(np.float32), wanted.astype(np.float32))
    for tensor in whole.graph.initializer:
        tensor.ClearField("data_location")  # onnx.load sets it to its default
    assert read_message(path).SerializeToString() == whole.SerializeToString()


def test_the_data_of_large_tensors_is_not_parsed(tmp_path: Path) -> None:
    path = file_of(tmp_path, {"w": np.zeros((1024, 1024), np.float32)}, external=False)
    tensor = opened_message(path).graph.initializer[0]
    assert not tensor.raw_data
    assert in_place.is_here(tensor)


def test_large_external_tensors_are_mapped_and_may_be_written_to(tmp_path: Path) -> None:
    path = file_of(tmp_path, {"w": np.zeros((1024, 1024), np.float32)}, external=True)
    tensor = opened_message(path).graph.initializer[0]
    tracemalloc.start()
    array = in_place.tensor_array(tensor, path)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()
    array += 1
    assert in_place.tensor_array(tensor, path).max() == 0


def test_a_model_trains_on_mapped_weights_and_leaves_the_file_unchanged(tmp_path: Path) -> None:
    w = np.random.default_rng(0).standard_normal((1024, 512)).astype(np.float32) / 32
    x, y = (helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, ["n", s]) for n, s in (("x", 1024), ("y", 512)))
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", [x], [y], [numpy_helper.from_array(w, "w")])
    path = tmp_path / "m.onnx"
    onnx.save(helper.make_model(graph), path, save_as_external_data=True, location="m.data", size_threshold=1024)
    before = (tmp_path / "m.data").read_bytes()
    model = graphkit.models.load_model(path)
    model.compile("sgd", "mse")
    model.fit(np.ones((8, 1024), np.float32), np.zeros((8, 512), np.float32), verbose=0)
    assert np.abs(model.get_weights()[0] - w).max() > 0
    assert (tmp_path / "m.data").read_bytes() == before


@pytest.mark.parametrize("length", [100, 3000, -100])
@pytest.mark.parametrize("external", [False, True])
def test_a_truncated_file_is_refused(tmp_path: Path, external: bool, length: int) -> None:
    path = file_of(tmp_path, {"w": np.zeros(SHAPE, np.float32)}, external)
    damaged = tmp_path / ("m.data" if external else "m.onnx")
    damaged.write_bytes(damaged.read_bytes()[:length])
    with pytest.raises(errors.SerializationError):
        graphkit.load(path)


def test_external_data_of_a_model_in_memory_is_asked_for_by_path(tmp_path: Path) -> None:
    path = file_of(tmp_path, {"w": np.zeros(SHAPE, np.float32)}, external=True)
    with pytest.raises(errors.SerializationError, match="not beside it"):
        graphkit.load(path.read_bytes())


@pytest.mark.parametrize("seed", range(20))
def test_damaged_bytes_give_a_typed_error_or_the_message_that_protobuf_reads(tmp_path: Path, seed: int) -> None:
    path = file_of(tmp_path, {"w": np.zeros(SHAPE, np.float32)}, external=False)
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(seed)
    for place in rng.integers(0, 200, 3):
        content[place] = rng.integers(256)
    path.write_bytes(content)
    try:
        message = read_message(path)
    except errors.GraphKitError:
        return
    assert message == onnx.load_from_string(bytes(content))
