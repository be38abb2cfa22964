"""Dtype policies: what a layer computes in and what it keeps its weights in."""

from __future__ import annotations

from typing import Any

from graphkit.core import dtypes
from graphkit.core.errors import DTypeError
from graphkit.core.serialization import is_envelope, keras_class

_MIXED = {"mixed_float16": ("float16", "float32"), "mixed_bfloat16": ("bfloat16", "float32")}


@keras_class("keras")
class DTypePolicy:
    """`"float32"`, `"mixed_float16"`, ...: compute dtype and variable dtype by name. Source: keras.DTypePolicy.

    Raises DTypeError for a name that is neither a dtype nor a mixed policy.
    """

    def __init__(self, name: str | None = None) -> None:
        self.name = name or dtypes.floatx()
        if self.name in _MIXED:
            self.compute_dtype, self.variable_dtype = _MIXED[self.name]
        else:
            self.compute_dtype = self.variable_dtype = dtypes.standardize(self.name)
            self.name = self.compute_dtype

    def get_config(self) -> dict[str, Any]:
        """The name."""
        return {"name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> DTypePolicy:
        """The policy of this name."""
        return cls(config.get("name"))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DTypePolicy) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f'<DTypePolicy "{self.name}">'


_global: DTypePolicy | None = None


def dtype_policy() -> DTypePolicy:
    """The policy of layers that are given none."""
    return _global or DTypePolicy(dtypes.floatx())


def set_dtype_policy(policy: Any) -> None:
    """Set the policy of layers that are given none. Source: keras.config.set_dtype_policy."""
    global _global
    _global = get(policy)


def get(identifier: Any) -> DTypePolicy:
    """A policy from None, a name, a dtype, an envelope or a policy."""
    if identifier is None:
        return dtype_policy()
    if isinstance(identifier, DTypePolicy):
        return identifier
    if is_envelope(identifier):
        if identifier["class_name"] not in ("DTypePolicy", "FloatDTypePolicy", "Policy"):
            raise DTypeError(f"The dtype policy {identifier['class_name']} (quantised weights) is not supported.")
        return DTypePolicy(identifier["config"].get("name"))
    return DTypePolicy(identifier if identifier in _MIXED else dtypes.standardize(identifier))
