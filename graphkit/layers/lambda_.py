"""Lambda: a function as a layer. It is traced, so it has a gradient, an ONNX form, and a JSON form without code."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from graphkit.core.errors import GraphKitError, InvalidArgumentError, InvalidTypeError, UnsafeCodeError
from graphkit.core.serialization import custom_object, custom_object_scope, keras_class, serialize
from graphkit.graph.symbolic import SymbolicTensor
from graphkit.layers.graph_form import layer_as_model
from graphkit.layers.layer import Layer

_HOME = "keras.layers"


@keras_class(_HOME)
class Lambda(Layer):
    """A function of tensors as a layer.

    The function uses graphkit.ops (or `K.`) and Python operators. It is saved under its registered name or, if it has none, as
    the graph of its ops: a `Functional` model, which real Keras can also open.

    Args:
        function: called with the inputs and `arguments`, and with `mask` and `training` if it has variables of these names (as in Keras).
        output_shape: the shape of the output without the batch axis, or a function of the input's shape. Needed only for a function
            that needs numbers (NumPy inside); otherwise the shape is found by tracing.
        mask: the mask of the outputs, or a function (inputs, mask) -> mask.
        arguments: a dict of further keyword arguments of the function.

    Raises:
        InvalidTypeError: `function` is not callable.

    Source: keras.layers.Lambda.
    """

    drops_masks = False  # a function that returns its input returns the input's mask as well, as in Keras

    def __init__(
        self,
        function: Callable[..., Any],
        output_shape: Any = None,
        mask: Any = None,
        arguments: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not callable(function):
            raise InvalidTypeError(
                f"Lambda {self.name!r} expects a function, got {type(function).__name__}: {function!r:.80}."
            )
        self.function = function
        self._needs_numbers = False  # whether tracing it failed
        self.output_shape_argument = output_shape
        self.mask = mask
        self.arguments = dict(arguments or {})
        self.supports_masking = mask is not None  # type: ignore[misc]

    def call(self, inputs: Any, mask: Any = None, training: bool | None = None) -> Any:
        """Return the function's result; `arguments` take precedence over `mask` and `training`."""
        known = getattr(getattr(self.function, "__code__", None), "co_varnames", ())
        given = dict(self.arguments)
        if "mask" in known and "mask" not in given:
            given["mask"] = mask
        if "training" in known and "training" not in given:
            given["training"] = training
        return self.function(inputs, **given)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape by `output_shape` if the function needs numbers; otherwise that of its result."""
        declared = self.output_shape_argument
        if declared is None or not self._needs_numbers:
            return super().compute_output_shape(input_shape)
        return declared(input_shape) if callable(declared) else (input_shape[0], *declared)

    def _declares_output_shape(self) -> bool:
        self._needs_numbers = True
        return self.output_shape_argument is not None

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Return the constructor's `mask`, called if it is a function."""
        return self.mask(inputs, mask) if callable(self.mask) else self.mask

    def get_config(self) -> dict[str, Any]:
        """Return the config, with the registered name of the function.

        Raises:
            SerializationError: the function is not registered. Saving a model stores the graph of its ops instead.
        """
        config: dict[str, Any] = {"name": self.name, "trainable": self.trainable, "dtype": serialize(self.dtype_policy)}
        config["function"] = serialize(self.function)
        config["arguments"] = serialize(self.arguments)
        if self.output_shape_argument is not None and not callable(self.output_shape_argument):
            config["output_shape"] = serialize(self.output_shape_argument)
        return config

    @property
    def saves_graph(self) -> bool:
        """Whether files store the graph of the function's ops, because the function is not registered under a name."""
        return "_registered_name" not in getattr(self.function, "__dict__", {})

    def __getstate__(self) -> dict[str, Any]:
        """Return the state; a function that cannot be pickled is replaced by the model of its ops."""
        state = super().__getstate__()
        return state if _is_importable(self.function) else {**state, "function": _GraphFunction(_pickled_model(self))}

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        """Return a copy with the same function: Python copies functions by reference."""
        made = type(self).__new__(type(self))
        memo[id(self)] = made
        made.__setstate__(copy.deepcopy(super().__getstate__(), memo))
        return made

    def as_saved(self) -> Any:
        """Return what files store for this layer: the layer itself, or the model of its ops."""
        return layer_as_model(self) if self.saves_graph else self

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None, safe_mode: bool | None = None
    ) -> Any:
        """Return a Lambda whose function is registered, or is a custom object under the layer's or the function's name.

        Args:
            config: a `get_config` result.
            custom_objects: functions by name.
            safe_mode: accepted for compatibility with Keras; code in a config is never run.

        Raises:
            UnsafeCodeError: the config holds code, which is never run, or an unknown name.
        """
        if custom_objects:
            with custom_object_scope(custom_objects):
                return cls.from_config(config)
        config = dict(config)
        config["function"] = _known_function(config, config.get("function"))
        for key in ("mask", "output_shape"):
            if isinstance(config.get(key), Mapping):
                config[key] = _known_function(config, config[key])
        arguments = {
            k: v
            for k, v in config.items()
            if k not in ("module", "function_type", "output_shape_type", "output_shape_module")
        }
        return super().from_config(arguments)


