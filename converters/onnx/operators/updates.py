"""Gradients, and steps of optimizers, of ai.onnx.preview.training. Source: onnx.ai/onnx/operators (ai.onnx.preview.training)."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable
from inspect import Parameter, Signature, signature
from typing import Any

import onnx
from onnx import numpy_helper

from graphkit import ops
from graphkit.core.errors import InvalidArgumentError, UnsupportedError
from graphkit.ir.gradient import grad
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import replay, trace
from graphkit.ops._convert import tensor

from .elementwise import scalar
from .table import TRAINING, NodeCall, operator

Rule = Callable[..., tuple[Any, ...]]


def _update(name: str, states: int) -> Callable[[Rule], Rule]:
    """Register the update of one tensor `(rate, count, tensor, gradient, *states, **attributes)` as that of several."""

    def register(rule: Rule) -> Rule:
        def call(rate: Any, count: Any, *values: Any, **attributes: Any) -> Any:
            tensors, rest = divmod(len(values), states + 2)
            if rest:
                raise InvalidArgumentError(
                    f"{name} expects {states + 2} inputs for each tensor, got {len(values)} in all."
                )
            made = [rule(rate, count, *values[i::tensors], **attributes) for i in range(tensors)]
            return tuple(one[k] for k in range(states + 1) for one in made)

        parameters = list(signature(rule).parameters.values())
        attributes = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
        several = Parameter("values", Parameter.VAR_POSITIONAL)
        call.__signature__ = Signature([*parameters[:2], several, *attributes])  # type: ignore[attr-defined]
        operator(name, domain=TRAINING)(call)
        return rule

    return register


def _regularized(x: Any, gradient: Any, norm_coefficient: float) -> Any:
    return ops.add(gradient, ops.multiply(x, scalar(norm_coefficient, x)))


def _mixed(old: Any, new: Any, share: float) -> Any:
    return ops.add(ops.multiply(old, scalar(share, old)), ops.multiply(new, scalar(1.0 - share, new)))


@_update("Adagrad", 1)
def adagrad(
    rate: Any, count: Any, x: Any, gradient: Any, squares: Any, *, decay_factor: float = 0.0, epsilon: float = 0.0,
    norm_coefficient: float = 0.0,
) -> tuple[Any, ...]:  # fmt: skip
    """Source: ONNX Adagrad."""
    step = ops.cast(count, "float32")
    slow = ops.true_divide(rate, ops.add(ops.multiply(step, scalar(decay_factor, step)), scalar(1.0, step)))
    gradient = _regularized(x, gradient, norm_coefficient)
    squares = ops.add(squares, ops.square(gradient))
    size = ops.add(ops.sqrt(squares), scalar(epsilon, squares))
    return ops.subtract(x, ops.true_divide(ops.multiply(slow, gradient), size)), squares


@_update("Adam", 2)
def adam(
    rate: Any, count: Any, x: Any, gradient: Any, mean: Any, squares: Any, *, alpha: float = 0.9, beta: float = 0.999,
    epsilon: float = 0.0, norm_coefficient: float = 0.0, norm_coefficient_post: float = 0.0,
) -> tuple[Any, ...]:  # fmt: skip
    """Source: ONNX Adam."""
    gradient = _regularized(x, gradient, norm_coefficient)
    mean, squares = _mixed(mean, gradient, alpha), _mixed(squares, ops.square(gradient), beta)
    size = ops.add(ops.sqrt(squares), scalar(epsilon, squares))
    step = ops.cast(count, "float32")
    one = scalar(1.0, step)
    first = ops.equal(step, scalar(0.0, step))
    safe = ops.where(first, one, step)
    corrected = ops.true_divide(
        ops.sqrt(ops.subtract(one, ops.power(scalar(beta, step), safe))),
        ops.subtract(one, ops.power(scalar(alpha, step), safe)),
    )
    speed = ops.multiply(rate, ops.where(first, one, corrected))
    moved = ops.subtract(x, ops.true_divide(ops.multiply(speed, mean), size))
    return ops.multiply(moved, scalar(1.0 - norm_coefficient_post, moved)), mean, squares


@_update("Momentum", 1)
def momentum(
    rate: Any, count: Any, x: Any, gradient: Any, velocity: Any, *, alpha: float, beta: float, mode: str, norm_coefficient: float,
) -> tuple[Any, ...]:  # fmt: skip
    """Source: ONNX Momentum."""
    if mode not in ("standard", "nesterov"):
        raise UnsupportedError(f"mode expects 'standard' or 'nesterov', got {mode!r}.")
    gradient = _regularized(x, gradient, norm_coefficient)
    share = ops.where(ops.greater(count, 0), scalar(beta, x), scalar(1.0, x))
    velocity = ops.add(ops.multiply(velocity, scalar(alpha, x)), ops.multiply(gradient, share))
    direction = ops.add(gradient, ops.multiply(velocity, scalar(alpha, x))) if mode == "nesterov" else velocity
    return ops.subtract(x, ops.multiply(rate, direction)), velocity


# ----- Gradient -----


@operator("Gradient", domain=TRAINING, takes_node=True)
def gradient(node: NodeCall, *inputs: Any, xs: Any, y: str, zs: Any = None) -> Any:
    """Return the gradients of the tensor `y` by the tensors `xs`, at the inputs for `xs` and `zs`.

    The nodes between them are evaluated again, as a program, whose gradient is another one.
    """
    names = [*xs, *(zs or ())]
    if len(names) != len(inputs):
        raise InvalidArgumentError(f"Gradient names {len(names)} tensors in xs and zs, and has {len(inputs)} inputs.")
    evaluator = node.evaluator
    nodes = _between(evaluator.model.graph, y, set(names))
    weights = {t.name: numpy_helper.to_array(t) for t in evaluator.model.graph.initializer}

    def total(*values: Any) -> Any:
        known: ChainMap[str, Any] = ChainMap({**weights, **dict(zip(names, values, strict=True))})
        for one in nodes:
            given = [known[name] if name else None for name in one.input]
            known.update(zip(one.output, evaluator.call(one, given, known), strict=False))
        return ops.sum(known[y])

    program = trace(total, *(TensorSpec.of(tensor(value)) for value in inputs))
    return tuple(replay(grad(program, range(len(xs))), [tensor(value) for value in inputs])[1:])


def _between(graph: onnx.GraphProto, y: str, known: set[str]) -> list[onnx.NodeProto]:
    """Return the nodes, in order, that compute a tensor from known ones.

    Raises:
        InvalidArgumentError: it depends on an input of the graph that is not among them.
    """
    wanted, nodes = {y}, []
    given = known | {t.name for t in graph.initializer} | {""}
    for one in reversed(graph.node):
        if (wanted - known).intersection(one.output):
            nodes.append(one)
            wanted |= set(one.input)
    missing = wanted - given - {name for one in nodes for name in one.output}
    if missing:
        raise InvalidArgumentError(f"{y!r} depends on {sorted(missing)[0]!r}, which is neither in xs nor in zs.")
    return nodes[::-1]
