"""Layered drawings, first half: the row of each box, and the order in each row. After Sugiyama, Tagawa and Toda (1981)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

_SWEEPS = 24
_EASY = 2_000  # up to this many vertices, sweep as long as it helps; beyond, only a few times


@dataclass(slots=True)
class Vertex:
    """A box, or a dummy that reserves a place in a row for an edge that crosses it.

    Args:
        width: of the box.
        height: of the box.
        pin: "first" or "last" for a vertex that must be in the first or last row.
        dummy: whether it is a dummy.
        rank: its row, from the top.
        order: its place in the row, from the left.
        x: the centre, set by `place`.
        y: the centre, set by `lay_out`.
    """

    width: float
    height: float
    pin: str = ""
    dummy: bool = False
    rank: int = 0
    order: int = 0
    x: float = 0.0
    y: float = 0.0


@dataclass(slots=True)
class Link:
    """An edge between two vertices, by index.

    Args:
        source: the vertex that it leaves.
        target: the vertex that it enters.
        source_port: edges of a box with equal ports start at one point.
        source_at: where it starts, right of the centre of its box.
        target_at: where it ends, right of the centre of its box.
        fixed_source: whether the caller chose `source_at`.
        fixed_target: whether the caller chose `target_at`.
        reversed: whether it was reversed to break a cycle.
        chain: the vertices from source to target, with a dummy in each row between them.
    """

    source: int
    target: int
    source_port: object = None
    source_at: float = 0.0
    target_at: float = 0.0
    fixed_source: bool = False
    fixed_target: bool = False
    reversed: bool = False
    chain: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Segment:
    """The part of a link between two adjacent rows. `upper_at` and `lower_at` are offsets from the centres."""

    upper: int
    lower: int
    upper_at: float = 0.0
    lower_at: float = 0.0


def turn_back_edges(count: int, links: Sequence[Link]) -> None:
    """Make the graph acyclic by reversing the back edges of a depth-first search."""
    outgoing: list[list[Link]] = [[] for _ in range(count)]
    for link in links:
        outgoing[link.source].append(link)
    state = [0] * count  # 0 new, 1 on the stack, 2 done
    back: list[Link] = []
    for start in range(count):
        if state[start]:
            continue
        state[start] = 1
        stack = [(start, iter(outgoing[start]))]
        while stack:
            vertex, rest = stack[-1]
            following = next(rest, None)
            if following is None:
                state[vertex] = 2
                stack.pop()
            elif state[following.target] == 1:
                back.append(following)
            elif state[following.target] == 0:
                state[following.target] = 1
                stack.append((following.target, iter(outgoing[following.target])))
    for link in back:
        link.reversed = True
        link.source, link.target = link.target, link.source
        link.source_at, link.target_at = link.target_at, link.source_at
        link.fixed_source, link.fixed_target = link.fixed_target, link.fixed_source
        link.source_port = ("back", id(link))


def assign_ranks(vertices: Sequence[Vertex], links: Sequence[Link]) -> int:
    """Assign rows by the longest path from the top, and return their number.

    Boxes with more outgoing than incoming edges then move down to just above the first box that they feed.

    Raises:
        ValueError: a vertex that is pinned to the last row has outgoing edges.
    """
    above: list[list[int]] = [[] for _ in vertices]
    below: list[list[int]] = [[] for _ in vertices]
    for link in links:
        above[link.target].append(link.source)
        below[link.source].append(link.target)
    order = _topological(above, below)
    for v in order:
        vertices[v].rank = max((vertices[u].rank + 1 for u in above[v]), default=0)
    for v in reversed(order):
        if below[v] and len(below[v]) > len(above[v]) and vertices[v].pin != "first":
            vertices[v].rank = min(vertices[w].rank for w in below[v]) - 1
    last = max((v.rank for v in vertices), default=0)
    if any(v.pin == "last" and below[i] for i, v in enumerate(vertices)):
        raise ValueError("a vertex pinned to the last row has edges that leave it")  # a bug in graphkit, not in a model
    for i, vertex in enumerate(vertices):
        if vertex.pin == "last":
            vertex.rank = last
        elif vertex.pin == "first" and not above[i]:
            vertex.rank = 0
    return last + 1


def _topological(above: Sequence[Sequence[int]], below: Sequence[Sequence[int]]) -> list[int]:
    missing = [len(a) for a in above]
    order = [v for v, m in enumerate(missing) if not m]
    for v in order:
        for w in below[v]:
            missing[w] -= 1
            if not missing[w]:
                order.append(w)
    return order


def split_long_links(vertices: list[Vertex], links: Sequence[Link], width: float) -> list[Segment]:
    """Insert a dummy of this width into every row that a link crosses, and return the segments."""
    segments: list[Segment] = []
    for link in links:
        link.chain = [link.source]
        for rank in range(vertices[link.source].rank + 1, vertices[link.target].rank):
            link.chain.append(len(vertices))
            vertices.append(Vertex(width, 0.0, dummy=True, rank=rank))
        link.chain.append(link.target)
        segments += [Segment(a, b) for a, b in zip(link.chain, link.chain[1:], strict=False)]
        first, last = segments[-len(link.chain) + 1], segments[-1]
        first.upper_at, last.lower_at = link.source_at, link.target_at
    return segments


def order_rows(vertices: Sequence[Vertex], segments: Sequence[Segment], count: int) -> list[list[int]]:
    """Return the rows, each from left to right, with few crossings: barycentre sweeps down and up, keeping the best order."""
    up: list[list[tuple[int, float]]] = [[] for _ in vertices]
    down: list[list[tuple[int, float]]] = [[] for _ in vertices]
    for segment in segments:
        up[segment.lower].append((segment.upper, _lean(segment.upper_at, vertices[segment.upper])))
        down[segment.upper].append((segment.lower, _lean(segment.lower_at, vertices[segment.lower])))
    rows = _first_order(vertices, down, count)
    by_row: list[list[Segment]] = [[] for _ in range(count)]
    for segment in segments:
        by_row[vertices[segment.upper].rank].append(segment)
    _number(vertices, rows)
    best, fewest = [list(r) for r in rows], _crossings(vertices, by_row)
    patience = 0
    for sweep in range(_SWEEPS if len(vertices) <= _EASY else 8):
        if not fewest or patience > 5:
            break
        downwards = sweep % 2 == 0
        neighbours = up if downwards else down
        for row in rows[1:] if downwards else reversed(rows[:-1]):
            _sort_row(vertices, row, neighbours, keep_ties=sweep % 4 < 2)
        crossings = _crossings(vertices, by_row)
        patience += 1
        if crossings < fewest:
            best, fewest, patience = [list(r) for r in rows], crossings, 0
    _number(vertices, best)
    if fewest and len(vertices) <= _EASY:
        _swap_neighbours(vertices, best, up, down)
    return best


def _lean(at: float, vertex: Vertex) -> float:
    """Return the horizontal position of a port in its box, from -0.45 (left) to 0.45 (right)."""
    return 0.9 * at / vertex.width if vertex.width else 0.0


def _first_order(
    vertices: Sequence[Vertex], down: Sequence[Sequence[tuple[int, float]]], count: int
) -> list[list[int]]:
    """Order rows by a depth-first search from the top, so that chains stay together."""
    rows: list[list[int]] = [[] for _ in range(count)]
    seen = [False] * len(vertices)
    for start in sorted(range(len(vertices)), key=lambda v: vertices[v].rank):
        stack = [start]
        while stack:
            v = stack.pop()
            if not seen[v]:
                seen[v] = True
                rows[vertices[v].rank].append(v)
                stack.extend(w for w, _ in reversed(down[v]) if not seen[w])
    return rows


def _number(vertices: Sequence[Vertex], rows: Sequence[Sequence[int]]) -> None:
    for row in rows:
        for order, v in enumerate(row):
            vertices[v].order = order


def _sort_row(
    vertices: Sequence[Vertex], row: list[int], neighbours: Sequence[Sequence[tuple[int, float]]], keep_ties: bool
) -> None:
    """Sort a row by the mean position of the neighbours; vertices without neighbours keep their place."""
    placed = [v for v in row if neighbours[v]]
    centre = {v: sum(vertices[u].order + lean for u, lean in neighbours[v]) / len(neighbours[v]) for v in placed}
    ranked = iter(sorted(placed if keep_ties else reversed(placed), key=centre.__getitem__))
    row[:] = [next(ranked) if neighbours[v] else v for v in row]
    for order, v in enumerate(row):
        vertices[v].order = order


def _crossings(vertices: Sequence[Vertex], by_row: Sequence[Sequence[Segment]]) -> int:
    return sum(_crossings_between(vertices, segments) for segments in by_row)


def _crossings_between(vertices: Sequence[Vertex], segments: Sequence[Segment]) -> int:
    """Count crossings: the inversions of the lower ends when sorted by the upper ends, with a Fenwick tree."""
    ends = sorted(
        (
            vertices[s.upper].order + _lean(s.upper_at, vertices[s.upper]),
            vertices[s.lower].order + _lean(s.lower_at, vertices[s.lower]),
        )
        for s in segments
    )
    lower = sorted({e[1] for e in ends})
    tree = [0] * (len(lower) + 1)
    found = 0
    for seen, (_, at) in enumerate(ends):
        place = bisect_left(lower, at) + 1
        smaller, k = 0, place
        while k:
            smaller += tree[k]
            k &= k - 1
        found += seen - smaller
        while place < len(tree):
            tree[place] += 1
            place += place & -place
    return found


def _swap_neighbours(
    vertices: Sequence[Vertex],
    rows: Sequence[list[int]],
    up: Sequence[Sequence[tuple[int, float]]],
    down: Sequence[Sequence[tuple[int, float]]],
) -> None:
    """Swap adjacent vertices as long as that removes crossings."""
    for _ in range(4):
        better = False
        for row in rows:
            for i in range(len(row) - 1):
                a, b = row[i], row[i + 1]
                if sum(_pair(vertices, n[a], n[b]) - _pair(vertices, n[b], n[a]) for n in (up, down)) > 0:
                    row[i], row[i + 1] = b, a
                    vertices[a].order, vertices[b].order = i + 1, i
                    better = True
        if not better:
            return


def _pair(vertices: Sequence[Vertex], left: Sequence[tuple[int, float]], right: Sequence[tuple[int, float]]) -> int:
    """Count the crossings between the edges of two adjacent vertices in this order."""
    places = [vertices[u].order + lean for u, lean in right]
    return sum(vertices[u].order + lean > place for u, lean in left for place in places)
