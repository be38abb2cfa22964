"""Write a scene as self-contained SVG: no style sheet, no script, no required font."""

from __future__ import annotations

import math
from html import escape
from typing import Any

from graphkit.visualization import palette
from graphkit.visualization.layout import Point
from graphkit.visualization.lettering import FONTS, text_width
from graphkit.visualization.scene import (
    HEAD,
    NAME_SIZE,
    ROW,
    ROW_PADDING,
    ROW_SIZE,
    SIDE,
    TITLE_SIZE,
    Line,
    PlacedBox,
    Scene,
    badge_text,
    badge_width,
)

_MARGIN = 16.0
_RADIUS = 7.0
_HEAD_LENGTH, _HEAD_HALF = 8.0, 3.8


class Drawing:
    """A drawing as SVG: `str(drawing)`, `drawing.save(path)`; notebooks display it."""

    def __init__(self, svg: str, width: float, height: float) -> None:
        self.svg, self.width, self.height = svg, width, height

    def __str__(self) -> str:
        return self.svg

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return f"<Drawing {self.width:.0f} x {self.height:.0f}>"

    def save(self, path: Any) -> None:
        """Write the SVG to a file."""
        from graphkit.core.files import write_text

        write_text(path, self.svg)


def draw(scene: Scene, title: str) -> Drawing:
    """Draw a scene; `title` is what screen readers announce."""
    width, height = scene.width + 2 * _MARGIN, scene.height + 2 * _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_n(width)}" height="{_n(height)}" '
        f'viewBox="0 0 {_n(width)} {_n(height)}" role="img" font-family="{escape(FONTS)}">',
        f"<title>{escape(title)}</title>",
        f'<g transform="translate({_n(_MARGIN)} {_n(_MARGIN)})">',
        *(_frame(f) for f in scene.frames),
        '<g fill="none" stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round">',
        *(_line(line) for line in scene.lines),
        "</g>",
        *(_frame_title(f) for f in scene.frames),
        *(_box(b) for b in scene.boxes),
        *(_tag(text, place, line.colour) for line in scene.lines for text, place in line.tags),
        "</g></svg>",
    ]
    return Drawing("\n".join(parts), width, height)


def box_fragment(placed: PlacedBox) -> str:
    """Return the SVG of one box."""
    return _box(placed)


def _n(number: float) -> str:
    """Format a coordinate with at most one decimal."""
    return f"{round(number, 1) + 0.0:.1f}".removesuffix(".0")  # + 0.0: no "-0"


def _p(point: Point) -> str:
    return f"{_n(point[0])} {_n(point[1])}"


def _line(line: Line) -> str:
    points = [line.start, *(p for piece in line.pieces for p in piece)]
    end, before = points[-1], next((p for p in reversed(points[:-1]) if math.dist(p, points[-1]) > 0.5), points[0])
    length = math.dist(before, end) or 1.0
    along = ((end[0] - before[0]) / length, (end[1] - before[1]) / length)
    pieces = [list(piece) for piece in line.pieces]
    if line.head and pieces:
        pieces[-1][-1] = (end[0] - along[0] * (_HEAD_LENGTH - 1), end[1] - along[1] * (_HEAD_LENGTH - 1))
    path = f"M{_p(line.start)}" + "".join(
        ("L" if len(piece) == 1 else "C") + " ".join(map(_p, piece)) for piece in pieces
    )
    hint = f"<title>{escape(line.hint)}</title>" if line.hint else ""
    dashes = ' stroke-dasharray="3 4"' if line.dashed else ""
    drawn = f'<path d="{path}" stroke="{line.colour}"{dashes}>{hint}</path>'
    return drawn + (_arrow_head(end, along, line.colour) if line.head else "")


def _arrow_head(tip: Point, along: Point, colour: str) -> str:
    base = (tip[0] - along[0] * _HEAD_LENGTH, tip[1] - along[1] * _HEAD_LENGTH)
    side = (-along[1] * _HEAD_HALF, along[0] * _HEAD_HALF)
    left, right = (base[0] + side[0], base[1] + side[1]), (base[0] - side[0], base[1] - side[1])
    return f'<path d="M{_p(tip)}L{_p(left)}L{_p(right)}Z" fill="{colour}" stroke="none"/>'


def _tag(text: str, place: Point, colour: str) -> str:
    """Draw the index of a call on an arrow, in a rounded label."""
    half = max(8.0, text_width(text, 10, bold=True) / 2 + 4)
    x, y = place
    return (
        f'<rect x="{_n(x - half)}" y="{_n(y - 8)}" width="{_n(2 * half)}" height="16" rx="8" fill="#ffffff" stroke="{colour}" '
        f'stroke-width="1.2"/><text x="{_n(x)}" y="{_n(y + 3.6)}" font-size="10" font-weight="600" fill="{colour}" '
        f'text-anchor="middle">{escape(text)}</text>'
    )


def _hint(placed: PlacedBox) -> str:
    box = placed.box
    lines = [f"{box.name}: {box.title}", *(f"{k}: {v}" for k, v in box.facts.items())]
    return f"<title>{escape(chr(10).join(lines))}</title>"


