"""What summaries and drawings call a layer, and how they count its parameters."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any


def class_name(operation: Any) -> str:
    """Return the class name of a layer, the Keras name of an op, or the operator of an imported ONNX node."""
    return str(getattr(operation, "op_type", None) or getattr(operation, "class_name", type(operation).__name__))


def count(variables: Iterable[Any]) -> int:
    """Return the number of elements of variables."""
    return sum(math.prod(v.shape) for v in variables)
