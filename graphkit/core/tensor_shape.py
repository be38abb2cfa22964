"""Shapes with the methods that TensorFlow's shapes have."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphkit.core.dims import Dim
from graphkit.core.errors import ShapeError, UnsupportedError


class Shape(tuple[Any, ...]):
    """The shape of a tensor: a tuple of ints and unknown sizes, with the methods of TensorFlow's shapes that ask for sizes."""

    __slots__ = ()

    @property
    def rank(self) -> int:
        """The number of axes."""
        return len(self)

    ndims = rank

    def as_list(self) -> list[int | None]:
        """Return the sizes as a list, None for unknown ones."""
        return [None if isinstance(size, Dim) else size for size in self]

    def is_fully_defined(self) -> bool:
        """Return whether all sizes are known."""
        return None not in self.as_list()

    def num_elements(self) -> int | None:
        """Return the number of elements; None if a size is unknown."""
        return int(np.prod(self, dtype=int)) if self.is_fully_defined() else None

    def is_compatible_with(self, other: Any) -> bool:
        """Return whether a tensor can have both shapes."""
        return TensorShape(self).is_compatible_with(other)


class TensorShape(Shape):
    """A shape: a tuple of ints and None with TensorFlow's methods.

    Args:
        dims: the sizes; an int for one axis, None for an unknown rank, which is refused.

    Source: tf.TensorShape.
    """

    __slots__ = ()

    def __new__(cls, dims: Any) -> TensorShape:  # noqa: D102  # described by the class
        if dims is None:
            raise UnsupportedError(
                "A shape of unknown rank is not supported; give one size for each axis, None if it is unknown."
            )
        dims = (dims,) if isinstance(dims, (int, np.integer)) else dims
        return super().__new__(cls, (None if d is None or isinstance(d, Dim) or d == -1 else int(d) for d in dims))

    dims = property(lambda self: list(self))

    def is_compatible_with(self, other: Any) -> bool:
        """Return whether a tensor can have both shapes."""
        other = TensorShape(other)
        return len(self) == len(other) and all(a == b or None in (a, b) for a, b in zip(self, other, strict=True))

    def assert_is_compatible_with(self, other: Any) -> None:
        """Raise ShapeError if no tensor can have both shapes."""
        if not self.is_compatible_with(other):
            raise ShapeError(f"Shapes {self} and {TensorShape(other)} are incompatible.")

    def assert_has_rank(self, rank: int) -> None:
        """Raise ShapeError for another number of axes."""
        if len(self) != rank:
            raise ShapeError(f"Shape {self} must have rank {rank}.")

    def concatenate(self, other: Any) -> TensorShape:
        """Return this shape followed by another."""
        return TensorShape((*self, *TensorShape(other)))

    def merge_with(self, other: Any) -> TensorShape:
        """Return the shape with unknown sizes taken from another."""
        self.assert_is_compatible_with(other)
        return TensorShape(a if a is not None else b for a, b in zip(self, TensorShape(other), strict=True))

    def __getitem__(self, key: Any) -> Any:
        made = tuple.__getitem__(self, key)
        return TensorShape(made) if isinstance(key, slice) else made

    def __add__(self, other: Any) -> TensorShape:
        return self.concatenate(other)

    def __repr__(self) -> str:
        return f"TensorShape({list(self)})"

    def __str__(self) -> str:
        return f"({', '.join(map(str, self))}{',' if len(self) == 1 else ''})"
