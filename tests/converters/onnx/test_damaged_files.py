"""Files from strangers: whatever an ONNX file holds, reading it gives a model or one of graphkit's errors, soon and in little memory."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import graphkit
from graphkit.errors import GraphKitError, SerializationError, UnsafePathError

from . import mutations

LARGE = 1 << 40


def model(
    nodes: Sequence[onnx.NodeProto],
    initializers: Sequence[onnx.TensorProto] = (),
    shape: Sequence[Any] = ("batch", 3),
    opset: int = 17,
) -> onnx.ModelProto:
    """A model of these nodes from "x" to "y"."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "g", [x], [y], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def tensor(name: str, values: Any) -> onnx.TensorProto:
    return numpy_helper.from_array(np.asarray(values), name)


def node(op: str, inputs: str, outputs: str = "y", **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op, inputs.split(), outputs.split(), name=f"{op}_of_{outputs.split()[0]}", **attributes)


def load(message: onnx.ModelProto, folder: Path, **words: Any) -> Any:
    path = folder / "m.onnx"
    path.write_bytes(message.SerializeToString())
    return graphkit.load(path, **words)


@pytest.fixture(autouse=True)
def _bounded_memory() -> Iterator[None]:
    """No test of this module may allocate more than a gigabyte."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 30), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


# ----- graphs that are not graphs -----

ADD = node("Add", "x b")
B = tensor("b", np.ones(3, "float32"))


def with_changes(change: Callable[[onnx.ModelProto], Any]) -> onnx.ModelProto:
    message = model([ADD], [B])
    change(message)
    return message


MALFORMED: dict[str, tuple[onnx.ModelProto, str]] = {
    "a cycle": (model([node("Add", "x z", "w"), node("Relu", "w", "z"), node("Relu", "z")]), "no value 'z'"),
    "a missing input": (model([node("Add", "x nothing")]), "no value 'nothing'"),
    "a missing output": (model([node("Relu", "x", "z")]), "no value 'y'"),
    "an input too many": (model([node("Relu", "x x")]), "expects 1 inputs, got 2"),
    "an input too few": (model([node("Conv", "x")]), "expects 2 to 3 inputs, got 1"),
    "a required input left out": (model([helper.make_node("Add", ["x", ""], ["y"])]), "'B' is required"),
    "an output too many": (model([node("Relu", "x", "y z")]), "expects 1 outputs, got 2"),
    "an unknown attribute": (model([node("Relu", "x", slope=1.0)]), "no attribute 'slope'"),
    "an attribute of another type": (model([node("Softmax", "x", axis=1.5)]), "'axis' expects INT, got FLOAT"),
    "a missing attribute": (model([node("Cast", "x")]), "needs the attribute 'to'"),
    "an attribute out of range": (model([node("Softmax", "x", axis=7)]), "axis"),
    "an unknown type": (model([node("Cast", "x", to=99)]), "99"),
    "two types": (model([node("Add", "x b")], [tensor("b", np.ones(3, "int64"))]), "must have the same type"),
    "a wrong type": (model([node("And", "x x")]), "expects tensor\\(bool\\), got tensor\\(float\\)"),
    "an unknown operator": (model([node("Rleu", "x")]), "Did you mean 'Relu'"),
    "two inputs of one name": (with_changes(lambda m: m.graph.input.append(m.graph.input[0])), "two inputs named 'x'"),
    "no opset": (with_changes(lambda m: m.ClearField("opset_import")), "no version of the domain"),
    "no graph": (with_changes(lambda m: m.ClearField("graph")), "holds no graph"),
    "an If without branches": (
        model([node("If", "c")], [tensor("c", np.array(True))]), "then_branch",
    ),
    "a group that does not divide the channels": (
        model([node("ConvTranspose", "x w", group=3)], [tensor("w", np.ones((4, 1, 2), "float32"))], ("batch", 4, 5)), "group=3",
    ),
    "weights for other channels": (
        model([node("ConvTranspose", "x w")], [tensor("w", np.ones((3, 1, 2), "float32"))], ("batch", 4, 5)), "4 channels",
    ),
    "a tensor with too few values": (
        with_changes(lambda m: m.graph.initializer[0].dims.append(5)), "cannot be read",
    ),
    "a tensor of negative size": (
        with_changes(lambda m: m.graph.initializer[0].dims.insert(0, -3)), "cannot be read",
    ),
    "a tensor of unknown type": (
        with_changes(lambda m: setattr(m.graph.initializer[0], "data_type", 77)), "cannot be read",
    ),
    "a function that calls itself": (
        with_changes(lambda m: (
            m.functions.append(helper.make_function("own", "f", ["a"], ["b"], [
                helper.make_node("f", ["a"], ["b"], domain="own")], [helper.make_opsetid("own", 1)])),
            m.opset_import.append(helper.make_opsetid("own", 1)),
            m.graph.node[0].CopyFrom(helper.make_node("f", ["x"], ["y"], domain="own")),
        )), "nested more than",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", MALFORMED)
def test_a_malformed_graph_is_refused_with_what_is_wrong(what: str, tmp_path: Path) -> None:
    message, text = MALFORMED[what]

    with pytest.raises(GraphKitError, match=text) as caught:
        load(message, tmp_path)

    assert "cannot be opened" not in str(caught.value)


def test_a_text_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    data = model([ADD], [B]).SerializeToString().replace(b"Add_of_y", b"Add_\xff\xfe_y")
    (tmp_path / "m.onnx").write_bytes(data)

    with pytest.raises(SerializationError, match="not UTF-8"):
        graphkit.load(tmp_path / "m.onnx")


# ----- sizes -----

DOUBLING = [node("Concat", f"c{k} c{k}", f"c{k + 1}", axis=0) for k in range(50)]
BODY = helper.make_graph(
    [helper.make_node("Identity", ["going"], ["on"]), helper.make_node("Add", ["state", "state"], ["next"])],
    "body",
    [
        helper.make_tensor_value_info("step", TensorProto.INT64, []),
        helper.make_tensor_value_info("going", TensorProto.BOOL, []),
        helper.make_tensor_value_info("state", TensorProto.FLOAT, [1]),
    ],
    [
        helper.make_tensor_value_info("on", TensorProto.BOOL, []),
        helper.make_tensor_value_info("next", TensorProto.FLOAT, [1]),
    ],
)
HUGE: dict[str, onnx.ModelProto] = {
    "ConstantOfShape": model(
        [node("ConstantOfShape", "s", "c"), node("ReduceSum", "c", "d"), node("Add", "x d")], [tensor("s", [LARGE])]
    ),
    "Expand": model([node("Expand", "b s", "c"), node("ReduceSum", "c", "d"), node("Add", "x d")], [B, tensor("s", [LARGE, 3])]),
    "Tile": model([node("Tile", "b s", "c"), node("ReduceSum", "c", "d"), node("Add", "x d")], [B, tensor("s", [LARGE])]),
    "Range": model(
        [node("Range", "a s a1", "c"), node("ReduceSum", "c", "d"), node("Cast", "d", "e", to=1), node("Add", "x e")],
        [tensor("a", np.int64(0)), tensor("s", np.int64(LARGE)), tensor("a1", np.int64(1))],
    ),
    "Pad": model([node("Pad", "b s", "c"), node("ReduceSum", "c", "d"), node("Add", "x d")], [B, tensor("s", [LARGE, LARGE])]),
    "OneHot": model(
        [node("OneHot", "i s v", "c"), node("ReduceSum", "c", "d"), node("Add", "x d")],
        [tensor("i", [1, 2]), tensor("s", np.int64(LARGE)), tensor("v", np.array([0, 1], "float32"))],
    ),
    "Resize": model(
        [node("Resize", "i  s", "c"), node("ReduceSum", "c", "d"), node("Add", "x d")],
        [tensor("i", np.ones((1, 1, 2, 2), "float32")), tensor("s", np.array([1, 1, 1e6, 1e6], "float32"))],
    ),
    "doubling": model(
        [node("Identity", "b", "c0"), *DOUBLING, node("ReduceSum", "c50", "d"), node("Add", "x d")], [B]
    ),
    "RandomNormal": model([node("RandomNormal", "", "c", shape=[LARGE]), node("ReduceSum", "c", "d"), node("Add", "x d")]),
    "EyeLike": model(
        [node("ConstantOfShape", "s", "z"), node("EyeLike", "z", "c"), node("ReduceSum", "c", "d"), node("Add", "x d")],
        [tensor("s", [1 << 20, 1 << 20])],
    ),
    "HannWindow": model([node("HannWindow", "s", "c"), node("ReduceSum", "c", "d"), node("Add", "x d")], [tensor("s", np.int64(LARGE))]),
    "Loop": model(
        [node("Loop", "n t b1", "c", body=BODY), node("Add", "x c")],
        [tensor("n", np.int64(2**62)), tensor("t", np.array(True)), tensor("b1", np.ones(1, "float32"))],
    ),
    "outer product": model(
        [node("Einsum", "b b b b", "c", equation="i,j,k,l->ijkl"), node("ReduceSum", "c", "d"), node("Add", "x d")],
        [tensor("b", np.ones(4000, "float32"))],
    ),
}  # fmt: skip
for message in HUGE.values():
    for entry in message.graph.node:
        kept = [name for name in entry.input if name != ""]
        if entry.op_type == "Resize":
            kept = [kept[0], "", kept[-1]]
        del entry.input[:]
        entry.input.extend(kept)


@pytest.mark.parametrize("what", HUGE)
def test_a_size_in_the_file_allocates_nothing(what: str, tmp_path: Path) -> None:
    """A few bytes that ask for terabytes, or for days, are refused when the file is read."""
    with mutations.alarm(20), pytest.raises(GraphKitError):
        load(HUGE[what], tmp_path, lift=False)


# ----- external data -----


def external(tmp_path: Path, **words: str) -> Path:
    message = model([ADD], [B])
    weight = message.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    for key, value in words.items():
        weight.external_data.add(key=key, value=value)
    folder = tmp_path / "inside"
    folder.mkdir(exist_ok=True)
    (folder / "m.onnx").write_bytes(message.SerializeToString())
    (folder / "w.bin").write_bytes(np.ones(3, "float32").tobytes())
    (tmp_path / "outside.bin").write_bytes(np.ones(3, "float32").tobytes())
    return folder / "m.onnx"


def test_external_data_beside_the_file_are_read(tmp_path: Path) -> None:
    made = graphkit.load(external(tmp_path, location="w.bin", length="12"))

    assert np.asarray(made(np.ones((2, 3), "float32"))).tolist() == [[2.0] * 3] * 2


@pytest.mark.parametrize(
    "location", ["../outside.bin", "/etc/hostname", "a/../../outside.bin", "..\\outside.bin", "C:\\w.bin", "", "."]
)
def test_external_data_elsewhere_are_not_read(location: str, tmp_path: Path) -> None:
    with pytest.raises(UnsafePathError):
        graphkit.load(external(tmp_path, location=location))


def test_links_do_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    path = external(tmp_path, location="link.bin")
    (path.parent / "link.bin").symlink_to(tmp_path / "outside.bin")

    with pytest.raises(UnsafePathError):
        graphkit.load(path)


@pytest.mark.parametrize(
    "words",
    [
        {"location": "missing.bin"},
        {"location": "w.bin", "offset": "-1"},
        {"location": "w.bin", "offset": "4"},
        {"location": "w.bin", "offset": "9999999999999999999999"},
        {"location": "w.bin", "length": "13"},
        {"location": "w.bin", "length": "8"},
        {"location": "w.bin", "length": "one"},
        {"offset": "0"},
    ],
)
def test_external_data_that_do_not_fit_are_refused(words: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(GraphKitError):
        graphkit.load(external(tmp_path, **words))


# ----- random damage -----


def test_damaged_files_give_a_model_or_an_error_of_ours(tmp_path: Path) -> None:
    names = {name: data for k, (name, data) in enumerate(mutations.fixtures()) if k % 7 == 0}

    _, faults = mutations.run(names, 150, 0, tmp_path, 20)

    assert faults == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 5))
def test_many_damaged_files(seed: int, tmp_path: Path) -> None:
    """In a process of its own: 2,500 files with a limit on time and memory, so that a crash is seen too."""
    command = [
        sys.executable,
        "-m",
        mutations.__name__,
        "--count",
        "2500",
        "--seed",
        str(seed),
        "--folder",
        str(tmp_path),
    ]
    done = subprocess.run(command, cwd=mutations.ROOT, capture_output=True, text=True)

    last = (tmp_path / "current").read_text() if (tmp_path / "current").exists() else ""
    assert done.returncode == 0, f"last: {last}\n{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
