"""The images that a net reads: the shape of one image, and the tensor."""

from __future__ import annotations

import warnings
from typing import Any

from graphkit.core.errors import InvalidArgumentError, InvalidTypeError, ShapeError
from graphkit.core.layout import image_data_format
from graphkit.layers.input_layer import Input
from graphkit.utils.tensors import get_source_inputs, is_keras_tensor

Shape = tuple[int | None, ...]


def image_shape(shape: Any, *, default: int, smallest: int, needs_size: bool, weights: Any) -> Shape:
    """Return the shape of an image, without the batch axis.

    Args:
        shape: the argument `input_shape`.
        default: the height and width of the net's own images.
        smallest: the smallest height and width that the net accepts.
        needs_size: whether the height and width must be known, as before a classifier.
        weights: the argument `weights`: with "imagenet" images have 3 channels, and before a classifier their default size.

    Raises:
        ShapeError: the shape does not fit.
    """
    if shape is None or not tuple(shape):
        return arranged(default, default, 3) if needs_size else arranged(None, None, 3)
    wanted: Shape = tuple(shape)
    published = weights == "imagenet"
    if published and needs_size:
        own = arranged(default, default, 3)
        if wanted != own:
            raise ShapeError(
                "When setting `include_top=True` and loading `imagenet` weights, "
                f"`input_shape` should be {own}.  Received: input_shape={wanted}"
            )
        return wanted
    if len(wanted) != 3:
        raise ShapeError(f"`input_shape` must be a tuple of three integers. Received: input_shape={wanted}")
    rows, columns, channels = parts_of(wanted)
    _check_channels(wanted, channels, published)
    if any(size is not None and size < smallest for size in (rows, columns)):
        raise ShapeError(f"Input size must be at least {smallest}x{smallest}; Received: input_shape={wanted}")
    if needs_size and None in wanted:
        raise ShapeError(
            f"If `include_top` is True, you should specify a static `input_shape`. Received: input_shape={wanted}"
        )
    return wanted


def _check_channels(shape: Shape, channels: int | None, published: bool) -> None:
    if published and channels != 3:
        raise ShapeError(f"The input must have 3 channels; Received `input_shape={shape}`")
    if channels not in (1, 3):
        warnings.warn(
            "This model usually expects 1 or 3 input channels. However, it was passed an input_shape "
            f"with {channels} input channels.",
            stacklevel=6,
        )


def arranged(rows: int | None, columns: int | None, channels: int | None) -> Shape:
    """Return the shape of an image in the current data format."""
    first = image_data_format() == "channels_first"
    return (channels, rows, columns) if first else (rows, columns, channels)


def parts_of(shape: Shape) -> Shape:
    """Return (rows, columns, channels) of a shape in the current data format."""
    return (*shape[1:], shape[0]) if image_data_format() == "channels_first" else tuple(shape)


def images(tensor: Any, shape: Shape) -> tuple[Any, Any]:
    """Return the tensor of images, and the inputs of the model.

    Args:
        tensor: the argument `input_tensor`, or None for a new input.
        shape: the shape of an image.

    Raises:
        InvalidTypeError: `tensor` is no symbolic tensor.
    """
    if tensor is None:
        tensor = Input(shape)
        return tensor, tensor
    check_tensor(tensor)
    return tensor, get_source_inputs(tensor)


def check_tensor(tensor: Any) -> None:
    """Check the argument `input_tensor`.

    Raises:
        InvalidTypeError: it is no symbolic tensor.
    """
    if not is_keras_tensor(tensor):
        raise InvalidTypeError(
            f"input_tensor is not a Keras tensor; expects the output of Input(...) or of a layer, got {type(tensor).__name__}. "
            "To run the net on an array, call the model with it."
        )


def check_width(tensor: Any, shape: Any) -> None:
    """Check that `input_tensor` and `input_shape` are equally wide, where both are given.

    Raises:
        InvalidArgumentError: they are not.
    """
    if tensor is None or shape is None:
        return
    check_tensor(tensor)
    axis = 1 if image_data_format() == "channels_first" else 2
    if tensor.shape[axis] != shape[1]:
        raise InvalidArgumentError(
            f"input_tensor.shape[{axis}] must equal input_shape[1]; Received `input_tensor.shape={tuple(tensor.shape)}`, "
            f"`input_shape={tuple(shape)}`"
        )
