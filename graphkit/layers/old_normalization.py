"""Keras 1's BatchNormalization with `mode=1` and `mode=2`."""

from __future__ import annotations

from typing import Any

from graphkit import ops
from graphkit.core.declared import argument, must
from graphkit.core.serialization import graphkit_class
from graphkit.layers.normalization import BatchNormalization

__all__ = ["ModalBatchNormalization"]
_mode = must(lambda value: value in (1, 2), "`{name}` of layer {owner.name!r} must be 1 or 2, got {value!r}.")


@graphkit_class("layers")
class ModalBatchNormalization(BatchNormalization):
    """BatchNormalization that never uses its moving statistics. Source: keras 1 BatchNormalization.

    Args:
        mode: 1 normalizes each sample along its last axis; 2 always uses the statistics of the current batch.
        The remaining arguments are those of `BatchNormalization`.
    """

    argument_order = config_order = f"{BatchNormalization.argument_order} mode"

    mode: int = argument(default=1, check=_mode, kw_only=True)

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Return the normalized inputs."""
        if self.mode == 2:
            return ops.batch_normalization_training(inputs, self.axis, self.beta, self.gamma, self.epsilon)[0]
        deviation = ops.sqrt(ops.var(inputs, axis=-1, keepdims=True) + self.epsilon)
        x = (inputs - ops.mean(inputs, axis=-1, keepdims=True)) / (deviation + self.epsilon)
        x = x if self.gamma is None else x * self.gamma
        return x if self.beta is None else x + self.beta
