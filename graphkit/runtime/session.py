"""onnxruntime sessions: choose providers, report which ones run, and keep one session per model."""

from __future__ import annotations

import threading
import warnings
import weakref
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from graphkit.core.deferred import deferred
from graphkit.core.dims import Dim
from graphkit.core.errors import (
    GraphKitError,
    InvalidArgumentError,
    InvalidTypeError,
    RuntimeSessionError,
    UnknownNameError,
)
from graphkit.core.file_kinds import not_binary
from graphkit.core.files import scratch_folder
from graphkit.core.registry import did_you_mean
from graphkit.ir.spec import TensorSpec

Providers: TypeAlias = "str | Sequence[str | tuple[str, Mapping[str, Any]]] | None"

# Short names of onnxruntime's providers.
SHORT_NAMES: dict[str, str] = {
    "TensorRT": "TensorrtExecutionProvider",
    "CUDA": "CUDAExecutionProvider",
    "ROCm": "ROCMExecutionProvider",
    "MIGraphX": "MIGraphXExecutionProvider",
    "CoreML": "CoreMLExecutionProvider",
    "DirectML": "DmlExecutionProvider",
    "OpenVINO": "OpenVINOExecutionProvider",
    "CPU": "CPUExecutionProvider",
}
# What providers=None uses, where available, in this order.
_BEST = ("CUDAExecutionProvider", "ROCMExecutionProvider", "DmlExecutionProvider", "CPUExecutionProvider")
_LOG_ERRORS = 3
_BFLOAT16 = 16  # of onnx.TensorProto.DataType
# Metadata: the names of the state inputs, which come last; the last outputs are their next values.
STATE_KEY = "graphkit.state"
STRUCTURE_KEY = "graphkit.structure"  # metadata: how inputs and outputs are nested
PRODUCER = "graphkit"


def available_providers() -> list[str]:
    """Return the providers that the installed onnxruntime was built with, in its order of preference.

    Raises:
        RuntimeSessionError: onnxruntime cannot be imported.
    """
    return list(_onnxruntime().get_available_providers())


def installed_runtimes() -> list[str]:
    """Return the installed onnxruntime distributions with their versions. Several of them overwrite each other's files."""
    found = {}
    for distribution in metadata.distributions():
        name = str(distribution.metadata["Name"] or "").lower().replace("_", "-")
        if name == "onnxruntime" or (
            name.startswith("onnxruntime-") and name.removeprefix("onnxruntime-") in _VARIANTS
        ):
            found[name] = distribution.version
    return [f"{name} {version}" for name, version in sorted(found.items())]


_VARIANTS = ("gpu", "directml", "openvino", "rocm", "migraphx", "training", "silicon", "cann", "qnn")


def _onnxruntime() -> Any:
    try:
        import onnxruntime  # type: ignore[import-untyped, unused-ignore]
    except ImportError as error:
        raise RuntimeSessionError(
            f"onnxruntime cannot be imported: {error}. Install it with `pip install onnxruntime`."
        ) from error
    return onnxruntime


def resolve_providers(wanted: Providers, strict: bool = False) -> list[Any]:
    """Return full provider names (with their options, if given), in order.

    Args:
        wanted: names or (name, options) pairs; None for the best available. If several are given, those that this
            onnxruntime lacks are skipped with a warning.
        strict: raise if the first one is not available.

    Raises:
        InvalidArgumentError: `wanted` is empty.
        InvalidTypeError: an item is neither a name nor a (name, options) pair.
        RuntimeSessionError: a name is unknown, none of the providers is available, or, with `strict`, the first is not.
    """
    available = available_providers()
    if wanted is None:
        return [name for name in _BEST if name in available]
    asked = [wanted] if isinstance(wanted, str) else list(wanted)
    if not asked:
        raise InvalidArgumentError(
            'providers is empty; name at least one, such as "CPU", or pass None for the best available.'
        )
    named = [_resolve(item, available) for item in asked]
    kept = [item for item in named if _name_of(item) in available]
    missing = [_name_of(item) for item in named if item not in kept]
    if missing:
        gpu = " For CUDA install onnxruntime-gpu instead of onnxruntime." if SHORT_NAMES["CUDA"] in missing else ""
        message = (
            f"Provider {missing[0]!r} is not available in this onnxruntime, which has: {', '.join(available)}.{gpu}"
        )
        if not kept or (strict and named[0] not in kept):
            raise RuntimeSessionError(message)
        warnings.warn(f"{message} The model runs on {', '.join(map(_name_of, kept))}.", stacklevel=4)
    return kept


