"""Writing drawings: beside the target first, then renamed over it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from graphkit.saving.files import replacing


def write_bytes(path: Any, data: bytes) -> None:
    """Write a file so that a crash leaves the old one whole. Raises SerializationError for a missing folder."""
    with replacing(Path(path)) as part:
        part.write_bytes(data)


def write_text(path: Any, text: str) -> None:
    """Write a UTF-8 text file likewise."""
    write_bytes(path, text.encode())
