"""Sessions of onnxruntime: the providers asked for, the ones got, one session a model while its weights stay."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from graphkit.core.errors import InvalidArgumentError, InvalidTypeError, RuntimeSessionError, UnknownNameError
from graphkit.core.files import scratch_folder
from graphkit.core.late import room
from graphkit.core.registry import did_you_mean

Providers: TypeAlias = "str | Sequence[str | tuple[str, Mapping[str, Any]]] | None"

# Short names of providers, the best first: that is the order of a session that is not told otherwise.
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
_BEST = ("CUDAExecutionProvider", "ROCMExecutionProvider", "DmlExecutionProvider", "CPUExecutionProvider")
_LOG_ERRORS = 3
STATE_KEY = "graphkit.state"  # metadata: the paths of the variables behind the further inputs and outputs


def available_providers() -> list[str]:
    """The providers that the installed onnxruntime was built with, the best first."""
    return list(_onnxruntime().get_available_providers())


def installed_runtimes() -> list[str]:
    """The installed distributions of onnxruntime with their versions. More than one overwrite each other's files."""
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


def resolve_providers(wanted: Providers) -> list[Any]:
    """Full provider names (with options where given), in order. None: the best that are available.

    Raises RuntimeSessionError for a provider that this onnxruntime does not have, naming those that it has.
    """
    available = available_providers()
    if wanted is None:
        return [name for name in _BEST if name in available]
    asked = [wanted] if isinstance(wanted, str) else list(wanted)
    if not asked:
        raise InvalidArgumentError(
            'providers is empty; name at least one, such as "CPU", or pass None for the best available.'
        )
    return [_resolve(item, available) for item in asked]


def _resolve(item: Any, available: Sequence[str]) -> Any:
    name, options = item if isinstance(item, tuple) else (item, None)
    if not isinstance(name, str):
        raise InvalidTypeError(f"A provider is a name or (name, options), got {item!r}.")
    full = {short.lower(): long for short, long in SHORT_NAMES.items()}.get(name.lower(), name)
    if full not in available:
        have = ", ".join(available)
        hint = did_you_mean(name, [*SHORT_NAMES, *available]) if full not in SHORT_NAMES.values() else ""
        gpu = " For CUDA install onnxruntime-gpu in place of onnxruntime." if full == SHORT_NAMES["CUDA"] else ""
        raise RuntimeSessionError(
            f"Provider {name!r} is not available in this onnxruntime, which has: {have}.{hint}{gpu}"
        )
    return (full, dict(options)) if options else full


class TensorInfo(NamedTuple):
    """An input or output: its name, its shape (None where a size is free) and its dtype by Keras' name."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str


_DTYPES = {
    "float": "float32", "double": "float64", "float16": "float16", "bfloat16": "bfloat16", "bool": "bool", "string": "string",
    **{name: name for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")},
}  # fmt: skip


class Session:
    """An onnxruntime session on one model; safe to call from several threads.

    Args:
        model: the path of an .onnx file, its bytes, an onnx.ModelProto, or a document of graphkit.converters.onnx.
        providers: "CPU", "CUDA", ..., full names, (name, options) pairs, or None for the best available.
        threads: threads of one operator; None leaves it to onnxruntime.

    Raises RuntimeSessionError for a model or provider that onnxruntime refuses.
    """

    def __init__(self, model: Any, providers: Providers = None, threads: int | None = None) -> None:
        ort = _onnxruntime()
        options = ort.SessionOptions()
        options.log_severity_level = _LOG_ERRORS
        if threads is not None:
            if not isinstance(threads, int) or isinstance(threads, bool) or threads < 1:
                raise InvalidArgumentError(f"threads must be a positive integer or None, got {threads!r}.")
            options.intra_op_num_threads = threads
            options.inter_op_num_threads = 1
        wanted = resolve_providers(providers)
        with scratch_folder() as folder:
            source = _source(model, folder)
            try:
                self.raw = ort.InferenceSession(source, options, providers=wanted)
            except Exception as error:
                raise RuntimeSessionError(f"onnxruntime refuses the model: {error}") from error
        self.providers: list[str] = list(self.raw.get_providers())
        self._insist(wanted, providers)
        self.inputs = [_info(node) for node in self.raw.get_inputs()]
        self.outputs = [_info(node) for node in self.raw.get_outputs()]
        self._needs_binding = any(t.dtype == "bfloat16" for t in (*self.inputs, *self.outputs))
        self.metadata: dict[str, str] = dict(self.raw.get_modelmeta().custom_metadata_map)

    def _insist(self, wanted: Sequence[Any], asked: Providers) -> None:
        """onnxruntime falls back silently where a provider cannot start (a missing driver); one that was asked for must be there."""
        first = wanted[0][0] if isinstance(wanted[0], tuple) else wanted[0]
        if asked is not None and first not in self.providers:
            raise RuntimeSessionError(
                f"Provider {first!r} could not start (is its driver installed?); onnxruntime fell back to {', '.join(self.providers)}. "
                "Ask for that one, or pass providers=None to take what works."
            )

    def run(self, feeds: Mapping[str, Any]) -> list[Any]:
        """All outputs for these inputs. Raises RuntimeSessionError with onnxruntime's words."""
        try:
            made: list[Any] = self._run_bound(feeds) if self._needs_binding else self.raw.run(None, feeds)
            return made
        except Exception as error:
            shapes = ", ".join(f"{n} {np.shape(a)}" for n, a in feeds.items())
            raise RuntimeSessionError(f"onnxruntime could not run the model on {shapes}: {error}") from error

    def _run_bound(self, feeds: Mapping[str, Any]) -> list[Any]:
        """By I/O binding: the way for dtypes that NumPy does not have by itself."""
        ort = _onnxruntime()
        binding = self.raw.io_binding()
        for info in self.inputs:
            array = np.ascontiguousarray(feeds[info.name])
            if info.dtype == "bfloat16":
                value = ort.OrtValue.ortvalue_from_numpy_with_onnx_type(array.view(np.uint16), 16)
                binding.bind_ortvalue_input(info.name, value)
            else:
                binding.bind_cpu_input(info.name, array)
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


