"""Activations, whole or written in primitives."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from graphkit.ir.matching import Match, Number, OneOf, P, Weight
from graphkit.lifting.calls import LiftedCall, NotExactError, WeightFunction
from graphkit.lifting.recipes import call, recipe, scalar, weight


def _named(name: str) -> Callable[[Match], LiftedCall]:
    def make(match: Match) -> LiftedCall:
        return call(match, "Activation", {"activation": name})

    return make


# ----- GELU: x * 0.5 * (1 + erf(x / sqrt 2)), its factors in any order -----

_ERF = P(
    "add",
    P("erf", OneOf(P("divide", "x", Number(math.sqrt(2))), P("multiply", "x", Number(math.sqrt(0.5))))),
    Number(1.0),
)
_CUBE = OneOf(
    P("power", "x", Number(3.0)), P("multiply", "x", P("multiply", "x", "x")), P("multiply", P("square", "x"), "x")
)
_INNER = OneOf(
    P("multiply", P("add", "x", P("multiply", _CUBE, Number(0.044715))), Number(math.sqrt(2 / math.pi))),
    P(
        "multiply",
        P("multiply", "x", Number(math.sqrt(2 / math.pi))),
        P("add", P("multiply", P("multiply", "x", "x"), Number(0.044715)), Number(1.0)),
    ),
)
_TANH = P("add", P("tanh", _INNER), Number(1.0))


def _halved(curve: Any) -> Any:
    """Return the term of x * curve / 2."""
    half = Number(0.5)
    return OneOf(
        P("multiply", P("multiply", "x", curve), half),
        P("multiply", P("multiply", "x", half), curve),
        P("multiply", "x", P("multiply", curve, half)),
        P("divide", P("multiply", "x", curve), Number(2.0)),
    )


@recipe("GELU, written out, approximate", _halved(_TANH))
def _approximate_gelu(match: Match) -> LiftedCall:
    return call(match, "ops.gelu", {"approximate": True})


recipe("GELU, written out", _halved(_ERF))(_named("gelu"))


# ----- curves that are products and quotients -----


def _clipped(term: Any, low: float, high: float) -> Any:
    """Return the term of values between two bounds."""
    return OneOf(
        P("clip", term, params={"low": low, "high": high}),
        P("minimum", P("maximum", term, Number(low)), Number(high)),
        P("maximum", P("minimum", term, Number(high)), Number(low)),
        *([P("minimum", P("relu", term), Number(high))] if low == 0.0 else []),
    )


_SHIFTED6 = _clipped(P("add", "x", Number(3.0)), 0.0, 6.0)


def _sixth(term: Any) -> Any:
    return OneOf(P("divide", term, Number(6.0)), P("multiply", term, Number(1 / 6)))


def _is_sixth(site: Any) -> bool:
    params = site.params
    alpha, beta = params.get("alpha", 1 / 6), params.get("beta", 0.5)
    return math.isclose(alpha, 1 / 6, rel_tol=1e-6) and math.isclose(beta, 0.5, rel_tol=1e-6)


_HARD_SIGMOID = OneOf(
    P("hard_sigmoid", "x", where=_is_sixth),
    _sixth(_SHIFTED6),
    _clipped(P("add", P("multiply", "x", Number(1 / 6)), Number(0.5)), 0.0, 1.0),
)
_SOFTPLUS = OneOf(
    P("softplus", "x"),
    P("log", P("add", P("exp", "x"), Number(1.0))),
    P("log1p", P("exp", "x")),
)


@recipe(
    "PReLU, written out",
    P("add", P("relu", "x"), P("multiply", P("relu", P("negative", "x")), Weight("negated"))),
)
def _written_prelu(match: Match) -> LiftedCall:
    x, alpha = match.spec("x").shape, match.spec("negated").shape
    alpha = (*(1,) * (len(x) - len(alpha)), *alpha)
    if len(x) < 2 or alpha[0] != 1 or any(n not in (1, m) for n, m in zip(alpha[1:], x[1:], strict=True)):
        raise NotExactError("the slopes have another shape than the input.")
    shared = [i for i in range(1, len(x)) if alpha[i] == 1]
    return call(
        match,
        "PReLU",
        {"shared_axes": shared},
        WeightFunction((match["negated"],), lambda a: -np.reshape(a, alpha[1:]), False),
    )


for _name, _term in {
    "hard_silu": OneOf(
        P("hard_silu", "x", where=_is_sixth),
        P("multiply", "x", _HARD_SIGMOID),
        _sixth(P("multiply", "x", _SHIFTED6)),
    ),
    "silu": OneOf(P("silu", "x"), P("multiply", "x", P("sigmoid", "x"))),
    "mish": OneOf(P("mish", "x"), P("multiply", "x", P("tanh", _SOFTPLUS))),
    "hard_sigmoid": _HARD_SIGMOID,
    "relu6": _clipped("x", 0.0, 6.0),
    "softsign": P("softsign", "x"),
    "softplus": P("softplus", "x"),
    "selu": P("selu", "x"),
    "relu": OneOf(P("relu", "x"), P("maximum", "x", Number(0.0))),
    "sigmoid": P("sigmoid", "x"),
    "tanh": P("tanh", "x"),
}.items():
    recipe(_name, _term, where=lambda m: m.spec("x").dtype.startswith(("float", "bfloat")))(_named(_name))


@recipe("GELU", P("gelu", "x", params={"approximate": False}))
def _whole_gelu(match: Match) -> LiftedCall:
    return call(match, "Activation", {"activation": "gelu"})


# ----- with parameters -----


@recipe("ELU", P("elu", "x", name="elu"))
def _elu(match: Match) -> LiftedCall:
    return call(match, "ELU", {"alpha": match.params("elu")["alpha"]})


@recipe("leaky ReLU", P("leaky_relu", "x", name="leaky"))
def _leaky(match: Match) -> LiftedCall:
    params = match.params("leaky")
    return call(match, "LeakyReLU", {"negative_slope": next(iter(params.values()))})


@recipe("leaky ReLU, written out", P("select", P("less", "x", Number(0.0)), P("multiply", "x", Number("slope")), "x"))
def _written_leaky(match: Match) -> LiftedCall:
    if match["slope"] in match.graph.variables:
        raise NotExactError("the slope is a variable.")
    return call(match, "LeakyReLU", {"negative_slope": scalar(match, "slope")})


@recipe("PReLU", P("select", P("less", "x", Number(0.0)), P("multiply", "x", Weight("alpha")), "x"))
def _prelu(match: Match) -> LiftedCall:
    x, alpha = match.spec("x").shape, match.spec("alpha").shape
    alpha = (*(1,) * (len(x) - len(alpha)), *alpha)
    if len(x) < 2 or alpha[0] != 1:
        raise NotExactError("the slopes differ within the batch.")
    shared = [i for i in range(1, len(x)) if alpha[i] == 1]
    if any(n not in (1, m) for n, m in zip(alpha[1:], x[1:], strict=True)):
        raise NotExactError("the slopes have another shape than the input.")
    return call(match, "PReLU", {"shared_axes": shared}, weight(match["alpha"], lambda a: np.reshape(a, alpha[1:])))


@recipe("softmax", P("softmax", "x", where=lambda site: len(site.params["axes"]) == 1, name="softmax"))
def _softmax(match: Match) -> LiftedCall:
    axis = match.params("softmax")["axes"][0]
    return call(match, "Softmax", {"axis": -1 if axis == len(match.spec("x").shape) - 1 else axis})


@recipe(
    "log softmax", P("log_softmax", "x", where=lambda site: site.params["axes"] == (len(site.inputs[0].shape) - 1,))
)
def _log_softmax(match: Match) -> LiftedCall:
    return call(match, "Activation", {"activation": "log_softmax"})
