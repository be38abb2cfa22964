"""docs/keras-coverage.md is what the snapshot of Keras' names and the installed graphkit say."""

from __future__ import annotations

from tests.docs.keras_coverage import PAGE, REASONS, page, rows


def test_page_is_up_to_date() -> None:
    assert page() == PAGE.read_text(encoding="utf-8"), "write it anew: python -m tests.docs.keras_coverage"


def test_every_layer_and_op_is_there_or_has_its_reason() -> None:
    short = [
        f"{r.module}.{r.name}" for r in rows() if r.module in ("layers", "ops") and r.state in ("absent", "refused")
    ]

    assert set(short) <= set(REASONS)


def test_no_reason_is_stale() -> None:
    assert set(REASONS) <= {f"{r.module}.{r.name}" for r in rows()}
