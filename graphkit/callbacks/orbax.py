"""keras.callbacks.OrbaxCheckpoint, refused by name."""

from __future__ import annotations

from typing import Any

from graphkit.callbacks.callback import Callback
from graphkit.core.errors import InvalidArgumentError


class OrbaxCheckpoint(Callback):
    """Orbax writes the checkpoints of JAX programs; it is not there without JAX. Raises InvalidArgumentError.

    Source: keras.callbacks.OrbaxCheckpoint.
    """

    def __init__(self, directory: Any, **kwargs: Any) -> None:
        raise InvalidArgumentError(
            f"OrbaxCheckpoint({directory!r}) needs JAX. Use BackupAndRestore to go on after an interruption, or ModelCheckpoint to keep "
            "models."
        )
