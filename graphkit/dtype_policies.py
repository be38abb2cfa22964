"""Dtype policies: the dtypes in which layers compute and store their weights, and how the weights are quantized.

Source: keras.dtype_policies (Keras 3).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any, ClassVar

import numpy as np

from graphkit.core import dtypes
from graphkit.core.errors import DTypeError, InvalidArgumentError, InvalidTypeError
from graphkit.core.serialization import deserialize as from_envelope
from graphkit.core.serialization import is_envelope, keras_class
from graphkit.core.serialization import serialize as to_json

__all__ = [
    "AWQDTypePolicy", "DTypePolicy", "DTypePolicyMap", "FloatDTypePolicy", "GPTQDTypePolicy", "Int4DTypePolicy",
    "QuantizedDTypePolicy", "QuantizedFloat8DTypePolicy", "deserialize", "get", "serialize",
]  # fmt: skip

QUANTIZATION_MODES = ("int8", "float8", "int4", "gptq", "awq")
_HOME = "keras.dtype_policies"
_MIXED = {"mixed_float16": ("float16", "float32"), "mixed_bfloat16": ("bfloat16", "float32")}


@keras_class("keras", earlier=("Policy", "PolicyV1"))
class DTypePolicy:
    """A compute dtype and a variable dtype, by name. Source: keras.DTypePolicy.

    Args:
        name: A dtype, "mixed_float16" or "mixed_bfloat16"; the global policy by default.

    Raises:
        InvalidArgumentError: The name is unknown.
        InvalidTypeError: The name is not a string.
    """

    quantization_mode: str | None = None

    def __init__(self, name: str | None = None) -> None:
        if name is not None and not isinstance(name, str):
            raise InvalidTypeError(
                f"'name' must be a string, such as 'mixed_float16'. Received: name={name!r} (of type {type(name)})"
            )
        self.name = dtype_policy().name if name is None else name
        self.compute_dtype, self.variable_dtype = _parse(self.name)

    def convert_input(self, x: Any, autocast: bool, dtype: Any) -> Any:
        """Return a tensor or array, cast to `dtype` if it is of another float dtype and `autocast` is True; other objects as they are.

        Source: keras.DTypePolicy.convert_input.
        """
        from graphkit import ops
        from graphkit.ir.operators import TensorOperators

        if not isinstance(x, (np.ndarray, TensorOperators)):
            return x
        wanted, own = dtypes.standardize(dtype), str(ops.dtype(x))
        cast = autocast and dtypes.is_float(own) and own != wanted
        return ops.cast(x, wanted) if cast else ops.convert_to_tensor(x) if isinstance(x, np.ndarray) else x

    def get_config(self) -> dict[str, Any]:
        """Return the name."""
        return {"name": self.name}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Any:
        """Create a policy from its config."""
        return cls(**config)

    def __eq__(self, other: object) -> bool:
        plain = (DTypePolicy, FloatDTypePolicy)
        alike = type(other) in plain if type(self) in plain else type(other) is type(self)
        return alike and self.get_config() == other.get_config()  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        name = "DTypePolicy" if type(self) is FloatDTypePolicy else type(self).__name__
        return f'<{name} "{self.name}">'


def _parse(name: str) -> tuple[str, str]:
    """Return (compute dtype, variable dtype)."""
    if name in _MIXED:
        return _MIXED[name]
    try:
        dtype = dtypes.standardize(name)
    except DTypeError:
        dtype = ""
    if dtype not in dtypes.ALL:  # also those that are only stored
        raise InvalidArgumentError(
            f"Cannot convert '{name}' to a mixed precision DTypePolicy. Valid policies include 'mixed_float16', "
            "'mixed_bfloat16', and the name of any float dtype such as 'float32'."
        )
    return dtype, dtype


@keras_class("keras")
class FloatDTypePolicy(DTypePolicy):
    """Another name for DTypePolicy. Source: keras.FloatDTypePolicy."""


# ----- quantized weights -----


@keras_class(_HOME)
class QuantizedDTypePolicy(DTypePolicy):
    """A policy for quantized weights, by name such as "int8_from_float32". Source: keras.dtype_policies.QuantizedDTypePolicy.

    Args:
        mode: "int8", "int4" or "float8", with settings appended for subclasses, such as "gptq/4/128".
        source_name: The policy for everything else; the global policy by default.

    Raises:
        InvalidArgumentError: The mode is unknown, or is int8 with float16, which loses too much precision.
    """

    settings: ClassVar[dict[str, str]] = {}
    """The settings appended to the mode, as in "gptq/4/128": their names, and a description of the allowed values."""

    def __init__(self, mode: str, source_name: str | None = None) -> None:
        algorithm, *parts = str(mode).split("/")
        if algorithm not in QUANTIZATION_MODES or (parts and not self.settings):
            raise InvalidArgumentError(
                f"Invalid quantization mode. Expected one of {QUANTIZATION_MODES}. Received: mode={mode}"
            )
        self._source_name = dtype_policy().name if source_name is None else source_name
        self.mode, self._full_mode = algorithm, mode
        self._read_settings(mode, parts)
        self.quantization_mode = algorithm
        self.compute_dtype, self.variable_dtype = _parse(self._source_name)
        self.name = f"{mode}_from_{self._source_name}"
        if algorithm == "int8" and self.compute_dtype == "float16":
            raise InvalidArgumentError("Quantization mode='int8' doesn't work well with compute_dtype='float16'.")

    def _read_settings(self, mode: str, parts: list[str]) -> None:
        form = "/".join([self.mode, *(f"<{name}>" for name in self.settings)])
        numbers = [int(p) if re.fullmatch(r"-?\d+", p) else None for p in parts]
        if len(parts) != len(self.settings) or None in numbers:
            raise InvalidArgumentError(
                f"Invalid mode for {type(self).__name__}. Expected format '{form}' with integers, but got '{mode}'."
            )
        for (name, allowed), number in zip(self.settings.items(), numbers, strict=True):
            if not _fits(int(number or 0), allowed):
                raise InvalidArgumentError(
                    f"Invalid {name} in mode. Supported values are {allowed}, but got {number} from '{mode}'."
                )
            setattr(self, name, number)

    def get_config(self) -> dict[str, Any]:
        """Return mode and source name."""
        return {"mode": self._full_mode, "source_name": self._source_name}


_SIZE = "-1 (no groups) or a positive integer"


def _fits(number: int, allowed: str) -> bool:
    return number == -1 or number > 0 if allowed == _SIZE else str(number) in allowed.split(", ")


@keras_class(_HOME)
class QuantizedFloat8DTypePolicy(QuantizedDTypePolicy):
    """A policy for matrix products in float8, scaled by the largest values of the last `amax_history_length` steps.

    Raises:
        InvalidTypeError: `amax_history_length` is not an int.

    Source: keras.dtype_policies.QuantizedFloat8DTypePolicy.
    """

    default_amax_history_length = 1024

    def __init__(self, mode: str, source_name: str | None = None, amax_history_length: int = 1024) -> None:
        super().__init__(mode, source_name)
        if not isinstance(amax_history_length, int):
            raise InvalidTypeError(
                f"`amax_history_length` must be an integer. Received: amax_history_length={amax_history_length!r}"
            )
        self.amax_history_length = amax_history_length

    def get_config(self) -> dict[str, Any]:
        """Return mode, source name and history length."""
        return {**super().get_config(), "amax_history_length": self.amax_history_length}


@keras_class(_HOME)
class Int4DTypePolicy(QuantizedDTypePolicy):
    """`"int4/128"`: 128 weights share a scale and a zero point; -1: one scale per output. Source: keras.dtype_policies."""

    settings: ClassVar[dict[str, str]] = {"block_size": _SIZE}
    block_size: int


@keras_class(_HOME)
class GPTQDTypePolicy(QuantizedDTypePolicy):
    """`"gptq/4/128"`: 4 bits, groups of 128 (arXiv:2210.17323). Source: keras.dtype_policies.GPTQDTypePolicy."""

    settings: ClassVar[dict[str, str]] = {"weight_bits": "2, 3, 4, 8", "group_size": _SIZE}
    weight_bits: int
    group_size: int


@keras_class(_HOME)
class AWQDTypePolicy(QuantizedDTypePolicy):
    """`"awq/4/128"`: 4 bits, groups of 128 (arXiv:2306.00978). Source: keras.dtype_policies.AWQDTypePolicy."""

    settings: ClassVar[dict[str, str]] = {"weight_bits": "4", "group_size": _SIZE}
    weight_bits: int
    group_size: int


_BY_MODE: dict[str, type[QuantizedDTypePolicy]] = {
    "int8": QuantizedDTypePolicy,
    "int4": QuantizedDTypePolicy,
    "int4/": Int4DTypePolicy,
    "float8": QuantizedFloat8DTypePolicy,
    "gptq": GPTQDTypePolicy,
    "awq": AWQDTypePolicy,
}


def _quantized_by_name(name: str) -> QuantizedDTypePolicy:
    """Return the policy for a name such as "int8_from_float32"."""
    parts = name.split("_from_")
    if len(parts) != 2:
        raise InvalidArgumentError(
            "Cannot convert `policy` into a valid pair (`mode`, `source_name`) to instantiate `QuantizedDTypePolicy`. "
            f"Received: policy={name}"
        )
    mode, source = parts
    algorithm = mode.split("/")[0]
    cls = _BY_MODE.get(f"{algorithm}/" if "/" in mode else algorithm) or _BY_MODE.get(algorithm, QuantizedDTypePolicy)
    return cls(mode, source)


# ----- policies by the layer's path -----


@keras_class(_HOME)
class DTypePolicyMap(DTypePolicy, MutableMapping[str, DTypePolicy]):
    """Maps the paths of layers to policies. Source: keras.dtype_policies.DTypePolicyMap.

    Args:
        default_policy: The policy of paths that no key matches; the global policy by default.
        policy_map: Policies by a layer's path, or by a regular expression that matches the whole path.

    Raises:
        InvalidArgumentError: `default_policy` is a map; a key exists already; on lookup, several expressions match a path.
        InvalidTypeError: `policy_map` is not a dict.
    """

    def __init__(self, default_policy: Any = None, policy_map: Mapping[str, Any] | None = None) -> None:
        if isinstance(default_policy, DTypePolicyMap):
            raise InvalidArgumentError("`default_policy` cannot be a `DTypePolicyMap`.")
        if policy_map is not None and not isinstance(policy_map, Mapping):
            raise InvalidTypeError(
                f"If specified, `policy_map` must be a dict. Received: policy_map={policy_map!r} of type {type(policy_map)}"
            )
        self._given = default_policy
        self.default_policy: DTypePolicy = get(default_policy)
        self._map: dict[str, DTypePolicy] = {key: get(policy) for key, policy in (policy_map or {}).items()}

    @property
    def name(self) -> str:  # type: ignore[override]
        """`map_` and the name of the default policy."""
        return f"map_{self.default_policy.name}"

    @property
    def compute_dtype(self) -> str:  # type: ignore[override]
        """The compute dtype of the default policy."""
        return self.default_policy.compute_dtype

    @property
    def variable_dtype(self) -> str:  # type: ignore[override]
        """The variable dtype of the default policy."""
        return self.default_policy.variable_dtype

    @property
    def quantization_mode(self) -> str | None:  # type: ignore[override]
        """The quantization mode of the default policy."""
        return self.default_policy.quantization_mode

    def __getitem__(self, path: str) -> DTypePolicy:
        if path in self._map:
            return self._map[path]
        found = [pattern for pattern in self._map if re.fullmatch(pattern, path)]
        if len(found) > 1:
            raise InvalidArgumentError(
                f"Path '{path}' matches multiple dtype policy specification keys: {found}. Please make sure each path only "
                "matches at most one dtype policy specification key in the DTypePolicyMap."
            )
        return self._map[found[0]] if found else self.default_policy

    def __setitem__(self, path: str, policy: Any) -> None:
        if path in self._map:
            raise InvalidArgumentError(
                f"{path} already exist in the DTypePolicyMap with value {self._map[path]}. Please make sure to not use "
                "duplicated keys."
            )
        self._map[path] = get(policy)

    def __delitem__(self, path: str) -> None:
        del self._map[path]

    def __contains__(self, path: object) -> bool:
        return path in self._map

    def __len__(self) -> int:
        return len(self._map)

    def __iter__(self) -> Iterator[str]:
        return iter(self._map)

    __eq__, __hash__ = object.__eq__, object.__hash__  # maps compare by identity, as in Keras

    def get_config(self) -> dict[str, Any]:
        """Return default and map; without a default, the names of the policies are also None, as in Keras."""
        policies = {path: to_json(policy) for path, policy in self._map.items()}
        if self._given is None:
            for made in policies.values():
                made["config"] = {k: None if k in ("name", "source_name") else v for k, v in made["config"].items()}
        return {"default_policy": to_json(self._given), "policy_map": policies}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> DTypePolicyMap:
        """Create a map from its config."""
        return cls(**config)

    def __repr__(self) -> str:
        mapping = [(path, policy.name) for path, policy in self._map.items()]
        return f"<DTypePolicyMap default_policy={self.default_policy.name}, mapping={mapping}>"


Policy = DTypePolicy | DTypePolicyMap

# ----- lookup; the global policy -----

_global: Policy | None = None


def dtype_policy() -> Any:
    """Return the policy of layers created without one: the value of `set_dtype_policy`, else `floatx()`."""
    return DTypePolicy(dtypes.floatx()) if _global is None else _global


def set_dtype_policy(policy: Any) -> None:
    """Set the policy of layers created without one: a name or a policy. Source: keras.config.set_dtype_policy.

    Raises:
        InvalidArgumentError: `policy` is something else, or its name is unknown.
    """
    global _global
    if not isinstance(policy, (str, DTypePolicy, DTypePolicyMap)):
        raise InvalidArgumentError(
            "Invalid `policy` argument. Expected the string name of a policy (such as 'mixed_float16') or a `DTypePolicy` "
            f"instance. Received: policy={policy!r} (of type {type(policy)})"
        )
    _global = get(policy)


def get(identifier: Any) -> Any:
    """Return a policy for None (the global one), a name, a dtype, an envelope or a policy.

    Raises:
        InvalidArgumentError: `identifier` is something else, or its name is unknown.

    Source: keras.dtype_policies.get.
    """
    if identifier is None:
        return dtype_policy()
    if isinstance(identifier, (DTypePolicy, DTypePolicyMap)):
        return identifier
    if is_envelope(identifier):
        return deserialize(identifier)
    if isinstance(identifier, str):
        quantized = identifier.startswith(QUANTIZATION_MODES) and identifier not in dtypes.ALL
        return _quantized_by_name(identifier) if quantized else DTypePolicy(identifier)
    try:
        return DTypePolicy(dtypes.standardize(identifier))
    except DTypeError:
        raise InvalidArgumentError(
            f"Cannot interpret `dtype` argument. Expected a string or an instance of DTypePolicy. Received: dtype={identifier!r}"
        ) from None


def serialize(dtype_policy: Any) -> dict[str, Any]:
    """Return the envelope of a dtype policy. Source: keras.dtype_policies.serialize."""
    made: dict[str, Any] = to_json(dtype_policy)
    return made


def deserialize(config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Return the policy of an envelope. Source: keras.dtype_policies.deserialize.

    Raises:
        InvalidArgumentError: The envelope holds another kind of object.
    """
    made = from_envelope(config, custom_objects)
    if not isinstance(made, (DTypePolicy, DTypePolicyMap)):
        raise InvalidArgumentError(f"Expected the config of a dtype policy, got that of a {type(made).__name__}.")
    return made
