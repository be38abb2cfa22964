"""How a layer multiplies its inputs by its kernel: what is summed over, and where a scale of either stands in the outputs."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from graphkit import ops

MATMUL = "...a,ab->...b"


class Contraction:
    """A product of inputs and kernel said in letters, "abc,cd->abd", and what quantisation needs to know of it.

    Args:
        equation: with "..." in front of inputs and outputs, behind them, or nowhere.
        ndim: the number of the inputs' axes, which says what "..." stands for.
    """

    def __init__(self, equation: str, ndim: int) -> None:
        self.equation = equation
        given, outputs = equation.replace(" ", "").split("->")
        inputs, self.kernel = given.split(",")
        free = (c for c in "zyxwvutsrqponmlkjihgfedcba" if c not in equation)
        dots = "".join(next(free) for _ in range(ndim - len(inputs.replace("...", ""))))
        self.inputs, self.outputs = inputs.replace("...", dots), outputs.replace("...", dots)
        self.is_matmul = equation == MATMUL  # whose inputs may have any number of axes

    def __call__(self, inputs: Any, kernel: Any) -> Any:
        """The product."""
        return ops.matmul(inputs, kernel) if self.is_matmul else ops.einsum(self.equation, inputs, kernel)

    def backwards(self, upstream: Any, kernel: Any) -> Any:
        """The cotangent of the inputs."""
        if self.is_matmul:
            return ops.matmul(upstream, ops.transpose(kernel))
        return ops.einsum(f"{self.outputs},{self.kernel}->{self.inputs}", upstream, kernel)

    @property
    def kernel_axes(self) -> tuple[int, ...]:
        """The kernel's axes that are summed over."""
        return tuple(i for i, letter in enumerate(self.kernel) if letter not in self.outputs)

    @property
    def input_axes(self) -> tuple[int, ...]:
        """The inputs' axes that are summed over."""
        if self.is_matmul:
            return (-1,)
        return tuple(i for i, letter in enumerate(self.inputs) if letter not in self.outputs)

    def matrix_shape(self, kernel_shape: Sequence[int]) -> tuple[int, int]:
        """The sizes of a kernel as a matrix: what is summed over, and the rest."""
        rows = prod(kernel_shape[i] for i in self.kernel_axes)
        return rows, prod(kernel_shape) // rows

    def scale_shape(self, kernel_shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of the kernel's scale as it stands in the outputs."""
        sizes = dict(zip(self.kernel, kernel_shape, strict=True))
        return tuple(sizes.get(letter, 1) for letter in self._scaled())

    def kernel_scale(self, scale: Any) -> Any:
        """A scale of the kernel's own shape (1 where it is summed over), as it stands in the outputs."""
        return self._placed(scale, self.kernel, self._scaled())

    def kernel_scale_back(self, scale: Any) -> Any:
        """What `kernel_scale` made, in the kernel's own shape."""
        return self._placed(scale, self._scaled(), self.kernel)

    def input_scale(self, scale: Any) -> Any:
        """A scale of the inputs' own shape (1 where it is summed over), as it stands in the outputs."""
        if self.is_matmul:
            return scale
        return self._placed(scale, self.inputs, self.outputs)

    def _scaled(self) -> str:
        """The letters of the outputs from the first on that the kernel has: Keras keeps the scale of a Dense as a vector."""
        return self.outputs[-1:] if self.is_matmul else self.outputs

    @staticmethod
    def _placed(x: Any, letters: str, target: str) -> Any:
        """`x` with its axes where `target` has their letters, 1 for letters that it lacks; those that `target` lacks are 1 and go."""
        gone = [i for i, letter in enumerate(letters) if letter not in target]
        kept = [letter for letter in letters if letter in target]
        x = ops.squeeze(x, axis=gone) if gone else x
        x = ops.transpose(x, [kept.index(letter) for letter in target if letter in kept])
        missing = [i for i, letter in enumerate(target) if letter not in kept]
        return ops.expand_dims(x, missing) if missing else x
