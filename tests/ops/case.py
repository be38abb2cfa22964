"""What a case of a primitive is: its inputs, drawn anew for each dtype, and its params."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Draw = Callable[[np.random.Generator], Array]


@dataclass(frozen=True)
class Case:
    """One application of a primitive.

    Attributes:
        primitive: its name.
        inputs: functions of a random generator; float ones give float64, which a test casts to the dtype that it wants.
        params: static ones.
        free: whether the abstract rule holds with unknown sizes in place of these.
        gradient: whether the gradient is that of differences (`stop_gradient` says otherwise).
        held: float inputs that are not varied.
        second: whether second derivatives exist and are cheap.
        exact: whether float32 agrees with float64 (not so where rounding decides, or random numbers differ by dtype).
    """

    primitive: str
    inputs: tuple[Draw, ...]
    params: dict[str, Any] = field(default_factory=dict)
    free: bool = True
    second: bool = True
    gradient: bool = True
    held: tuple[int, ...] = ()
    exact: bool = True

    def arrays(self, dtype: str = "float64", seed: int = 0) -> list[Array]:
        """The inputs, the float ones in `dtype`."""
        generator = np.random.Generator(np.random.Philox(seed))
        made = [draw(generator) for draw in self.inputs]
        return [a.astype(dtype) if a.dtype == np.float64 else a for a in made]


_TRAITS = ("free", "second", "gradient", "held", "exact")


def case(primitive: str, *inputs: Draw, **params: Any) -> Case:
    """A case in one line; keywords that are no traits of a `Case` are the primitive's params."""
    traits = {name: params.pop(name) for name in _TRAITS if name in params}
    return Case(primitive, inputs, params, **traits)


def real(*shape: int, low: float = -2.0, high: float = 2.0, away: tuple[float, ...] = ()) -> Draw:
    """Numbers from [low, high), at least 0.05 from each of `away`, where the function has a kink or a jump."""

    def draw(generator: np.random.Generator) -> Array:
        x = generator.uniform(low, high, shape)
        for kink in away:
            x = np.where(np.abs(x - kink) < 0.05, kink + np.where(x < kink, -0.1, 0.1), x)
        return np.asarray(x)

    return draw


def whole(*shape: int, low: int = 0, high: int = 5) -> Draw:
    """Integers from [low, high)."""
    return lambda generator: np.asarray(generator.integers(low, high, shape, dtype=np.int32))


def boolean(*shape: int) -> Draw:
    """Booleans."""
    return lambda generator: np.asarray(generator.integers(0, 2, shape) > 0)


def distinct(*shape: int) -> Draw:
    """Numbers that differ by at least 0.1 from each other, in no order: no ties for maxima and sorts."""

    def draw(generator: np.random.Generator) -> Array:
        size = int(np.prod(shape))
        return np.asarray((generator.permutation(size) - size / 2 + 0.3) * 0.1).reshape(shape)

    return draw


def fixed(*values: Any, dtype: Any = np.float64) -> Draw:
    """Exactly these."""
    return lambda generator: np.array(values, dtype)


def value(array: Any, dtype: Any = np.float64) -> Draw:
    """Exactly this array."""
    return lambda generator: np.array(array, dtype)


def made_by(function: Callable[..., Array], *draws: Draw) -> Draw:
    """An input that follows from others, drawn from the same numbers (the output that a gradient primitive is given)."""
    return lambda generator: function(*(draw(np.random.Generator(np.random.Philox(7))) for draw in draws))


def same_draw(draw: Draw) -> Draw:
    """`draw` from the numbers that `made_by` uses."""
    return lambda generator: draw(np.random.Generator(np.random.Philox(7)))
