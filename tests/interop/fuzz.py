"""Compare graphkit with real Keras on random models that `fixtures/fuzz_keras.py` made.

    python -m tests.interop.fuzz FOLDER [--only 'Conv*'] [--checks forward,onnx] [-v]

Every difference is a line: the case, the check, what differs, and the layers with their arguments. Exit status 1 if there is one
that is not in KNOWN.
"""

from __future__ import annotations

import argparse
import collections
import fnmatch
import json
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "fixtures"))
warnings.filterwarnings("ignore")

import onnxruntime  # noqa: E402
from fuzz import cases  # noqa: E402

import graphkit as gk  # noqa: E402
from graphkit.core import nest  # noqa: E402
from graphkit.errors import ExportError, GraphKitError  # noqa: E402

onnxruntime.set_default_logger_severity(4)

# Differences due to errors in Keras or its backend: a glob over the line `case check text | notes`, and the reason.
KNOWN: dict[str, str] = {
    "*symbols symbolic outputs*uint8*": "Keras declares float32 for what stays uint8, or the other way round",
    "*symbols symbolic outputs*'int64'*": "Keras declares the layer's dtype for encodings that are integers",
    "Hashing.* symbols *": "Keras declares (batch, bins) for one_hot of several values",
    "StringLookup.* symbols *'string'*": "Keras declares int64 for the strings that an inverted look-up gives",
    "TextVectorization.* symbols *": "Keras declares one axis too many, or the layer's dtype",
    "TextVectorization.* shape *split=None*": "without a split Keras takes the batch of (batch,) texts for the tokens of one text",
    "SpectralNormalization.* symbols *Embedding*": "Keras declares float32 and casts to the inputs' int32",
    "MultiHeadAttention.* symbols *": "Keras declares scores of (queries, queries)",
    "*refused graphkit builds*is part of a cycle*": "these layers give back the input tensor itself, which Keras refuses as a cycle",
    "*refused graphkit builds*'generator' and 'int'*": "Keras cannot make states of nested sizes for a stateful RNN",
    "Resizing.* ? of * differ*uint8*": "a value half-way between two integers, rounded either way",
}


class DifferenceError(Exception):
    """A result that differs from Keras'."""


class LimitError(Exception):
    """A typed error for what the other format cannot express."""


class Saved:
    """One case: its row, its arrays, its file."""

    def __init__(self, row: dict[str, Any], folder: Path) -> None:
        self.row, self.id, self.file = row, row["id"], folder / f"{row['id']}.keras"
        self.arrays: dict[str, Any] = {}
        if row["status"] == "ok":
            with np.load(folder / f"{self.id}.npz", allow_pickle=False) as stored:
                self.arrays = dict(stored)
        self.options = row.get("options", {})

    def numbered(self, prefix: str) -> list[Any]:
        return [self.arrays[f"{prefix}{i}"] for i in range(len(self.arrays)) if f"{prefix}{i}" in self.arrays]

    def inputs(self, prefix: str = "in_") -> Any:
        leaves = [x.astype(object) if x.dtype.kind == "U" else x for x in self.numbered(prefix)]
        return nest.pack(self.row["input_struct"], leaves)

    def load(self) -> Any:
        return gk.models.load_model(self.file)


def compare(mine: Any, theirs: Any, what: str, scale: float = 1.0, values: bool = True) -> None:
    """Compare one array with Keras'."""
    mine, theirs = np.asarray(mine), np.asarray(theirs)
    if mine.shape != theirs.shape:
        raise DifferenceError(f"{what}: shape {mine.shape}, Keras {theirs.shape}")
    if not values:
        return
    if theirs.dtype.kind in "USO":
        if not (mine.astype(str) == theirs.astype(str)).all():
            raise DifferenceError(f"{what}: strings {mine.ravel()[:6]}, Keras {theirs.ravel()[:6]}")
        return
    if (mine.dtype.kind == "f") != (theirs.dtype.kind == "f"):
        raise DifferenceError(f"{what}: dtype {mine.dtype}, Keras {theirs.dtype}")
    if theirs.dtype.kind in "biu":
        if not (mine == theirs).all():
            raise DifferenceError(f"{what}: {int((mine != theirs).sum())} of {theirs.size} differ")
        return
    mine, theirs = mine.astype("float64"), theirs.astype("float64")
    top = float(np.max(np.abs(theirs[np.isfinite(theirs)]), initial=0.0))
    close = np.isclose(mine, theirs, rtol=1e-4 * scale, atol=(1e-5 + 1e-5 * top) * scale, equal_nan=True)
    if not close.all():
        gap = float(np.max(np.abs(mine - theirs)[~close]))
        raise DifferenceError(
            f"{what}: {int((~close).sum())} of {theirs.size} differ, by up to {gap:.3g} (largest {top:.3g})"
        )


