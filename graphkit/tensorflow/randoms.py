"""`tf.random`: draws with TensorFlow's arguments. The numbers are graphkit's, not those of TensorFlow's generators.

`tf.random.set_seed` makes a script reproducible. An operation that is given the same `seed` again draws other numbers, as in
TensorFlow; only the `stateless_` functions return the same ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphkit import ops
from graphkit import random as keras_random
from graphkit.core import seeds
from graphkit.core.errors import InvalidArgumentError, UnknownValueError
from graphkit.random import SeedGenerator
from graphkit.tensorflow.dtypes import dtype_name
from graphkit.tensorflow.table import NAMES, as_tensor, dtype_of, is_deferred, number, shape_of, sizes_of, tensorflow

_generators: dict[int, SeedGenerator] = {}


def set_seed(seed: int) -> None:
    """Set the seed that draws without a generator of their own depend on. Source: tf.random.set_seed."""
    _generators.clear()
    seeds.set_session_seed(int(seed))


def generator_of(seed: Any) -> SeedGenerator | None:
    """Return the generator of an operation's seed: the session's for None, else one that draws on from call to call."""
    if seed is None:
        return None
    key = int(np.asarray(seed).ravel()[0])
    if key not in _generators:
        _generators[key] = SeedGenerator(key)
    return _generators[key]


def stateless_seed(seed: Any) -> Any:
    """Return the state for a seed of two integers, from which the same numbers are drawn each time."""
    seed = as_tensor(seed)
    if shape_of(seed) != (2,):
        raise InvalidArgumentError(
            f"A stateless random function expects a seed of two integers, got shape {shape_of(seed)}."
        )
    if is_deferred(seed):
        return ops.cast(seed, "uint32")
    return np.asarray(seed).astype("int64").astype("uint32")


# ----- distributions, drawn with a seed as keras.random takes it -----


def _normal(seed: Any, shape: Any, mean: Any, stddev: Any, dtype: Any) -> Any:
    sizes = sizes_of(shape)
    drawn = keras_random.normal(sizes, dtype=dtype_name(dtype), seed=seed)
    return _moved(drawn, mean, stddev)


def _moved(drawn: Any, mean: Any, stddev: Any) -> Any:
    dtype = dtype_of(drawn)
    scaled = drawn if isinstance(stddev, (int, float)) and stddev == 1 else drawn * as_tensor(stddev, dtype)
    return scaled if isinstance(mean, (int, float)) and mean == 0 else scaled + as_tensor(mean, dtype)


def _truncated(seed: Any, shape: Any, mean: Any, stddev: Any, dtype: Any) -> Any:
    return _moved(keras_random.truncated_normal(sizes_of(shape), dtype=dtype_name(dtype), seed=seed), mean, stddev)


def _uniform(seed: Any, shape: Any, minval: Any, maxval: Any, dtype: Any) -> Any:
    name = dtype_name(dtype)
    if "int" in name:
        if maxval is None:
            raise InvalidArgumentError("tf.random.uniform of integers expects maxval.")
        if isinstance(minval, (int, np.integer)) and isinstance(maxval, (int, np.integer)):
            return keras_random.randint(sizes_of(shape), int(minval), int(maxval), dtype=name, seed=seed)
        low, high = as_tensor(minval, name), as_tensor(maxval, name)
        share = keras_random.uniform(sizes_of(shape), dtype="float32", seed=seed)
        drawn = ops.floor(share * ops.cast(high - low, "float32"))
        return ops.minimum(low + ops.cast(drawn, name), high - 1)
    drawn = keras_random.uniform(sizes_of(shape), dtype=name, seed=seed)
    low, high = minval, 1 if maxval is None else maxval
    if isinstance(low, (int, float)) and isinstance(high, (int, float)):
        return drawn if (low, high) == (0, 1) else drawn * (high - low) + low
    low, high = as_tensor(low, name), as_tensor(high, name)
    return drawn * (high - low) + low


def _gamma(seed: Any, shape: Any, alpha: Any, beta: Any, dtype: Any) -> Any:
    alpha = as_tensor(alpha, dtype)
    sizes = (
        *sizes_of(shape),
        *(shape_of(alpha) if beta is None else np.broadcast_shapes(shape_of(alpha), np.shape(beta))),
    )
    drawn = keras_random.gamma(sizes, ops.broadcast_to(alpha, sizes), dtype=dtype_name(dtype), seed=seed)
    return drawn if beta is None else drawn / as_tensor(beta, dtype)


def _poisson(seed: Any, sizes: Any, lam: Any, dtype: Any) -> Any:
    """Poisson draws by inversion: the number of values of the distribution function that a uniform draw exceeds."""
    rates = as_tensor(lam, "float64")
    if is_deferred(rates):
        raise UnknownValueError("tf.random.poisson expects rates that are known while the graph is built.")
    largest = float(np.max(np.asarray(rates), initial=0.0))
    counts = np.arange(int(largest + 12 * np.sqrt(largest + 1) + 12))
    logs = counts * np.log(np.maximum(np.asarray(rates)[..., None], 1e-300)) - np.cumsum(np.log(np.maximum(counts, 1)))
    below = np.cumsum(np.exp(logs - np.asarray(rates)[..., None]), axis=-1)
    share = keras_random.uniform(sizes, dtype="float64", seed=seed)
    return ops.cast(
        ops.sum(ops.cast(ops.greater(ops.expand_dims(share, -1), below), "int32"), axis=-1), dtype_name(dtype)
    )


def _categorical(seed: Any, logits: Any, num_samples: Any, dtype: Any) -> Any:
    drawn = keras_random.categorical(as_tensor(logits), number(num_samples, "num_samples"), seed=seed)
    return ops.cast(drawn, dtype_name(dtype or "int64"))


@tensorflow("random.normal", tensors="")
def normal(shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = "float32", seed: Any = None) -> Any:
    """Draw from a normal distribution. Source: tf.random.normal."""
    return _normal(generator_of(seed), shape, mean, stddev, dtype)


@tensorflow("random.truncated_normal", tensors="")
def truncated_normal(shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = "float32", seed: Any = None) -> Any:
    """Draw from a normal distribution cut at two standard deviations. Source: tf.random.truncated_normal."""
    return _truncated(generator_of(seed), shape, mean, stddev, dtype)


@tensorflow("random.uniform", tensors="")
def uniform(shape: Any, minval: Any = 0, maxval: Any = None, dtype: Any = "float32", seed: Any = None) -> Any:
    """Draw from a uniform distribution, of floats or integers. Source: tf.random.uniform."""
    return _uniform(generator_of(seed), shape, minval, maxval, dtype)


@tensorflow("random.gamma", tensors="")
def gamma(shape: Any, alpha: Any, beta: Any = None, dtype: Any = "float32", seed: Any = None) -> Any:
    """Draw from gamma distributions. Source: tf.random.gamma."""
    return _gamma(generator_of(seed), shape, alpha, beta, dtype)


@tensorflow("random.poisson", tensors="")
def poisson(shape: Any, lam: Any, dtype: Any = "float32", seed: Any = None) -> Any:
    """Draw from Poisson distributions; the shape is followed by that of the rates. Source: tf.random.poisson."""
    return _poisson(generator_of(seed), (*sizes_of(shape), *np.shape(lam)), lam, dtype)


@tensorflow("random.categorical", tensors="")
def categorical(logits: Any, num_samples: Any, dtype: Any = None, seed: Any = None) -> Any:
    """Draw classes from the logits of each row. Source: tf.random.categorical."""
    return _categorical(generator_of(seed), logits, num_samples, dtype)


@tensorflow("random.shuffle", tensors="")
def shuffle(value: Any, seed: Any = None) -> Any:
    """Return the slices along the first axis in random order. Source: tf.random.shuffle."""
    value = as_tensor(value)
    if dtype_of(value) == "string":
        order = keras_random.shuffle(np.arange(len(value)), seed=generator_of(seed))
        return np.asarray(value)[np.asarray(order)]
    return keras_random.shuffle(value, seed=generator_of(seed))


@tensorflow("random.stateless_normal", tensors="")
def _stateless_normal(
    shape: Any, seed: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = "float32", alg: Any = "auto_select"
) -> Any:
    return _normal(stateless_seed(seed), shape, mean, stddev, dtype)


@tensorflow("random.stateless_truncated_normal", tensors="")
def _stateless_truncated(
    shape: Any, seed: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = "float32", alg: Any = "auto_select"
) -> Any:
    return _truncated(stateless_seed(seed), shape, mean, stddev, dtype)


@tensorflow("random.stateless_uniform", tensors="")
def _stateless_uniform(
    shape: Any, seed: Any, minval: Any = 0, maxval: Any = None, dtype: Any = "float32", alg: Any = "auto_select"
) -> Any:
    return _uniform(stateless_seed(seed), shape, minval, maxval, dtype)


@tensorflow("random.stateless_gamma", tensors="")
def _stateless_gamma(shape: Any, seed: Any, alpha: Any, beta: Any = None, dtype: Any = "float32") -> Any:
    sizes = sizes_of(shape)
    rest = np.broadcast_shapes(np.shape(alpha), () if beta is None else np.shape(beta))
    return _gamma(stateless_seed(seed), sizes[: len(sizes) - len(rest)], alpha, beta, dtype)


@tensorflow("random.stateless_poisson", tensors="")
def _stateless_poisson(shape: Any, seed: Any, lam: Any, dtype: Any = "int32") -> Any:
    return _poisson(stateless_seed(seed), sizes_of(shape), lam, dtype)


@tensorflow("random.stateless_binomial", tensors="")
def _stateless_binomial(shape: Any, seed: Any, counts: Any, probs: Any, output_dtype: Any = "int32") -> Any:
    drawn = keras_random.binomial(
        sizes_of(shape), as_tensor(counts, "float32"), as_tensor(probs, "float32"), seed=stateless_seed(seed)
    )
    return ops.cast(drawn, dtype_name(output_dtype))


@tensorflow("random.stateless_categorical", tensors="")
def _stateless_categorical(logits: Any, num_samples: Any, seed: Any, dtype: Any = "int64") -> Any:
    return _categorical(stateless_seed(seed), logits, num_samples, dtype)


@tensorflow("random.experimental.stateless_shuffle", tensors="")
def _stateless_shuffle(value: Any, seed: Any, alg: Any = "auto_select") -> Any:
    return keras_random.shuffle(as_tensor(value), seed=stateless_seed(seed))


@tensorflow("random.split random.experimental.stateless_split random.experimental.split", tensors="")
def _split(seed: Any, num: int = 2, alg: Any = "auto_select") -> Any:
    """Return `num` new stateless seeds. Source: tf.random.split."""
    return keras_random.randint((int(num), 2), 0, 2**31 - 1, dtype="int32", seed=stateless_seed(seed))


@tensorflow("random.fold_in random.experimental.stateless_fold_in", tensors="")
def _fold_in(seed: Any, data: Any, alg: Any = "auto_select") -> Any:
    """Return a stateless seed that also depends on an integer. Source: tf.random.fold_in."""
    mixed = ops.cast(as_tensor(seed), "int64") * 1000003 + ops.cast(as_tensor(data), "int64")
    return ops.cast(ops.mod(mixed, 2**31 - 1), "int32")


class Generator:
    """A generator with its own state. Create it with `from_seed` or `from_non_deterministic_state`.

    Args:
        copy_from: a generator to start from.
        state: an integer, or an array whose first element is used.
        alg: accepted, without effect.

    Source: tf.random.Generator.
    """

    def __init__(self, copy_from: Any = None, state: Any = None, alg: Any = None) -> None:
        if copy_from is not None:
            self._seed = SeedGenerator(0)
            self._seed.state.assign(copy_from._seed.state)
        else:
            self._seed = SeedGenerator(None if state is None else int(np.asarray(state).ravel()[0]))

    @classmethod
    def from_seed(cls, seed: Any, alg: Any = None) -> Generator:
        """Return a generator that starts from an integer."""
        return cls(state=seed)

    @classmethod
    def from_non_deterministic_state(cls, alg: Any = None) -> Generator:
        """Return a generator that starts from the session's seed."""
        return cls()

    @classmethod
    def from_state(cls, state: Any, alg: Any = None) -> Generator:
        """Return a generator that starts from a state."""
        return cls(state=state)

    @property
    def state(self) -> Any:
        """The variable that holds the state."""
        return self._seed.state

    def reset_from_seed(self, seed: int) -> None:
        """Start again from an integer."""
        self._seed.state.assign(np.array([int(seed) & 0xFFFFFFFF, 0], "uint32"))

    def normal(
        self, shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = "float32", name: str | None = None
    ) -> Any:
        """Draw from a normal distribution."""
        return _normal(self._seed, shape, mean, stddev, dtype)

    def truncated_normal(
        self, shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = "float32", name: str | None = None
    ) -> Any:
        """Draw from a normal distribution cut at two standard deviations."""
        return _truncated(self._seed, shape, mean, stddev, dtype)

    def uniform(
        self, shape: Any, minval: Any = 0, maxval: Any = None, dtype: Any = "float32", name: str | None = None
    ) -> Any:
        """Draw from a uniform distribution."""
        return _uniform(self._seed, shape, minval, maxval, dtype)

    def make_seeds(self, count: int = 1) -> Any:
        """Return stateless seeds, one in each column."""
        return keras_random.randint((2, int(count)), 0, 2**31 - 1, dtype="int32", seed=self._seed)

    def split(self, count: int = 1) -> list[Generator]:
        """Return new generators."""
        return [Generator.from_seed(int(s)) for s in np.asarray(self.make_seeds(count))[0]]


_global: list[Generator] = []


def get_global_generator() -> Generator:
    """Return the generator shared by a script. Source: tf.random.get_global_generator."""
    if not _global:
        _global.append(Generator())
    return _global[0]


def set_global_generator(generator: Generator) -> None:
    """Set the generator shared by a script. Source: tf.random.set_global_generator."""
    _global[:] = [generator]


NAMES.update({
    "random.set_seed": set_seed, "set_seed": set_seed, "random.Generator": Generator, "random.experimental.Generator": Generator,
    "random.get_global_generator": get_global_generator, "random.set_global_generator": set_global_generator,
    "random.experimental.get_global_generator": get_global_generator,
    "random.experimental.set_global_generator": set_global_generator,
})  # fmt: skip
