"""Operators whose results depend on values in number: Unique, NonMaxSuppression. Source: onnx.ai/onnx/operators."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphkit import ops
from graphkit.core.dtypes import to_numpy
from graphkit.ops._convert import dtype_name

from ..element_types import NAMES_OF_TYPES
from .known import array, ints, shape_of
from .table import operator


@operator("Unique")
def unique(x: Any, *, axis: int | None = None, sorted: int = 1) -> Any:
    """Return the different values (or slices), where each comes first, where to find each input, and their counts."""
    values = array(x, "X")
    found, first, inverse, counts = np.unique(
        values, return_index=True, return_inverse=True, return_counts=True, axis=axis
    )
    inverse = inverse.reshape(-1)
    if not sorted:
        order = np.argsort(first)
        found = np.take(found, order, axis=axis or 0)
        first, counts = first[order], counts[order]
        inverse = np.argsort(order)[inverse]
    return found, first.astype(np.int64), inverse.astype(np.int64), counts.astype(np.int64)


@operator("NonMaxSuppression")
def non_max_suppression(
    boxes: Any,
    scores: Any,
    max_output_boxes_per_class: Any = None,
    iou_threshold: Any = None,
    score_threshold: Any = None,
    *,
    center_point_box: int = 0,
) -> Any:
    """Return (batch, class, box) of the boxes that are kept: the best first, without those that overlap a kept one."""
    corners, values = _corners(array(boxes, "boxes"), center_point_box), array(scores, "scores")
    most = 0 if max_output_boxes_per_class is None else int(ints(max_output_boxes_per_class, "max_output_boxes")[0])
    overlap = 0.0 if iou_threshold is None else float(array(iou_threshold, "iou_threshold").reshape(-1)[0])
    least = None if score_threshold is None else float(array(score_threshold, "score_threshold").reshape(-1)[0])
    rows = [
        (batch, label, box)
        for batch in range(values.shape[0])
        for label in range(values.shape[1])
        for box in _kept(corners[batch], values[batch, label], most, overlap, least)
    ]
    return np.array(rows, np.int64).reshape(-1, 3)


def _corners(boxes: Any, is_centered: int) -> Any:
    """Return boxes as (top, left, bottom, right)."""
    if is_centered:
        x, y, w, h = np.moveaxis(boxes, -1, 0)
        return np.stack([y - h / 2, x - w / 2, y + h / 2, x + w / 2], axis=-1)
    low, high = np.minimum(boxes[..., :2], boxes[..., 2:]), np.maximum(boxes[..., :2], boxes[..., 2:])
    return np.concatenate([low, high], axis=-1)


def _kept(boxes: Any, scores: Any, most: int, overlap: float, least: float | None) -> list[int]:
    kept: list[int] = []
    for box in np.argsort(-scores, kind="stable"):
        if len(kept) >= most or (least is not None and scores[box] <= least):
            break
        if all(_iou(boxes[box], boxes[other]) <= overlap for other in kept):
            kept.append(int(box))
    return kept


def _iou(a: Any, b: Any) -> float:
    sides = np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0)
    shared = float(np.prod(sides))
    union = float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2])) - shared
    return shared / union if union > 0 else 0.0


@operator("BitCast")
def bit_cast(x: Any, *, to: int) -> Any:
    """Reinterpret the bits as another dtype of the same size."""
    kind = to_numpy(NAMES_OF_TYPES[to])
    return array(x, "input").view(kind)


@operator("TensorScatter")
def tensor_scatter(past: Any, update: Any, write_indices: Any = None, *, axis: int = -2, mode: str = "linear") -> Any:
    """Write steps into a cache, from a place given for each sample on."""
    axis %= len(shape_of(past))
    batch, size, steps = shape_of(past)[0], shape_of(past)[axis], shape_of(update)[axis]
    starts = np.zeros(batch, np.int64) if write_indices is None else array(write_indices, "write_indices")
    places = starts[:, None] + np.arange(steps)
    places = places % size if mode == "circular" else places
    cache, new = ops.moveaxis(past, axis, 1), ops.moveaxis(ops.cast(update, dtype_name(past)), axis, 1)
    indices = np.stack([np.broadcast_to(np.arange(batch)[:, None], places.shape), places], axis=-1)
    return ops.moveaxis(
        ops.scatter_update(cache, indices.reshape(-1, 2), ops.reshape(new, (-1, *shape_of(new)[2:]))), 1, axis
    )
