"""Checks of an export by running it: onnxruntime beside the engine, on generated inputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np

from graphkit.core import dtypes
from graphkit.core.dims import Dim, size_evaluate
from graphkit.core.errors import ExportError, GraphKitError
from graphkit.ir.program import Program
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import specialize

from .document import Document

Array: TypeAlias = "np.ndarray[Any, Any]"
ROWS = 2
SIZES = (16, 64, 224)
"""Unknown sizes but the first axis of an input; the next is tried where the model rejects one."""
TOLERANCES = {"float16": 2e-2, "bfloat16": 1e-1, "float32": 2e-3, "float64": 1e-4}
"""Of the largest difference, relative to the largest value of the output (at least 1)."""
FLIPPED = 0.02  # the part of whole numbers and booleans, which jump with small differences of floats, that may differ
_RANDOM = ("random_", "dropout_mask")


def generated(specs: Sequence[TensorSpec], size: int = SIZES[0], rows: int = ROWS) -> list[Array]:
    """Return arrays for inputs: numbers from 0 to 1, integers 0 and 1, strings of one letter. They are the same each time.

    Args:
        specs: shapes and dtypes.
        size: for unknown sizes but the first of an input.
        rows: for unknown sizes that are the first of an input.
    """
    random = np.random.default_rng(0)
    known = {str(s.shape[0]): rows for s in specs if s.rank and isinstance(s.shape[0], Dim) and s.shape[0].is_name()}
    names = {n for s in specs for axis in s.shape if isinstance(axis, Dim) for n in axis.names()}
    sizes: dict[str, Any] = {name: known.get(name, size) for name in names}
    return [_drawn(random, tuple(int(size_evaluate(n, sizes)) for n in s.shape), s.dtype) for s in specs]  # type: ignore[arg-type]


def _drawn(random: np.random.Generator, shape: tuple[int, ...], dtype: str) -> Array:
    if dtype == "string":
        return np.full(shape, "a", object)
    if dtype == "bool" or dtypes.is_int(dtype):
        return random.integers(0, 2, shape).astype(dtypes.to_numpy(dtype))
    return random.random(shape).astype(dtypes.to_numpy(dtype))


def is_random(program: Program) -> bool:
    """Return whether a program draws random numbers, which ONNX operators draw otherwise."""
    return any(name.startswith(_RANDOM) for name in _primitives(program))


def _primitives(program: Program) -> Iterator[str]:
    for equation in program.equations:
        yield equation.primitive.name
        for param in equation.params.values():
            if isinstance(param, Program):
                yield from _primitives(param)


def inputs_and_answers(program: Program, rows: int = ROWS) -> tuple[list[Array], list[Any]]:
    """Return generated inputs that the engine accepts, and its outputs. See `generated` for `rows`.

    Raises:
        ExportError: the engine rejects all of them.
    """
    from graphkit.engine import run

    specs = [value.spec for value in program.inputs]
    last: GraphKitError | None = None
    for size in SIZES if any(isinstance(n, Dim) for s in specs for n in s.shape[1:]) else SIZES[:1]:
        arrays = generated(specs, size, rows)
        try:
            known = specialize(program, [TensorSpec.of(a) for a in arrays])
            return arrays, list(run(known, *arrays))[: len(program.outputs)]
        except GraphKitError as error:
            last = error
    raise ExportError(
        f"check: no inputs that the model accepts could be generated ({last}). Use check=None, which does not run the model."
    ) from last


def check_numbers(document: Document, program: Program, tolerance: float | None = None) -> str:
    """Compare onnxruntime's outputs of an export with the engine's, on generated inputs.

    Args:
        document: the export.
        program: the program of the model; its inputs are those of the export.
        tolerance: of the largest difference, relative to the largest value; by default that of the dtype in `TOLERANCES`.

    Returns:
        What was not compared, in words, or an empty string.

    Raises:
        ExportError: onnxruntime cannot run the export, or the outputs differ.
    """
    import onnxruntime

    states = [s.variable for s in program.state if s.after is not None]
    before = [np.array(v.array) for v in states]  # the engine writes the states that it changes
    arrays, answers = inputs_and_answers(program)
    for variable, array in zip(states, before, strict=True):
        variable.assign(array)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(document.serialized(), options, providers=["CPUExecutionProvider"])
        given = {i.name: _fed(a, i.type) for i, a in zip(session.get_inputs(), arrays, strict=True)}
        first = len(document.message.graph.input) - len(states)
        given |= {i.name: a for i, a in zip(list(document.message.graph.input)[first:], before, strict=True)}
        outputs = session.get_outputs()[: len(answers)]
        found = session.run([o.name for o in outputs], given)
    except Exception as error:
        raise ExportError(f"check: onnxruntime cannot run the export: {error}") from error
    random = is_random(program)
    compared = zip(outputs, found, answers, strict=True)
    differences = {o.name: _difference(got, want, tolerance, random) for o, got, want in compared}
    faults = [f"output {name!r}: {fault}" for name, fault in differences.items() if fault is not None]
    if faults:
        raise ExportError(
            f"check: onnxruntime's outputs of the export differ from the model's, for generated inputs: {'; '.join(faults)}."
        )
    return (
        "the values of the outputs, since the model draws random numbers, which ONNX draws otherwise" if random else ""
    )


def _fed(array: Array, kind: str) -> Array:
    """Return an array in the dtype of an input: bfloat16 is fed as float32."""
    return array.astype(np.float32) if kind == "tensor(float)" and array.dtype != np.float32 else array


def _difference(got: Any, want: Any, tolerance: float | None, only_shapes: bool) -> str | None:
    got, want = np.asarray(got), np.asarray(want)
    if got.shape != want.shape:
        return f"shape {got.shape}, expected {want.shape}"
    if only_shapes or not got.size:
        return None
    if want.dtype.kind not in "fcV" and dtypes.of_array(want) not in TOLERANCES:
        different = float(np.mean(got.astype(object) != want.astype(object)))
        return f"{different:.1%} of the values differ" if different > FLIPPED else None
    limit = TOLERANCES.get(dtypes.of_array(want), 2e-3) if tolerance is None else tolerance
    kind = np.complex128 if want.dtype.kind == "c" else np.float64
    a, b = got.astype(kind), want.astype(kind)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    far = np.where(same, 0.0, np.abs(np.where(same, 0, a) - np.where(same, 0, b)))
    finite = np.abs(b[np.isfinite(b)])
    scale = max(1.0, float(finite.max()) if finite.size else 1.0)
    worst = float(np.where(np.isnan(far), np.inf, far).max())
    return f"values differ by up to {worst:.3g}, more than {limit * scale:.3g}" if worst > limit * scale else None
