"""Bounding boxes: Keras' formats, overlaps, deltas to anchors, and boxes under crops and affine maps.

The functions are those of `keras.utils.bounding_boxes`; they compute on arrays, on tracers and on symbolic tensors. Boxes are
tensors (..., 4), or, where the functions say so, a dict {"boxes": (..., 4), "labels": (...)}. Sizes are in pixels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from graphkit import ops
from graphkit.core import dtypes
from graphkit.core.declared import must
from graphkit.core.errors import InvalidArgumentError, ShapeError, UnsupportedError

__all__ = [
    "affine_transform", "clip_to_image_size", "compute_ciou", "compute_iou", "convert_format", "crop", "decode_deltas_to_boxes",
    "encode_box_to_deltas", "pad",
]  # fmt: skip

# format -> (the order of the axes, how the two numbers of an axis are given)
_FORMATS = {
    "xyxy": ("xy", "ends"),
    "yxyx": ("yx", "ends"),
    "xywh": ("xy", "start"),
    "center_xywh": ("xy", "center"),
    "center_yxhw": ("yx", "center"),
}
FORMATS = (*_FORMATS, "rel_xyxy", "rel_yxyx", "rel_xywh", "rel_center_xywh")
_ENCODINGS = ("center_xywh", "center_yxhw")


known_format = must(
    lambda value: value is None or str(value).lower() in FORMATS,
    f"Layer {{owner.name!r}}: `{{name}}` must be one of {', '.join(FORMATS)}. Received: {{name}}={{value!r}}",
)


def _numbers(boxes: Any) -> list[Any]:
    return [boxes[..., i] for i in range(4)]


# ----- formats -----


def convert_format(
    boxes: Any, source: str, target: str, height: Any = None, width: Any = None, dtype: str = "float32"
) -> Any:
    """Convert boxes from one format to another.

    Args:
        boxes: (..., 4), or a dict whose "boxes" are converted; the dict itself is not changed.
        source: "xyxy", "yxyx", "xywh", "center_xywh", "center_yxhw", "rel_xyxy", "rel_yxyx", "rel_xywh" or "rel_center_xywh".
        target: the same.
        height: of the image, in pixels; required for relative formats.
        width: of the image, in pixels; required for relative formats.
        dtype: of the result.

    Raises:
        ShapeError: the last axis does not have 4 elements.
        InvalidArgumentError: a format is unknown, or a relative one is given without `height` and `width`.

    Source: keras.utils.bounding_boxes.convert_format.
    """
    if isinstance(boxes, Mapping):
        return {**boxes, "boxes": convert_format(boxes["boxes"], source, target, height, width, dtype)}
    boxes = ops.convert_to_tensor(boxes)
    if boxes.shape[-1] != 4:
        raise ShapeError(
            f"`boxes` must be a tensor with the last dimension of 4. Received: boxes.shape={tuple(boxes.shape)}"
        )
    source, target = source.lower(), target.lower()
    if source not in FORMATS or target not in FORMATS:
        raise InvalidArgumentError(
            f"Invalid source or target format: source={source!r}, target={target!r}. Supported formats: {FORMATS}"
        )
    relative = source.startswith("rel_"), target.startswith("rel_")
    if any(relative) and (height is None or width is None):
        raise InvalidArgumentError(
            "convert_format() must receive `height` and `width` to convert between relative and absolute formats. "
            f"Received: source={source!r}, target={target!r}, height={height}, width={width}"
        )
    boxes = ops.cast(boxes, dtype)
    if source == target:
        return boxes
    if all(relative):
        source, target = source.removeprefix("rel_"), target.removeprefix("rel_")
    return _from_corners(_to_corners(boxes, source, height, width), target, height, width)


def _scales(form: str, height: Any, width: Any, dtype: str) -> dict[str, Any]:
    """Return the factors from the numbers of a format to pixels, for each axis."""
    if not form.startswith("rel_"):
        return {"x": 1.0, "y": 1.0}
    return {"x": ops.cast(width, dtype), "y": ops.cast(height, dtype)}


def _to_corners(boxes: Any, form: str, height: Any, width: Any) -> list[Any]:
    """Return left, top, right and bottom in pixels, each (..., 1)."""
    axes, kind = _FORMATS[form.removeprefix("rel_")]
    scales = _scales(form, height, width, boxes.dtype)
    numbers = ops.split(boxes, 4, axis=-1)
    ends: dict[str, tuple[Any, Any]] = {}
    for index, axis in enumerate(axes):
        one, two = numbers[index], numbers[index + 2]
        low = one - two / 2.0 if kind == "center" else one
        high = {"center": lambda a, b: a + b / 2.0, "start": lambda a, b: a + b, "ends": lambda a, b: b}[kind](one, two)
        ends[axis] = low * scales[axis], high * scales[axis]
    return [ends["x"][0], ends["y"][0], ends["x"][1], ends["y"][1]]


def _from_corners(corners: list[Any], form: str, height: Any, width: Any) -> Any:
    """Invert `_to_corners`; return boxes (..., 4)."""
    axes, kind = _FORMATS[form.removeprefix("rel_")]
    scales = _scales(form, height, width, corners[0].dtype)
    first, second = [], []
    for axis in axes:
        low, high = corners[0::2] if axis == "x" else corners[1::2]
        start = low + (high - low) / 2.0 if kind == "center" else low
        first.append(start / scales[axis])
        second.append((high if kind == "ends" else high - low) / scales[axis])
    return ops.concatenate([*first, *second], axis=-1)


# ----- boxes of an image that changes -----


def clip_to_image_size(
    bounding_boxes: Mapping[str, Any], height: Any = None, width: Any = None, bounding_box_format: str = "xyxy"
) -> dict[str, Any]:
    """Clip boxes to the image; the labels of boxes without an area left become -1.

    Args:
        bounding_boxes: {"boxes": (..., 4), "labels": (...)}; the labels may be missing.
        height: of the image, in pixels; required for "xyxy".
        width: of the image, in pixels; required for "xyxy".
        bounding_box_format: "xyxy" or "rel_xyxy".

    Raises:
        UnsupportedError: another format; convert the boxes with `convert_format` first.
        InvalidArgumentError: the size is missing.

    Source: keras.utils.bounding_boxes.clip_to_image_size.
    """
    if bounding_box_format not in ("xyxy", "rel_xyxy"):
        _refuse_format("clip_to_image_size", bounding_box_format, "'xyxy' or 'rel_xyxy'")
    if bounding_box_format == "xyxy" and (height is None or width is None):
        raise InvalidArgumentError("`height` and `width` must be set if `format='xyxy'`.")
    boxes = ops.convert_to_tensor(bounding_boxes["boxes"])
    limits = (width, height) if bounding_box_format == "xyxy" else (1.0, 1.0)
    right, bottom = (ops.cast(limit, boxes.dtype) for limit in limits)
    corners = [_clipped(v, bottom if i % 2 else right) for i, v in enumerate(ops.split(boxes, 4, axis=-1))]
    made = {**bounding_boxes, "boxes": ops.concatenate(corners, axis=-1)}
    labels = bounding_boxes.get("labels")
    if labels is not None:
        left, top, right, bottom = (v[..., 0] for v in corners)
        labels = ops.convert_to_tensor(labels)
        there = ops.greater((right - left) * (bottom - top), 0)
        made["labels"] = ops.where(there, labels, ops.cast(-1, labels.dtype))
    return made


def _clipped(values: Any, limit: Any) -> Any:
    return ops.minimum(ops.maximum(values, ops.zeros_like(values)), limit)


def _refuse_format(function: str, form: str, known: str) -> NoReturn:
    raise UnsupportedError(
        f"{function}() accepts boxes in the format {known}, got bounding_box_format={form!r}: convert them with convert_format() first."
    )


def affine_transform(
    boxes: Any,
    angle: Any,
    translate_x: Any,
    translate_y: Any,
    scale: Any,
    shear_x: Any,
    shear_y: Any,
    height: Any,
    width: Any,
    center_x: Any = None,
    center_y: Any = None,
    bounding_box_format: str = "xyxy",
) -> Any:
    """Return the smallest boxes that contain boxes after a rotation, translation, scaling and shear.

    Args:
        boxes: (batch, n, 4), left, top, right, bottom in pixels.
        angle: of the rotation in degrees, (batch,).
        translate_x: the translation as a share of the width, (batch,).
        translate_y: the translation as a share of the height, (batch,).
        scale: (batch,).
        shear_x: the shear along x in degrees, (batch,).
        shear_y: the shear along y in degrees, (batch,).
        height: of the image, in pixels.
        width: of the image, in pixels.
        center_x: the center of rotation as a share of the width, 0.5 by default.
        center_y: the center of rotation as a share of the height, 0.5 by default.
        bounding_box_format: "xyxy".

    Raises:
        UnsupportedError: another format.

    Source: keras.utils.bounding_boxes.affine_transform.
    """
    if bounding_box_format != "xyxy":
        _refuse_format("affine_transform", bounding_box_format, "'xyxy'")
    angle = ops.convert_to_tensor(angle)
    angle = angle if dtypes.is_float(dtypes.standardize(angle.dtype)) else ops.cast(angle, dtypes.floatx())
    boxes = ops.cast(boxes, angle.dtype)
    last_x, last_y = (ops.cast(size, angle.dtype) - 1 for size in (width, height))
    x = (0.5 if center_x is None else center_x) * last_x
    y = (0.5 if center_y is None else center_y) * last_y
    moved_x, moved_y = x - _of(translate_x, angle) * last_x, y - _of(translate_y, angle) * last_y
    turn, lean_x, lean_y = (_of(v, angle) * (-math.pi / 180.0) for v in (angle, shear_x, shear_y))
    along, across = ops.cos(turn - lean_y) / ops.cos(lean_y), ops.sin(turn - lean_y) / ops.cos(lean_y)
    size = _of(scale, angle)
    xx = (ops.cos(turn) + across * ops.tan(lean_x)) * size
    xy = -(along * ops.tan(lean_x) + ops.sin(turn)) * size
    yx, yy = across * size, along * size
    rows = [(xx, xy, x - xx * moved_x - xy * moved_y), (yx, yy, y - yx * moved_x - yy * moved_y)]
    (ax, bx, cx), (ay, by, cy) = ([ops.expand_dims(v, -1) for v in row] for row in rows)
    return around(boxes, lambda u, v: (ax * u + bx * v + cx, ay * u + by * v + cy))


def _of(values: Any, like: Any) -> Any:
    return ops.cast(values, like.dtype)


def around(boxes: Any, mapped: Any) -> Any:
    """Return the smallest boxes that contain the corners of `boxes`, each mapped by `mapped(x, y) -> (x, y)`."""
    left, top, right, bottom = _numbers(boxes)
    corners = [mapped(x, y) for x, y in ((left, top), (right, top), (left, bottom), (right, bottom))]
    xs, ys = (ops.stack([c[i] for c in corners], axis=-1) for i in (0, 1))
    return ops.stack([ops.min(xs, -1), ops.min(ys, -1), ops.max(xs, -1), ops.max(ys, -1)], axis=-1)


def crop(boxes: Any, top: Any, left: Any, height: Any, width: Any, bounding_box_format: str = "xyxy") -> Any:
    """Return boxes relative to a crop of the image, clipped to it.

    Args:
        boxes: (..., 4), left, top, right, bottom in pixels.
        top: of the crop.
        left: of the crop.
        height: of the crop.
        width: of the crop.
        bounding_box_format: "xyxy".

    Raises:
        UnsupportedError: another format.

    Source: keras.utils.bounding_boxes.crop.
    """
    if bounding_box_format != "xyxy":
        _refuse_format("crop", bounding_box_format, "'xyxy'")
    moved = _shifted(boxes, -left, -top)
    limits = [ops.cast(v, moved[0].dtype) for v in (width, height)]
    return ops.concatenate([_clipped(v, limits[i % 2]) for i, v in enumerate(moved)], axis=-1)


def pad(
    boxes: Any, top: Any, left: Any, height: Any = None, width: Any = None, bounding_box_format: str = "xyxy"
) -> Any:
    """Return the boxes of an image after padding at its top and left.

    Args:
        boxes: (..., 4), left, top, right, bottom in pixels.
        top: the rows added at the top.
        left: the columns added at the left.
        height: accepted for compatibility with Keras, ignored.
        width: accepted for compatibility with Keras, ignored.
        bounding_box_format: "xyxy".

    Raises:
        UnsupportedError: another format.

    Source: keras.utils.bounding_boxes.pad.
    """
    if bounding_box_format != "xyxy":
        _refuse_format("pad", bounding_box_format, "'xyxy'")
    return ops.concatenate(_shifted(boxes, left, top), axis=-1)


def _shifted(boxes: Any, right: Any, down: Any) -> list[Any]:
    return [v + (down if i % 2 else right) for i, v in enumerate(ops.split(ops.convert_to_tensor(boxes), 4, axis=-1))]


# ----- anchors -----


def encode_box_to_deltas(
    anchors: Any,
    boxes: Any,
    anchor_format: str,
    box_format: str,
    encoding_format: str = "center_yxhw",
    variance: Any = None,
    image_shape: Any = None,
) -> Any:
    """Return what leads from anchors to boxes: offsets of the centers and logarithms of the sizes, relative to the anchors.

    Args:
        anchors: (..., 4).
        boxes: (..., 4).
        anchor_format: the format of the anchors, see `convert_format`.
        box_format: the format of the boxes.
        encoding_format: "center_yxhw" or "center_xywh", the order of the deltas.
        variance: four numbers that the deltas are divided by; none by default.
        image_shape: (height, width, channels), required for relative formats.

    Raises:
        InvalidArgumentError: `encoding_format` is something else, or `variance` does not have four numbers.

    Source: keras.utils.bounding_boxes.encode_box_to_deltas.
    """
    variance = _variance(variance)
    _check_encoding("encoding_format", encoding_format)
    sizes = _sizes(image_shape)
    origin = convert_format(anchors, anchor_format, encoding_format, **sizes)
    aim = convert_format(boxes, box_format, encoding_format, **sizes)
    from_size, to_size = (ops.maximum(v[..., 2:], dtypes.epsilon()) for v in (origin, aim))
    deltas = ops.concatenate([(aim[..., :2] - origin[..., :2]) / from_size, ops.log(to_size / from_size)], axis=-1)
    return deltas if variance is None else deltas / variance


def decode_deltas_to_boxes(
    anchors: Any,
    boxes_delta: Any,
    anchor_format: str,
    box_format: str,
    encoded_format: str = "center_yxhw",
    variance: Any = None,
    image_shape: Any = None,
) -> Any:
    """Return the boxes that deltas lead to from anchors: the inverse of `encode_box_to_deltas`.

    Args:
        anchors: (..., 4), or a dict of them by level.
        boxes_delta: (..., 4), or a dict by level.
        anchor_format: the format of the anchors, see `convert_format`.
        box_format: the format of the result.
        encoded_format: "center_yxhw" or "center_xywh", the order of the deltas.
        variance: four numbers that the deltas are multiplied by; none by default.
        image_shape: (height, width, channels), required for relative formats.

    Raises:
        InvalidArgumentError: `encoded_format` is something else, or `variance` does not have four numbers.

    Source: keras.utils.bounding_boxes.decode_deltas_to_boxes.
    """
    variance = _variance(variance)
    _check_encoding("encoded_format", encoded_format)
    sizes = _sizes(image_shape)

    def decoded(anchor: Any, delta: Any) -> Any:
        origin = convert_format(anchor, anchor_format, encoded_format, **sizes)
        delta = delta if variance is None else delta * variance
        center = delta[..., :2] * origin[..., 2:] + origin[..., :2]
        box = ops.concatenate([center, ops.exp(delta[..., 2:]) * origin[..., 2:]], axis=-1)
        return convert_format(box, encoded_format, box_format, **sizes)

    if isinstance(anchors, Mapping) and isinstance(boxes_delta, Mapping):
        return {level: decoded(anchor, boxes_delta[level]) for level, anchor in anchors.items()}
    return decoded(anchors, boxes_delta)


def _variance(variance: Any) -> Any:
    if variance is None:
        return None
    variance = ops.convert_to_tensor(variance, "float32")
    if not variance.shape or variance.shape[-1] != 4:
        raise InvalidArgumentError(f"`variance` must be length 4, got {variance}")
    return variance


def _check_encoding(name: str, form: str) -> None:
    if form not in _ENCODINGS:
        raise InvalidArgumentError(f"`{name}` should be 'center_xywh' or 'center_yxhw', but got {form!r}.")


def _sizes(image_shape: Any) -> dict[str, Any]:
    if image_shape is None:
        return {"height": None, "width": None}
    height, width, _ = image_shape
    return {"height": height, "width": width}


# ----- overlaps -----


def compute_iou(
    boxes1: Any,
    boxes2: Any,
    bounding_box_format: str,
    use_masking: bool = False,
    mask_val: Any = -1,
    image_shape: Any = None,
) -> Any:
    """Return the intersection over the union of each pair of boxes.

    Args:
        boxes1: (n, 4) or (batch, n, 4).
        boxes2: (m, 4) or (batch, m, 4).
        bounding_box_format: of both, see `convert_format`.
        use_masking: whether pairs with a box of negative coordinates (padding) get `mask_val`.
        mask_val: the value of those pairs.
        image_shape: (height, width, channels), required for relative formats.

    Returns:
        (n, m) or (batch, n, m).

    Raises:
        ShapeError: boxes of another rank.
        InvalidArgumentError: a relative format without `image_shape`.

    Source: keras.utils.bounding_boxes.compute_iou.
    """
    boxes1, boxes2 = ops.convert_to_tensor(boxes1), ops.convert_to_tensor(boxes2)
    for name, boxes in (("boxes1", boxes1), ("boxes2", boxes2)):
        if boxes.ndim not in (2, 3):
            raise ShapeError(
                f"compute_iou() expects {name} to be (n, 4) or (batch, n, 4). Received: len({name}.shape)={boxes.ndim}"
            )
    _need_size(bounding_box_format, image_shape)
    one, two = (convert_format(b, bounding_box_format, "yxyx", **_sizes(image_shape)) for b in (boxes1, boxes2))
    top1, left1, bottom1, right1 = (ops.expand_dims(v, -1) for v in _numbers(one))
    top2, left2, bottom2, right2 = (ops.expand_dims(v, -2) for v in _numbers(two))
    tall = ops.maximum(ops.minimum(bottom1, bottom2) - ops.maximum(top1, top2), 0.0)
    wide = ops.maximum(ops.minimum(right1, right2) - ops.maximum(left1, left2), 0.0)
    shared = tall * wide
    union = (bottom1 - top1) * (right1 - left1) + (bottom2 - top2) * (right2 - left2) - shared
    overlap = shared / (union + dtypes.epsilon())
    if not use_masking:
        return overlap
    padding = ops.logical_or(
        ops.expand_dims(ops.less(ops.max(one, axis=-1), 0.0), -1),
        ops.expand_dims(ops.less(ops.max(two, axis=-1), 0.0), -2),
    )
    return ops.where(padding, ops.cast(mask_val, overlap.dtype), overlap)


def _need_size(form: str, image_shape: Any) -> None:
    if "rel" in form and image_shape is None:
        raise InvalidArgumentError(
            "When using relative bounding box formats (e.g. `rel_yxyx`) the `image_shape` argument must be provided. "
            f"Received: bounding_box_format={form!r}, image_shape={image_shape}"
        )


def compute_ciou(boxes1: Any, boxes2: Any, bounding_box_format: str, image_shape: Any = None) -> Any:
    """Return the complete intersection over union of boxes, pair by pair (Zheng et al., 2020).

    It subtracts from the intersection over union the distance of the centers and the difference of the aspect ratios.

    Args:
        boxes1: (..., 4).
        boxes2: (..., 4).
        bounding_box_format: of both, not a relative one; see `convert_format`.
        image_shape: (height, width, channels), not needed.

    Raises:
        InvalidArgumentError: a relative format, which Keras does not accept here.

    Source: keras.utils.bounding_boxes.compute_ciou.
    """
    if "rel" in bounding_box_format:
        raise InvalidArgumentError(
            f"compute_ciou() expects boxes in an absolute format, got bounding_box_format={bounding_box_format!r}: convert them with "
            "convert_format() first."
        )
    tiny, sizes = dtypes.epsilon(), _sizes(image_shape)
    one, two = (_numbers(convert_format(b, bounding_box_format, "xyxy", **sizes)) for b in (boxes1, boxes2))
    wide1, tall1, wide2, tall2 = (b[i + 2] - b[i] + (tiny if i else 0.0) for b in (one, two) for i in (0, 1))
    inside, hull = (
        [high(one[i + 2], two[i + 2]) - low(one[i], two[i]) for i in (0, 1)]
        for high, low in ((ops.minimum, ops.maximum), (ops.maximum, ops.minimum))
    )
    shared = ops.maximum(inside[0], 0.0) * ops.maximum(inside[1], 0.0)
    overlap = shared / (wide1 * tall1 + wide2 * tall2 - shared + tiny + tiny)
    diagonal = ops.square(hull[0]) + ops.square(hull[1]) + tiny
    distance: Any = sum(ops.square((one[i] + one[i + 2]) / 2.0 - (two[i] + two[i + 2]) / 2.0) for i in (0, 1))
    aspect = ops.square(ops.arctan(wide2 / tall2) - ops.arctan(wide1 / tall1)) * (4.0 / math.pi**2)
    return overlap - (distance / diagonal + aspect * aspect / (aspect - overlap + (1.0 + tiny)))


# ----- what layers accept -----


def validated(bounding_boxes: Any, layer: Any, *, batched: bool) -> dict[str, Any]:
    """Return a layer's bounding boxes as tensors; lists of different lengths are padded with boxes of zeros and labels -1.

    Raises:
        InvalidArgumentError: there are no boxes or no labels, or their shapes do not fit.
    """
    if not isinstance(bounding_boxes, Mapping) or not {"boxes", "labels"} <= set(bounding_boxes):
        found = list(bounding_boxes) if isinstance(bounding_boxes, Mapping) else type(bounding_boxes).__name__
        raise InvalidArgumentError(
            f"Layer {layer.name!r} expected `bounding_boxes` to be a dict with keys 'boxes' and 'labels'. Received: {found}"
        )
    boxes, labels = bounding_boxes["boxes"], bounding_boxes["labels"]
    if isinstance(boxes, (list, tuple)):
        if not isinstance(labels, (list, tuple)) or len(boxes) != len(labels):
            raise InvalidArgumentError(
                f"If `bounding_boxes['boxes']` is a list, `bounding_boxes['labels']` must be a list of the same length. "
                f"Received by layer {layer.name!r}: bounding_boxes['labels']={labels!r:.100}"
            )
        if batched:
            boxes, labels = _padded(boxes, [0.0] * 4), _padded(labels, -1)
    boxes, labels = ops.convert_to_tensor(boxes, "float32"), ops.convert_to_tensor(labels)
    if boxes.ndim not in (2, 3) or labels.ndim not in (boxes.ndim - 1, boxes.ndim):
        raise ShapeError(
            "Expected `bounding_boxes['boxes']` of shape (num_boxes, 4) or (batch_size, num_boxes, 4), with labels for each box. "
            f"Received by layer {layer.name!r}: boxes of shape {tuple(boxes.shape)}, labels of shape {tuple(labels.shape)}"
        )
    return {**bounding_boxes, "boxes": boxes, "labels": labels}


def _padded(rows: Sequence[Any], filling: Any) -> list[Any]:
    longest = max(map(len, rows), default=0)
    return [[*row, *[filling] * (longest - len(row))] for row in rows]
