"""Layered drawings, second half: horizontal coordinates. After Brandes and Köpf (2001), with ports and box widths.

Vertices are aligned with the median of their neighbours into vertical blocks, four times (from above and from below, to the left
and to the right). Each time the blocks are packed. A vertex gets the mean of its two middle positions. Edges that cross several
rows come out straight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from graphkit.visualization.layering import Segment, Vertex


@dataclass(frozen=True, slots=True)
class Gaps:
    """Distances in the drawing: between boxes of a row, beside edges that cross a row, between rows."""

    boxes: float = 34.0
    edges: float = 16.0
    rows: float = 40.0

    def between(self, a: Vertex, b: Vertex) -> float:
        """Return the least distance between the centres of two adjacent vertices."""
        gap = self.boxes if not (a.dummy or b.dummy) else self.edges
        return (a.width + b.width) / 2 + gap


Neighbour = tuple[int, float, float]  # vertex, port of the edge there, port of the edge here


def place(vertices: Sequence[Vertex], segments: Sequence[Segment], rows: Sequence[Sequence[int]], gaps: Gaps) -> None:
    """Set x of every vertex.

    Args:
        vertices: boxes and dummies.
        segments: the edges between adjacent rows.
        rows: the vertices of each row by index, from left to right.
        gaps: the distances to keep.
    """
    up: list[list[Neighbour]] = [[] for _ in vertices]
    down: list[list[Neighbour]] = [[] for _ in vertices]
    for segment in segments:
        up[segment.lower].append((segment.upper, segment.upper_at, segment.lower_at))
        down[segment.upper].append((segment.lower, segment.lower_at, segment.upper_at))
    for near in (*up, *down):
        near.sort(key=lambda n: (vertices[n[0]].order, n[1]))
    conflicts = _conflicts(vertices, up, rows)
    runs = []
    for neighbours, ordered in ((up, list(rows)), (down, list(reversed(rows)))):
        for mirrored in (False, True):
            runs.append(_run(vertices, neighbours, ordered, conflicts, gaps, mirrored))
    _align(vertices, runs)
    for v, vertex in enumerate(vertices):
        places = sorted(run[v] for run in runs)
        vertex.x = (places[1] + places[2]) / 2


def _conflicts(
    vertices: Sequence[Vertex], up: Sequence[Sequence[Neighbour]], rows: Sequence[Sequence[int]]
) -> set[tuple[int, int]]:
    """Return the segments that cross an inner segment of a long edge; they are not aligned, so that long edges stay straight."""
    found: set[tuple[int, int]] = set()
    for upper, lower in pairwise(rows):
        start, k0 = 0, -1
        for number, v in enumerate(lower):
            inner = _inner_upper(vertices, up, v)
            if inner is None and number != len(lower) - 1:
                continue
            k1 = vertices[inner].order if inner is not None else len(upper)
            for w in lower[start : number + 1]:
                for u, _, _ in up[w]:
                    crosses = vertices[u].order < k0 or vertices[u].order > k1
                    if crosses and not (vertices[u].dummy and vertices[w].dummy):
                        found.add((u, w))
            start, k0 = number + 1, k1
    return found


def _inner_upper(vertices: Sequence[Vertex], up: Sequence[Sequence[Neighbour]], v: int) -> int | None:
    if not vertices[v].dummy:
        return None
    return next((u for u, _, _ in up[v] if vertices[u].dummy), None)


def _run(
    vertices: Sequence[Vertex],
    neighbours: Sequence[Sequence[Neighbour]],
    rows: Sequence[Sequence[int]],
    conflicts: set[tuple[int, int]],
    gaps: Gaps,
    mirrored: bool,
) -> list[float]:
    """Compute one of the four alignments; `mirrored` goes from right to left."""
    side = -1.0 if mirrored else 1.0
    ordered = [list(reversed(row)) for row in rows] if mirrored else rows
    root, shift = _blocks(vertices, neighbours, ordered, conflicts, side)
    packed = _pack(vertices, ordered, root, shift, gaps)
    return [side * (packed[root[v]] + shift[v]) for v in range(len(vertices))]


def _blocks(
    vertices: Sequence[Vertex],
    neighbours: Sequence[Sequence[Neighbour]],
    rows: Sequence[Sequence[int]],
    conflicts: set[tuple[int, int]],
    side: float,
) -> tuple[list[int], list[float]]:
    """Return each vertex' block (identified by its first vertex) and its offset to the right of that vertex."""
    root = list(range(len(vertices)))
    shift = [0.0] * len(vertices)
    taken = [False] * len(vertices)  # at most one vertex of the next row joins a vertex' block
    for row in rows:
        limit = -float("inf")
        for v in row:
            near = neighbours[v] if side > 0 else neighbours[v][::-1]
            middle = len(near) - 1
            for m in dict.fromkeys((middle // 2, (middle + 1) // 2)) if near else ():
                u, at_u, at_v = near[m]
                place = side * vertices[u].order
                if taken[u] or (u, v) in conflicts or (v, u) in conflicts or place <= limit:
                    continue
                taken[u] = True
                root[v], limit = root[u], place
                shift[v] = shift[u] + side * (at_u - at_v)
                break
    return root, shift


def _pack(
    vertices: Sequence[Vertex], rows: Sequence[Sequence[int]], root: Sequence[int], shift: Sequence[float], gaps: Gaps
) -> dict[int, float]:
    """Place blocks as far left as their left neighbours allow, then as far right as their right neighbours allow."""
    right: dict[int, dict[int, float]] = {r: {} for r in root}
    waiting = dict.fromkeys(right, 0)
    for row in rows:
        for u, v in pairwise(row):
            a, b = root[u], root[v]
            distance = gaps.between(vertices[u], vertices[v]) + shift[u] - shift[v]
            if b not in right[a]:
                waiting[b] += 1
            right[a][b] = max(distance, right[a].get(b, -float("inf")))
    order = [r for r, count in waiting.items() if not count]
    places = dict.fromkeys(right, 0.0)
    fixed = dict.fromkeys(right, False)
    for a in order:
        for b, distance in right[a].items():
            wanted = places[a] + distance
            places[b] = max(places[b], wanted) if fixed[b] else wanted
            fixed[b] = True
            waiting[b] -= 1
            if not waiting[b]:
                order.append(b)
    for a in reversed(order):
        if right[a]:
            places[a] = max(places[a], min(places[b] - distance for b, distance in right[a].items()))
    return places


def _align(vertices: Sequence[Vertex], runs: Sequence[list[float]]) -> None:
    """Align the four layouts with the narrowest: the left ones at its left edge, the right ones at its right edge."""
    extents = []
    for run in runs:
        left = min(x - vertex.width / 2 for x, vertex in zip(run, vertices, strict=True))
        right = max(x + vertex.width / 2 for x, vertex in zip(run, vertices, strict=True))
        extents.append((left, right))
    left, right = min(extents, key=lambda e: e[1] - e[0])
    for number, (run, (own_left, own_right)) in enumerate(zip(runs, extents, strict=True)):
        delta = right - own_right if number % 2 else left - own_left
        run[:] = [x + delta for x in run]