def _resolve(item: Any, available: Sequence[str]) -> Any:
    name, options = item if isinstance(item, tuple) else (item, None)
    if not isinstance(name, str):
        raise InvalidTypeError(f"A provider is a name or (name, options), got {item!r}.")
    full = {short.lower(): long for short, long in SHORT_NAMES.items()}.get(name.lower(), name)
    if full not in (*SHORT_NAMES.values(), *available):
        raise RuntimeSessionError(
            f"Provider {name!r} is not available in this onnxruntime, which has: {', '.join(available)}."
            f"{did_you_mean(name, [*SHORT_NAMES, *available])}"
        )
    return (full, dict(options)) if options else full


def _name_of(provider: Any) -> str:
    return str(provider[0] if isinstance(provider, tuple) else provider)


def _check_started(wanted: Sequence[Any], got: Sequence[str], strict: bool) -> None:
    """Report what onnxruntime does silently: fall back to another provider if one cannot start (a missing driver)."""
    first = _name_of(wanted[0])
    if first in got:
        return
    message = (
        f"Provider {first!r} could not start (is its driver installed?); onnxruntime fell back to {', '.join(got)}."
    )
    if strict or not any(_name_of(item) in got for item in wanted):
        raise RuntimeSessionError(f"{message} List that provider too, or pass providers=None for the best available.")
    warnings.warn(message, stacklevel=4)


