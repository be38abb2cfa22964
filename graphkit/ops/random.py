"""Counter-based random numbers: (seed, counter) determines a draw, independently of threads.

Every draw is a primitive over a seed state: two uint32, the seed and the number of earlier draws. A `SeedGenerator` holds it
in a variable; while a function is traced, its next value is part of the program's state, like a moving average.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphkit.core import dtypes, names, seeds
from graphkit.core.dims import Shape
from graphkit.core.errors import DTypeError, InvalidArgumentError, InvalidTypeError, ShapeError
from graphkit.core.serialization import keras_class
from graphkit.ir.eager_tensor import eager
from graphkit.ir.primitive import Primitive, primitive
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import Tracer
from graphkit.ir.variable import Variable
from graphkit.ops._convert import as_float, canonical_axis, dtype_name, shape_argument, shape_of, tensor
from graphkit.ops.elementwise import add, cast, floor, log, multiply, negative, subtract, true_divide
from graphkit.ops.indexing import argsort, take_along_axis
from graphkit.ops.reduction import argmax
from graphkit.ops.shaping import expand_dims, full_like

__all__: list[str] = []  # public in a separate module, as in Keras: graphkit.random

_NO_GRADIENT = "a random draw depends on no tensor but its seed"


@keras_class("keras.random")
class SeedGenerator:
    """A stream of seeds: each random op that it is passed to draws new numbers, reproducibly.

    Args:
        seed: an int, of which the lower 32 bits count; None draws one from the session's seed.
        name: the generator's name; a generated one by default.

    Raises:
        InvalidTypeError: If an argument is unknown.
        InvalidArgumentError: If `seed` is neither an int that is not negative nor None, or `name` is no string or contains "/".

    Source: keras.random.SeedGenerator.
    """

    def __init__(self, seed: int | None = None, name: str | None = None, **kwargs: Any) -> None:
        if kwargs:
            raise InvalidTypeError(f"SeedGenerator accepts seed and name, not {', '.join(map(repr, kwargs))}.")
        if seed is not None and (not isinstance(seed, (int, np.integer)) or seed < 0):
            raise InvalidArgumentError(
                f"Argument `seed` must be an integer that is not negative, or None. Received: seed={seed!r}"
            )
        if name is not None and (not isinstance(name, str) or "/" in name):
            raise InvalidArgumentError(
                f"Argument `name` must be a string and cannot contain character `/`. Received: name={name!r}"
            )
        self.name = name or names.auto_name("seed_generator")
        self._initial_seed = None if seed is None else int(seed)
        first = seeds.draw_seed() if seed is None else int(seed) & 0xFFFFFFFF
        with names.name_scope(self.name):
            self.state = Variable(
                np.array([first, 0], np.uint32), dtype="uint32", trainable=False, name="seed_generator_state"
            )

    def next(self, ordered: bool = True) -> Any:
        """Return the current seed state and advance the generator.

        Args:
            ordered: accepted for compatibility with Keras, ignored.
        """
        now = self.state.value
        if isinstance(now, np.ndarray):
            now = now.copy()
        self.state.assign(add(now, np.array([0, 1], np.uint32)))
        return now

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"seed": self._initial_seed, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> SeedGenerator:
        """Create a generator from its config."""
        return cls(**config)


_session: list[Any] = [None, None]  # the global generator, and the epoch of the session's seed that it was created in


def global_seed_generator() -> SeedGenerator:
    """Return the generator that `seed=None` uses; it is seeded from the session's seed."""
    if _session[0] is None or _session[1] != seeds.epoch():
        _session[:] = SeedGenerator(seeds.draw_seed(), name="global_seed_generator"), seeds.epoch()
    generator: SeedGenerator = _session[0]
    return generator


def draw_seed(seed: Any) -> Any:
    """Convert an op's `seed` argument to a seed state (2,).

    Args:
        seed: an int, a `SeedGenerator`, a state, or None for the global generator.

    Raises:
        InvalidArgumentError: If it is none of these.
    """
    if seed is None:
        return global_seed_generator().next()
    if isinstance(seed, SeedGenerator):
        return seed.next()
    if isinstance(seed, (int, np.integer)):
        return np.array([int(seed) & 0xFFFFFFFF, 0], np.uint32)
    if isinstance(seed, (np.ndarray, Tracer, Variable)) and shape_of(seed) == (2,):
        return seed
    raise InvalidArgumentError(f"seed must be an int, a SeedGenerator or None, got {seed!r}.")


