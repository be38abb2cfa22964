"""Progress messages: written to standard output, or to Python's logging when interactive logging is off."""

from __future__ import annotations

import logging
import sys

_log = logging.getLogger("graphkit")
_interactive = True


def enable_interactive_logging() -> None:
    """Write progress to standard output (the default). Source: keras.config.enable_interactive_logging."""
    global _interactive
    _interactive = True


def disable_interactive_logging() -> None:
    """Send progress to the logger "graphkit", level INFO. Source: keras.config.disable_interactive_logging."""
    global _interactive
    _interactive = False


def is_interactive_logging_enabled() -> bool:
    """Whether progress goes to standard output. Source: keras.config.is_interactive_logging_enabled."""
    return _interactive


def write_message(text: str, end: str = "\n") -> None:
    """Write a progress message. On a terminal that cannot encode the bar, `=` replaces it.

    Args:
        text: The message.
        end: What follows it, as for `print`; ignored in the log.
    """
    if not _interactive:
        _log.info(text.strip())
        return
    try:
        sys.stdout.write(f"{text}{end}")
    except UnicodeEncodeError:
        encoding = sys.stdout.encoding or "utf-8"
        plain = f"{text}{end}".replace("━", "=").encode(encoding, "ignore")
        sys.stdout.write(plain.decode(encoding))
    sys.stdout.flush()