def _source(model: Any, folder: Path) -> Any:
    """What onnxruntime opens: a path, or bytes. A message over protobuf's limit goes through a file in `folder`."""
    if isinstance(model, (str, Path)):
        path = Path(model)
        if not path.is_file():
            raise UnknownNameError(f"There is no file {str(path)!r}.")
        return str(path)
    if isinstance(model, (bytes, bytearray)):
        return bytes(model)
    if not hasattr(model, "SerializeToString") and not hasattr(model, "serialized"):
        raise InvalidTypeError(
            f"A session wants the path of an ONNX file, its bytes or a ModelProto, got {type(model).__name__}."
        )
    converter = room("onnx")
    if converter.is_too_large(model):
        return str(converter.write_model(model, folder / "model.onnx", external_data=True, check=False))
    return model.serialized() if hasattr(model, "serialized") else model.SerializeToString()


def _info(node: Any) -> TensorInfo:
    shape = tuple(size if isinstance(size, int) else None for size in node.shape)
    kind = node.type.removeprefix("tensor(").removesuffix(")")
    return TensorInfo(node.name, shape, _DTYPES.get(kind, kind))


# ----- one session a model -----


class ModelSession:
    """The session of a graphkit model as its weights are now.

    Attributes:
        session: the session itself.
        states: the variables that each run changes (recurrent states); they are read from and written back.
    """

    def __init__(self, model: Any, providers: Providers, threads: int | None) -> None:
        program = model.program(training=False)
        room("onnx").check_free_sizes(model, program)
        document = room("onnx").program_to_document(program, model.input_names, model.output_names, name=model.name)
        self.session = Session(document, providers, threads)
        self.states = tuple(s.variable for s in program.state if s.after is not None)
        self._state_names = [info.name for info in self.session.inputs[len(program.inputs) :]]
        self._weights = tuple(s.variable for s in program.state if s.after is None)
        self._versions = tuple(v.version for v in self._weights)
        self._graph = _graph_of(model)

    def is_current(self, model: Any) -> bool:
        """Whether neither the weights that inference reads nor the graph of layers are others by now."""
        return self._graph is _graph_of(model) and self._versions == tuple([v.version for v in self._weights])

    def run(self, feeds: Mapping[str, Any]) -> list[Any]:
        """The model's outputs for these inputs."""
        if not self.states:
            return self.session.run(feeds)
        own = {name: v.array for name, v in zip(self._state_names, self.states, strict=True)}
        results = self.session.run({**feeds, **own})
        count = len(results) - len(self.states)
        for variable, value in zip(self.states, results[count:], strict=True):
            variable.assign(value)
        return results[:count]


def _graph_of(model: Any) -> Any:
    """What changes when layers are added or taken away: the functional graph inside a Sequential (None: it never changes)."""
    return getattr(model, "_functional", None)


_sessions: weakref.WeakKeyDictionary[Any, dict[Any, ModelSession]] = weakref.WeakKeyDictionary()
_lock = threading.RLock()


def session_for(model: Any, providers: Providers = None, threads: int | None = None) -> ModelSession:
    """The session on a graphkit model's inference program, kept until a weight or the graph changes.

    A weight counts as changed when its `version` is another one. Variables that inference itself changes do not count.
    """
    settings = (repr(providers), threads)
    with _lock:
        kept = _sessions.setdefault(model, {}).get(settings)
        if kept is None or not kept.is_current(model):
            kept = _sessions[model][settings] = ModelSession(model, providers, threads)
        return kept


def model_as_onnx(model: Any) -> Any:
    """A graphkit model as an ONNX message."""
    return room("onnx").model_to_onnx(model, config=False)
