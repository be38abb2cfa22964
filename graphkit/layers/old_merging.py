"""Merge modes of Keras 1."""

from __future__ import annotations

from typing import Any

from graphkit import ops
from graphkit.core.declared import argument
from graphkit.core.serialization import keras_class
from graphkit.layers.merging import Dot


@keras_class("keras.layers")
class CosineProximity(Dot):
    """A Dot of unit vectors, with an axis of size 1 added after the batch axis. Source: keras 1 Merge with mode="cos"."""

    normalize: bool = argument(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.normalize = True

    def call(self, inputs: Any) -> Any:
        """Return the cosines of the angles, (batch, 1, ...)."""
        return ops.expand_dims(super().call(inputs), 1)
