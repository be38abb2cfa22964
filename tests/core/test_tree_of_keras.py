"""Trees of lists, tuples and dicts are traversed and rebuilt as by keras.tree."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, namedtuple
from typing import Any

import pytest

from graphkit import tree
from graphkit.errors import InvalidArgumentError, InvalidTypeError

Point = namedtuple("Point", "x y")
ORDERED: Any = OrderedDict([("b", 1), ("a", 2)])


def test_an_ordered_dict_keeps_its_order() -> None:
    assert tree.flatten(ORDERED) == [1, 2]
    assert tree.flatten({"b": 1, "a": 2}) == [2, 1]
    assert tree.flatten_with_path(ORDERED) == [(("b",), 1), (("a",), 2)]
    assert tree.pack_sequence_as(ORDERED, [5, 6]) == OrderedDict([("b", 5), ("a", 6)])


@pytest.mark.parametrize("made", [ORDERED, defaultdict(list, {"a": 1}), {"b": 1, "a": 2}, Point(1, ORDERED)])
def test_containers_keep_their_type(made: Any) -> None:
    for copy in (tree.map_structure(lambda x: x, made), tree.traverse(lambda x: None, made)):
        assert copy == made
        assert type(copy) is type(made)


def test_structures_that_differ_are_refused() -> None:
    with pytest.raises(InvalidArgumentError):
        tree.map_structure_up_to([1, 2], lambda x: x, (1, 2))
    with pytest.raises(InvalidArgumentError, match="None in the same places"):
        tree.map_structure(lambda x, y: x, [1, None], [2, 3], none_is_leaf=False)
    with pytest.raises(InvalidArgumentError, match="at least one structure"):
        tree.map_structure(lambda: 1)
    with pytest.raises(InvalidTypeError):
        tree.pack_sequence_as([1], 1)
    with pytest.raises(InvalidTypeError, match="callable"):
        tree.traverse(1, [1])  # type: ignore[arg-type]
