"""Layered layout of boxes and arrows: rows from top to bottom, straight long edges, few crossings, in near-linear time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from graphkit.visualization.layering import (
    Link,
    Segment,
    Vertex,
    assign_ranks,
    order_rows,
    split_long_links,
    turn_back_edges,
)
from graphkit.visualization.placement import Gaps, place

Point = tuple[float, float]

_PORT_STEP = 22.0  # between arrow heads at one box
_PORT_MARGIN = 14.0  # between an arrow head and a corner
_DUMMY_WIDTH = 4.0


@dataclass(frozen=True, slots=True)
class Laid:
    """The positions of boxes and the paths of links.

    Attributes:
        centres: the centre of each box.
        paths: the points of each link's path, which alternates between vertical lines and curves; None for a loop.
        width: of the drawing.
        height: of the drawing; its top left corner is (0, 0).
    """

    centres: list[Point]
    paths: list[list[Point] | None]
    width: float
    height: float


def lay_out(boxes: Sequence[Vertex], links: Sequence[Link], gaps: Gaps | None = None) -> Laid:
    """Place boxes and route links.

    Args:
        boxes: their sizes and pins are read; ranks and positions are set.
        links: ends that the caller has not fixed are spread over the sides of their boxes. A link from a box to itself gets
            no path; it is drawn as a loop.
        gaps: the distances to keep.
    """
    gaps = gaps or Gaps()
    if not boxes:
        return Laid([], [None] * len(links), 0.0, 0.0)
    vertices = list(boxes)
    straight = [link for link in links if link.source != link.target]
    turn_back_edges(len(vertices), straight)
    count = assign_ranks(vertices, straight)
    segments = split_long_links(vertices, straight, _DUMMY_WIDTH)
    rows = order_rows(vertices, segments, count)
    _spread_ports(vertices, straight, segments)
    place(vertices, segments, rows, gaps)
    _to_corner(vertices)
    bands = _set_heights(vertices, segments, rows, gaps)
    routes = {id(link): _route(vertices, link, bands) for link in straight}
    return Laid(
        [(v.x, v.y) for v in vertices[: len(boxes)]],
        [routes.get(id(link)) for link in links],
        max(v.x + v.width / 2 for v in vertices),
        bands[-1][1],
    )


def _spread_ports(vertices: Sequence[Vertex], links: Sequence[Link], segments: Sequence[Segment]) -> None:
    """Spread the ends at each box, in the order of the boxes at their other ends."""
    arriving: dict[int, list[Link]] = defaultdict(list)
    leaving: dict[int, dict[object, list[Link]]] = defaultdict(lambda: defaultdict(list))
    for link in links:
        if not link.fixed_target:
            arriving[link.target].append(link)
        if not link.fixed_source:
            leaving[link.source][link.source_port].append(link)
    for v, ports in leaving.items():
        groups = sorted(ports.values(), key=lambda g: sum(vertices[e.chain[1]].order for e in g) / len(g))
        for group, at in zip(groups, _spread(vertices[v].width, len(groups)), strict=True):
            for link in group:
                link.source_at = at
    for v, ends in arriving.items():
        ends.sort(key=lambda e: (vertices[e.chain[-2]].order, e.source_at if len(e.chain) == 2 else 0.0))
        for link, at in zip(ends, _spread(vertices[v].width, len(ends)), strict=True):
            link.target_at = at
    start = 0
    for link in links:
        last = start + len(link.chain) - 2
        segments[start].upper_at, segments[last].lower_at = link.source_at, link.target_at
        start = last + 1


def _spread(width: float, count: int) -> list[float]:
    margin = min(_PORT_MARGIN, width / 4)
    step = min(_PORT_STEP, (width - 2 * margin) / max(1, count - 1))
    return [(i - (count - 1) / 2) * step for i in range(count)]


def _to_corner(vertices: Sequence[Vertex]) -> None:
    left = min(v.x - v.width / 2 for v in vertices)
    for vertex in vertices:
        vertex.x -= left


def _set_heights(
    vertices: Sequence[Vertex], segments: Sequence[Segment], rows: Sequence[Sequence[int]], gaps: Gaps
) -> list[tuple[float, float]]:
    """Set y of every vertex, and return the top and bottom of each row. Rows above long edges are followed by larger gaps."""
    reach = [0.0] * len(rows)
    for segment in segments:
        upper = vertices[segment.upper]
        distance = abs(upper.x + segment.upper_at - vertices[segment.lower].x - segment.lower_at)
        reach[upper.rank] = max(reach[upper.rank], distance)
    bands: list[tuple[float, float]] = []
    top = 0.0
    for number, row in enumerate(rows):
        height = max((vertices[v].height for v in row), default=0.0)
        bands.append((top, top + height))
        for v in row:
            vertices[v].y = top + height / 2
        top += height + gaps.rows + min(44.0, 0.07 * reach[number])
    return bands


def _route(vertices: Sequence[Vertex], link: Link, bands: Sequence[tuple[float, float]]) -> list[Point]:
    """Return the points of a link's path, vertical through each row that it crosses."""
    source, target = vertices[link.source], vertices[link.target]
    x = source.x + link.source_at
    points = [(x, source.y + source.height / 2), (x, bands[source.rank][1])]
    for v in link.chain[1:-1]:
        top, bottom = bands[vertices[v].rank]
        points += [(vertices[v].x, top), (vertices[v].x, bottom)]
    x = target.x + link.target_at
    points += [(x, bands[target.rank][0]), (x, target.y - target.height / 2)]
    return points[::-1] if link.reversed else points