def compare_all(mine: Any, theirs: list[Any], what: str, scale: float = 1.0, values: bool = True) -> None:
    mine = nest.flatten(mine)
    if len(mine) != len(theirs):
        raise DifferenceError(f"{what}: {len(mine)} outputs, Keras {len(theirs)}")
    for index, (m, t) in enumerate(zip(mine, theirs, strict=True)):
        compare(m, t, f"{what}[{index}]", scale, values)


def cosine_loss(outputs: Any) -> Any:
    """Return the loss of fixtures/goldens."""
    total: Any = 0.0
    for output in nest.flatten(outputs):
        if str(output.dtype).startswith("float"):
            size = int(np.prod(output.shape, dtype=np.int64))
            weights = np.cos(np.arange(size, dtype="float64")).astype("float32").reshape(output.shape)
            total = total + gk.ops.sum(output * weights)
    return total


def gradients(case: Saved, model: Any, prefix: str, training: bool | None) -> None:
    leaves = [
        gk.Variable(x) if f"{prefix}gx_{i}" in case.arrays else (x.astype(object) if x.dtype.kind == "U" else x)
        for i, x in enumerate(case.numbered("in_"))
    ]
    moving = [i for i, x in enumerate(leaves) if isinstance(x, gk.Variable)]
    variables = [*model.trainable_variables, *(leaves[i] for i in moving)]
    wanted = [*case.numbered(f"{prefix}gw_"), *(case.arrays[f"{prefix}gx_{i}"] for i in moving)]
    if not variables:
        return
    structure = nest.pack(case.row["input_struct"], leaves)
    _, found = gk.value_and_grad(lambda: cosine_loss(model(structure, training=training)), variables)()
    if len(found) != len(wanted):
        raise DifferenceError(f"{len(found)} gradients, Keras {len(wanted)}")
    for variable, mine, theirs in zip(variables, found, wanted, strict=True):
        mine = np.zeros_like(theirs) if mine is None else mine
        if mine.shape == theirs.shape and np.isfinite(mine).all():  # where Keras' gradient is 0/0, graphkit's is finite
            theirs = np.where(np.isnan(theirs), mine, theirs)
        compare(mine, theirs, f"{prefix}gradient of {variable.path}", 5.0)


def check_load(case: Saved) -> None:
    case.load()


def check_names(case: Saved) -> None:
    model = case.load()
    if [w.path for w in model.weights] != case.row["weights"]:
        raise DifferenceError(f"weights {[w.path for w in model.weights]}, Keras {case.row['weights']}")
    if [w.path for w in model.trainable_variables] != case.row["trainable"]:
        raise DifferenceError(f"trainable {[w.path for w in model.trainable_variables]}, Keras {case.row['trainable']}")


def check_symbols(case: Saved) -> None:
    model = case.load()
    mine = [{"shape": list(o.shape), "dtype": str(o.dtype)} for o in nest.flatten(model.outputs)]
    if mine != case.row["outputs"]:
        raise DifferenceError(f"symbolic outputs {mine}, Keras {case.row['outputs']}")


def check_forward(case: Saved) -> None:
    compare_all(case.load()(case.inputs()), case.numbered("out_"), "out", values=not case.options.get("chance"))


def check_batch(case: Saved) -> None:
    if wanted := case.numbered("out3_"):
        compare_all(case.load()(case.inputs("in3_")), wanted, "out3", values=not case.options.get("chance"))


def check_predict(case: Saved) -> None:
    if not case.options.get("chance"):
        compare_all(case.load().predict(case.inputs(), verbose=0), case.numbered("out_"), "predict", 2.0)


def check_again(case: Saved) -> None:
    if wanted := case.numbered("again_"):
        model = case.load()
        model(case.inputs())
        compare_all(model(case.inputs()), wanted, "second call")


