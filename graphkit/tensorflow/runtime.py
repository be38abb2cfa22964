"""What scripts use besides computation: settings, devices, checks, printing, errors, versions."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple

import numpy as np

from graphkit.core import errors, nest
from graphkit.core.errors import InvalidArgumentError, UnsupportedError
from graphkit.core.files import open_log
from graphkit.tensorflow.dtypes import as_dtype
from graphkit.tensorflow.table import NAMES, alike, as_tensor, dtype_of, is_deferred, shape_of, tensorflow

VERSION = "2.21.0"
"""The version of TensorFlow whose names these are."""

# ----- printing -----


def text_of_tensor(value: Any, summarize: int = 3) -> str:
    """Return a tensor as `tf.print` writes it: elements separated by spaces, of long axes only the first and last."""
    if isinstance(value, (str, int, float, bool)) or value is None:
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k!r}: {text_of_tensor(v, summarize)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        inner = ", ".join(text_of_tensor(v, summarize) for v in value)
        return f"[{inner}]" if isinstance(value, list) else f"({inner})"
    if is_deferred(value):
        return f"<tensor of shape {shape_of(value)} without a value yet>"
    return _elements(np.asarray(value), summarize)


def _elements(array: Any, summarize: int) -> str:
    if not array.ndim:
        item = array[()]
        if isinstance(item, bytes):
            return item.decode("utf-8", "replace")
        if array.dtype.kind == "f":
            if 1e-4 <= abs(float(item)) < 1e9 or not float(item):
                return np.format_float_positional(item, trim="-")
            return f"{float(item):.9g}" if array.dtype.itemsize == 4 else f"{float(item):.17g}"
        return str(int(item)) if array.dtype.kind != "b" else str(int(bool(item)))
    size = len(array)
    if summarize < 0 or size <= 2 * summarize:
        parts = [_elements(row, summarize) for row in array]
    else:
        parts = [_elements(row, summarize) for row in array[:summarize]]
        parts += ["...", *(_elements(row, summarize) for row in array[-summarize:])]
    between = " " if array.ndim == 1 else "\n" * (array.ndim - 1) + " "
    return f"[{between.join(parts)}]"


def print_(
    *inputs: Any, output_stream: Any = None, summarize: int = 3, sep: str = " ", end: str = "\n", name: Any = None
) -> None:
    """Print tensors, to the standard error stream by default. Source: tf.print."""
    stream = output_stream
    text = sep.join(text_of_tensor(part, summarize) for part in inputs) + end
    if isinstance(stream, str):
        if stream.startswith("file://"):
            with open_log(stream.removeprefix("file://"), "a", encoding="utf-8") as file:
                file.write(text)
            return
        stream = sys.stdout if "stdout" in stream else sys.stderr
    if callable(stream) and not hasattr(stream, "write"):
        stream(text.removesuffix("\n"))
        return
    (sys.stderr if stream is None else stream).write(text)


# ----- scopes -----


class name_scope(nullcontext[Any]):  # noqa: N801  # TensorFlow's name
    """A scope without effect: the names of TensorFlow's operations have no counterpart here. Source: tf.name_scope."""

    def __init__(self, name: Any = None, *_: Any, **__: Any) -> None:
        super().__init__(str(name))
        self.name = name


@contextmanager
def _no_scope(*_: Any, **__: Any) -> Iterator[None]:
    yield


def control_dependencies(control_inputs: Any) -> Any:
    """A scope without effect: operations run in the order of the code. Source: tf.control_dependencies."""
    return nullcontext(control_inputs)


def variable_creator_scope(variable_creator: Any) -> Any:
    """Not provided. Source: tf.variable_creator_scope."""
    raise UnsupportedError("tf.variable_creator_scope is not supported; create the variables with the function itself.")


def device(device_name: Any) -> Any:
    """A scope without effect: training runs on the CPUs. Source: tf.device."""
    return nullcontext(device_name)


