"""Data sets as pipelines of lazy transformations: what TensorFlow calls tf.data.

A data set is iterated as often as needed; each iteration computes its elements anew, one after another. Elements are nested
structures of tuples and dicts whose components are eager tensors. The semantics, and the orders of `shuffle`, are TensorFlow's.
Source: tf.data (TensorFlow 2).
"""

from __future__ import annotations

import enum
import glob
import itertools
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np

from graphkit.core import nest
from graphkit.core.errors import InvalidArgumentError, InvalidTypeError, ShapeError, UnsupportedError
from graphkit.ir.eager_tensor import eager
from graphkit.utils.elements import (
    DatasetSpec,
    TensorSpec,
    as_numpy,
    common,
    component,
    element_of,
    is_shape,
    map_components,
    number_of_rows,
    padded,
    rows_of,
    shown,
    spec_of,
    stacked,
)
from graphkit.utils.shuffling import Shuffler, seed_pair

Array = np.ndarray[Any, Any]
AUTOTUNE = -1
INFINITE_CARDINALITY = -1
UNKNOWN_CARDINALITY = -2
INFINITE, UNKNOWN = INFINITE_CARDINALITY, UNKNOWN_CARDINALITY

__all__ = [
    "AUTOTUNE", "INFINITE_CARDINALITY", "UNKNOWN_CARDINALITY", "Dataset", "DatasetSpec", "NumpyIterator", "Options", "TensorSpec",
    "TextLineDataset",
]  # fmt: skip

_INSTEAD = {
    "counter": "use Dataset.range, or from_generator with itertools.count",
    "load": "read arrays with numpy.load and pass them to from_tensor_slices",
    "ragged_batch": "there are no ragged tensors; use padded_batch",
    "rejection_resample": "use filter, or sample_from_datasets with weights",
    "save": "collect as_numpy_iterator() and write it with numpy.savez",
    "snapshot": "use cache, which keeps the elements in memory",
    "sparse_batch": "there are no sparse tensors; use padded_batch",
}
"""What to use instead of methods of TensorFlow's data sets that are not here."""

Start = Callable[[], Iterator[Any]]
Transform = Callable[[Iterator[Any]], Iterator[Any]]


