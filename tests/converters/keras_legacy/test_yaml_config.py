"""YAML texts of Keras 1 and 2 as plain data: what PyYAML wrote comes back, what could run code or grow without bound is refused."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import graphkit
from graphkit.converters.keras_legacy import yaml_config
from graphkit.converters.keras_legacy.yaml_config import parse_yaml
from graphkit.errors import MissingPackageError, SerializationError, UnsafeCodeError


@pytest.fixture(params=["Python", "C"], autouse=True)
def _loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyYAML's parser in Python and the one in C, where it has that."""
    loader = getattr(yaml_config, f"_{request.param}Loader", None)
    if loader is None:
        pytest.skip("this PyYAML was built without its parser in C")
    monkeypatch.setattr(yaml_config, "_LOADER", loader)


# ----- values -----

VALUES = {
    "a: 'it''s: # fine'": "it's: # fine",
    'a: "x\\xE3\\n\\"y\\"\\\n  \\ z"': 'x\xe3\n"y" z',
    "a: -1.0e-07": -1e-7,
    "a: 1e-7": 1e-7,
    "a: .5": 0.5,
    "a: .inf": float("inf"),
    "a: [1, [2, {b: c}], ~]": [1, [2, {"b": "c"}], None],
    "a:\n- - 1\n  - 2\n- b: 3\n  c: {}": [[1, 2], {"b": 3, "c": {}}],
    "a: long words\n  that go on": "long words that go on",
    "a: |\n  two\n  lines\n": "two\nlines\n",
    "a:\nb: 1": None,
    "a: [1,\n  2]": [1, 2],
    "a: [yes, off, True]": [True, False, True],
    "a: 2016-11-30": "2016-11-30",
    "a: [=, <<]": ["=", "<<"],
    "a: {<<: {b: 1}}": {"<<": {"b": 1}},
    "b: &x [1]\na: [*x, *x]": [[1], [1]],
    "b: &x 1\nc: &x 2\na: *x": 2,
    "a: !!python/tuple [1, !!python/unicode 'e', !!python/long '7', !!python/none '']": [1, "e", 7, None],
    "a: !!str 5": "5",
    "a: !!binary Yg==": b"b",
}


@pytest.mark.parametrize("text", VALUES)
def test_values(text: str) -> None:
    value = parse_yaml(text, "the text")["a"]

    assert value == VALUES[text]
    assert type(value) is type(VALUES[text])


def test_a_text_that_was_written_twice_into_one_file_counts_once() -> None:
    text = "class_name: &c Sequential\nconfig:\n- class_name: Dense\n  config: {units: 2}\nagain: *c\nkeras_version: 2.0.8\n"

    assert parse_yaml(text + text, "it") == parse_yaml(text, "it")


# ----- numbers of NumPy -----

SCALAR = """a: !!python/object/apply:numpy.core.multiarray.scalar
- &id001 !!python/object/apply:numpy.dtype
  args: [i8, 0, 1]
  state: !!python/tuple [3, <, null, null, null, -1, -1, 0]
- "\\x06\\0\\0\\0\\0\\0\\0\\0"
b: !!python/object/apply:numpy.core.multiarray.scalar
- *id001
- !!binary |
  BwAAAAAAAAA=
c: {d: !!python/unicode 'e', f: !!python/tuple [1, 2]}
"""
ARRAY = """a: !!python/object/apply:numpy.core.multiarray._reconstruct
  args:
  - !!python/name:numpy.ndarray ''
  - !!python/tuple
    - 0
  - !!binary |
    Yg==
  state: !!python/tuple
  - 1
  - !!python/tuple [2]
  - !!python/object/apply:numpy.dtype
    args: [f4, 0, 1]
    state: !!python/tuple [3, <, null, null, null, -1, -1, 0]
  - false
  - !!binary |
    AACAPwAAAEA=
b: 3
"""


def test_numbers_of_numpy_are_read_from_their_bytes() -> None:
    assert parse_yaml(SCALAR, "it") == {"a": 6, "b": 7, "c": {"d": "e", "f": [1, 2]}}
    assert parse_yaml(ARRAY, "it") == {"a": [1.0, 2.0], "b": 3}


def test_arrays_in_the_order_of_fortran_and_with_the_other_byte_order() -> None:
    bytes_of_2_by_2 = "P4AAAEAAAABAQAAAQIAAAA=="  # 1, 2, 3, 4, the first byte the highest
    text = ARRAY.replace("[3, <", "[3, '>'").replace("AACAPwAAAEA=", bytes_of_2_by_2).replace("[2]", "[2, 2]")

    assert parse_yaml(text, "it")["a"] == [[1.0, 2.0], [3.0, 4.0]]
    assert parse_yaml(text.replace("- false", "- true"), "it")["a"] == [[1.0, 3.0], [2.0, 4.0]]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("[i8, 0, 1]", "[O8, 0, 1]"),
        ("[i8, 0, 1]", "[]"),
        ("args: [i8, 0, 1]", "kind: i8"),
        ("BwAAAAAAAAA=", "Bw=="),
        ("- *id001", "- 7"),
    ],
)
def test_numbers_of_numpy_that_are_none_are_refused(before: str, after: str) -> None:
    with pytest.raises(
        SerializationError, match=r"line \d: the value does not fit its tag '!!python/object/apply:numpy"
    ):
        parse_yaml(SCALAR.replace(before, after), "it")


