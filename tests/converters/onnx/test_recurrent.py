"""Each recurrent layer is one operator, with a free time axis."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from onnx import numpy_helper

from graphkit.converters.onnx import program_to_onnx
from graphkit.converters.onnx.export import WEIGHTS_KEY
from graphkit.converters.onnx.relayout import undo_steps
from graphkit.ir.spec import spec
from graphkit.ir.tracing import trace
from graphkit.ir.variable import Variable
from graphkit.ops.recurrent import gru, lstm

_rng = np.random.default_rng(0)


def weight(name: str, *shape: int) -> Variable:
    return Variable(_rng.normal(size=shape).astype(np.float32), name=name)


KERNEL, RECURRENT, BIAS = weight("lstm/kernel", 3, 16), weight("lstm/recurrent_kernel", 4, 16), weight("lstm/bias", 16)


LENGTHS = ["Shape", "Max", "Shape", "Cast", "Expand"]  # of the samples; see lowering/recurrent.py


def sequence(x: Any, **options: Any) -> Any:
    return lstm(x, KERNEL, RECURRENT, BIAS, return_sequences=True, **options)[0]


def test_an_lstm_is_one_operator_over_a_free_time_axis() -> None:
    graph = program_to_onnx(trace(sequence, spec("batch", "time", 3)), ["x"], ["lstm"]).graph
    assert [n.op_type for n in graph.node] == ["Transpose", *LENGTHS, "LSTM", "Squeeze", "Transpose"]
    assert [d.dim_param or d.dim_value for d in graph.output[0].type.tensor_type.shape.dim] == ["batch", "time", 4]
    node = next(n for n in graph.node if n.op_type == "LSTM")
    assert list(node.input)[:4] == ["Transpose:0", "lstm/kernel", "lstm/recurrent_kernel", "lstm/bias"]


def test_known_sizes_need_no_lengths() -> None:
    graph = program_to_onnx(trace(sequence, spec(2, 5, 3)), ["x"], ["lstm"]).graph
    assert [n.op_type for n in graph.node] == ["Transpose", "LSTM", "Squeeze", "Transpose"]


def test_states_of_zeros_and_outputs_nobody_reads_are_left_out() -> None:
    graph = program_to_onnx(trace(lambda x: lstm(x, KERNEL, RECURRENT, BIAS)[0], spec("batch", "time", 3))).graph
    node = next(n for n in graph.node if n.op_type == "LSTM")
    assert len(node.input) == 5
    assert list(node.output) == ["", "LSTM:1"]
    assert [n.op_type for n in graph.node].count("Expand") == 1


def test_stacked_layers_share_no_transposes() -> None:
    kernel = weight("k", 4, 12)
    recurrent = weight("r", 4, 12)
    program = trace(lambda x: gru(sequence(x), kernel, recurrent)[0], spec("b", "t", 3))
    assert [n.op_type for n in program_to_onnx(program).graph.node].count("Transpose") == 1


def test_a_mask_is_a_scan_and_still_free_in_time() -> None:
    program = trace(lambda x, m: sequence(x, mask=m), spec("b", "t", 3), spec("b", "t", dtype="bool"))
    nodes = list(program_to_onnx(program).graph.node)
    assert "Scan" in [n.op_type for n in nodes if n.op_type != "If"] + [
        inner.op_type for n in nodes if n.op_type == "If" for a in n.attribute for inner in a.g.node
    ]


def test_weights_can_be_read_back_from_onnx_gate_order() -> None:
    message = program_to_onnx(trace(sequence, spec("b", "t", 3)))
    table = json.loads({p.key: p.value for p in message.metadata_props}[WEIGHTS_KEY])
    arrays = {t.name: numpy_helper.to_array(t) for t in message.graph.initializer}
    for variable in (KERNEL, RECURRENT, BIAS):
        row = table[variable.path]
        assert (
            undo_steps(arrays[variable.path], row["shape"], [tuple(s) for s in row["steps"]]) == variable.array
        ).all()