# ----- settings -----


class PhysicalDevice(NamedTuple):
    """A device of this machine. Source: tf.config.PhysicalDevice."""

    name: str
    device_type: str


_CPU = PhysicalDevice("/physical_device:CPU:0", "CPU")
_settings: dict[str, Any] = {"eager": False, "intra": 0, "inter": 0, "soft": True}


def list_physical_devices(device_type: str | None = None) -> list[PhysicalDevice]:
    """Return the CPU, and no other device. Source: tf.config.list_physical_devices."""
    return [_CPU] if device_type in (None, "CPU") else []


def _logical_devices(device_type: str | None = None) -> list[PhysicalDevice]:
    return [PhysicalDevice("/device:CPU:0", "CPU")] if device_type in (None, "CPU") else []


def run_functions_eagerly(run_eagerly: bool) -> None:
    """Let `tf.function` call functions as they are. Source: tf.config.run_functions_eagerly."""
    _settings["eager"] = bool(run_eagerly)


def functions_run_eagerly() -> bool:
    """Return what `run_functions_eagerly` set. Source: tf.config.functions_run_eagerly."""
    return bool(_settings["eager"])


def _nothing(*_: Any, **__: Any) -> None:
    """Accept a setting that has no meaning here."""


def group(*inputs: Any) -> None:
    """Return nothing: the operations have run already. Source: tf.group."""


def enable_check_numerics(stack_height_limit: int = 30, path_length_limit: int = 50) -> None:
    """Not provided. Source: tf.debugging.enable_check_numerics."""
    raise UnsupportedError(
        "tf.debugging.enable_check_numerics is not supported; use keras.callbacks.TerminateOnNaN, or tf.debugging.check_numerics."
    )


def set_log_device_placement(enabled: bool) -> None:
    """Accept a setting that has no meaning here. Source: tf.debugging.set_log_device_placement."""


def _set(key: str) -> Callable[[Any], None]:
    def call(value: Any) -> None:
        _settings[key] = value

    return call


def _memory_info(device: str = "CPU:0") -> dict[str, int]:
    return {"current": 0, "peak": 0}


# ----- functions -----


def function(
    func: Any = None, input_signature: Any = None, autograph: bool = True, jit_compile: Any = None, reduce_retracing: bool = False,
    experimental_implements: Any = None, experimental_autograph_options: Any = None, experimental_attributes: Any = None,
    experimental_relax_shapes: Any = None, experimental_compile: Any = None, experimental_follow_type_hints: Any = None,
) -> Any:  # fmt: skip
    """Compile a function by tracing it. `autograph` has no effect: write `tf.cond` and `tf.while_loop`. Source: tf.function."""

    def decorate(plain: Callable[..., Any]) -> Any:
        import graphkit

        compile_ = getattr(graphkit, "function", None)
        if compile_ is None or functions_run_eagerly():
            return plain
        return compile_(plain) if input_signature is None else compile_(plain, input_signature=input_signature)

    return decorate if func is None else decorate(func)


# ----- checks -----


def _failed(what: str, message: Any, x: Any, y: Any = None) -> InvalidArgumentError:
    own = f"{message} " if message else ""
    values = f"x = {text_of_tensor(x)}" + ("" if y is None else f", y = {text_of_tensor(y)}")
    return InvalidArgumentError(f"{own}{what} {values}")


def _comparison(what: str, compare: Callable[[Any, Any], Any]) -> Callable[..., None]:
    def check(x: Any, y: Any, message: Any = None, summarize: Any = None) -> None:
        if is_deferred(x) or is_deferred(y):
            return
        a, b = (np.asarray(v) for v in alike(x, y))
        if not bool(np.all(compare(a, b))):
            raise _failed(f"Condition x {what} y did not hold.", message, a, b)

    return check


