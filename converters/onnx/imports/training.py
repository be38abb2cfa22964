"""Nodes that compute something else in training: BatchNormalization with the statistics of the batch, and Dropout."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx

from graphkit.ir.variable import Variable

from ..operators import Evaluator

_OPSET = 15  # BatchNormalization and Dropout have `training_mode` from 14 and 12 on


def trains_differently(node: onnx.NodeProto) -> bool:
    """Return whether a node written for inference computes something else in training."""
    return node.domain in ("", "ai.onnx") and node.op_type in _TRAINING


def in_training(layer: Any, inputs: Sequence[Any]) -> list[Any]:
    """Return the outputs of a layer's node in training, and update its running statistics."""
    return _TRAINING[layer.node.op_type](layer, inputs)


def _normalized(layer: Any, inputs: Sequence[Any]) -> list[Any]:
    """Normalize with the statistics of the batch, and move the running ones, as PyTorch and Keras do."""
    node = onnx.NodeProto()
    node.CopyFrom(layer.node)
    kept = [a for a in node.attribute if a.name in ("epsilon", "momentum")]
    del node.attribute[:]
    node.attribute.extend([*kept, onnx.helper.make_attribute("training_mode", 1)])
    del node.output[:]
    node.output.extend(["y", "mean", "variance"])
    made, *moved = _EVALUATOR.call(node, inputs, ChainMap())
    for old, new in zip(inputs[3:5], moved, strict=True):
        if isinstance(old, Variable):
            old.assign(new)
    return [made]


def _dropped(layer: Any, inputs: Sequence[Any]) -> list[Any]:
    """Drop elements at the node's rate."""
    from graphkit import ops, random

    ratio = next((a.f for a in layer.node.attribute if a.name == "ratio"), 0.5)
    if len(inputs) > 1 and inputs[1] is not None:
        ratio = float(np.asarray(inputs[1]).reshape(-1)[0])
    x = inputs[0]
    kept = random.dropout(ops.ones_like(x), ratio, seed=layer.seed_generator)
    return [ops.multiply(x, kept), ops.not_equal(kept, 0)]


_TRAINING: dict[str, Callable[[Any, Sequence[Any]], list[Any]]] = {
    "BatchNormalization": _normalized,
    "Dropout": _dropped,
}
_EVALUATOR = Evaluator(onnx.ModelProto(opset_import=[onnx.helper.make_opsetid("", _OPSET)]))
