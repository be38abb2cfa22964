"""Draw bounding boxes on images. Source: keras.visualization."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from graphkit import ops
from graphkit.core.errors import InvalidArgumentError, InvalidTypeError, MissingPackageError, ShapeError
from graphkit.core.layout import CHANNELS_FIRST, standardize_data_format
from graphkit.layers.preprocessing.bounding_boxes import convert_format

Array = np.ndarray[Any, Any]
_TEXT_MARGIN = 8  # pixels between a box and the label above it
_TEXT_INSET = 3  # pixels between a box's corner and the label inside it
_FONT_HEIGHT = 12  # half the height of a letter of OpenCV's font at scale 1, in pixels


def draw_bounding_boxes(
    images: Any,
    bounding_boxes: Mapping[str, Any],
    bounding_box_format: str,
    class_mapping: Any = None,
    color: Any = (128, 128, 128),
    line_thickness: int = 2,
    text_thickness: int | None = 1,
    font_scale: float = 1.0,
    data_format: str | None = None,
) -> Array:
    """Draw bounding boxes on a batch of images; the pixels are those of OpenCV's `rectangle`.

    Boxes are drawn with NumPy. Labels are drawn by OpenCV, which is needed only for boxes whose class is in `class_mapping`.

    Args:
        images: (batch, height, width, channels), with 1 to 4 channels. Floats up to 1 are scaled to 0 to 255; others are
            clipped to that range.
        bounding_boxes: a dict with "boxes" (batch, boxes, 4), "labels" (batch, boxes), the classes, where -1 marks a box to
            leave out, and optionally "confidences" (batch, boxes), which are written after the labels.
        bounding_box_format: of the boxes; see `graphkit.utils.bounding_boxes.convert_format`.
        class_mapping: class -> label. Boxes of other classes get no label.
        color: of boxes and labels, from 0 to 255, a number for each channel.
        line_thickness: in pixels; -1 fills the boxes.
        text_thickness: in pixels; `line_thickness` if it is None or 0.
        font_scale: size of the labels.
        data_format: "channels_last" or "channels_first"; by default that of the Keras config.

    Returns:
        The images with boxes, uint8, with the shape of `images`.

    Raises:
        ShapeError: `images` does not have four axes, or more than 4 channels.
        InvalidTypeError: `bounding_boxes` is not a dict.
        InvalidArgumentError: "boxes" or "labels" are missing.
        MissingPackageError: a label is to be drawn, and OpenCV is not installed.

    Source: keras.visualization.draw_bounding_boxes.
    """
    channels_first = standardize_data_format(data_format) == CHANNELS_FIRST
    shape = require_image_batch(images)
    _check_boxes(bounding_boxes)
    pixels = as_bytes(ops.convert_to_numpy(images))
    if channels_first:
        shape, pixels = (shape[0], *shape[2:], shape[1]), pixels.transpose(0, 2, 3, 1)
    drawn = np.array(pixels, order="C")  # OpenCV writes into contiguous arrays only
    found = convert_format(dict(bounding_boxes), bounding_box_format, "xyxy", shape[1], shape[2])
    boxes = np.asarray(ops.convert_to_numpy(found["boxes"])).astype("int32")
    labels = np.asarray(ops.convert_to_numpy(found["labels"])).astype("int32")
    confidences = np.asarray(ops.convert_to_numpy(found["confidences"])) if "confidences" in found else None
    ink = _ink(color, shape[3])
    thickness = _integer("line_thickness", line_thickness)
    names: Any = class_mapping or {}
    for i, image in enumerate(drawn):
        for j, corners in enumerate(boxes[i].tolist()):
            kind = int(labels[i][j])
            if kind == -1:
                continue
            _draw_rectangle(image, corners, ink, thickness)
            if kind in names:
                text = f"{names[kind]}" if confidences is None else f"{names[kind]} | {confidences[i][j]:.2f}"
                _draw_text(image, text, corners, ink, font_scale, text_thickness or thickness)
    return drawn.transpose(0, 3, 1, 2) if channels_first else drawn


def require_image_batch(images: Any) -> tuple[int, ...]:
    """Return the shape of a batch of images.

    Raises:
        ShapeError: there are not four axes.
    """
    shape = tuple(ops.shape(images))
    if len(shape) != 4:
        raise ShapeError(f"`images` must be batched 4D tensor. Received: images.shape={shape}")
    return shape


def as_bytes(images: Array) -> Array:
    """Return images as uint8: floats up to 1 are scaled to 0 to 255, others clipped to it; integers are cast."""
    if images.dtype.kind == "f" and images.size:
        images = np.clip(images, 0, 1) * 255 if images.max() <= 1.0 else np.clip(images, 0, 255)
    return images.astype("uint8")


def _check_boxes(bounding_boxes: Any) -> None:
    if not isinstance(bounding_boxes, Mapping):
        raise InvalidTypeError(
            f"`bounding_boxes` should be a dict. Received: bounding_boxes={bounding_boxes} of type {type(bounding_boxes)}"
        )
    if "boxes" not in bounding_boxes or "labels" not in bounding_boxes:
        raise InvalidArgumentError(
            "`bounding_boxes` should be a dict containing 'boxes' and 'labels' keys. "
            f"Received: bounding_boxes={bounding_boxes}"
        )


def _ink(color: Any, channels: int) -> Array:
    """Return the color as `channels` bytes; channels that it does not name are 0."""
    if not 1 <= channels <= 4:
        raise ShapeError(f"draw_bounding_boxes expects images of 1 to 4 channels, got {channels}; check `data_format`.")
    values = np.atleast_1d(np.asarray(color, dtype="float64"))
    if values.ndim != 1 or len(values) > 4:
        raise InvalidArgumentError(f"`color` expects up to 4 numbers, got {color!r}.")
    padded = np.concatenate([values, np.zeros(4 - len(values))])
    ink: Array = np.clip(np.rint(padded), 0, 255).astype("uint8")
    return ink[:channels]


def _integer(name: str, value: Any) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise InvalidTypeError(f"`{name}` expects an integer number of pixels, got {value!r}.") from None


def _draw_rectangle(image: Array, corners: Sequence[int], ink: Array, thickness: int) -> None:
    height, width = image.shape[:2]
    for left, top, right, bottom in _spans(corners, thickness):
        if right >= 0 and bottom >= 0 and left < width and top < height:
            image[max(top, 0) : bottom + 1, max(left, 0) : right + 1] = ink


def _spans(corners: Sequence[int], thickness: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield rectangles (left, top, right, bottom; the last pixels included) that cover the outline of a box.

    As OpenCV draws it: lines are centered on the edges, an odd number of pixels thick, and a disc rounds each corner.
    """
    x1, y1, x2, y2 = corners
    (x1, x2), (y1, y2) = sorted((x1, x2)), sorted((y1, y2))
    if thickness < 0:
        yield x1, y1, x2, y2
        return
    radius = (thickness + 1) // 2 if thickness > 1 else 0
    for y in (y1, y2):
        yield x1, y - radius, x2, y + radius
    for x in (x1, x2):
        yield x - radius, y1, x + radius, y2
    for dy in range(-radius, radius + 1) if radius else ():
        reach = math.isqrt(radius * radius - dy * dy)
        for x in (x1, x2):
            for y in (y1, y2):
                yield x - reach, y + dy, x + reach, y + dy


def _draw_text(image: Array, text: str, corners: Sequence[int], ink: Array, scale: float, thickness: int) -> None:
    try:
        cv2 = import_module("cv2")
    except ImportError:
        raise MissingPackageError(
            "Drawing the labels of `class_mapping` requires OpenCV (`cv2`). Install it with `pip install opencv-python`; "
            "without `class_mapping`, boxes are drawn without it."
        ) from None
    place = _text_place(corners[0], corners[1], scale, thickness)
    color = tuple(int(value) for value in ink)
    cv2.putText(image, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, color, thickness)


def _text_place(x: int, y: int, scale: float, thickness: int) -> tuple[int, int]:
    """Return the lower left corner of a label: above the box if the image has room there, else inside the box."""
    height = 2 * int(scale * _FONT_HEIGHT)
    above = y - _TEXT_MARGIN
    if above > height:
        return x, above
    return x + _TEXT_INSET, y + height + thickness + _TEXT_INSET