def _sign(what: str, holds: Callable[[Any], Any]) -> Callable[..., None]:
    def check(x: Any, message: Any = None, summarize: Any = None) -> None:
        if not is_deferred(x) and not bool(np.all(holds(np.asarray(as_tensor(x))))):
            raise _failed(f"Condition x {what} did not hold.", message, np.asarray(as_tensor(x)))

    return check


for _names, _symbol, _compare in (
    ("debugging.assert_equal assert_equal", "==", np.equal),
    ("debugging.assert_less assert_less", "<", np.less), ("debugging.assert_less_equal", "<=", np.less_equal),
    ("debugging.assert_greater assert_greater", ">", np.greater), ("debugging.assert_greater_equal", ">=", np.greater_equal),
):  # fmt: skip
    tensorflow(_names, tensors="")(_comparison(_symbol, _compare))
for _names, _what, _holds in (
    ("debugging.assert_positive", "> 0", lambda x: x > 0), ("debugging.assert_non_negative", ">= 0", lambda x: x >= 0),
    ("debugging.assert_negative", "< 0", lambda x: x < 0), ("debugging.assert_non_positive", "<= 0", lambda x: x <= 0),
):  # fmt: skip
    tensorflow(_names, tensors="")(_sign(_what, _holds))


@tensorflow("debugging.assert_none_equal", tensors="")
def _assert_none_equal(x: Any, y: Any, summarize: Any = None, message: Any = None) -> None:
    _comparison("!=", np.not_equal)(x, y, message)


@tensorflow("debugging.assert_near", tensors="")
def _assert_near(
    x: Any, y: Any, rtol: Any = None, atol: Any = None, message: Any = None, summarize: Any = None
) -> None:
    if is_deferred(x) or is_deferred(y):
        return
    a, b = (np.asarray(v) for v in alike(x, y))
    least = 10 * float(np.finfo(a.dtype).eps)
    if not np.all(np.abs(a - b) <= (least if atol is None else atol) + (least if rtol is None else rtol) * np.abs(b)):
        raise _failed("x and y not equal to tolerance.", message, a, b)


@tensorflow("debugging.Assert Assert", tensors="")
def _assert(condition: Any, data: Any, summarize: Any = None) -> None:
    if not is_deferred(condition) and not bool(np.all(np.asarray(condition))):
        raise InvalidArgumentError(f"assertion failed: {' '.join(f'[{text_of_tensor(d)}]' for d in data)}")


@tensorflow("debugging.assert_rank assert_rank", tensors="")
def _assert_rank(x: Any, rank: Any, message: Any = None) -> None:
    _check_rank(x, [int(np.asarray(rank))], lambda own, ranks: own == ranks[0], message, "")


@tensorflow("debugging.assert_rank_at_least", tensors="")
def _assert_rank_at_least(x: Any, rank: Any, message: Any = None) -> None:
    _check_rank(x, [int(np.asarray(rank))], lambda own, ranks: own >= ranks[0], message, "at least ")


@tensorflow("debugging.assert_rank_in", tensors="")
def _assert_rank_in(x: Any, ranks: Any, message: Any = None) -> None:
    _check_rank(x, [int(np.asarray(r)) for r in ranks], lambda own, ranks: own in ranks, message, "one of ")


def _check_rank(x: Any, ranks: Sequence[int], fits: Callable[[int, Any], bool], message: Any, how: str) -> None:
    own = len(shape_of(x if is_deferred(x) else as_tensor(x)))
    if not fits(own, ranks):
        said = f"{message} " if message else ""
        raise errors.ShapeError(f"{said}The tensor must have rank {how}{', '.join(map(str, ranks))}, got rank {own}.")


@tensorflow("debugging.assert_scalar", tensors="")
def _assert_scalar(tensor: Any, message: Any = None) -> Any:
    _check_rank(tensor, [0], lambda own, ranks: own == 0, message, "")
    return tensor


