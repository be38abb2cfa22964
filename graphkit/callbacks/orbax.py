"""keras.callbacks.OrbaxCheckpoint, which is not supported."""

from __future__ import annotations

from typing import Any

from graphkit.callbacks.callback import Callback
from graphkit.core.errors import InvalidArgumentError


class OrbaxCheckpoint(Callback):
    """Not supported, since Orbax saves checkpoints of JAX programs.

    Raises:
        InvalidArgumentError: Always.

    Source: keras.callbacks.OrbaxCheckpoint.
    """

    def __init__(self, directory: Any, **kwargs: Any) -> None:
        raise InvalidArgumentError(
            f"OrbaxCheckpoint({directory!r}) needs JAX. Use BackupAndRestore to resume after an interruption, or ModelCheckpoint to save "
            "models."
        )