class TensorInfo(NamedTuple):
    """An input or output: its name, its shape (None for free sizes) and its dtype, by Keras name."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str


_DTYPES = {
    "float": "float32", "double": "float64", "float16": "float16", "bfloat16": "bfloat16", "bool": "bool", "string": "string",
    **{name: name for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")},
}  # fmt: skip


class Session:
    """An onnxruntime session for one model. Safe to call from several threads.

    Args:
        model: the path of an .onnx file, its bytes, an onnx.ModelProto, or a document of graphkit.converters.onnx.
        providers: "CPU", "CUDA", ..., full names, (name, options) pairs, or None for the best available.
        threads: number of threads per operator; None uses onnxruntime's default.
        strict: raise if the first provider is not available, instead of warning.
        spins_after_runs: whether threads wait actively for the next run for some milliseconds, which makes it faster to start.

    Attributes:
        raw: the `onnxruntime.InferenceSession`.
        providers: the providers that the session runs on, in order.
        inputs: name, shape and dtype of each input.
        outputs: the same for each output.
        name: the name of the graph.
        metadata: the model's metadata properties.
        is_ours: whether graphkit wrote the model.

    Raises:
        InvalidArgumentError: `providers` is empty, or `threads` is not a positive integer.
        InvalidTypeError: `model` is of an unsupported type.
        RuntimeSessionError: onnxruntime rejects the model or a provider.
        UnknownNameError: there is no such file.
    """

    def __init__(
        self,
        model: Any,
        providers: Providers = None,
        threads: int | None = None,
        strict: bool = False,
        spins_after_runs: bool = True,
    ) -> None:
        ort = _onnxruntime()
        options = ort.SessionOptions()
        options.log_severity_level = _LOG_ERRORS
        if not spins_after_runs:
            options.add_session_config_entry("session.force_spinning_stop", "1")
        if threads is not None:
            if not isinstance(threads, int) or isinstance(threads, bool) or threads < 1:
                raise InvalidArgumentError(f"threads must be a positive integer or None, got {threads!r}.")
            options.intra_op_num_threads = threads
            options.inter_op_num_threads = 1
        wanted = resolve_providers(providers, strict)
        with scratch_folder() as folder:
            source = _source(model, folder)
            try:
                self.raw = ort.InferenceSession(source, options, providers=wanted)
            except Exception as error:
                raise RuntimeSessionError(_load_failure(source, error)) from error
        self.providers: list[str] = list(self.raw.get_providers())
        if providers is not None:
            _check_started(wanted, self.providers, strict)
        try:
            self._read_description()
        except UnicodeDecodeError as error:
            raise RuntimeSessionError(
                f"The names or metadata of {_shown(source)} are not UTF-8 text: {error}."
            ) from None

    def _read_description(self) -> None:
        """Read inputs, outputs and metadata."""
        self.inputs = [_info(node) for node in self.raw.get_inputs()]
        self.outputs = [_info(node) for node in self.raw.get_outputs()]
        self._needs_binding = any(t.dtype == "bfloat16" for t in (*self.inputs, *self.outputs))
        about = self.raw.get_modelmeta()
        self.name: str = about.graph_name
        self.is_ours: bool = about.producer_name == PRODUCER
        self.metadata: dict[str, str] = dict(about.custom_metadata_map)

    def sizes(self, inputs: int, outputs: int) -> list[list[Any]]:
        """Return the shapes of the first inputs and outputs: ints, names of free axes, None for unnamed ones.

        Args:
            inputs: how many inputs.
            outputs: how many outputs.
        """
        nodes = [*self.raw.get_inputs()[:inputs], *self.raw.get_outputs()[:outputs]]
        return [list(node.shape) for node in nodes]

    def run(self, feeds: Mapping[str, Any], weights: Mapping[str, Any] | None = None) -> list[Any]:
        """Return all outputs.

        Args:
            feeds: arrays by input name.
            weights: further arrays by name, for sessions whose weights are inputs.

        Raises:
            RuntimeSessionError: onnxruntime failed; the message quotes it.
        """
        fed = feeds if weights is None else {**feeds, **weights}
        try:
            made: list[Any] = self._run_bound(fed) if self._needs_binding else self.raw.run(None, fed)
            return made
        except Exception as error:
            shapes = ", ".join(f"{n} {np.shape(a)}" for n, a in feeds.items())
            raise RuntimeSessionError(f"onnxruntime could not run the model on {shapes}: {error}") from error

    def _run_bound(self, feeds: Mapping[str, Any]) -> list[Any]:
        """Run with I/O binding, which dtypes that NumPy lacks require."""
        ort = _onnxruntime()
        binding = self.raw.io_binding()
        for info in self.inputs:
            value = _fed_value(feeds[info.name])
            bind = binding.bind_ortvalue_input if isinstance(value, ort.OrtValue) else binding.bind_cpu_input
            bind(info.name, value)
        for info in self.outputs:
            binding.bind_output(info.name)
        self.raw.run_with_iobinding(binding)
        return [_to_numpy(v, info) for v, info in zip(binding.get_outputs(), self.outputs, strict=True)]


def _to_numpy(value: Any, info: TensorInfo) -> Any:
    if info.dtype != "bfloat16":
        return value.numpy()
    import ctypes

    import ml_dtypes

    shape = tuple(value.shape())
    count = int(np.prod(shape, dtype=np.int64))
    raw = ctypes.string_at(value.data_ptr(), 2 * count)
    return np.frombuffer(raw, np.uint16).copy().view(ml_dtypes.bfloat16).reshape(shape)


class Source:
    """The origin of a model, the path of a file or its bytes, from which a pickle reads it again."""

    def __init__(self, model: Any) -> None:
        if not isinstance(model, (str, Path, bytes, bytearray)):
            _check_message(model)
            if not deferred("onnx").is_too_large(model):
                model = _serialized(model)
        self.content: Any = model
        self._was = self._state()

    def _state(self) -> Any:
        path = Path(self.content) if isinstance(self.content, (str, Path)) else None
        return (path.stat().st_mtime_ns, path.stat().st_size) if path is not None and path.is_file() else None

    def read(self) -> Any:
        """Return the model's bytes.

        Raises:
            RuntimeSessionError: the file has changed since it was opened, or the model exceeds 2 GB.
        """
        if self._state() != self._was:
            raise RuntimeSessionError(
                f"{str(self.content)!r} has changed since it was opened, so the Predictor cannot be pickled. Open it again."
            )
        message = deferred("onnx").read_message(Path(self.content)) if self._was is not None else self.content
        if isinstance(message, (bytes, bytearray)):
            return bytes(message)
        if deferred("onnx").is_too_large(message):
            raise RuntimeSessionError(
                "A model over 2 GB cannot be serialized to bytes, so its Predictor cannot be pickled."
            )
        return _serialized(message)


def _check_message(model: Any) -> None:
    if not hasattr(model, "SerializeToString") and not hasattr(model, "serialized"):
        raise InvalidTypeError(
            f"A session expects the path of an ONNX file, its bytes or a ModelProto, got {type(model).__name__}."
        )


def _serialized(model: Any) -> bytes:
    made: bytes = model.serialized() if hasattr(model, "serialized") else model.SerializeToString()
    return made


def _source(model: Any, folder: Path) -> Any:
    """Return what onnxruntime opens: a path, or bytes. A message over protobuf's limit is written to a file in `folder`."""
    if isinstance(model, (str, Path)):
        path = Path(model)
        if not path.is_file():
            raise UnknownNameError(f"There is no file {str(path)!r}.")
        return str(path)
    if isinstance(model, (bytes, bytearray)):
        return bytes(model)
    _check_message(model)
    converter = deferred("onnx")
    if converter.is_too_large(model):
        return str(converter.write_model(model, folder / "model.onnx", external_data=True, check=False))
    return _serialized(model)


