"""Real Keras opens what graphkit writes, and computes the same outputs.

Needs an interpreter with Keras 3: the current one, or the one that the environment variable GRAPHKIT_KERAS_PYTHON names.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphkit
from tests import goldens

pytestmark = pytest.mark.slow
SCRIPT = Path(__file__).with_name("open_with_keras.py")

# What real Keras cannot do even with its own files, and the reason; nothing else is skipped.
KNOWN = {
    f"{case}.json": "a GPTQ or AWQ layer computes from weights that came out of a file only, not from set_weights"
    for case in (
        "Dense.gptq4", "Dense.gptq8", "Dense.awq", "EinsumDense.gptq4", "EinsumDense.gptq4_heads", "EinsumDense.gptq8_output",
        "EinsumDense.awq",
    )
} | {
    f"ops.{family}.{kind}": "Keras on JAX cannot run these ops of its own file: lists for tuples, numbers for arrays"
    for family in ("not_reopened", "singular_norms")
    for kind in ("keras", "json")
}  # fmt: skip


def keras_python() -> str | None:
    """Return an interpreter with Keras, or None."""
    named = os.environ.get("GRAPHKIT_KERAS_PYTHON")
    if named:
        return named
    return sys.executable if importlib.util.find_spec("keras") else None


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """Write all cases with graphkit, and open them with real Keras in one process."""
    python = keras_python()
    if python is None:
        pytest.skip("Keras is not importable here; set GRAPHKIT_KERAS_PYTHON to an interpreter that has it")
    folder = tmp_path_factory.mktemp("written")
    jobs = [job for case in goldens.cases() for job in written(case, folder)]
    (folder / "jobs.json").write_text(json.dumps(jobs))
    subprocess.run(
        [python, str(SCRIPT), str(folder / "jobs.json"), str(folder / "verdicts.json")], check=True, capture_output=True
    )
    return folder, json.loads((folder / "verdicts.json").read_text())


def written(case: str, folder: Path) -> list[dict[str, Any]]:
    """Save a case with graphkit, as `.keras` and as JSON with a weights file; return the jobs to open them."""
    model: Any = graphkit.models.load_model(goldens.model_file(case))
    model.save(folder / f"{case}.keras")
    (folder / f"{case}.json").write_text(model.to_json())
    weights = [w.astype("float32") if w.dtype.name == "bfloat16" else w for w in model.get_weights()]
    np.savez(folder / f"{case}.w.npz", **{f"w_{i}": w for i, w in enumerate(weights)})
    np.savez(folder / f"{case}.in.npz", **{f"in_{i}": x for i, x in enumerate(goldens.numbered(case, "in_"))})
    common = {"inputs": str(folder / f"{case}.in.npz"), "structure": goldens.cases()[case]["input_struct"]}
    return [
        {
            "id": f"{case}.{kind}", "kind": kind, "model": str(folder / f"{case}.{kind}"), "out": str(folder / f"{case}.{kind}.npz"),
            "weights": str(folder / f"{case}.w.npz") if kind == "json" else None, **common,
        }
        for kind in ("keras", "json")
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["keras", "json"])
@pytest.mark.parametrize("case", sorted(goldens.cases()))
def test_keras_opens_what_graphkit_wrote(case: str, kind: str, verdicts: tuple[Path, dict[str, str]]) -> None:
    """Assert that outputs and, for compiled models, the optimizer's variables are those of the original file."""
    folder, said = verdicts
    if f"{case}.{kind}" in KNOWN:
        assert said[f"{case}.{kind}"] != "ok", "Keras can do this by now: take it out of KNOWN"
        return
    assert said[f"{case}.{kind}"] == "ok"
    with np.load(folder / f"{case}.{kind}.npz") as made:
        outputs = [made[f"out_{i}"] for i in range(sum(name.startswith("out_") for name in made.files))]
        state = [made[f"opt_{i}"] for i in range(sum(name.startswith("opt_") for name in made.files))]
    goldens.assert_outputs(case, outputs)
    if kind == "keras":
        for mine, theirs in zip(state, goldens.numbered(case, "opt_"), strict=False):
            np.testing.assert_array_equal(mine, theirs)
