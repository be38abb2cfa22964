"""Model: a layer with training, saving and export. `Model(inputs, outputs)` is a functional graph; a subclass defines `call`."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from itertools import takewhile
from typing import Any, cast

from graphkit.core import dtypes, nest
from graphkit.core.deferred import deferred
from graphkit.core.errors import (
    GraphKitError,
    InvalidArgumentError,
    InvalidTypeError,
    NameConflictError,
    NotBuiltError,
    UnknownNameError,
)
from graphkit.core.registry import did_you_mean
from graphkit.core.serialization import custom_object_scope, keras_class
from graphkit.core.signatures import signature_of
from graphkit.graph.symbolic import SymbolicTensor
from graphkit.layers.input_layer import Input
from graphkit.layers.input_spec import InputSpec
from graphkit.layers.layer import Layer
from graphkit.layers.shapes import shapes_of, symbolic_of_shapes
from graphkit.models.trainer import Trainer


@keras_class("keras")
class Model(Trainer, Layer):
    """A graph of layers that can be trained, saved, exported and run.

    `Model(inputs, outputs)` takes symbolic tensors, or lists and dicts of them, and returns a `Functional`. A subclass defines its
    computation in `call`, or passes inputs and outputs to `super().__init__`, which makes it a subclass of `Functional`.
    Source: keras.Model.

    Raises:
        InvalidTypeError: Only one of inputs and outputs is given.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Create a Functional if inputs and outputs are given."""
        if cls is Model and _is_functional_call(args, kwargs):
            from graphkit.models.functional import Functional

            return object.__new__(Functional)
        made = super().__new__(cls, *args, **kwargs)
        made.__dict__["_takes_graph"] = _hold_symbolic([*args, *kwargs.values()])
        return made

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        from graphkit.models.functional import Functional, become_functional

        if not isinstance(self, Functional):
            if _is_functional_call(args, kwargs):
                become_functional(type(self))
                Functional.__init__(cast("Functional", self), *args, **kwargs)
                return
            if args:
                raise InvalidTypeError(
                    f"{type(self).__name__}() expects inputs and outputs together, or neither; it got {len(args)} positional "
                    "argument. Use keywords for name, trainable and dtype."
                )
        super().__init__(**kwargs)
        self._call_specs: dict[str, Any] | None = None  # shapes and dtypes of the first call, by argument
        self._init_training()

    @property
    def layers(self) -> list[Layer]:
        """The layers directly inside, in Keras' order."""
        return self._layers

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """Return the layer of this name, or at this index of `layers`.

        Args:
            name: The layer's name, or the name of a node in the ONNX file that the model was imported from. Either this or `index`
                must be given.
            index: The index; negative ones count from the end.

        Raises:
            UnknownNameError: There is no layer of this name (also a ValueError, as in Keras).
            InvalidArgumentError: The index is out of range, or not exactly one argument was given.
        """
        layers = self.layers
        if (name is None) == (index is None):
            raise InvalidArgumentError("get_layer expects either a name or an index.")
        if index is not None:
            if not -len(layers) <= index < len(layers):
                raise InvalidArgumentError(
                    f"Was asked to retrieve layer at index {index} but model {self.name!r} only has {len(layers)} layers."
                )
            return layers[index]
        for wanted in (name, str(name).strip("/").replace("/", ".")):  # a node of an ONNX file, whose name may contain "/"
            for layer in layers:
                if layer.name == wanted:
                    return layer
        known = [layer.name for layer in layers]
        raise NoSuchLayerError(
            f"No such layer: {name}. Existing layers are: {known[:40]}{' ...' if len(known) > 40 else ''}.{did_you_mean(str(name), known)}"
        )

    def get_quantization_layer_structure(self, mode: str | None = None) -> Any:
        """Return None; a model may override it to describe its blocks for "gptq", which graphkit does not calibrate.

        Source: keras.Model.get_quantization_layer_structure.
        """
        return None

    def quantize(
        self, mode: Any = None, config: Any = None, filters: Any = None, type_check: bool = True, **kwargs: Any
    ) -> None:
        """Quantize the layers of the model.

        Args:
            mode: "int8", "int4" or "float8".
            config: A config of `graphkit.quantizers`, instead of `mode` or with further settings.
            filters: Selects layers: a regular expression searched for in the layer's name, several of them, or a function of the layer.
            type_check: If True, layers of user-defined subclasses of the built-in layers are left unchanged, with a warning.
            **kwargs: None are accepted.

        Raises:
            InvalidArgumentError: The mode or an argument is unknown, or a layer is quantized already.
            UnsupportedError: The mode needs calibration samples ("gptq", "awq").

        Source: keras.Model.quantize.
        """
        from graphkit.models.quantizing import quantize_layers

        if kwargs:
            raise InvalidArgumentError(
                f"Unrecognized keyword arguments passed to {type(self).__name__}.quantize: {kwargs}. Valid arguments are "
                "mode, config, filters, type_check."
            )
        quantize_layers(self, mode, config, filters, type_check)

    # ----- state as a tree -----

    def get_state_tree(self, value_format: str = "backend_tensor") -> dict[str, Any]:
        """Return all variables by their paths, as nested dicts. Source: keras.Model.get_state_tree.

        Args:
            value_format: "backend_tensor" or "numpy_array"; both give arrays here.

        Returns:
            Dicts under "trainable_variables", "non_trainable_variables", "optimizer_variables" and "metrics_variables".

        Raises:
            InvalidArgumentError: `value_format` is another one.
            NameConflictError: Two variables have the same path.
        """
        if value_format not in ("backend_tensor", "numpy_array"):
            raise InvalidArgumentError(
                "Invalid `value_format` argument. Expected one of {'numpy_array', 'backend_tensor'}. "
                f"Received: value_format={value_format}"
            )
        return {kind: _tree_of(variables) for kind, variables in self._variables_by_kind().items()}

    def set_state_tree(self, state_tree: Mapping[str, Any]) -> None:
        """Assign the values of a tree from `get_state_tree`. Source: keras.Model.set_state_tree.

        The tree may lack some variables. Those that the model does not have are ignored, with a warning.

        Raises:
            UnknownNameError: A key of the tree itself is unknown.
        """
        known = self._variables_by_kind()
        for kind, tree in state_tree.items():
            if kind not in known:
                raise NoSuchLayerError(f"Unknown variable name: {kind}.{did_you_mean(str(kind), list(known))}")
            by_path, values = {v.path: v for v in known[kind]}, _leaves_of(tree)
            unknown = [path for path in values if path not in by_path]
            if unknown:
                warnings.warn(
                    f"set_state_tree: model {self.name!r} has no {kind} of the paths {unknown[:5]}; it has {list(by_path)[:20]}.",
                    stacklevel=2,
                )
            for path in values.keys() - unknown:
                by_path[path].assign(values[path])

    def _variables_by_kind(self) -> dict[str, list[Any]]:
        optimizer = self.optimizer
        return {
            "trainable_variables": self.trainable_variables,
            "non_trainable_variables": self.non_trainable_variables,
            "optimizer_variables": [] if optimizer is None else optimizer.variables,
            "metrics_variables": self.metrics_variables,
        }

    # ----- config -----

    def _saved_names(self) -> list[str]:
        """Return none: a model's own arguments are its graph or layers, or are recorded."""
        return []

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Any = None) -> Any:
        """Build a model from its config; called on `Model` itself, the functional model that the config describes.

        Args:
            config: The config.
            custom_objects: Custom classes and functions by the names that the config uses.

        Source: keras.Model.from_config.
        """
        with custom_object_scope(custom_objects):
            if all(key in config for key in ("layers", "input_layers", "output_layers")):
                from graphkit.models.config import functional_from_config
                from graphkit.models.functional import Functional

                return functional_from_config(Functional if cls is Model else cls, config)
            try:
                return super().from_config(config)
            except TypeError as error:
                if isinstance(error, GraphKitError):
                    raise
                raise InvalidTypeError(
                    f"Unable to revive model from config: {cls.__name__}: {error}. The config must hold exactly the arguments of "
                    f"{cls.__name__}.__init__(); it holds {sorted(map(str, config))}. Return them from get_config(), or define "
                    "from_config(cls, config)."
                ) from error

    def build(self, input_shape: Any = None) -> None:
        """Create the weights of a model without its own `build`, by running `call` on shapes.

        Args:
            input_shape: The shape of the input, with the batch axis, or a list or dict of shapes.

        Source: keras.Model.build, which leaves the weights to the first call.
        """
        if self._own_build() or self.built or input_shape is None:
            self.built = True
            return
        failure = self._run_on_shapes([input_shape], {})
        if failure is not None and isinstance(input_shape, (list, tuple)) and not _is_shape(input_shape):
            failure = self._run_on_shapes(input_shape, {}) and failure
        if failure is not None:
            warnings.warn(
                f"`build()` was called on model {self.name!r}, which has no `build()` method of its own, and its call() fails on the shape "
                f"{input_shape}: {type(failure).__name__}: {failure}. Its weights will be created by the first call.",
                stacklevel=2,
            )

    def _own_build(self) -> bool:
        return super()._own_build() and type(self).build is not Model.build

    def _build_for(self, arguments: Mapping[str, Any], tensors: Mapping[str, Any]) -> None:
        """Build for the first call; record the shapes for a model without its own `build`, so that they can be saved."""
        if self._call_specs is None and tensors:
            self._call_specs = {name: nest.map_structure(_spec_of, value) for name, value in tensors.items()}
        if self._own_build():
            super()._build_for(arguments, tensors)
        elif not self.built:
            self._build_shapes = {name: shapes_of(value) for name, value in tensors.items()}
            self.built = True  # its layers are built when `call` runs
            self._lock_state()

    def get_build_config(self) -> dict[str, Any] | None:
        """Return the shapes of the model's first call, or None before it."""
        if self._own_build() or not self._build_shapes:
            return super().get_build_config()
        shapes = dict(self._build_shapes)
        return {"input_shape": next(iter(shapes.values()))} if len(shapes) == 1 else {"shapes_dict": shapes}

    def build_from_config(self, config: Mapping[str, Any]) -> None:
        """Create the weights for the shapes of a config, with `build` or, if the class has none, by running `call` on shapes."""
        if self._own_build():
            super().build_from_config(config)
            return
        if self.built or not config:
            return
        args, kwargs = [config["input_shape"]] if config.get("input_shape") else [], config.get("shapes_dict") or {}
        if not args and not kwargs:
            return
        failure = self._run_on_shapes(args, kwargs)
        if failure is not None:
            warnings.warn(
                f"Model {self.name!r} could not be built for the shapes in its file, so its weights cannot be read: "
                f"{type(failure).__name__}: {failure}. Define build_from_config(config) in its class.",
                stacklevel=2,
            )

    def _run_on_shapes(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Exception | None:
        """Run `call` on tensors of these shapes, so that all weights are created. Returns what it raised, or None."""
        failure: Exception | None = None
        for dtype in (self.compute_dtype, "int32", "string"):  # a shape does not say the dtype
            try:
                self.built = True  # or it would be built again by this very call
                self.compute_output_spec(
                    *(symbolic_of_shapes(shape, dtype) for shape in args),
                    **{name: symbolic_of_shapes(shape, dtype) for name, shape in kwargs.items()},
                )
                return None
            except Exception as error:
                self.built = False
                failure = failure or error
        return failure

    # ----- saving (graphkit.saving) -----

    def save(self, filepath: Any, overwrite: bool = True, **kwargs: Any) -> None:
        """Write the whole model in the format of the suffix. See `graphkit.saving.save_model`. Source: keras.Model.save."""
        deferred("saving").save_model(self, filepath, overwrite=overwrite, **kwargs)

    def save_weights(self, filepath: Any, overwrite: bool = True, **kwargs: Any) -> None:
        """Write the weights, as `.weights.h5` or `.npz`. See `graphkit.saving.save_weights`. Source: keras.Model.save_weights."""
        deferred("saving").save_weights(self, filepath, overwrite=overwrite, **kwargs)

    def load_weights(self, filepath: Any, **kwargs: Any) -> None:
        """Read weights; none change unless all of them fit. See `graphkit.saving.load_weights`. Source: keras.Model.load_weights."""
        deferred("saving").load_weights(self, filepath, **kwargs)

    def to_json(self, **kwargs: Any) -> str:
        """Return the config as JSON text in Keras 3's format; `kwargs` go to json.dumps. Source: keras.Model.to_json."""
        text: str = deferred("model_config").model_to_json(self, **kwargs)
        return text

    # ----- ONNX, drawings -----

    def export(
        self, filepath: Any, format: str = "onnx", verbose: Any = None, input_signature: Any = None, **kwargs: Any
    ) -> None:
        """Write the model as ONNX, or in another registered format.

        Args:
            filepath: The file to write.
            format: The name of the format.
            verbose: Ignored; accepted for Keras' signature.
            input_signature: The shapes and dtypes of the inputs, as objects with `shape` and `dtype` (InputSpec, KerasTensor), in the
                structure of the inputs; by default those of the model's inputs, or those that a subclassed model was first called with.
            **kwargs: `overwrite`, and the options of the format: for ONNX those of `graphkit.converters.onnx.export_model`, `opset`
                (21 by default) also as Keras' `opset_version`.

        Raises:
            InvalidArgumentError: `format` is not the name of a format of models that is written, or `input_signature` is invalid.
            NotBuiltError: The model has no inputs, and was not called yet.
            ExportError: The model cannot be expressed in ONNX.

        Source: keras.Model.export.
        """
        version = kwargs.pop("opset_version", None)
        if version is not None:
            kwargs["opset"] = version
        model = self if input_signature is None else self.functional_form(input_signature)
        deferred("saving").export_model(model, filepath, format, **kwargs)

    def functional_form(self, input_signature: Any = None) -> Any:
        """Return a functional model that calls this one, with the same weights: for formats that need a graph.

        Args:
            input_signature: As for `export`.

        Raises:
            NotBuiltError: The model was not called yet, and no signature is given.
            InvalidArgumentError: The signature holds something without a shape.
        """
        from graphkit.models.functional import Functional

        specs = self._call_specs if input_signature is None else self._named_signature(input_signature)
        if specs is None:
            raise NotBuiltError(
                f"The model {self.name!r} has not been called, so the shapes of its inputs are not known. Call it on data, or pass "
                "input_signature=[keras.InputSpec(shape=(None, ...), dtype='float32')] to export()."
            )
        inputs = _inputs_like(specs)
        parameters = list(signature_of(type(self).call).parameters)[1:]
        leading = list(takewhile(inputs.__contains__, parameters))
        outputs = self(*(inputs[n] for n in leading), **{n: v for n, v in inputs.items() if n not in leading})
        self.nodes[-1].is_copy = True  # it is no call of the user's
        given = list(inputs.values())
        return Functional(given[0] if len(given) == 1 else given, outputs, name=self.name)

    def _named_signature(self, signature: Any) -> dict[str, Any]:
        """Return the parts of an `input_signature` by argument of `call`; a list of one holds the only argument."""
        parameters = list(signature_of(type(self).call).parameters)[1:]
        known = len(self._call_specs) if self._call_specs is not None else None
        several = isinstance(signature, (list, tuple)) and (len(signature) == 1 or known == len(signature) > 1)
        parts = list(signature) if several else [signature]
        return {name: nest.map_structure(_checked_spec, part) for name, part in zip(parameters, parts, strict=False)}

    def summary(
        self,
        line_length: int | None = None,
        positions: Any = None,
        print_fn: Callable[..., Any] | None = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: Any = None,
        expand: Any = None,
    ) -> None:
        """Print Keras' table of layers, shapes, parameters and connections.

        Args:
            line_length: The width of the table, in characters.
            positions: The ends of the columns, as fractions of the width.
            print_fn: A function called with the text instead of printing it.
            expand_nested: Whether to list the layers of nested models.
            show_trainable: Whether to add a column that shows which layers are trainable.
            layer_range: The names of the first and the last layer to show; regular expressions.
            expand: List groups of layers with a common name scope: True opens all groups, False none, a number the groups of that many
                levels, a list of names those groups. By default every layer is listed.

        Source: keras.Model.summary.
        """
        deferred("summary").summary(
            self,
            line_length=line_length,
            positions=positions,
            print_fn=print_fn,
            expand_nested=expand_nested,
            show_trainable=show_trainable,
            layer_range=layer_range,
            expand=expand,
        )

    def plot(self, to_file: Any = None, **kwargs: Any) -> Any:
        """Draw the graph as SVG or HTML, or with Graphviz as PNG or PDF. See `graphkit.utils.plot_model`."""
        return deferred("plot").plot_model(self, to_file, **kwargs)

    def _repr_html_(self) -> str:
        """Return the drawing, for notebooks."""
        html: str = deferred("plot").model_to_html(self)
        return html


class NoSuchLayerError(UnknownNameError, ValueError):
    """`get_layer` found no layer of this name (Keras raises ValueError there)."""


def _spec_of(value: Any) -> Any:
    """Return shape and dtype of a tensor, with an open batch size; anything else unchanged."""
    if not hasattr(value, "shape") or not hasattr(value, "dtype"):
        return value
    sizes = [size if isinstance(size, int) else None for size in value.shape]
    return InputSpec(dtype=dtypes.standardize(value.dtype), shape=(None, *sizes[1:]) if sizes else ())


def _checked_spec(value: Any) -> Any:
    if getattr(value, "shape", None) is None:
        raise InvalidArgumentError(
            f"export: input_signature expects objects with a shape and a dtype, such as keras.InputSpec(shape=(None, 4), dtype='float32'), "
            f"got {value!r:.80}."
        )
    return value


def _name_of(spec: Any) -> str | None:
    """Return the name that an InputSpec has, or the layer that produces a symbolic tensor."""
    history = getattr(spec, "history", None)
    name = history.operation.name if history is not None else getattr(spec, "name", None)
    return name if isinstance(spec, InputSpec) or history is not None else None


def _inputs_like(specs: Mapping[str, Any]) -> dict[str, Any]:
    """Return symbolic inputs for the arguments of a call, named after them, or after the keys of dicts."""
    taken: list[str] = []

    def of(spec: Any, name: str) -> Any:
        if isinstance(spec, Mapping):
            return {key: of(part, str(key)) for key, part in spec.items()}
        if isinstance(spec, (list, tuple)):
            return type(spec)(of(part, f"{name}_{number}") for number, part in enumerate(spec))
        if getattr(spec, "shape", None) is None:
            return spec
        wanted = _name_of(spec) or name
        number = taken.count(wanted)
        taken.append(wanted)
        return Input(batch_shape=tuple(spec.shape), dtype=spec.dtype, name=f"{wanted}_{number}" if number else wanted)

    return {name: of(spec, name) for name, spec in specs.items()}


def _tree_of(variables: Sequence[Any]) -> dict[str, Any]:
    """Return the arrays of variables in nested dicts by the parts of their paths."""
    tree: dict[str, Any] = {}
    for variable in variables:
        *parents, name = variable.path.split("/")
        inner = tree
        for parent in parents:
            inner = inner.setdefault(parent, {})
        if name in inner:
            raise NameConflictError(
                f"The following variable path is found twice in the model: {variable.path!r}. `get_state_tree()` can only be called "
                "when all variable paths are unique. Make sure to give unique names to your layers (and other objects)."
            )
        inner[name] = variable.numpy()
    return tree


def _leaves_of(tree: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Return the values of nested dicts by their paths."""
    found: dict[str, Any] = {}
    for name, value in tree.items():
        path = f"{above}/{name}" if above else str(name)
        found.update(_leaves_of(value, path) if isinstance(value, Mapping) else {path: value})
    return found


def _is_shape(value: Any) -> bool:
    return all(size is None or isinstance(size, int) for size in value)


def _hold_symbolic(values: list[Any]) -> bool:
    """Return whether symbolic tensors are among the arguments of a constructor."""
    return any(isinstance(leaf, SymbolicTensor) for leaf in nest.flatten(values))


def _is_functional_call(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    return (
        len(args) >= 2
        or (len(args) == 1 and ("outputs" in kwargs or "output" in kwargs))
        or "inputs" in kwargs
        or "input" in kwargs
    )