def _group(placed: PlacedBox, *parts: str) -> str:
    key = escape(placed.box.key)
    return f'<g class="gk-box" data-key="{key}">{_hint(placed)}{"".join(parts)}</g>'


def _box(placed: PlacedBox) -> str:
    box, colours = placed.box, palette.FAMILIES[placed.box.family]
    left, top = placed.x - placed.width / 2, placed.y - placed.height / 2
    place = f'x="{_n(left)}" y="{_n(top)}" width="{_n(placed.width)}" height="{_n(placed.height)}" rx="{_n(_RADIUS)}"'
    parts = [f'<rect {place} fill="{palette.BODY_FILL if box.rows else colours.fill}"/>']
    if box.rows:
        parts.append(_head_shape(left, top, placed.width, colours.fill))
    parts += [
        f'<rect {place} fill="none" stroke="{colours.line}" stroke-width="1.3"/>',
        _head_text(placed, left, top, colours),
    ]
    for number, row in enumerate(box.rows):
        y = top + HEAD + ROW_PADDING + (number + 0.7) * ROW
        parts.append(_text(placed.x, y, row, ROW_SIZE, palette.BODY_TEXT, anchor="middle"))
    return _group(placed, *parts)


def _head_shape(left: float, top: float, width: float, fill: str) -> str:
    r, right, bottom = _RADIUS, left + width, top + HEAD
    return (
        f'<path d="M{_n(left)} {_n(bottom)}V{_n(top + r)}Q{_n(left)} {_n(top)} {_n(left + r)} {_n(top)}H{_n(right - r)}'
        f'Q{_n(right)} {_n(top)} {_n(right)} {_n(top + r)}V{_n(bottom)}Z" fill="{fill}"/>'
    )


def _head_text(placed: PlacedBox, left: float, top: float, colours: palette.Colours) -> str:
    """Draw class, name and badge in one centred line; class and name are one text, so that the viewer's font spaces them."""
    box, badge = placed.box, badge_text(placed.box)
    room = 10 + badge_width(badge) if badge else 0.0
    middle, y = left + (placed.width - room) / 2, top + HEAD / 2 + 4.5
    name = ""
    if box.show_name:
        name = f'<tspan dx="7" font-size="{_n(NAME_SIZE)}" font-weight="400" fill-opacity="0.78">{escape(box.name)}</tspan>'
    text = (
        f'<text x="{_n(middle)}" y="{_n(y)}" font-size="{_n(TITLE_SIZE)}" font-weight="600" fill="{colours.text}" '
        f'text-anchor="middle">{escape(box.title)}{name}</text>'
    )
    return text + (_badge(badge, left + placed.width - SIDE + 4, top + HEAD / 2, colours) if badge else "")


def _badge(text: str, right: float, middle: float, colours: palette.Colours) -> str:
    width = badge_width(text)
    return (
        f'<rect x="{_n(right - width)}" y="{_n(middle - 9)}" width="{_n(width)}" height="18" rx="9" fill="{colours.text}" '
        f'fill-opacity="0.88"/><text x="{_n(right - width / 2)}" y="{_n(middle + 3.9)}" font-size="11" font-weight="600" fill="#ffffff" '
        f'text-anchor="middle">{escape(text)}</text>'
    )


def _frame(placed: PlacedBox) -> str:
    line = palette.FAMILIES["model"].line
    left, top = placed.x - placed.width / 2, placed.y - placed.height / 2
    return (
        f'<rect x="{_n(left)}" y="{_n(top)}" width="{_n(placed.width)}" height="{_n(placed.height)}" rx="12" fill="{line}" '
        f'fill-opacity="0.07" stroke="{line}" stroke-opacity="0.75" stroke-width="1.3" stroke-dasharray="6 4"/>'
    )


def _frame_title(placed: PlacedBox) -> str:
    """Draw a label in the frame's corner, above the lines that pass there."""
    box, colours = placed.box, palette.FAMILIES["model"]
    left, top = placed.x - placed.width / 2 + 9, placed.y - placed.height / 2 + 8
    width = text_width(box.name, NAME_SIZE, bold=True) + text_width(box.title, 11) + 27
    badge = badge_text(box)
    parts = [
        f'<rect x="{_n(left)}" y="{_n(top)}" width="{_n(width)}" height="21" rx="10.5" fill="{colours.fill}" stroke="{colours.line}"/>',
        f'<text x="{_n(left + width / 2)}" y="{_n(top + 14.8)}" font-size="{_n(NAME_SIZE)}" font-weight="600" fill="{colours.text}" '
        f'text-anchor="middle">{escape(box.name)}<tspan dx="6" font-size="11" font-weight="400" fill-opacity="0.75">{escape(box.title)}'
        "</tspan></text>",
    ]
    if badge:
        parts.append(_badge(badge, left + width + 6 + badge_width(badge), top + 10.5, colours))
    return _group(placed, *parts)


def _text(x: float, y: float, text: str, size: float, fill: str, anchor: str) -> str:
    return f'<text x="{_n(x)}" y="{_n(y)}" font-size="{_n(size)}" fill="{fill}" text-anchor="{anchor}">{escape(text)}</text>'
