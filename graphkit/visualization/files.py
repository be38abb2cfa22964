"""Writing drawings: beside the target first, then renamed over it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any


def write_bytes(path: Any, data: bytes) -> None:
    """Write a file so that a crash leaves the old one whole."""
    target = Path(path)
    handle, beside = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(beside, 0o666 & ~umask)
        os.replace(beside, target)
    except BaseException:
        os.unlink(beside)
        raise


def write_text(path: Any, text: str) -> None:
    """Write a UTF-8 text file likewise."""
    write_bytes(path, text.encode())