class Options:
    """Settings of a data set, accepted for compatibility and without effect. Any attribute can be set. Source: tf.data.Options."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        part = Options()
        setattr(self, name, part)
        return part


@dataclass(frozen=True)
class _Rows:
    """Samples that are loaded by number: a stream of numbers, and the function that loads several samples stacked."""

    start: Start
    load: Callable[[Any], Any]

    def one(self, number: int) -> Any:
        """Return one sample."""
        return map_components(lambda a: None if a is None else a[0, ...], self.load(np.array([number])))

    def samples(self) -> Iterator[Any]:
        """Yield the samples."""
        return map(self.one, self.start())

    def batches(self, size: int, drop_remainder: bool) -> Iterator[Any]:
        """Yield stacked samples."""
        return (self.load(np.array(numbers)) for numbers in _groups(self.start(), size, drop_remainder))


class NumpyIterator:
    """An iterator over the elements of a data set as NumPy arrays and scalars; strings are bytes."""

    def __init__(self, elements: Iterator[Any]) -> None:
        self._elements = elements

    def __iter__(self) -> NumpyIterator:
        return self

    def __next__(self) -> Any:
        return map_components(as_numpy, next(self._elements))

    next = __next__


class DatasetIterator:
    """An iterator over the elements of a data set as eager tensors. Source: tf.data.Iterator."""

    def __init__(self, elements: Iterator[Any], spec: Start) -> None:
        self._elements, self._spec = elements, spec

    def __iter__(self) -> DatasetIterator:
        return self

    def __next__(self) -> Any:
        return shown(next(self._elements))

    get_next = next = __next__

    @property
    def element_spec(self) -> Any:
        """The specs of the components."""
        return self._spec()


class Dataset:
    """A data set: a lazy pipeline over elements, which `fit`, `evaluate`, `predict` and `adapt` accept.

    Create one with `from_tensor_slices`, `from_tensors`, `from_generator` or `range`, or with the functions
    `keras.utils.*_dataset_from_*`; its methods return new data sets. Functions given to `map`, `filter` and others are called
    once for each element, with eager tensors, one argument for each component of a tuple.

    Arguments `name`, `num_parallel_calls` and `deterministic` are accepted for compatibility: elements are made one after
    another, in order.

    Attributes:
        class_names: the names of the classes, where the samples are files in folders.
        file_paths: the path of each sample, where the samples are files.

    Source: tf.data.Dataset.
    """

    class_names: list[str] | None
    file_paths: list[str]
    batched: tuple[Dataset, int] | None = None
    """The data set whose elements are joined into batches, and their size; None for other data sets."""

    def __init__(self, start: Start, count: int, spec: Callable[[], Any], rows: _Rows | None = None) -> None:
        self._start, self._count, self._spec, self._rows = start, count, spec, rows

    def __getattr__(self, name: str) -> Any:
        if name in _INSTEAD:
            raise UnsupportedError(f"Dataset.{name} is not supported: {_INSTEAD[name]}.")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    # ----- sources -----

    @staticmethod
    def from_tensor_slices(tensors: Any, name: str | None = None) -> Dataset:
        """Return the slices of arrays along their first axis.

        Args:
            tensors: an array, or a structure of tuples and dicts of arrays of the same length. A list is one array.
            name: accepted for compatibility.

        Raises:
            InvalidArgumentError: an array has no axis, or the lengths differ.
            ShapeError: a list is ragged.
        """
        arrays = element_of(tensors)
        count = number_of_rows(arrays)

        def load(numbers: Any) -> Any:
            return map_components(lambda a: None if a is None else a[numbers], arrays)

        spec = map_components(_without_rows, map_components(spec_of, arrays))
        return Dataset.from_rows(count, load, lambda: spec)

    @staticmethod
    def from_rows(count: int, load: Callable[[Any], Any], spec: Callable[[], Any] | None = None) -> Dataset:
        """Return a data set of samples that are loaded by number, several at once where they are batched.

        Args:
            count: the number of samples.
            load: returns the samples for an array of numbers, stacked: an array, or a structure of arrays such as `(x, y)`.
            spec: returns the specs of a sample's components; by default they are those of the first sample.
        """

        def loaded(numbers: Any) -> Any:
            return element_of(load(numbers))

        rows = _Rows(lambda: iter(range(count)), loaded)
        found = spec or (
            lambda: map_components(lambda s: s and _without_rows(s), map_components(spec_of, rows.load(np.array([0]))))
        )
        return Dataset(rows.samples, count, found, rows)

    @staticmethod
    def from_tensors(tensors: Any, name: str | None = None) -> Dataset:
        """Return a data set of one element.

        Args:
            tensors: an array, or a structure of tuples and dicts of arrays. A list is one array.
            name: accepted for compatibility.
        """
        element = element_of(tensors)
        return Dataset(lambda: iter([element]), 1, lambda: map_components(spec_of, element))

    @staticmethod
    def from_generator(
        generator: Callable[..., Any],
        output_types: Any = None,
        output_shapes: Any = None,
        args: Sequence[Any] | None = None,
        output_signature: Any = None,
        name: str | None = None,
    ) -> Dataset:
        """Return the elements of a generator.

        Args:
            generator: a function that returns an iterable; it is called for each iteration.
            output_types: the dtypes of the components, if there is no `output_signature`.
            output_shapes: their shapes; unknown by default.
            args: arguments of `generator`, which receives them as NumPy arrays.
            output_signature: a structure of `TensorSpec`.
            name: accepted for compatibility.

        Raises:
            InvalidTypeError: `generator` is not callable, or neither types nor a signature are given; or, in an iteration, an
                element does not have this structure, dtype or shape.
        """
        if not callable(generator):
            raise InvalidTypeError("`generator` must be a Python callable that returns an iterable, not an iterator.")
        spec = _signature(output_types, output_shapes, output_signature)

        def elements() -> Iterator[Any]:
            for value in generator(*(as_numpy(component(a)) for a in args or ())):
                yield _typed(spec, value)

        return Dataset(elements, UNKNOWN, lambda: spec)

    @staticmethod
    def range(*args: Any, output_type: Any = "int64", name: str | None = None) -> Dataset:
        """Return the integers of `range(*args)`, as scalars of dtype `output_type`."""
        numbers = np.arange(*(int(a) for a in args), dtype=TensorSpec((), output_type).dtype)
        return Dataset.from_tensor_slices(numbers)

    @staticmethod
    def random(
        seed: int | None = None, rerandomize_each_iteration: bool | None = None, name: str | None = None
    ) -> Dataset:
        """Return an endless data set of random integers of 32 bits, as int64 scalars."""
        from graphkit.utils.shuffling import philox

        pair = seed_pair(seed)
        return Dataset(
            lambda: (np.asarray(n, np.int64) for n in philox(*pair)), INFINITE, lambda: TensorSpec((), "int64")
        )

    @staticmethod
    def list_files(
        file_pattern: Any, shuffle: bool | None = None, seed: int | None = None, name: str | None = None
    ) -> Dataset:
        """Return the paths of the files that match a pattern (or patterns) of the shell, by default in random order.

        Raises:
            InvalidArgumentError: no file matches.
        """
        patterns = [str(p) for p in np.ravel(as_texts(file_pattern))]
        paths = sorted(path for pattern in patterns for path in glob.glob(pattern))
        if not paths:
            raise InvalidArgumentError(f"No files matched pattern: {', '.join(patterns)}")
        files = Dataset.from_tensor_slices(paths)
        return files if shuffle is False else files.shuffle(len(paths), seed)

    @staticmethod
    def zip(*args: Any, datasets: Any = None, name: str | None = None) -> Dataset:
        """Return the elements of several data sets side by side; the shortest one ends it.

        Args:
            *args: data sets, or one structure of tuples and dicts of data sets.
            datasets: such a structure, as a keyword.
            name: accepted for compatibility.

        Raises:
            InvalidTypeError: an argument is not a data set.
        """
        given = datasets if datasets is not None else args[0] if len(args) == 1 else args
        if not args and datasets is None:
            raise InvalidTypeError("Must pass at least one dataset to `zip`.")
        structure = tuple(given) if isinstance(given, list) else given
        parts = nest.flatten(structure)
        wrong = next((p for p in parts if not isinstance(p, Dataset)), None)
        if wrong is not None:
            raise InvalidTypeError(
                f"The argument to `zip` must be one or more `Dataset`s, got {type(wrong).__name__}. Make one with "
                "Dataset.from_tensor_slices."
            )

        def elements() -> Iterator[Any]:
            return (nest.pack(structure, row) for row in zip(*(p._start() for p in parts), strict=False))

        return Dataset(
            elements,
            _smallest([p._count for p in parts]),
            lambda: nest.pack(structure, [p.element_spec for p in parts]),
        )

    @staticmethod
    def sample_from_datasets(
        datasets: Sequence[Dataset],
        weights: Any = None,
        seed: int | None = None,
        stop_on_empty_dataset: bool = False,
        rerandomize_each_iteration: bool | None = None,
    ) -> Dataset:
        """Return elements drawn from several data sets at random, with these weights."""
        parts = list(datasets)
        chances = np.full(len(parts), 1 / len(parts)) if weights is None else np.asarray(weights, np.float64)
        fixed = seed_pair(seed)[1]

        def choices() -> Iterator[int]:
            random = np.random.default_rng(fixed)
            while True:
                yield int(random.choice(len(parts), p=chances / chances.sum()))

        return _chosen(parts, choices, stop_on_empty_dataset)

    @staticmethod
    def choose_from_datasets(
        datasets: Sequence[Dataset], choice_dataset: Dataset, stop_on_empty_dataset: bool = True
    ) -> Dataset:
        """Return elements of several data sets; `choice_dataset` holds the number of the data set of each element."""
        return _chosen(list(datasets), lambda: map(int, choice_dataset._start()), stop_on_empty_dataset)

    # ----- iteration -----

    def __iter__(self) -> DatasetIterator:
        return DatasetIterator(self._start(), lambda: self.element_spec)

    def as_numpy_iterator(self) -> NumpyIterator:
        """Return an iterator over the elements as NumPy arrays and scalars; strings are bytes."""
        return NumpyIterator(self._start())

    def __len__(self) -> int:
        """Return the number of elements.

        Raises:
            InvalidTypeError: it is infinite or unknown.
        """
        if self._count == INFINITE:
            raise InvalidTypeError("The dataset is infinite.")
        if self._count == UNKNOWN:
            raise InvalidTypeError("The dataset length is unknown.")
        return self._count

    def __bool__(self) -> bool:
        return True

    def cardinality(self, name: str | None = None) -> Any:
        """Return the number of elements as an int64 scalar; -1 if it is infinite, -2 if it is unknown."""
        return eager(np.asarray(self._count, np.int64))

    @property
    def element_spec(self) -> Any:
        """The specs of the components, in the structure of an element. For `map` the function is called on a first element."""
        return self._spec()

    def get_single_element(self, name: str | None = None) -> Any:
        """Return the only element.

        Raises:
            InvalidArgumentError: there is none, or more than one.
        """
        found = list(itertools.islice(self._start(), 2))
        if len(found) != 1:
            raise InvalidArgumentError("Dataset had more than one element." if found else "Dataset was empty.")
        return shown(found[0])

    def __repr__(self) -> str:
        try:
            return f"<{type(self).__name__} element_spec={self.element_spec!r}>"
        except Exception:  # the specs of `map` need a first element
            return f"<{type(self).__name__}>"

    def listed(self) -> tuple[list[Any], Callable[[list[Any]], Dataset]]:
        """Return the elements as a list, and a function from such a list to a data set.

        Samples that are loaded by number are listed as numbers, and loaded when they are needed.
        """
        rows = self._rows
        if rows is None:
            return list(self._start()), lambda chosen: Dataset(lambda: iter(chosen), len(chosen), self._spec)

        def picked(numbers: list[Any]) -> Dataset:
            part = _Rows(lambda: iter(numbers), rows.load)
            return Dataset(part.samples, len(numbers), self._spec, part)

        return list(rows.start()), picked

    # ----- order and choice of elements -----

    def _reordered(self, transform: Transform, count: int) -> Dataset:
        """Return a data set of the same elements in another order or number."""
        rows, start = self._rows, self._start
        if rows is None:
            return Dataset(lambda: transform(start()), count, self._spec)
        chosen = _Rows(lambda: transform(rows.start()), rows.load)
        return Dataset(chosen.samples, count, self._spec, chosen)

    def shuffle(
        self,
        buffer_size: Any,
        seed: Any = None,
        reshuffle_each_iteration: bool | None = None,
        name: str | None = None,
    ) -> Dataset:
        """Return the elements in random order, drawn from a buffer; equal seeds give TensorFlow's order.

        Args:
            buffer_size: the number of elements to draw from; None or an unknown cardinality for all of them.
            seed: of the order. The session's seed (`keras.utils.set_random_seed`) counts as well.
            reshuffle_each_iteration: whether each iteration has a new order; True by default.
            name: accepted for compatibility.

        Raises:
            InvalidArgumentError: `buffer_size` is 0.
        """
        size = UNKNOWN if buffer_size is None else int(buffer_size)
        if size == 0 or size < UNKNOWN:
            raise InvalidArgumentError(f"buffer_size must be greater than zero, or UNKNOWN_CARDINALITY. Got {size}.")
        renews = reshuffle_each_iteration is None or bool(reshuffle_each_iteration)
        shuffler = Shuffler(size if size > 0 else 2**62, None if seed is None else int(seed), renews)
        return self._reordered(shuffler, self._count)

    def repeat(self, count: Any = None, name: str | None = None) -> Dataset:
        """Return the elements `count` times; None or -1 repeats them without end."""
        times = -1 if count is None else int(count)
        number = self._count * times if self._count >= 0 and times >= 0 else self._count
        if times < 0 and self._count != 0:
            number = INFINITE
        elif times == 0:
            number = 0
        rows, start = self._rows, self._start
        if rows is None:
            return Dataset(lambda: _repeated(start, times), number, self._spec)
        chosen = _Rows(lambda: _repeated(rows.start, times), rows.load)
        return Dataset(chosen.samples, number, self._spec, chosen)

    def take(self, count: Any, name: str | None = None) -> Dataset:
        """Return the first `count` elements; all for -1."""
        number = int(count)
        if number < 0:
            return self
        left = number if self._count == INFINITE else UNKNOWN if self._count == UNKNOWN else min(number, self._count)
        return self._reordered(lambda it: itertools.islice(it, number), left)

    def skip(self, count: Any, name: str | None = None) -> Dataset:
        """Return all but the first `count` elements; none for -1."""
        number = int(count)
        if number < 0:
            return self._reordered(lambda it: iter(()), 0)
        left = self._count if self._count < 0 else max(self._count - number, 0)
        return self._reordered(lambda it: itertools.islice(it, number, None), left)

    def shard(self, num_shards: Any, index: Any, name: str | None = None) -> Dataset:
        """Return every `num_shards`-th element, from number `index` on.

        Raises:
            InvalidArgumentError: `index` is not one of the shards.
        """
        shards, first = int(num_shards), int(index)
        if not 0 <= first < shards:
            raise InvalidArgumentError(f"Index must be between 0 and {shards - 1}, got index = {first}.")
        left = self._count if self._count < 0 else len(range(first, self._count, shards))
        return self._reordered(lambda it: itertools.islice(it, first, None, shards), left)

    def filter(self, predicate: Callable[..., Any], name: str | None = None) -> Dataset:
        """Return the elements for which `predicate` is true."""
        start = self._start
        return Dataset(lambda: (e for e in start() if bool(_applied(predicate, e))), UNKNOWN, self._spec)

    def take_while(self, predicate: Callable[..., Any], name: str | None = None) -> Dataset:
        """Return the elements before the first for which `predicate` is false."""
        start = self._start
        return Dataset(
            lambda: itertools.takewhile(lambda e: bool(_applied(predicate, e)), start()), UNKNOWN, self._spec
        )

    def unique(self, name: str | None = None) -> Dataset:
        """Return the elements without repetitions, which must be scalars or arrays without a structure."""
        start = self._start

        def elements() -> Iterator[Any]:
            seen: set[Any] = set()
            for element in start():
                key = (element.shape, tuple(element.ravel().tolist()))
                if key not in seen:
                    seen.add(key)
                    yield element

        return Dataset(elements, UNKNOWN, self._spec)

    def concatenate(self, dataset: Dataset, name: str | None = None) -> Dataset:
        """Return the elements of this data set, then those of another of the same structure.

        Raises:
            InvalidTypeError: the structures or dtypes differ.
        """
        start, other = self._start, dataset._start
        spec = map_components(common, self.element_spec, dataset.element_spec)
        counts = self._count, dataset._count
        number = INFINITE if INFINITE in counts else UNKNOWN if UNKNOWN in counts else sum(counts)
        return Dataset(lambda: itertools.chain(start(), other()), number, lambda: spec)

    def enumerate(self, start: Any = 0, name: str | None = None) -> Dataset:
        """Return pairs (number, element); the numbers are int64 scalars from `start` on."""
        elements, first = self._start, int(start)
        return Dataset(
            lambda: ((np.asarray(n, np.int64), e) for n, e in enumerate(elements(), first)),
            self._count,
            lambda: (TensorSpec((), "int64"), self.element_spec),
        )

    # ----- values of elements -----

    def map(
        self,
        map_func: Callable[..., Any],
        num_parallel_calls: Any = None,
        deterministic: bool | None = None,
        synchronous: bool | None = None,
        use_unbounded_threadpool: bool = False,
        name: str | None = None,
    ) -> Dataset:
        """Return the results of a function for each element.

        Args:
            map_func: takes an element, or the components of a tuple as arguments, as eager tensors; it returns an array or a
                structure of tuples and dicts.
            num_parallel_calls: accepted for compatibility.
            deterministic: accepted for compatibility.
            synchronous: accepted for compatibility.
            use_unbounded_threadpool: accepted for compatibility.
            name: accepted for compatibility.
        """
        start = self._start
        return Dataset(
            lambda: map(partial(_mapped, map_func), start()),  # not a generator, which an error would end
            self._count,
            lambda: _spec_of_map(self, map_func),
        )

    def flat_map(self, map_func: Callable[..., Any], name: str | None = None) -> Dataset:
        """Return the elements of the data sets that a function returns, one after another."""
        start = self._start
        return Dataset(
            lambda: (e for outer in start() for e in _inner(map_func, outer)._start()),
            UNKNOWN,
            lambda: _inner(map_func, _first_of(self)).element_spec,
        )

    def interleave(
        self,
        map_func: Callable[..., Any],
        cycle_length: Any = None,
        block_length: Any = None,
        num_parallel_calls: Any = None,
        deterministic: bool | None = None,
        name: str | None = None,
    ) -> Dataset:
        """Return the elements of the data sets that a function returns, interleaved.

        Args:
            map_func: returns a data set for an element.
            cycle_length: how many of them are open at a time; the number of CPUs by default.
            block_length: how many elements are taken at a turn, 1 by default.
            num_parallel_calls: accepted for compatibility.
            deterministic: accepted for compatibility.
            name: accepted for compatibility.

        Raises:
            InvalidArgumentError: a length is 0.
        """
        cycle = AUTOTUNE if cycle_length is None else int(cycle_length)
        block = 1 if block_length is None else int(block_length)
        if cycle == 0 or block <= 0:
            raise InvalidArgumentError(
                f"cycle_length and block_length must be greater than 0, got {cycle_length} and {block_length}."
            )
        width = cycle if cycle > 0 else os.cpu_count() or 1
        start = self._start
        return Dataset(
            lambda: _interleaved((_inner(map_func, e)._start() for e in start()), width, block),
            UNKNOWN,
            lambda: _inner(map_func, _first_of(self)).element_spec,
        )

    def scan(self, initial_state: Any, scan_func: Callable[..., Any], name: str | None = None) -> Dataset:
        """Return the outputs of `scan_func(state, element)`, which returns (new state, output)."""
        start = self._start

        def elements() -> Iterator[Any]:
            state = element_of(initial_state)
            for element in start():
                made = scan_func(shown(state), shown(element))
                state, output = element_of(made[0]), element_of(made[1])
                yield output

        return Dataset(elements, self._count, lambda: map_components(spec_of, next(elements())))

    def reduce(self, initial_state: Any, reduce_func: Callable[..., Any], name: str | None = None) -> Any:
        """Return the last state of `reduce_func(state, element)`, applied to all elements."""
        state = element_of(initial_state)
        for element in self._start():
            state = element_of(reduce_func(shown(state), shown(element)))
        return shown(state)

    def apply(self, transformation_func: Callable[[Any], Any]) -> Any:
        """Return `transformation_func(self)`.

        Raises:
            InvalidTypeError: it does not return a data set.
        """
        made = transformation_func(self)
        if not isinstance(made, Dataset):
            raise InvalidTypeError(
                f"`transformation_func` must return a `tf.data.Dataset` object. Got {type(made).__name__}."
            )
        return made

    # ----- batches -----

    def batch(
        self,
        batch_size: Any,
        drop_remainder: bool = False,
        num_parallel_calls: Any = None,
        deterministic: bool | None = None,
        name: str | None = None,
    ) -> Dataset:
        """Return batches: elements stacked along a new first axis.

        Args:
            batch_size: elements per batch; the last batch may be smaller.
            drop_remainder: whether a smaller last batch is left out.
            num_parallel_calls: accepted for compatibility.
            deterministic: accepted for compatibility.
            name: accepted for compatibility.

        Raises:
            InvalidArgumentError: `batch_size` is not positive.
            ShapeError: in an iteration, the elements of a batch have different shapes.
        """
        size, rows, start = _positive(batch_size, "batch_size"), self._rows, self._start

        def elements() -> Iterator[Any]:
            if rows is not None:
                return rows.batches(size, drop_remainder)
            return map(stacked, _groups(start(), size, drop_remainder))

        first = size if drop_remainder else None
        made = Dataset(
            elements,
            _batches_in(self._count, size, drop_remainder),
            lambda: map_components(lambda s: s and _with_rows(s, first), self.element_spec),
        )
        made.batched = self, size
        return made

    def padded_batch(
        self,
        batch_size: Any,
        padded_shapes: Any = None,
        padding_values: Any = None,
        drop_remainder: bool = False,
        name: str | None = None,
    ) -> Dataset:
        """Return batches of elements of different sizes, padded at their ends.

        Args:
            batch_size: elements per batch.
            padded_shapes: the shape of each component; None for a size pads it to the largest of the batch, as do unknown sizes
                by default.
            padding_values: what the components are padded with; 0 or "" by default.
            drop_remainder: whether a smaller last batch is left out.
            name: accepted for compatibility.

        Raises:
            InvalidArgumentError: `batch_size` is not positive.
            ShapeError: in an iteration, an element is larger than its padded shape.
        """
        size, start = _positive(batch_size, "batch_size"), self._start

        def spec() -> Any:
            first = size if drop_remainder else None
            shapes = padded_shapes
            given = self.element_spec
            flat = nest.flatten(given)
            wanted = [None] * len(flat) if shapes is None else _flat_shapes(shapes, given)
            made = [
                TensorSpec(
                    [first, *([None if d in (None, -1) else d for d in w] if w is not None else s.shape)], s.dtype
                )
                for s, w in zip(flat, wanted, strict=True)
            ]
            return nest.pack(given, made)

        return Dataset(
            lambda: (padded(g, padded_shapes, padding_values) for g in _groups(start(), size, drop_remainder)),
            _batches_in(self._count, size, drop_remainder),
            spec,
        )

    def unbatch(self, name: str | None = None) -> Dataset:
        """Return the rows of the elements, one by one."""
        start = self._start
        return Dataset(
            lambda: (row for batch in start() for row in rows_of(batch)),
            UNKNOWN,
            lambda: map_components(lambda s: s and _without_rows(s), self.element_spec),
        )

    def rebatch(self, batch_size: Any, drop_remainder: bool = False, name: str | None = None) -> Dataset:
        """Return batches of another size of the same rows."""
        return self.unbatch().batch(batch_size, drop_remainder)

    def window(
        self, size: Any, shift: Any = None, stride: Any = 1, drop_remainder: bool = False, name: str | None = None
    ) -> Dataset:
        """Return windows over the elements; each component of a window is a data set.

        Args:
            size: elements in a window.
            shift: elements between the starts of two windows; `size` by default.
            stride: elements between two elements of a window.
            drop_remainder: whether smaller last windows are left out.
            name: accepted for compatibility.

        Raises:
            InvalidArgumentError: a number is not positive.
        """
        width = _positive(size, "size")
        step, apart = _positive(width if shift is None else shift, "shift"), _positive(stride, "stride")
        start = self._start

        def elements() -> Iterator[Any]:
            for window in _windows(start(), width, step, apart, drop_remainder):
                yield _by_component(window, nest.flatten(self.element_spec))

        return Dataset(
            elements,
            _windows_in(self._count, width, step, apart, drop_remainder),
            lambda: map_components(DatasetSpec, self.element_spec),
        )

    def group_by_window(
        self,
        key_func: Callable[..., Any],
        reduce_func: Callable[..., Any],
        window_size: Any = None,
        window_size_func: Callable[..., Any] | None = None,
        name: str | None = None,
    ) -> Dataset:
        """Collect elements by key into windows; `reduce_func(key, window)` returns a data set for each window.

        Raises:
            InvalidArgumentError: neither `window_size` nor `window_size_func` is given, or both.
        """
        if (window_size is None) == (window_size_func is None):
            raise InvalidArgumentError("Must pass either `window_size` or `window_size_func`, and not both.")
        start = self._start

        def reduced(key: int, group: list[Any]) -> Dataset:
            window = Dataset(lambda: iter(group), len(group), self._spec)
            return reduce_func(eager(np.asarray(key, np.int64)), window)  # type: ignore[no-any-return]

        def elements() -> Iterator[Any]:
            groups: dict[int, list[Any]] = {}
            for element in start():
                key = int(_applied(key_func, element))
                size = int(window_size if window_size_func is None else window_size_func(key))
                groups.setdefault(key, []).append(element)
                if len(groups[key]) == size:
                    yield from reduced(key, groups.pop(key))._start()
            for key in sorted(groups):
                yield from reduced(key, groups[key])._start()

        return Dataset(elements, UNKNOWN, lambda: reduced(0, []).element_spec)

    def bucket_by_sequence_length(
        self,
        element_length_func: Callable[..., Any],
        bucket_boundaries: Sequence[int],
        bucket_batch_sizes: Sequence[int],
        padded_shapes: Any = None,
        padding_values: Any = None,
        pad_to_bucket_boundary: bool = False,
        no_padding: bool = False,
        drop_remainder: bool = False,
        name: str | None = None,
    ) -> Dataset:
        """Return padded batches of elements of similar length.

        Args:
            element_length_func: returns the length of an element.
            bucket_boundaries: the upper ends of the buckets, exclusive.
            bucket_batch_sizes: the size of the batches of each bucket, one more than boundaries.
            padded_shapes: as for `padded_batch`.
            padding_values: as for `padded_batch`.
            pad_to_bucket_boundary: must be False.
            no_padding: whether elements are stacked without padding.
            drop_remainder: whether smaller last batches are left out.
            name: accepted for compatibility.

        Raises:
            InvalidArgumentError: the numbers of boundaries and batch sizes do not fit.
            UnsupportedError: `pad_to_bucket_boundary` is true.
        """
        if len(bucket_batch_sizes) != len(bucket_boundaries) + 1:
            raise InvalidArgumentError(
                "`len(bucket_batch_sizes)` must equal `len(bucket_boundaries) + 1` but `len(bucket_batch_sizes)`="
                f"{len(bucket_batch_sizes)} and `len(bucket_boundaries)`={len(bucket_boundaries)}."
            )
        if pad_to_bucket_boundary:
            raise UnsupportedError(
                "bucket_by_sequence_length: pad_to_bucket_boundary=True is not supported; pass padded_shapes."
            )

        def bucket(*element: Any) -> int:
            return int(np.searchsorted(list(bucket_boundaries), int(element_length_func(*element)), "right"))

        def batched(key: Any, window: Dataset) -> Dataset:
            size = bucket_batch_sizes[int(key)]
            if no_padding:
                return window.batch(size, drop_remainder)
            return window.padded_batch(size, padded_shapes, padding_values, drop_remainder)

        return self.group_by_window(bucket, batched, window_size_func=lambda key: bucket_batch_sizes[int(key)])

    # ----- execution -----

    def prefetch(self, buffer_size: Any, name: str | None = None) -> Dataset:
        """Return the data set unchanged: elements are made when they are needed."""
        return self._reordered(iter, self._count)

    def cache(self, filename: Any = "", name: str | None = None) -> Dataset:
        """Return a data set that keeps its elements in memory after the first whole iteration.

        Args:
            filename: accepted for compatibility; elements are kept in memory all the same.
            name: accepted for compatibility.
        """
        kept: list[Any] = []
        start = self._start
        is_whole = False

        def recorded(source: Iterator[Any]) -> Iterator[Any]:
            nonlocal is_whole
            made = []
            for element in source:
                made.append(element)
                if len(made) == self._count:  # whoever counts elements does not ask for one more
                    kept[:], is_whole = made, True
                yield element
            kept[:], is_whole = made, True

        def elements() -> Iterator[Any]:
            return iter(kept) if is_whole else recorded(start())

        return Dataset(elements, self._count, self._spec)

    def options(self) -> Options:
        """Return the settings, which have no effect."""
        return Options()

    def with_options(self, options: Any, name: str | None = None) -> Dataset:
        """Return the data set unchanged."""
        return self

    def ignore_errors(self, log_warning: bool = False, name: str | None = None) -> Dataset:
        """Return the data set without the elements whose computation raises an error."""
        start = self._start

        def elements() -> Iterator[Any]:
            source = start()
            while True:
                try:
                    yield next(source)
                except StopIteration:
                    return
                except Exception:
                    continue

        return Dataset(elements, UNKNOWN, self._spec)

    def assert_cardinality(self, expected_cardinality: Any) -> Dataset:
        """Return the data set with this cardinality, which is checked at the end of each iteration."""
        number, start = int(expected_cardinality), self._start

        def elements() -> Iterator[Any]:
            count = 0
            for element in start():
                count += 1
                yield element
            if number not in (INFINITE, UNKNOWN, count):
                raise InvalidArgumentError(
                    f"Input dataset was expected to contain {number} elements but contained {count}."
                )

        return Dataset(elements, number, self._spec)


class TextLineDataset(Dataset):
    """The lines of text files. Source: tf.data.TextLineDataset.

    Args:
        filenames: a path, or a list or data set of paths.
        compression_type: "GZIP" for compressed files.
        buffer_size: accepted for compatibility.
        num_parallel_reads: accepted for compatibility.
        name: accepted for compatibility.
    """

    def __init__(
        self,
        filenames: Any,
        compression_type: str | None = None,
        buffer_size: int | None = None,
        num_parallel_reads: int | None = None,
        name: str | None = None,
    ) -> None:
        def paths() -> list[str]:
            given = list(filenames._start()) if isinstance(filenames, Dataset) else filenames
            return [str(p) for p in np.ravel(as_texts(given))]

        def lines() -> Iterator[Any]:
            for path in paths():
                with _opened(path, compression_type) as file:
                    for line in file:
                        yield np.asarray(line.rstrip("\r\n"), object)

        super().__init__(lines, UNKNOWN, lambda: TensorSpec((), "string"))


def _opened(path: str, compression: str | None) -> Any:
    if compression == "GZIP":
        import gzip

        return gzip.open(path, "rt", encoding="utf-8")
    return open(path, encoding="utf-8")


def as_texts(value: Any) -> Any:
    """Return paths as an array of str."""
    array = np.asarray(
        [os.fspath(v) if isinstance(v, os.PathLike) else v for v in value] if isinstance(value, list) else value, object
    )
    return np.vectorize(lambda v: v.decode() if isinstance(v, bytes) else str(v), otypes=[object])(array)


# ----- helpers -----


def _applied(function: Callable[..., Any], element: Any) -> Any:
    """Call a user-defined function with an element; a tuple's components are arguments of their own."""
    given = shown(element)
    return function(*given) if type(given) is tuple else function(given)


