"""ONNX's operators in terms of graphkit.ops: one table, and the evaluation of graphs with it."""

from . import (
    attention,
    control,
    convolution,
    creation,
    elementwise,
    estimators,
    features,
    fused,
    linear,
    normalization,
    qlinear,
    quantization,
    recurrent,
    reduction,
    resizing,
    selection,
    sequences,
    shaping,
    signals,
    texts,
    updates,
)
from .evaluate import Evaluator
from .table import MICROSOFT, ML, OPERATORS, operator

__all__ = ["MICROSOFT", "ML", "OPERATORS", "Evaluator", "operator"]
