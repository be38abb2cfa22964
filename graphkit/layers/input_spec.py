"""InputSpec: the rank, sizes and dtype that a layer expects of an input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphkit.core import dtypes
from graphkit.core.errors import DTypeError, ShapeError


class InputSpec:
    """Rank, sizes and dtype that an input must have; None allows anything.

    Args:
        dtype: the dtype.
        shape: the complete shape, with the batch axis; None for a free size.
        ndim: the rank.
        max_ndim: the largest rank.
        min_ndim: the smallest rank.
        axes: required sizes by axis; negative axes count from the end.
        allow_last_axis_squeeze: with `shape`, a last axis of size 1 may be missing or added.
        name: the input's name, for layers with several inputs.
        optional: whether the input may be None.

    Source: keras.layers.InputSpec.
    """

    def __init__(
        self,
        dtype: str | None = None,
        shape: tuple[int | None, ...] | None = None,
        ndim: int | None = None,
        max_ndim: int | None = None,
        min_ndim: int | None = None,
        axes: Mapping[int, int | None] | None = None,
        allow_last_axis_squeeze: bool = False,
        name: str | None = None,
        optional: bool = False,
    ) -> None:
        self.dtype = dtype
        self.shape = shape
        self.ndim = len(shape) if shape is not None else ndim
        self.max_ndim = max_ndim
        self.min_ndim = min_ndim
        self.axes = {int(k): v for k, v in (axes or {}).items()}
        self.allow_last_axis_squeeze, self.name, self.optional = allow_last_axis_squeeze, name, optional

    def __repr__(self) -> str:
        names = ("dtype", "shape", "ndim", "max_ndim", "min_ndim", "axes")
        return f"InputSpec({', '.join(f'{n}={getattr(self, n)}' for n in names if getattr(self, n))})"

    def check_dtype(self, dtype: str, layer_name: str, index: int = 0) -> None:
        """Check the dtype of an input. Raises DTypeError if it does not match; see `check`."""
        if self.dtype is not None and dtypes.standardize(dtype) != dtypes.standardize(self.dtype):
            raise DTypeError(
                f'Input {index} of layer "{layer_name}" is incompatible with the layer: expected dtype={self.dtype}, found dtype={dtype}'
            )

    def check(self, shape: tuple[Any, ...], layer_name: str, index: int = 0) -> None:
        """Check the shape of an input, with the batch axis.

        Raises:
            ShapeError: the rank or a size does not match; the message names `layer_name` and `index`, the number of the input.
        """
        shape = self._squeezed(shape)
        for problem in (self._rank_problem(len(shape)), self._size_problem(shape)):
            if problem:
                shown = tuple(s if isinstance(s, int) else None for s in shape)
                raise ShapeError(
                    f'Input {index} of layer "{layer_name}" is incompatible with the layer: {problem}. Full shape received: {shown}'
                )

    def _squeezed(self, shape: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the shape with a last axis of size 1 added or removed where `allow_last_axis_squeeze` permits it."""
        if not self.allow_last_axis_squeeze or self.shape is None:
            return shape
        if len(shape) == len(self.shape) + 1 and shape[-1] == 1:
            return shape[:-1]
        return (*shape, 1) if len(shape) == len(self.shape) - 1 and self.shape[-1] == 1 else shape

    def get_config(self) -> dict[str, Any]:
        """Return the arguments as JSON data."""
        return {n: getattr(self, n) for n in ("dtype", "shape", "ndim", "max_ndim", "min_ndim", "axes", "optional")}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> InputSpec:
        """Return the spec with this config."""
        return cls(**config)

    def _rank_problem(self, rank: int) -> str | None:
        if self.ndim is not None and rank != self.ndim:
            return f"expected ndim={self.ndim}, found ndim={rank}"
        if self.max_ndim is not None and rank > self.max_ndim:
            return f"expected max_ndim={self.max_ndim}, found ndim={rank}"
        if self.min_ndim is not None and rank < self.min_ndim:
            return f"expected min_ndim={self.min_ndim}, found ndim={rank}"
        return None

    def _size_problem(self, shape: tuple[Any, ...]) -> str | None:
        wanted = dict(enumerate(self.shape)) if self.shape is not None else {}
        for axis, size in {**wanted, **self.axes}.items():
            given = shape[axis] if -len(shape) <= axis < len(shape) else None
            if size is not None and isinstance(given, int) and given != size:
                return f"expected axis {axis} of input shape to have value {size}, but received {given}"
        return None
