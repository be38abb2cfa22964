"""Channels-first images kept channels-last: layers get `data_format="channels_last"`, and transposes stay where order matters.

What images pass unchanged in order (activations, sums, concatenations) is built on the turned tensors, so that transposes stand
only before and after what needs the file's own order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from graphkit import ops
from graphkit.graph.symbolic import SymbolicTensor
from graphkit.ir.program import Equation, Literal, Value
from graphkit.lifting.calls import LayerSpec, LiftedCall

_ELEMENTWISE_LAYERS = {"Activation", "ELU", "LeakyReLU", "Dropout", "ops.gelu"}
_AXIS_LAYERS = {"BatchNormalization", "GroupNormalization", "Softmax"}
_ELEMENTWISE = {
    "abs", "add", "cast", "ceil", "clip", "cos", "divide", "elu", "equal", "erf", "exp", "floor", "gelu", "greater", "greater_equal",
    "identity", "leaky_relu", "less", "less_equal", "log", "logical_and", "logical_not", "logical_or", "maximum", "minimum", "multiply",
    "negative", "power", "relu", "round", "rsqrt", "select", "sigmoid", "sign", "sin", "softplus", "sqrt", "square", "subtract", "tanh",
}  # fmt: skip


def last(rank: int) -> tuple[int, ...]:
    """Return the axes of channels-first images in channels-last order."""
    return (0, *range(2, rank), 1)


def first(rank: int) -> tuple[int, ...]:
    """Return the axes of channels-last images in channels-first order."""
    return (0, rank - 1, *range(1, rank - 1))


def turned_axis(axis: int, rank: int) -> int:
    """Return where an axis of a channels-first image is in a channels-last one."""
    axis %= rank
    return axis if axis == 0 else rank - 1 if axis == 1 else axis - 1


def _is_image(value: Any) -> bool:
    return 3 <= len(value.spec.shape) <= 5


class Turned:
    """The channels-last tensors of a model that is being built.

    Args:
        tensor: returns a value's tensor in the file's order.
        base: returns the value that a value is a view of, and its axes; None if it is no view.

    Attributes:
        tensors: by value, the turned tensor.
    """

    def __init__(self, tensor: Callable[[Any], Any], base: Callable[[Any], Any]) -> None:
        self.tensors: dict[Any, Any] = {}
        self._tensor = tensor
        self._base = base

    def get(self, value: Any) -> Any:
        """Return the turned tensor of an image."""
        if value not in self.tensors:
            rank = len(value.spec.shape)
            view = self._base(value)
            if view is not None and None not in view[1] and len(view[1]) == rank:
                source, axes = view
                made, order = self._tensor(source), tuple(axes[a] for a in last(rank))
            else:
                made, order = self._tensor(value), last(rank)
            self.tensors[value] = made if order == tuple(range(rank)) else ops.transpose(made, order)
        return self.tensors[value]

    def of_call(self, call: LiftedCall) -> LiftedCall | None:
        """Return a call as it is on turned tensors, or None if it takes those of the file's order."""
        value, layer = call.inputs[0], call.layer
        if not isinstance(value, Value) or not _is_image(value) or len(call.outputs) != 1:
            return None
        rank, config = len(value.spec.shape), dict(layer.config)
        if config.get("data_format") == "channels_first" and (call.weights or value in self.tensors):
            return replace(
                call,
                layer=_turned(layer),
                before=tuple(_turned(s) for s in call.before if s.class_name != "Permute"),
                after=tuple(_turned(s) for s in call.after if s.class_name != "Permute"),
            )
        if value not in self.tensors or len(call.inputs) != 1:
            return None
        if layer.class_name in _ELEMENTWISE_LAYERS:
            return call
        if layer.class_name in _AXIS_LAYERS and isinstance(config["axis"], int):
            axis = turned_axis(config["axis"], rank)
            return replace(
                call, layer=LayerSpec(layer.class_name, {**config, "axis": -1 if axis == rank - 1 else axis})
            )
        return None

    def of_equation(self, equation: Equation) -> tuple[list[Any], dict[str, Any]] | None:
        """Return the tensors and params of an equation on turned tensors, or None if it takes those of the file's order."""
        inputs, name = equation.inputs, equation.primitive.name
        (output,) = equation.outputs if len(equation.outputs) == 1 else (None,)
        if output is None or not _is_image(output) or not any(a in self.tensors for a in inputs):
            return None
        rank, params = len(output.spec.shape), dict(equation.params)
        if name == "concatenate" and all(isinstance(a, Value) for a in inputs):
            return [self.get(a) for a in inputs], {**params, "axis": turned_axis(params["axis"], rank)}
        if name == "slice":
            return [self.get(inputs[0])], {key: _moved(params[key], rank) for key in ("starts", "stops", "steps")}
        if name == "pad" and params["mode"] == "constant" and isinstance(inputs[1], Literal):
            return [self.get(inputs[0]), getattr(inputs[1], "array", None)], {
                "mode": "constant",
                "widths": _moved(params["widths"], rank),
            }
        if name in ("reduce_mean", "reduce_max", "reduce_sum") and params["keepdims"]:
            return [self.get(inputs[0])], {**params, "axes": tuple(turned_axis(a, rank) for a in params["axes"])}
        if name not in _ELEMENTWISE:
            return None
        tensors = [self._operand(a, rank) for a in inputs]
        return None if any(t is None for t in tensors) else (tensors, params)

    def _operand(self, atom: Any, rank: int) -> Any | None:
        if isinstance(atom, Literal):
            array = atom.array
            if array.ndim == 0:
                return self._tensor(atom)
            return np.transpose(array.reshape((1,) * (rank - array.ndim) + array.shape), last(rank))
        if len(atom.spec.shape) == rank:
            return self.get(atom) if isinstance(self._tensor_or_turned(atom), SymbolicTensor) else None
        return self._tensor(atom) if not atom.spec.shape else None

    def _tensor_or_turned(self, atom: Any) -> Any:
        return self.tensors[atom] if atom in self.tensors else self._tensor(atom)


def _moved(widths: Sequence[Any], rank: int) -> tuple[Any, ...]:
    return tuple(widths[a] for a in last(rank))


def _turned(spec: LayerSpec) -> LayerSpec:
    if spec.config.get("data_format") != "channels_first":
        return spec
    return LayerSpec(spec.class_name, {**spec.config, "data_format": "channels_last"})
