"""Activation functions, by name, function or config. Source: keras.activations (Keras 3).

Each takes a tensor `x` and returns one of the same shape, except `glu`, which halves an axis.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from graphkit import ops
from graphkit.core.errors import InvalidArgumentError
from graphkit.core.serialization import custom_object_scope, get_custom_objects, resolve
from graphkit.core.serialization import serialize as serialize_object
from graphkit.ops._dispatch import operation
from graphkit.ops.nn import capped_relu

Activation = Callable[..., Any]


@operation("ReLU", "keras.src.activations.activations")
def _relu_with_arguments(
    x: Any, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0
) -> Any:
    return capped_relu(x, negative_slope, max_value, threshold)


def relu(x: Any, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Any:
    """Return max(x, 0), or a generalized form.

    Args:
        x: A tensor.
        negative_slope: The slope below `threshold`.
        max_value: The upper limit; None for none.
        threshold: The value below which `x` counts as negative.

    Source: keras.activations.relu.
    """
    if negative_slope == 0.0 and max_value is None and threshold == 0.0:
        return ops.relu(x)
    return _relu_with_arguments(x, negative_slope=negative_slope, max_value=max_value, threshold=threshold)


def leaky_relu(x: Any, negative_slope: float = 0.2) -> Any:
    """Return `x` where positive, else `negative_slope * x`. Source: keras.activations.leaky_relu."""
    return ops.leaky_relu(x, negative_slope=negative_slope)


def relu6(x: Any) -> Any:
    """Return `x` clipped to [0, 6]. Source: keras.activations.relu6."""
    return ops.relu6(x)


def softmax(x: Any, axis: Any = -1) -> Any:
    """Return exp(x) divided by its sum over `axis`. Source: keras.activations.softmax."""
    return ops.softmax(x, axis=axis)


def log_softmax(x: Any, axis: Any = -1) -> Any:
    """Return log(softmax(x)). Source: keras.activations.log_softmax."""
    return ops.log_softmax(x, axis=axis)


def sparsemax(x: Any, axis: int = -1) -> Any:
    """Return a sparse alternative to softmax: the projection of `x` to the probability simplex. Source: keras.activations.sparsemax."""
    return ops.sparsemax(x, axis=axis)


def elu(x: Any, alpha: float = 1.0) -> Any:
    """Return `x` where positive, else `alpha * (exp(x) - 1)`. Source: keras.activations.elu."""
    return ops.elu(x, alpha=alpha)


def selu(x: Any) -> Any:
    """Return the scaled elu. Source: keras.activations.selu."""
    return ops.selu(x)


def celu(x: Any, alpha: float = 1.0) -> Any:
    """Return `x` where positive, else `alpha * (exp(x / alpha) - 1)`. Source: keras.activations.celu."""
    return ops.celu(x, alpha=alpha)


def softplus(x: Any) -> Any:
    """Return log(1 + exp(x)). Source: keras.activations.softplus."""
    return ops.softplus(x)


def softsign(x: Any) -> Any:
    """Return x / (1 + |x|). Source: keras.activations.softsign."""
    return ops.softsign(x)


def soft_shrink(x: Any, threshold: float = 0.5) -> Any:
    """Return `x` moved towards 0 by `threshold`. Source: keras.activations.soft_shrink."""
    return ops.soft_shrink(x, threshold=threshold)


def hard_shrink(x: Any, threshold: float = 0.5) -> Any:
    """Return `x` where |x| > threshold, else 0. Source: keras.activations.hard_shrink."""
    return ops.hard_shrink(x, threshold=threshold)


def tanh_shrink(x: Any) -> Any:
    """Return x - tanh(x). Source: keras.activations.tanh_shrink."""
    return ops.tanh_shrink(x)


def threshold(x: Any, threshold: float, default_value: float) -> Any:
    """Return `x` where it is above `threshold`, else `default_value`. Source: keras.activations.threshold."""
    return ops.threshold(x, threshold=threshold, default_value=default_value)


def sparse_plus(x: Any) -> Any:
    """Return 0 below -1, x above 1, and a parabola between. Source: keras.activations.sparse_plus."""
    return ops.sparse_plus(x)


def sparse_sigmoid(x: Any) -> Any:
    """Return (x + 1) / 2 clipped to [0, 1]. Source: keras.activations.sparse_sigmoid."""
    return ops.sparse_sigmoid(x)


def squareplus(x: Any, b: float = 4) -> Any:
    """Return (x + sqrt(x^2 + b)) / 2. Source: keras.activations.squareplus."""
    return ops.squareplus(x, b=b)


def silu(x: Any) -> Any:
    """Return x * sigmoid(x). Source: keras.activations.silu."""
    return ops.silu(x)


def gelu(x: Any, approximate: bool = False) -> Any:
    """Return `x` times the normal cumulative distribution function of `x`; `approximate` uses tanh. Source: keras.activations.gelu."""
    return ops.gelu(x, approximate=approximate)


def glu(x: Any, axis: int = -1) -> Any:
    """Return the first half along `axis` times the sigmoid of the second half. Source: keras.activations.glu."""
    return ops.glu(x, axis=axis)


def mish(x: Any) -> Any:
    """Return x * tanh(softplus(x)). Source: keras.activations.mish."""
    return ops.mish(x)


def tanh(x: Any) -> Any:
    """Return the hyperbolic tangent. Source: keras.activations.tanh."""
    return ops.tanh(x)


def hard_tanh(x: Any) -> Any:
    """Return `x` clipped to [-1, 1]. Source: keras.activations.hard_tanh."""
    return ops.hard_tanh(x)


def sigmoid(x: Any) -> Any:
    """Return 1 / (1 + exp(-x)). Source: keras.activations.sigmoid."""
    return ops.sigmoid(x)


def log_sigmoid(x: Any) -> Any:
    """Return log(sigmoid(x)). Source: keras.activations.log_sigmoid."""
    return ops.log_sigmoid(x)


def hard_sigmoid(x: Any) -> Any:
    """Return x / 6 + 0.5 clipped to [0, 1]. Source: keras.activations.hard_sigmoid."""
    return ops.hard_sigmoid(x)


def hard_silu(x: Any) -> Any:
    """Return x * hard_sigmoid(x). Source: keras.activations.hard_silu."""
    return ops.hard_silu(x)


def exponential(x: Any) -> Any:
    """Return exp(x). Source: keras.activations.exponential."""
    return ops.exp(x)


def hard_sigmoid_keras2(x: Any) -> Any:
    """0.2 * x + 0.5, limited to [0, 1]: the `hard_sigmoid` of Keras 1 and 2. Source: keras 2 activations.hard_sigmoid."""
    return ops.clip(0.2 * x + 0.5, 0.0, 1.0)


def linear(x: Any) -> Any:
    """Return `x`. Source: keras.activations.linear."""
    return x


swish = silu
hard_swish = hard_silu

_FUNCTIONS: tuple[Activation, ...] = (
    relu, leaky_relu, relu6, softmax, celu, elu, selu, softplus, softsign, squareplus, soft_shrink, sparse_plus, silu, gelu,
    glu, tanh, tanh_shrink, threshold, sigmoid, sparse_sigmoid, exponential, hard_sigmoid, hard_silu, hard_tanh, hard_shrink,
    linear, mish, log_softmax, log_sigmoid, sparsemax,
)  # fmt: skip
BY_NAME: dict[str, Activation] = {f.__name__: f for f in _FUNCTIONS} | {"swish": silu, "hard_swish": hard_silu}

get_custom_objects()["graphkit>hard_sigmoid_keras2"] = hard_sigmoid_keras2  # how earlier files name it

# Functions that Keras 3 does not have are written as a Sequential of its layers, whose call computes the same; Keras takes any
# object that can be called as an activation. A functional model of ops would fix the rank of the inputs, which a Dense does not know.
_AS_LAYERS: dict[Activation, tuple[tuple[str, dict[str, Any]], ...]] = {
    hard_sigmoid_keras2: (
        ("Rescaling", {"scale": 0.2, "offset": 0.5}),
        ("ReLU", {"max_value": 1.0, "negative_slope": 0.0, "threshold": 0.0}),
    ),
}


def get(identifier: Any) -> Activation:
    """Return the activation for a name, config, function or layer; None means `linear`.

    Raises:
        UnknownClassError: The name is unknown.
        InvalidArgumentError: `identifier` is not callable.

    Source: keras.activations.get.
    """
    if identifier is None:
        return linear
    found = _built_in(identifier) or resolve(identifier, "keras.activations", "activation function", BY_NAME)
    if not callable(found):
        raise InvalidArgumentError(f"Could not interpret activation function identifier: {identifier!r}.")
    return found


def _built_in(identifier: Any) -> Activation | None:
    """The function of a config that Keras wrote for one of its own, or graphkit for one that Keras does not have."""
    if not isinstance(identifier, Mapping):
        return None
    if identifier.get("class_name") == "function":
        return BY_NAME.get(str(identifier.get("config")))
    return written_as_layers(identifier)


def written_as_layers(config: Mapping[str, Any]) -> Activation | None:
    """The function that a config of layers stands for, or None: see `_AS_LAYERS`."""
    inner = config.get("config")
    if config.get("class_name") != "Sequential" or not isinstance(inner, Mapping):
        return None
    found = [layer for layer in inner.get("layers") or [] if layer.get("class_name") != "InputLayer"]  # Keras adds one
    for function, parts in _AS_LAYERS.items():
        if len(found) == len(parts) and all(_is_part(layer, part) for layer, part in zip(found, parts, strict=True)):
            return function
    return None


def _is_part(layer: Mapping[str, Any], part: tuple[str, dict[str, Any]]) -> bool:
    class_name, arguments = part
    config = layer.get("config")
    if layer.get("class_name") != class_name or not isinstance(config, Mapping):
        return False
    return all(config.get(key) == value for key, value in arguments.items())


def serialize(activation: Activation, compute_dtype: str | None = None) -> Any:
    """A built-in's name; of others their config.

    Args:
        activation: the function.
        compute_dtype: that of the layer which calls it; by default that of new layers.

    Raises SerializationError for a lambda. Source: keras.activations.serialize.
    """
    name = getattr(activation, "__name__", "")
    if name in BY_NAME and str(getattr(activation, "__module__", "")).startswith("graphkit."):
        return name
    if any(activation is function for function in _AS_LAYERS):
        return _as_layers(activation, compute_dtype)
    return serialize_object(activation)


def _as_layers(activation: Activation, compute_dtype: str | None) -> dict[str, Any]:
    """The Sequential of Keras' layers that computes an activation which Keras does not have."""
    name, parts = activation.__name__, _AS_LAYERS[activation]
    policy = {
        "module": "keras",
        "class_name": "DTypePolicy",
        "config": {"name": compute_dtype},
        "registered_name": None,
    }
    shared = {"trainable": True, **({"dtype": policy} if compute_dtype else {})}
    layers = [
        _envelope("keras.layers", class_name, {"name": f"{name}_{class_name.lower()}", **shared, **arguments})
        for class_name, arguments in parts
    ]
    return _envelope("keras", "Sequential", {"name": name, **shared, "layers": layers})


def _envelope(module: str, class_name: str, config: dict[str, Any]) -> dict[str, Any]:
    return {"module": module, "class_name": class_name, "config": config, "registered_name": None}


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Activation:
    """Return an activation for its config; see `get`. Source: keras.activations.deserialize."""
    with custom_object_scope(custom_objects):
        return get(config)
