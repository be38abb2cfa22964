"""Bounding boxes: Keras' formats, and mapping boxes along with an image."""

from __future__ import annotations

from typing import Any

from graphkit import ops
from graphkit.core.declared import must

# format -> (the order of the axes, how the two numbers of an axis are given)
_FORMATS = {
    "xyxy": ("xy", "ends"),
    "yxyx": ("yx", "ends"),
    "xywh": ("xy", "start"),
    "center_xywh": ("xy", "center"),
    "center_yxhw": ("yx", "center"),
}
FORMATS = (*_FORMATS, *(f"rel_{name}" for name in _FORMATS))


known_format = must(
    lambda value: value is None or value in FORMATS,
    f"Layer {{owner.name!r}}: `{{name}}` must be one of {', '.join(FORMATS)}. Received: {{name}}={{value!r}}",
)


def _numbers(boxes: Any) -> list[Any]:
    return [boxes[..., i] for i in range(4)]


def _scale(size: Any, relative: bool, dtype: str) -> Any:
    return ops.cast(size, dtype) if relative else 1.0


def to_xyxy(boxes: Any, form: str, height: Any, width: Any) -> Any:
    """Convert boxes (..., 4) from a format to (left, top, right, bottom) in pixels.

    Args:
        boxes: floats.
        form: one of FORMATS.
        height: of the image, in pixels.
        width: of the image, in pixels.
    """
    axes, kind = _FORMATS[form.removeprefix("rel_")]
    relative = form.startswith("rel_")
    numbers = _numbers(boxes)
    ends: dict[str, tuple[Any, Any]] = {}
    for index, axis in enumerate(axes):
        one, two = numbers[index], numbers[index + 2]
        low = one - two / 2 if kind == "center" else one
        high = two if kind == "ends" else low + two
        factor = _scale(width if axis == "x" else height, relative, boxes.dtype)
        ends[axis] = low * factor, high * factor
    return ops.stack([ends["x"][0], ends["y"][0], ends["x"][1], ends["y"][1]], axis=-1)


def from_xyxy(boxes: Any, form: str, height: Any, width: Any) -> Any:
    """Convert boxes (..., 4) from (left, top, right, bottom) in pixels to a format: the inverse of `to_xyxy`."""
    axes, kind = _FORMATS[form.removeprefix("rel_")]
    relative = form.startswith("rel_")
    left, top, right, bottom = _numbers(boxes)
    first, second = [], []
    for axis in axes:
        low, high = (left, right) if axis == "x" else (top, bottom)
        factor = _scale(width if axis == "x" else height, relative, boxes.dtype)
        first.append(((low + high) / 2 if kind == "center" else low) / factor)
        second.append((high if kind == "ends" else high - low) / factor)
    return ops.stack([*first, *second], axis=-1)


def clipped(boxes: Any, height: Any, width: Any) -> tuple[Any, Any]:
    """Clip boxes (batch, n, 4) in pixels to the image; return them and which of them (batch, n) have an area left."""
    height, width = ops.cast(height, boxes.dtype), ops.cast(width, boxes.dtype)
    left, top, right, bottom = _numbers(boxes)
    left, right = (ops.minimum(ops.maximum(v, 0), width) for v in (left, right))
    top, bottom = (ops.minimum(ops.maximum(v, 0), height) for v in (top, bottom))
    return ops.stack([left, top, right, bottom], axis=-1), ops.greater((right - left) * (bottom - top), 0)


def around(boxes: Any, mapped: Any) -> Any:
    """Return the smallest boxes that contain the corners of `boxes`, each mapped by `mapped(x, y) -> (x, y)`."""
    left, top, right, bottom = _numbers(boxes)
    corners = [mapped(x, y) for x, y in ((left, top), (right, top), (left, bottom), (right, bottom))]
    xs, ys = (ops.stack([c[i] for c in corners], axis=-1) for i in (0, 1))
    return ops.stack([ops.min(xs, -1), ops.min(ys, -1), ops.max(xs, -1), ops.max(ys, -1)], axis=-1)
