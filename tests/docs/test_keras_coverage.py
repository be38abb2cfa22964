"""docs/keras-coverage.md agrees with the snapshot of Keras' names and the installed graphkit."""

from __future__ import annotations

from tests.docs.keras_coverage import PAGE, member_rows, page, reason, rows
from tests.docs.keras_reasons import DIFFERENT, REASONS


def test_page_is_up_to_date() -> None:
    assert page() == PAGE.read_text(encoding="utf-8"), "regenerate it: python -m tests.docs.keras_coverage"


def test_every_layer_and_op_is_there_or_has_its_reason() -> None:
    short = [r.path for r in rows() if r.group in ("layers", "ops") and r.state in ("absent", "refused")]

    assert [path for path in short if reason(path) is None] == []


def test_no_reason_is_stale() -> None:
    known = {r.path for r in (*rows(), *member_rows())}

    stale = [p for p in (*REASONS, *DIFFERENT) if p not in known and not any(k.startswith(f"{p}.") for k in known)]
    assert stale == []