def test_an_array_may_have_so_many_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_config, "_MAX_ARRAY_BYTES", 7)

    with pytest.raises(SerializationError, match="does not fit its tag"):
        parse_yaml(ARRAY, "it")


# ----- what PyYAML writes -----

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(codec="utf-8"))


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.recursive(
        LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4)
    ),
    st.sampled_from([None, False, True]),
)
def test_what_pyyaml_dumps_comes_back(data: Any, flow: bool | None) -> None:
    text = yaml.dump(data, default_flow_style=flow, allow_unicode=True)
    assume("\x85" not in text)  # a line break of YAML 1.1: PyYAML writes it bare, and reads it as another one
    assert parse_yaml(text, "it") == data


def test_tuples_and_arrays_that_pyyaml_dumps_come_back_as_lists_and_numbers() -> None:
    data = {
        "scalar": np.float32(0.5), "flag": np.bool_(True), "array": np.arange(3), "none": np.zeros((0,)),
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)), "tuple": (1, (2,)),
    }  # fmt: skip
    assert parse_yaml(yaml.dump(data), "it") == {
        "scalar": 0.5, "flag": True, "array": [0, 1, 2], "none": [], "fortran": [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]], "tuple": [1, [2]],
    }  # fmt: skip


# ----- refused -----


@pytest.mark.parametrize(
    "text",
    [
        "a: *nowhere", "a: [1", "a: {b", "a: 'x", " a: 1\nb: 2", 'a: "\\q"', "a: [1] 2", "a: {[1]: 2}", "a: !!int x", "a: !!seq x",
        "a: !!binary '%'", f"a: {'9' * 5000}", 'a: "\\ud800"', "a: 1\n---\nb: 2", "a: !!null [1]", "a: @x",
    ],
)  # fmt: skip
def test_what_is_no_yaml_of_keras_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(SerializationError, match=r"the text is not YAML that Keras wrote: line \d+: \w"):
        parse_yaml(text, "the text")


@pytest.mark.parametrize("text", ["a: \x00", "a: '\ud800'"])
def test_characters_that_yaml_does_not_have_are_refused(text: str) -> None:
    with pytest.raises(SerializationError, match="the text is not YAML that Keras wrote: "):
        parse_yaml(text, "the text")


@pytest.mark.parametrize(
    "tag",
    [
        "!!python/object/apply:os.system", "!!python/object/new:os.system", "!!python/object:x.Y", "!!python/name:os.system",
        "!!python/module:os", "!!python/object/apply:numpy.core.multiarray.frombuffer", "!!timestamp", "!!set", "!!omap", "!!merge",
        "!odd",
    ],
)  # fmt: skip
@pytest.mark.parametrize("value", ["[ls]", "x", "{a: b}"])
def test_tags_of_anything_but_data_are_refused(tag: str, value: str) -> None:
    with pytest.raises(UnsafeCodeError, match=f"the text has the YAML tag '{tag}': tags can run code"):
        parse_yaml(f"a: {tag} {value}\n", "the text")


def test_a_merge_is_refused_by_its_tag() -> None:
    with pytest.raises(UnsafeCodeError, match="!!merge"):
        parse_yaml("b: &b {c: 1}\na: {!!merge m: *b}\n", "the text")


def test_aliases_that_multiply_are_refused() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 9)
    )

    with pytest.raises(SerializationError, match="line 6: it expands to more than 524,288 values"):
        parse_yaml(bomb, "the text")


@pytest.mark.parametrize("text", ["a: &x [*x]", "a: &x {b: {c: *x}}", "a: &x {*x : 1}"])
def test_an_alias_inside_its_own_anchor_is_refused(text: str) -> None:
    with pytest.raises(SerializationError, match=r"the alias \*x is inside its own anchor"):
        parse_yaml(text, "the text")


def test_so_many_values_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_config, "_MAX_VALUES", 8)  # the mapping, its two keys, two lists of two

    assert parse_yaml("a: &a [1]\nb: [*a]\n", "it") == {"a": [1], "b": [[1]]}
    with pytest.raises(SerializationError, match="more than 8 values"):
        parse_yaml("a: &a [1]\nb: [*a, 2]\n", "it")


@pytest.mark.parametrize(("open_", "close"), [("[", "]"), ("{a: ", "}")])
def test_so_deep_and_no_deeper(open_: str, close: str) -> None:
    def nested(depth: int) -> Any:
        return parse_yaml(open_ * depth + "1" + close * depth, "the text")

    assert nested(99) is not None
    for depth in (100, 100_000):
        with pytest.raises(SerializationError, match=r"nested too deeply|maximum nesting depth"):
            nested(depth)


def test_without_pyyaml_a_yaml_config_names_the_extra() -> None:
    """And JSON needs none of it."""
    code = """
import sys
sys.modules["yaml"] = None
import graphkit
graphkit.models.model_from_json('{"class_name": "Sequential", "config": {"name": "s", "layers": []}}')
for _ in range(2):
    try:
        graphkit.models.model_from_json("class_name: Sequential\\nconfig: []\\n")
    except graphkit.errors.MissingPackageError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert done.stdout.count("pip install 'graphkit[yaml]'") == 2
    assert issubclass(MissingPackageError, ImportError)
    assert issubclass(MissingPackageError, graphkit.errors.GraphKitError)