@tensorflow("debugging.assert_type", tensors="")
def _assert_type(tensor: Any, tf_type: Any, message: Any = None) -> None:
    if as_dtype(dtype_of(tensor)) != as_dtype(tf_type):
        said = f"{message} " if message else ""
        raise errors.DTypeError(
            f"{said}The tensor must have dtype {as_dtype(tf_type)!r}, got {as_dtype(dtype_of(tensor))!r}."
        )


@tensorflow("debugging.assert_integer", tensors="")
def _assert_integer(x: Any, message: Any = None) -> None:
    if "int" not in dtype_of(x):
        raise errors.DTypeError(f"{message or ''} Expected an integer tensor, got {dtype_of(x)}.".strip())


@tensorflow("debugging.assert_shapes", tensors="")
def _assert_shapes(shapes: Any, data: Any = None, summarize: Any = None, message: Any = None) -> None:
    sizes: dict[Any, Any] = {}
    for tensor, wanted in shapes.items() if isinstance(shapes, dict) else shapes:
        own = shape_of(tensor if is_deferred(tensor) else as_tensor(tensor))
        if len(own) != len(wanted) or any(
            (isinstance(w, str) and w not in (".", "*") and sizes.setdefault(w, o) != o)
            or (isinstance(w, int) and w != o)
            for w, o in zip(wanted, own, strict=True)
        ):
            raise errors.ShapeError(
                f"{message or 'tf.debugging.assert_shapes:'} expected shape {tuple(wanted)}, got {own}."
            )


@tensorflow("debugging.check_numerics", tensors="tensor")
def _check_numerics(tensor: Any, message: str) -> Any:
    if not is_deferred(tensor) and not bool(np.all(np.isfinite(np.asarray(tensor)))):
        what = "NaN" if np.isnan(np.asarray(tensor)).any() else "Inf"
        raise InvalidArgumentError(f"{message} : Tensor had {what} values")
    return tensor


@tensorflow("debugging.assert_all_finite", tensors="x")
def _assert_all_finite(x: Any, message: str) -> Any:
    return _check_numerics(x, message)


# ----- placement of several replicas -----


class Strategy:
    """One replica on this machine: a scope without effect. Source: tf.distribute.Strategy."""

    num_replicas_in_sync = 1

    def scope(self) -> Any:
        """Return a scope without effect."""
        return nullcontext(self)

    def run(self, fn: Callable[..., Any], args: Sequence[Any] = (), kwargs: Any = None, options: Any = None) -> Any:
        """Call the function."""
        return fn(*args, **(kwargs or {}))

    def reduce(self, reduce_op: Any, value: Any, axis: Any) -> Any:
        """Return the value, summed or averaged along an axis."""
        from graphkit import ops

        if axis is None:
            return value
        return (ops.mean if "MEAN" in str(reduce_op).upper() else ops.sum)(value, axis=axis)

    def experimental_distribute_dataset(self, dataset: Any, options: Any = None) -> Any:
        """Return the data set."""
        return dataset

    def experimental_local_results(self, value: Any) -> tuple[Any, ...]:
        """Return the value, in a tuple."""
        return (value,)

    def gather(self, value: Any, axis: int) -> Any:
        """Return the value."""
        return value

    @property
    def extended(self) -> Strategy:
        """The strategy itself."""
        return self


class MirroredStrategy(Strategy):
    """One replica: this machine's CPUs train as one device. Source: tf.distribute.MirroredStrategy."""

    def __init__(self, devices: Any = None, cross_device_ops: Any = None) -> None:
        if devices is not None and len(list(devices)) > 1:
            raise UnsupportedError(
                "tf.distribute.MirroredStrategy over several devices is not supported: training runs on the CPUs of one machine. "
                "Leave `devices` out."
            )


class OneDeviceStrategy(Strategy):
    """One replica. Source: tf.distribute.OneDeviceStrategy."""

    def __init__(self, device: Any = None) -> None:
        self.device = device


_strategy = Strategy()


class ReduceOp:
    """How results of replicas are joined. Source: tf.distribute.ReduceOp."""

    SUM, MEAN = "SUM", "MEAN"


