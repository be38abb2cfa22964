"""Global settings, under Keras' names. Source: keras.config (Keras 3)."""

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
    """Return the name of the backend: always "numpy"."""
    return "numpy"


def dtype_policy() -> Any:
    """Return the dtype policy of layers created without one."""
    from graphkit.dtype_policies import dtype_policy as current

    return current()


def set_dtype_policy(policy: Any) -> None:
    """Set the dtype policy of layers created without one: a dtype name, "mixed_float16", "mixed_bfloat16", or a policy.

    Raises:
        InvalidArgumentError: `policy` is not a policy.
    """
    from graphkit.dtype_policies import set_dtype_policy as set_it

    set_it(policy)


def enable_traceback_filtering() -> None:
    """Record the setting, which has no effect: graphkit's tracebacks are short and never filtered."""
    _flags["traceback_filtering"] = True


def disable_traceback_filtering() -> None:
    """Record the setting, which has no effect: graphkit's tracebacks are short and never filtered."""
    _flags["traceback_filtering"] = False


def is_traceback_filtering_enabled() -> bool:
    """Return the recorded setting, which has no effect."""
    return bool(_flags["traceback_filtering"])


def enable_unsafe_deserialization() -> None:
    """Not available, since graphkit never runs code from files.

    Raises:
        InvalidArgumentError: Always.
    """
    raise InvalidArgumentError(
        "graphkit never runs code from files, so there is nothing to enable. Pass functions and classes in "
        "custom_objects={name: object}. To let a model open a vocabulary file by its path, use load_model(..., safe_mode=False)."
    )


# ----- limits of training -----


def max_epochs() -> int | None:
    """Return the maximum number of epochs that `fit` runs, or None for no limit. Source: keras.config.max_epochs."""
    return limits.max_epochs


def set_max_epochs(max_epochs: int | None) -> None:
    """Limit the epochs of every `fit`, for trying out scripts.

    Raises:
        InvalidArgumentError: `max_epochs` is neither a positive int nor None.
    """
    limits.max_epochs = limits.checked("max_epochs", max_epochs)


def max_steps_per_epoch() -> int | None:
    """Return the maximum number of steps per epoch, or None for no limit. Source: keras.config.max_steps_per_epoch."""
    return limits.max_steps_per_epoch


def set_max_steps_per_epoch(max_steps_per_epoch: int | None) -> None:
    """Limit the steps per epoch of every fit, evaluate and predict.

    Raises:
        InvalidArgumentError: `max_steps_per_epoch` is neither a positive int nor None.
    """
    limits.max_steps_per_epoch = limits.checked("max_steps_per_epoch", max_steps_per_epoch)


# ----- settings of other backends -----


def set_backend(backend: str) -> None:
    """Accept "numpy", the only backend.

    Raises:
        InvalidArgumentError: `backend` is something else.
    """
    if backend != "numpy":
        raise InvalidArgumentError(f"graphkit computes with NumPy and onnxruntime; there is no backend {backend!r}.")


def is_flash_attention_enabled() -> bool | None:
    """Return False after `disable_flash_attention`, else None for automatic. Source: keras.config."""
    enabled: bool | None = _flags["flash_attention"]
    return enabled


def disable_flash_attention() -> None:
    """Record the setting. It has no effect: the only attention kernel works in blocks where that is faster."""
    _flags["flash_attention"] = False


def enable_flash_attention() -> None:
    """Undo `disable_flash_attention`. It has no effect: the only attention kernel works in blocks where that is faster."""
    _flags["flash_attention"] = None


def is_nnx_enabled() -> bool:
    """Return False: NNX belongs to JAX."""
    return False
