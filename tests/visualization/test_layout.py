"""The layered layout: nothing overlaps, arrows point down, long edges are straight."""

from __future__ import annotations

import random
from collections import defaultdict
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphkit.visualization.layering import Link, Vertex
from graphkit.visualization.layout import Laid, lay_out


def laid_out(count: int, edges: list[tuple[int, int]], seed: int = 0) -> tuple[list[Vertex], Laid]:
    sizes = random.Random(seed)
    boxes = [Vertex(sizes.randint(60, 260), sizes.choice([28, 60])) for _ in range(count)]
    return boxes, lay_out(boxes, [Link(a, b) for a, b in edges])


def overlaps(boxes: list[Vertex]) -> list[tuple[Vertex, Vertex]]:
    rows: dict[int, list[Vertex]] = defaultdict(list)
    for box in boxes:
        rows[box.rank].append(box)
    found = []
    for row in rows.values():
        row.sort(key=lambda b: b.x)
        found += [(a, b) for a, b in pairwise(row) if b.x - a.x < (a.width + b.width) / 2 + 15]
    return found


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(1, 25), st.lists(st.tuples(st.integers(0, 24), st.integers(0, 24)), max_size=60), st.integers(0, 9))
def test_boxes_keep_their_distance_in_any_graph(count: int, pairs: list[tuple[int, int]], seed: int) -> None:
    boxes, laid = laid_out(count, [(a % count, b % count) for a, b in pairs], seed)

    assert not overlaps(boxes)
    assert all(
        b.width / 2 - 0.01 <= x <= laid.width - b.width / 2 + 0.01
        for b, (x, _) in zip(boxes, laid.centres, strict=True)
    )
    assert all(
        b.height / 2 - 0.01 <= y <= laid.height - b.height / 2 + 0.01
        for b, (_, y) in zip(boxes, laid.centres, strict=True)
    )


def test_arrows_go_down_from_box_to_box() -> None:
    edges = [(0, 1), (0, 2), (1, 3), (2, 3), (0, 3)]
    boxes, laid = laid_out(4, edges)

    for (a, b), path in zip(edges, laid.paths, strict=True):
        assert path is not None
        assert [y for _, y in path] == sorted(y for _, y in path)
        assert path[0][1] == pytest.approx(boxes[a].y + boxes[a].height / 2)
        assert path[-1][1] == pytest.approx(boxes[b].y - boxes[b].height / 2)


def test_a_cycle_is_drawn_with_one_arrow_upwards() -> None:
    _, laid = laid_out(3, [(0, 1), (1, 2), (2, 0)])
    upwards = [p for p in laid.paths if p is not None and p[0][1] > p[-1][1]]

    assert len(upwards) == 1


def test_a_loop_has_no_path() -> None:
    assert laid_out(1, [(0, 0)])[1].paths == [None]


def test_nothing_gives_an_empty_drawing() -> None:
    assert lay_out([], []) == Laid([], [], 0.0, 0.0)


def test_the_inner_part_of_a_long_edge_is_straight() -> None:
    _, laid = laid_out(8, [*((i, i + 1) for i in range(7)), (0, 7)])
    path = laid.paths[-1]

    assert path is not None
    assert len({round(x, 3) for x, _ in path[2:-2]}) == 1


def test_two_children_stand_evenly_below_their_parent() -> None:
    boxes = [Vertex(80, 30) for _ in range(3)]
    laid = lay_out(boxes, [Link(0, 1), Link(0, 2)])

    assert laid.centres[0][0] == pytest.approx((laid.centres[1][0] + laid.centres[2][0]) / 2)


def test_crossings_that_need_not_be_are_taken_away() -> None:
    boxes = [Vertex(80, 30) for _ in range(8)]
    laid = lay_out(boxes, [Link(a, 7 - a) for a in range(4)])
    upper = sorted(range(4), key=lambda v: laid.centres[v][0])
    lower = sorted(range(4), key=lambda v: laid.centres[7 - v][0])

    assert upper == lower


@pytest.mark.parametrize("span", [4, 40])
def test_a_thousand_boxes_keep_their_distance(span: int) -> None:
    boxes, _ = laid_out(1000, [*((i, i + 1) for i in range(999)), *((i, min(999, i + span)) for i in range(0, 990, 2))])

    assert not overlaps(boxes)
