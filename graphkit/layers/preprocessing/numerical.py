"""Numerical preprocessing layers: Rescaling, Normalization, Discretization, CategoryEncoding."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from graphkit import ops
from graphkit.core import dtypes
from graphkit.core.declared import argument, is_positive_int, must
from graphkit.core.errors import InvalidArgumentError, NotBuiltError, ShapeError
from graphkit.core.layout import CHANNELS_LAST, standardize_data_format
from graphkit.core.serialization import deserialize, keras_class
from graphkit.layers.declared import BuiltInLayer
from graphkit.layers.preprocessing.categories import EncodingArguments, TakesPlainValues, batches_of, encode, known_mode

_HOME = "keras.layers"


class DataLayer:
    """Mixin of layers that also preprocess data outside of a model."""

    takes_numbers = True

    def convert_weight(self, weight: Any) -> Any:
        """Return a weight as a tensor that ops accept. Source: keras.layers.Normalization.convert_weight."""
        return ops.convert_to_tensor(weight)


@keras_class(_HOME)
class Rescaling(DataLayer, BuiltInLayer):
    """inputs * scale + offset. Source: keras.layers.Rescaling.

    Args:
        scale: a number, or an array that broadcasts to the inputs.
        offset: a number, or an array that broadcasts to the inputs.
    """

    supports_masking = True

    scale: Any = argument()
    offset: Any = argument(default=0.0)

    def call(self, inputs: Any) -> Any:
        """Return the rescaled inputs, in the compute dtype."""
        dtype = self.compute_dtype
        scale, offset = (ops.cast(np.asarray(v, np.float64), dtype) for v in (self.scale, self.offset))
        if scale.ndim and standardize_data_format(None) != CHANNELS_LAST:
            scale = scale.reshape((*scale.shape, *[1] * (3 - scale.ndim)))
        return ops.cast(inputs, dtype) * scale + offset

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
        """Return a new layer with this config; scale and offset may be serialized arrays."""
        values = {"scale": config["scale"], "offset": config.get("offset", 0.0)}
        return cls(**{**config, **{name: deserialize(value, custom_objects) for name, value in values.items()}})


def _axes(value: Any) -> tuple[int, ...]:
    return () if value is None else (value,) if isinstance(value, int) else tuple(value)


def _listed(value: Any) -> Any:
    return None if value is None else np.asarray(value).tolist()


@keras_class(_HOME)
class Normalization(DataLayer, BuiltInLayer):
    """(inputs - mean) / sqrt(variance), with statistics for each index of `axis`. Source: keras.layers.Normalization.

    Args:
        axis: an int or a tuple: the axes along which each index has its own mean and variance; None for a single one.
        mean: a number or an array with the shape of these axes; learned by `adapt` by default.
        variance: in the same form; to be given if and only if `mean` is.
        invert: whether to compute inputs * sqrt(variance) + mean instead.

    Raises:
        InvalidArgumentError: only one of `mean` and `variance` is given.
        ShapeError: their shapes differ, or have more axes than `axis`.
    """

    supports_masking = True

    config_order = "axis invert mean variance"

    axis: Any = argument(default=-1, convert=_axes)
    input_mean: Any = argument(default=None, save=_listed, alias="mean")
    input_variance: Any = argument(default=None, save=_listed, alias="variance")
    invert: bool = argument(default=False)

    def __post_init__(self) -> None:
        mean, variance = self.input_mean, self.input_variance
        if (mean is None) != (variance is None):
            raise InvalidArgumentError(
                f"When setting values directly, both `mean` and `variance` must be set (layer {self.name!r}). Received: "
                f"mean={mean} and variance={variance}"
            )
        if mean is not None and (np.shape(mean) != np.shape(variance) or np.ndim(mean) > len(self.axis)):
            raise ShapeError(
                f"`mean` and `variance` of layer {self.name!r} must have the same shape, with at most {len(self.axis)} axes "
                f"(axis={self.axis}). "
                f"Received: shapes {np.shape(mean)} and {np.shape(variance)}."
            )

    def build(self, input_shape: Any) -> None:
        """Create mean, variance and count, unless mean and variance were given.

        Raises:
            ShapeError: `axis` is out of range, or the size of one of its axes is unknown.
        """
        rank = len(input_shape)
        if any(not -rank <= a < rank for a in self.axis):
            raise ShapeError(
                f"All `axis` values of layer {self.name!r} must be in [-{rank}, {rank}) for inputs of shape {tuple(input_shape)}, "
                f"got {self.axis}."
            )
        kept = sorted(a % rank for a in self.axis)
        if any(input_shape[a] is None for a in kept):
            raise ShapeError(
                f"All `axis` values to be kept must have a known shape (layer {self.name!r}). Received axis={self.axis}, "
                f"inputs.shape={tuple(input_shape)}"
            )
        self._shape = tuple(input_shape)
        self._reduced = tuple(a for a in range(rank) if a not in kept)
        self._broadcast = tuple(input_shape[a] if a in kept else 1 for a in range(rank))
        if self.input_mean is None:
            shape = tuple(input_shape[a] for a in kept)
            self.adapt_mean = self.add_weight(name="mean", shape=shape, initializer="zeros", trainable=False)
            self.adapt_variance = self.add_weight(name="variance", shape=shape, initializer="ones", trainable=False)
            self.count = self.add_weight(name="count", shape=(), dtype="int32", initializer="zeros", trainable=False)

    def _statistics(self) -> tuple[Any, Any]:
        """Return mean and variance in shapes that broadcast to the inputs."""
        if self.input_mean is None:
            return tuple(
                ops.cast(ops.reshape(v, self._broadcast), self.compute_dtype)
                for v in (self.adapt_mean, self.adapt_variance)
            )
        made = []
        for value in (self.input_mean, self.input_variance):
            array = np.asarray(value, dtypes.to_numpy(self.compute_dtype))
            kept = [a for a in range(len(self._broadcast)) if a not in self._reduced]
            shape = [1] * len(self._broadcast)
            for axis, size in zip(kept[len(kept) - array.ndim :], array.shape, strict=True):
                shape[axis] = size
            made.append(np.broadcast_to(array.reshape(shape), self._broadcast))
        return made[0], made[1]

    @property
    def mean(self) -> Any:
        """The mean, in a shape that broadcasts to the inputs; None before the layer is built."""
        return self._statistics()[0] if self.built else None

    @property
    def variance(self) -> Any:
        """The variance, in a shape that broadcasts to the inputs; None before the layer is built."""
        return self._statistics()[1] if self.built else None

    def adapt(self, data: Any) -> None:
        """Learn mean and variance from data. Source: keras.layers.Normalization.adapt.

        Args:
            data: an array, or an iterable of batches; of batches (x, y) x is used.

        Raises:
            InvalidArgumentError: there are no batches, or mean and variance were given.
            InvalidTypeError: `data` is not iterable.
            ShapeError: a batch does not fit the shape for which the layer was built.
        """
        batches = _batches(data, f"layer {self.name!r}")
        first = next(batches, None)
        if first is None:
            raise InvalidArgumentError(
                f"adapt() of layer {self.name!r} received an empty iterable (no batches). Expected at least one batch."
            )
        if not self.built:
            self.build(tuple(first.shape))
        if self.input_mean is not None:
            raise InvalidArgumentError(
                f"Layer {self.name!r} was given `mean` and `variance`: there is nothing for adapt() to learn."
            )
        self._learn(itertools.chain([first], batches))

    def finalize_state(self) -> None:
        """Do nothing: `mean` and `variance` always follow what was learned. Source: keras.layers.Normalization.finalize_state."""

    def _learn(self, batches: Iterable[Any]) -> None:
        mean, variance, count = np.zeros(self.adapt_mean.shape), np.zeros(self.adapt_mean.shape), 0
        for batch in batches:
            array = np.asarray(batch, np.float64)
            self._check_batch(array.shape)
            own = math.prod(array.shape[a] for a in self._reduced)
            count += own
            weight = own / count
            moved = mean * (1 - weight) + array.mean(axis=self._reduced) * weight
            spread = array.var(axis=self._reduced) + (array.mean(axis=self._reduced) - moved) ** 2
            variance = (variance + (mean - moved) ** 2) * (1 - weight) + spread * weight
            mean = moved
        self.adapt_mean.assign(mean)
        self.adapt_variance.assign(variance)

    def _check_batch(self, shape: tuple[int, ...]) -> None:
        if len(shape) != len(self._broadcast) or any(
            s not in (1, n) for n, s in zip(shape, self._broadcast, strict=True)
        ):
            raise ShapeError(
                f"Layer {self.name!r} was built with input_shape={self._shape}, but adapt() is being called with data of shape {shape}."
            )

    def call(self, inputs: Any) -> Any:
        """Return the normalized inputs."""
        inputs = ops.cast(inputs, self.compute_dtype)
        mean, variance = self._statistics()
        deviation = ops.maximum(ops.sqrt(variance), dtypes.epsilon())
        return mean + inputs * deviation if self.invert else (inputs - mean) / deviation


def _batches(data: Any, where: str) -> Iterator[Any]:
    """Yield the arrays to learn from; a list holds batches unless it holds numbers."""
    if isinstance(data, (list, tuple)) and not data:
        return iter(())
    listed = isinstance(data, (list, tuple)) and all(isinstance(item, (list, tuple)) for item in data)
    return batches_of((np.asarray(item) for item in data), where) if listed else batches_of(data, where)


# ----- categories -----


@keras_class(_HOME)
class Discretization(DataLayer, EncodingArguments, TakesPlainValues, BuiltInLayer):
    """Maps numbers to bins. Source: keras.layers.Discretization.

    Args:
        bin_boundaries: [b0, b1, ...]: bin 0 is x < b0, bin 1 is b0 <= x < b1, and so on.
        num_bins: the number of bins if `bin_boundaries` is not given; `adapt` learns their boundaries as quantiles.
        epsilon: the largest error of the quantiles that `adapt` computes, as a fraction of the data.
        output_mode: "int", "one_hot", "multi_hot" or "count".
        sparse: must be False: only dense tensors are supported.

    Raises:
        InvalidArgumentError: not exactly one of `bin_boundaries` and `num_bins` is given.
    """

    argument_order = "bin_boundaries num_bins epsilon output_mode sparse dtype name"
    config_order = "bin_boundaries num_bins epsilon output_mode sparse name dtype"
    passes_on = False

    bin_boundaries: Any = argument(default=None)
    num_bins: int | None = argument(default=None)
    epsilon: float = argument(default=0.01)

    def __post_init__(self) -> None:
        given, number = self.bin_boundaries, self.num_bins
        if (number is None) == (given is None) or (number is not None and number < 0):
            raise InvalidArgumentError(
                f"Layer {self.name!r} needs either `bin_boundaries` or a `num_bins` >= 0. Received: num_bins={number} and "
                f"bin_boundaries={given}"
            )
        self.bin_boundaries = None if given is None else [float(b) for b in given]
        self.summary = np.zeros((2, 0), np.float32)

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Learn the boundaries from data.

        Args:
            data: an array, or an iterable of batches.
            steps: the number of batches to use; all by default.

        Raises:
            InvalidArgumentError: the layer was given `bin_boundaries`.
            InvalidTypeError: `data` is not iterable.
        """
        if self.num_bins is None:
            raise InvalidArgumentError(
                f"Cannot adapt layer {self.name!r}, a Discretization layer that has been initialized with `bin_boundaries`: use "
                "`num_bins` instead."
            )
        self.reset_state()
        for batch in itertools.islice(_batches(data, f"layer {self.name!r}"), steps):
            self.update_state(batch)
        self.finalize_state()

    def update_state(self, data: Any) -> None:
        """Merge a batch into the summary."""
        values = np.sort(np.asarray(data, np.float32).reshape(-1))
        step = max(values.size * self.epsilon, 1)
        chosen = values[int(step - 1) :: int(step)]
        merged = np.concatenate([np.stack([chosen, np.full_like(chosen, step)]), self.summary], axis=1)
        self.summary = _compressed(merged[:, np.argsort(merged[0])], self.epsilon)

    def finalize_state(self) -> None:
        """Compute the boundaries from the summary."""
        if self.num_bins is not None:
            self.bin_boundaries = _compressed(self.summary, 1.0 / self.num_bins)[0, :-1].tolist()

    def reset_state(self) -> None:
        """Reset the summary."""
        self.summary = np.zeros((2, 0), np.float32)

    def call(self, inputs: Any) -> Any:
        """Return the bins (int32), or their encoding in the compute dtype.

        Raises:
            NotBuiltError: there are no boundaries yet.
        """
        if self.bin_boundaries is None:
            raise NotBuiltError(
                f"You need to either pass the `bin_boundaries` argument of layer {self.name!r} at construction time or call "
                "`adapt(dataset)`."
            )
        bins = ops.digitize(inputs, np.asarray(self.bin_boundaries, np.float32))
        return encode(bins, self.output_mode, len(self.bin_boundaries) + 1, self.output_dtype)

    @property
    def output_dtype(self) -> str:
        """The dtype of the outputs."""
        return "int32" if self.output_mode == "int" else self.compute_dtype

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
        """Return a new layer with this config; after `adapt` it holds both the boundaries and the number of bins."""
        given = {k: v for k, v in config.items() if k != "trainable"}
        learned = given.pop("bin_boundaries", None) if given.get("num_bins") is not None else None
        layer = cls(**given)
        if learned is not None:
            layer.bin_boundaries = [float(b) for b in learned]
        return layer


