"""Structures keep the order and type of their parts; names in scopes, and names that are taken."""

from __future__ import annotations

from collections import namedtuple

from graphkit.core import names, nest

Pair = namedtuple("Pair", "left right")


def test_dicts_are_flattened_by_key_and_packed_in_their_own_order() -> None:
    structure = {"b": 1, "a": {"d": 2, "c": 3}}
    assert nest.flatten(structure) == [3, 2, 1]
    packed = nest.pack(structure, [30, 20, 10])
    assert packed == {"b": 10, "a": {"d": 20, "c": 30}}
    assert [*packed, *packed["a"]] == ["b", "a", "d", "c"]


def test_tuples_with_names_stay_such() -> None:
    packed = nest.map_structure(lambda v: v + 1, Pair(1, [2, 3]))
    assert packed == Pair(2, [3, 4])
    assert type(packed) is Pair


def test_a_name_that_is_taken_is_not_given_again() -> None:
    names.reset_names()
    names.take_name("dense")
    names.take_name("dense_3")
    assert [names.auto_name("dense"), names.auto_name("dense")] == ["dense_4", "dense_5"]
    assert [names.auto_name("other"), names.auto_name("other")] == ["other", "other_1"]


def test_scopes_stand_inside_of_each_other() -> None:
    with names.name_scope("a"):
        with names.name_scope("b"):
            assert names.current_scope() == "a/b"
        assert names.current_scope() == "a"
        with names.scope_is("whole/path"):
            assert names.current_scope() == "whole/path"
    assert names.current_scope() == ""