def _mapped(function: Callable[..., Any], element: Any) -> Any:
    """Return a function's result for an element; a list of results counts as a tuple, as in TensorFlow."""
    made = _applied(function, element)
    return element_of(tuple(made) if type(made) is list else made)


def _inner(function: Callable[..., Any], element: Any) -> Dataset:
    made = _applied(function, element)
    if not isinstance(made, Dataset):
        raise InvalidTypeError(
            f"The `map_func` argument must return a `Dataset` object. Got {type(made).__name__}; use `map` for functions that return "
            "arrays."
        )
    return made


def _first_of(dataset: Dataset) -> Any:
    """Return the first element.

    Raises:
        InvalidArgumentError: there is none.
    """
    for element in dataset._start():
        return element
    raise InvalidArgumentError("The data set has no elements, so the shapes of its results are not known.")


def _spec_of_map(dataset: Dataset, function: Callable[..., Any]) -> Any:
    """Return the specs of a function's results for a first element; axes whose size follows one that is not known have None."""
    given, first = dataset.element_spec, _first_of(dataset)
    made = map_components(spec_of, _mapped(function, first))
    open_rows = all(isinstance(s, TensorSpec) and s.shape and s.shape[0] is None for s in nest.flatten(given))
    if not open_rows:
        return made
    longer = map_components(lambda a: np.concatenate([a, a[:1]]) if len(a) else a, first)
    return map_components(common, made, map_components(spec_of, _mapped(function, longer)))


