"""Embed a model in a program or service: arrays in, arrays out, validated before they reach onnxruntime."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphkit.core import dtypes, nest
from graphkit.core.errors import InvalidArgumentError, ShapeError
from graphkit.layers.layer import Layer
from graphkit.models.feeding import InputInfo, Signature, from_listed
from graphkit.runtime.session import (
    STATE_KEY,
    STRUCTURE_KEY,
    Providers,
    Session,
    Source,
    TensorInfo,
    model_as_onnx,
)


class Predictor:
    """A snapshot of a model, ready for inference with onnxruntime. Safe to call from several threads.

    It accepts the same inputs as the model (see `graphkit.models.feeding`). Recurrent states and the seeds of random layers
    (Dropout called with `training=True`) are kept between calls until `reset_states()`; plain onnxruntime starts every run
    from their initial values. A copy shares the session but has its own states; a pickle holds the model and the states.

    Args:
        model: a graphkit model (with its current weights), the path of an .onnx file, its bytes, or an onnx.ModelProto.
        providers: "CPU", "CUDA", ..., onnxruntime's full names, (name, options) pairs, or None for the best available. If
            several are given, unavailable ones are skipped with a warning.
        threads: number of threads per operator; None uses onnxruntime's default.
        strict: raise if the first provider is not available.

    Attributes:
        inputs: name, shape (None for free sizes) and dtype of each input.
        outputs: the same for each output.
        signature: how inputs are validated and cast.

    Raises:
        ExportError: the model cannot be expressed in ONNX.
        InvalidArgumentError: `providers` is empty, or `threads` is not a positive integer.
        InvalidTypeError: `model` is of an unsupported type.
        RuntimeSessionError: onnxruntime rejects the model, or no requested provider is available.
        UnknownNameError: there is no such file.
    """

    def __init__(
        self, model: Any, providers: Providers = None, threads: int | None = None, strict: bool = False
    ) -> None:
        self._source = Source(model_as_onnx(model) if isinstance(model, Layer) else model)
        self._settings = (providers, threads, strict)
        self._session = Session(self._source.content, providers, threads, strict)
        metadata = self._session.metadata
        self._state_names: list[str] = json.loads(metadata.get(STATE_KEY, "[]"))
        states = set(self._state_names)
        self.inputs: list[TensorInfo] = [info for info in self._session.inputs if info.name not in states]
        self.outputs: list[TensorInfo] = self._session.outputs[: len(self._session.outputs) - len(states)]
        inputs, self._output_structure, given = _structures(metadata, len(self.inputs), self.outputs)
        self.outputs = [info._replace(dtype=dtype) for info, dtype in zip(self.outputs, given, strict=True)]
        self.signature = Signature(
            f"model {self._session.name!r}", tuple(InputInfo(*info) for info in self.inputs), inputs
        )
        self._states: dict[str, Any] = {}
        self._lock = threading.Lock()
        self.reset_states()

    @property
    def providers(self) -> list[str]:
        """The providers that the session runs on, in order."""
        return self._session.providers

    def reset_states(self) -> None:
        """Reset the states: recurrent ones to zeros, seeds to those that the model had when it was exported."""
        # onnxruntime lists only inputs without a default value, which other tools may have removed.
        undefined = (info for info in self._session.inputs if info.name in self._state_names)
        with self._lock:
            self._states = {i.name: np.zeros([s or 1 for s in i.shape], dtypes.to_numpy(i.dtype)) for i in undefined}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the outputs for one batch.

        Args:
            *args: one array for each input in order, or a single list or dict of arrays.
            **kwargs: the arrays by input name.

        Returns:
            The outputs in the model's structure: an array, or a list, tuple or dict of arrays.

        Raises:
            InvalidArgumentError: inputs are given both by position and by name, or some are missing.
            ShapeError: an array does not fit its input.
            DTypeError: an array cannot be cast to the dtype of its input.
            RuntimeSessionError: onnxruntime failed.
        """
        given: Any = kwargs if kwargs and not args else args[0] if len(args) == 1 and not kwargs else list(args)
        if kwargs and args:
            raise InvalidArgumentError("Pass the inputs by position or by name, not both.")
        return self._pack(self._run(self.feeds(given)))

    def predict(self, x: Any, batch_size: int | None = None) -> Any:
        """Compute the outputs in batches, concatenated along the first axis.

        Args:
            x: the inputs, as for a call.
            batch_size: rows per batch; None runs all rows at once.

        Returns:
            The outputs in the model's structure.

        Raises:
            InvalidArgumentError: `batch_size` is not a positive integer.
            ShapeError: the inputs have different numbers of rows.
            GraphKitError: an input does not fit the model, as for a call.
        """
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
        """Return the inputs by name, as arrays of the model's dtypes.

        Args:
            given: an array, or a list or dict of arrays, or the model's own structure of them.

        Raises:
            InvalidArgumentError: inputs are missing.
            ShapeError: an array does not fit its input.
            DTypeError: an array cannot be cast to the dtype of its input.
        """
        return dict(zip(self.signature.names, self.signature.conformed(given), strict=True))

    def _rows(self, feeds: Mapping[str, Any]) -> int | None:
        """Return the number of rows; None if the model cannot be run in batches."""
        if any(not a.ndim for a in feeds.values()) or any(
            i.shape[:1] != (None,) for i in (*self.inputs, *self.outputs)
        ):
            return None
        counts = {name: len(array) for name, array in feeds.items()}
        if len(set(counts.values())) > 1:
            raise ShapeError(f"The inputs must have the same number of rows, got {counts}.")
        return next(iter(counts.values()), None)

    def _run(self, feeds: dict[str, Any]) -> list[Any]:
        if all(array.size for array in feeds.values()):
            return self._run_session(feeds)
        empty = [name for name, array in feeds.items() if not array.size]
        if self._is_one_batch() and not any(len(array) for array in feeds.values()) and not self._state_names:
            one = {name: _one_row(array) for name, array in feeds.items()}
            if all(array.size for array in one.values()):
                return [made[:0] for made in self._run_session(one)]
        if not self._session.is_ours:
            raise ShapeError(
                f"Input {empty[0]!r} of {self.signature.where} is empty: its shape is {feeds[empty[0]].shape}. Some of "
                "onnxruntime's operators crash on empty tensors, and graphkit did not write this model."
            )
        return self._run_session(feeds)

    def _is_one_batch(self) -> bool:
        """Return whether all inputs and outputs share one free first axis, so that no rows in give no rows out."""
        first = {sizes[0] if sizes else 0 for sizes in self._session.sizes(len(self.inputs), len(self.outputs))}
        return len(first) == 1 and isinstance(next(iter(first)), str)

    def _run_session(self, feeds: dict[str, Any]) -> list[Any]:
        if not self._state_names:
            return self._session.run(feeds)
        with self._lock:
            results = self._session.run({**feeds, **self._states})
            self._states = dict(zip(self._state_names, results[len(self.outputs) :], strict=True))
        return results[: len(self.outputs)]

    def _pack(self, results: Sequence[Any]) -> Any:
        """Return the results in the model's structure and dtypes: files return bfloat16 as float32."""
        if self._output_structure == 0 and self.outputs[0].dtype != "bfloat16":
            return results[0]
        pairs = zip(results, self.outputs, strict=True)
        return nest.pack(self._output_structure, [_in_dtype(array, info.dtype) for array, info in pairs])

    def __copy__(self) -> Predictor:
        """Return a Predictor on the same session with its own states."""
        made = object.__new__(Predictor)
        made.__dict__.update(self.__dict__, _lock=threading.Lock())
        with self._lock:
            made._states = dict(self._states)
        return made

    def __deepcopy__(self, memo: dict[int, Any]) -> Predictor:
        return self.__copy__()

    def __getstate__(self) -> dict[str, Any]:
        with self._lock:
            states = dict(self._states)
        return {"model": self._source.read(), "settings": self._settings, "states": states}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(Predictor(state["model"], *state["settings"]).__dict__)
        self._states = state["states"]

    def __repr__(self) -> str:
        inputs = ", ".join(f"{i.name}: {i.dtype}{list(i.shape)}" for i in self.inputs)
        outputs = ", ".join(f"{o.name}: {o.dtype}{list(o.shape)}" for o in self.outputs)
        return f"<Predictor ({inputs}) -> ({outputs}) on {self.providers[0]}>"


