"""tf_keras (Keras 2) opens the files that graphkit writes for it, and computes the same outputs.

Needs an interpreter with tf_keras, which the environment variable GRAPHKIT_TF_KERAS_PYTHON names.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit.errors import SerializationError
from tests import goldens

pytestmark = pytest.mark.slow
SCRIPT = Path(__file__).with_name("open_with_tf_keras.py")
ON_GPU_ONLY = "NHWC"  # TensorFlow's message for channels-first convolutions and pooling on a CPU


def job(case: str, folder: Path) -> dict[str, Any] | None:
    """Save a case for Keras 2, and return the job to open it; None if the writer rejects it."""
    if "bfloat16" in {str(x.dtype) for x in goldens.numbered(case, "in_")} or goldens.policy_unit(case):
        return None  # each engine rounds half floats at other places
    try:
        graphkit.models.load_model(goldens.model_file(case)).save(folder / f"{case}.h5", keras_version=2)
    except SerializationError:
        return None
    inputs: dict[str, Any] = {f"in_{i}": x for i, x in enumerate(goldens.numbered(case, "in_"))}
    np.savez(folder / f"{case}.in.npz", **inputs)
    structure = goldens.cases()[case]["input_struct"]
    is_flat = isinstance(structure, dict) and not any(isinstance(v, (dict, list)) for v in structure.values())
    return {
        "id": case, "model": str(folder / f"{case}.h5"), "inputs": str(folder / f"{case}.in.npz"),
        "names": sorted(structure) if is_flat else None, "out": str(folder / f"{case}.out.npz"),
    }  # fmt: skip


def test_tf_keras_computes_what_keras_3_does(tmp_path: Path) -> None:
    """Open all cases that the writer accepts, in one process."""
    python = os.environ.get("GRAPHKIT_TF_KERAS_PYTHON")
    if not python:
        pytest.skip("left out: set GRAPHKIT_TF_KERAS_PYTHON to an interpreter that has tf_keras")
    jobs = [made for case in sorted(goldens.cases()) if (made := job(case, tmp_path))]
    (tmp_path / "jobs.json").write_text(json.dumps(jobs))
    done = subprocess.run(
        [python, str(SCRIPT), str(tmp_path / "jobs.json")], check=True, capture_output=True, text=True
    )
    verdicts = json.loads(done.stdout.strip().splitlines()[-1])

    assert len(verdicts) > 400
    failed = {case: said for case, said in verdicts.items() if said != "ok" and ON_GPU_ONLY not in said}
    for case in [c for c, said in verdicts.items() if said == "ok"]:
        with np.load(tmp_path / f"{case}.out.npz") as made:
            try:
                goldens.assert_outputs(case, [made[f"out_{i}"] for i in range(len(made.files))])
            except AssertionError as error:
                failed[case] = str(error)
    assert failed == {}