# ----- tests and structures -----


def _raise_deferred(name: str, hint: str) -> Callable[..., Any]:
    def call(*_: Any, **__: Any) -> Any:
        raise UnsupportedError(f"tf.{name} is not supported: {hint}")

    return call


def _flatten(structure: Any, expand_composites: bool = False) -> list[Any]:
    return nest.flatten(structure)


def _map_structure(func: Callable[..., Any], *structure: Any, **_: Any) -> Any:
    flat = [nest.flatten(s) for s in structure]
    return nest.pack(structure[0], [func(*parts) for parts in zip(*flat, strict=True)])


def _pack_sequence_as(structure: Any, flat_sequence: Sequence[Any], expand_composites: bool = False) -> Any:
    return nest.pack(structure, flat_sequence)


def _as_text(value: Any, encoding: str = "utf-8") -> str:
    return value.decode(encoding) if isinstance(value, bytes) else str(value)


def _as_bytes(bytes_or_text: Any, encoding: str = "utf-8") -> bytes:
    return bytes_or_text.encode(encoding) if isinstance(bytes_or_text, str) else bytes(bytes_or_text)


def _assert_same_structure(nest1: Any, nest2: Any, check_types: bool = True, expand_composites: bool = False) -> None:
    if len(nest.flatten(nest1)) != len(nest.flatten(nest2)):
        raise InvalidArgumentError("The two structures don't have the same nested structure.")


class UnconnectedGradients:
    """What a gradient is where there is none. Source: tf.UnconnectedGradients."""

    NONE, ZERO = "none", "zero"


def _logger() -> logging.Logger:
    return logging.getLogger("tensorflow")