def _structures(metadata: Mapping[str, str], inputs: int, outputs: Sequence[TensorInfo]) -> tuple[Any, Any, list[str]]:
    """Return how inputs and outputs are nested, and the outputs' dtypes; without metadata, flat lists and the dtypes declared."""
    try:
        listed = json.loads(metadata[STRUCTURE_KEY])
        given = [dtypes.standardize(str(dtype)) for dtype in listed["output_dtypes"]]
        if len(given) != len(outputs):
            raise ValueError("the number of dtypes is not the number of outputs")
        return from_listed(listed["inputs"], inputs), from_listed(listed["outputs"], len(outputs)), given
    except (KeyError, TypeError, ValueError, RecursionError):  # not written by graphkit, or changed by another tool
        return _flat(inputs), _flat(len(outputs)), [info.dtype for info in outputs]


def _in_dtype(array: Any, dtype: str) -> Any:
    return array.astype(dtypes.to_numpy(dtype)) if dtype == "bfloat16" and array.dtype.name != dtype else array


def _one_row(array: Any) -> Any:
    """Return one row of zeros (or empty strings) for a batch without rows."""
    shape = (1, *array.shape[1:])
    return np.full(shape, "", object) if array.dtype == object else np.zeros(shape, array.dtype)


def _flat(count: int) -> Any:
    return 0 if count == 1 else list(range(count))
