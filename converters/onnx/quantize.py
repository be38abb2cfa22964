"""Weights in fewer bits: stored as half floats, or quantized to 8 bits by `onnxruntime.quantization`.

Source: https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np
import onnx
from onnx import helper

from graphkit.core import dtypes
from graphkit.core.errors import ExportError, InvalidArgumentError
from graphkit.core.files import scratch_file

from .document import Document, Weight, document_of, weight_of
from .element_types import element_type

Array: TypeAlias = "np.ndarray[Any, Any]"
REPORT_KEY = "graphkit.quantization"
HALF_DTYPES = ("float16", "bfloat16")
DYNAMIC = "dynamic"
COMPARED_BATCHES = 8
"""So many batches of the calibration data are compared with the model that is not quantized."""
# Dynamic quantization of convolutions is slower than floats in onnxruntime.
_DYNAMIC_OPERATORS = ("MatMul", "Gemm", "LSTM", "Gather")


# ----- half floats -----


def check_dtype(dtype: str | None) -> None:
    """Raise InvalidArgumentError for a dtype that weights cannot be stored in."""
    if dtype is not None and dtype not in HALF_DTYPES:
        raise InvalidArgumentError(f"dtype expects None or one of {', '.join(HALF_DTYPES)}, got {dtype!r}.")


def with_stored_weights(document: Document, names: Mapping[str, str], dtype: str) -> tuple[Document, dict[str, str]]:
    """Store the float32 weights of two or more axes in another dtype, each with a Cast to float32 behind it.

    onnxruntime runs the casts once, when it opens the file. Vectors (biases, statistics) are small and stay as they are.

    Args:
        document: what is exported.
        names: the path of the weight of each initializer.
        dtype: "float16" or "bfloat16".

    Returns:
        The document, and the new name of each initializer that was changed.

    Raises:
        InvalidArgumentError: a weight is larger than float16 can hold.
    """
    stored: list[Weight] = []
    renamed: dict[str, str] = {}
    casts: list[onnx.NodeProto] = []
    for weight in document.weights:
        name = weight.header.name
        if name not in names or weight.array.dtype != np.float32 or weight.array.ndim < 2:
            stored.append(weight)
            continue
        renamed[name] = f"{name}/{dtype}"
        stored.append(weight_of(renamed[name], _narrowed(weight.array, dtype, names[name]), element_type(dtype)))
        casts.append(helper.make_node("Cast", [renamed[name]], [name], name=f"{name}/Cast", to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *document.message.graph.node]
    message = document.message
    del message.graph.node[:]
    message.graph.node.extend(nodes)
    return Document(message, stored), renamed


def _narrowed(array: Array, dtype: str, path: str) -> Array:
    with np.errstate(over="ignore"):
        made = array.astype(dtypes.to_numpy(dtype))
    lost = ~np.isfinite(made.astype(np.float32)) & np.isfinite(array)
    if lost.any():
        raise InvalidArgumentError(
            f"dtype={dtype!r}: the weight {path!r} has values up to {np.abs(array[np.isfinite(array)]).max():.4g}, which {dtype} "
            "cannot hold. Use dtype='bfloat16'."
        )
    return made


# ----- 8 bits -----


@dataclass(frozen=True)
class OutputChange:
    """How much an output changed.

    Attributes:
        name: of the output.
        largest: the largest absolute difference.
        mean: the mean absolute difference.
        scale: the largest absolute value before.
        agreement: how often the position of the largest value along the last axis is the same, from 0 to 1.
    """

    name: str
    largest: float
    mean: float
    scale: float
    agreement: float

    def __str__(self) -> str:
        return (
            f"output {self.name!r} changed by {self.mean:.3g} on average and {self.largest:.3g} at most (values up to "
            f"{self.scale:.3g}); the largest value is at the same place in {self.agreement:.1%} of the rows"
        )


@dataclass(frozen=True)
class QuantizationReport:
    """What quantization did.

    Attributes:
        method: "dynamic" or "static".
        bytes_before: the size of the file with floats.
        bytes_after: the size of the file.
        samples: the number of rows that were compared.
        outputs: the change of each float output.
    """

    method: str
    bytes_before: int
    bytes_after: int
    samples: int
    outputs: tuple[OutputChange, ...]

    def lines(self) -> list[str]:
        """Return the report, a line for the file and a line for each output."""
        size = f"{self.method} quantization: {self.bytes_before:,} bytes became {self.bytes_after:,}"
        return [size, *(f"{output} ({self.samples} rows)" for output in self.outputs)]

    def __str__(self) -> str:
        return "\n".join(self.lines())


def report_of(entries: Mapping[str, str]) -> QuantizationReport | None:
    """Return the report that an export with `quantize=` wrote into the metadata, or None."""
    if REPORT_KEY not in entries:
        return None
    given = json.loads(entries[REPORT_KEY])
    outputs = tuple(OutputChange(**change) for change in given.pop("outputs"))
    return QuantizationReport(**given, outputs=outputs)


def check_quantize(quantize: Any) -> None:
    """Raise InvalidArgumentError for what can be no argument `quantize`."""
    is_text = isinstance(quantize, str)
    is_file = is_text and Path(quantize).suffix in (".npz", ".npy")
    if quantize is None or quantize == DYNAMIC or is_file or (isinstance(quantize, Iterable) and not is_text):
        return
    raise InvalidArgumentError(
        f"quantize expects None, {DYNAMIC!r}, an iterable of batches for the calibration, or the path of a .npz file with them, "
        f"got {quantize!r}."
    )


def quantized(document: Document, quantize: Any, feeds: Any, generated: Any) -> tuple[Document, QuantizationReport]:
    """Return a document quantized to 8 bits, and the report.

    Args:
        document: the model with floats.
        quantize: "dynamic", an iterable of batches, or a path of a .npz or .npy file.
        feeds: returns the inputs by name for a batch.
        generated: returns generated inputs by name, for the comparison after a dynamic quantization.

    Raises:
        ExportError: onnxruntime cannot quantize the model.
        InvalidArgumentError: there are no batches, or the model exceeds 2 GB.
    """
    if document.is_too_large:
        raise InvalidArgumentError("quantize: the model exceeds 2 GB, which onnxruntime.quantization cannot take.")
    dynamic = isinstance(quantize, str) and quantize == DYNAMIC
    batches = None if dynamic else [feeds(batch) for batch in _batches(quantize)]
    if batches is not None and not batches:
        raise InvalidArgumentError("quantize: the calibration data hold no batch.")
    before = document.serialized()
    with scratch_file(before, "floats.onnx") as source:
        target = source.with_name("bytes.onnx")
        try:
            _run(source, target, batches)
        except Exception as error:
            raise ExportError(f"onnxruntime cannot quantize the model: {type(error).__name__}: {error}") from error
        message = onnx.load(str(target))
    compared = list(islice(batches, COMPARED_BATCHES)) if batches is not None else [generated()]
    made = document_of(_tidied(message, document.message))
    report = _report("dynamic" if dynamic else "static", before, made.serialized(), compared)
    return made, report


def _run(source: Path, target: Path, batches: list[dict[str, Any]] | None) -> None:
    """Quantize a file. Weights get 7 bits: with 8, sums of products overflow on processors without VNNI."""
    import logging

    from onnxruntime.quantization import QuantFormat, QuantType, quantize_dynamic, quantize_static

    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        if batches is None:
            quantize_dynamic(
                str(source), str(target), op_types_to_quantize=list(_DYNAMIC_OPERATORS), per_channel=True, reduce_range=True,
                weight_type=QuantType.QInt8,
            )  # fmt: skip
        else:
            quantize_static(
                str(source), str(target), _Reader(batches), quant_format=QuantFormat.QDQ, per_channel=True, reduce_range=True,
                activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
            )  # fmt: skip
    finally:
        root.setLevel(level)


class _Reader:
    """Hands out batches in the form that `onnxruntime.quantization` reads."""

    def __init__(self, batches: list[dict[str, Any]]) -> None:
        self.batches = batches
        self.position: Iterator[dict[str, Any]] = iter(batches)

    def get_next(self) -> dict[str, Any] | None:
        """Return the next batch, or None."""
        return next(self.position, None)

    def rewind(self) -> None:
        """Start again."""
        self.position = iter(self.batches)

    def set_range(self, start_index: int, end_index: int) -> None:
        """Restrict the batches."""
        self.position = iter(self.batches[start_index:end_index])

    def __len__(self) -> int:
        return len(self.batches)


def _batches(quantize: Any) -> Iterator[Any]:
    """Yield the batches of a calibration argument; arrays in a file are cut into batches of 32 rows."""
    if not isinstance(quantize, str):
        yield from quantize
        return
    path = Path(quantize)
    if not path.is_file():
        raise InvalidArgumentError(f"quantize: there is no file {quantize!r}.")
    found = np.load(path, allow_pickle=False)
    if isinstance(found, np.ndarray):
        yield from (found[i : i + 32] for i in range(0, len(found), 32))
        return
    arrays = {name: found[name] for name in found.files}
    rows = min((len(a) for a in arrays.values()), default=0)
    for i in range(0, rows, 32):
        part = {name: a[i : i + 32] for name, a in arrays.items()}
        yield part if list(arrays) != ["arr_0"] else part["arr_0"]


def _tidied(message: onnx.ModelProto, before: onnx.ModelProto) -> onnx.ModelProto:
    """Restore what the quantization tool changes beside the graph: the producer, the metadata, intermediate shapes."""
    message.producer_name, message.producer_version = before.producer_name, before.producer_version
    del message.metadata_props[:]
    message.metadata_props.extend(before.metadata_props)
    del message.graph.value_info[:]
    return message


def _report(method: str, before: bytes, after: bytes, batches: list[dict[str, Any]]) -> QuantizationReport:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pairs = [_outputs(model, batches) for model in (before, after)]
    changes = []
    for name, want in pairs[0].items():
        if want.dtype.kind == "f":
            changes.append(_change(name, want.astype(np.float64), pairs[1][name].astype(np.float64)))
    rows = sum(len(next(iter(batch.values()))) for batch in batches)
    return QuantizationReport(method, len(before), len(after), rows, tuple(changes))


def _outputs(model: bytes, batches: list[dict[str, Any]]) -> dict[str, Array]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    made = [session.run(names, batch) for batch in batches]
    return {name: np.concatenate([np.ravel(m[i]) if m[i].ndim == 0 else m[i].reshape(-1, m[i].shape[-1]) for m in made])
            if len({np.shape(m[i])[-1:] for m in made}) == 1 else np.concatenate([np.ravel(m[i]) for m in made])
            for i, name in enumerate(names)}  # fmt: skip


def _change(name: str, want: Array, got: Array) -> OutputChange:
    far = np.abs(got - want)
    rows = want.ndim == 2 and want.shape[1] > 1
    same = float(np.mean(want.argmax(1) == got.argmax(1))) if rows and len(want) else 1.0
    size = want.size > 0
    return OutputChange(
        name,
        float(far.max()) if size else 0.0,
        float(far.mean()) if size else 0.0,
        float(np.abs(want).max()) if size else 0.0,
        same,
    )


_REPORTS: WeakKeyDictionary[Any, QuantizationReport] = WeakKeyDictionary()


def remember(model: Any, report: QuantizationReport) -> None:
    """Keep the report of a model's last quantized export, for the command line."""
    _REPORTS[model] = report


def last_report(model: Any) -> QuantizationReport | None:
    """Return the report of a model's last quantized export."""
    return _REPORTS.get(model)


def as_json(report: QuantizationReport) -> str:
    """Return the report for the metadata."""
    return json.dumps(asdict(report))
