"""The position of the channel axis of image tensors: `channels_last` or `channels_first`."""

from __future__ import annotations

from graphkit.core.errors import InvalidArgumentError

CHANNELS_LAST = "channels_last"
CHANNELS_FIRST = "channels_first"
_image_data_format = CHANNELS_LAST


def image_data_format() -> str:
    """Return the default data format: 'channels_last' unless changed by `set_image_data_format`."""
    return _image_data_format


def set_image_data_format(data_format: str) -> None:
    """Set the default data format.

    Raises:
        InvalidArgumentError: `data_format` is not a data format.
    """
    global _image_data_format
    _image_data_format = standardize_data_format(data_format)


def standardize_data_format(data_format: str | None) -> str:
    """Return the canonical name of a data format; None means the default one.

    Raises:
        InvalidArgumentError: `data_format` is not a data format.
    """
    if data_format is None:
        return _image_data_format
    name = str(data_format).lower()
    if name not in (CHANNELS_LAST, CHANNELS_FIRST):
        raise InvalidArgumentError(
            f"The `data_format` argument must be one of {{'channels_first', 'channels_last'}}. Received: data_format={data_format}"
        )
    return name
