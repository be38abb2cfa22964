"""Calls of keras.visualization, which real Keras (fixtures/make_visualization_answers.py) and graphkit answer alike."""

from __future__ import annotations

from typing import Any

import numpy as np

FORMATS = ("xyxy", "yxyx", "xywh", "center_xywh", "center_yxhw", "rel_xyxy", "rel_yxyx", "rel_xywh", "rel_center_xywh")


def photos(count: int = 2, channels: int = 3, height: int = 24, width: int = 32) -> np.ndarray[Any, Any]:
    """Return images of random bytes."""
    return np.random.default_rng(5).integers(0, 256, (count, height, width, channels)).astype("uint8")


def boxes(form: str = "xyxy", count: int = 2) -> dict[str, Any]:
    """Return three boxes for each image, in part outside of it; the label of the last one says to leave it out."""
    corners = np.random.default_rng(6).uniform(-4, 30, (count, 3, 4)).astype("float32")
    labels = np.tile(np.array([3, 0, -1]), (count, 1))
    return {"boxes": corners / 30 if form.startswith("rel_") else corners, "labels": labels}


def classes(count: int = 2, largest: int = 4, dtype: str = "int32") -> np.ndarray[Any, Any]:
    """Return segmentation masks of the classes from 0 to `largest`."""
    return np.random.default_rng(7).integers(0, largest + 1, (count, 24, 32, 1)).astype(dtype)


def drawings(vis: Any) -> dict[str, Any]:
    """Return the images that the two drawing functions make."""
    box, mask = vis.draw_bounding_boxes, vis.draw_segmentation_masks
    colors = {0: (1, 2, 3), 1: (255, 0, 0), 2: [0, 255, 0], 3: (9, 99, 199)}
    floats = np.random.default_rng(8).uniform(-20, 280, (2, 24, 32, 3)).astype("float32")
    gray, beyond = photos(channels=1), np.where(classes() == 2, 255, classes())
    last = {"num_classes": 5, "data_format": "channels_first"}
    return {
        **{f"box.{form}": box(photos(), boxes(form), form) for form in FORMATS},
        **{f"box.thickness {n}": box(photos(), boxes(), "xyxy", line_thickness=n) for n in (-1, 1, 3, 4, 7, 12)},
        "box.color": box(photos(), boxes(), "xyxy", color=[255, 7, 300]),
        "box.short color": box(photos(), boxes(), "xyxy", color=(200,)),
        "box.fraction": box(photos(), boxes(), "xyxy", color=(0.5, 1.5, 99.7)),
        "box.unit floats": box(photos() / np.float32(255), boxes(), "xyxy"),
        "box.floats": box(floats, boxes(), "xyxy"),
        "box.float64": box(floats.astype("float64"), boxes(), "xyxy"),
        "box.integers": box(photos().astype("int32") * 2, boxes(), "xyxy"),
        "box.gray": box(gray, boxes(), "xyxy", color=(7, 8, 9)),
        "box.alpha": box(photos(channels=4), boxes(), "xyxy", color=(7, 8, 9, 10)),
        "box.confidences": box(photos(), {**boxes(), "confidences": np.ones((2, 3))}, "xyxy"),
        "box.other classes": box(photos(), boxes(), "xyxy", class_mapping={7: "cat"}),
        "mask.default": mask(photos(), classes()),
        "mask.classes": mask(photos(), classes(), 5),
        "mask.fewer": mask(photos(), classes(), 2),
        "mask.colors": mask(photos(), classes(), 4, colors),
        "mask.alpha": mask(photos(), classes(), 5, alpha=0.3),
        "mask.ignore": mask(photos(), classes(), 5, ignore_index=2),
        "mask.ignore zero": mask(photos(), classes(), 5, ignore_index=0),
        "mask.void": mask(photos(), beyond, 5, ignore_index=255),
        "mask.negative": mask(photos(), classes() - 1, 4),
        "mask.opaque": np.asarray(mask(photos(), classes(), 5, blend=False)),
        "mask.int64": mask(photos(), classes(dtype="int64"), 5),
        "mask.bytes": mask(photos(), classes(dtype="uint8"), 5),
        "mask.bytes void": mask(photos(), beyond.astype("uint8"), 5),
        "mask.floats": mask(floats, classes(), 5, alpha=0.1),
        "mask.gray": mask(gray, classes(), 2, {0: (3,), 1: (200,)}),
        "mask.first": mask(photos().transpose(0, 3, 1, 2), classes().transpose(0, 3, 1, 2), **last),
    }


def galleries(vis: Any, pyplot: Any) -> dict[str, Any]:
    """Return what each gallery shows: images, titles, legend, size and layout of the figure."""
    names = {0: "cat", 1: "dog"}
    found: dict[str, Any] = {}

    def show(name: str, function: str, *args: Any, **kwargs: Any) -> None:
        returned = getattr(vis, function)(*args, show=False, **kwargs)
        assert returned is None
        figure = pyplot.gcf()
        grids = {axes.get_subplotspec().get_geometry()[:2] for axes in figure.axes}
        found[f"{name}.grid"] = np.array(sorted(grids))
        found[f"{name}.inches"] = np.array(figure.get_size_inches())
        found[f"{name}.titles"] = np.array([axes.get_title() for axes in figure.axes])
        found[f"{name}.legend"] = np.array([t.get_text() for legend in figure.legends for t in legend.get_texts()])
        for i, axes in enumerate(figure.axes):
            found[f"{name}.{i}"] = np.asarray(axes.get_images()[0].get_array())
        pyplot.close(figure)

    unit = photos(4) / np.float32(255)
    show("images", "plot_image_gallery", photos(4))
    show("images.five", "plot_image_gallery", photos(5))
    show("images.one", "plot_image_gallery", photos(1), scale=3)
    show("images.row", "plot_image_gallery", photos(3), rows=1, cols=3)
    show("images.column", "plot_image_gallery", photos(3), rows=3, cols=1)
    show("images.unit", "plot_image_gallery", unit, value_range=(0, 1))
    show("images.signed", "plot_image_gallery", unit * 2 - 1, value_range=(-1, 1))
    show("images.floats", "plot_image_gallery", unit * 255)
    show("images.true", "plot_image_gallery", photos(4), y_true=np.array([0, 1, 2, 1]), label_map=names)
    show("images.both", "plot_image_gallery", photos(4), np.array([0, 1, 1]), [1, 1, 0, 0], names)
    show("boxes", "plot_bounding_box_gallery", photos(), "xyxy", boxes(), rows=1, cols=2)
    show("boxes.both", "plot_bounding_box_gallery", photos(), "xywh", boxes(), boxes("rel_xyxy"), legend=True)
    show("boxes.thick", "plot_bounding_box_gallery", photos(), "xyxy", y_pred=boxes(), line_thickness=3, scale=1)
    first = photos().transpose(0, 3, 1, 2)
    show("boxes.first", "plot_bounding_box_gallery", first, "xyxy", boxes(), data_format="channels_first")
    show("masks", "plot_segmentation_mask_gallery", photos(), 5, y_true=classes())
    show("masks.none", "plot_segmentation_mask_gallery", photos(), 5)
    show(
        "masks.both", "plot_segmentation_mask_gallery", photos(), 5, y_true=classes(), y_pred=classes() * 1.0, alpha=0.5
    )
    show("masks.opaque", "plot_segmentation_mask_gallery", photos(), 5, y_pred=classes(), blend=False, ignore_index=1)
    return found
