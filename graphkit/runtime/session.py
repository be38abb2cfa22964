"""Sessions of onnxruntime: the providers asked for, the ones got, one session a model while its weights stay."""

from __future__ import annotations

import json
import tempfile
import threading
import weakref
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from graphkit.core.errors import InvalidArgumentError, InvalidTypeError, RuntimeSessionError, UnknownNameError
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
        if name == "onnxruntime" or (name.startswith("onnxruntime-") and name.removeprefix("onnxruntime-") in _VARIANTS):
            found[name] = distribution.version
    return [f"{name} {version}" for name, version in sorted(found.items())]


_VARIANTS = ("gpu", "directml", "openvino", "rocm", "migraphx", "training", "silicon", "cann", "qnn")


def _onnxruntime() -> Any:
    try:
        import onnxruntime  # type: ignore[import-untyped, unused-ignore]
    except ImportError as error:
        raise RuntimeSessionError(f"onnxruntime cannot be imported: {error}. Install it with `pip install onnxruntime`.") from error
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
        raise InvalidArgumentError('providers is empty; name at least one, such as "CPU", or pass None for the best available.')
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
        raise RuntimeSessionError(f"Provider {name!r} is not available in this onnxruntime, which has: {have}.{hint}{gpu}")
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
        model: the path of an .onnx file, its bytes, or an onnx.ModelProto.
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
        with tempfile.TemporaryDirectory(prefix="graphkit-") as folder:
            source = _source(model, folder)
            try:
                self.raw = ort.InferenceSession(source, options, providers=wanted)
            except Exception as error:
                raise RuntimeSessionError(f"onnxruntime refuses the model: {error}") from error
        self.providers: list[str] = list(self.raw.get_providers())
        self._insist(wanted, providers)
        self.inputs = [_info(node) for node in self.raw.get_inputs()]
        self.outputs = [_info(node) for node in self.raw.get_outputs()]
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
        plain = {name: _plain(array) for name, array in feeds.items()}
        try:
            if any(array is None for array in plain.values()) or self._has_bfloat16():
                return self._run_bound(feeds)
            return list(self.raw.run(None, plain))
        except Exception as error:
            shapes = ", ".join(f"{n} {np.shape(a)}" for n, a in feeds.items())
            raise RuntimeSessionError(f"onnxruntime could not run the model on {shapes}: {error}") from error

    def _has_bfloat16(self) -> bool:
        return any(t.dtype == "bfloat16" for t in (*self.inputs, *self.outputs))

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


def _plain(array: Any) -> Any:
    """The array as NumPy alone knows it; None for bfloat16, which it does not."""
    return None if getattr(array, "dtype", None) is not None and array.dtype.name == "bfloat16" else array


def _to_numpy(value: Any, info: TensorInfo) -> Any:
    if info.dtype != "bfloat16":
        return value.numpy()
    import ctypes

    import ml_dtypes

    shape = tuple(value.shape())
    count = int(np.prod(shape, dtype=np.int64))
    raw = ctypes.string_at(value.data_ptr(), 2 * count)
    return np.frombuffer(raw, np.uint16).copy().view(ml_dtypes.bfloat16).reshape(shape)


def _source(model: Any, folder: str) -> Any:
    """What onnxruntime opens: a path, or bytes. A message over protobuf's limit goes through a file in `folder`."""
    if isinstance(model, (str, Path)):
        path = Path(model)
        if not path.is_file():
            raise UnknownNameError(f"There is no file {str(path)!r}.")
        return str(path)
    if isinstance(model, (bytes, bytearray)):
        return bytes(model)
    if not hasattr(model, "SerializeToString"):
        raise InvalidTypeError(f"A session wants the path of an ONNX file, its bytes or a ModelProto, got {type(model).__name__}.")
    converter = room("onnx")
    if converter.is_too_large(model):
        return str(converter.write_model(model, Path(folder) / "model.onnx", external_data=True, check=False))
    return model.SerializeToString()


def _info(node: Any) -> TensorInfo:
    shape = tuple(size if isinstance(size, int) else None for size in node.shape)
    kind = node.type.removeprefix("tensor(").removesuffix(")")
    return TensorInfo(node.name, shape, _DTYPES.get(kind, kind))


# ----- one session a model -----


class ModelSession(NamedTuple):
    """The session of a graphkit model, and the variables that each run changes (recurrent states)."""

    session: Session
    states: tuple[Any, ...]
    key: Any

    def run(self, feeds: Mapping[str, Any]) -> list[Any]:
        """The model's outputs for these inputs; states are read from the variables and written back."""
        own = {v.path: v.array for v in self.states}
        results = self.session.run({**feeds, **own} if own else feeds)
        count = len(results) - len(self.states)
        for variable, value in zip(self.states, results[count:], strict=True):
            variable.assign(value)
        return results[:count]


_sessions: weakref.WeakKeyDictionary[Any, dict[Any, ModelSession]] = weakref.WeakKeyDictionary()
_lock = threading.RLock()


def session_for(model: Any, providers: Providers = None, threads: int | None = None) -> ModelSession:
    """The session on a graphkit model's inference program; kept until a weight changes.

    A weight counts as changed when its `version` is another one, or the model has other weights. Variables that the
    inference itself changes do not count.
    """
    settings = (repr(providers), threads)
    with _lock:
        kept = _sessions.setdefault(model, {}).get(settings)
        if kept is not None and kept.key == weights_key(model, kept.states):
            return kept
        session = Session(model_as_onnx(model), providers, threads)
        paths = json.loads(session.metadata.get(STATE_KEY, "[]"))
        by_path = {v.path: v for v in _variables(model)}
        states = tuple(by_path[path] for path in paths)
        made = ModelSession(session, states, weights_key(model, states))
        _sessions[model][settings] = made
        return made


def weights_key(model: Any, states: Sequence[Any] = ()) -> tuple[tuple[int, int], ...]:
    """What tells the present numbers of a model's weights from others."""
    skipped = {id(v) for v in states}
    return tuple((id(v), v.version) for v in _variables(model) if id(v) not in skipped)


def _variables(model: Any) -> Sequence[Any]:
    own = getattr(model, "variables", None)
    return list(own if own is not None else model.weights)


def model_as_onnx(model: Any) -> Any:
    """A graphkit model as an ONNX message."""
    return room("onnx").model_to_onnx(model, config=False)
