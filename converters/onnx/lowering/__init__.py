"""Lowerings: one function for each primitive that ONNX knows, by family. Importing this package registers them all."""

from graphkit.converters.onnx.lowering import (
    activations,
    control,
    convolution,
    elementwise,
    indexing,
    linear,
    normalization,
    pooling,
    random,
    recurrent,
    reduction,
    resizing,
    shaping,
)

__all__ = [
    "activations",
    "control",
    "convolution",
    "elementwise",
    "indexing",
    "linear",
    "normalization",
    "pooling",
    "random",
    "recurrent",
    "reduction",
    "resizing",
    "shaping",
]
