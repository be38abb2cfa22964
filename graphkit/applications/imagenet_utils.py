"""Preparing images, and the names of ImageNet's classes. Source: keras.applications.imagenet_utils."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from graphkit import ops
from graphkit.applications.pretrained import PublishedFile
from graphkit.core.dtypes import floatx
from graphkit.core.errors import InvalidArgumentError, SerializationError, ShapeError
from graphkit.core.layout import image_data_format

__all__ = ["decode_predictions", "preprocess_input"]

_CLASS_NAMES = PublishedFile(
    "imagenet_class_index.json",
    "https://storage.googleapis.com/download.tensorflow.org/data/imagenet_class_index.json",
    "c2c37ea517e94d9795004a39431a14cb",
)
_CLASSES = 1000
# How each mode changes the values, in this order: divided by, channels reversed, what is subtracted, divided by.
_MEANS_BGR = (103.939, 116.779, 123.68)
_MEANS = (0.485, 0.456, 0.406)
_DEVIATIONS = (0.229, 0.224, 0.225)


def preprocess_input(x: Any, data_format: str | None = None, mode: str = "caffe") -> Any:
    """Bring images to the values that a net was trained with.

    Args:
        x: images (height, width, 3) or (batch, height, width, 3), or with the channels first, with values from 0 to 255: an
            array, or a tensor of a model. An array of floats is changed in place, as in Keras; pass a copy to keep it.
        data_format: "channels_last" or "channels_first"; by default the global setting.
        mode: "caffe" for BGR minus the means of ImageNet, "tf" for values from -1 to 1, "torch" for values from 0 to 1,
            normalized with the means and standard deviations of ImageNet.

    Returns:
        The images as floats.

    Raises:
        InvalidArgumentError: unknown `mode` or `data_format`.
    """
    if mode not in ("caffe", "tf", "torch"):
        raise InvalidArgumentError(f"Expected mode to be one of `caffe`, `tf` or `torch`. Received: mode={mode}")
    if data_format not in (None, "channels_first", "channels_last"):
        raise InvalidArgumentError(
            "Expected data_format to be one of `channels_first` or `channels_last`. "
            f"Received: data_format={data_format}"
        )
    first = (data_format or image_data_format()) == "channels_first"
    if isinstance(x, (list, tuple)):
        x = np.asarray(x)
    return _of_array(x, first, mode) if type(x) is np.ndarray else _of_tensor(x, first, mode)


def _of_array(x: Any, first: bool, mode: str) -> Any:
    """Change an array; one of floats in place."""
    x = x if np.issubdtype(x.dtype, np.floating) else x.astype(floatx())
    if mode == "tf":
        x /= 127.5
        x -= 1.0
        return x
    axis = x.ndim - 3 if first else x.ndim - 1
    if mode == "torch":
        x /= 255.0
        x -= _along(_MEANS, x.ndim, axis, x.dtype)
        x /= _along(_DEVIATIONS, x.ndim, axis, x.dtype)
        return x
    x = np.flip(x, axis)
    x -= _along(_MEANS_BGR, x.ndim, axis, x.dtype)
    return x


def _of_tensor(x: Any, first: bool, mode: str) -> Any:
    """Return the changed tensor; on a tensor of a model the operations become part of it."""
    if mode == "tf":
        return x / 127.5 - 1.0
    rank = len(x.shape)
    axis = rank - 3 if first else rank - 1
    if mode == "caffe":
        before = (slice(None),) * axis if first else (Ellipsis,)
        x = ops.stack([x[(*before, i)] for i in (2, 1, 0)], axis=axis if first else -1)
        return x + _tensor(_MEANS_BGR, rank, axis, x, sign=-1)
    x = x / 255.0 + _tensor(_MEANS, rank, axis, x, sign=-1)
    return x / _tensor(_DEVIATIONS, rank, axis, x)


def _tensor(values: tuple[float, ...], rank: int, axis: int, like: Any, sign: int = 1) -> Any:
    return ops.convert_to_tensor(_along(values, rank, axis, np.float64) * sign, dtype=like.dtype)


def _along(values: tuple[float, ...], rank: int, axis: int, dtype: Any) -> Any:
    return np.asarray(values, dtype).reshape([-1 if i == axis else 1 for i in range(rank)])


def decode_predictions(preds: Any, top: int = 5) -> list[list[tuple[str, str, Any]]]:
    """Name the most probable classes.

    The names are read from Keras' file `imagenet_class_index.json` in the folder `models` of `~/.keras` or `$KERAS_HOME`.

    Args:
        preds: the predictions of a net of ImageNet (samples, 1000).
        top: how many classes to return of each sample.

    Returns:
        For each sample, (WordNet id, name, score) of its classes, the most probable first.

    Raises:
        ShapeError: the predictions have another shape.
        MissingFileError: the file is not there.
        InvalidArgumentError: the file is another one.
    """
    shape = tuple(np.shape(preds))
    if len(shape) != 2 or shape[1] != _CLASSES:
        raise ShapeError(
            "`decode_predictions` expects a batch of predictions (i.e. a 2D array of shape (samples, 1000)). "
            f"Received array with shape: {shape}"
        )
    names = _class_names(_CLASS_NAMES.find("decode_predictions"))
    best = np.argsort(np.asarray(preds), axis=1)[:, -top:][:, ::-1]
    return [
        sorted(((*names[str(i)], row[i]) for i in indices), key=lambda found: -found[2])
        for row, indices in zip(np.asarray(preds), best, strict=True)
    ]


@lru_cache(maxsize=4)
def _class_names(path: Path) -> dict[str, tuple[str, str]]:
    try:
        return {number: (wordnet, name) for number, (wordnet, name) in json.loads(path.read_text()).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise SerializationError(f"{path} does not hold class names as Keras writes them: {error}") from error
