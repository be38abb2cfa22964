"""Prepare data: sequences, texts, images, data sets of folders. Source: keras.preprocessing."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphkit.preprocessing import image, sequence, text
    from graphkit.utils import (
        image_dataset_from_directory,
        text_dataset_from_directory,
        timeseries_dataset_from_array,
    )

_DATA_SETS = ("image_dataset_from_directory", "text_dataset_from_directory", "timeseries_dataset_from_array")

__all__ = [
    "image", "image_dataset_from_directory", "sequence", "text", "text_dataset_from_directory", "timeseries_dataset_from_array",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _DATA_SETS:
        return getattr(import_module("graphkit.utils"), name)
    if name in __all__:
        return import_module(f"graphkit.preprocessing.{name}")
    raise AttributeError(f"module 'graphkit.preprocessing' has no attribute {name!r}")