_HEAD = 4096  # bytes that are inspected of a model that onnxruntime rejects


def _load_failure(source: Any, error: Exception) -> str:
    """Return the message for a model that onnxruntime rejects; it names the actual kind of file, if that is recognized."""
    if isinstance(source, bytes):
        name, head = "The model", source[:_HEAD]
    else:
        name = repr(source)
        with open(source, "rb") as file:
            head = file.read(_HEAD)
    kind = not_binary(head)
    if kind is not None:
        keras = " Open it with graphkit.load and pass the model to the Predictor." if kind in _LOADED else ""
        return f"{name} is not an ONNX model but {kind}.{keras}"
    if deferred("onnx").recognizes(head) and "INVALID_PROTOBUF" in str(error):
        return f"{name} starts like an ONNX model, but is truncated or damaged: {error}"
    return f"onnxruntime cannot load {name[:1].lower() + name[1:]}: {error}"


_LOADED = ("an HDF5 file", "a zip file", "text in JSON")


def _shown(source: Any) -> str:
    return repr(source) if isinstance(source, str) else "the model"


def _info(node: Any) -> TensorInfo:
    shape = tuple(size if isinstance(size, int) else None for size in node.shape)
    kind = node.type.removeprefix("tensor(").removesuffix(")")
    return TensorInfo(node.name, shape, _DTYPES.get(kind, kind))


# ----- one session per model -----

ROWS_BEFORE_REBUILDING = 256
"""After this many rows with unchanged weights, the weights of a model with convolutions are built in again."""


