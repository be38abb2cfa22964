"""Files of tf.keras 1.15 to 2.15 and early Keras 3 compute their original outputs (fixtures/make_era_goldens.py, fixtures/pick_eras.py)."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

import graphkit
from graphkit.core import nest

FOLDER = Path(__file__).resolve().parents[3] / "fixtures" / "eras_files"
CASES = sorted(p.name.removesuffix(".npz") for p in FOLDER.glob("*.npz"))
NO_ONNX = ("layer.Hashing.plain",)  # ONNX has no access to the characters of a text
pytestmark = pytest.mark.filterwarnings("ignore:Layer 'add_loss' .AddLoss. returns its input")
TOLERANCES = {"mixed": 1e-3}  # computed in float16


def opened(case: str, folder: Path) -> Any:
    """Return the model of a case."""
    files = {p.name.removeprefix(f"{case}.").removesuffix(".gz"): p for p in FOLDER.glob(f"{case}.*.gz")}
    paths = {}
    for suffix, packed in files.items():
        paths[suffix] = folder / f"{case}.{suffix}"
        paths[suffix].write_bytes(gzip.decompress(packed.read_bytes()))
    weights = next((path for suffix, path in paths.items() if suffix in ("w.h5", "weights.h5")), None)
    if weights is None:
        (path,) = paths.values()
        return graphkit.load(path)
    model: Any = graphkit.models.model_from_json(paths["json"].read_text())
    model.load_weights(weights)
    return model


def arrays(case: str, prefix: str) -> list[Any]:
    with np.load(FOLDER / f"{case}.npz") as stored:
        return [stored[f"{prefix}{i}"] for i in range(sum(k.startswith(prefix) for k in stored.files))]


def check(case: str, answers: list[Any], wanted: list[Any]) -> None:
    tolerance = next((t for name, t in TOLERANCES.items() if case.endswith(name)), 2e-5)
    for got, want in zip(answers, wanted, strict=True):
        if want.dtype.kind in "biu":
            np.testing.assert_array_equal(got, want)
        else:
            np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)


def call(model: Any, inputs: list[Any]) -> list[Any]:
    return [np.asarray(leaf) for leaf in nest.flatten(model(nest.pack(model.input, inputs)))]


@pytest.mark.parametrize("case", CASES)
def test_a_file_gives_its_outputs_at_two_batch_sizes(case: str, tmp_path: Path) -> None:
    model = opened(case, tmp_path)

    check(case, call(model, arrays(case, "in_")), arrays(case, "out_"))
    check(case, call(model, arrays(case, "in3_")), arrays(case, "out3_"))


@pytest.mark.parametrize("case", [c for c in CASES if not c.endswith(NO_ONNX)])
def test_a_file_becomes_onnx(case: str, tmp_path: Path) -> None:
    model = opened(case, tmp_path)
    model.export(tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"), providers=["CPUExecutionProvider"])

    for prefix, wanted in (("in_", "out_"), ("in3_", "out3_")):
        inputs = arrays(case, prefix)
        if inputs[0].dtype.kind == "U":
            inputs = [a.astype(object) for a in inputs]
        got = session.run(None, {i.name: a for i, a in zip(session.get_inputs(), inputs, strict=True)})
        check(case, got, arrays(case, wanted))


@pytest.mark.filterwarnings("ignore::graphkit.saving.keras3_differences.NotInKerasWarning")
@pytest.mark.parametrize("case", CASES)
def test_a_file_is_saved_as_a_new_one_that_gives_the_same(case: str, tmp_path: Path) -> None:
    opened(case, tmp_path).save(tmp_path / "new.keras")

    check(case, call(graphkit.load(tmp_path / "new.keras"), arrays(case, "in_")), arrays(case, "out_"))