NAMES.update({
    "print": print_,
    "function": function,
    "device": device,
    "name_scope": name_scope,
    "compat.v1.name_scope": name_scope, "compat.v1.variable_scope": _no_scope,
    "control_dependencies": control_dependencies, "init_scope": _no_scope, "variable_creator_scope": variable_creator_scope,
    "get_current_name_scope": lambda: "",
    "executing_eagerly": lambda: True, "inside_function": lambda: False,
    "no_op": _nothing, "group": group,
    "get_logger": _logger,
    "autograph.set_verbosity": _nothing,
    "autograph.experimental.do_not_convert": lambda func=None: func if func is not None else (lambda f: f),
    "autograph.experimental.set_loop_options": _nothing,
    "timestamp": lambda name=None: as_tensor(np.float64(time.time())),
    "UnconnectedGradients": UnconnectedGradients,
    "config.PhysicalDevice": PhysicalDevice, "config.LogicalDevice": PhysicalDevice,
    "config.list_physical_devices": list_physical_devices, "config.experimental.list_physical_devices": list_physical_devices,
    "config.list_logical_devices": _logical_devices, "config.experimental.list_logical_devices": _logical_devices,
    "config.get_visible_devices": list_physical_devices, "config.experimental.get_visible_devices": list_physical_devices,
    "config.set_visible_devices": _nothing, "config.experimental.set_visible_devices": _nothing,
    "config.set_logical_device_configuration": _nothing, "config.LogicalDeviceConfiguration": lambda *_, **__: None,
    "config.experimental.set_virtual_device_configuration": _nothing,
    "config.experimental.VirtualDeviceConfiguration": lambda *_, **__: None,
    "config.experimental.set_memory_growth": _nothing, "config.experimental.get_memory_growth": lambda device: False,
    "config.experimental.get_memory_info": _memory_info, "config.experimental.reset_memory_stats": _nothing,
    "config.experimental.get_device_details": lambda device: {},
    "config.experimental.enable_op_determinism": _nothing, "config.experimental.enable_tensor_float_32_execution": _nothing,
    "config.experimental.set_synchronous_execution": _nothing,
    "config.run_functions_eagerly": run_functions_eagerly, "config.functions_run_eagerly": functions_run_eagerly,
    "config.experimental_run_functions_eagerly": run_functions_eagerly,
    "config.experimental_functions_run_eagerly": functions_run_eagerly,
    "config.set_soft_device_placement": _set("soft"), "config.get_soft_device_placement": lambda: _settings["soft"],
    "config.optimizer.set_jit": _nothing, "config.optimizer.get_jit": lambda: "",
    "config.optimizer.set_experimental_options": _nothing, "config.optimizer.get_experimental_options": dict,
    "config.threading.set_intra_op_parallelism_threads": _set("intra"),
    "config.threading.get_intra_op_parallelism_threads": lambda: _settings["intra"],
    "config.threading.set_inter_op_parallelism_threads": _set("inter"),
    "config.threading.get_inter_op_parallelism_threads": lambda: _settings["inter"],
    "debugging.enable_check_numerics": enable_check_numerics, "debugging.disable_check_numerics": _nothing,
    "debugging.enable_traceback_filtering": _nothing, "debugging.disable_traceback_filtering": _nothing,
    "debugging.is_traceback_filtering_enabled": lambda: False, "debugging.set_log_device_placement": set_log_device_placement,
    "debugging.get_log_device_placement": lambda: False, "debugging.experimental.enable_dump_debug_info": _nothing,
    "debugging.is_numeric_tensor": lambda tensor: as_dtype(dtype_of(tensor)).is_numeric,
    "test.is_gpu_available": lambda *_, **__: False, "test.gpu_device_name": lambda: "",
    "test.is_built_with_cuda": lambda: False, "test.is_built_with_gpu_support": lambda: False,
    "test.is_built_with_rocm": lambda: False, "test.is_built_with_xla": lambda: False,
    "sysconfig.get_build_info": dict,
    "version.VERSION": VERSION, "version.GIT_VERSION": "graphkit", "version.COMPILER_VERSION": "",
    "distribute.Strategy": Strategy, "distribute.MirroredStrategy": MirroredStrategy,
    "distribute.OneDeviceStrategy": OneDeviceStrategy, "distribute.get_strategy": lambda: _strategy,
    "distribute.has_strategy": lambda: False, "distribute.in_cross_replica_context": lambda: True,
    "distribute.ReduceOp": ReduceOp,
    "nest.flatten": _flatten, "nest.map_structure": _map_structure, "nest.pack_sequence_as": _pack_sequence_as,
    "nest.is_nested": lambda structure: isinstance(structure, (list, tuple, dict)),
    "nest.assert_same_structure": _assert_same_structure,
    "errors.OpError": errors.GraphKitError, "errors.InvalidArgumentError": errors.InvalidArgumentError,
    "errors.UnimplementedError": errors.UnsupportedError, "errors.NotFoundError": FileNotFoundError,
    "errors.AlreadyExistsError": FileExistsError, "errors.PermissionDeniedError": PermissionError,
    "errors.FailedPreconditionError": errors.NotBuiltError, "errors.ResourceExhaustedError": MemoryError,
    "errors.OutOfRangeError": StopIteration, "errors.DataLossError": errors.SerializationError,
    "errors.CancelledError": InterruptedError, "errors.InternalError": RuntimeError, "errors.UnknownError": RuntimeError,
    "errors.AbortedError": RuntimeError, "errors.DeadlineExceededError": TimeoutError,
    "errors.UnavailableError": ConnectionError, "errors.UnauthenticatedError": PermissionError,
    "compat.as_str": lambda bytes_or_text, encoding="utf-8": _as_text(bytes_or_text, encoding),
    "compat.as_text": lambda bytes_or_text, encoding="utf-8": _as_text(bytes_or_text, encoding),
    "compat.as_str_any": lambda value, encoding="utf-8": _as_text(value, encoding),
    "compat.as_bytes": _as_bytes,
    "compat.dimension_value": lambda dimension: dimension,
})  # fmt: skip
