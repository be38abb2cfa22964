"""The list of defects matches the source: every edit applies, yields a module that compiles, and has tests."""

from __future__ import annotations

import ast
from collections import Counter

import pytest

from tests.planted.defect import ROOT, Defect, StaleDefectError
from tests.planted.lists import DEFECTS

FILES = sorted({defect.file for defect in DEFECTS})


@pytest.mark.parametrize("file", FILES)
def test_every_edit_of_a_file_applies_and_gives_other_code_that_compiles(file: str) -> None:
    source = (ROOT / file).read_text()
    tree = ast.dump(ast.parse(source))
    for defect in DEFECTS:
        if defect.file == file:
            assert ast.dump(ast.parse(defect.planted(source))) != tree, defect.name


def test_every_defect_has_a_name_of_its_own_and_tests_that_exist() -> None:
    assert [name for name, count in Counter(d.name for d in DEFECTS).items() if count > 1] == []
    missing = {t for d in DEFECTS for t in d.targets() if not (ROOT / t).exists()}
    assert missing == set()


def test_a_defect_whose_text_is_gone_or_ambiguous_is_refused() -> None:
    defect = Defect("x", "graphkit/a.py", "gone", "here", ("tests",))
    with pytest.raises(StaleDefectError, match="holds the replaced text 0 times"):
        defect.planted("def f(): ...")
    with pytest.raises(StaleDefectError, match="holds the replaced text 2 times"):
        defect.planted("gone, gone")


def test_a_file_without_tests_is_refused() -> None:
    with pytest.raises(StaleDefectError, match=r"no tests are known for setup\.py"):
        Defect("x", "setup.py", "a", "b").targets()
