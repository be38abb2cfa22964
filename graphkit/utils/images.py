"""Image files as arrays and back, by Pillow (the extra `images`). Source: keras.utils, keras.preprocessing.image."""

from __future__ import annotations

import io
import os
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from graphkit import ops
from graphkit.core import dtypes
from graphkit.core.errors import InvalidArgumentError, InvalidTypeError, MissingPackageError, ShapeError
from graphkit.core.files import replacing
from graphkit.core.layout import CHANNELS_FIRST, standardize_data_format

Array = np.ndarray[Any, Any]
MODES = {"grayscale": ("L", 1), "rgb": ("RGB", 3), "rgba": ("RGBA", 4)}  # color_mode -> Pillow's mode, channels
_INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "hamming", "box", "lanczos")


class MissingPillowError(MissingPackageError):
    """An image file is to be read or written, and Pillow is not installed."""


def pillow() -> ModuleType:
    """PIL.Image. Raises MissingPillowError where it is not installed."""
    try:
        from PIL import Image
    except ImportError:
        raise MissingPillowError(
            "Reading and writing image files needs Pillow, which is not installed: pip install 'graphkit[images]'."
        ) from None
    return Image


def array_to_img(x: Any, data_format: str | None = None, scale: bool = True, dtype: Any = None) -> Any:
    """An array of one image as a Pillow image; with `scale` its numbers are spread over 0 to 255.

    Raises ShapeError unless it has three axes and 1, 3 or 4 channels. Source: keras.utils.array_to_img.
    """
    image = pillow()
    array = np.array(x, dtypes.to_numpy(dtypes.standardize(dtype)))
    if array.ndim != 3:
        raise ShapeError(f"Expected image array to have rank 3 (single image). Got array with shape: {array.shape}")
    if standardize_data_format(data_format) == CHANNELS_FIRST:
        array = array.transpose(1, 2, 0)
    if scale:
        array = array - array.min()
        top = array.max()
        array = (array / top if top != 0 else array) * 255
    channels = array.shape[2]
    if channels not in (1, 3, 4):
        raise ShapeError(f"Unsupported channel number: {channels}. An image has 1, 3 or 4 channels.")
    if channels == 1:
        return image.fromarray(array[:, :, 0].astype("int32" if array.max() > 255 else "uint8"))
    return image.fromarray(array.astype("uint8"))


def img_to_array(img: Any, data_format: str | None = None, dtype: Any = None) -> Array:
    """A Pillow image as an array with three axes, of `floatx()` by default. Source: keras.utils.img_to_array."""
    array = np.asarray(img, dtypes.to_numpy(dtypes.standardize(dtype)))
    if array.ndim not in (2, 3):
        raise ShapeError(f"Unsupported image shape: {array.shape}")
    array = array[..., None] if array.ndim == 2 else array
    return array.transpose(2, 0, 1) if standardize_data_format(data_format) == CHANNELS_FIRST else array


def save_img(
    path: Any, x: Any, data_format: str | None = None, file_format: str | None = None, scale: bool = True, **kwargs: Any
) -> None:
    """Write an array of one image to a file; the ending says the format, unless `file_format` does. Source: keras.utils.save_img."""
    img = array_to_img(x, data_format=data_format, scale=scale)
    if file_format is None and isinstance(path, (str, os.PathLike)):
        file_format = Path(path).suffix[1:].lower()
    if file_format and file_format.lower() == "jpg":
        file_format = "jpeg"
    if img.mode == "RGBA" and file_format == "jpeg":
        warnings.warn("The JPEG format does not support RGBA images, converting to RGB.", stacklevel=2)
        img = img.convert("RGB")
    if not isinstance(path, (str, os.PathLike)):  # a file in memory
        img.save(path, format=file_format, **kwargs)
        return
    with replacing(path) as part:
        img.save(part, format=file_format, **kwargs)


def load_img(
    path: Any,
    color_mode: str = "rgb",
    target_size: tuple[int, int] | None = None,
    interpolation: str = "nearest",
    keep_aspect_ratio: bool = False,
) -> Any:
    """A Pillow image from a file.

    Args:
        path: a path, or a file in memory (`io.BytesIO`).
        color_mode: "rgb", "rgba" or "grayscale" (images of 16 and 32 bits of grey stay as they are).
        target_size: (height, width) to resize to.
        interpolation: "nearest", "bilinear", "bicubic", "hamming", "box" or "lanczos".
        keep_aspect_ratio: whether the image is cut to the target's proportions first.

    Raises InvalidArgumentError, InvalidTypeError, MissingPillowError. Source: keras.utils.load_img.
    """
    image = pillow()
    if color_mode not in MODES:
        raise InvalidArgumentError(f'color_mode must be "grayscale", "rgb", or "rgba", got {color_mode!r}.')
    if interpolation not in _INTERPOLATIONS:
        raise InvalidArgumentError(
            f"Invalid interpolation method {interpolation} specified. Supported methods are {', '.join(_INTERPOLATIONS)}"
        )
    if isinstance(path, io.BytesIO):
        img = image.open(path)
    elif isinstance(path, (str, bytes, os.PathLike)):
        img = image.open(io.BytesIO(Path(os.fsdecode(path)).read_bytes()))
    else:
        raise InvalidTypeError(f"path should be path-like or io.BytesIO, not {type(path)}")
    mode = MODES[color_mode][0]
    if img.mode != mode and not (color_mode == "grayscale" and img.mode in ("I;16", "I")):
        img = img.convert(mode)
    if target_size is None or img.size == (target_size[1], target_size[0]):
        return img
    box = _box(img.size, (target_size[1], target_size[0])) if keep_aspect_ratio else None
    return img.resize((target_size[1], target_size[0]), image.Resampling[interpolation.upper()], box=box)


def _box(size: tuple[int, int], target: tuple[int, int]) -> tuple[int, int, int, int]:
    """The largest part in the middle that has the target's proportions: left, upper, right, lower."""
    width, height = size
    cut_height = min(height, width * target[1] // target[0])
    cut_width = min(width, height * target[0] // target[1])
    left, upper = (width - cut_width) // 2, (height - cut_height) // 2
    return left, upper, left + cut_width, upper + cut_height


def smart_resize(
    x: Any, size: tuple[int, int], interpolation: str = "bilinear", data_format: str = "channels_last"
) -> Any:
    """An image, or a batch, resized without changing its proportions: what does not fit is cut off on both sides.

    Raises InvalidArgumentError or ShapeError. Source: keras.preprocessing.image.smart_resize.
    """
    if len(size) != 2:
        raise InvalidArgumentError(f"Expected `size` to be a tuple of 2 integers, but got: {size}.")
    shape = np.shape(x)
    if len(shape) not in (3, 4):
        raise ShapeError(
            "Expected an image array with shape `(height, width, channels)`, or `(batch_size, height, width, channels)`, but "
            f"got input with incorrect rank, of shape {shape}."
        )
    return ops.image.resize(x, size, interpolation=interpolation, crop_to_aspect_ratio=True, data_format=data_format)
