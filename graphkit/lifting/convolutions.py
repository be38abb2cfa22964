"""Convolutions, pooling, padding and resizing of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphkit.ir.matching import Match, Maybe, Number, P, Weight
from graphkit.lifting.calls import LayerSpec, LiftedCall, NotExactError, WeightFunction
from graphkit.lifting.recipes import along, call, flat, known, recipe, weight
from graphkit.ops._windows import resolve_padding

Pairs = tuple[tuple[int, int], ...]
_NONE = ((0, 0),)


def _spatial(shape: Sequence[Any], data_format: str) -> tuple[Any, ...]:
    return tuple(shape[2:] if data_format == "channels_first" else shape[1:-1])


def _is_spatial_padding(site: Any) -> bool:
    """Whether only spatial axes are padded, with constants; the channels are then the other axis."""
    widths = site.params["widths"]
    return site.params["mode"] == "constant" and widths[0] == (0, 0) and 3 <= len(widths) <= 5


_PADDED = Maybe("pad", "x", Number(0.0), where=_is_spatial_padding, name="pad")


def _padding(match: Match, node: str) -> tuple[Pairs, tuple[Any, ...]]:
    """Return the whole padding of a window, that of a `pad` before it included, and the spatial sizes before both."""
    params = match.params(node)
    layout = params["data_format"]
    x = match.spec("x").shape
    pairs = params["padding"]
    if "pad" in match.named:
        widths = match.params("pad")["widths"]
        channels = 1 if layout == "channels_first" else len(x) - 1
        if widths[channels] != (0, 0):
            raise NotExactError("channels are padded.")
        pads = _spatial(widths, layout)
        if isinstance(pairs, str):
            raise NotExactError("a padded image is padded again, by its size.")
        pairs = tuple((a + c, b + d) for (a, b), (c, d) in zip(pads, pairs, strict=True))
    return pairs, _spatial(x, layout)


def padded(
    pairs: Any,
    sizes: Sequence[Any],
    window: Sequence[int],
    strides: Sequence[int],
    dilation: Sequence[int],
    layout: str,
) -> tuple[str, tuple[LayerSpec, ...]]:
    """Return Keras' word for a padding, and the layer that pads before if no word says it."""
    if isinstance(pairs, str):
        return pairs, ()
    pairs = tuple(tuple(p) for p in pairs)
    if all(p == (0, 0) for p in pairs):
        return "valid", ()
    if resolve_padding("same", tuple(sizes), tuple(window), tuple(strides), tuple(dilation)) == pairs:
        return "same", ()
    return "valid", (zero_padding(pairs, layout),)


def zero_padding(pairs: Pairs, layout: str) -> LayerSpec:
    """Return the layer that pads images with zeros."""
    if any(n < 0 for pair in pairs for n in pair):
        raise NotExactError("the padding is negative.")
    given: Any = [list(p) for p in pairs]
    return LayerSpec(
        f"ZeroPadding{len(pairs)}D", {"padding": given[0] if len(pairs) == 1 else given, "data_format": layout}
    )


def cropping(pairs: Pairs, layout: str) -> tuple[LayerSpec, ...]:
    """Return the layers that remove the edges of images. Cropping1D has no data format."""
    if len(pairs) > 1:
        return (LayerSpec(f"Cropping{len(pairs)}D", {"cropping": [list(p) for p in pairs], "data_format": layout}),)
    cut = LayerSpec("Cropping1D", {"cropping": list(pairs[0])})
    turned = LayerSpec("Permute", {"dims": [2, 1]})
    return (turned, cut, turned) if layout == "channels_first" else (cut,)


def _bias(match: Match, node: str, filters: int) -> list[WeightFunction]:
    """Return the bias of a convolution in a list, empty if there is none."""
    if "bias" not in match:
        return []
    layout, x = match.params(node)["data_format"], match.spec("x")
    axis = 1 if layout == "channels_first" else -1
    if not along(match.spec("bias"), len(x.shape), axis, filters):
        raise NotExactError(
            f"the bias of shape {match.spec('bias').shape} is not one number for each of {filters} filters."
        )
    return [flat(match["bias"])]


_CONV = P("conv", _PADDED, Weight("kernel"), name="conv")
_BIASED = Maybe("add", _CONV, Weight("bias"))


