"""Show images side by side with matplotlib, which must be installed. Source: keras.visualization."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from graphkit import ops
from graphkit.core.errors import InvalidArgumentError, MissingPackageError, ShapeError
from graphkit.core.files import replacing
from graphkit.core.layout import CHANNELS_FIRST, CHANNELS_LAST, standardize_data_format
from graphkit.layers.preprocessing.images import rescaled
from graphkit.visualization.boxes import draw_bounding_boxes, require_image_batch
from graphkit.visualization.masks import channels_to_last, draw_segmentation_masks

Array = np.ndarray[Any, Any]
_BYTE = (0, 255)


def plot_image_gallery(
    images: Any,
    y_true: Any = None,
    y_pred: Any = None,
    label_map: Mapping[int, str] | None = None,
    rows: int | None = None,
    cols: int | None = None,
    value_range: Sequence[float] = (0, 255),
    scale: float = 2,
    path: Any = None,
    show: bool | None = None,
    transparent: bool = True,
    dpi: float = 60,
    legend_handles: Sequence[Any] | None = None,
    data_format: str | None = None,
) -> None:
    """Show images in a grid, with labels and predictions above them.

    Args:
        images: (batch, height, width, channels).
        y_true: (batch,), the class of each image.
        y_pred: (batch,), the predicted class of each image.
        label_map: class -> its name; required with `y_true` or `y_pred`.
        rows: of the grid; by default the square root of the number of images, rounded up.
        cols: of the grid; by default the number of images divided by `rows`, rounded down, as in Keras: images that do not
            fit are left out. Cells without an image stay empty.
        value_range: (low, high) of the pixels.
        scale: width and height of a cell in inches.
        path: a file to write, in the format that its name ends with. The figure is closed afterwards.
        show: open a window; by default if there is no `path`. With False and no `path`, the figure stays open, and
            `matplotlib.pyplot.gcf()` returns it.
        transparent: write a transparent background.
        dpi: dots per inch of the file.
        legend_handles: patches of matplotlib to list in a legend.
        data_format: "channels_last" or "channels_first"; by default that of the Keras config.

    Raises:
        InvalidArgumentError: both `path` and `show` are given, or `label_map` is missing.
        ShapeError: `images` does not have four axes.
        MissingPackageError: matplotlib is not installed.

    Source: keras.visualization.plot_image_gallery.
    """
    if path is not None and show:
        raise InvalidArgumentError("plot_gallery() expects either `path` to be set, or `show` to be true.")
    if (y_true is not None or y_pred is not None) and label_map is None:
        raise InvalidArgumentError("If `y_true` or `y_pred` are provided, a `label_map` must also be provided.")
    if len(ops.shape(images)) != 4:
        raise ShapeError("`plot_images_gallery()` requires you to batch your `np.array` samples together.")
    pixels = _pixels(images, value_range, data_format)
    rows = rows or math.ceil(math.sqrt(len(pixels)))
    cols = cols or len(pixels) // rows or 1
    titles = _titles(len(pixels), label_map or {}, {"Label": y_true, "Pred": y_pred})
    figure = _figure(pixels, titles, rows, cols, scale)
    if legend_handles is not None:
        figure.legend(handles=legend_handles, loc="lower center")
    pyplot = _matplotlib("pyplot")
    if path is not None:
        _save(figure, path, transparent, dpi)
        pyplot.close(figure)
    elif show is None or show:
        pyplot.show()
        pyplot.close(figure)


def plot_bounding_box_gallery(
    images: Any,
    bounding_box_format: str,
    y_true: Mapping[str, Any] | None = None,
    y_pred: Mapping[str, Any] | None = None,
    value_range: Sequence[float] = (0, 255),
    true_color: Sequence[float] = (0, 188, 212),
    pred_color: Sequence[float] = (255, 235, 59),
    line_thickness: int = 2,
    font_scale: float = 1.0,
    text_thickness: int | None = None,
    class_mapping: Any = None,
    ground_truth_mapping: Any = None,
    prediction_mapping: Any = None,
    legend: bool = False,
    legend_handles: Sequence[Any] | None = None,
    rows: int | None = None,
    cols: int | None = None,
    data_format: str | None = None,
    **kwargs: Any,
) -> None:
    """Show images in a grid, with true and predicted bounding boxes.

    Args:
        images: (batch, height, width, channels).
        bounding_box_format: of the boxes; see `graphkit.utils.bounding_boxes.convert_format`.
        y_true: the true boxes, a dict as `draw_bounding_boxes` expects it.
        y_pred: the predicted boxes, likewise.
        value_range: (low, high) of the pixels that are shown. Images with boxes have pixels from 0 to 255, as
            `draw_bounding_boxes` makes them, whatever the range of `images`.
        true_color: of the true boxes, from 0 to 255.
        pred_color: of the predicted boxes.
        line_thickness: in pixels.
        font_scale: size of the labels.
        text_thickness: in pixels; `line_thickness` by default.
        class_mapping: class -> label, which requires OpenCV.
        ground_truth_mapping: the same for true boxes only.
        prediction_mapping: the same for predicted boxes only.
        legend: show which color belongs to true boxes and which to predicted ones.
        legend_handles: patches of matplotlib to list in the legend instead.
        rows: of the grid; see `plot_image_gallery`.
        cols: of the grid.
        data_format: "channels_last" or "channels_first"; by default that of the Keras config.
        **kwargs: for `plot_image_gallery`.

    Raises:
        ShapeError: `images` does not have four axes.
        InvalidArgumentError: both `legend` and `legend_handles` are given.
        MissingPackageError: matplotlib is not installed, or OpenCV, if a label is to be drawn.

    Source: keras.visualization.plot_bounding_box_gallery.
    """
    require_image_batch(images)
    if legend and legend_handles:
        raise InvalidArgumentError(
            "Only pass `legend` OR `legend_handles` to `keras.visualization.plot_bounding_box_gallery()`."
        )
    if standardize_data_format(data_format) == CHANNELS_FIRST:
        images = channels_to_last(images)
    drawn = ops.convert_to_numpy(images)
    for boxes, color, mapping in (
        (y_true, true_color, ground_truth_mapping or class_mapping),
        (y_pred, pred_color, prediction_mapping or class_mapping),
    ):
        if boxes is not None:
            drawn = draw_bounding_boxes(
                drawn,
                boxes,
                bounding_box_format,
                mapping,
                color,
                line_thickness,
                text_thickness,
                font_scale,
                CHANNELS_LAST,
            )
    if legend:
        patch = _matplotlib("patches").Patch
        legend_handles = [
            patch(color=np.array(color) / 255.0, label=label)
            for color, label in ((true_color, "Ground Truth"), (pred_color, "Prediction"))
        ]
    plot_image_gallery(
        drawn,
        value_range=value_range,
        legend_handles=legend_handles,
        rows=rows,
        cols=cols,
        **{"data_format": CHANNELS_LAST, **kwargs},
    )


def plot_segmentation_mask_gallery(
    images: Any,
    num_classes: int | None,
    value_range: Sequence[float] = (0, 255),
    y_true: Any = None,
    y_pred: Any = None,
    color_mapping: Mapping[int, Sequence[float]] | None = None,
    blend: bool = True,
    alpha: float = 0.8,
    ignore_index: int = -1,
    data_format: str | None = None,
    **kwargs: Any,
) -> None:
    """Show each image in a row, with its true and its predicted segmentation mask beside it.

    Args:
        images: (batch, height, width, channels).
        num_classes: classes from 0 to `num_classes - 1` are drawn.
        value_range: (low, high) of the pixels that are shown. The masks' colors go from 0 to 255, so images should too.
        y_true: the true masks: (batch, height, width) or (batch, height, width, 1); cast to int32.
        y_pred: the predicted masks, likewise.
        color_mapping: class -> color; see `draw_segmentation_masks`.
        blend: mix the colors with the image; if False, they replace its pixels.
        alpha: opacity of the masks, from 0 to 1.
        ignore_index: a class whose pixels keep the image's values.
        data_format: "channels_last" or "channels_first"; by default that of the Keras config.
        **kwargs: for `plot_image_gallery`; `rows` and `cols` follow from the images.

    Raises:
        ShapeError: `images` does not have four axes, or the masks are of another shape.
        MissingPackageError: matplotlib is not installed.

    Source: keras.visualization.plot_segmentation_mask_gallery.
    """
    require_image_batch(images)
    channels_first = standardize_data_format(data_format) == CHANNELS_FIRST
    shown = [ops.convert_to_numpy(channels_to_last(images) if channels_first else images)]
    for masks in (y_true, y_pred):
        if masks is not None:
            masks = ops.cast(channels_to_last(masks) if channels_first else masks, "int32")
            drawn = draw_segmentation_masks(
                shown[0], masks, num_classes, color_mapping, alpha, blend, ignore_index, CHANNELS_LAST
            )
            shown.append(ops.convert_to_numpy(drawn))
    # Image, true mask and predicted mask of each sample follow each other.
    cells = np.stack(shown, axis=1).reshape(-1, *shown[0].shape[1:])
    plot_image_gallery(
        cells,
        value_range=value_range,
        rows=len(shown[0]),
        cols=len(shown),
        **{"data_format": CHANNELS_LAST, **kwargs},
    )


def _matplotlib(module: str) -> Any:
    try:
        return import_module(f"matplotlib.{module}")
    except ImportError:
        raise MissingPackageError(
            "The galleries of keras.visualization require matplotlib. Install it with `pip install matplotlib`; "
            "draw_bounding_boxes and draw_segmentation_masks return arrays without it."
        ) from None


def _pixels(images: Any, value_range: Sequence[float], data_format: str | None) -> Array:
    """Return images as uint8, channels last."""
    if standardize_data_format(data_format) == CHANNELS_FIRST:
        images = channels_to_last(images)
    values = np.asarray(ops.convert_to_numpy(images))
    if tuple(value_range) != _BYTE:
        values = rescaled(values.astype("float32"), np.asarray(value_range, "float32"), np.asarray(_BYTE, "float32"))
    with np.errstate(invalid="ignore"):  # values outside of the range; Keras does not clip them either
        return values.astype("uint8")


def _titles(count: int, names: Mapping[int, str], classes: Mapping[str, Any]) -> list[str]:
    """Return the title of each image, such as "Label: cat  Pred: dog"."""
    found = {word: ops.convert_to_numpy(values) for word, values in classes.items() if values is not None}
    return [
        "  ".join(f"{word}: {names.get(values[i], 'Unknown')}" for word, values in found.items() if i < len(values))
        for i in range(count)
    ]


def _figure(pixels: Array, titles: Sequence[str], rows: int, cols: int, scale: float) -> Any:
    """Return a figure of matplotlib with an image in each cell of the grid, row by row."""
    figure, axes = _matplotlib("pyplot").subplots(
        nrows=rows,
        ncols=cols,
        figsize=(cols * scale, rows * scale),
        frameon=False,
        layout="tight",
        squeeze=False,
        sharex="row",
        sharey="col",
    )
    figure.subplots_adjust(wspace=0, hspace=0)
    for index, cell in enumerate(axes.flat):
        cell.axis("off")
        if index < len(pixels):
            cell.imshow(pixels[index])
            cell.margins(x=0, y=0)
            if titles[index]:
                cell.set_title(titles[index], fontsize=8)
    return figure


def _save(figure: Any, path: Any, transparent: bool, dpi: float) -> None:
    options = {"pad_inches": 0, "bbox_inches": "tight", "transparent": transparent, "dpi": dpi}
    if not isinstance(path, str | os.PathLike):  # an open file
        figure.savefig(path, **options)
        return
    target = Path(path)
    kind = target.suffix[1:] or _matplotlib("pyplot").rcParams["savefig.format"]
    target = target if target.suffix else target.with_suffix(f".{kind}")
    with replacing(target) as file:
        figure.savefig(file, format=kind, **options)