def _with_rows(spec: Any, rows: int | None) -> Any:
    return TensorSpec(None if spec.shape is None else [rows, *spec.shape], spec.dtype)


def _without_rows(spec: Any) -> Any:
    return spec if spec is None or spec.shape is None else TensorSpec(spec.shape[1:], spec.dtype)


def _positive(value: Any, name: str) -> int:
    number = int(value)
    if number <= 0:
        raise InvalidArgumentError(f"{name} must be greater than zero, got {number}.")
    return number


def _smallest(counts: Sequence[int]) -> int:
    finite = [c for c in counts if c >= 0]
    if UNKNOWN in counts:
        return UNKNOWN
    return min(finite) if finite else INFINITE


def _batches_in(count: int, size: int, drop_remainder: bool) -> int:
    return count if count < 0 else count // size if drop_remainder else -(-count // size)


def _groups(elements: Iterator[Any], size: int, drop_remainder: bool) -> Iterator[list[Any]]:
    while group := list(itertools.islice(elements, size)):
        if len(group) < size and drop_remainder:
            return
        yield group


def _repeated(start: Start, times: int) -> Iterator[Any]:
    """Return the elements of several passes. The first pass starts at once, so that `shuffle` draws its order now."""
    return _chained(start(), start, times) if times else iter(())


