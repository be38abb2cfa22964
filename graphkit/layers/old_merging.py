"""Merge modes of Keras 1."""

from __future__ import annotations

from typing import Any

from graphkit import ops
from graphkit.core.declared import argument
from graphkit.core.serialization import graphkit_class
from graphkit.layers.graph_form import SavedAsGraph
from graphkit.layers.merging import Dot

__all__ = ["CosineProximity"]


@graphkit_class("layers")
class CosineProximity(SavedAsGraph, Dot):
    """A Dot of unit vectors with an extra axis after the batch axis. Source: keras 1 Merge with mode="cos"."""

    normalize: bool = argument(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.normalize = True

    def call(self, inputs: Any) -> Any:
        """Return the cosines of the angles, (batch, 1, ...)."""
        return ops.expand_dims(super().call(inputs), 1)
