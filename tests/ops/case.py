"""The two kinds of rows of the table of cases: an application of a primitive, and a function of several ops."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphkit import ops
from graphkit.core import dtypes
from graphkit.core.dims import Dim
from graphkit.ir.gradient import grad
from graphkit.ir.program import Program
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import trace

Array = np.ndarray[Any, Any]
Draw = Callable[[np.random.Generator], Array]


@dataclass(frozen=True)
class Case:
    """One application of a primitive: the row that every op needs. All of `walk.py` is checked of it.

    Attributes:
        primitive: its name.
        inputs: functions of a random generator; float ones give float64, which a test casts to the dtype that it wants.
        params: static ones.
        free: whether the abstract rule holds with unknown sizes in place of these.
        gradient: whether the gradient is that of differences (`stop_gradient` says otherwise).
        held: float inputs that are not varied.
        second: whether second derivatives exist and are cheap.
        exact: whether float32 agrees with float64 (not so where rounding decides, or random numbers differ by dtype).
        tolerance: relative and absolute, of the comparison with onnxruntime; by default that of the dtype (`comparing.TOLERANCES`).
    """

    primitive: str
    inputs: tuple[Draw, ...]
    params: dict[str, Any] = field(default_factory=dict)
    free: bool = True
    second: bool = True
    gradient: bool = True
    held: tuple[int, ...] = ()
    exact: bool = True
    tolerance: float | None = None

    def arrays(self, dtype: str = "float64", seed: int = 0) -> list[Array]:
        """The inputs, the float ones in `dtype`."""
        generator = np.random.Generator(np.random.Philox(seed))
        made = [draw(generator) for draw in self.inputs]
        return [a.astype(dtype) if a.dtype == np.float64 else a for a in made]


_TRAITS = ("free", "second", "gradient", "held", "exact", "tolerance")


def case(primitive: str, *inputs: Draw, **params: Any) -> Case:
    """A case in one line; keywords that are no traits of a `Case` are the primitive's params."""
    traits = {name: params.pop(name) for name in _TRAITS if name in params}
    return Case(primitive, inputs, params, **traits)


SIZES: Mapping[str, int] = {"b": 2, "t": 5, "s": 6, "h": 7, "w": 6}  # what the named axes of composed rows are run with


@dataclass(frozen=True)
class Composed:
    """A function of several ops: for what shows in their combination, or with sizes that are not known, in ONNX.

    Attributes:
        name: of the row.
        function: of tensors.
        specs: of its inputs.
        positive: whether float inputs are above 0.
        arrays: the inputs themselves, in place of random numbers.
        tolerance: as of a `Case`.
        gradient: whether the program is that of the gradients of the sum of the squared results.
    """

    name: str
    function: Callable[..., Any]
    specs: tuple[TensorSpec, ...]
    positive: bool = False
    arrays: tuple[Any, ...] | None = None
    tolerance: float | None = None
    gradient: bool = False

    def program(self) -> Program:
        """The program that is exported."""
        if not self.gradient:
            return trace(self.function, *self.specs)
        return grad(trace(lambda *xs: ops.sum(ops.square(self.function(*xs))), *self.specs))

    def inputs(self) -> list[Array]:
        """The inputs, with the sizes of SIZES for those that are not known."""
        if self.arrays is not None:
            return list(self.arrays)
        return [_sample(s, seed, self.positive) for seed, s in enumerate(self.specs)]


Row = Case | Composed


def composed(name: str, function: Callable[..., Any], text: str, **options: Any) -> Composed:
    """A composed row in one line; the inputs as `"b 3, 3 4:int32"`: sizes by number or name, dtype float32 unless given."""
    made = []
    for part in text.split(","):
        sizes, _, dtype = part.strip().partition(":")
        shape = tuple(int(s) if s.isdigit() else Dim.named(s) for s in sizes.split())
        made.append(TensorSpec(shape, dtype or "float32"))
    return Composed(name, function, tuple(made), **options)


def _sample(spec: TensorSpec, seed: int, positive: bool) -> Array:
    shape = [s if isinstance(s, int) else int(s.evaluate(SIZES)) for s in spec.shape]  # type: ignore[arg-type]
    rng = np.random.default_rng(seed)
    kind = dtypes.to_numpy(spec.dtype)
    if spec.dtype == "bool" or dtypes.is_int(spec.dtype):
        return rng.integers(0, 2 if spec.dtype == "bool" else 4, shape).astype(kind)
    numbers = rng.normal(size=shape)
    return (np.abs(numbers) + 0.1 if positive else numbers).astype(kind)


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
