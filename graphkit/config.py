"""Settings of the session under Keras' names. Source: keras.config (Keras 3)."""

from __future__ import annotations

from typing import Any

from graphkit.core.dtypes import epsilon, floatx, set_epsilon, set_floatx
from graphkit.core.errors import InvalidArgumentError
from graphkit.core.layout import image_data_format, set_image_data_format
from graphkit.core.messages import (
    disable_interactive_logging,
    enable_interactive_logging,
    is_interactive_logging_enabled,
)

__all__ = [
    "backend", "disable_interactive_logging", "disable_traceback_filtering", "dtype_policy", "enable_interactive_logging",
    "enable_traceback_filtering", "enable_unsafe_deserialization", "epsilon", "floatx", "image_data_format",
    "is_interactive_logging_enabled", "is_traceback_filtering_enabled", "set_dtype_policy", "set_epsilon", "set_floatx",
    "set_image_data_format",
]  # fmt: skip

_flags = {"traceback_filtering": True}


def backend() -> str:
    """What computes: always "numpy"."""
    return "numpy"


def dtype_policy() -> Any:
    """The dtype policy of layers that are given none."""
    from graphkit.dtype_policies import dtype_policy as current

    return current()


def set_dtype_policy(policy: Any) -> None:
    """Set the dtype policy of layers that are given none: a dtype name, "mixed_float16", "mixed_bfloat16", or a policy."""
    from graphkit.dtype_policies import set_dtype_policy as set_it

    set_it(policy)


def enable_traceback_filtering() -> None:
    """Accepted for Keras' sake: graphkit's tracebacks are short and are never filtered."""
    _flags["traceback_filtering"] = True


def disable_traceback_filtering() -> None:
    """Accepted for Keras' sake: graphkit's tracebacks are short and are never filtered."""
    _flags["traceback_filtering"] = False


def is_traceback_filtering_enabled() -> bool:
    """What was last said about tracebacks."""
    return _flags["traceback_filtering"]


def enable_unsafe_deserialization() -> None:
    """Refused with InvalidArgumentError: graphkit never runs code out of files."""
    raise InvalidArgumentError(
        "graphkit never runs code out of files, so there is nothing to enable. Pass functions and classes by custom_objects={name: object}."
    )
