"""Training data in every form that `fit` accepts, as batches copied directly into the input buffers of a compiled step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from graphkit.core import dtypes, limits, nest
from graphkit.core.errors import InvalidArgumentError, InvalidTypeError, ShapeError
from graphkit.core.threads import num_threads, run_all
from graphkit.ir.spec import TensorSpec
from graphkit.models.feeding import to_array
from graphkit.training.outputs import by_output, graph_of, output_names
from graphkit.training.passes import Passes
from graphkit.training.step import Layout

Array = np.ndarray[Any, Any]
_THREADED = 1 << 21  # bytes; larger batches are copied on several threads


@dataclass
class Leaves:
    """The arrays of a data set or a batch, and their layout."""

    arrays: list[Array]
    layout: Layout

    @property
    def rows(self) -> int:
        """The number of samples."""
        return len(self.arrays[0])

    @property
    def specs(self) -> tuple[TensorSpec, ...]:
        """The specs of the arrays, with all rows."""
        return tuple(TensorSpec.of(a) for a in self.arrays)

    def part(self, start: int, stop: int | None) -> Leaves:
        """Return the rows from `start` to `stop` as views."""
        return Leaves([a[start:stop] for a in self.arrays], self.layout)


# ----- from arguments to leaves -----


def as_array(value: Any, what: str) -> Array:
    """Return an array in the form that training uses: samples along the first axis, floats in `floatx()`.

    Args:
        value: Anything array-like.
        what: What the value is, for messages.

    Raises:
        ShapeError: The value has no axes, or is ragged.
        InvalidTypeError: The value holds neither numbers nor strings.
    """
    array = to_array(value, what)
    if array.ndim == 0:
        raise ShapeError(
            f"{what} must be an array with samples along the first axis, got {type(value).__name__}: {value!r:.60}."
        )
    return _in_float(array, dtypes.floatx())


def _in_float(array: Array, dtype: str) -> Array:
    """Cast floats once to the dtype that the model reads; other dtypes are cast batch by batch."""
    if array.dtype.kind == "f" and array.dtype.name != dtype and dtypes.is_float(dtype):
        return array.astype(dtypes.to_numpy(dtype))
    return array


def gather(
    model: Any,
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    class_weight: Any = None,
    may_be_empty: bool = False,
    as_given: bool = False,
) -> Leaves:
    """Return the leaves of inputs, targets and weights, in the model's order.

    Args:
        model: The model.
        x: The inputs, in any form that `Signature.conformed` accepts.
        y: The targets: an array, list or dict by output.
        sample_weight: The weights of the samples: an array, or a list or dict by output.
        class_weight: Class index -> weight, instead of `sample_weight`.
        may_be_empty: Whether there may be no samples.
        as_given: Whether the data keep their structure, for steps that receive them; so do those of a model without a graph.

    Raises:
        InvalidArgumentError: The data do not match the model's inputs or outputs, or have different numbers of samples.
        ShapeError: The shape of an array does not fit.
    """
    if hasattr(model, "widen_for"):
        model.widen_for(x)
    graph = graph_of(model)
    if as_given or graph is None:
        return _as_given(model, x, y, sample_weight, class_weight, may_be_empty, as_given)
    x_leaves, x_structure = _inputs(graph, x)
    names = output_names(model)
    targets = by_output(y, names, graph.output, "y", _outputs_with_loss(model, names), as_array)
    weights = _weights(sample_weight, names, graph.output, targets)
    if class_weight is not None:
        weights = _class_weights(class_weight, targets, sample_weight)
    arrays = list(x_leaves)
    places = [_place(arrays, group) for group in (targets, weights)]
    _check_rows(arrays, len(x_leaves), places, may_be_empty)
    y_places, weight_places = (_one_or_all(group) for group in places)
    return Leaves(arrays, Layout(x_structure, y_places, weight_places))


def _one_or_all(places: tuple[int | None, ...]) -> Any:
    """Return the place of the only output, or those of all; None if nothing is given."""
    if all(place is None for place in places):
        return None
    return places[0] if len(places) == 1 else places


def _as_given(
    model: Any, x: Any, y: Any, sample_weight: Any, class_weight: Any, may_be_empty: bool, as_tuples: bool
) -> Leaves:
    """Return the leaves of data that keep their structure. A step receives `x` alone where there are no targets, as in Keras."""
    if x is None:
        raise InvalidArgumentError(f"Model {model.name!r} got no input data: x is None.")
    groups = [_structure(part) for part in (x, y, sample_weight)]
    leaves = [
        [None if v is None else as_array(v, name) for v in nest.flatten(group)]
        for name, group in zip(("x", "y", "sample_weight"), groups, strict=True)
    ]
    if class_weight is not None:
        leaves[2] = list(_class_weights(class_weight, leaves[1], sample_weight))
        groups[2] = leaves[2][0]
    elif len(leaves[1]) == len(leaves[2]) == 1:
        leaves[2] = [_check_weight(leaves[2][0], leaves[1][0])]
    arrays: list[Array] = []
    places = [_place(arrays, group) for group in leaves]
    inputs = sum(place is not None for place in places[0])
    _check_rows(arrays, inputs, places[1:], may_be_empty)
    packed = [nest.pack(_tuples(g) if as_tuples else g, p) for g, p in zip(groups, places, strict=True)]
    parts = 3 if groups[2] is not None else 2
    if y is None:
        parts = 1 if isinstance(groups[0], (list, tuple)) else 0
    return Leaves(arrays, Layout(packed[0], packed[1], packed[2], parts))


def _structure(value: Any) -> Any:
    """Return data with a list of numbers as an array."""
    return (
        value
        if value is None or (nest.is_nested(value) and not _is_batch_written_as_list(value))
        else to_array(value, "data")
    )


def _tuples(structure: Any) -> Any:
    """Return a structure with tuples in place of lists, as a step of Keras receives it."""
    if isinstance(structure, Mapping):
        return {key: _tuples(value) for key, value in structure.items()}
    if isinstance(structure, (list, tuple)):
        items = [_tuples(item) for item in structure]
        return type(structure)(*items) if hasattr(structure, "_fields") else tuple(items)
    return structure


def batch_of(data: Any) -> Batch:
    """Return a batch in the form in which a step receives it, from `x`, `(x,)`, `(x, y)` or `(x, y, sample_weight)`.

    Raises:
        InvalidArgumentError: The data have more parts.
        InvalidTypeError: A leaf holds neither numbers nor strings.
    """
    parts = len(data) if isinstance(data, tuple) else 0
    groups = [_structure(part) for part in unpack(data)]
    leaves = [[None if v is None else _leaf(v) for v in nest.flatten(group)] for group in groups]
    arrays: list[Array] = []
    places = [_place(arrays, group) for group in leaves]
    packed = [nest.pack(_tuples(g), p) for g, p in zip(groups, places, strict=True)]
    return Batch(
        Leaves(arrays, Layout(packed[0], packed[1], packed[2], parts)),
        None,
        len(arrays[0]) if arrays and arrays[0].ndim else 1,
    )


def _leaf(value: Any) -> Array:
    return _in_float(to_array(value, "data"), dtypes.floatx())


def _place(arrays: list[Array], group: Sequence[Array | None]) -> tuple[int | None, ...]:
    """Append the arrays of a group to `arrays`, repeated ones only once; return their indices."""
    places: list[int | None] = []
    for array in group:
        known = next((i for i, a in enumerate(arrays) if a is array), None)
        places.append(None if array is None else len(arrays) if known is None else known)
        if array is not None and known is None:
            arrays.append(array)
    return tuple(places)


def _inputs(graph: Any, x: Any) -> tuple[list[Array], Any]:
    signature = graph.signature
    made = signature.conformed(x, cast=False)
    places = iter(range(len(made)))
    structure = nest.pack(signature.structure, [None if v is None else next(places) for v in made])
    pairs = zip(signature.inputs, made, strict=True)
    return [_in_float(v, info.dtype) for info, v in pairs if v is not None], structure


def _is_batch_written_as_list(x: Any) -> bool:
    return isinstance(x, (list, tuple)) and not any(hasattr(v, "shape") for v in nest.flatten(x))


def _outputs_with_loss(model: Any, names: Sequence[str]) -> list[int]:
    """Return the indices of the outputs that have a loss, for which the targets are if there are fewer targets than outputs."""
    loss = model.loss
    if isinstance(loss, Mapping):
        return [i for i, n in enumerate(names) if loss.get(n) is not None]
    if isinstance(loss, (list, tuple)) and len(loss) == len(names):
        return [i for i, one in enumerate(loss) if one is not None]
    return list(range(len(names)))


def _weights(sample_weight: Any, names: list[str], outputs: Any, targets: Sequence[Array | None]) -> list[Array | None]:
    if sample_weight is None:
        return [None] * len(targets)
    if not isinstance(sample_weight, (list, tuple, Mapping)) or _is_batch_written_as_list(sample_weight):
        one = as_array(sample_weight, "sample_weight")
        made: list[Array | None] = [one if t is not None else None for t in targets]
    elif isinstance(sample_weight, (list, tuple)) and len(sample_weight) == 1:
        return _weights(sample_weight[0], names, outputs, targets)
    else:
        made = by_output(sample_weight, names, outputs, "sample_weight", range(len(names)), as_array)
    return [_check_weight(w, t) for w, t in zip(made, targets, strict=True)]


def _check_weight(weight: Array | None, target: Array | None) -> Array | None:
    if weight is None or target is None:
        return None
    if weight.ndim > max(target.ndim, 1) or (
        weight.shape[1:] != target.shape[1 : weight.ndim] and weight.shape[1:] != (1,)
    ):
        raise ShapeError(
            f"sample_weight has shape {weight.shape}, which does not fit a target of shape {target.shape}; pass one weight per sample."
        )
    return weight.astype(dtypes.to_numpy(dtypes.floatx())) if weight.dtype.kind != "f" else weight


def _class_weights(class_weight: Any, targets: Sequence[Array | None], sample_weight: Any) -> list[Array | None]:
    if sample_weight is not None:
        raise InvalidArgumentError("You cannot `class_weight` and `sample_weight` at the same time.")
    if not isinstance(class_weight, Mapping):
        raise InvalidTypeError(f"class_weight must be a dict from class to weight, got {type(class_weight).__name__}.")
    if len(targets) != 1 or targets[0] is None:
        raise InvalidArgumentError("`class_weight` is only supported for Models with a single output.")
    y = targets[0]
    if y.ndim > 2:
        raise ShapeError(f"class_weight expects targets with one class per sample, got shape {y.shape}.")
    classes = np.argmax(y, axis=1) if y.ndim == 2 and y.shape[1] > 1 else np.rint(y.reshape(len(y))).astype("int64")
    weights = np.ones(len(y), dtypes.floatx())
    for one, weight in class_weight.items():
        weights[classes == int(one)] = weight
    return [weights]


def _check_rows(
    arrays: Sequence[Array], inputs: int, places: Sequence[Sequence[int | None]], may_be_empty: bool
) -> None:
    rows = {len(a) for a in arrays}
    if len(rows) > 1:
        groups = {"x": arrays[:inputs]}
        groups.update(
            {n: [arrays[i] for i in p if i is not None] for n, p in zip(("y", "sample_weight"), places, strict=True)}
        )
        sizes = "\n".join(f"'{n}' sizes: {', '.join(str(len(a)) for a in g)}" for n, g in groups.items() if g)
        raise InvalidArgumentError(
            f"Data cardinality is ambiguous. Make sure all arrays contain the same number of samples.\n{sizes}"
        )
    if rows == {0} and not may_be_empty:
        raise InvalidArgumentError("The data is empty: the arrays have no samples.")


# ----- batches -----


class Batch:
    """A batch: some rows of the leaves. `index` is a slice or an array of row numbers; None for all leaves as they are."""

    __slots__ = ("index", "leaves", "rows")

    def __init__(self, leaves: Leaves, index: Any, rows: int) -> None:
        self.leaves, self.index, self.rows = leaves, index, rows

    @property
    def layout(self) -> Layout:
        """The layout of the leaves."""
        return self.leaves.layout

    def specs(self) -> tuple[TensorSpec, ...]:
        """Return the specs of the batch."""
        if self.index is None:
            return self.leaves.specs
        return tuple(TensorSpec((self.rows, *a.shape[1:]), dtypes.of_array(a)) for a in self.leaves.arrays)

    def arrays(self) -> list[Array]:
        """Return the rows of the leaves."""
        return [a if self.index is None else a[self.index] for a in self.leaves.arrays]

    def load(self, buffers: Sequence[Array]) -> None:
        """Copy the rows into a step's input buffers, on several threads for large batches."""
        pairs = list(zip(self.leaves.arrays, buffers, strict=True))
        if self.index is None:
            for array, buffer in pairs:
                np.copyto(buffer, array)
            return
        if sum(b.nbytes for b in buffers) < _THREADED or num_threads() == 1:
            for array, buffer in pairs:
                _copy_rows(array, self.index, buffer)
            return
        half = -(-self.rows // num_threads())
        cuts = [slice(start, start + half) for start in range(0, self.rows, half)]
        run_all(
            [partial(_copy_rows, array, _cut(self.index, cut), buffer[cut]) for array, buffer in pairs for cut in cuts]
        )


def _copy_rows(array: Array, index: Any, buffer: Array) -> None:
    if isinstance(index, slice):
        np.copyto(buffer, array[index])
    else:
        array.take(index, 0, buffer, "clip")


def _cut(index: Any, cut: slice) -> Any:
    if not isinstance(index, slice):
        return index[cut]
    first = index.start or 0
    stop = first + cut.stop
    return slice(first + cut.start, stop if index.stop is None else min(index.stop, stop))


class ArraySource:
    """Batches of arrays in memory.

    Args:
        leaves: The arrays.
        batch_size: The number of rows per batch, 32 by default.
        shuffle: Whether rows are shuffled at each pass; "batch" shuffles whole batches.
        seed: The seed for shuffling.
        steps: The number of batches per epoch; a whole pass by default.
        resumes: Whether an epoch continues where the previous one ended, as in Keras' training.

    Raises:
        InvalidArgumentError: `batch_size` is not a positive int.
    """

    def __init__(
        self,
        leaves: Leaves,
        batch_size: int | None,
        shuffle: Any = False,
        seed: int | None = None,
        steps: int | None = None,
        resumes: bool = False,
    ) -> None:
        self.leaves = leaves
        self.batch_size = check_batch_size(batch_size)
        whole = -(-leaves.rows // self.batch_size)
        self.steps = min(whole, limits.at_most(steps, limits.max_steps_per_epoch) or whole)
        self.per_batch = shuffle == "batch"
        self.shuffle = bool(shuffle)
        self._random = np.random.default_rng(seed)
        self._passes = _PassesOverRows(self._batches, whole, resumes and self.steps < whole)

    def signature(self, batch: Batch) -> Any:
        """Return a value that is equal for batches of equal shapes."""
        return batch.rows

    def epoch(self) -> Iterator[Batch]:
        """Yield the batches of one epoch."""
        return self._passes.epoch(self.steps)

    def _batches(self) -> Iterator[Batch]:
        """Yield all batches once."""
        rows, size = self.leaves.rows, self.batch_size
        starts = range(0, rows, size)
        if not self.shuffle or self.per_batch:
            order = self._random.permutation(len(starts)) if self.shuffle else range(len(starts))
            for number in order:
                start = starts[number]
                yield Batch(self.leaves, slice(start, min(start + size, rows)), min(size, rows - start))
            return
        order = self._random.permutation(rows)
        for start in starts:
            index = order[start : start + size]
            yield Batch(self.leaves, index, len(index))


class _PassesOverRows:
    """Passes over data, split into epochs; with `resumes` an epoch continues where the previous one ended."""

    def __init__(self, start: Callable[[], Iterator[Any]], whole: int | None, resumes: bool) -> None:
        self._start, self._whole, self._resumes = start, whole, resumes
        self._open: Iterator[Any] | None = None
        self._taken = 0  # items taken from the open pass

    def epoch(self, steps: int | None) -> Iterator[Any]:
        """Yield the next `steps` items (None: all); fewer if the data end."""
        count = 0
        while steps is None or count < steps:
            if self._open is None:
                self._open, self._taken = self._start(), 0
            item = next(self._open, _END)
            if item is _END:
                self._open = None
                break
            count += 1
            self._taken += 1
            yield item
        if not self._resumes or (self._whole is not None and self._taken >= self._whole):
            self._open = None


_END = object()


def check_batch_size(batch_size: Any) -> int:
    """Return the batch size, 32 by default.

    Raises:
        InvalidArgumentError: It is not a positive int.
    """
    if batch_size is None:
        return 32
    if not isinstance(batch_size, (int, np.integer)) or isinstance(batch_size, bool) or batch_size <= 0:
        raise InvalidArgumentError(f"batch_size must be a positive integer, got {batch_size!r}.")
    return int(batch_size)


class IteratedSource:
    """Batches from a generator, an iterable of tuples, or an object with `__len__` and `__getitem__` (keras.utils.PyDataset).

    Each batch is `x`, `(x,)`, `(x, y)` or `(x, y, sample_weight)`.

    Args:
        model: The model.
        data: The source of batches.
        steps: The number of batches per epoch; all by default.
        shuffle: Whether to shuffle the order of an indexed source.
        class_weight: Class index -> weight.
        seed: The seed for shuffling.
        resumes: Whether an epoch continues where the previous one ended.
        inputs_only: Whether to drop targets and weights.
        as_given: Whether the batches keep their structure, for steps that receive them.
    """

    def __init__(
        self,
        model: Any,
        data: Any,
        steps: int | None,
        shuffle: bool = False,
        class_weight: Any = None,
        seed: int | None = None,
        resumes: bool = False,
        inputs_only: bool = False,
        as_given: bool = False,
    ) -> None:
        self._as_given = as_given
        self._model, self._class_weight = model, class_weight
        self._inputs_only = inputs_only
        self._passes = Passes(data, steps, shuffle, seed, resumes)

    @property
    def steps(self) -> int | None:
        """The number of batches per epoch; None before it is known."""
        return self._passes.steps

    def signature(self, batch: Batch) -> Any:
        """Return a value that is equal for batches of equal shapes."""
        return batch.specs(), batch.layout.key

    def epoch(self) -> Iterator[Batch]:
        """Yield the batches of one epoch."""
        for raw in self._passes.epoch():
            yield self._batch(raw)

    def _batch(self, raw: Any) -> Batch:
        if self._as_given and self._class_weight is None:
            return batch_of(raw)
        x, y, weight = unpack(raw)
        if self._inputs_only:
            y = weight = None
        leaves = gather(self._model, x, y, weight, self._class_weight, may_be_empty=self._inputs_only)
        return Batch(leaves, slice(None), leaves.rows)


def unpack(data: Any) -> tuple[Any, Any, Any]:
    """Return (x, y, sample_weight) from a tuple of one to three parts; anything else is `x`.

    Raises:
        InvalidArgumentError: A tuple has another number of parts.
    """
    if isinstance(data, list) and data and not any(isinstance(d, (int, float)) for d in data):
        data = tuple(data) if len(data) <= 3 and all(hasattr(d, "shape") or nest.is_nested(d) for d in data) else data
    if not isinstance(data, tuple):
        return data, None, None
    if not 1 <= len(data) <= 3:
        raise InvalidArgumentError(
            f"A batch must be (x,), (x, y) or (x, y, sample_weight), got a tuple of {len(data)} parts."
        )
    x, y, weight = [*data, None, None][:3]
    return x, y, weight


def split_tail(leaves: Leaves, fraction: float) -> tuple[Leaves, Leaves]:
    """Split off the last part of the samples; return the rest and that part.

    Args:
        leaves: The data.
        fraction: The size of the last part, between 0 and 1.

    Raises:
        InvalidArgumentError: `fraction` is not between 0 and 1, or a part would be empty.
    """
    if not isinstance(fraction, (int, float)) or not 0 < fraction < 1:
        raise InvalidArgumentError(f"`validation_split` must be a float between 0 and 1, got {fraction!r}.")
    at = int(leaves.rows * (1.0 - fraction))
    if at in (0, leaves.rows):
        raise InvalidArgumentError(
            f"Training data contains {leaves.rows} samples, which is not sufficient to split it into a validation and training "
            f"set as specified by `validation_split={fraction}`. Either provide more data, or a different value."
        )
    return leaves.part(0, at), leaves.part(at, None)
