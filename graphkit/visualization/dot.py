"""Write a picture in Graphviz' DOT language, and render it with the `dot` program if it is installed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from html import escape
from typing import Any

from graphkit.core.errors import ExportError
from graphkit.visualization import palette
from graphkit.visualization.picture import Arrow, Box, Picture
from graphkit.visualization.scene import badge_text

_FORMATS = ("png", "pdf", "svg", "ps", "jpg", "jpeg", "gif", "eps", "webp")


class Dot:
    """A graph in DOT: `str(dot)` or `dot.to_string()`; `dot.create("png")` and `dot.write(path)` need Graphviz.

    The methods have the names of pydot's `Dot`, which Keras' `model_to_dot` returns.
    """

    def __init__(self, source: str) -> None:
        self.source = source

    def to_string(self) -> str:
        """Return the DOT text."""
        return self.source

    __str__ = to_string

    def create(self, format: str = "png", prog: str = "dot") -> bytes:
        """Render with Graphviz and return the bytes of the file.

        Args:
            format: one of Graphviz' output formats, such as "png" or "pdf".
            prog: Graphviz' layout program.

        Raises:
            ExportError: the program is missing or fails.
        """
        program = shutil.which(prog)
        if program is None:
            raise ExportError(
                f"Drawing {format!r} needs the Graphviz program {prog!r}, which is not on the PATH. Install Graphviz "
                "(apt install graphviz, brew install graphviz, or https://graphviz.org/download), or use a file name that "
                "ends in .svg or .html, which need no other program."
            )
        done = subprocess.run(
            [program, f"-T{format}"], input=self.source.encode(), capture_output=True, check=False, timeout=600
        )
        if done.returncode:
            raise ExportError(
                f"Graphviz' {prog!r} failed on this graph: {done.stderr.decode(errors='replace').strip()[:500]}"
            )
        return done.stdout

    def write(self, path: Any, format: str = "png", prog: str = "dot") -> None:
        """Write a rendered file.

        Args:
            path: the target file.
            format: an output format of Graphviz; "raw" and "dot" write the DOT text.
            prog: Graphviz' layout program.

        Raises:
            ExportError: the program is missing or fails.
        """
        from graphkit.core.files import write_bytes

        write_bytes(path, self.source.encode() if format in ("raw", "dot") else self.create(format, prog))

    def create_png(self) -> bytes:
        """Return the drawing as PNG bytes. See `create`."""
        return self.create("png")

    def __repr__(self) -> str:
        return f"<Dot {len(self.source)} characters>"


def formats() -> tuple[str, ...]:
    """Return the file suffixes, without a dot, that Graphviz renders."""
    return _FORMATS


def to_dot(picture: Picture, dpi: int = 200) -> Dot:
    """Return a picture in DOT; `dpi` is the resolution of bitmaps."""
    lines = [
        "digraph model {",
        f"  graph [rankdir={picture.options.rankdir}, dpi={int(dpi)}, nodesep=0.35, ranksep=0.5];",
        '  graph [bgcolor="white", compound=true, fontname="Helvetica"];',
        '  node [shape=plain, fontname="Helvetica", fontsize=12];',
        f'  edge [color="{palette.ARROW}", penwidth=1.3, arrowsize=0.7, fontname="Helvetica", fontsize=10];',
        *_body(picture, "  "),
        "}",
    ]
    return Dot("\n".join(lines) + "\n")


def _body(picture: Picture, indent: str) -> Iterator[str]:
    for box in picture.boxes.values():
        if box.inside is None:
            yield f"{indent}{_quoted(box.key)} [label=<{_label(box)}>];"
            continue
        colours = palette.FAMILIES["model"]
        yield f"{indent}subgraph {_quoted(f'cluster_{box.key}')} {{"
        title = " ".join(filter(None, (box.name, badge_text(box))))
        yield f'{indent}  label={_quoted(title)}; labeljust=l; style="rounded,dashed"; color="{colours.line}"; fontcolor="{colours.text}";'
        yield from _body(box.inside, indent + "  ")
        yield f"{indent}}}"
    for arrow in picture.arrows:
        yield from _edges(picture, arrow, indent)


def _edges(picture: Picture, arrow: Arrow, indent: str) -> Iterator[str]:
    call = arrow.source_call if arrow.source_call is not None else arrow.target_call
    attributes = ""
    if call is not None:
        marks = {"taillabel": arrow.source_call, "headlabel": arrow.target_call}
        shown = ", ".join(f'{k}=" {v} "' for k, v in marks.items() if v is not None)
        attributes = f' [color="{palette.call_colour(call)}", fontcolor="{palette.call_colour(call)}", {shown}]'
    source = _maker(picture.boxes[arrow.source], arrow.source_port[1])
    for target in _takers(picture.boxes[arrow.target], arrow.target_port[1]):
        yield f"{indent}{_quoted(source)} -> {_quoted(target)}{attributes};"


def _maker(box: Box, tensor: int) -> str:
    """Return the key of the innermost box that computes an output."""
    while box.inside is not None and box.exits:
        key, port = box.exits[min(tensor, len(box.exits) - 1)]
        box, tensor = box.inside.boxes[key], port[1]
    return box.key


def _takers(box: Box, slot: int) -> Iterator[str]:
    """Yield the keys of the innermost boxes that read an input."""
    if box.inside is None or not box.entries:
        yield box.key
        return
    for key, port in box.entries[min(slot, len(box.entries) - 1)]:
        yield from _takers(box.inside.boxes[key], max(port[1], 0))


def _label(box: Box) -> str:
    colours = palette.FAMILIES[box.family]
    name = f'  <font point-size="11">{escape(box.name)}</font>' if box.show_name else ""
    badge = badge_text(box)
    mark = f"  <b>{escape(badge)}</b>" if badge else ""
    head = f'<tr><td bgcolor="{colours.fill}"><font color="{colours.text}"><b>{escape(box.title)}</b>{name}{mark}</font></td></tr>'
    rows = "".join(
        f'<tr><td><font point-size="11" color="{palette.BODY_TEXT}">{escape(row)}</font></td></tr>' for row in box.rows
    )
    frame = f'border="1" color="{colours.line}" cellborder="0" cellspacing="0" cellpadding="6" style="rounded" bgcolor="white"'
    return f"<table {frame}>{head}{rows}</table>"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