class ModelSession:
    """A graphkit model in onnxruntime, always with its current weights.

    The first session has the weights built in: onnxruntime packs them and fuses normalizations into convolutions. Once a
    weight changes, it is replaced by a second session, which is kept and has the weights as inputs: it gets the variables' own
    arrays, so nothing is copied or rebuilt when they change. Without packed weights, convolutions take up to twice as
    long, and other layers hardly longer. So the weights of a model with convolutions are built in again after
    `ROWS_BEFORE_REBUILDING` rows without a change.

    Args:
        model: a built functional or sequential model.
        providers: as for `Session`.
        threads: as for `Session`.
        left_out: the indices of the optional inputs that are omitted.

    Attributes:
        inputs: name, shape and dtype of each input that is given.
        states: the variables that each run reads and updates (recurrent states).
    """

    def __init__(self, model: Any, providers: Providers, threads: int | None, left_out: frozenset[int]) -> None:
        self._options = (providers, threads)
        self._program = _inference_program(model, left_out)
        deferred("onnx").check_free_sizes(model, self._program)
        names = [name for i, name in enumerate(model.input_names) if i not in left_out]
        outputs = deferred("onnx").output_names(model)
        self._written = {"input_names": names, "output_names": outputs, "name": model.name}
        self.states = tuple(s.variable for s in self._program.state if s.after is not None)
        self._weights = tuple(s.variable for s in self._program.state if s.after is None)
        self._convolves = any(e.primitive.name.startswith("conv") for e in self._program.equations)
        self._stamp, self._versions = model.stamp(), self._now()
        self._rows = 0  # computed since the weights changed
        self._fed: _FedWeights | None = None
        self._chosen: tuple[Session, dict[str, Any] | None] = self._with_weights_built_in()
        self.inputs = self.session.inputs[: len(names)]
        self._state_names = [info.name for info in self.session.inputs[len(names) : len(names) + len(self.states)]]

    @property
    def session(self) -> Session:
        """The session in use."""
        return self._chosen[0]

    def is_current(self, model: Any) -> bool:
        """Return whether the model still computes the same function, apart from the values of its weights."""
        return bool(self._stamp == model.stamp())

    def prepare(self, rows: int) -> None:
        """Pick up changed weights, and choose the session for the next `rows` rows."""
        with _lock:
            self._prepare(rows)

    def _prepare(self, rows: int) -> None:
        now = self._now()
        changed = now != self._versions
        self._versions = now
        self._rows = rows if changed else self._rows + rows
        built_in = self._chosen[1] is None
        if (changed or not built_in) and self._convolves and self._rows >= ROWS_BEFORE_REBUILDING:
            self._chosen = self._with_weights_built_in()
        elif changed:
            self._fed = self._fed or _FedWeights(self._program, self._written, self._options)
            self._chosen = (self._fed.session, self._fed.values())

    def _now(self) -> tuple[int, ...]:
        return tuple([v.version for v in self._weights])

    def _with_weights_built_in(self) -> tuple[Session, None]:
        return Session(deferred("onnx").program_to_document(self._program, **self._written), *self._options), None

    def takes_rows(self, rows: int) -> bool:
        """Return whether the model accepts a batch of `rows` rows: the batch size of an Input may be fixed."""
        return all(not i.shape or i.shape[0] in (None, rows) for i in self.inputs)

    def run(self, arrays: Sequence[Any]) -> list[Any]:
        """Return the model's outputs, in order, for one array per input; update the states."""
        feeds = {info.name: array for info, array in zip(self.inputs, arrays, strict=True)}
        feeds.update({name: v.array for name, v in zip(self._state_names, self.states, strict=True)})
        session, weights = self._chosen
        results = session.run(feeds, weights)
        if not self.states:
            return results
        count = len(results) - len(self.states)
        for variable, value in zip(self.states, results[count:], strict=True):
            variable.assign(value)
        return results[:count]


