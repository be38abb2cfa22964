"""Initializers: the initial values of weights. Source: keras.initializers (Keras 3).

Random initializers take a `seed`: an int, None for a seed drawn from the session's, or a `SeedGenerator`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphkit.core import dtypes, seeds
from graphkit.core.errors import InvalidArgumentError, ShapeError, UnsupportedError
from graphkit.core.serialization import Configurable, custom_object_scope, keras_class, resolve
from graphkit.core.serialization import deserialize as to_object
from graphkit.core.serialization import serialize as to_config
from graphkit.core.windows import window_of
from graphkit.ir.tracing import tracing
from graphkit.ops.random import SeedGenerator

Array = np.ndarray[Any, Any]
_HOME = "keras.initializers"


class Initializer(Configurable):
    """Base of initializers: a call with a shape and a dtype returns an array. Subclasses define `__call__`."""

    def __call__(self, shape: Sequence[int], dtype: Any = None, **kwargs: Any) -> Array:
        """Return an array of this shape, in `floatx()` by default; to be overridden."""
        raise UnsupportedError(f"{type(self).__name__} defines no __call__(shape, dtype)")

    def clone(self) -> Any:
        """Return a copy."""
        return type(self).from_config(self.get_config())

    def may_wait(self, shape: Sequence[int]) -> bool:
        """Return whether a call with this shape may be deferred: it gives the same array later and cannot fail.

        Built-in initializers depend on seed and shape alone. User-defined subclasses are called immediately.
        """
        sound = all(isinstance(size, (int, np.integer)) and size >= 0 for size in shape)
        return sound and type(self).__module__ == __name__ and self._takes(shape)

    def _takes(self, shape: Sequence[int]) -> bool:
        """Return whether the arguments allow this shape."""
        return False


class RandomInitializer(Initializer):
    """Base of random initializers. A given seed makes every call return the same array; without one, each object draws its seed.

    With a `SeedGenerator` as seed, each call returns another array.

    Raises:
        InvalidArgumentError: `seed` is neither an int, a SeedGenerator nor None.
    """

    def __init__(self, seed: Any = None) -> None:
        self.seed = to_object(seed)
        if not isinstance(self.seed, (int, np.integer, SeedGenerator, type(None))):
            raise InvalidArgumentError(
                f"`seed` of {type(self).__name__} should be an integer, a keras.random.SeedGenerator or None. Received: seed={seed!r}"
            )
        if isinstance(self.seed, SeedGenerator):
            self._drawn = None
        else:
            self._drawn = seeds.draw_seed() if self.seed is None else int(self.seed)

    def generator(self) -> np.random.Generator:
        """Return a new generator for the seed."""
        return np.random.Generator(np.random.Philox(self._next_seed() if self._drawn is None else self._drawn))

    def _next_seed(self) -> int:
        """Return the next state of the SeedGenerator as one number."""
        with tracing(None):
            first, count = self.seed.next()
        return int(first) << 32 | int(count)

    def may_wait(self, shape: Sequence[int]) -> bool:
        """Return whether a call may be deferred; with a SeedGenerator the values depend on when they are drawn."""
        return self._drawn is not None and super().may_wait(shape)


def _cast(array: Any, dtype: Any) -> Array:
    return np.asarray(array).astype(dtypes.to_numpy(dtypes.standardize(dtype)))


def _are_numbers(*arguments: Any) -> bool:
    return all(isinstance(a, (int, float)) for a in arguments)


@keras_class(_HOME, "zeros", earlier=("zero",))
class Zeros(Initializer):
    """All zeros."""

    def __call__(self, shape: Sequence[int], dtype: Any = None, **kwargs: Any) -> Array:
        """Return the array."""
        return np.zeros(tuple(shape), dtypes.to_numpy(dtypes.standardize(dtype)))

    def _takes(self, shape: Sequence[int]) -> bool:
        return True


@keras_class(_HOME, "ones", earlier=("one",))
class Ones(Initializer):
    """All ones."""

    def __call__(self, shape: Sequence[int], dtype: Any = None, **kwargs: Any) -> Array:
        """Return the array."""
        return np.ones(tuple(shape), dtypes.to_numpy(dtypes.standardize(dtype)))

    def _takes(self, shape: Sequence[int]) -> bool:
        return True


@keras_class(_HOME, "constant")
class Constant(Initializer):
    """All `value`: a number, or an array that broadcasts to the shape."""

    def __init__(self, value: Any = 0.0) -> None:
        self.value = value

    def __call__(self, shape: Sequence[int], dtype: Any = None, **kwargs: Any) -> Array:
        """Return the array."""
        return _cast(np.broadcast_to(np.asarray(self.value), tuple(shape)), dtype)

    def _takes(self, shape: Sequence[int]) -> bool:
        return _are_numbers(self.value)


@keras_class(_HOME, "IdentityInitializer", "identity")
class Identity(Initializer):
    """`gain` times the identity matrix; for weights with two axes."""

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def __call__(self, shape: Sequence[int], dtype: Any = None, **kwargs: Any) -> Array:
        """Return the array.

        Raises:
            ShapeError: `shape` does not have two axes.
        """
        if len(shape) != 2:
            raise ShapeError(
                f"Identity matrix initializer can only be used for 2D matrices. Received: shape={tuple(shape)} of rank {len(shape)}."
            )
        return _cast(self.gain * np.eye(shape[0], shape[1]), dtype)

    def _takes(self, shape: Sequence[int]) -> bool:
        return len(shape) == 2 and _are_numbers(self.gain)

    def get_config(self) -> dict[str, Any]:
        """Return the gain unless it is 1, since Keras writes none."""
        return {} if self.gain == 1.0 else {"gain": self.gain}


@keras_class(_HOME, "random_normal", earlier=("normal",))
class RandomNormal(RandomInitializer):
    """Normally distributed values with this mean and standard deviation."""

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        self.mean, self.stddev = mean, stddev
        super().__init__(seed)

    def __call__(self, shape: Sequence[int], dtype: Any = None, **kwargs: Any) -> Array:
        """Return the array."""
        return _cast(self.generator().normal(self.mean, self.stddev, tuple(shape)), dtype)

    def _takes(self, shape: Sequence[int]) -> bool:
        return _are_numbers(self.mean, self.stddev) and self.stddev >= 0


@keras_class(_HOME, "truncated_normal")
class TruncatedNormal(RandomInitializer):
    """Normally distributed values within two standard deviations of the mean; others are drawn again."""

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        self.mean, self.stddev = mean, stddev
        super().__init__(seed)

    def __call__(self, shape: Sequence[int], dtype: Any = None, **kwargs: Any) -> Array:
        """Return the array."""
        return _cast(self.mean + self.stddev * _truncated(self.generator(), shape), dtype)

    def _takes(self, shape: Sequence[int]) -> bool:
        return _are_numbers(self.mean, self.stddev) and self.stddev >= 0


def _truncated(generator: np.random.Generator, shape: Sequence[int]) -> Array:
    """Return standard normal values within [-2, 2]."""
    values = generator.standard_normal(tuple(shape))
    outside = np.abs(values) > 2
    while outside.any():
        values[outside] = generator.standard_normal(int(outside.sum()))
        outside = np.abs(values) > 2
    return values


@keras_class(_HOME, "random_uniform", earlier=("uniform",))
class RandomUniform(RandomInitializer):
    """Values uniform in [minval, maxval)."""

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None) -> None:
        self.minval, self.maxval = minval, maxval
        super().__init__(seed)

    def __call__(self, shape: Sequence[int], dtype: Any = None, **kwargs: Any) -> Array:
        """Return the array."""
        return _cast(self.generator().uniform(self.minval, self.maxval, tuple(shape)), dtype)

    def _takes(self, shape: Sequence[int]) -> bool:
        return _are_numbers(self.minval, self.maxval) and self.minval <= self.maxval


_MODES = ("fan_in", "fan_out", "fan_avg")
_DISTRIBUTIONS = ("truncated_normal", "untruncated_normal", "uniform", "normal")
_TRUNCATED_STD = 0.87962566103423978  # standard deviation of a standard normal truncated at two


@keras_class(_HOME)
class VarianceScaling(RandomInitializer):
    """Values with variance scale / n.

    Args:
        scale: The scale; must be positive.
        mode: What n is: "fan_in" (number of inputs), "fan_out" (outputs) or "fan_avg" (their mean).
        distribution: "truncated_normal" (or "normal"), "untruncated_normal" or "uniform".
        seed: See the module's documentation.
        input_axes, output_axes: The axes of inputs and outputs; see `compute_fans`.

    Raises:
        InvalidArgumentError: An argument has an invalid value.
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: int | None = None,
        input_axes: Any = None,
        output_axes: Any = None,
    ) -> None:
        if scale <= 0:
            raise InvalidArgumentError(f"Argument `scale` must be positive float. Received: scale={scale}")
        if mode not in _MODES:
            raise InvalidArgumentError(f"Invalid `mode` argument: {mode!r}. Please use one of {_MODES}")
        if distribution.lower() not in _DISTRIBUTIONS:
            raise InvalidArgumentError(
                f"Invalid `distribution` argument: {distribution!r}. Please use one of {_DISTRIBUTIONS}"
            )
        self.scale, self.mode, self.distribution = scale, mode, distribution.lower().replace("normal", "normal")
        self.input_axes, self.output_axes = input_axes, output_axes
        if self.distribution == "normal":
            self.distribution = "truncated_normal"
        super().__init__(seed)

    def __call__(self, shape: Sequence[int], dtype: Any = None, **kwargs: Any) -> Array:
        """Return the array."""
        fan_in, fan_out = compute_fans(shape, self.input_axes, self.output_axes)
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        variance = self.scale / max(1.0, fan)
        generator = self.generator()
        if self.distribution == "uniform":
            limit = math.sqrt(3 * variance)
            return _cast(generator.uniform(-limit, limit, tuple(shape)), dtype)
        if self.distribution == "truncated_normal":
            return _cast(_truncated(generator, shape) * (math.sqrt(variance) / _TRUNCATED_STD), dtype)
        return _cast(generator.normal(0.0, math.sqrt(variance), tuple(shape)), dtype)

    def _takes(self, shape: Sequence[int]) -> bool:
        return self.input_axes is None and self.output_axes is None


