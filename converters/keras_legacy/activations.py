"""Activations whose formula changed under the same name: Keras 1 and 2 files mean the old one."""

from __future__ import annotations

from typing import Any

from graphkit import ops
from graphkit.core.serialization import register_keras_serializable


@register_keras_serializable("graphkit")
def hard_sigmoid_keras2(x: Any) -> Any:
    """clip(0.2 x + 0.5, 0, 1): what `hard_sigmoid` meant before Keras 3, which says clip(x / 6 + 0.5, 0, 1)."""
    return ops.clip(0.2 * x + 0.5, 0.0, 1.0)