def _settings(match: Match, node: str, window: Sequence[int]) -> tuple[dict[str, Any], tuple[LayerSpec, ...]]:
    """Return the arguments that all convolutions share, and the layer that pads before."""
    params = match.params(node)
    strides, dilation, layout = params["strides"], params["dilation"], params["data_format"]
    if any(s > 1 for s in strides) and any(d > 1 for d in dilation):
        raise NotExactError("Keras' layers accept no strides together with dilation.")
    pairs, sizes = _padding(match, node)
    word, before = padded(pairs, sizes, window, strides, dilation, layout)
    config = {"kernel_size": list(window), "strides": list(strides), "padding": word, "data_format": layout}
    return {**config, "dilation_rate": list(dilation), "use_bias": "bias" in match}, before


def _channels(match: Match, node: str) -> Any:
    shape = match.spec("x").shape
    return shape[1 if match.params(node)["data_format"] == "channels_first" else -1]


@recipe(
    "separable convolution",
    Maybe(
        "add",
        P("conv", P("conv", _PADDED, Weight("depthwise"), name="conv"), Weight("pointwise"), name="point"),
        Weight("bias"),
    ),
)
def _separable(match: Match) -> LiftedCall:
    first, second = match.spec("depthwise").shape, match.spec("pointwise").shape
    *window, _, filters = first
    channels, last = _channels(match, "conv"), match.params("point")
    rank = len(window)
    plain = {"strides": (1,) * rank, "padding": _NONE * rank, "dilation": (1,) * rank, "groups": 1}
    if (
        rank > 2
        or match.params("conv")["groups"] != channels
        or any(tuple(last[k]) != v if k != "groups" else last[k] != v for k, v in plain.items())
    ):
        raise NotExactError("it is not a depthwise convolution and one with windows of one element.")
    if any(n != 1 for n in second[:-2]):
        raise NotExactError("the second convolution has windows of more than one element.")
    settings, before = _settings(match, "conv", window)
    each = filters // channels
    return call(
        match, f"SeparableConv{rank}D", {"filters": second[-1], "depth_multiplier": each, **settings},
        weight(match["depthwise"], lambda k: k.reshape(*window, channels, each)), weight(match["pointwise"]),
        *_bias(match, "conv", second[-1]), before=before,
    )  # fmt: skip


@recipe("convolution of sequences", Maybe("add", P("reshape", _CONV, name="squeeze"), Weight("bias")))
def _sequence_convolution(match: Match) -> LiftedCall:
    """Return a Conv1D that is written as a convolution of images one element high or wide."""
    from graphkit.ir.program import Value
    from graphkit.ir.spec import TensorSpec

    params = match.params("conv")
    *window, each, filters = match.spec("kernel").shape
    x = match.spec("x").shape
    made = match.graph.spec(match.graph.outputs(match.named["squeeze"])[0]).shape
    if (
        len(window) != 2
        or params["data_format"] != "channels_first"
        or "pad" in match.named
        or isinstance(params["padding"], str)
    ):
        raise NotExactError("it is not a convolution of sequences.")
    flat_axis = next(
        (i for i in (0, 1) if window[i] == 1 and x[2 + i] == 1 and tuple(params["padding"][i]) == (0, 0)), None
    )
    if (
        flat_axis is None
        or params["strides"][flat_axis] != 1
        or made != (x[0], filters, match.graph.spec(match.graph.outputs(match.named["conv"])[0]).shape[3 - flat_axis])
    ):
        raise NotExactError("it is not a convolution of sequences.")
    place = 1 - flat_axis
    strides, dilation = (params["strides"][place],), (params["dilation"][place],)
    if strides[0] > 1 and dilation[0] > 1:
        raise NotExactError("Keras' layers accept no strides together with dilation.")
    word, before = padded(
        (params["padding"][place],), (x[2 + place],), (window[place],), strides, dilation, "channels_first"
    )
    bias = []
    if "bias" in match:
        if not along(match.spec("bias"), 3, 1, filters):
            raise NotExactError(
                f"the bias of shape {match.spec('bias').shape} is not one number for each of {filters} filters."
            )
        bias = [flat(match["bias"])]
    sequence = Value(TensorSpec((x[0], x[1], x[2 + place]), match.spec("x").dtype))
    config = {
        "filters": filters, "kernel_size": [window[place]], "strides": list(strides), "padding": word, "data_format": "channels_first",
        "dilation_rate": list(dilation), "groups": params["groups"], "use_bias": bool(bias),
    }  # fmt: skip
    return call(
        match, "Conv1D", config, weight(match["kernel"], lambda k: k.reshape(window[place], each, filters)), *bias,
        inputs=(sequence,), views={sequence: (match["x"], (0, 1, 2 + place))}, before=before,
    )  # fmt: skip


