"""The ops that NumPy has too: `ops.numpy`, as Keras has it. All of them are in `ops` itself."""

from __future__ import annotations

from graphkit.ops._namespaces import NUMPY, namespace

__getattr__ = namespace(__name__, NUMPY)


def __dir__() -> list[str]:
    return NUMPY
