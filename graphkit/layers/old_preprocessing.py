"""Image layers that older Keras versions compute differently at inference."""

from __future__ import annotations

from typing import Any

from graphkit.core.serialization import graphkit_class
from graphkit.layers.preprocessing.augmentation import RandomCrop
from graphkit.ops.resizing import resize

__all__ = ["ResizingRandomCrop"]
_HOME = "layers"


@graphkit_class(_HOME)
class ResizingRandomCrop(RandomCrop):
    """A RandomCrop that, at inference, crops images to the target's aspect ratio and resizes them. Source: tf.keras RandomCrop."""

    casts_unchanged = True

    def transform_images(self, images: Any, transformation: Any = None, training: bool = True) -> Any:
        """Return the random crop during training, else the resized images."""
        if training:
            return super().transform_images(images, transformation, training)
        size = (self.height, self.width)
        made = resize(self._batch(images), size, crop_to_aspect_ratio=True, data_format=self.data_format)
        return self._of_rank(images, made)
