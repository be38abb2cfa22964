"""Callbacks: called at the start and end of training, epochs and batches. Source: keras.callbacks (Keras 3)."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from graphkit.callbacks.averages import SwapEMAWeights
from graphkit.callbacks.backup import BackupAndRestore
from graphkit.callbacks.callback import Callback, History, LambdaCallback
from graphkit.callbacks.callback_list import CallbackList
from graphkit.callbacks.files import CSVLogger, ModelCheckpoint
from graphkit.callbacks.monitors import EarlyStopping, ReduceLROnPlateau
from graphkit.callbacks.orbax import OrbaxCheckpoint
from graphkit.callbacks.steps import LearningRateScheduler, TerminateOnNaN
from graphkit.training.progress import ProgbarLogger

if TYPE_CHECKING:
    from graphkit.callbacks.remote import RemoteMonitor
    from graphkit.callbacks.tensorboard import TensorBoard

__all__ = [
    "BackupAndRestore", "CSVLogger", "Callback", "CallbackList", "EarlyStopping", "History", "LambdaCallback",
    "LearningRateScheduler", "ModelCheckpoint", "OrbaxCheckpoint", "ProgbarLogger", "ReduceLROnPlateau", "RemoteMonitor",
    "SwapEMAWeights", "TensorBoard", "TerminateOnNaN",
]  # fmt: skip

# Imported on first use: they import networking modules.
_LAZY = {"RemoteMonitor": "graphkit.callbacks.remote", "TensorBoard": "graphkit.callbacks.tensorboard"}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'graphkit.callbacks' has no attribute {name!r}")
