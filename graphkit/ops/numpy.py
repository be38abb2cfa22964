"""The NumPy-style ops as `ops.numpy`, as in Keras. All of them are also in `ops`."""

from __future__ import annotations

from graphkit.ops._namespaces import NUMPY, namespace

__getattr__ = namespace(__name__, NUMPY)


def __dir__() -> list[str]:
    return NUMPY
