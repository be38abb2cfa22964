"""Run by `test_plugin.py` in a process where the broken package is installed, and the good one."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

import graphkit
from graphkit import Input, Model, layers
from graphkit.errors import SerializationError
from graphkit.extend import ConverterWarning
from graphkit.saving import formats


@pytest.fixture(scope="module")
def said() -> list[str]:
    """What the first use of the registry warns of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        formats.all_formats()
    assert {w.category for w in caught} == {ConverterWarning}
    return [str(w.message) for w in caught]


@pytest.fixture
def model(said: list[str]) -> Any:
    x = Input((3,))
    return Model(x, layers.Dense(2)(x))


def loaded(path: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConverterWarning)
        return graphkit.load(path)


@pytest.mark.parametrize(
    ("point", "reason"),
    [
        ("missing", "ModuleNotFoundError: No module named 'acmebroken.not_there'"),
        ("taken", "NameConflictError: A format named 'ONNX' is registered already"),
        ("option", "OptionIsTaken: the option 'strict' is an argument of graphkit's own"),
        ("nameless", "HasNoName: set `name`"),
        ("function", "expected an instance of graphkit.extend.Format, got function"),
    ],
)
def test_what_is_wrong_is_named(point: str, reason: str, said: list[str]) -> None:
    (found,) = [text for text in said if f"The entry point {point!r} of acmebroken (acmebroken." in text]

    assert reason in found
    assert point in formats.failed_entry_points()


def test_all_others_are_registered(said: list[str]) -> None:
    names = {format.name for format in formats.all_formats()}

    assert names >= {"Keras 3 archive", "ONNX", "Acme JSON", "Acme archive", "Acme folder", "Raises", "Fails"}
    assert not names & {"Good", "Option"}


@pytest.mark.parametrize("suffix", [".keras", ".json", ".onnx", ".acme", ".acmezip", ".acmedir"])
def test_files_of_the_others_are_written_and_read(suffix: str, model: Any, tmp_path: Path) -> None:
    model.save(tmp_path / f"m{suffix}")

    assert loaded(tmp_path / f"m{suffix}").count_params() == 8


def test_a_format_that_fails_is_named(model: Any, tmp_path: Path) -> None:
    model.save(tmp_path / "m.keras")

    with pytest.warns(ConverterWarning) as caught:
        graphkit.load(tmp_path / "m.keras")

    told = " ".join(str(w.message) for w in caught)
    assert "The format 'Fails' fails to look at" in told
    assert "ZeroDivisionError: a defect" in told
    assert "The format 'Nothing' fails to look at" in told
    assert "The format 'Fails' fails in upgrade and is left out: KeyError" in told


def test_a_file_of_no_format_is_refused_as_ever(said: list[str], tmp_path: Path) -> None:
    (tmp_path / "m.txt").write_text("abc")

    with pytest.raises(SerializationError, match="Known formats: Keras 3 archive"):
        loaded(tmp_path / "m.txt")