def _chained(current: Iterator[Any], start: Start, times: int) -> Iterator[Any]:
    for number in itertools.count(1):
        is_empty = True
        for element in current:
            is_empty = False
            yield element
        if is_empty or number == times:
            return
        current = start()


def _interleaved(inner: Iterator[Iterator[Any]], width: int, block: int) -> Iterator[Any]:
    slots: list[Iterator[Any] | None] = [None] * width
    is_last = False
    while True:
        for place in range(width):
            taken = 0
            while taken < block:
                if slots[place] is None and not is_last:
                    slots[place] = next(inner, None)
                    is_last = slots[place] is None
                source = slots[place]
                if source is None:
                    break
                element = next(source, _END)
                if element is _END:
                    slots[place] = None
                    break
                taken += 1
                yield element
        if is_last and not any(slots):
            return


_END = object()


def _windows(elements: Iterator[Any], width: int, step: int, apart: int, drop_remainder: bool) -> Iterator[list[Any]]:
    span = (width - 1) * apart + 1
    buffer: deque[Any] = deque(itertools.islice(elements, span))
    while buffer:
        if len(buffer) < span and drop_remainder:
            return
        yield list(itertools.islice(buffer, 0, None, apart))
        for _ in range(step):
            if buffer:
                buffer.popleft()
            else:
                next(elements, None)
        buffer.extend(itertools.islice(elements, span - len(buffer)))


