"""The contraction of a layer's inputs with its kernel, and how scales of either map to axes of the outputs."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from graphkit import ops

MATMUL = "...a,ab->...b"


class Contraction:
    """A product of inputs and kernel as an einsum equation, "abc,cd->abd", with what quantization needs to know about it.

    Args:
        equation: "..." may be at the start or at the end of inputs and outputs.
        ndim: the rank of the inputs, which determines the axes of "...".
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
        """Return the product."""
        return ops.matmul(inputs, kernel) if self.is_matmul else ops.einsum(self.equation, inputs, kernel)

    def backwards(self, upstream: Any, kernel: Any) -> Any:
        """Return the cotangent of the inputs for that of the outputs."""
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
        """Return the sizes of a kernel as a matrix: the axes summed over, and the rest."""
        rows = prod(kernel_shape[i] for i in self.kernel_axes)
        return rows, prod(kernel_shape) // rows

    def scale_shape(self, kernel_shape: Sequence[int]) -> tuple[int, ...]:
        """Return the shape of the kernel's scale, arranged to broadcast to the outputs."""
        sizes = dict(zip(self.kernel, kernel_shape, strict=True))
        return tuple(sizes.get(letter, 1) for letter in self._scaled())

    def kernel_scale(self, scale: Any) -> Any:
        """Rearrange a scale with the kernel's axes (size 1 where they are summed over) to broadcast to the outputs."""
        return self._placed(scale, self.kernel, self._scaled())

    def kernel_scale_back(self, scale: Any) -> Any:
        """Invert `kernel_scale`: rearrange a scale to the kernel's axes."""
        return self._placed(scale, self._scaled(), self.kernel)

    def input_scale(self, scale: Any) -> Any:
        """Rearrange a scale with the inputs' axes (size 1 where they are summed over) to broadcast to the outputs."""
        if self.is_matmul:
            return scale
        return self._placed(scale, self.inputs, self.outputs)

    def _scaled(self) -> str:
        """Return the letters of the outputs that the kernel's scale has: all, but the last alone for Dense, as in Keras."""
        return self.outputs[-1:] if self.is_matmul else self.outputs

    @staticmethod
    def _placed(x: Any, letters: str, target: str) -> Any:
        """Rearrange axes from `letters` to `target`: new axes get size 1, and axes that `target` lacks, of size 1, are dropped."""
        gone = [i for i, letter in enumerate(letters) if letter not in target]
        kept = [letter for letter in letters if letter in target]
        x = ops.squeeze(x, axis=gone) if gone else x
        x = ops.transpose(x, [kept.index(letter) for letter in target if letter in kept])
        missing = [i for i, letter in enumerate(target) if letter not in kept]
        return ops.expand_dims(x, missing) if missing else x