# ----- the primitives -----


def _generator(seed: Any) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=np.asarray(seed).astype(np.uint64)))


_NATIVE = (np.dtype(np.float32), np.dtype(np.float64))


def _fill(out: Any, draw: Callable[[Any, Any], None]) -> None:
    """Draw directly into `out` where NumPy can, else through a scratch array."""
    if out.dtype in _NATIVE and out.flags.c_contiguous:
        draw(out, out.dtype)
        return
    scratch = np.empty(out.shape, out.dtype if out.dtype in _NATIVE else np.float32)
    draw(scratch, scratch.dtype)
    np.copyto(out, scratch, casting="unsafe")


def _uniform_kernel(out: Any, seed: Any, shape: Shape, dtype: str) -> None:
    generator = _generator(seed)
    _fill(out, lambda target, kind: generator.random(out=target, dtype=kind))


def _normal_kernel(out: Any, seed: Any, shape: Shape, dtype: str) -> None:
    generator = _generator(seed)
    _fill(out, lambda target, kind: generator.standard_normal(out=target, dtype=kind))


def _truncated_kernel(out: Any, seed: Any, shape: Shape, dtype: str) -> None:
    """Draw normal numbers, and draw again those beyond two standard deviations."""
    generator = _generator(seed)
    flat = generator.standard_normal(out.size)
    far = np.flatnonzero(np.abs(flat) > 2)
    while far.size:
        flat[far] = generator.standard_normal(far.size)
        far = far[np.abs(flat[far]) > 2]
    np.copyto(out, flat.reshape(out.shape), casting="unsafe")


