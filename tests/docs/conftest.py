"""The pages may register ops and layers: each test has registries of its own."""

from __future__ import annotations

import pytest

from tests.registries import isolate


@pytest.fixture(autouse=True)
def _registries_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    isolate(monkeypatch)
