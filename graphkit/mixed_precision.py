"""Mixed precision under Keras' older names. Source: keras.mixed_precision."""

from __future__ import annotations

from graphkit.config import dtype_policy, set_dtype_policy
from graphkit.dtype_policies import DTypePolicy
from graphkit.optimizers import LossScaleOptimizer

Policy = DTypePolicy
global_policy, set_global_policy = dtype_policy, set_dtype_policy

__all__ = [
    "DTypePolicy", "LossScaleOptimizer", "Policy", "dtype_policy", "global_policy", "set_dtype_policy", "set_global_policy",
]  # fmt: skip
