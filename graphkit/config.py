"""Settings of the session under Keras' names. Source: keras.config (Keras 3)."""

from __future__ import annotations

from typing import Any

from graphkit.core import limits
from graphkit.core.dtypes import epsilon, floatx, set_epsilon, set_floatx
from graphkit.core.errors import InvalidArgumentError
from graphkit.core.layout import image_data_format, set_image_data_format
from graphkit.core.messages import (
    disable_interactive_logging,
    enable_interactive_logging,
    is_interactive_logging_enabled,
)

__all__ = [
    "backend", "disable_flash_attention", "disable_interactive_logging", "disable_traceback_filtering",
    "dtype_policy", "enable_flash_attention", "enable_interactive_logging", "enable_traceback_filtering",
    "enable_unsafe_deserialization", "epsilon", "floatx", "image_data_format", "is_flash_attention_enabled",
    "is_interactive_logging_enabled", "is_nnx_enabled", "is_traceback_filtering_enabled", "max_epochs",
    "max_steps_per_epoch", "set_backend", "set_dtype_policy", "set_epsilon", "set_floatx", "set_image_data_format",
    "set_max_epochs", "set_max_steps_per_epoch",
]  # fmt: skip

_flags: dict[str, Any] = {"traceback_filtering": True, "flash_attention": None}


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
    return bool(_flags["traceback_filtering"])


def enable_unsafe_deserialization() -> None:
    """Refused with InvalidArgumentError: graphkit never runs code out of files."""
    raise InvalidArgumentError(
        "graphkit never runs code out of files, so there is nothing to enable. Pass functions and classes by "
        "custom_objects={name: object}. A vocabulary file that a model names by its path is opened by load_model(..., safe_mode=False)."
    )


# ----- limits of training -----


def max_epochs() -> int | None:
    """The epochs that `fit` runs at the most; None for as many as it is told. Source: keras.config.max_epochs."""
    return limits.max_epochs


def set_max_epochs(max_epochs: int | None) -> None:
    """Let `fit` run no more epochs than these, whatever it is told: for trying a script out."""
    limits.max_epochs = limits.checked("max_epochs", max_epochs)


def max_steps_per_epoch() -> int | None:
    """The steps of an epoch at the most, in fit, evaluate and predict; None for all. Source: keras.config.max_steps_per_epoch."""
    return limits.max_steps_per_epoch


def set_max_steps_per_epoch(max_steps_per_epoch: int | None) -> None:
    """Let fit, evaluate and predict take no more steps in an epoch than these."""
    limits.max_steps_per_epoch = limits.checked("max_steps_per_epoch", max_steps_per_epoch)


# ----- of other backends -----


def set_backend(backend: str) -> None:
    """Only "numpy" is accepted. Raises InvalidArgumentError for any other."""
    if backend != "numpy":
        raise InvalidArgumentError(f"graphkit computes with NumPy and onnxruntime; there is no backend {backend!r}.")


def is_flash_attention_enabled() -> bool | None:
    """False after `disable_flash_attention`, else None: the kernel is chosen by what pays. Source: keras.config."""
    enabled: bool | None = _flags["flash_attention"]
    return enabled


def disable_flash_attention() -> None:
    """Note that it is not wanted. It changes nothing: there is one kernel, which works by blocks where that pays."""
    _flags["flash_attention"] = False


def enable_flash_attention() -> None:
    """Take back `disable_flash_attention`. It changes nothing: there is one kernel, which works by blocks where that pays."""
    _flags["flash_attention"] = None


def is_nnx_enabled() -> bool:
    """False: that belongs to JAX."""
    return False
