"""Lay out a picture: positions of all boxes, frames and lines. Nested frames are laid out from the inside out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from graphkit.visualization.layering import Link, Vertex
from graphkit.visualization.layout import Point, lay_out
from graphkit.visualization.lettering import text_width
from graphkit.visualization.palette import ARROW, FRAME, call_colour
from graphkit.visualization.picture import Arrow, Box, Picture, Port

HEAD, ROW, ROW_PADDING = 28.0, 18.0, 7.0
TITLE_SIZE, NAME_SIZE, ROW_SIZE = 13.0, 12.0, 11.5
SIDE = 13.0  # padding left and right of the text in a box
_FRAME_TITLE, _FRAME_PADDING = 34.0, 18.0
_LOOP_ROOM = 34.0
_CALL_STEP = 20.0


@dataclass
class PlacedBox:
    """A box with its centre and size."""

    box: Box
    x: float
    y: float
    width: float
    height: float


@dataclass
class Line:
    """The path of a tensor.

    Attributes:
        start: its first point.
        pieces: a straight piece has 1 point, a curve has 3 (Bézier).
        colour: of the line.
        head: whether it ends in an arrow head.
        hint: the text that is shown on hovering.
        tags: (text, position) labels for the calls of shared layers.
        dashed: whether the line is dashed.
        source: the key of the box that it leaves, and the number of the output; the key is "" for an input of the picture.
        target: the key of the box that it enters, and the number of the input; the key is "" for an output of the picture.
    """

    start: Point
    pieces: list[list[Point]]
    colour: str
    head: bool
    hint: str = ""
    tags: list[tuple[str, Point]] = field(default_factory=list)
    dashed: bool = False
    source: tuple[str, int] = ("", 0)
    target: tuple[str, int] = ("", 0)


@dataclass
class Scene:
    """Everything that is drawn. Frames are drawn before boxes, outer ones first."""

    width: float = 0.0
    height: float = 0.0
    boxes: list[PlacedBox] = field(default_factory=list)
    frames: list[PlacedBox] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)

    def transform(self, move: Callable[[Point], Point], swap: bool = False) -> None:
        """Apply `move` to every point; `swap` swaps widths and heights."""
        for placed in (*self.boxes, *self.frames):
            placed.x, placed.y = move((placed.x, placed.y))
            if swap:
                placed.width, placed.height = placed.height, placed.width
        for line in self.lines:
            line.start = move(line.start)
            line.pieces = [[move(p) for p in piece] for piece in line.pieces]
            line.tags = [(text, move(p)) for text, p in line.tags]
        if swap:
            self.width, self.height = self.height, self.width


def scene_of(picture: Picture) -> Scene:
    """Lay out a picture in its `rankdir`."""
    rankdir = picture.options.rankdir
    scene, _, _ = _Builder(picture, rankdir).build()
    if rankdir in ("BT", "RL"):
        scene.transform(lambda p: (p[0], scene.height - p[1]))
    if rankdir in ("LR", "RL"):
        scene.transform(lambda p: (p[1], p[0]), swap=True)
    return scene


def box_size(box: Box) -> tuple[float, float]:
    """Return the width and height that the text of a box needs."""
    head = text_width(box.title, TITLE_SIZE, bold=True)
    head += 7 + text_width(box.name, NAME_SIZE) if box.show_name else 0.0
    badge = badge_text(box)
    head += 10 + badge_width(badge) if badge else 0.0
    body = max((text_width(row, ROW_SIZE) for row in box.rows), default=0.0)
    height = HEAD + (len(box.rows) * ROW + ROW_PADDING * 1.6 if box.rows else 0.0)
    return max(72.0, head + 2 * SIDE, body + 2 * SIDE), height


def badge_text(box: Box) -> str:
    """Return "×2" for a box that represents two calls, "call 0" for the first of several."""
    if box.call is not None:
        return f"call {box.call}"
    return f"×{box.calls}" if box.calls > 1 else ""


def badge_width(badge: str) -> float:
    """Return the width of a badge with its rounded border."""
    return text_width(badge, 11.0, bold=True) + 12


_OUTLET = "outlet"


def tile_of(box: Box) -> tuple[Scene, list[float], list[float]]:
    """Lay out the picture inside a box from top to bottom, with the boxes in it closed.

    Returns:
        The scene, and the x coordinates at which its inputs enter and its outputs leave.
    """
    assert box.inside is not None
    closed = replace(box.inside, boxes={key: replace(b, inside=None) for key, b in box.inside.boxes.items()})
    return _Builder(closed, "TB", box.entries, box.exits).build()


class _Builder:
    """Lays out one picture from top to bottom; the caller rotates it afterwards, so widths and heights are swapped for LR and RL."""

    def __init__(
        self,
        picture: Picture,
        rankdir: str,
        entries: Sequence[list[tuple[str, Port]]] = (),
        exits: Sequence[tuple[str, Port]] = (),
    ) -> None:
        self.picture, self.rankdir = picture, rankdir
        self.sideways = rankdir in ("LR", "RL")
        self.scene = Scene()
        self.entries, self.exits = entries, exits
        self.index = {key: number for number, key in enumerate(picture.boxes)}
        self.inner: dict[str, tuple[Scene, list[float], list[float]]] = {}
        self.vertices: list[Vertex] = []
        self.links: list[Link] = []
        self.arrows: list[Arrow] = []
        self.inlets: dict[int, int] = {}  # vertices -> numbers of inputs
        self.outlets: dict[int, int] = {}

    def build(self) -> tuple[Scene, list[float], list[float]]:
        """Return the scene, and the x coordinates at which inputs enter and outputs leave."""
        looped = {a.source for a in self.picture.arrows if a.source == a.target}
        for key, box in self.picture.boxes.items():
            width, height = self._size(key, box)
            self.vertices.append(Vertex(width + (2 * _LOOP_ROOM if key in looped else 0.0), height))
        for arrow in self.picture.arrows:
            self._add_link(arrow)
        inlets = [self._add_inlet(users) for users in self.entries]
        self.inlets = {vertex: number for number, vertex in enumerate(inlets)}
        outlets = [self._add_outlet(maker) for maker in self.exits]
        self.outlets = {vertex: number for number, vertex in enumerate(outlets)}
        laid = lay_out(self.vertices, self.links)
        self.scene.width, self.scene.height = laid.width, laid.height
        for key, box in self.picture.boxes.items():
            self._place(key, box, laid.centres[self.index[key]], key in looped)
        for link, arrow, path in zip(self.links, self.arrows, laid.paths, strict=True):
            self._draw(link, arrow, path)
        self.scene.lines += _ties(self.scene.boxes)
        return self.scene, [laid.centres[v][0] for v in inlets], [laid.centres[v][0] for v in outlets]

    def _size(self, key: str, box: Box) -> tuple[float, float]:
        if box.inside is None:
            width, height = box_size(box)
            return (height, width) if self.sideways else (width, height)
        inner = _Builder(box.inside, self.rankdir, box.entries, box.exits).build()
        self.inner[key] = inner
        before, after, left, right = self._padding()
        title = text_width(f"{box.title} {box.name} {badge_text(box)}", NAME_SIZE, bold=True) + 40
        width, height = inner[0].width + left + right, inner[0].height + before + after
        return (width, max(height, title)) if self.sideways else (max(width, title), height)

    def _padding(self) -> tuple[float, float, float, float]:
        """Return the padding of a frame: before and after along the flow, left and right across it, larger for the title."""
        before, after, left = {"TB": (1, 0, 0), "BT": (0, 1, 0)}.get(self.rankdir, (0, 0, 1))
        return tuple(_FRAME_TITLE if title else _FRAME_PADDING for title in (before, after, left, 0))  # type: ignore[return-value]

    def _add_link(self, arrow: Arrow) -> None:
        link = Link(self.index[arrow.source], self.index[arrow.target], source_port=arrow.source_port)
        if arrow.source in self.inner and self.inner[arrow.source][2]:
            outlets = self.inner[arrow.source][2]
            link.source_at = self._inner_at(
                arrow.source, outlets[min(arrow.source_port[1], len(outlets) - 1)], arrow.source_call
            )
            link.fixed_source = True
        if arrow.target in self.inner and self.inner[arrow.target][1]:
            inlets = self.inner[arrow.target][1]
            link.target_at = self._inner_at(
                arrow.target, inlets[min(arrow.target_port[1], len(inlets) - 1)], arrow.target_call
            )
            link.fixed_target = True
        self.links.append(link)
        self.arrows.append(arrow)

    def _inner_at(self, key: str, x: float, call: int | None) -> float:
        """Return an x coordinate inside a frame relative to the frame's centre; calls of a shared model are placed side by side."""
        calls = self.picture.boxes[key].calls
        aside = (call - (calls - 1) / 2) * min(_CALL_STEP, 160.0 / calls) if call is not None and calls > 1 else 0.0
        return x + self._inner_left(key) - self.vertices[self.index[key]].width / 2 + aside

    def _inner_left(self, key: str) -> float:
        _, _, left, right = self._padding()
        spare = self.vertices[self.index[key]].width - self.inner[key][0].width - left - right
        return left + spare / 2

    def _add_inlet(self, users: list[tuple[str, Port]]) -> int:
        self.vertices.append(Vertex(2.0, 0.0, pin="first"))
        vertex = len(self.vertices) - 1
        for key, port in users:
            self._add_link(Arrow(key, key, (0, 0), port, None, None, ""))
            self.links[-1].source, self.links[-1].source_port = vertex, "inlet"
            self.links[-1].source_at, self.links[-1].fixed_source = 0.0, True
        return vertex

    def _add_outlet(self, maker: tuple[str, Port]) -> int:
        self.vertices.append(Vertex(2.0, 0.0, pin="last"))
        vertex = len(self.vertices) - 1
        key, port = maker
        self._add_link(Arrow(key, key, port, (0, 0), None, None, _OUTLET))
        self.links[-1].target = vertex
        self.links[-1].target_at, self.links[-1].fixed_target = 0.0, True
        return vertex

    def _place(self, key: str, box: Box, centre: Point, looped: bool) -> None:
        vertex = self.vertices[self.index[key]]
        width = vertex.width - (2 * _LOOP_ROOM if looped else 0.0)
        placed = PlacedBox(box, centre[0], centre[1], width, vertex.height)
        if key not in self.inner:
            self.scene.boxes.append(placed)
            return
        inner = self.inner[key][0]
        dx, dy = (
            centre[0] - vertex.width / 2 + self._inner_left(key),
            centre[1] - vertex.height / 2 + self._padding()[0],
        )
        inner.transform(lambda p: (p[0] + dx, p[1] + dy))
        self.scene.frames += [placed, *inner.frames]
        self.scene.boxes += inner.boxes
        self.scene.lines += inner.lines

    def _draw(self, link: Link, arrow: Arrow, path: list[Point] | None) -> None:
        call = arrow.source_call if arrow.source_call is not None else arrow.target_call
        colour = ARROW if call is None else call_colour(call)
        if path is None:
            self.scene.lines.append(self._loop(arrow, colour))
            return
        before, after, _, _ = self._padding()
        if link.source_port == "inlet":
            path[0] = (path[0][0], path[0][1] - before)
        if arrow.shape == _OUTLET:
            path[-1] = (path[-1][0], path[-1][1] + after)
        runs_on = arrow.target in self.inner and link.fixed_target and arrow.target_call is None
        line = Line(
            path[0], _pieces(path), colour, not runs_on and arrow.shape != _OUTLET, arrow.shape.removeprefix(_OUTLET)
        )
        line.source = (
            ("", self.inlets[link.source]) if link.source in self.inlets else (arrow.source, arrow.source_port[1])
        )
        line.target = (
            ("", self.outlets[link.target]) if link.target in self.outlets else (arrow.target, arrow.target_port[1])
        )
        if not self.picture.options.show_nodes:
            line.tags = _tags(arrow, path)
        self.scene.lines.append(line)

    def _loop(self, arrow: Arrow, colour: str) -> Line:
        """Return the line from a box to itself, a curve at its right end."""
        vertex = self.vertices[self.index[arrow.source]]
        x, out = vertex.x + vertex.width / 2 - _LOOP_ROOM, vertex.height / 2 - 7
        bend = x + _LOOP_ROOM * 0.9
        line = Line(
            (x, vertex.y + out),
            [[(bend, vertex.y + out), (bend, vertex.y - out), (x, vertex.y - out)]],
            colour,
            True,
            arrow.shape,
        )
        line.tags.append((f"{arrow.source_call}→{arrow.target_call}", (bend - 6, vertex.y)))
        return line