def compute_fans(shape: Sequence[int], input_axes: Any = None, output_axes: Any = None) -> tuple[float, float]:
    """Return (number of inputs, number of outputs) for a weight of this shape.

    Args:
        shape: The shape; without the axes below, (spatial..., in, out).
        input_axes: The axes whose sizes multiply to the number of inputs.
        output_axes: Likewise for the outputs.
    """
    if input_axes is not None and output_axes is not None:
        return math.prod(shape[a] for a in input_axes), math.prod(shape[a] for a in output_axes)
    if not shape:
        return 1, 1
    if len(shape) == 1:
        return shape[0], shape[0]
    field = math.prod(shape[:-2])
    return shape[-2] * field, shape[-1] * field


def _scaled(name: str, alias: str, scale: float, mode: str, distribution: str) -> Any:
    """Create a subclass of VarianceScaling with fixed scale, mode and distribution, under Keras' name."""

    def __init__(self: Any, seed: int | None = None, input_axes: Any = None, output_axes: Any = None) -> None:  # noqa: N807
        VarianceScaling.__init__(self, scale, mode, distribution, seed, input_axes, output_axes)

    def get_config(self: Any) -> dict[str, Any]:
        return {"seed": to_config(self.seed), "input_axes": self.input_axes, "output_axes": self.output_axes}

    doc = f"VarianceScaling(scale={scale}, mode={mode!r}, distribution={distribution!r})."
    members = {"__init__": __init__, "get_config": get_config, "__doc__": doc, "__module__": __name__}
    return keras_class(_HOME, alias)(type(name, (VarianceScaling,), members))


