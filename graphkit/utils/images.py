"""Read and write image files with Pillow (the extra `images`). Source: keras.utils, keras.preprocessing.image."""

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
    """Reading or writing an image requires Pillow, which is not installed."""


def pillow() -> ModuleType:
    """Return the module PIL.Image.

    Raises:
        MissingPillowError: Pillow is not installed.
    """
    try:
        from PIL import Image
    except ImportError:
        raise MissingPillowError(
            "Reading and writing image files needs Pillow, which is not installed: pip install 'graphkit[images]'."
        ) from None
    return Image


def array_to_img(x: Any, data_format: str | None = None, scale: bool = True, dtype: Any = None) -> Any:
    """Convert an array to a Pillow image.

    Args:
        x: one image, of shape (height, width, channels) or, channels-first, (channels, height, width).
        data_format: "channels_last" or "channels_first"; by default that of the Keras config.
        scale: stretch the values to the range 0 to 255.
        dtype: in which the values are scaled; `floatx()` by default.

    Raises:
        MissingPillowError: Pillow is not installed.
        ShapeError: the array does not have three axes and 1, 3 or 4 channels.

    Source: keras.utils.array_to_img.
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
    """Convert a Pillow image to an array with three axes.

    Args:
        img: the image.
        data_format: "channels_last" or "channels_first"; by default that of the Keras config.
        dtype: of the array; `floatx()` by default.

    Raises:
        ShapeError: the image has neither two nor three axes.

    Source: keras.utils.img_to_array.
    """
    array = np.asarray(img, dtypes.to_numpy(dtypes.standardize(dtype)))
    if array.ndim not in (2, 3):
        raise ShapeError(f"Unsupported image shape: {array.shape}")
    array = array[..., None] if array.ndim == 2 else array
    return array.transpose(2, 0, 1) if standardize_data_format(data_format) == CHANNELS_FIRST else array


def save_img(
    path: Any, x: Any, data_format: str | None = None, file_format: str | None = None, scale: bool = True, **kwargs: Any
) -> None:
    """Write an array to an image file.

    Args:
        path: the target, a path or a writable binary file.
        x: one image, of shape (height, width, channels) or, channels-first, (channels, height, width).
        data_format: "channels_last" or "channels_first"; by default that of the Keras config.
        file_format: the format, by Pillow's name; by default that of the suffix.
        scale: stretch the values to the range 0 to 255.
        **kwargs: options of `PIL.Image.Image.save`.

    Raises:
        MissingPillowError: Pillow is not installed.
        ShapeError: the array does not have three axes and 1, 3 or 4 channels.

    Source: keras.utils.save_img.
    """
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
    """Read an image file as a Pillow image.

    Args:
        path: a path, or an `io.BytesIO`.
        color_mode: "rgb", "rgba" or "grayscale" (16-bit and 32-bit greyscale images keep their mode).
        target_size: (height, width) to resize to.
        interpolation: "nearest", "bilinear", "bicubic", "hamming", "box" or "lanczos".
        keep_aspect_ratio: crop to the target's aspect ratio first.

    Raises:
        InvalidArgumentError: an unknown `color_mode` or `interpolation`.
        InvalidTypeError: `path` is of an unsupported type.
        MissingPillowError: Pillow is not installed.

    Source: keras.utils.load_img.
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
    """Return the largest centred box with the target's aspect ratio: left, upper, right, lower."""
    width, height = size
    cut_height = min(height, width * target[1] // target[0])
    cut_width = min(width, height * target[0] // target[1])
    left, upper = (width - cut_width) // 2, (height - cut_height) // 2
    return left, upper, left + cut_width, upper + cut_height


def smart_resize(
    x: Any, size: tuple[int, int], interpolation: str = "bilinear", data_format: str = "channels_last"
) -> Any:
    """Resize an image or a batch without changing the aspect ratio; what does not fit is cropped on both sides.

    Args:
        x: of shape (height, width, channels) or (batch, height, width, channels), or channels-first.
        size: (height, width) of the result.
        interpolation: as for `ops.image.resize`.
        data_format: "channels_last" or "channels_first".

    Raises:
        InvalidArgumentError: `size` does not have two elements.
        ShapeError: `x` does not have three or four axes.

    Source: keras.preprocessing.image.smart_resize.
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