def _tags(arrow: Arrow, path: list[Point]) -> list[tuple[str, Point]]:
    """Return labels with the indices of the calls, near the ends of the arrow."""
    down = 1 if path[-1][1] >= path[0][1] else -1
    tags = []
    if arrow.source_call is not None and arrow.source_call != arrow.target_call:  # equal ones are shown once
        tags.append((str(arrow.source_call), (path[0][0], path[0][1] + 12 * down)))
    if arrow.target_call is not None:
        tags.append((str(arrow.target_call), (path[-1][0], path[-1][1] - 17 * down)))
    return tags


def _ties(boxes: list[PlacedBox]) -> list[Line]:
    """Return dashed lines between adjacent calls of one layer, which share their weights."""
    lines = []
    rows: dict[float, list[PlacedBox]] = {}
    for placed in boxes:
        rows.setdefault(round(placed.y, 1), []).append(placed)
    for row in rows.values():
        row.sort(key=lambda b: b.x)
        for a, b in pairwise(row):
            if a.box.call is not None and b.box.call is not None and a.box.name == b.box.name:
                start, end = (a.x + a.width / 2, a.y), (b.x - b.width / 2, b.y)
                lines.append(Line(start, [[end]], FRAME, False, f"{a.box.name}: the same weights", dashed=True))
    return lines


def _pieces(path: list[Point]) -> list[list[Point]]:
    """Split a path into alternating straight and curved pieces; curves start and end along the flow."""
    pieces: list[list[Point]] = []
    for number, (a, b) in enumerate(pairwise(path)):
        if abs(a[0] - b[0]) + abs(a[1] - b[1]) < 0.05:
            continue
        if number % 2 == 0 or abs(a[0] - b[0]) < 0.05:
            pieces.append([b])
        else:
            middle = (a[1] + b[1]) / 2
            pieces.append([(a[0], middle), (b[0], middle), b])
    return pieces
