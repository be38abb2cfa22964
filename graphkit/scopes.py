"""Scopes of Keras that change nothing in the numbers: where something is computed, and what is kept for the backward pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

from graphkit.core.errors import InvalidArgumentError, UnsupportedError

__all__ = ["RematScope", "SymbolicScope", "device", "remat"]

_MODES = (None, "full", "activations", "larger_than", "list_of_layers")


def device(device_name: str) -> Any:
    """Return a scope for computing on a device: the CPU, which is the only one.

    Args:
        device_name: "cpu" or "cpu:0".

    Raises:
        UnsupportedError: It is another device.

    Source: keras.device.
    """
    if not isinstance(device_name, str):
        raise InvalidArgumentError(
            f"Invalid value for argument `device_name`. Expected a string like 'cpu:0', got {device_name!r}."
        )
    kind = device_name.lower().strip("/").removeprefix("device:").split(":")[0]
    if kind != "cpu":
        raise UnsupportedError(
            f"keras.device({device_name!r}): training runs on the CPUs of one machine; leave the scope out."
        )
    return nullcontext(device_name)


class RematScope:
    """A scope in which layers would compute values again in the backward pass instead of keeping them.

    Programs free values that are no longer needed, so it has no effect; the numbers are the same either way.

    Args:
        mode: "full", "activations", "larger_than", "list_of_layers" or None.
        output_size_threshold: The number of elements for "larger_than".
        layer_names: The layers for "list_of_layers".

    Raises:
        InvalidArgumentError: There is no such mode.

    Source: keras.RematScope.
    """

    def __init__(
        self, mode: str | None = "full", output_size_threshold: int = 1024, layer_names: Sequence[str] | None = None
    ) -> None:
        if mode not in _MODES:
            raise InvalidArgumentError(
                f"Invalid mode {mode!r}. Supported modes are: {', '.join(map(repr, _MODES[1:]))}."
            )
        self.mode = mode
        self.output_size_threshold = output_size_threshold
        self.layer_names = list(layer_names or [])

    def __enter__(self) -> RematScope:
        return self

    def __exit__(self, *_: Any) -> None:
        """Leave the scope."""


class SymbolicScope:
    """A scope for computing with shapes and dtypes alone. It has no effect: ops find out from their arguments.

    Source: keras.SymbolicScope.
    """

    def __enter__(self) -> SymbolicScope:
        return self

    def __exit__(self, *_: Any) -> None:
        """Leave the scope."""


def remat(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function: computing it again in the backward pass gives the same numbers. Source: keras.remat."""
    return f
