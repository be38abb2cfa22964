"""`plot_model`, `model_to_dot`, `model_to_html`: drawings of a model's graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from graphkit.core.errors import InvalidArgumentError
from graphkit.core.files import write_bytes, write_text
from graphkit.visualization.dot import Dot, formats, to_dot
from graphkit.visualization.html import page
from graphkit.visualization.picture import Options, Picture, picture_of
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
    **kwargs: Any,
) -> Drawing:
    """Draw a model's graph; gives the drawing, which notebooks show.

    Args:
        to_file: `.svg` and `.html` (pan, zoom, details) need nothing; `.png`, `.pdf` and others are drawn by the Graphviz program;
            `.dot` is its source. None writes no file.
        show_shapes, show_dtype, show_layer_names, show_layer_activations, show_trainable: what the boxes say.
        rankdir: "TB", "LR", "BT" or "RL": which way the data flows.
        expand_nested: models inside as frames with their layers.
        dpi: resolution of a .png.
        show_nodes: one box a call; otherwise a shared layer is one box, marked ×2, with an arrow in its colour for each call.

    Raises NotBuiltError, InvalidArgumentError for an unknown suffix, ExportError without Graphviz. Source: keras.utils.plot_model.
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
    picture = picture_of(model, options)
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
    """The graph in Graphviz' DOT language: `str(...)` is its text. Arguments as for `plot_model`. Source: keras.utils.model_to_dot."""
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
    """The drawing for a notebook cell; as text where there is no graph to draw yet."""
    from html import escape

    if not getattr(model, "built", False):
        return f"<pre>{escape(repr(model))}</pre>"
    options = Options(show_layer_names=True, show_shapes=True)
    drawing = draw(scene_of(picture_of(model, options)), f"model {model.name}")
    return f'<div style="max-height:80vh;overflow:auto">{drawing.svg}</div>'


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
        raise InvalidArgumentError(f"plot_model cannot draw {path.name!r}: its suffix must be one of {known}.")


def _refuse(kwargs: dict[str, Any]) -> None:
    if kwargs.pop("layer_range", None) is not None:
        raise InvalidArgumentError("Argument `layer_range` of plot_model is no longer supported, as in Keras 3.")
    if kwargs:
        raise InvalidArgumentError(f"Unrecognized keyword arguments to plot_model: {kwargs}")
