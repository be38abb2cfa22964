"""Nested structures: keras.tree's names."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import pytest

from graphkit import tree
from graphkit.core import nest
from graphkit.errors import InvalidArgumentError

Point = namedtuple("Point", "x y")


@pytest.mark.parametrize(
    ("structure", "leaves"),
    [
        (1, [1]),
        ([1, (2, 3)], [1, 2, 3]),
        ({"b": 1, "a": [2]}, [2, 1]),
        (Point(1, [2]), [1, 2]),
        ([], []),
        (None, [None]),
    ],
)
def test_leaves_come_in_keras_order_and_go_back(structure: Any, leaves: list[Any]) -> None:
    assert tree.flatten(structure) == leaves
    assert tree.pack_sequence_as(structure, leaves) == structure


def test_packing_wants_the_right_number_of_leaves() -> None:
    with pytest.raises(InvalidArgumentError, match="Too few leaves"):
        tree.pack_sequence_as([1, 2], [1])
    with pytest.raises(InvalidArgumentError, match="Too many leaves"):
        tree.pack_sequence_as([1], [1, 2])


def test_functions_map_over_structures() -> None:
    assert tree.map_structure(lambda a, b: a + b, {"a": 1, "b": (2,)}, {"a": 10, "b": (20,)}) == {"a": 11, "b": (22,)}
    assert tree.map_structure_up_to([0, 0], len, [[1, 2], [3]]) == [2, 1]
    assert tree.map_shape_structure(len, {"a": (None, 2), "b": [(3,)]}) == {"a": 2, "b": [1]}
    assert tree.map_structure(lambda x: x + 1, [1, None], none_is_leaf=False) == [2, None]


@pytest.mark.parametrize(("a", "b"), [([1], (1,)), ([1], [1, 2]), ({"a": 1}, {"b": 1}), (1, [1])])
def test_structures_that_differ_are_told(a: Any, b: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="same structure"):
        tree.assert_same_structure(a, b)


def test_paths_lead_to_leaves() -> None:
    assert tree.flatten_with_path({"b": [1], "a": 2}) == [(("a",), 2), (("b", 0), 1)]
    tree.assert_same_paths([1], (2,))
    with pytest.raises(InvalidArgumentError, match="same paths"):
        tree.assert_same_paths([1], {"a": 1})


def test_traverse_replaces_what_the_function_gives() -> None:
    assert tree.traverse(lambda s: -s if isinstance(s, int) else None, [1, (2,)]) == [-1, (-2,)]
    assert tree.traverse(lambda s: tree.MAP_TO_NONE if s == 1 else None, [1, 2]) == [None, 2]
    assert tree.traverse(lambda s: sum(s) if isinstance(s, list) else None, [[1, 2], [3]], top_down=False) == 6
    assert tree.lists_to_tuples([1, [2]]) == (1, (2,))


def test_a_picture_of_a_structure() -> None:
    assert nest.describe([1, {"a": (2,)}]) == "[*, {'a': (*)}]"
