"""`plot_model`, `model_to_dot`, `model_to_html`: drawings of a model's graph."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from graphkit.core.errors import InvalidArgumentError
from graphkit.core.files import write_bytes, write_text
from graphkit.visualization.dot import Dot, formats, to_dot
from graphkit.visualization.group_page import page_of_groups
from graphkit.visualization.groups import MANY, Expand, grouped, opened
from graphkit.visualization.html import page
from graphkit.visualization.picture import Options, Picture, all_boxes, picture_of
from graphkit.visualization.scene import scene_of
from graphkit.visualization.svg import Drawing, draw


def plot_model(
    model: Any,
    to_file: Any = None,
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = False,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 200,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    show_nodes: bool = False,
    expand: Expand = None,
    **kwargs: Any,
) -> Drawing:
    """Draw a model's graph.

    Args:
        model: a built model.
        to_file: the file to write. `.svg` and `.html` (with pan, zoom and details) need no other program; `.png`, `.pdf` and
            others are rendered by Graphviz; `.dot` is Graphviz' source. None writes no file.
        show_shapes: show input and output shapes in the boxes.
        show_dtype: show the dtypes of outputs.
        show_layer_names: show the names of layers.
        rankdir: the direction of the data flow: "TB", "LR", "BT" or "RL".
        expand_nested: draw nested models as frames around their layers.
        dpi: resolution of a bitmap.
        show_layer_activations: show the names of activations.
        show_trainable: show whether layers are trainable.
        show_nodes: draw one box per call. Otherwise a shared layer is one box, marked ×2, with arrows in a different colour
            for each call.
        expand: draw groups of layers: those with a common name scope ("layer1" of "/layer1/conv1/Conv"), and runs of layers where there
            are many without scopes. True opens all groups, False none, a number the groups of that many levels, a list of names
            those groups. By default there are groups only in an `.html` file of many layers; there they open and close on a click.
        **kwargs: rejected.

    Returns:
        The drawing, which notebooks display.

    Raises:
        NotBuiltError: the model is not built.
        InvalidArgumentError: an unknown suffix, `rankdir` or argument.
        ExportError: Graphviz is missing or fails.

    Source: keras.utils.plot_model.
    """
    _refuse(kwargs)
    options = Options(
        show_shapes,
        show_dtype,
        show_layer_names,
        show_layer_activations,
        show_trainable,
        expand_nested,
        show_nodes,
        rankdir,
    )
    flat = picture_of(model, options)
    picture = flat if expand is None else opened(grouped(flat), expand)
    if to_file is not None and expand is None and _is_page(to_file) and rankdir == "TB":
        nested = picture_of(model, replace(options, expand_nested=True))
        if len(all_boxes(nested)) > MANY:
            return _grouped_page(grouped(nested), Path(to_file))
    drawing = draw(scene_of(picture), f"model {model.name}")
    if to_file is not None:
        _write(Path(to_file), picture, drawing, dpi)
    return drawing


def model_to_dot(
    model: Any,
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = True,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 200,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    show_nodes: bool = False,
    **kwargs: Any,
) -> Dot:
    """Return a model's graph in Graphviz' DOT language; `str(...)` gives the text.

    The arguments are those of `plot_model`; Keras' `subgraph` and `splines` are accepted and ignored.

    Raises:
        NotBuiltError: the model is not built.
        InvalidArgumentError: an unknown `rankdir` or argument.

    Source: keras.utils.model_to_dot.
    """
    _refuse({k: v for k, v in kwargs.items() if k not in ("subgraph", "splines")})
    options = Options(
        show_shapes,
        show_dtype,
        show_layer_names,
        show_layer_activations,
        show_trainable,
        expand_nested,
        show_nodes,
        rankdir,
    )
    return to_dot(picture_of(model, options), dpi)


def model_to_html(model: Any) -> str:
    """Return the drawing for a notebook cell; the model's repr if it is not built."""
    from html import escape

    if not getattr(model, "built", False):
        return f"<pre>{escape(repr(model))}</pre>"
    options = Options(show_layer_names=True, show_shapes=True)
    drawing = draw(scene_of(picture_of(model, options)), f"model {model.name}")
    return f'<div style="max-height:80vh;overflow:auto">{drawing.svg}</div>'


def _is_page(path: Any) -> bool:
    return Path(path).suffix.lower() in (".html", ".htm")


def _grouped_page(picture: Picture, path: Path) -> Drawing:
    """Write a page with groups, and return the drawing in which they are closed."""
    write_text(path, page_of_groups(picture))
    return draw(scene_of(opened(picture, False)), f"model {picture.name}")


def _write(path: Path, picture: Picture, drawing: Drawing, dpi: int) -> None:
    suffix = path.suffix.lower().removeprefix(".")
    if suffix == "svg":
        drawing.save(path)
    elif suffix in ("html", "htm"):
        write_text(path, page(picture, drawing))
    elif suffix in ("dot", "gv"):
        write_text(path, to_dot(picture, dpi).source)
    elif suffix in formats():
        write_bytes(path, to_dot(picture, dpi).create(suffix))
    else:
        known = ", ".join(f".{s}" for s in ("svg", "html", "dot", *formats()[:2]))
        raise InvalidArgumentError(f"plot_model cannot write {path.name!r}: the suffix must be one of {known}.")


def _refuse(kwargs: dict[str, Any]) -> None:
    if kwargs.pop("layer_range", None) is not None:
        raise InvalidArgumentError("Argument `layer_range` of plot_model is no longer supported, as in Keras 3.")
    if kwargs:
        raise InvalidArgumentError(f"Unrecognized keyword arguments to plot_model: {kwargs}")