GlorotUniform = _scaled("GlorotUniform", "glorot_uniform", 1.0, "fan_avg", "uniform")
GlorotNormal = _scaled("GlorotNormal", "glorot_normal", 1.0, "fan_avg", "truncated_normal")
HeUniform = _scaled("HeUniform", "he_uniform", 2.0, "fan_in", "uniform")
HeNormal = _scaled("HeNormal", "he_normal", 2.0, "fan_in", "truncated_normal")
LecunUniform = _scaled("LecunUniform", "lecun_uniform", 1.0, "fan_in", "uniform")
LecunNormal = _scaled("LecunNormal", "lecun_normal", 1.0, "fan_in", "truncated_normal")


@keras_class(_HOME, "OrthogonalInitializer", "orthogonal")
class Orthogonal(RandomInitializer):
    """`gain` times a random orthogonal matrix, whose rows are all axes but the last."""

    def __init__(self, gain: float = 1.0, seed: int | None = None) -> None:
        self.gain = gain
        super().__init__(seed)

    def __call__(self, shape: Sequence[int], dtype: Any = None, **kwargs: Any) -> Array:
        """Return the array.

        Raises:
            ShapeError: `shape` has fewer than two axes.
        """
        if len(shape) < 2:
            raise ShapeError(
                f"The tensor to initialize must be at least two-dimensional. Received: shape={tuple(shape)} of rank {len(shape)}."
            )
        rows, columns = math.prod(shape[:-1]), shape[-1]
        flat = self.generator().standard_normal((max(rows, columns), min(rows, columns)))
        q, r = np.linalg.qr(flat)
        q *= np.sign(np.diag(r))
        return _cast(self.gain * (q.T if rows < columns else q).reshape(tuple(shape)), dtype)

    def _takes(self, shape: Sequence[int]) -> bool:
        return len(shape) >= 2 and _are_numbers(self.gain)