class _GraphFunction:
    """The function of a pickled Lambda, computed by the model of its ops."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.__name__ = str(model.name)

    def __call__(self, inputs: Any, **arguments: Any) -> Any:
        return self.model.call(inputs)


def _is_importable(function: Any) -> bool:
    """Return whether pickle can store the function by name."""
    try:
        pickle.dumps(function)
    except Exception:  # pickle propagates whatever an object raises
        return False
    return True


def _pickled_model(layer: Lambda) -> Any:
    try:
        return layer_as_model(layer)
    except (GraphKitError, TypeError, ValueError) as error:
        raise pickle.PicklingError(
            f"The function of Lambda {layer.name!r} cannot be pickled: it cannot be imported by name, and {error}"
        ) from error


def _known_function(config: Mapping[str, Any], function: Any) -> Any:
    """Return the function that a config names, from the registries. Raises UnsafeCodeError for code and unknown names."""
    name = config.get("name")
    given = custom_object(str(name)) if name else None
    if given is not None:
        return given
    if isinstance(function, Mapping) and function.get("class_name") == "function":
        inner = function.get("config")
        found = custom_object(str(inner.get("name") if isinstance(inner, Mapping) else inner))
        if found is not None:
            return found
    if callable(function):
        return function
    raise UnsafeCodeError(
        f"Lambda layer {name!r}: its function is stored in the file as code, or under a name that is not registered. graphkit runs no "
        f"code from files. Pass the function: custom_objects={{{name!r}: function}}."
    )


_MERGE_WARNING = (
    "The `Merge` layer is deprecated and will be removed after 08/2017. Use instead layers from `keras.layers.merge`, "
    "e.g. `add`, `concatenate`, etc."
)
_MODES = {
    "sum": "Add", "add": "Add", "mul": "Multiply", "ave": "Average", "avg": "Average", "max": "Maximum", "min": "Minimum",
    "sub": "Subtract", "concat": "Concatenate", "dot": "Dot", "cos": "Dot",
}  # fmt: skip


def Merge(  # noqa: N802 (Keras 1's name)
    layers: Any = None,
    mode: Any = "sum",
    concat_axis: int = -1,
    dot_axes: Any = -1,
    output_shape: Any = None,
    output_mask: Any = None,
    arguments: Any = None,
    name: str | None = None,
    **kwargs: Any,
) -> Any:
    """Return the merge layer for a mode, or a Lambda for a function; warns of deprecation. Source: keras 1 Merge.

    Args:
        layers: tensors or layers; if given, the merge layer is called on them and its output is returned.
        mode: 'sum', 'mul', 'concat', 'ave', 'max', 'min', 'sub', 'dot', 'cos', or a function of the list of tensors.
        concat_axis: the axis for 'concat'.
        dot_axes: the axes for 'dot' and 'cos'.
        output_shape, output_mask, arguments: for a function, as for `Lambda`.
        name: of the layer; `merge_1`, ... by default.

    Raises:
        InvalidArgumentError: the mode is unknown.
    """
    from graphkit.layers import merging

    warnings.warn(_MERGE_WARNING, UserWarning, stacklevel=2)
    if callable(mode):
        layer: Any = Lambda(
            mode, output_shape=output_shape, mask=output_mask, arguments=arguments, name=name or _auto("merge")
        )
    elif mode in _MODES:
        cls = getattr(merging, _MODES[mode])
        extra = {
            "concat": {"axis": concat_axis},
            "dot": {"axes": dot_axes},
            "cos": {"axes": dot_axes, "normalize": True},
        }.get(mode, {})
        layer = cls(**extra, name=name or _auto("merge"))
    else:
        raise InvalidArgumentError(f"Merge: unknown mode {mode!r}; expected a function or one of {sorted(_MODES)}.")
    return layer if layers is None else layer([_output(item) for item in layers])


def merge(inputs: Any, mode: Any = "sum", **kwargs: Any) -> Any:
    """Merge a list of tensors: `merge([x, y], mode=...)`. Source: keras 1 layers.merge.

    Args:
        inputs: the tensors.
        mode: as for `Merge`.

    Raises:
        InvalidArgumentError: the mode is unknown.
    """
    return Merge(mode=mode, **kwargs)(inputs)


def _auto(prefix: str) -> str:
    from graphkit.core.names import auto_name

    return auto_name(prefix)


def _output(item: Any) -> Any:
    return item if isinstance(item, SymbolicTensor) else item.output
