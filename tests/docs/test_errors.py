"""docs/errors.md shows the messages that graphkit gives."""

from __future__ import annotations

import pytest

from graphkit.errors import GraphKitError
from tests.docs.error_cases import PAGE, SECTIONS, Case, describe, run

CASES = [case for cases in SECTIONS.values() for case in cases]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.title.replace(" ", "_"))
def test_a_mistake_raises_a_typed_error_with_a_message(case: Case) -> None:
    error = run(case.code)

    assert isinstance(error, GraphKitError), f"{type(error).__name__}: {error}"
    assert len(str(error)) > 30


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.title.replace(" ", "_"))
def test_page_shows_the_message(case: Case) -> None:
    assert describe(case) in PAGE.read_text(encoding="utf-8"), (
        "regenerate docs/errors.md: python -m tests.docs.error_cases"
    )


def test_there_are_at_least_sixty_cases() -> None:
    assert len(CASES) >= 60