def _compressed(summary: Any, epsilon: float) -> Any:
    """Reduce a summary (values, weights) to about 1/epsilon values, by interpolating between the cumulative weights."""
    if summary.shape[1] * epsilon < 1:
        return summary
    percents = epsilon + np.arange(0.0, 1.0, epsilon)
    weights = summary[1].cumsum()
    shares = weights / weights[-1]
    values, reached = np.interp(percents, shares, summary[0]), np.interp(percents, shares, weights)
    return np.stack([values, np.diff(reached, prepend=0)]).astype(np.float32)


_tokens = must(
    is_positive_int,
    "`num_tokens` of layer {owner.name!r} must be set to an integer >= 1. Received: num_tokens={value}.",
)


@keras_class(_HOME)
class CategoryEncoding(DataLayer, EncodingArguments, TakesPlainValues, BuiltInLayer):
    """Encodes integer categories as one-hot, multi-hot or counts. Source: keras.layers.CategoryEncoding.

    Args:
        num_tokens: the number of categories, 0 to num_tokens - 1.
        output_mode: "one_hot", "multi_hot" or "count".
        sparse: must be False: only dense tensors are supported.
    """

    output_modes = ("count", "one_hot", "multi_hot")
    argument_order = "num_tokens output_mode sparse"
    config_order = "num_tokens output_mode"

    num_tokens: Any = argument(default=None, check=_tokens)
    output_mode: str = argument(default="multi_hot", check=known_mode, kw_only=True)

    def call(self, inputs: Any, count_weights: Any = None) -> Any:
        """Return the encoding.

        Args:
            inputs: integers (batch,) or (batch, n).
            count_weights: a weight for each input, of the same shape, for mode "count".

        Raises:
            InvalidArgumentError: `count_weights` is given in another mode.
        """
        if count_weights is not None:
            if self.output_mode != "count":
                raise InvalidArgumentError(
                    f"`count_weights` is not used when `output_mode` is not 'count' (layer {self.name!r}). Received: {self.output_mode!r}"
                )
            count_weights = ops.cast(count_weights, self.compute_dtype)
        indices = ops.cast(inputs, "int32")
        return encode(indices, self.output_mode, self.num_tokens, self.compute_dtype, count_weights)
