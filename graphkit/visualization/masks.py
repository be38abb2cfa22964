"""Draw segmentation masks on images. Source: keras.visualization."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphkit import ops
from graphkit.core.errors import InvalidTypeError, ShapeError, UnknownNameError
from graphkit.core.layout import CHANNELS_FIRST, standardize_data_format
from graphkit.visualization.boxes import require_image_batch

Array = np.ndarray[Any, Any]


def draw_segmentation_masks(
    images: Any,
    segmentation_masks: Any,
    num_classes: int | None = None,
    color_mapping: Mapping[int, Sequence[float]] | None = None,
    alpha: float = 0.8,
    blend: bool = True,
    ignore_index: int = -1,
    data_format: str | None = None,
) -> Any:
    """Draw segmentation masks on a batch of images.

    Args:
        images: (batch, height, width, channels), values from 0 to 255.
        segmentation_masks: the class of each pixel: integers of shape (batch, height, width), (batch, height, width, 1) or,
            channels-first, (batch, 1, height, width).
        num_classes: classes from 0 to `num_classes - 1` are drawn; others are not. By default the largest class of the
            masks, which is therefore not drawn itself, as in Keras.
        color_mapping: class -> color, for every class from 0 to `num_classes - 1`; a fixed palette by default, which is
            black for class 0.
        alpha: opacity of the masks, from 0 to 1.
        blend: mix the colors with the image; if False, they replace its pixels.
        ignore_index: a class whose pixels keep the image's values. It takes effect if `blend` is True.
        data_format: "channels_last" or "channels_first"; by default that of the Keras config.

    Returns:
        (batch, height, width, channels), channels last in both data formats: a NumPy array of uint8 if `blend` is True, else
        a tensor of float32.

    Raises:
        ShapeError: `images` does not have four axes, the masks are of another shape, or a color does not have one number for
            each channel.
        InvalidTypeError: the masks are not integers.
        UnknownNameError: `color_mapping` lacks a class.

    Source: keras.visualization.draw_segmentation_masks.
    """
    require_image_batch(images)
    if standardize_data_format(data_format) == CHANNELS_FIRST:
        images, segmentation_masks = channels_to_last(images), channels_to_last(segmentation_masks)
    pixels = np.asarray(ops.convert_to_numpy(images)).astype("float32")
    classes = _classes(segmentation_masks)
    if classes.shape != pixels.shape[:3]:
        raise ShapeError(f"A mask has one class for each pixel of {pixels.shape}, got masks of shape {classes.shape}.")
    count = int(classes.max()) if num_classes is None else num_classes
    drawn = pixels.copy()
    for kind, color in enumerate(_colors(count, color_mapping, pixels.shape[-1])):
        drawn[classes == kind] = color
    if not blend:
        return ops.convert_to_tensor(drawn)
    alpha = float(alpha)
    mixed = pixels * (1 - alpha) + drawn * alpha
    kept = np.where((classes != ignore_index)[..., None], mixed, pixels)
    return np.nan_to_num(kept).clip(0, 255).astype("uint8")


def channels_to_last(values: Any) -> Any:
    """Move axis 1 of four to the end. Masks without an axis of channels stay as they are."""
    return ops.transpose(values, (0, 2, 3, 1)) if len(ops.shape(values)) == 4 else values


def _classes(masks: Any) -> Array:
    """Return masks as (batch, height, width) of int64."""
    values = np.asarray(ops.convert_to_numpy(masks))
    if values.dtype.kind not in "iu":
        raise InvalidTypeError(
            f"`segmentation_masks` must be in integer dtype. Received: segmentation_masks.dtype={values.dtype}"
        )
    if values.ndim == 4 and values.shape[-1] == 1:
        values = values[..., 0]
    if values.ndim != 3:
        raise ShapeError(
            "`segmentation_masks` expects shape (batch, height, width) or (batch, height, width, 1), "
            f"got {values.shape}; use ops.argmax(masks, axis=-1) for masks with one channel per class."
        )
    return values.astype("int64")


def _colors(count: int, mapping: Mapping[int, Sequence[float]] | None, channels: int) -> list[Array]:
    if mapping is None:
        steps = np.array([2**25 - 1, 2**15 - 1, 2**21 - 1])  # Keras' palette
        colors = [(kind * steps) % 255 for kind in range(count)]
    else:
        absent = [kind for kind in range(count) if kind not in mapping]
        if absent:
            raise UnknownNameError(
                f"`color_mapping` expects a color for each class from 0 to {count - 1}, got none for {absent}."
            )
        colors = [np.asarray(mapping[kind]) for kind in range(count)]
    for color in colors:
        if color.shape not in ((channels,), (1,)):
            raise ShapeError(
                f"A color expects {channels} numbers, as the images have {channels} channels, got {color.tolist()}."
            )
    return colors
