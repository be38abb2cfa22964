"""What an exported graph looks like: names, free axes, shared weights, state, the checker."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import onnx
import pytest

from graphkit import Input, Model, layers, ops
from graphkit.converters.onnx import model_to_onnx, program_to_onnx
from graphkit.converters.onnx.export import STATE_KEY, WEIGHTS_KEY
from graphkit.converters.onnx.files import check_model
from graphkit.core.errors import ExportError, InvalidArgumentError
from graphkit.core.names import name_scope
from graphkit.ir.spec import spec
from graphkit.ir.tracing import trace
from graphkit.ir.variable import Variable
from tests.converters.onnx.comparing import run_onnx


def weight(path: str, *shape: int) -> Variable:
    scope, _, name = path.rpartition("/")
    with name_scope(scope):
        return Variable(np.arange(np.prod(shape), dtype=np.float32).reshape(shape) / 10, name=name)


def dense(x: Any, kernel: Variable, bias: Variable | None = None) -> Any:
    with name_scope(kernel.path.rpartition("/")[0]):
        made = ops.matmul(x, kernel)
        return made if bias is None else ops.add(made, bias)


def shapes(values: Any) -> dict[str, list[Any]]:
    return {v.name: [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim] for v in values}


def test_nodes_and_initializers_bear_the_names_of_layer_and_weights() -> None:
    kernel, bias = weight("encoder/dense/kernel", 3, 4), weight("encoder/dense/bias", 4)
    graph = program_to_onnx(trace(lambda x: dense(x, kernel, bias), spec("b", 3)), ["x"], ["dense"]).graph
    assert [n.name for n in graph.node] == ["encoder/dense/Gemm"]
    assert [t.name for t in graph.initializer] == ["encoder/dense/kernel", "encoder/dense/bias"]


def test_inputs_and_outputs_keep_names_order_and_free_axes() -> None:
    program = trace(
        lambda x, y: [ops.add(x, y), ops.reshape(x, (-1,))], spec("batch", "time", 3), spec("batch", "time", 3)
    )
    message = program_to_onnx(program, ["first", "second"], ["sum", "flat"])
    assert shapes(message.graph.input) == {"first": ["batch", "time", 3], "second": ["batch", "time", 3]}
    assert shapes(message.graph.output) == {"sum": ["batch", "time", 3], "flat": ["3*batch*time"]}


def test_an_input_can_be_an_output_and_an_output_can_be_asked_for_twice() -> None:
    program = trace(lambda x: [x, ops.exp(x), ops.exp(x)], spec("b", 3))
    message = program_to_onnx(program, ["x"], ["same", "exp", "exp"])
    check_model(message)
    x = np.ones((2, 3), np.float32)
    made = run_onnx(message, [x])
    assert list(made) == ["same", "exp", "exp_1"]
    assert (made["same"] == x).all()
    assert (made["exp"] == made["exp_1"]).all()


def test_a_constant_can_be_an_output() -> None:
    message = program_to_onnx(trace(lambda x: ops.add(np.ones(3, np.float32), 1.0), spec("b", 3)), ["x"], ["two"])
    check_model(message)
    assert run_onnx(message, [np.zeros((1, 3), np.float32)])["two"].tolist() == [2, 2, 2]


def test_a_shared_weight_is_one_initializer() -> None:
    kernel = weight("dense/kernel", 3, 3)
    graph = program_to_onnx(trace(lambda x: dense(dense(x, kernel), kernel), spec("b", 3))).graph
    assert [t.name for t in graph.initializer] == ["dense/kernel"]
    assert [n.name for n in graph.node] == ["dense/MatMul", "dense/MatMul_1"]


def test_equal_constants_are_one_initializer() -> None:
    graph = program_to_onnx(trace(lambda x: ops.add(ops.multiply(x, 3.0), 3.0), spec("b", 3))).graph
    assert [t.name for t in graph.initializer] == ["const/float32/3.0"]


def test_weights_of_one_path_stay_apart() -> None:
    one, two = weight("dense/kernel", 3, 3), weight("dense/kernel", 3, 3)
    message = program_to_onnx(trace(lambda x: dense(dense(x, one), two), spec("b", 3)))
    assert [t.name for t in message.graph.initializer] == ["dense/kernel", "dense/kernel_1"]


def test_a_moved_weight_bears_its_path_and_the_table_says_how_it_was_moved() -> None:
    kernel = weight("conv/kernel", 3, 3, 2, 4)
    message = program_to_onnx(trace(lambda x: ops.conv(x, kernel), spec("b", "h", "w", 2)))
    assert [(t.name, list(t.dims)) for t in message.graph.initializer] == [("conv/kernel", [4, 2, 3, 3])]
    table = json.loads({p.key: p.value for p in message.metadata_props}[WEIGHTS_KEY])
    assert table == {
        "conv/kernel": {"path": "conv/kernel", "shape": [3, 3, 2, 4], "steps": [["transpose", [3, 2, 0, 1]]]}
    }


def test_nothing_is_left_that_no_output_needs() -> None:
    graph = program_to_onnx(trace(lambda x: ops.relu(x), spec("b", 3))).graph
    assert len(graph.initializer) == 0
    assert [n.op_type for n in graph.node] == ["Relu"]


def test_state_that_the_program_changes_becomes_input_and_output() -> None:
    count = Variable(np.zeros(3, np.float32), name="count")

    def function(x: Any) -> Any:
        count.assign(ops.add(count, ops.sum(x, axis=0)))
        return ops.multiply(x, count)

    message = program_to_onnx(trace(function, spec("b", 3)), ["x"], ["y"])
    check_model(message)
    assert [i.name for i in message.graph.input] == ["x", "count"]
    assert [o.name for o in message.graph.output] == ["y", "count:updated"]
    assert json.loads({p.key: p.value for p in message.metadata_props}[STATE_KEY]) == ["count"]
    made = run_onnx(message, [np.ones((2, 3), np.float32), np.full(3, 5, np.float32)])
    assert made["count:updated"].tolist() == [7, 7, 7]


@pytest.mark.parametrize("opset", range(13, 29))
def test_the_file_says_its_opset_and_a_fitting_ir_version(opset: int) -> None:
    message = program_to_onnx(trace(ops.exp, spec("b", 3)), opset=opset)
    check_model(message)
    assert [(o.domain, o.version) for o in message.opset_import] == [("", opset)]
    assert message.ir_version == onnx.helper.find_min_ir_version_for(message.opset_import)


@pytest.mark.parametrize("opset", [12, 29, "21", 21.0])
def test_an_opset_that_is_not_known_is_refused(opset: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="opset must be an integer from 13 to 28, got"):
        program_to_onnx(trace(ops.exp, spec("b", 3)), opset=opset)


def test_the_number_of_names_must_fit() -> None:
    with pytest.raises(InvalidArgumentError, match=r"input_names has 2 names for 1 inputs: \['a', 'b'\]"):
        program_to_onnx(trace(ops.exp, spec("b", 3)), ["a", "b"])
    with pytest.raises(InvalidArgumentError, match="output_names has 0 names for 1 outputs"):
        program_to_onnx(trace(ops.exp, spec("b", 3)), None, [])


def test_a_size_that_no_input_has_is_named() -> None:
    from graphkit.core.dims import Dim
    from graphkit.ir.spec import TensorSpec

    hidden = TensorSpec((2 * Dim.named("n"), 3), "float32")
    program = trace(lambda x: ops.broadcast_to(np.float32(1), (ops.shape(x)[0], 2)), hidden)
    with pytest.raises(ExportError, match="The size 'n' is not an axis of any input of the graph"):
        program_to_onnx(program)


def test_sizes_are_computed_once() -> None:
    def function(x: Any) -> Any:
        first = ops.broadcast_to(np.float32(1), (ops.shape(x)[0] * 2, 3))
        second = ops.broadcast_to(np.float32(2), (ops.shape(x)[0] * 2, 3))
        return ops.add(first, second)

    nodes = [n.op_type for n in program_to_onnx(trace(function, spec("b", 3))).graph.node]
    assert nodes.count("Shape") == 1
    assert nodes.count("Concat") == 1


def test_unknown_axes_that_stay_need_no_shape_nodes() -> None:
    def function(x: Any) -> Any:
        heads = ops.reshape(x, (ops.shape(x)[0], ops.shape(x)[1], 2, 4))
        return ops.reshape(ops.transpose(heads, (0, 2, 1, 3))[:, :, 1:-1], (-1, 4))

    nodes = [n.op_type for n in program_to_onnx(trace(function, spec("b", "t", 8))).graph.node]
    assert nodes == ["Reshape", "Transpose", "Slice", "Reshape"]


@pytest.mark.parametrize("words", [True, False])
def test_a_token_without_an_index_stops_the_run(words: bool) -> None:
    known, unknown = (["a", "b"], "c") if words else ([5, 7], 6)
    lookup = (layers.StringLookup if words else layers.IntegerLookup)(vocabulary=known, num_oov_indices=0)
    x = Input((1,), dtype="string" if words else "int64")
    message = model_to_onnx(Model(x, lookup(x)))
    kind = object if words else np.int64
    assert next(iter(run_onnx(message, [np.array([known]).T.astype(kind)]).values())).tolist() == [[0], [1]]
    with pytest.raises(Exception, match="out of data bounds"):
        run_onnx(message, [np.array([[unknown]], kind)])