@recipe("convolution", _BIASED)
def _convolution(match: Match) -> LiftedCall:
    *window, each, filters = match.spec("kernel").shape
    groups, rank, channels = match.params("conv")["groups"], len(window), _channels(match, "conv")
    settings, before = _settings(match, "conv", window)
    bias = _bias(match, "conv", filters)
    equal_strides = len(set(settings["strides"])) == 1
    if groups == channels and each == 1 and groups > 1 and rank <= 2 and equal_strides:
        multiplier = filters // groups
        kernel = weight(match["kernel"], lambda k: k.reshape(*window, channels, multiplier))
        return call(
            match, f"DepthwiseConv{rank}D", {"depth_multiplier": multiplier, **settings}, kernel, *bias, before=before
        )
    config = {"filters": filters, **settings, "groups": groups}
    return call(match, f"Conv{rank}D", config, weight(match["kernel"]), *bias, before=before)


@recipe(
    "transposed convolution",
    Maybe("add", P("conv_input_grad", "x", Weight("kernel"), name="conv", params={"groups": 1}), Weight("bias")),
)
def _transposed(match: Match) -> LiftedCall:
    params = match.params("conv")
    *window, filters, _ = match.spec("kernel").shape
    strides, dilation, layout = params["strides"], params["dilation"], params["data_format"]
    if any(s > 1 for s in strides) and any(d > 1 for d in dilation):
        raise NotExactError("Keras' layers accept no strides together with dilation.")
    spans = [(w - 1) * d + 1 for w, d in zip(window, dilation, strict=True)]
    if any(span < s for span, s in zip(spans, strides, strict=True)):
        raise NotExactError("the strides exceed the window.")
    # Without padding the output has all places that the windows reach; padding removes its edges.
    pairs = params["padding"]
    if any(n < 0 for pair in pairs for n in pair):
        raise NotExactError("the output is larger than what the windows reach.")
    sizes = _spatial(match.spec("x").shape, layout)
    for n, s, span, (b, a), out in zip(sizes, strides, spans, pairs, params["sizes"], strict=True):
        if out != (n - 1) * s + span - b - a:
            raise NotExactError("the output has another size than Keras computes.")
    config = {
        "filters": filters, "kernel_size": list(window), "strides": list(strides), "padding": "valid", "data_format": layout,
        "dilation_rate": list(dilation), "use_bias": "bias" in match,
    }  # fmt: skip
    after = cropping(pairs, layout) if any(pair != (0, 0) for pair in pairs) else ()
    bias = _bias(match, "conv", filters)
    return call(match, f"Conv{len(window)}DTranspose", config, weight(match["kernel"]), *bias, after=after)


# ----- pooling -----


def _pooling(match: Match) -> LiftedCall:
    params = match.params("pool")
    window, strides, layout = params["window"], params["strides"], params["data_format"]
    pairs, sizes = _padding(match, "pool")
    kind = "Max" if match.pattern.name.startswith("max") else "Average"
    word, before = padded(pairs, sizes, window, strides, (1,) * len(window), layout)
    if "pad" in match.named and word == "same":  # Keras does not count what "same" pads
        word, before = "valid", (zero_padding(pairs, layout),)
    if before and not ("pad" in match.named and kind == "Average"):
        raise NotExactError("windows reach over the edges in another way than Keras' 'same'.")
    config = {"pool_size": list(window), "strides": list(strides), "padding": word, "data_format": layout}
    return call(match, f"{kind}Pooling{len(window)}D", config, before=before)


recipe("average pooling", P("average_pool", _PADDED, name="pool"))(_pooling)


def _is_lowest(site: Any) -> bool:
    value = site.graph.number(site.graph.inputs(site.node)[1])
    return _is_spatial_padding(site) and value is not None and bool(value.reshape(-1)[0] == float("-inf"))


