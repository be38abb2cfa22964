"""Activation functions by Keras' names. Source: keras.activations (Keras 3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from graphkit.core import serialization
from graphkit.core.errors import InvalidTypeError, UnknownClassError
from graphkit.core.registry import did_you_mean
from graphkit.ops import (
    celu,
    elu,
    exp,
    gelu,
    glu,
    hard_shrink,
    hard_sigmoid,
    hard_silu,
    hard_swish,
    hard_tanh,
    leaky_relu,
    log_sigmoid,
    log_softmax,
    mish,
    relu,
    relu6,
    selu,
    sigmoid,
    silu,
    soft_shrink,
    softmax,
    softplus,
    softsign,
    sparse_plus,
    sparse_sigmoid,
    sparsemax,
    squareplus,
    swish,
    tanh,
    tanh_shrink,
    threshold,
)

Activation = Callable[..., Any]


def linear(x: Any) -> Any:
    """`x` itself. Source: keras.activations.linear."""
    return x


def exponential(x: Any) -> Any:
    """exp(x). Source: keras.activations.exponential."""
    return exp(x)


BUILTIN: dict[str, Activation] = {
    "celu": celu, "elu": elu, "exponential": exponential, "gelu": gelu, "glu": glu, "hard_shrink": hard_shrink,
    "hard_sigmoid": hard_sigmoid, "hard_silu": hard_silu, "hard_swish": hard_swish, "hard_tanh": hard_tanh,
    "leaky_relu": leaky_relu, "linear": linear, "log_sigmoid": log_sigmoid, "log_softmax": log_softmax, "mish": mish,
    "relu": relu, "relu6": relu6, "selu": selu, "sigmoid": sigmoid, "silu": silu, "soft_shrink": soft_shrink,
    "softmax": softmax, "softplus": softplus, "softsign": softsign, "sparse_plus": sparse_plus,
    "sparse_sigmoid": sparse_sigmoid, "sparsemax": sparsemax, "squareplus": squareplus, "swish": swish, "tanh": tanh,
    "tanh_shrink": tanh_shrink, "threshold": threshold,
}  # fmt: skip
_NAMES = {id(function): name for name, function in reversed(BUILTIN.items())}


def get(identifier: Any) -> Activation:
    """An activation from None (linear), a name, a config, or a function. Raises UnknownClassError for an unknown name."""
    if identifier is None:
        return linear
    if isinstance(identifier, str):
        found = serialization.custom_object(identifier) or BUILTIN.get(identifier)
        if found is None:
            raise UnknownClassError(
                f"Could not interpret activation function identifier: {identifier!r}.{did_you_mean(identifier, BUILTIN)} Pass a function "
                "of your own as an object, or register it with @graphkit.saving.register_keras_serializable()."
            )
        return found() if isinstance(found, type) else found
    if isinstance(identifier, Mapping):
        identifier = _from_config(identifier)
    if callable(identifier):
        made: Activation = identifier
        return made
    raise InvalidTypeError(f"Could not interpret activation function identifier: {identifier!r}.")


def _from_config(config: Mapping[str, Any]) -> Any:
    name = config.get("config")
    if config.get("class_name") == "function" and isinstance(name, str) and name in BUILTIN:
        return BUILTIN[name]
    return serialization.deserialize(config)


def serialize(activation: Any) -> Any:
    """The name of a built-in activation, the config of another. Raises SerializationError for a nameless function."""
    return _NAMES.get(id(activation)) or serialization.serialize(activation)


def deserialize(config: Any, custom_objects: Any = None) -> Any:
    """An activation from its config."""
    with serialization.custom_object_scope(custom_objects):
        return get(config)


