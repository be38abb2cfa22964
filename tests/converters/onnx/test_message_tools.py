"""Parts, names and sizes of ONNX files: what comes out runs in onnxruntime and computes the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from graphkit import Input, Model, layers
from graphkit.converters.onnx import tools
from graphkit.core.errors import (
    GraphError,
    InvalidArgumentError,
    NameConflictError,
    SerializationError,
    ShapeError,
    UnknownNameError,
    UnknownSizeError,
    UnsafePathError,
)

RNG = np.random.default_rng(3)


def value(name: str, sizes: list[Any] | None, element_type: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, element_type, sizes)


def written(
    folder: Path, nodes: list[Any], inputs: list[Any], outputs: list[Any], weights: dict[str, Any], **more: Any
) -> Path:
    tensors = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "net", inputs, outputs, tensors)
    opsets = more.pop("opset_imports", [helper.make_opsetid("", 18)])
    message = helper.make_model(graph, ir_version=8, opset_imports=opsets, **more)
    onnx.checker.check_model(message)
    (folder / "m.onnx").write_bytes(message.SerializeToString())
    return folder / "m.onnx"


def node(operator: str, inputs: str, outputs: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(
        operator, inputs.split(), outputs.split(), **{"name": f"n_{outputs.split()[0]}", **attributes}
    )


def perceptron(folder: Path) -> Path:
    nodes = [node("MatMul", "x w1", "a"), node("Relu", "a", "h"), node("MatMul", "h w2", "b"), node("Add", "b h", "y")]
    weights = {
        "w1": RNG.normal(size=(4, 3)).astype("f4"),
        "w2": RNG.normal(size=(3, 3)).astype("f4"),
        "unused": np.ones(400, "f4"),
    }
    return written(folder, nodes, [value("x", ["N", 4])], [value("y", ["N", 3])], weights)


def branching(folder: Path) -> Path:
    """Return a model whose subgraphs read the names `h` and `w` of the graph around them."""
    then = helper.make_graph([node("Mul", "h w", "t")], "then", [], [value("t", [3])])
    other = helper.make_graph([node("Neg", "h", "e")], "else", [], [value("e", [3])])
    nodes = [
        node("Exp", "x", "h"),
        node("Sin", "x", "s"),
        node("If", "c", "i", then_branch=then, else_branch=other),
        node("Add", "i s", "y"),
    ]
    weights = {"w": np.array([2, 3, 4], "f4")}
    return written(folder, nodes, [value("x", [3]), value("c", [], TensorProto.BOOL)], [value("y", [3])], weights)


def outputs_of(path: Path, **feeds: Any) -> list[Any]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return list(session.run(None, feeds))


def checked(path: Path) -> onnx.ModelProto:
    onnx.checker.check_model(str(path), full_check=True)
    return onnx.load(path)


# ----- parts -----


def test_two_parts_compute_what_the_whole_does(tmp_path: Path) -> None:
    path = perceptron(tmp_path)
    x = RNG.normal(size=(2, 4)).astype("f4")
    tools.extract(path, tmp_path / "front.onnx", end=["h"])
    tools.extract(path, tmp_path / "back.onnx", start=["h"], end=["y"])
    (h,) = outputs_of(tmp_path / "front.onnx", x=x)

    np.testing.assert_array_equal(outputs_of(tmp_path / "back.onnx", h=h)[0], outputs_of(path, x=x)[0])
    assert [t.name for t in checked(tmp_path / "front.onnx").graph.initializer] == ["w1"]
    assert [t.name for t in checked(tmp_path / "back.onnx").graph.initializer] == ["w2"]


def test_a_node_begins_with_its_inputs_and_ends_with_its_outputs(tmp_path: Path) -> None:
    tools.extract(perceptron(tmp_path), tmp_path / "p.onnx", ["n_h"], ["n_b"])
    graph = checked(tmp_path / "p.onnx").graph

    assert [n.op_type for n in graph.node] == ["Relu", "MatMul"]
    assert [v.name for v in (*graph.input, *graph.output)] == ["a", "b"]


def test_names_that_subgraphs_read_are_kept(tmp_path: Path) -> None:
    path = branching(tmp_path)
    x = np.array([1, 2, 3], "f4")
    tools.extract(path, tmp_path / "p.onnx", end=["i"])
    tools.extract(path, tmp_path / "q.onnx", start=["h", "c"], end=["n_i"])

    assert [n.op_type for n in checked(tmp_path / "p.onnx").graph.node] == ["Exp", "If"]
    for c in (True, False):
        want = outputs_of(tmp_path / "p.onnx", x=x, c=np.array(c))[0]
        np.testing.assert_allclose(outputs_of(tmp_path / "q.onnx", h=np.exp(x), c=np.array(c))[0], want, rtol=1e-6)
        np.testing.assert_allclose(want, np.exp(x) * [2, 3, 4] if c else -np.exp(x), rtol=1e-6)


def test_only_the_functions_that_are_called_are_kept(tmp_path: Path) -> None:
    opset = helper.make_opsetid("", 18)
    inner = helper.make_function("own", "Inner", ["x"], ["y"], [node("Neg", "x", "y")], [opset])
    outer = helper.make_function(
        "own", "Outer", ["x"], ["y"], [node("Inner", "x", "y", domain="own")], [opset, helper.make_opsetid("own", 1)]
    )
    third = helper.make_function("own", "Third", ["x"], ["y"], [node("Exp", "x", "y")], [opset])
    nodes = [node("Outer", "x", "a", domain="own"), node("Third", "a", "y", domain="own")]
    opsets = [opset, helper.make_opsetid("own", 1)]
    path = written(
        tmp_path, nodes, [value("x", [3])], [value("y", [3])], {}, functions=[third, outer, inner], opset_imports=opsets
    )
    tools.extract(path, tmp_path / "p.onnx", end=["a"])

    assert sorted(f.name for f in onnx.load(tmp_path / "p.onnx").functions) == ["Inner", "Outer"]
    np.testing.assert_array_equal(outputs_of(tmp_path / "p.onnx", x=np.ones(3, "f4"))[0], -np.ones(3))


@pytest.mark.parametrize(
    ("start", "end", "error", "message"),
    [
        (["nowhere"], [], UnknownNameError, "no tensor or node 'nowhere'"),
        (["n_hh"], [], UnknownNameError, "Did you mean 'n_h'"),
        (["b"], ["y"], GraphError, "also reads the input 'x'; add it"),
        (["h", "x"], ["y"], GraphError, "does not depend on 'x'"),
        (["h"], ["h"], GraphError, "both where the part begins and where it ends"),
        ([], ["w1"], InvalidArgumentError, "'w1' is a weight"),
    ],
)
def test_cuts_that_are_none(
    start: list[str], end: list[str], error: type[Exception], message: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        tools.extract(perceptron(tmp_path), tmp_path / "p.onnx", start, end)
    assert not (tmp_path / "p.onnx").exists()


def test_a_tensor_of_unknown_type_is_no_input(tmp_path: Path) -> None:
    nodes = [node("Magic", "x", "h", domain="own"), node("Relu", "h", "y")]
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)]
    path = written(tmp_path, nodes, [value("x", [3])], [value("y", [3])], {}, opset_imports=opsets)

    with pytest.raises(UnknownSizeError, match="The type of 'h' is not known"):
        tools.extract(path, tmp_path / "p.onnx", ["h"], ["y"])


def test_a_name_of_both_kinds_must_be_told_apart(tmp_path: Path) -> None:
    path = written(
        tmp_path, [node("Exp", "x", "h", name="h"), node("Neg", "h", "y")], [value("x", [3])], [value("y", [3])], {}
    )

    with pytest.raises(InvalidArgumentError, match="'h' is the name of a tensor and of a node"):
        tools.extract(path, tmp_path / "p.onnx", ["h"], ["y"])
    for name, count in (("tensor:h", 1), ("node:h", 2)):
        tools.extract(path, tmp_path / "p.onnx", [name], ["y"])
        assert len(checked(tmp_path / "p.onnx").graph.node) == count


def test_data_files_are_carried_along(tmp_path: Path) -> None:
    path = perceptron(tmp_path)
    x = RNG.normal(size=(2, 4)).astype("f4")
    want = outputs_of(path, x=x)[0]
    (tmp_path / "far").mkdir()
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="w.bin", size_threshold=0)
    tools.extract(path, tmp_path / "far" / "p.onnx")
    tools.set_batch(path, path, 2)

    for changed in (tmp_path / "far" / "p.onnx", path):
        assert all(t.external_data for t in onnx.load(changed, load_external_data=False).graph.initializer)
        np.testing.assert_array_equal(outputs_of(changed, x=x)[0], want)
    assert len(list((tmp_path / "far").iterdir())) == 2


@pytest.mark.parametrize(("location", "error"), [("../w.bin", UnsafePathError), ("none.bin", SerializationError)])
def test_data_files_elsewhere_are_not_opened(location: str, error: type[Exception], tmp_path: Path) -> None:
    message = onnx.load(perceptron(tmp_path))
    tensor = message.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    (tmp_path / "m.onnx").write_bytes(message.SerializeToString())

    with pytest.raises(error):
        tools.extract(tmp_path / "m.onnx", tmp_path / "p.onnx", end=["h"])
    assert not (tmp_path / "p.onnx").exists()


def test_the_layers_of_an_export_are_not_those_of_its_parts(tmp_path: Path) -> None:
    x = Input((4,), name="x")
    h = layers.Dense(3, activation="relu", name="first")(x)
    Model(x, layers.Dense(2, name="second")(h)).export(tmp_path / "m.onnx")
    tools.set_batch(tmp_path / "m.onnx", tmp_path / "p.onnx", 3)

    assert [p.key for p in onnx.load(tmp_path / "p.onnx").metadata_props if p.key.startswith("graphkit.")] == [
        "graphkit.structure"
    ]
    tools.extract(tmp_path / "m.onnx", tmp_path / "q.onnx")
    assert [p.key for p in onnx.load(tmp_path / "q.onnx").metadata_props if p.key.startswith("graphkit.")] == []


def test_overwriting_can_be_refused(tmp_path: Path) -> None:
    path = perceptron(tmp_path)
    with pytest.raises(InvalidArgumentError, match="overwrite=False"):
        tools.extract(path, path, end=["h"], overwrite=False)


# ----- names -----


def test_new_names_reach_every_place(tmp_path: Path) -> None:
    path = branching(tmp_path)
    feeds = {"x": np.array([1, 2, 3], "f4")}
    names = {"x": "image", "h": "features", "w": "scale", "y": "scores", "n_i": "choice", "c": "x"}
    tools.set_names(path, tmp_path / "p.onnx", names)
    graph = checked(tmp_path / "p.onnx").graph

    assert [v.name for v in (*graph.input, *graph.output)] == ["image", "x", "scores"]
    assert "choice" in [n.name for n in graph.node]
    for c in (np.array(True), np.array(False)):
        got = outputs_of(tmp_path / "p.onnx", image=feeds["x"], x=c)
        np.testing.assert_array_equal(got[0], outputs_of(path, c=c, **feeds)[0])


@pytest.mark.parametrize(
    ("names", "error", "message"),
    [
        ({"x": "h"}, NameConflictError, "another tensor has this name"),
        ({"x": "t"}, NameConflictError, "another tensor has this name"),  # of a subgraph
        ({"n_h": "n_s"}, NameConflictError, "another node has this name"),
        ({"z": "q"}, UnknownNameError, "no tensor or node 'z'"),
        ({"x": ""}, InvalidArgumentError, "is empty"),
    ],
)
def test_names_that_cannot_be_given(
    names: dict[str, str], error: type[Exception], message: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        tools.set_names(branching(tmp_path), tmp_path / "p.onnx", names)


def test_names_can_be_exchanged(tmp_path: Path) -> None:
    path = perceptron(tmp_path)
    x = RNG.normal(size=(2, 4)).astype("f4")
    tools.set_names(path, tmp_path / "p.onnx", {"x": "y", "y": "x"})

    np.testing.assert_array_equal(outputs_of(tmp_path / "p.onnx", y=x)[0], outputs_of(path, x=x)[0])


# ----- sizes -----


def sizes_of(path: Path, *names: str) -> list[list[Any]]:
    graph = checked(path).graph
    known = {v.name: v for v in (*graph.input, *graph.output, *graph.value_info)}
    return [[d.dim_value or d.dim_param or None for d in known[n].type.tensor_type.shape.dim] for n in names]


@pytest.mark.parametrize("batch", [1, 5, "samples"])
def test_the_batch_size_goes_through_the_graph(batch: Any, tmp_path: Path) -> None:
    path = perceptron(tmp_path)

    assert tools.set_batch(path, tmp_path / "p.onnx", batch) == []
    assert sizes_of(tmp_path / "p.onnx", "x", "h", "y") == [[batch, 4], [batch, 3], [batch, 3]]
    x = RNG.normal(size=(batch if isinstance(batch, int) else 2, 4)).astype("f4")
    np.testing.assert_array_equal(outputs_of(tmp_path / "p.onnx", x=x)[0], outputs_of(path, x=x)[0])


def test_a_batch_axis_is_followed_through_a_reshape(tmp_path: Path) -> None:
    nodes = [node("Reshape", "x sizes", "h"), node("Relu", "h", "y")]
    path = written(tmp_path, nodes, [value("x", [1, 2, 6])], [value("y", [1, 12])], {"sizes": np.array([-1, 12])})
    tools.set_batch(path, path, "N")

    assert sizes_of(path, "x", "h", "y") == [["N", 2, 6], ["N", 12], ["N", 12]]


def test_all_axes_of_the_same_name_are_set(tmp_path: Path) -> None:
    nodes = [node("MatMul", "x w", "a"), node("Add", "a z", "y")]
    inputs = [value("x", ["N", 4]), value("z", [1, "N", 3]), value("k", [2])]
    path = written(tmp_path, nodes, inputs, [value("y", [1, "N", 3])], {"w": np.ones((4, 3), "f4")})
    tools.set_batch(path, path, 6)

    assert sizes_of(path, "x", "z", "k", "y") == [[6, 4], [1, 6, 3], [2], [1, 6, 3]]


FIXED: dict[str, tuple[list[Any], dict[str, Any], int, str]] = {
    "sizes of one sample": ([node("Reshape", "x s", "y")], {"s": np.array([1, 12])}, 2, r"'n_y' \(Reshape\) holds the sizes \[1, 12\]"),
    "samples put into one": ([node("Reshape", "x s", "y")], {"s": np.array([1, -1])}, 2, "put all samples of its input"),
    "sizes in a Constant": (
        [
            node("Constant", "", "r", value=numpy_helper.from_array(np.array([1, 3, 4]))), node("Relu", "x", "h"),
            node("Reshape", "h r", "y"),
        ],
        {}, 3, "'n_y'",
    ),
    "a part of one sample": ([node("Concat", "x k", "y", axis=1)], {"k": np.ones((1, 1, 6), "f4")}, 3, "does not work with x="),
}  # fmt: skip


@pytest.mark.parametrize("batch", [3, "N"])
@pytest.mark.parametrize("name", FIXED)
def test_fixed_sizes_are_an_error_that_names_the_node(name: str, batch: Any, tmp_path: Path) -> None:
    nodes, weights, rank, message = FIXED[name]
    path = written(tmp_path, nodes, [value("x", [1, 2, 6])], [value("y", [None] * rank)], weights)
    before = path.read_bytes()

    with pytest.raises(ShapeError, match=message):
        tools.set_batch(path, path, batch)
    assert path.read_bytes() == before


def test_one_sample_does_not_hide_a_fixed_size(tmp_path: Path) -> None:
    path = written(
        tmp_path, [node("Add", "x k", "y")], [value("x", [4, 3])], [value("y", [4, 3])], {"k": np.ones((4, 3), "f4")}
    )

    with pytest.raises(ShapeError, match="does not work"):
        tools.set_batch(path, path, 1)


def test_initial_states_of_a_recurrent_node_are_compared(tmp_path: Path) -> None:
    nodes = [node("RNN", "x w r e e h", "y", hidden_size=2)]
    nodes[0].input[3:5] = ["", ""]
    weights = {"w": np.ones((1, 2, 3), "f4"), "r": np.ones((1, 2, 2), "f4"), "h": np.zeros((1, 1, 2), "f4")}
    path = written(tmp_path, nodes, [value("x", [5, 1, 3])], [value("y", [5, 1, 1, 2])], weights)

    with pytest.raises(ShapeError, match="initial state 'h'"):
        tools.set_shape(path, path, {"x": [5, 4, 3]})


def test_shapes_can_be_set_and_freed(tmp_path: Path) -> None:
    nodes = [node("Conv", "x k", "c", pads=[1, 1, 1, 1]), node("GlobalAveragePool", "c", "y")]
    path = written(
        tmp_path, nodes, [value("x", [1, 3, 8, 8])], [value("y", [1, 2, 1, 1])], {"k": np.ones((2, 3, 3, 3), "f4")}
    )
    tools.set_shape(path, path, {"x": ["N", 3, "height", None]})
    assert sizes_of(path, "x", "c", "y") == [["N", 3, "height", None], ["N", 2, None, None], ["N", 2, 1, 1]]

    tools.set_shape(path, path, {"x": [2, 3, 10, 12]})
    assert sizes_of(path, "x", "c", "y") == [[2, 3, 10, 12], [2, 2, 10, 12], [2, 2, 1, 1]]


@pytest.mark.parametrize(
    ("shapes", "error", "message"),
    [
        ({"z": [1, 4]}, UnknownNameError, r"no input 'z'; its inputs are \['x'\]"),
        ({"x": [4]}, ShapeError, r"'x' has 2 axes, float32 \(N, 4\); got 1 sizes"),
        ({"x": [0, 4]}, InvalidArgumentError, "positive"),
        ({"x": ["N", 5]}, ShapeError, r"does not work with x=\(N, 5\)"),
    ],
)
def test_shapes_that_cannot_be(shapes: Any, error: type[Exception], message: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=message):
        tools.set_shape(perceptron(tmp_path), tmp_path / "p.onnx", shapes)


def test_inputs_and_outputs_that_keep_their_sizes_are_noted(tmp_path: Path) -> None:
    nodes = [node("ReduceSum", "x", "s"), node("Add", "z s", "y")]
    path = written(
        tmp_path, nodes, [value("x", ["N", 3]), value("z", [2, "N"])], [value("y", [2, "N"]), value("s", [1, 1])], {}
    )

    assert tools.set_shape(path, path, {"x": [4, 3]}) == ["the input 'z' keeps its sizes, float32 (2, N)"]
    nodes = [node("ReduceSum", "x", "y")]
    path = written(tmp_path, nodes, [value("x", [1, 3])], [value("y", [1, 1])], {})
    assert tools.set_batch(path, path, 4) == ["the output 'y' keeps its sizes, float32 (1, 1)"]


@pytest.mark.parametrize(
    "change", [tools.extract, lambda a, b: tools.set_batch(a, b, 2), lambda a, b: tools.set_names(a, b, {"x": "z"})]
)
def test_text_that_is_not_utf_8_is_a_typed_error(change: Any, tmp_path: Path) -> None:
    path = perceptron(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"w1", b"\xff\xfe"))

    with pytest.raises(SerializationError, match=r"m\.onnx"):
        change(path, tmp_path / "p.onnx")
    assert not (tmp_path / "p.onnx").exists()