@keras_class(_HOME, "STFTInitializer", "stft")
class STFT(Initializer):
    """Kernels (frame_length, 1, fft_length // 2 + 1) that make a convolution a short-time Fourier transform.

    Args:
        side: "real" or "imag": the part of the transform.
        window: A name (see `graphkit.core.windows`), an array of shape (frame_length,), or None.
        scaling: "density" (divide by the window's L2 norm), "spectrum" (by its L1 norm), or None.
        periodic: Whether the window is periodic instead of symmetric.

    Raises:
        InvalidArgumentError: An argument has an invalid value.

    Source: keras.initializers.STFT.
    """

    def __init__(
        self, side: str = "real", window: Any = "hann", scaling: str | None = "density", periodic: bool = False
    ) -> None:
        if side not in ("real", "imag"):
            raise InvalidArgumentError(f"side should be 'real' or 'imag', not {side}")
        if scaling not in (None, "density", "spectrum"):
            raise InvalidArgumentError(
                f"Scaling is invalid, it must be `None`, 'density' or 'spectrum'. Received scaling={scaling}"
            )
        if isinstance(window, str):
            window_of(window, 1, periodic, "STFT")
        self.side, self.window, self.scaling, self.periodic = side, window, scaling, periodic

    def __call__(self, shape: Sequence[int], dtype: Any = None, **kwargs: Any) -> Array:
        """Return the array.

        Raises:
            ShapeError: `shape` does not have three axes.
            InvalidArgumentError: The window has another length.
        """
        if len(shape) != 3:
            raise ShapeError(f"STFT makes kernels (frame_length, 1, frequencies). Received: shape={tuple(shape)}.")
        length, _, bins = shape
        turns = np.arange(length)[:, None, None] * np.arange(bins) / max((bins - 1) * 2, 1)
        kernel = (np.cos if self.side == "real" else np.sin)(-2 * np.pi * turns)
        window = window_of(self.window, length, self.periodic, "STFT")
        if window is not None:
            scales = {"density": np.sqrt(np.sum(window**2)), "spectrum": np.sum(np.abs(window)), None: 1.0}
            kernel = kernel * window[:, None, None] / scales[self.scaling]
        return _cast(np.broadcast_to(kernel, tuple(shape)), dtype)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments, in Keras' order."""
        return {"side": self.side, "window": to_config(self.window), "periodic": self.periodic, "scaling": self.scaling}


stft = STFTInitializer = STFT
zeros, ones, constant, identity = Zeros, Ones, Constant, Identity
random_normal, truncated_normal, random_uniform = RandomNormal, TruncatedNormal, RandomUniform
variance_scaling, orthogonal = VarianceScaling, Orthogonal
IdentityInitializer, OrthogonalInitializer = Identity, Orthogonal
glorot_uniform, glorot_normal, he_uniform, he_normal = GlorotUniform, GlorotNormal, HeUniform, HeNormal
lecun_uniform, lecun_normal = LecunUniform, LecunNormal


def get(identifier: Any) -> Any:
    """Return an initializer for a name, config, class, function, array or object; None stays None.

    Raises:
        UnknownClassError: The name is unknown.
        InvalidArgumentError: `identifier` is of an unsupported type.
    """
    if isinstance(identifier, (np.ndarray, Configurable)):
        return Constant(identifier) if isinstance(identifier, np.ndarray) else identifier
    return resolve(identifier, _HOME, "initializer")


def serialize(initializer: Any) -> Any:
    """Return the config of an initializer."""
    return to_config(initializer)


def deserialize(config: Any, custom_objects: Any = None) -> Any:
    """Return an initializer for its config; see `get`."""
    with custom_object_scope(custom_objects):
        return get(config)
