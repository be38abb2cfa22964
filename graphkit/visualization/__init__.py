"""Summaries and drawings of models, and drawings of what they see and predict.

`model.summary()`, `plot_model`, `model_to_dot`; bounding boxes and segmentation masks on images. Source: keras.visualization.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphkit.visualization.boxes import draw_bounding_boxes
    from graphkit.visualization.galleries import (
        plot_bounding_box_gallery,
        plot_image_gallery,
        plot_segmentation_mask_gallery,
    )
    from graphkit.visualization.masks import draw_segmentation_masks
    from graphkit.visualization.plot import model_to_dot, model_to_html, plot_model
    from graphkit.visualization.summary import summary

__all__ = [
    "draw_bounding_boxes", "draw_segmentation_masks", "model_to_dot", "model_to_html", "plot_bounding_box_gallery",
    "plot_image_gallery", "plot_model", "plot_segmentation_mask_gallery", "summary",
]  # fmt: skip

_MODULES = {
    "draw_bounding_boxes": "boxes",
    "draw_segmentation_masks": "masks",
    "plot_bounding_box_gallery": "galleries",
    "plot_image_gallery": "galleries",
    "plot_segmentation_mask_gallery": "galleries",
    "model_to_dot": "plot",
    "model_to_html": "plot",
    "plot_model": "plot",
    "summary": "summary",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'graphkit.visualization' has no attribute {name!r}")
    import sys

    module = sys.modules.get(f"graphkit.visualization.{name}")
    if module is not None and name == "summary":
        return module
    return getattr(import_module(f"graphkit.visualization.{_MODULES[name]}"), name)