def check_gradient(case: Saved) -> None:
    if not case.options.get("chance") and any(k.startswith("g") for k in case.arrays):
        gradients(case, case.load(), "", None)


def check_training(case: Saved) -> None:
    wanted = case.numbered("train_out_")
    if not wanted:
        return
    model = case.load()
    compare_all(model(case.inputs(), training=True), wanted, "train out")
    mine = {v.path: v.numpy() for v in model.non_trainable_variables}
    for path, theirs in zip(case.row["non_trainable"], case.numbered("train_fixed_"), strict=True):
        if path in mine:
            compare(mine[path], theirs, f"{path} after training")
    gradients(case, case.load(), "train_", True)


def check_losses(case: Saved) -> None:
    wanted = sorted(float(x) for x in case.numbered("loss_"))
    model = case.load()
    mine = sorted(float(np.asarray(x)) for x in model.losses)
    weights = [x for x in mine if x]
    if "activity_regularizer" in str(case.row["notes"]) or "ActivityReg" in str(case.row["notes"]):
        return
    if not np.allclose(sum(wanted), sum(weights), rtol=1e-4):
        raise DifferenceError(f"losses {mine}, Keras {wanted}")


def check_json(case: Saved) -> None:
    model = case.load()
    again = gk.models.model_from_json(model.to_json())
    again.set_weights(model.get_weights())
    exact = not case.options.get("chance")
    compare_all(again(case.inputs()), case.numbered("out_"), "JSON round trip", values=exact)
    theirs = gk.models.model_from_json(case.row["json"])
    theirs.set_weights(model.get_weights())
    compare_all(theirs(case.inputs()), case.numbered("out_"), "Keras' JSON", values=exact)
    if difference := json_difference(json.loads(model.to_json()), json.loads(case.row["json"])):
        raise DifferenceError(f"JSON written anew differs: {difference}")


def check_keras(case: Saved) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "again.keras"
        case.load().save(path)
        again = gk.models.load_model(path)
        compare_all(
            again(case.inputs()), case.numbered("out_"), ".keras round trip", values=not case.options.get("chance")
        )


def check_build(case: Saved) -> None:
    """Check that the same constructor calls with graphkit build the same model."""
    gk.utils.clear_session()
    net, _, error = cases.build(case.id, gk)
    if net is None:
        raise DifferenceError(f"graphkit raises {type(error).__name__}: {error}")
    if difference := json_difference(json.loads(net.model.to_json()), json.loads(case.row["json"])):
        raise DifferenceError(f"JSON differs: {difference}")
    net.model.set_weights(case.load().get_weights())
    compare_all(net.model(case.inputs()), case.numbered("out_"), "out", values=not case.options.get("chance"))


def check_onnx(case: Saved) -> None:
    if case.options.get("chance"):
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        try:
            case.load().export(path)
        except ExportError as error:
            raise LimitError(str(error)) from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [i.name for i in session.get_inputs()]
    for prefix in ("in_", "in3_"):
        feeds = nest.flatten(case.inputs(prefix)) if case.numbered(prefix) else []
        if not feeds:
            continue
        states = [
            np.zeros([d if isinstance(d, int) else 2 for d in i.shape], "float32")
            for i in session.get_inputs()[len(feeds) :]
        ]
        found = session.run(None, dict(zip(names, [*feeds, *states], strict=True)))
        wanted = case.numbered(prefix.replace("in", "out"))
        compare_all(found[: len(wanted)], wanted, f"onnx {prefix}", 2.0)
        if states and (second := case.numbered("again_")):
            found = session.run(None, dict(zip(names, [*feeds, *found[len(wanted) :]], strict=True)))
            compare_all(found[: len(wanted)], second, "onnx second call", 2.0)


