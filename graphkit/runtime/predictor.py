"""Models embedded in a program or service: arrays in, arrays out, checked before onnxruntime sees them."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphkit.core import dtypes
from graphkit.core.errors import DTypeError, InvalidArgumentError, ShapeError, UnknownNameError
from graphkit.core.registry import did_you_mean
from graphkit.runtime.session import STATE_KEY, Providers, Session, TensorInfo, model_as_onnx


class Predictor:
    """A model ready to answer, on the providers asked for. Safe to call from several threads.

    Args:
        model: a graphkit model (its weights as they are now), the path of an .onnx file, its bytes, or an onnx.ModelProto.
        providers: "CPU", "CUDA", ..., full names of onnxruntime, (name, options) pairs, or None for the best available.
        threads: threads of one operator; None leaves it to onnxruntime.

    `inputs`, `outputs` say names, shapes (None where free) and dtypes; `providers` which ones it got. Recurrent states of a
    stateful model are kept between calls until `reset_states()`.
    """

    def __init__(self, model: Any, providers: Providers = None, threads: int | None = None) -> None:
        source = model_as_onnx(model) if hasattr(model, "program") else model
        self._session = Session(source, providers, threads)
        self._state_names: list[str] = json.loads(self._session.metadata.get(STATE_KEY, "[]"))
        count = len(self._state_names)
        self.inputs: list[TensorInfo] = self._session.inputs[: len(self._session.inputs) - count]
        self.outputs: list[TensorInfo] = self._session.outputs[: len(self._session.outputs) - count]
        self._state_infos = self._session.inputs[len(self.inputs) :]
        self._states: list[Any] = []
        self._lock = threading.Lock()
        self.reset_states()

    @property
    def providers(self) -> list[str]:
        """The providers that the session runs on, in order."""
        return self._session.providers

    def reset_states(self) -> None:
        """Recurrent states start from zeros again."""
        with self._lock:
            self._states = [np.zeros([s or 1 for s in i.shape], dtypes.to_numpy(i.dtype)) for i in self._state_infos]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The outputs for one batch: an array for each input in order, a list or a dict of them, or keywords by name.

        Gives an array, or a list of them where the model has several outputs.
        """
        given: Any = kwargs if kwargs and not args else args[0] if len(args) == 1 and not kwargs else list(args)
        if kwargs and args:
            raise InvalidArgumentError("Give the inputs by position or by name, not both.")
        return self._pack(self._run(self.feeds(given)))

    def predict(self, x: Any, batch_size: int | None = None) -> Any:
        """Like a call, `batch_size` rows at a time (None: all at once); the answers are joined along the first axis."""
        feeds = self.feeds(x)
        rows = self._rows(feeds)
        if batch_size is None or rows is None or rows <= batch_size:
            return self._pack(self._run(feeds))
        if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size < 1:
            raise InvalidArgumentError(f"batch_size must be a positive integer or None, got {batch_size!r}.")
        parts = [
            self._run({n: a[start : start + batch_size] for n, a in feeds.items()})
            for start in range(0, rows, batch_size)
        ]
        return self._pack([np.concatenate(column) for column in zip(*parts, strict=True)])

    def feeds(self, given: Any) -> dict[str, Any]:
        """The inputs as arrays of the model's dtypes, by name.

        Raises UnknownNameError, InvalidArgumentError, ShapeError or DTypeError, naming the input.
        """
        named = self._named(given)
        return {info.name: check_array(named[info.name], info) for info in self.inputs}

    def _named(self, given: Any) -> dict[str, Any]:
        names = [info.name for info in self.inputs]
        if isinstance(given, Mapping):
            for name in given:
                if name not in names:
                    raise UnknownNameError(
                        f"The model has no input {name!r}; its inputs are {names}.{did_you_mean(name, names)}"
                    )
            missing = [name for name in names if name not in given]
            if missing:
                raise InvalidArgumentError(f"Input {missing[0]!r} is missing; the model's inputs are {names}.")
            return dict(given)
        values = [given] if len(names) == 1 and not _is_list_for_one(given) else list(given)
        if len(values) != len(names):
            raise InvalidArgumentError(f"The model has {len(names)} inputs {names}, but {len(values)} were given.")
        return dict(zip(names, values, strict=True))

    def _rows(self, feeds: Mapping[str, Any]) -> int | None:
        """The rows of the batch; None if the inputs have none to divide by."""
        if any(not a.ndim for a in feeds.values()) or any(
            i.shape[:1] != (None,) for i in (*self.inputs, *self.outputs)
        ):
            return None
        counts = {name: len(array) for name, array in feeds.items()}
        if len(set(counts.values())) > 1:
            raise ShapeError(f"The inputs must have equally many rows, got {counts}.")
        return next(iter(counts.values()), None)

    def _run(self, feeds: dict[str, Any]) -> list[Any]:
        if not self._state_names:
            return self._session.run(feeds)
        with self._lock:
            states = {info.name: value for info, value in zip(self._state_infos, self._states, strict=True)}
            results = self._session.run({**feeds, **states})
            self._states = results[len(self.outputs) :]
        return results[: len(self.outputs)]

    def _pack(self, results: Sequence[Any]) -> Any:
        return results[0] if len(results) == 1 else list(results)

    def __repr__(self) -> str:
        inputs = ", ".join(f"{i.name}: {i.dtype}{list(i.shape)}" for i in self.inputs)
        outputs = ", ".join(f"{o.name}: {o.dtype}{list(o.shape)}" for o in self.outputs)
        return f"<Predictor ({inputs}) -> ({outputs}) on {self.providers[0]}>"