def _mask_kernel(out: Any, seed: Any, shape: Shape, dtype: str, rate: float) -> None:
    """Compare 32 random bits per element with a threshold; kept elements are 1 / (1 - rate), dropped ones 0."""
    raw = _generator(seed).bit_generator.random_raw(out.size // 2 + 1).view(np.uint32)[: out.size].reshape(out.shape)
    limit = np.uint32(min(round(rate * 2**32), 2**32 - 1))
    np.multiply(raw >= limit, np.asarray(1 / (1 - rate), out.dtype), out=out, casting="unsafe")


def _gamma_kernel(out: Any, seed: Any, alpha: Any, shape: Shape, dtype: str) -> None:
    np.copyto(
        out, _generator(seed).standard_gamma(np.broadcast_to(alpha, out.shape).astype(np.float64)), casting="unsafe"
    )


def _binomial_kernel(out: Any, seed: Any, counts: Any, chances: Any, shape: Shape, dtype: str) -> None:
    made = _generator(seed).binomial(counts.astype(np.int64), chances.astype(np.float64), size=out.shape)
    np.copyto(out, made, casting="unsafe")


def _drawn(seed: TensorSpec, *rest: TensorSpec, shape: Shape, dtype: str, **_: Any) -> TensorSpec:
    if seed.shape != (2,):
        raise ShapeError(f"A seed state has shape (2,), got {seed.shape}.")
    return TensorSpec(shape, dtype)


random_uniform_p = primitive("random_uniform", _drawn, kernel=_uniform_kernel, nondiff=_NO_GRADIENT)  # in [0, 1)
random_normal_p = primitive("random_normal", _drawn, kernel=_normal_kernel, nondiff=_NO_GRADIENT)  # mean 0, variance 1
random_truncated_normal_p = primitive(
    "random_truncated_normal", _drawn, kernel=_truncated_kernel, nondiff=_NO_GRADIENT
)  # standard normal, limited to [-2, 2]
dropout_mask_p = primitive("dropout_mask", _drawn, kernel=_mask_kernel, nondiff=_NO_GRADIENT)
random_gamma_p = primitive(
    "random_gamma", _drawn, kernel=_gamma_kernel, nondiff="gradients with respect to alpha are not implemented"
)
random_binomial_p = primitive("random_binomial", _drawn, kernel=_binomial_kernel, nondiff="a count is an integer")


def _draw(made: Primitive, shape: Any, dtype: Any, seed: Any, *inputs: Any, **params: Any) -> Any:
    whole = shape_argument(shape, made.name)
    return eager(made.bind(draw_seed(seed), *inputs, shape=whole, dtype=dtypes.standardize(dtype), **params))


def _is(value: Any, number: float) -> bool:
    return isinstance(value, (int, float)) and value == number


def _float_kind(what: str, dtype: Any, instead: str = "") -> str:
    kind = dtypes.standardize(dtype)
    if not dtypes.is_float(kind):
        raise InvalidArgumentError(f"random.{what}: `dtype` must be a floating point dtype, got {dtype!r}.{instead}")
    return kind


def _scaled(draw: Any, scale: Any, shift: Any) -> Any:
    kind = dtype_name(draw)
    made = draw if _is(scale, 1) else multiply(draw, tensor(scale, kind))
    return made if _is(shift, 0) else add(made, tensor(shift, kind))


# ----- keras.random -----


def normal(shape: Sequence[Any], mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = None, seed: Any = None) -> Any:
    """Draw normally distributed numbers.

    Args:
        shape: the shape of the result.
        mean: a number or a tensor that broadcasts against `shape`.
        stddev: a number or a tensor that broadcasts against `shape`.
        dtype: a float dtype; `floatx()` by default.
        seed: an int, a `SeedGenerator`, or None for the global generator.

    Raises:
        InvalidArgumentError: If `dtype` is not a float.
        InvalidTypeError: If `seed` is none of these.

    Source: keras.random.normal.
    """
    return _scaled(_draw(random_normal_p, shape, _float_kind("normal", dtype), seed), stddev, mean)


def uniform(shape: Sequence[Any], minval: Any = 0.0, maxval: Any = 1.0, dtype: Any = None, seed: Any = None) -> Any:
    """Draw numbers uniformly from [minval, maxval).

    Args:
        shape: the shape of the result.
        minval: a number or a tensor that broadcasts against `shape`.
        maxval: a number or a tensor that broadcasts against `shape`.
        dtype: a float dtype; `floatx()` by default. Use `randint` for integers.
        seed: an int, a `SeedGenerator`, or None for the global generator.

    Raises:
        InvalidArgumentError: If `dtype` is not a float.
        InvalidTypeError: If `seed` is none of these.

    Source: keras.random.uniform.
    """
    kind = _float_kind("uniform", dtype, " Use randint for integers.")
    width = (
        maxval - minval
        if isinstance(minval, (int, float)) and isinstance(maxval, (int, float))
        else subtract(maxval, minval)
    )
    return _scaled(_draw(random_uniform_p, shape, kind, seed), width, minval)


def truncated_normal(
    shape: Sequence[Any], mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = None, seed: Any = None
) -> Any:
    """Draw normally distributed numbers within two standard deviations of the mean; arguments and errors as in `normal`.

    Source: keras.random.truncated_normal.
    """
    return _scaled(_draw(random_truncated_normal_p, shape, _float_kind("truncated_normal", dtype), seed), stddev, mean)


def randint(shape: Sequence[Any], minval: Any, maxval: Any, dtype: Any = "int32", seed: Any = None) -> Any:
    """Draw integers uniformly from [minval, maxval).

    Args:
        shape: the shape of the result.
        minval: an integer or a tensor that broadcasts against `shape`.
        maxval: an integer or a tensor that broadcasts against `shape`.
        dtype: an integer dtype.
        seed: an int, a `SeedGenerator`, or None for the global generator.

    Raises:
        DTypeError: If `dtype` is not an integer.
        InvalidTypeError: If `seed` is none of these.

    Source: keras.random.randint.
    """
    kind = dtypes.standardize("int32" if dtype is None else dtype)
    if not dtypes.is_int(kind):
        raise DTypeError(f"randint: dtype must be an integer dtype, got {kind!r}.")
    low, high = cast(minval, "float64"), cast(maxval, "float64")
    drawn = _draw(random_uniform_p, shape, "float64", seed)
    return cast(add(floor(multiply(drawn, subtract(high, low))), low), kind)


def categorical(logits: Any, num_samples: int, dtype: Any = "int32", seed: Any = None) -> Any:
    """Draw classes from the distributions given by logits.

    Args:
        logits: (batch, classes).
        num_samples: how many classes to draw for each row.
        dtype: the dtype of the result.
        seed: an int, a `SeedGenerator`, or None for the global generator.

    Returns:
        (batch, num_samples).

    Source: keras.random.categorical.
    """
    logits = as_float(logits)
    rows, classes = shape_of(logits)
    kind = dtype_name(logits)
    drawn = _draw(random_uniform_p, (rows, num_samples, classes), kind, seed)
    noise = negative(log(negative(log(add(drawn, float(np.finfo(np.float32).tiny))))))
    return cast(argmax(add(expand_dims(logits, 1), noise), axis=-1), dtype)


def shuffle(x: Any, axis: int = 0, seed: Any = None) -> Any:
    """Shuffle the elements along `axis`, with an independent order for each line. Source: keras.random.shuffle."""
    x = tensor(x)
    axis = canonical_axis(axis, x.ndim)
    order = argsort(_draw(random_uniform_p, shape_of(x), "float64", seed), axis=axis)
    return take_along_axis(x, order, axis=axis)


def dropout(inputs: Any, rate: float, noise_shape: Any = None, seed: Any = None) -> Any:
    """Set elements to 0 with probability `rate`, and divide the others by 1 - rate.

    Args:
        inputs: a tensor; integers become `floatx()`.
        rate: a probability in [0, 1].
        noise_shape: the shape of the mask, which is broadcast; None in it stands for the input's size.
        seed: an int, a `SeedGenerator`, or None for the global generator.

    Raises:
        InvalidArgumentError: If `rate` is outside of [0, 1].

    Source: keras.random.dropout.
    """
    if not 0 <= rate <= 1:
        raise InvalidArgumentError(f"dropout: rate must be in [0, 1], got {rate}.")
    x = as_float(inputs)
    if rate == 0:
        return x
    if rate == 1:
        return full_like(x, 0)
    whole = shape_of(x)
    noise = whole if noise_shape is None else tuple(whole[i] if n is None else n for i, n in enumerate(noise_shape))
    return multiply(x, _draw(dropout_mask_p, noise, dtype_name(x), seed, rate=float(rate)))


def gamma(shape: Sequence[Any], alpha: Any, dtype: Any = None, seed: Any = None) -> Any:
    """Draw from gamma distributions with shape parameter `alpha` (which broadcasts against `shape`) and scale 1.

    Raises:
        InvalidArgumentError: If `dtype` is not a float.

    Source: keras.random.gamma.
    """
    return _draw(random_gamma_p, shape, _float_kind("gamma", dtype), seed, as_float(alpha))


def beta(shape: Sequence[Any], alpha: Any, beta: Any, dtype: Any = None, seed: Any = None) -> Any:
    """Draw from beta distributions; `alpha` and `beta` broadcast against `shape`.

    Raises:
        InvalidArgumentError: If `dtype` is not a float.

    Source: keras.random.beta.
    """
    state, dtype = draw_seed(seed), _float_kind("beta", dtype)
    first = gamma(shape, alpha, dtype, state)
    second = gamma(shape, beta, dtype, add(state, np.array([0x9E3779B9, 0], np.uint32)))
    return true_divide(first, add(first, second))


def binomial(shape: Sequence[Any], counts: Any, probabilities: Any, dtype: Any = None, seed: Any = None) -> Any:
    """Draw from binomial distributions: the number of successes in `counts` trials; both arguments broadcast against `shape`.

    Raises:
        InvalidArgumentError: If `dtype` is not a float.

    Source: keras.random.binomial.
    """
    return _draw(
        random_binomial_p, shape, _float_kind("binomial", dtype), seed, tensor(counts), as_float(probabilities)
    )