def json_difference(mine: Any, theirs: Any, path: str = "") -> str:
    """Return where two JSON configs first differ; empty if they are equal."""
    if isinstance(mine, dict) and isinstance(theirs, dict):
        for key in [k for k in [*theirs, *mine] if k not in IGNORED]:
            if (
                not mine.get(key, {}) and not theirs.get(key, {}) and (mine.get(key) is None or theirs.get(key) is None)
            ):  # an argument at its default, written or not
                continue
            if key not in mine or key not in theirs:
                return f"{path}.{key} only {'in Keras' if key in theirs else 'here'}: {str(theirs.get(key, mine.get(key)))[:80]}"
            if found := json_difference(mine[key], theirs[key], f"{path}.{key}"):
                return found
        return ""
    if isinstance(mine, list) and isinstance(theirs, list) and len(mine) == len(theirs):
        return next(
            (
                d
                for i, (m, t) in enumerate(zip(mine, theirs, strict=True))
                if (d := json_difference(m, t, f"{path}.{i}"))
            ),
            "",
        )
    if isinstance(mine, float) and isinstance(theirs, float):
        return "" if np.isclose(mine, theirs) else f"{path}: {mine}, Keras {theirs}"
    return "" if mine == theirs else f"{path}: {str(mine)[:100]!r}, Keras {str(theirs)[:100]!r}"


IGNORED = ("shared_object_id", "seed", "build_config", "rms_scaling", "training")
"""Keys of configs that may differ: random or derived values, and arguments that no constructor takes any more."""

CHECKS: dict[str, Callable[[Saved], None]] = {
    "load": check_load, "names": check_names, "symbols": check_symbols, "forward": check_forward, "batch": check_batch,
    "predict": check_predict,
    "gradient": check_gradient, "training": check_training, "again": check_again, "losses": check_losses, "onnx": check_onnx,
    "json": check_json, "keras": check_keras, "build": check_build,
}  # fmt: skip


def refused(row: dict[str, Any]) -> str | None:
    """Report on a case that Keras did not build."""
    gk.utils.clear_session()
    net, _, error = cases.build(row["id"], gk)
    if net is not None:
        return f"graphkit builds what Keras refuses: {row['error']}"
    if not isinstance(error, GraphKitError):
        return f"untyped {type(error).__name__}: {error} where Keras says {row['error']}"
    return None


def rows(folder: Path, only: str) -> list[tuple[dict[str, Any], Path]]:
    """Return the rows of all indexes in a folder, the latest for each id."""
    found = {}
    for index in sorted(folder.glob("index.*.jsonl")):
        for line in index.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            found[row["id"]] = row
    globs = only.split(",")
    return [(r, folder) for r in found.values() if any(fnmatch.fnmatch(r["id"], g) for g in globs)]


def lines_of(
    row: dict[str, Any], folder: Path, checks: list[str], verbose: bool, tally: collections.Counter[str]
) -> list[str]:
    """Print a line for each difference."""
    tally[row["status"]] += 1
    if row["status"] in ("raises", "fails", "unsaved"):
        text = refused(row) if row["status"] == "raises" and "build" in checks else None
        return [f"{row['id']} refused {text}"] if text else []
    found = []
    case = Saved(row, folder)
    for name in checks:
        try:
            CHECKS[name](case)
            tally[f"{name} equal"] += 1
        except LimitError as limit:
            tally[f"{name} limit"] += 1
            found.append(f"{row['id']} {name}-limit {str(limit).splitlines()[0][:300]}")
        except Exception as error:
            tally[f"{name} differs"] += 1
            if verbose:
                traceback.print_exc()
            kind = "" if isinstance(error, DifferenceError) else f"{type(error).__name__}: "
            first = (str(error).strip().splitlines() or [""])[0]
            found.append(f"{row['id']} {name} {kind}{first[:400]}")
            if name == "load":
                break
    return [f"{line}   | {'; '.join(row['notes'])[:400]}" for line in found]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="*", help="comma-separated globs over ids")
    parser.add_argument("--checks", default=",".join(CHECKS))
    parser.add_argument("-v", action="store_true", dest="verbose", help="tracebacks")
    args = parser.parse_args()
    tally: collections.Counter[str] = collections.Counter()
    unknown = 0
    for row, folder in rows(args.folder, args.only):
        for line in lines_of(row, folder, args.checks.split(","), args.verbose, tally):
            reason = next((reason for glob, reason in KNOWN.items() if fnmatch.fnmatch(line, glob)), None)
            unknown += reason is None
            print(line if reason is None else f"(known: {reason}) {line}", flush=True)
    print(json.dumps(dict(sorted(tally.items()))))
    return 1 if unknown else 0


if __name__ == "__main__":
    sys.exit(main())
