"""LoRA compared with real Keras: outputs before merging, and what a file contains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphkit import models
from graphkit.saving.weights import state_of
from tests.goldens import assert_outputs, cases, inputs_of, model_file, numbered

ADAPTED = sorted(c for c in cases() if "before_w" in cases()[c]["records"])


def before_saving(case: str) -> Any:
    """Return the model of a case with the weights that it had before Keras saved it."""
    model = models.load_model(model_file(case))
    model.set_weights(numbered(case, "before_w_"))
    return model


@pytest.mark.parametrize("case", ADAPTED)
def test_an_adapter_counts_as_in_keras(case: str) -> None:
    assert_outputs(case, before_saving(case)(inputs_of(case)), "before_out_")


@pytest.mark.parametrize("case", ADAPTED)
def test_a_file_holds_the_weight_with_the_update_as_keras_writes_it(case: str) -> None:
    mine, _ = state_of(before_saving(case))
    theirs, _ = state_of(models.load_model(model_file(case)))

    for group, stored in theirs.items():
        assert sorted(mine[group]) == sorted(stored)
        for key, array in stored.items():
            np.testing.assert_allclose(
                mine[group][key].astype("float64"),
                array.astype("float64"),
                rtol=1e-5,
                atol=1e-6,
                err_msg=f"{group}/{key}",
            )


def test_a_file_that_is_opened_again_starts_with_no_update(tmp_path: Path) -> None:
    before_saving("Dense.lora").save(tmp_path / "again.keras")

    again = models.load_model(tmp_path / "again.keras")

    assert all(not np.any(w.numpy()) for w in again.weights if w.name.startswith("lora"))
    assert_outputs("Dense.lora", again(inputs_of("Dense.lora")))