@recipe("max pooling", P("max_pool", Maybe("pad", "x", Number("lowest"), where=_is_lowest, name="pad"), name="pool"))
def _max_pooling(match: Match) -> LiftedCall:
    params = match.params("pool")
    window, strides, layout = params["window"], params["strides"], params["data_format"]
    pairs, sizes = _padding(match, "pool")
    word, before = padded(pairs, sizes, window, strides, (1,) * len(window), layout)
    if before:
        raise NotExactError("windows reach over the edges in another way than Keras' 'same'.")
    config = {"pool_size": list(window), "strides": list(strides), "padding": word, "data_format": layout}
    return call(match, f"MaxPooling{len(window)}D", config)


def _global(kind: str, layout: str) -> Any:
    def make(match: Match) -> LiftedCall:
        rank = len(match.spec("x").shape) - 2
        config = {"data_format": layout, "keepdims": bool(match.params("reduce")["keepdims"])}
        return call(match, f"Global{kind}Pooling{rank}D", config)

    return make


def _over_images(axes_of: Any) -> Any:
    def where(site: Any) -> bool:
        rank = len(site.inputs[0].shape)
        floats = site.inputs[0].dtype.startswith("float")
        return floats and 3 <= rank <= 5 and tuple(site.params["axes"]) == axes_of(rank)

    return where


_LAYOUTS = {
    "channels_first": _over_images(lambda rank: tuple(range(2, rank))),
    "channels_last": _over_images(lambda rank: tuple(range(1, rank - 1))),
}
for _layout, _where in _LAYOUTS.items():
    for _kind, _primitive in (("Average", "reduce_mean"), ("Max", "reduce_max")):
        recipe(f"global {_kind.lower()} pooling", P(_primitive, "x", where=_where, name="reduce"))(
            _global(_kind, _layout)
        )


# ----- padding and resizing -----


@recipe("zero padding", P("pad", "x", Number(0.0), where=_is_spatial_padding, name="pad"))
def _zero_padding(match: Match) -> LiftedCall:
    widths = match.params("pad")["widths"]
    for layout, channels in (("channels_first", 1), ("channels_last", len(widths) - 1)):
        if tuple(widths[channels]) == (0, 0):
            layer = zero_padding(tuple(_spatial(widths, layout)), layout)
            return call(match, layer.class_name, dict(layer.config))
    raise NotExactError("channels are padded.")


@recipe("upsampling", P("resize", "x", name="resize"))
def _upsampling(match: Match) -> LiftedCall:
    params, x = match.params("resize"), match.spec("x").shape
    axes, sizes = tuple(params["axes"]), tuple(params["sizes"])
    old = [x[a] for a in axes]
    if len(x) != 4 or axes not in ((2, 3), (1, 2)) or params["interpolation"] not in ("nearest", "bilinear"):
        raise NotExactError("Keras' UpSampling2D resizes two axes of images, to the nearest element or bilinearly.")
    if not all(known(n) and known(m) and m % n == 0 for n, m in zip(old, sizes, strict=True)):
        raise NotExactError("the sizes are not multiples of the old ones.")
    config = {
        "size": [m // n for n, m in zip(old, sizes, strict=True)], "interpolation": params["interpolation"],
        "data_format": "channels_first" if axes == (2, 3) else "channels_last",
    }  # fmt: skip
    return call(match, "UpSampling2D", config)


def _repeats(site: Any) -> bool:
    """Whether elements of an axis are repeated, each as often, and in their order."""
    indices = site.graph.number(site.graph.inputs(site.node)[1])
    size = site.inputs[0].shape[site.params["axis"]]
    if indices is None or indices.ndim != 1 or not known(size) or not size or indices.size % size:
        return False
    return bool((indices == np.arange(size).repeat(indices.size // size)).all())


@recipe(
    "upsampling, written as indices",
    P("take", P("take", "x", "rows", where=_repeats, name="first"), "columns", where=_repeats, name="second"),
)
def _repeated(match: Match) -> LiftedCall:
    x, made = match.spec("x").shape, match.graph.spec(match.outputs[0]).shape
    axes = tuple(sorted((match.params("first")["axis"], match.params("second")["axis"])))
    if len(x) != 4 or axes not in ((1, 2), (2, 3)):
        raise NotExactError("Keras' UpSampling2D repeats the elements of two axes of images.")
    config = {
        "size": [made[a] // x[a] for a in axes], "interpolation": "nearest",
        "data_format": "channels_first" if axes == (2, 3) else "channels_last",
    }  # fmt: skip
    return call(match, "UpSampling2D", config)
