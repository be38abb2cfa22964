"""Real Keras opens what graphkit writes in Keras' terms for layers and activations that Keras does not have, and nothing else of them.

Needs an interpreter with Keras 3: this one, or the one that the environment variable GRAPHKIT_KERAS_PYTHON names.
"""

from __future__ import annotations

import json
import subprocess
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit.saving.keras3_differences import missing_in_keras
from tests.interop.test_real_keras import SCRIPT, keras_python
from tests.layers.own_layers import CASES
from tests.saving.test_own_names import USES, model_of

pytestmark = pytest.mark.slow


def models() -> dict[str, Any]:
    """Each layer, and each use of the hard_sigmoid of Keras 2, as a model."""
    layers = {f"layer{i} {case.cls.__name__}": case.model() for i, case in enumerate(CASES)}
    return {**layers, **{f"activation {use}": model_of(use) for use in USES}}


def samples(model: Any) -> list[Any]:
    """Numbers for the inputs."""
    generator = np.random.default_rng(0)
    return [
        generator.normal(size=[size or 4 for size in tensor.shape]).astype(str(tensor.dtype)) for tensor in model.inputs
    ]


def test_keras_opens_all_that_is_written_without_a_warning(tmp_path: Path) -> None:
    python = keras_python()
    if python is None:
        pytest.skip("Keras is not importable here; set GRAPHKIT_KERAS_PYTHON to an interpreter that has it")
    known, jobs = models(), []
    for number, (name, model) in enumerate(known.items()):
        inputs = samples(model)
        np.savez(tmp_path / f"{number}.in.npz", **{f"in_{i}": x for i, x in enumerate(inputs)})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            model.save(tmp_path / f"{number}.keras")
        structure = [f"in_{i}" for i in range(len(inputs))] if len(inputs) > 1 else "in_0"
        jobs.append({
            "id": name, "kind": "keras", "model": str(tmp_path / f"{number}.keras"), "inputs": str(tmp_path / f"{number}.in.npz"),
            "structure": structure, "out": str(tmp_path / f"{number}.out.npz"),
        })  # fmt: skip
    (tmp_path / "jobs.json").write_text(json.dumps(jobs))
    subprocess.run([python, str(SCRIPT), str(tmp_path / "jobs.json"), str(tmp_path / "said.json")], check=True)
    said = json.loads((tmp_path / "said.json").read_text())

    opened = {name for name, text in said.items() if text == "ok"}
    assert opened == {name for name, model in known.items() if not missing_in_keras(model)}, said
    for number, (name, model) in enumerate(known.items()):
        if name in opened:
            with np.load(tmp_path / f"{number}.out.npz") as made:
                wanted = np.asarray(model(samples(model)))
                limit = 4e-3 if wanted.dtype == np.float16 else 1e-5
                np.testing.assert_allclose(made["out_0"], wanted, rtol=limit, atol=limit, err_msg=name)
                assert made["out_0"].dtype == wanted.dtype, name


def test_graphkit_takes_back_what_keras_saved_of_the_hard_sigmoid(tmp_path: Path) -> None:
    python = keras_python()
    if python is None:
        pytest.skip("Keras is not importable here; set GRAPHKIT_KERAS_PYTHON to an interpreter that has it")
    model = model_of("LSTM")
    model.save(tmp_path / "first.keras")
    script = (
        "import keras, numpy as np; m = keras.models.load_model('first.keras'); m(np.zeros((2, 3, 4), 'float32')); "
        "m.compile('sgd', 'mse'); m.fit(np.ones((4, 3, 4)), np.ones((4, 3, 3)), verbose=0); m.save('second.keras')"
    )
    subprocess.run([python, "-c", script], check=True, cwd=tmp_path, env={"KERAS_BACKEND": "jax"})
    again: Any = graphkit.load(tmp_path / "second.keras")

    assert again.layers[1].recurrent_activation is graphkit.activations.hard_sigmoid_keras2
    assert missing_in_keras(again) == []
