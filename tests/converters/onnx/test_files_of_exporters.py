"""Small files of PyTorch's exporters, tf2onnx and skl2onnx: outputs, gradients and round trips against those frameworks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

import graphkit
from graphkit import ops
from graphkit.errors import GraphKitError

FOLDER = Path(__file__).parents[3] / "fixtures" / "onnx"
pytestmark = pytest.mark.filterwarnings("ignore::graphkit.saving.formats.ConverterWarning")  # of the sequence of maps
ROWS: Mapping[str, Any] = json.loads((FOLDER / "index.json").read_text())
REFUSED = {  # what a functional model cannot hold, and the words that say so
    "skl2onnx/tfidf": "Tokenizer",
}
NOT_DIFFERENTIABLE = ("torch_legacy/script_loop_condition",)
NOT_IN_NEW_OPSETS = ("torch_legacy/opset9_pad_upsample",)  # it has an operator that opset 10 withdrew
READ = [key for key in ROWS if key not in REFUSED]
TOLERANCE = 1e-4
"""Of the largest value; for gradients ten times that."""


def arrays(key: str, kind: str) -> dict[str, Any]:
    """Return the arrays of one kind ("in", "out", "g", ...) by name; see fixtures/README.md."""
    path = FOLDER / f"{key if kind == 'g' else ROWS[key].get('answers', key)}.npz"
    if not path.exists():
        return {}
    with np.load(path) as file:
        found = {name.partition("/")[2]: file[name] for name in file.files if name.startswith(f"{kind}/")}
    return {name: value.astype(object) if value.dtype.kind == "U" else value for name, value in found.items()}


def called(model: Any, feeds: Mapping[str, Any], inputs: list[str]) -> list[Any]:
    """Return the outputs of a model for inputs by name."""
    values = [feeds[name] for name in inputs]
    made = model(values[0] if len(values) == 1 else values)
    return list(made) if isinstance(made, (list, tuple)) else [made]


def check(got: Any, want: Any, tolerance: float, what: str) -> None:
    """Fail unless the arrays agree, relative to the largest value."""
    got, want = np.asarray(got), np.asarray(want)
    assert got.shape == want.shape, what
    if want.dtype.kind in "fc":
        largest = float(np.max(np.abs(want), initial=0.0))
        np.testing.assert_allclose(got, want, rtol=0, atol=tolerance * largest + 5e-6, err_msg=what)
    else:
        assert got.tolist() == want.tolist(), what


def loss(outputs: list[Any]) -> Any:
    """Return the loss whose gradients the files hold: the floating outputs weighted by cos(0), cos(1), ..."""
    total: Any = 0.0
    for y in outputs:
        if "float" in str(y.dtype):
            size = int(np.prod(y.shape))
            total = total + ops.sum(ops.reshape(y, (size,)) * np.cos(np.arange(size)).astype("float32"))
    return total


@pytest.mark.parametrize(
    "key", [pytest.param(key, marks=[pytest.mark.slow] if k % 3 else []) for k, key in enumerate(READ)]
)
def test_outputs_and_gradients(key: str) -> None:
    model, inputs = graphkit.models.load_model(FOLDER / f"{key}.onnx"), ROWS[key]["inputs"]

    for suffix in ("", "1"):
        feeds, wanted = arrays(key, f"in{suffix}"), arrays(key, f"out{suffix}")
        for got, (name, want) in zip(called(model, feeds, inputs) if feeds else [], wanted.items(), strict=True):
            check(got, want, TOLERANCE, f"output {name} {suffix}")

    if key in NOT_DIFFERENTIABLE:
        return
    of_weights, of_inputs = arrays(key, "g"), arrays(key, "gi")
    feeds = {k: graphkit.Variable(v) if k in of_inputs else v for k, v in arrays(key, "in").items()}
    named = {v.name: v for v in model.trainable_variables}
    variables = [named[name] for name in of_weights] + [feeds[name] for name in of_inputs]
    if variables:
        _, gradients = graphkit.value_and_grad(lambda: loss(called(model, feeds, inputs)), variables)()
        for got, (name, want) in zip(gradients, [*of_weights.items(), *of_inputs.items()], strict=True):
            check(np.zeros(want.shape) if got is None else got, want, 10 * TOLERANCE, f"gradient of {name}")


@pytest.mark.parametrize("key", REFUSED)
def test_what_cannot_be_a_model_is_refused_with_the_reason(key: str) -> None:
    with pytest.raises(GraphKitError, match=REFUSED[key]):
        graphkit.models.load_model(FOLDER / f"{key}.onnx")


@pytest.mark.slow
@pytest.mark.parametrize("key", READ)
@pytest.mark.parametrize("lift", [False, True], ids=["nodes", "layers"])
def test_round_trips(key: str, lift: bool, tmp_path: Path) -> None:
    """With lifting and without, the model, its JSON and its export in onnxruntime give the outputs of the file."""
    model, inputs = graphkit.load(FOLDER / f"{key}.onnx", lift=lift), ROWS[key]["inputs"]
    feeds, wanted = arrays(key, "in"), arrays(key, "out")

    again = graphkit.models.model_from_json(model.to_json())
    again.set_weights(model.get_weights())
    for got in (called(model, feeds, inputs), called(again, feeds, inputs)):
        for y, (name, want) in zip(got, wanted.items(), strict=True):
            check(y, want, TOLERANCE, f"output {name}")

    if lift or key not in NOT_IN_NEW_OPSETS:
        model.export(tmp_path / "again.onnx")
        session = onnxruntime.InferenceSession(tmp_path / "again.onnx", providers=["CPUExecutionProvider"])
        by_place = dict(zip([i.name for i in session.get_inputs()], feeds.values(), strict=True))
        for y, (name, want) in zip(session.run(None, by_place), wanted.items(), strict=True):
            check(y, want, TOLERANCE, f"output {name} (ONNX)")


def test_the_files_cover_the_exporters() -> None:
    """Each file is the one that the index describes, none is larger than 30 KB, and each valid to onnx's checker."""
    for key in ROWS:
        path = FOLDER / f"{key}.onnx"
        assert path.stat().st_size <= 30_000
        onnx.checker.check_model(path)
    assert {key.partition("/")[0] for key in ROWS} == {"torch_dynamo", "torch_legacy", "tf2onnx", "skl2onnx"}