def _windows_in(count: int, width: int, step: int, apart: int, drop_remainder: bool) -> int:
    if count < 0:
        return count
    span = (width - 1) * apart + 1
    return max((count - span) // step + 1, 0) if drop_remainder else -(-count // step)


def _by_component(window: Sequence[Any], specs: Sequence[Any]) -> Any:
    """Return the structure of an element with a data set for each component."""
    columns = zip(*map(nest.flatten, window), strict=True)
    return nest.pack(window[0], [_listed_dataset(list(c), s) for c, s in zip(columns, specs, strict=True)])


def _listed_dataset(values: list[Any], spec: Any) -> Dataset:
    return Dataset(lambda: iter(values), len(values), lambda: spec)


def _chosen(parts: list[Dataset], choices: Callable[[], Iterator[int]], stops: bool) -> Dataset:
    def elements() -> Iterator[Any]:
        sources: list[Iterator[Any] | None] = [p._start() for p in parts]
        for number in choices():
            source = sources[number]
            if source is None:
                continue
            element = next(source, _END)
            if element is not _END:
                yield element
                continue
            sources[number] = None
            if stops or not any(sources):
                return

    return Dataset(elements, INFINITE if all(p._count == INFINITE for p in parts) else UNKNOWN, parts[0]._spec)


def _flat_shapes(shapes: Any, spec: Any) -> list[Any]:
    if isinstance(spec, Mapping):
        return [s for key in nest.keys_in_order(spec) for s in _flat_shapes(shapes[key], spec[key])]
    if isinstance(spec, tuple) and not (is_shape(shapes) and shapes and not isinstance(shapes[0], (tuple, list))):
        return [s for g, f in zip(shapes, spec, strict=True) for s in _flat_shapes(g, f)]
    return [shapes]


def _signature(types: Any, shapes: Any, signature: Any) -> Any:
    """Return the specs that describe a generator.

    Raises:
        InvalidTypeError: neither types nor a signature are given, or both.
    """
    if signature is not None:
        if types is not None or shapes is not None:
            raise InvalidTypeError("The `output_types` and `output_shapes` must not be passed with `output_signature`.")
        return map_components(_checked_spec, tuple(signature) if isinstance(signature, list) else signature)
    if types is None:
        raise InvalidTypeError(
            "Either `output_signature` or `output_types` must be specified: the dtypes and shapes of the generator's elements, such as "
            "output_signature=(tf.TensorSpec((3,), tf.float32), tf.TensorSpec((), tf.int32))."
        )
    types = tuple(types) if isinstance(types, list) else types
    if shapes is None:
        return map_components(lambda dtype: TensorSpec(None, dtype), types)
    flat_types = nest.flatten(types)
    flat = _flat_shapes(shapes, types) if isinstance(types, (tuple, Mapping)) else [shapes]
    return nest.pack(types, [TensorSpec(s, d) for s, d in zip(flat, flat_types, strict=True)])


def _checked_spec(spec: Any) -> TensorSpec:
    if isinstance(spec, TensorSpec):
        return spec
    if hasattr(spec, "shape") and hasattr(spec, "dtype"):
        return TensorSpec(spec.shape, spec.dtype)
    raise InvalidTypeError(
        f"`output_signature` must contain objects such as tf.TensorSpec(shape, dtype), got {type(spec).__name__}."
    )


def _typed(spec: Any, value: Any) -> Any:
    """Convert an element of a generator to the dtypes that were announced.

    Raises:
        InvalidTypeError: its structure, dtypes or shapes are others.
    """
    if isinstance(spec, (tuple, Mapping)) and not isinstance(value, (tuple, list, Mapping)):
        raise InvalidTypeError(
            "`generator` yielded an element that did not match the expected structure. The expected structure was "
            f"{spec!r}, but the yielded element was {value!r:.120}."
        )
    return map_components(_typed_component, spec, value)


def _typed_component(spec: TensorSpec, value: Any) -> Any:
    array = component(value)
    wanted = np.dtype(object) if spec.dtype == "string" else None
    try:
        if wanted is None:
            from graphkit.core.dtypes import to_numpy

            wanted = to_numpy(spec.dtype)
            if array.dtype == object or (array.dtype.kind in "fc" and wanted.kind in "iub"):
                raise ValueError
            array = array.astype(wanted, copy=False)
        elif array.dtype != object:
            raise ValueError
    except (ValueError, TypeError):
        raise InvalidTypeError(
            f"`generator` yielded an element that could not be converted to the expected type. The expected type was {spec.dtype}, but "
            f"the yielded element was {value!r:.120}."
        ) from None
    if spec.shape is not None and (
        len(spec.shape) != array.ndim or any(w not in (None, g) for w, g in zip(spec.shape, array.shape, strict=True))
    ):
        raise ShapeError(
            f"`generator` yielded an element of shape {array.shape} where an element of shape {tuple(spec.shape)} was expected."
        )
    return array


# ----- tf.data.experimental -----


class AutoShardPolicy(enum.IntEnum):
    """Policies of distribution for `Options`, which have no effect. Source: tf.data.experimental.AutoShardPolicy."""

    OFF, AUTO, FILE, DATA, HINT = -1, 0, 1, 2, 3


def cardinality(dataset: Dataset) -> Any:
    """Return the number of elements: see `Dataset.cardinality`."""
    return dataset.cardinality()


def assert_cardinality(expected_cardinality: Any) -> Callable[[Dataset], Dataset]:
    """Return a function for `Dataset.apply`: see `Dataset.assert_cardinality`."""
    return lambda dataset: dataset.assert_cardinality(expected_cardinality)


def ignore_errors(log_warning: bool = False) -> Callable[[Dataset], Dataset]:
    """Return a function for `Dataset.apply`: see `Dataset.ignore_errors`."""
    return lambda dataset: dataset.ignore_errors(log_warning)


experimental = SimpleNamespace(
    AUTOTUNE=AUTOTUNE,
    AutoShardPolicy=AutoShardPolicy,
    INFINITE_CARDINALITY=INFINITE_CARDINALITY,
    UNKNOWN_CARDINALITY=UNKNOWN_CARDINALITY,
    assert_cardinality=assert_cardinality,
    cardinality=cardinality,
    ignore_errors=ignore_errors,
)
"""The names of `tf.data.experimental` that scripts use."""