def _is_list_for_one(given: Any) -> bool:
    """Whether a list stands around the one input of a model: `[array]`."""
    return isinstance(given, (list, tuple)) and len(given) == 1 and hasattr(given[0], "shape")


def check_array(value: Any, info: TensorInfo) -> Any:
    """`value` as an array of the input's dtype; raises ShapeError or DTypeError naming the input."""
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ShapeError(f"Input {info.name!r} is ragged: {error}. It wants shape {_show(info.shape)}.") from None
    array = _cast(array, info)
    if array.ndim != len(info.shape) or any(
        w is not None and w != s for w, s in zip(info.shape, array.shape, strict=False)
    ):
        raise ShapeError(
            f"Input {info.name!r} wants shape {_show(info.shape)}, got {_show(array.shape)}.{_shape_hint(array, info)}"
        )
    return array


def _shape_hint(array: Any, info: TensorInfo) -> str:
    row = info.shape[1:]
    if array.ndim == len(row) and all(w is None or w == s for w, s in zip(row, array.shape, strict=True)):
        return " One row without a batch axis? Pass x[None]."
    return ""


def _show(shape: Sequence[int | None]) -> str:
    return f"({', '.join(str(s) for s in shape)}{',' if len(shape) == 1 else ''})"


def _cast(array: Any, info: TensorInfo) -> Any:
    """Floats become the input's float dtype; integers and bools any dtype that holds their values."""
    wanted = dtypes.to_numpy(info.dtype)
    if info.dtype == "string":
        if array.dtype.kind in "OSU":
            return array.astype(object)
        raise DTypeError(f"Input {info.name!r} wants strings, got {array.dtype}.")
    if array.dtype == wanted:
        return array
    if array.dtype.kind in "OSUMm":
        raise DTypeError(f"Input {info.name!r} wants {info.dtype}, got {array.dtype}.")
    if dtypes.is_float(info.dtype) and (array.dtype.kind in "fiub" or array.dtype.name == "bfloat16"):
        return array.astype(wanted)
    if array.dtype.kind in "iub" and info.dtype != "bool":
        return _cast_integers(array, info, wanted)
    raise DTypeError(f"Input {info.name!r} wants {info.dtype}, got {array.dtype}; cast it yourself if that is meant.")


def _cast_integers(array: Any, info: TensorInfo, wanted: Any) -> Any:
    if array.dtype.kind != "b" and not np.can_cast(array.dtype, wanted, "safe") and array.size:
        limits = np.iinfo(wanted)
        low, high = int(array.min()), int(array.max())
        if low < limits.min or high > limits.max:
            raise DTypeError(
                f"Input {info.name!r} wants {info.dtype}, which cannot hold {low if low < limits.min else high}."
            )
    return array.astype(wanted)
