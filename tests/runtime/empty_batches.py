"""Run models on empty batches: `python -m tests.runtime.empty_batches CASE...`, with cases of fixtures/keras.

It runs in its own process, since onnxruntime may crash. It prints a line for each case that fails, and finally DONE.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import graphkit
from graphkit.converters.onnx import model_to_onnx
from graphkit.core import nest
from graphkit.core.errors import ExportError, GraphKitError
from graphkit.runtime import Predictor
from tests import goldens


def no_rows(shape: tuple[int | None, ...]) -> list[int]:
    """Return inputs with no rows."""
    return [0, *(4 if size is None else size for size in shape[1:])]


def no_steps(shape: tuple[int | None, ...]) -> list[int]:
    """Return inputs with two rows and free axes of size 0."""
    return [2, *(0 if size is None else size for size in shape[1:])]


def ways(model: Any) -> Iterator[tuple[str, Callable[[Any], Any]]]:
    """Return graphkit's methods of computing the outputs."""
    yield "call", model
    yield "predict", lambda x: model.predict(x, verbose=0)
    if can_be_exported(model):
        yield "Predictor", Predictor(model)


def can_be_exported(model: Any) -> bool:
    """Return whether the model has a form in ONNX: a few ops (bitcast) have none, and the export names them."""
    try:
        model_to_onnx(model, config=False)
    except ExportError:
        return False
    return True


def outcome(ask: Callable[[Any], Any], x: Any) -> Any:
    """Return the shapes of the outputs, or the message of a typed error."""
    try:
        return [np.shape(leaf) for leaf in nest.flatten(ask(x))]
    except GraphKitError as error:
        return f"{type(error).__name__}: {error}"


def check(case: str) -> Iterator[str]:
    """Return what is wrong with a case."""
    model = graphkit.load(goldens.model_file(case))
    graph = getattr(model, "_functional", None) or model
    if not hasattr(graph, "signature"):
        return
    infos = graph.signature.inputs
    if any(size is not None for size in (t.shape[0] if t.shape else None for t in graph.inputs)):
        return  # the batch size is fixed
    for change in (no_rows, no_steps):
        if change is no_steps and all(None not in info.shape[1:] for info in infos):
            continue
        x = nest.pack(graph.signature.structure, [np.zeros(change(i.shape), numpy_dtype(i.dtype)) for i in infos])
        made = {way: outcome(ask, x) for way, ask in ways(model)}
        if change is no_rows and len({str(m) for m in made.values()}) > 1:
            yield f"{case}, {change.__name__}: {made}"
        if change is no_rows and any(isinstance(m, str) for m in made.values()):
            yield f"{case}, {change.__name__}: refused: {made}"
        if made["call"] != made["predict"]:
            yield f"{case}, {change.__name__}: {made}"
        if can_be_exported(model):
            run_bare(model, graph.signature.conformed(x))


def run_bare(model: Any, arrays: list[Any]) -> None:
    """Run plain onnxruntime, which must return or raise, but not crash."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model_to_onnx(model, config=False).SerializeToString(), options)
    try:
        session.run(None, {i.name: a for i, a in zip(session.get_inputs(), arrays, strict=True)})
    except Exception:
        return


def numpy_dtype(dtype: str) -> Any:
    """Return NumPy's own dtype for an input's dtype."""
    return {"string": object, "bfloat16": np.float32}.get(dtype, dtype)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    for name in sys.argv[1:]:
        print("case", name, flush=True)
        for fault in check(name):
            print("FAULT", fault, flush=True)
    print("DONE", flush=True)