class _FedWeights:
    """A session whose weights are inputs, and the arrays to feed for them.

    A weight whose layout does not change is fed as the variable's own array, without a copy.
    """

    def __init__(self, program: Any, written: Mapping[str, Any], options: tuple[Providers, int | None]) -> None:
        document, weights = deferred("onnx").program_with_weights_fed(program, **written)
        # Weights change because the model is trained: threads that wait for the next run would take the cores from the engine's.
        self.session = Session(document, *options, spins_after_runs=False)
        self._moved = {name: weight for name, weight in weights.items() if weight[1]}
        self._own = [(name, variable) for name, (variable, steps) in weights.items() if not steps]
        self._sources: list[Any] = [None] * len(self._own)
        self._apply_steps = deferred("onnx").apply_steps
        self._values: dict[str, Any] = {}

    def values(self) -> dict[str, Any]:
        """Return the current arrays to feed for the weights, by name."""
        made = {
            name: _fed_value(self._apply_steps(variable.array, steps))
            for name, (variable, steps) in self._moved.items()
        }
        for place, (name, variable) in enumerate(self._own):
            array = variable.array
            if self._sources[place] is not array or not array.flags.c_contiguous:  # a new array, or a copy each time
                self._sources[place], self._values[name] = array, _fed_value(array)
        return {**self._values, **made}


def _fed_value(array: Any) -> Any:
    """Return an input for `run`: the array itself, or an OrtValue for dtypes that NumPy lacks."""
    if not isinstance(array, np.ndarray):
        return array  # an OrtValue already
    array = np.ascontiguousarray(array)
    if array.dtype.name != "bfloat16":
        return array
    return _onnxruntime().OrtValue.ortvalue_from_numpy_with_onnx_type(array.view(np.uint16), _BFLOAT16)


def _inference_program(model: Any, left_out: frozenset[int] = frozenset()) -> Any:
    """Return the inference program with a free batch size, which calls on arrays allow even where an Input fixes one.

    A stateful model, or one that cannot be traced that way, keeps its batch size.
    """
    deferred("onnx").check_has_graph(model)
    own = [None if i in left_out else t.spec for i, t in enumerate(model.inputs)]
    free = [spec if spec is None or not spec.shape else _with_free_rows(spec) for spec in own]
    if free != own and not any(getattr(layer, "stateful", False) for layer in model._walk_layers()):
        try:
            return model.program(training=False, specs=free)
        except GraphKitError:
            pass
    return model.program(training=False, specs=own)


def _with_free_rows(spec: TensorSpec) -> TensorSpec:
    rows, *others = spec.shape
    return TensorSpec((Dim.named("batch"), *others), spec.dtype) if isinstance(rows, int) else spec


_sessions: weakref.WeakKeyDictionary[Any, dict[Any, ModelSession]] = weakref.WeakKeyDictionary()
_lock = threading.RLock()
_KEPT = 4  # sessions of one model


def session_for(
    model: Any,
    providers: Providers = None,
    threads: int | None = None,
    left_out: frozenset[int] = frozenset(),
    rows: int = 0,
) -> ModelSession:
    """Return the session for a model's inference, kept until anything but the values of its weights changes.

    Args:
        model: a built functional or sequential model.
        providers: as for `Session`.
        threads: as for `Session`.
        left_out: the indices of the optional inputs that are omitted.
        rows: how many rows are about to be computed.

    Raises:
        ExportError: the model cannot be expressed in ONNX.
        RuntimeSessionError: onnxruntime rejects the model or a provider.
    """
    settings = (repr(providers), threads, left_out, model.stamp().trainable)  # GANs switch `trainable` back and forth
    with _lock:
        sessions = _sessions.setdefault(model, {})
        kept = sessions.get(settings)
        if kept is None or not kept.is_current(model):
            kept = sessions[settings] = ModelSession(model, providers, threads, left_out)
            while len(sessions) > _KEPT:
                sessions.pop(next(iter(sessions)))
        kept.prepare(rows)
        return kept


def model_as_onnx(model: Any) -> Any:
    """Return a graphkit model as an ONNX message, without its layer config.

    Raises:
        ExportError: the model cannot be expressed in ONNX.
        NotBuiltError: the model has its own `call`, and was not called yet.
    """
    onnx = deferred("onnx")
    graph = onnx.with_graph(model)
    return onnx.model_to_onnx(graph, config=False, program=_inference_program(graph))
