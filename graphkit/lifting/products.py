"""Products with weights: Dense and EinsumDense."""

from __future__ import annotations

from typing import Any

from graphkit.ir.matching import Match, P, Weight
from graphkit.lifting.calls import LARGE, LiftedCall, NotExactError, WeightFunction
from graphkit.lifting.recipes import call, flat, recipe, weight


def _is_matrix(spec: Any) -> bool:
    return len(spec.shape) == 2


def _is_bias(spec: Any) -> bool:
    return all(n == 1 for n in spec.shape[:-1])


_PRODUCT = P("matmul", "x", Weight("kernel", _is_matrix))
_FLATTENED = P("reshape", P("matmul", P("reshape", "x", name="flatten"), Weight("kernel", _is_matrix)), name="restore")


def _restores(match: Match) -> bool:
    """Whether a product keeps the axes before the last."""
    x, y = match.spec("x").shape, match.graph.spec(match.graph.outputs(match.named["restore"])[0]).shape
    inner = match.graph.spec(match.graph.outputs(match.named["flatten"])[0]).shape
    return len(x) == len(y) and x[:-1] == y[:-1] and len(inner) == 2 and inner[-1] == x[-1]


def _dense(match: Match) -> LiftedCall:
    units = match.spec("kernel").shape[1]
    if len(match.spec("x").shape) < 2:
        raise NotExactError("Dense expects an input of at least two axes.")
    if not match.graph.roots(match["kernel"]) and match.graph.array(match["kernel"]).size <= LARGE:
        raise NotExactError("the matrix is a constant, not a weight.")
    weights: list[WeightFunction] = [weight(match["kernel"])]
    if "bias" in match:
        if match.spec("bias").shape[-1:] != (units,) or len(match.spec("bias").shape) > len(match.spec("x").shape):
            raise NotExactError(
                f"the bias of shape {match.spec('bias').shape} is not one number for each of {units} units."
            )
        weights.append(flat(match["bias"]))
    return call(match, "Dense", {"units": units, "use_bias": "bias" in match}, *weights)


def _split_dense(match: Match) -> LiftedCall:
    """Return an EinsumDense: a Dense whose last axis is split into several."""
    x = match.spec("x").shape
    made = match.graph.spec(match.outputs[0]).shape
    parts = made[len(x) - 1 :]
    bias = match.spec("bias").shape
    while bias and bias[0] == 1 and len(bias) > len(parts):
        bias = bias[1:]
    if made[: len(x) - 1] != x[:-1] or len(parts) < 2 or bias != parts or not all(isinstance(n, int) for n in parts):
        raise NotExactError("the product is reshaped in another way than by splitting its last axis.")
    lead, split = "abcdefgh"[: len(x) - 1], "uvwxyz"[: len(parts)]
    config = {
        "equation": f"{lead}k,k{split}->{lead}{split}",
        "output_shape": [*(n if isinstance(n, int) else None for n in made[1:])],
        "bias_axes": split,
    }
    return call(
        match, "EinsumDense", config,
        weight(match["kernel"], lambda k: k.reshape(k.shape[0], *parts)), weight(match["bias"], lambda b: b.reshape(parts)),
    )  # fmt: skip


recipe(
    "split dense", P("add", P("reshape", _PRODUCT), Weight("bias")), where=lambda m: m.spec("bias").shape[-1:] != (1,)
)(_split_dense)
recipe("dense over several axes", P("add", _FLATTENED, Weight("bias", _is_bias)), where=_restores)(_dense)
recipe("dense over several axes", _FLATTENED, where=_restores)(_dense)
recipe("dense", P("add", _PRODUCT, Weight("bias", _is_bias)))(_dense)
recipe("dense", _PRODUCT)(_dense)
