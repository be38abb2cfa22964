"""Batch, layer, group, instance and RMS normalization, whole or written out."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphkit.ir.matching import Match, Number, OneOf, P, Through, Weight
from graphkit.lifting.calls import LiftedCall, NotExactError, WeightFunction
from graphkit.lifting.recipes import along, call, flat, recipe, scalar, weight


@recipe(
    "batch normalization",
    P("batch_normalization", "x", Weight("mean"), Weight("variance"), Weight("gamma"), Weight("beta"), name="norm"),
)
def _batch(match: Match) -> LiftedCall:
    params = match.params("norm")
    config = {"axis": params["axis"], "epsilon": params["epsilon"], "momentum": 0.9}
    names = ("gamma", "beta", "mean", "variance")
    return call(match, "BatchNormalization", config, *(flat(match[name]) for name in names))


# ----- layer normalization -----


@recipe("layer normalization", P("layer_normalization", "x", Weight("gamma"), Weight("beta"), name="norm"))
def _layer(match: Match) -> LiftedCall:
    params = match.params("norm")
    config = {"axis": params["axis"], "epsilon": params["epsilon"]}
    return call(match, "LayerNormalization", config, weight(match["gamma"]), weight(match["beta"]))


def _kept(name: str) -> dict[str, Any]:
    """Return the conditions on a mean: it keeps its axes."""
    return {"name": name, "params": {"keepdims": True}}


_MEAN = P("reduce_mean", "x", **_kept("mean"))
_LOW = P("subtract", "x", _MEAN)
_CAST = ("cast", "identity")


def _square(term: Any) -> Any:
    return OneOf(P("square", term), P("multiply", term, term), P("power", term, Number(2.0)))


def _inverse(mean_of_squares: Any) -> tuple[Any, Any]:
    """Return the terms of the standard deviation and of its inverse."""
    variance = P("add", mean_of_squares, Number("epsilon"))
    root = OneOf(P("sqrt", variance), P("power", variance, Number(0.5)))
    return root, OneOf(P("rsqrt", variance), P("divide", Number(1.0), root), P("power", variance, Number(-0.5)))


_VARIANCE = P("reduce_mean", _square(_LOW), **_kept("variance"))
_ROOT, _INVERSE = _inverse(_VARIANCE)
_UNIT = OneOf(P("divide", _LOW, _ROOT), P("multiply", _LOW, _INVERSE))
_GAMMA, _BETA = Weight("gamma"), Weight("beta")
# x * (gamma / deviation) + (beta - mean * (gamma / deviation)), as Keras computes it on TensorFlow
_SCALE = OneOf(P("multiply", _INVERSE, _GAMMA), _INVERSE)
_SHIFTED = OneOf(
    P("add", P("multiply", "x", _SCALE), P("subtract", _BETA, P("multiply", _MEAN, _SCALE))),
    P("add", P("multiply", "x", _SCALE), P("add", P("multiply", P("negative", _MEAN), _SCALE), _BETA)),
)


def _last_axes(match: Match, *nodes: str) -> list[int]:
    rank = len(match.spec("x").shape)
    axes = [sorted(a % rank for a in match.params(node)["axes"]) for node in nodes]
    if any(a != axes[0] for a in axes):
        raise NotExactError("mean and variance are taken over different axes.")
    return axes[0]


def _fitting(match: Match, axes: list[int]) -> list[WeightFunction]:
    """Return gamma and beta as Keras has them for these axes.

    Raises:
        NotExactError: they have other sizes, or the axes are not the last ones.
    """
    x = match.spec("x").shape
    sizes = tuple(x[a] for a in axes)
    if axes != list(range(len(x) - len(axes), len(x))):
        raise NotExactError("it is over other axes than the last ones.")
    found = []
    for name in ("gamma", "beta"):
        if name in match:
            shape = match.spec(name).shape
            if tuple(n for n in shape if n != 1) != tuple(n for n in sizes if n != 1) or len(shape) > len(x):
                raise NotExactError(f"{name} has the shape {shape}; {sizes} is expected.")
            if tuple(shape[-len(sizes) :]) != sizes:
                raise NotExactError(f"{name} has the shape {shape}; {sizes} is expected.")
            found.append(weight(match[name], lambda a: a.reshape(sizes)))
    return found


# ----- group and instance normalization -----

_GROUPED = Through("reshape", P("reshape", "x", name="group"))
_GROUP_LOW = P("subtract", "grouped", P("reduce_mean", "grouped", **_kept("mean")))
_GROUP_VARIANCE = P("reduce_mean", _square(_GROUP_LOW), **_kept("variance"))
_, _GROUP_INVERSE = _inverse(_GROUP_VARIANCE)
_GROUP_UNIT = Through((*_CAST, "reshape"), P("multiply", _GROUP_LOW, _GROUP_INVERSE))
_INNER = P("add", P("multiply", _GROUP_UNIT, Weight("gamma")), Weight("beta"))
_OUTER = P(
    "add",
    P(
        "multiply",
        Through("reshape", P("add", P("multiply", _GROUP_UNIT, Weight("ones")), Weight("zeros"))),
        Weight("gamma"),
    ),
    Weight("beta"),
)


def _source(match: Match) -> tuple[Any, int]:
    """Return the image that is normalized, and the number of groups."""
    graph, value = match.graph, match["grouped"]
    groups = graph.spec(value).shape
    made = graph.spec(match.outputs[0]).shape
    covered = [graph.producer(value)]
    if len(groups) != 3 or match.params("mean")["axes"] != (2,) or match.params("variance")["axes"] != (2,):
        raise NotExactError("the mean is not taken over each group.")
    while covered[-1] is not None and covered[-1].primitive.name == "reshape":
        value = graph.inputs(covered[-1])[0]
        if graph.spec(value).shape == made:
            return value, groups[1]
        covered.append(graph.producer(value))
    raise NotExactError("the groups are not made of channels-first images.")


def _group(match: Match) -> LiftedCall:
    x, groups = _source(match)
    made = match.graph.spec(match.outputs[0]).shape
    channels = made[1]
    weights = []
    for name in ("gamma", "beta"):
        shape = match.spec(name).shape
        shape = (*(1,) * (len(made) - len(shape)), *shape)
        if shape != (1, channels, *(1,) * (len(made) - 2)):
            raise NotExactError(
                f"{name} has the shape {shape}; one number for each of {channels} channels is expected."
            )
        weights.append(flat(match[name]))
    if "ones" in match and not (
        np.all(match.graph.array(match["ones"]) == 1) and not match.graph.array(match["zeros"]).any()
    ):
        raise NotExactError("it is scaled twice.")
    config = {"groups": groups, "axis": 1, "epsilon": scalar(match, "epsilon")}
    return call(match, "GroupNormalization", config, *weights, inputs=(x,))


recipe("group normalization", _OUTER)(_group)
recipe("group normalization", _INNER)(_group)


@recipe("group normalization, written out", P("reshape", _SHIFTED))
def _written_group(match: Match) -> LiftedCall:
    graph = match.graph
    group = graph.producer(match["x"])
    grouped, made = match.spec("x").shape, graph.spec(match.outputs[0]).shape
    if group is None or group.primitive.name != "reshape" or graph.spec(group.inputs[0]).shape != made:
        raise NotExactError("what is normalized is no image whose channels are grouped.")
    over = _last_axes(match, "mean", "variance")
    (place,) = {*range(1, len(grouped))}.difference(over) if len(over) == len(grouped) - 2 else (0,)
    if place != len(grouped) - 2 or grouped[:place] != made[:-1]:
        raise NotExactError("the mean is not taken over each group of channels-last images.")
    weights = []
    for name in ("gamma", "beta"):
        shape = match.spec(name).shape
        if shape[-2:] != grouped[-2:] or any(n != 1 for n in shape[:-2]):
            raise NotExactError(f"{name} has the shape {shape}; one number for each channel is expected.")
        weights.append(flat(match[name]))
    config = {"groups": grouped[place], "axis": -1, "epsilon": scalar(match, "epsilon")}
    return call(match, "GroupNormalization", config, *weights, inputs=(group.inputs[0],))


@recipe("instance normalization, written out", P("add", P("multiply", _UNIT, _GAMMA), _BETA))
def _instance(match: Match) -> LiftedCall:
    x = match.spec("x").shape
    if len(x) < 3 or _last_axes(match, "mean", "variance") != list(range(2, len(x))) or not isinstance(x[1], int):
        raise NotExactError("the mean is not taken over each channel of channels-first images.")
    if not all(along(match.spec(name), len(x), 1, x[1]) for name in ("gamma", "beta")):
        raise NotExactError("scale and shift are not one number for each channel.")
    config = {"groups": x[1], "axis": 1, "epsilon": scalar(match, "epsilon")}
    return call(match, "GroupNormalization", config, flat(match["gamma"]), flat(match["beta"]))


def _written_layer(match: Match) -> LiftedCall:
    axes = _last_axes(match, "mean", "variance")
    weights = _fitting(match, axes)
    config = {
        "axis": axes[0] if len(axes) == 1 else axes, "epsilon": scalar(match, "epsilon"),
        "center": "beta" in match, "scale": "gamma" in match,
    }  # fmt: skip
    return call(match, "LayerNormalization", config, *weights)


for _term in (
    _SHIFTED,
    P("add", P("multiply", _UNIT, _GAMMA), _BETA),
    P("multiply", _UNIT, _GAMMA),
    _UNIT,
):
    recipe("layer normalization, written out", _term)(_written_layer)


# ----- RMS normalization -----

_SQUARES = P("reduce_mean", _square("x"), **_kept("mean"))
_RMS, _INVERSE_RMS = _inverse(_SQUARES)
_RMS_UNIT = OneOf(P("divide", "x", _RMS), P("multiply", "x", _INVERSE_RMS))


@recipe(
    "RMS normalization, written out",
    OneOf(P("multiply", _RMS_UNIT, _GAMMA), P("multiply", "x", P("multiply", _INVERSE_RMS, _GAMMA))),
)
def _written_rms(match: Match) -> LiftedCall:
    axes = _last_axes(match, "mean")
    weights = _fitting(match, axes)
    if len(axes) != 1:
        raise NotExactError("it is over several axes.")
    return call(match, "RMSNormalization", {"axis": axes[0], "epsilon": scalar(match, "epsilon")}, *weights)


@recipe("RMS normalization", P("rms_normalization", "x", Weight("gamma"), name="norm"))
def _rms(match: Match) -> LiftedCall:
    params = match.params("norm")
    axes = params.get("axes", params.get("axis", -1))
    axes = [axes] if isinstance(axes, int) else list(axes)
    if len(axes) != 1:
        raise NotExactError("it is over several axes.")
    return call(match, "RMSNormalization", {"axis": axes[0], "epsilon": params["epsilon"]}, weight(match["gamma"]))
