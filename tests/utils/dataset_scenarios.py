"""Pipelines of data sets, which fixtures/make_dataset_answers.py runs with TensorFlow, and the tests with graphkit.

Each scenario takes a module that has `data` and `TensorSpec`, as TensorFlow does, and returns a data set or values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Scenario = Callable[[Any], Any]
X = np.arange(12, dtype="float32").reshape(6, 2)
Y = np.array([0, 1, 2, 3, 4, 5])
TEXTS = ["one", "two", "three", "four", "five", "six"]


def described(value: Any) -> Any:
    """Return a value in a form that JSON can hold: dtype, shape and elements of each component."""
    if isinstance(value, Mapping):
        return {k: described(v) for k, v in value.items()}
    if isinstance(value, (tuple, list)):
        return [described(v) for v in value]
    if hasattr(value, "as_numpy_iterator"):
        return ["data set", [described(v) for v in value]]
    if hasattr(value, "__next__"):
        return ["data set", [described(v) for v in value]]
    array = np.asarray(value)
    if array.dtype.kind in "OSU":
        return ["string", list(array.shape), [t.decode() if isinstance(t, bytes) else str(t) for t in array.ravel()]]
    return [str(array.dtype), list(array.shape), array.ravel().tolist()]


def outcome(tf: Any, scenario: Scenario) -> Any:
    """Return what a scenario gives: elements (of two iterations), cardinality and specs of a data set."""
    made = scenario(tf)
    if not isinstance(made, tf.data.Dataset):
        return described(made)
    count = int(made.cardinality())
    shown = made.take(7) if count == -1 else made
    return {
        "elements": [[described(e) for e in shown] for _ in range(2)],
        "cardinality": count,
        "spec": str(made.element_spec).replace("TensorShape(None)", "None").replace("<unknown>", "None"),
    }


def slices(tf: Any, *parts: Any) -> Any:
    return tf.data.Dataset.from_tensor_slices(parts if len(parts) > 1 else parts[0])


def counted(tf: Any, *numbers: int) -> Any:
    return tf.data.Dataset.range(*numbers)


def pairs() -> Any:
    for k in range(4):
        yield np.full(k + 1, k, "float32"), k


def generated(tf: Any, **announced: Any) -> Any:
    return tf.data.Dataset.from_generator(pairs, **announced)


def ragged(tf: Any) -> Any:
    return generated(
        tf, output_signature=(tf.TensorSpec(shape=(None,), dtype="float32"), tf.TensorSpec(shape=(), dtype="int32"))
    )


def cached_after_part(tf: Any) -> Any:
    calls: list[int] = []

    def numbers() -> Any:
        calls.append(1)
        yield from range(4)

    data = tf.data.Dataset.from_generator(numbers, output_signature=tf.TensorSpec((), "int64")).cache()
    made = [list(data.as_numpy_iterator()), list(data.as_numpy_iterator()), list(data.as_numpy_iterator())]
    return made, len(calls)


def error_of(call: Callable[[], Any]) -> str:
    """Return whether a call fails."""
    try:
        made = call()
        for _ in made:
            pass
    except Exception:
        return "error"
    return "no error"


SCENARIOS: dict[str, Scenario] = {
    # sources
    "slices of an array": lambda tf: slices(tf, X),
    "slices of a list": lambda tf: slices(tf, [[1, 2], [3, 4], [5, 6]]),
    "slices of floats": lambda tf: slices(tf, [1.5, 2.5]),
    "slices of texts": lambda tf: slices(tf, TEXTS),
    "slices of a pair": lambda tf: slices(tf, X, Y),
    "slices of a dict": lambda tf: slices(tf, {"x": X, "name": TEXTS}, Y),
    "slices of nested tuples": lambda tf: slices(tf, (X, {"b": Y, "a": X}), (Y,)),
    "slices of booleans": lambda tf: slices(tf, [True, False]),
    "tensors": lambda tf: tf.data.Dataset.from_tensors((X, [1, 2])),
    "range": lambda tf: counted(tf, 5),
    "range with a start and step": lambda tf: counted(tf, 10, 0, -3),
    "range of another dtype": lambda tf: tf.data.Dataset.range(3, output_type="int32"),
    "generator": ragged,
    "generator with types": lambda tf: generated(tf, output_types=("float32", "int64")),
    "generator with types and shapes": lambda tf: generated(
        tf, output_types=("float64", "int32"), output_shapes=((None,), ())
    ),
    "generator of dicts": lambda tf: tf.data.Dataset.from_generator(
        lambda: ({"a": k, "b": str(k)} for k in range(3)),
        output_signature={"a": tf.TensorSpec((), "int32"), "b": tf.TensorSpec((), "string")},
    ),
    "generator with arguments": lambda tf: tf.data.Dataset.from_generator(
        lambda n: iter(range(n)), args=[3], output_signature=tf.TensorSpec((), "int64")
    ),
    "zip": lambda tf: tf.data.Dataset.zip((counted(tf, 3), counted(tf, 5, 9))),
    "zip by position": lambda tf: tf.data.Dataset.zip(counted(tf, 3), slices(tf, X)),
    "zip of a dict": lambda tf: tf.data.Dataset.zip({"b": counted(tf, 2), "a": slices(tf, TEXTS)}),
    "zip nested": lambda tf: tf.data.Dataset.zip((counted(tf, 2), (slices(tf, X), counted(tf, 4)))),
    "random": lambda tf: tf.data.Dataset.random(seed=4).take(4),
    # elements
    "map": lambda tf: slices(tf, X, Y).map(lambda x, y: (x * 2, y + 1)),
    "map to one": lambda tf: slices(tf, X, Y).map(lambda x, y: x),
    "map to a dict": lambda tf: slices(tf, X, Y).map(lambda x, y: ({"x": x, "y": y}, y), num_parallel_calls=-1),
    "map of a dict": lambda tf: slices(tf, {"a": X, "b": Y}).map(lambda d: d["a"]),
    "map of a nested pair": lambda tf: slices(tf, (X, Y), Y).map(lambda both, z: (both[0], both[1] + z)),
    "map to a list": lambda tf: counted(tf, 2).map(lambda k: [1, 2, 3]),
    "map to a number": lambda tf: counted(tf, 2).map(lambda k: 1.5),
    "map after batch": lambda tf: slices(tf, X).batch(4).map(lambda x: x + 1),
    "filter": lambda tf: counted(tf, 8).filter(lambda k: k % 3 == 0),
    "filter of a pair": lambda tf: slices(tf, X, Y).filter(lambda x, y: y > 3),
    "take": lambda tf: counted(tf, 5).take(3),
    "take too many": lambda tf: counted(tf, 5).take(9),
    "take all": lambda tf: counted(tf, 3).take(-1),
    "skip": lambda tf: counted(tf, 5).skip(3),
    "skip all": lambda tf: counted(tf, 5).skip(-1),
    "take while": lambda tf: counted(tf, 9).take_while(lambda k: k < 4),
    "shard": lambda tf: counted(tf, 10).shard(3, 1),
    "concatenate": lambda tf: counted(tf, 3).concatenate(counted(tf, 5, 7)),
    "concatenate of batches": lambda tf: slices(tf, X[:2]).batch(2, True).concatenate(slices(tf, X).batch(3, True)),
    "enumerate": lambda tf: slices(tf, TEXTS).enumerate(start=4),
    "enumerate a pair": lambda tf: slices(tf, X, Y).enumerate(),
    "unique": lambda tf: slices(tf, [1, 37, 2, 37, 2, 1]).unique(),
    "scan": lambda tf: counted(tf, 5).scan(np.int64(0), lambda s, k: (s + k, s + k)),
    "reduce": lambda tf: counted(tf, 5).reduce(np.int64(0), lambda s, k: s + k),
    "reduce of pairs": lambda tf: counted(tf, 5).reduce((np.int64(0), np.int64(1)), lambda s, k: (s[0] + k, s[1] * 2)),
    "apply": lambda tf: counted(tf, 5).apply(lambda d: d.filter(lambda k: k > 2)),
    "flat map": lambda tf: slices(tf, X).flat_map(lambda x: slices(tf, x)),
    "flat map of numbers": lambda tf: counted(tf, 4).flat_map(lambda k: tf.data.Dataset.from_tensors(k).repeat(2)),
    "interleave": lambda tf: counted(tf, 1, 6).interleave(
        lambda k: tf.data.Dataset.from_tensors(k).repeat(6), cycle_length=2, block_length=4
    ),
    "interleave by turns": lambda tf: counted(tf, 5).interleave(
        lambda k: tf.data.Dataset.from_tensors(k).repeat(3), cycle_length=3
    ),
    "single element": lambda tf: tf.data.Dataset.from_tensors(X).get_single_element(),
    # batches
    "batch": lambda tf: slices(tf, X, Y).batch(4),
    "batch without remainder": lambda tf: slices(tf, X, Y).batch(4, drop_remainder=True),
    "batch of batches": lambda tf: counted(tf, 8).batch(3).batch(2, drop_remainder=True).take(1),
    "batch of texts": lambda tf: slices(tf, TEXTS).batch(4),
    "unbatch": lambda tf: slices(tf, X, Y).batch(4).unbatch(),
    "rebatch": lambda tf: slices(tf, X).batch(4).rebatch(3),
    "padded batch": lambda tf: ragged(tf).padded_batch(2),
    "padded batch with shapes": lambda tf: ragged(tf).padded_batch(2, padded_shapes=([5], [])),
    "padded batch with values": lambda tf: ragged(tf).padded_batch(
        3, padded_shapes=([None], []), padding_values=(-1.0, np.int32(0)), drop_remainder=True
    ),
    "padded batch of one component": lambda tf: counted(tf, 1, 4).map(lambda k: k + np.zeros(3, "int64")).padded_batch(
        2, padded_shapes=[4], padding_values=np.int64(7)
    ),
    "window": lambda tf: counted(tf, 7).window(3),
    "window with shift and stride": lambda tf: counted(tf, 7).window(3, shift=1, stride=2, drop_remainder=True),
    "window with a long shift": lambda tf: counted(tf, 9).window(2, shift=4),
    "window to batches": lambda tf: counted(tf, 6).window(3, 1, drop_remainder=True).flat_map(lambda w: w.batch(3)),
    "window of pairs": lambda tf: [
        (list(x.as_numpy_iterator()), list(y.as_numpy_iterator())) for x, y in slices(tf, X, Y).window(4)
    ],
    "group by window": lambda tf: counted(tf, 10).group_by_window(
        key_func=lambda k: k % 2, reduce_func=lambda key, w: w.batch(3), window_size=3
    ),
    "buckets by length": lambda tf: ragged(tf).bucket_by_sequence_length(
        lambda x, y: x.shape[0] if x.shape[0] is not None else tf.shape(x)[0], [2, 4], [2, 2, 2]
    ),
    # passes
    "repeat": lambda tf: counted(tf, 3).repeat(2),
    "repeat without end": lambda tf: counted(tf, 3).repeat(),
    "repeat batches": lambda tf: counted(tf, 5).batch(3).repeat(2),
    "repeat, then batch": lambda tf: counted(tf, 5).repeat(2).batch(4),
    "shuffle": lambda tf: counted(tf, 10).shuffle(4, seed=7),
    "shuffle all": lambda tf: slices(tf, X, Y).shuffle(6, seed=1),
    "shuffle once": lambda tf: counted(tf, 10).shuffle(5, seed=3, reshuffle_each_iteration=False),
    "shuffle and repeat": lambda tf: counted(tf, 4).shuffle(8, seed=0).repeat(3),
    "repeat and shuffle": lambda tf: counted(tf, 4).repeat(2).shuffle(3, seed=11),
    "shuffle, batch, prefetch": lambda tf: slices(tf, X, Y).shuffle(100, seed=42).batch(4).prefetch(tf.data.AUTOTUNE),
    "shuffle batches": lambda tf: slices(tf, X).batch(2).shuffle(3, seed=9),
    "shuffle twice": lambda tf: counted(tf, 6).shuffle(6, seed=1).shuffle(6, seed=2),
    "shuffle and take": lambda tf: counted(tf, 10).shuffle(10, seed=5).take(4),
    "shuffle after cache": lambda tf: counted(tf, 6).cache().shuffle(6, seed=5),
    "shuffle of all by cardinality": lambda tf: (lambda d: d.shuffle(d.cardinality(), seed=5))(counted(tf, 6)),
    "cache": cached_after_part,
    "prefetch": lambda tf: counted(tf, 3).prefetch(2),
    "options": lambda tf: counted(tf, 3).with_options(tf.data.Options()),
    "choose": lambda tf: tf.data.Dataset.choose_from_datasets(
        [counted(tf, 3), counted(tf, 10, 13)], slices(tf, np.array([0, 1, 1, 0])), stop_on_empty_dataset=True
    ),
    "assert cardinality": lambda tf: counted(tf, 9).filter(lambda k: k < 4).apply(
        tf.data.experimental.assert_cardinality(4)
    ),
    "length": lambda tf: [len(counted(tf, 7).batch(3)), len(counted(tf, 7).batch(3, True))],
    # refusals
    "length of an endless one": lambda tf: error_of(lambda: range(len(counted(tf, 3).repeat()))),
    "length of an unknown one": lambda tf: error_of(lambda: range(len(counted(tf, 3).filter(lambda k: k > 1)))),
    "slices of a scalar": lambda tf: error_of(lambda: slices(tf, 3)),
    "slices of two lengths": lambda tf: error_of(lambda: slices(tf, X, Y[:3])),
    "slices of a ragged list": lambda tf: error_of(lambda: slices(tf, [[1], [2, 3]])),
    "batch of two shapes": lambda tf: error_of(lambda: ragged(tf).batch(2)),
    "batch of nothing": lambda tf: error_of(lambda: counted(tf, 3).batch(0)),
    "a generator with another shape": lambda tf: error_of(
        lambda: generated(tf, output_signature=(tf.TensorSpec((1,), "float32"), tf.TensorSpec((), "int32")))
    ),
    "a generator with another type": lambda tf: error_of(
        lambda: generated(tf, output_signature=(tf.TensorSpec((None,), "float32"), tf.TensorSpec((), "string")))
    ),
    "a generator with another structure": lambda tf: error_of(
        lambda: generated(tf, output_signature=tf.TensorSpec((None,), "float32"))
    ),
    "an iterator as a generator": lambda tf: error_of(
        lambda: tf.data.Dataset.from_generator(pairs(), output_types="float32")
    ),
    "zip of arrays": lambda tf: error_of(lambda: tf.data.Dataset.zip((X, Y))),
    "padding to less": lambda tf: error_of(lambda: ragged(tf).padded_batch(4, padded_shapes=([2], []))),
}  # fmt: skip
