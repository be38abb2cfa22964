"""LSTM, GRU and SimpleRNN, with their states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphkit.ir.matching import Bound, Match, P, Weight
from graphkit.ir.program import Literal
from graphkit.lifting.calls import LiftedCall, NotExactError
from graphkit.lifting.recipes import call, recipe, weight

# The composite, Keras' class, and how many states it has.
_LAYERS = {"lstm": ("LSTM", 2), "gru": ("GRU", 1), "simple_rnn": ("SimpleRNN", 1)}
_ACTIVATIONS = {"tanh", "sigmoid", "relu", "linear", "hard_sigmoid"}


def _is_sequence(spec: Any) -> bool:
    return len(spec.shape) == 3


def _recurrence(match: Match) -> LiftedCall:
    params = match.params("cell")
    (node,) = match.nodes
    class_name, count = _LAYERS[match.graph.operator(node)]
    config: dict[str, Any] = {"units": match.spec("recurrent").shape[0], "return_sequences": True, "return_state": True}
    for key in ("activation", "recurrent_activation"):
        if key in params:
            if params[key] not in _ACTIVATIONS:
                raise NotExactError(f"Keras has no activation {params[key]!r} by name.")
            config[key] = params[key]
    config |= {k: params[k] for k in ("go_backwards", "reset_after") if k in params}
    if not params["return_sequences"]:
        config["return_sequences"] = False
    weights = [weight(match["kernel"]), weight(match["recurrent"])]
    graph, bias = match.graph, match["bias"]
    config["use_bias"] = not (isinstance(bias, Literal) and not bias.array.any())
    if config["use_bias"]:
        weights.append(weight(bias))
    states = [match["h"], match["c"]][:count] if count == 2 else [match["h"]]
    given = [] if all(graph.is_zero(s) for s in states) else states
    return call(match, class_name, config, *weights, inputs=(match["x"], *given), arguments=_with_states)


def _with_states(layer: Any, tensors: Sequence[Any]) -> Any:
    x, *states = tensors
    return layer(x, initial_state=states) if states else layer(x)


_WEIGHTS = (Bound("x", _is_sequence), Weight("kernel"), Weight("recurrent"), Weight("bias"), "h")


for _name, (_class, _states) in _LAYERS.items():
    _inputs = (*_WEIGHTS, "c") if _states == 2 else _WEIGHTS
    _roots = [P(_name, *_inputs, params={"reserve": False}, name="cell", output=i) for i in range(1 + _states)]
    recipe(_class, *_roots)(_recurrence)
