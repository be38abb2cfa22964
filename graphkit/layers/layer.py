"""The base of all layers: weights, building, calling, masks, config."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import wraps
from typing import Any, ClassVar, NamedTuple

import numpy as np

from graphkit import dtype_policies as policies
from graphkit.core import names, nest
from graphkit.core.errors import (
    InvalidArgumentError,
    InvalidTypeError,
    UnknownArgumentError,
    UnsupportedError,
)
from graphkit.core.recording import our_class, recorded_config, whole_recorded_config
from graphkit.core.registry import did_you_mean
from graphkit.core.serialization import config_names, deserialize, is_envelope, refuse_path, serialize
from graphkit.core.signatures import signature_of
from graphkit.graph.operation import Operation
from graphkit.graph.symbolic import SymbolicTensor
from graphkit.ir.eager_tensor import EagerTensor
from graphkit.ir.tracing import Tracer, current_trace, tracing
from graphkit.ir.variable import Variable, autocast_scope
from graphkit.layers.context import call_context, current_context
from graphkit.layers.eager import EagerCalls
from graphkit.layers.input_spec import InputSpec
from graphkit.layers.shapes import pop_shape_argument, shapes_of, symbolic_of_shapes, tupled
from graphkit.layers.stamp import ModelStamp, parts_of, stamp_of
from graphkit.layers.weights import WeightedOperation

_BASE_ARGUMENTS = ("activity_regularizer", "trainable", "dtype", "autocast", "name", "batch_size")
_IGNORED_CONFIG = ("shared_object_id", "build_input_shape")
# Left out for layers that take no such arguments: Keras writes some of them for all.
_OPTIONAL_CONFIG = ("quantization_config", "lora_rank", "lora_alpha", "gptq_unpacked_column_size")
# Attributes that say nothing about what a layer computes. `trainable` does, but counts by value (layers/stamp.py).
_UNSTAMPED = (
    "_build_shapes", "_building", "_compiled", "_eager", "_initial_epoch", "_losses", "_path", "_trainable", "_weights", "built",
    "compiled", "history", "nodes", "stop_training", "trainable",
)  # fmt: skip


class Layer(WeightedOperation):
    """A computation with weights. A subclass says in `build` what weights it needs, in `call` what it computes.

    The constructor's arguments are kept in attributes of the same names; the config is read off them.

    Args:
        activity_regularizer: a regularizer of the outputs.
        trainable: whether training changes the weights.
        dtype: a dtype name or policy: what the weights are kept in and what is computed in.
        autocast: whether float inputs are cast to the compute dtype.
        name: `dense`, `dense_1`, ... by default.

    Source: keras.layers.Layer.
    """

    unstamped: ClassVar[frozenset[str]] = frozenset(_UNSTAMPED)
    supports_masking: ClassVar[bool] = False
    built_at_once: ClassVar[bool] = False  # whether it counts as built from the start, since it makes no weights
    uses_batch_statistics: ClassVar[bool] = False  # whether, in training, samples of a batch influence each other

    def __init__(
        self,
        *,
        activity_regularizer: Any = None,
        trainable: bool = True,
        dtype: Any = None,
        autocast: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name)
        from graphkit import regularizers

        self.activity_regularizer = regularizers.get(activity_regularizer)
        self._trainable = bool(trainable)
        self._dtype_policy = policies.get(dtype)
        self._path: str | None = None
        self.autocast = autocast
        self.built = self.built_at_once and not self._own_build()
        self.input_spec: Any = None
        self._build_shapes: dict[str, Any] | None = None
        self._building = False
        self._losses: list[Any] = []  # what the last call on arrays added
        self._eager = EagerCalls(self)
        self._input_shape_argument = pop_shape_argument(kwargs)
        if kwargs:
            known = [*config_names(type(self)), *_BASE_ARGUMENTS]
            hints = "".join(did_you_mean(k, known) for k in kwargs)
            raise UnknownArgumentError(
                f"Unrecognized keyword arguments passed to {type(self).__name__}: {kwargs}.{hints} Known are {', '.join(known)}."
            )

    # ----- building -----

    def build(self, *args: Any, **kwargs: Any) -> None:
        """Make the weights for inputs of these shapes. Nothing by default."""
        self.built = True

    def _build_for(self, arguments: Mapping[str, Any], tensors: Mapping[str, Any]) -> None:
        """Build for the first call, by the shapes of its tensor arguments."""
        if self.built:
            return
        shapes = {name: shapes_of(value) for name, value in tensors.items()}
        wanted = _build_arguments(type(self))
        if not wanted:
            given: dict[str, Any] = {}
        elif len(wanted) == 1:
            given = {wanted[0]: next(iter(shapes.values()), None)}
        else:
            given = {w: shapes.get(w.removesuffix("_shape")) for w in wanted}
            given = {k: v for k, v in given.items() if v is not None}
            self._check_build_arguments(wanted)
        self.build(**given)

    def _check_build_arguments(self, wanted: Sequence[str]) -> None:
        taken = signature_of(type(self).call).parameters
        wrong = [w for w in wanted if not w.endswith("_shape") or w.removesuffix("_shape") not in taken]
        if wrong:
            raise InvalidArgumentError(
                f"build() of layer {self.name!r} ({type(self).__name__}) has several arguments: each must be named after an argument of "
                f"call(), with `_shape` behind it. {wrong} are not; call() takes {list(taken)[1:]}."
            )

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "compute_mask" in vars(cls) and our_class(cls) is not cls:
            cls.supports_masking = vars(cls).get("supports_masking", True)  # as Keras takes it
        if "build" in vars(cls):
            cls.build = _recording_build(vars(cls)["build"])  # type: ignore[method-assign]

    def get_build_config(self) -> dict[str, Any] | None:
        """The shapes that the layer was built for, in Keras' form; None if it needed none."""
        if self._build_shapes is None or not self._own_build():
            return None
        if len(self._build_shapes) <= 1:
            return {"input_shape": next(iter(self._build_shapes.values()), None)}
        return {"shapes_dict": dict(self._build_shapes)}

    def _own_build(self) -> bool:
        return type(self).build is not Layer.build

    def build_from_config(self, config: Mapping[str, Any]) -> None:
        """Build for the shapes that `get_build_config` gave."""
        if self.built or not config:
            return
        if "shapes_dict" in config:
            self.build(**{k: tupled(v) for k, v in config["shapes_dict"].items()})
        elif "input_shape" in config and self._own_build():
            shape, wanted = config["input_shape"], signature_of(type(self).build).parameters
            needed = [p for p in list(wanted.values())[1:] if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
            if shape is not None and len(_build_arguments(type(self))) == 1:
                self.build(tupled(shape))
            elif shape is None and not needed:  # it was built without being told a shape
                self.build()

    # ----- calling -----

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Record a node for symbolic tensors, emit equations while tracing, compute on arrays."""
        if isinstance(kwargs.get("training"), (int, np.bool_)):
            kwargs["training"] = bool(kwargs["training"])
        leaves = nest.flatten([list(args), kwargs])
        if any(isinstance(a, SymbolicTensor) for a in leaves):
            return self._call_symbolic(args, kwargs)
        if current_trace() is not None:
            return self.compute(args, kwargs)
        self._refuse_wrong_leaves(args)
        return self._eager(args, kwargs)

    def stamp(self) -> ModelStamp:
        """A hashable value that changes when the layer computes something else, apart from its weights' numbers.

        It changes with attributes of the layers inside, vocabularies, the graph, `trainable`, and variables that are replaced.
        """
        return stamp_of(self)

    def _bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        signature = signature_of(type(self).call)
        try:
            bound = signature.bind(self, *args, **kwargs)
        except TypeError as error:
            raise InvalidTypeError(
                f"{type(self).__name__}.call() of layer {self.name!r}: {error}. It takes {signature}."
            ) from None
        return dict(list(bound.arguments.items())[1:])  # without the layer itself

    def _prepare_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> PreparedCall:
        """Check and build; find the arguments that were not given: masks, `training`."""
        said = kwargs.get("training")
        if "training" in kwargs and not _takes(type(self), "training"):
            kwargs = {k: v for k, v in kwargs.items() if k != "training"}
        arguments = self._bind(args, kwargs)
        tensors = {
            k: v
            for k, v in arguments.items()
            if _holds_tensors(v) and k not in ("mask", "training") and not k.endswith("_mask")
        }
        self._check_inputs(tensors)
        self._build_for(arguments, tensors)
        added = self._added_arguments(arguments, tensors)
        training = {**arguments, **added}.get("training", said)
        return PreparedCall({**kwargs, **added}, added, tensors, training if isinstance(training, bool) else None)

    def _check_inputs(self, tensors: Mapping[str, Any]) -> None:
        if self.input_spec is None or not tensors:
            return
        leaves = [t for t in nest.flatten(next(iter(tensors.values()))) if hasattr(t, "shape")]
        specs = (
            self.input_spec if isinstance(self.input_spec, (list, tuple)) else [self.input_spec] * min(1, len(leaves))
        )
        for index, (spec, leaf) in enumerate(zip(specs, leaves, strict=False)):
            if isinstance(spec, InputSpec):
                spec.check(tuple(leaf.shape), self.name, index)

    def _added_arguments(self, arguments: Mapping[str, Any], tensors: Mapping[str, Any]) -> dict[str, Any]:
        added: dict[str, Any] = {}
        parameters = signature_of(type(self).call).parameters
        for name, value in tensors.items():
            mask_name = "mask" if len(tensors) == 1 else f"{name}_mask"  # Keras' rule
            if mask_name in parameters and arguments.get(mask_name) is None:
                masks = nest.map_structure(lambda t: getattr(t, "mask", None), value)
                if any(m is not None for m in nest.flatten(masks)):
                    added[mask_name] = masks
        if "training" in parameters and arguments.get("training") is None:
            training = self._resolve_training(parameters["training"].default)
            if training is not None:
                added["training"] = training
        return added

    def _resolve_training(self, default: Any) -> bool | None:
        context = current_context()
        if context is not None and context.training is not None:
            return context.training
        return default if isinstance(default, bool) else None

    def _call_symbolic(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self._refuse_wrong_leaves(args)
        call = self._prepare_call(args, kwargs)
        specs = self._infer_output(args, call.kwargs)
        given = {k: v for k, v in call.kwargs.items() if k not in call.added}
        outputs = self.add_node(args, {**given, **self._recorded(call.added, call.tensors)}, specs)
        self._set_masks(call, outputs)
        return outputs

    def _recorded(self, added: dict[str, Any], tensors: Mapping[str, Any]) -> dict[str, Any]:
        """What a node keeps of the arguments that were not given, as Keras does: a mask where there is one tensor.

        The masks of several tensors travel on the tensors when the model runs. `training` is the call's own default.
        """
        if len(tensors) != 1 or nest.is_nested(next(iter(tensors.values()))):
            return {}
        context = current_context()
        said = context is not None and context.training is not None
        return {k: v for k, v in added.items() if not (said and k == "training")}

    def _infer_output(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        with names.name_scope(self.name), call_context(), autocast_scope(self._autocast_dtype()):
            return self.infer([nest.map_structure(self._autocast_symbolic, a) for a in args], kwargs)

    def _refuse_wrong_leaves(self, args: tuple[Any, ...]) -> None:
        for leaf in nest.flatten(list(args)):
            if isinstance(leaf, (str, bytes)) or inspect.isfunction(leaf) or isinstance(leaf, Operation):
                raise InvalidTypeError(
                    f"Layer {self.name!r} was called on {leaf!r} ({type(leaf).__name__}), which is not a tensor. "
                    "Call layers on the output of Input(...) or of other layers."
                )

    def compute(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The outputs for tracers or, outside of a trace, for arrays; masks are set on them."""
        call = self._prepare_call(args, kwargs)
        args = tuple(nest.map_structure(self._autocast_tensor, a) for a in args)
        with (
            names.name_scope(self.name),
            call_context(call.training, entry=self) as context,
            autocast_scope(self._autocast_dtype()),
        ):
            if context.entry is self:
                self._clear_losses()
            outputs = self.call(*args, **call.kwargs)
            if current_trace() is None:
                outputs = nest.map_structure(_as_eager, outputs)
            if self.activity_regularizer is not None:
                self.add_loss([self._activity_penalty(o) for o in nest.flatten(outputs) if o is not None])
            self._set_masks(call, outputs)
        return outputs

    def _activity_penalty(self, output: Any) -> Any:
        """The penalty for a sample of the batch on average, as in Keras."""
        from graphkit import ops

        return ops.true_divide(self.activity_regularizer(output), ops.cast(ops.shape(output)[0], output.dtype))

    def _set_masks(self, call: PreparedCall, outputs: Any) -> None:
        """Let the layer say which mask travels on with its outputs. A mask that was given goes before that of the input."""
        tensors = call.tensors
        if not tensors or not (self.supports_masking or self._makes_masks()):
            return
        inputs = next(iter(tensors.values())) if len(tensors) == 1 else list(tensors.values())
        masks = nest.map_structure(lambda t: getattr(t, "mask", None), inputs)
        if len(tensors) == 1 and call.kwargs.get("mask") is not None:
            masks = call.kwargs["mask"]
        if not self._makes_masks() and all(m is None for m in nest.flatten(masks)):
            return
        leaves = nest.flatten(outputs)
        if all(getattr(o, "mask", None) is not None for o in leaves):
            return
        computed = self.compute_mask(inputs, masks)
        flat = nest.flatten(computed) if computed is not None else [None] * len(leaves)
        for output, mask in zip(leaves, flat, strict=False):
            if (
                mask is not None
                and isinstance(output, (Tracer, SymbolicTensor, EagerTensor))
                and not any(output is t for t in nest.flatten(inputs))
            ):
                output.mask = mask

    def _makes_masks(self) -> bool:
        return type(self).compute_mask is not Layer.compute_mask

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """The mask of the outputs, if the layer passes masks on (`supports_masking`): the inputs' one."""
        return previous_mask

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """Symbolic tensors like the outputs for these inputs; nothing is recorded."""
        call = self._prepare_call(args, kwargs)
        return nest.map_structure(lambda s: SymbolicTensor(s.shape, s.dtype), self._infer_output(args, call.kwargs))

    def compute_output_shape(self, *args: Any, **kwargs: Any) -> Any:
        """The shape (or structure of shapes) of the outputs for inputs of this shape."""
        shapes = [*args, *kwargs.values()]
        inputs = [symbolic_of_shapes(shape, self.compute_dtype) for shape in shapes]
        return nest.map_structure(lambda t: t.shape, self.compute_output_spec(*inputs))

    # ----- losses -----

    def add_loss(self, loss: Any) -> None:
        """Add a scalar (or several) to the loss that training minimises; call it inside `call`. Source: keras Layer.add_loss.

        Raises InvalidTypeError for what is no tensor, such as a function or a symbolic tensor.
        """
        for value in nest.flatten(loss):
            if isinstance(value, SymbolicTensor) or callable(value) or isinstance(value, (str, bytes)) or value is None:
                raise InvalidTypeError(
                    f"`add_loss()` of layer {self.name!r} can only be called from inside `build()` or `call()`, on a tensor. Received "
                    f"invalid value: {value!r:.100}. Compute it in the `call` of a layer, which may then add it."
                )
            self._recorded_losses().append(value)

    def _recorded_losses(self) -> list[Any]:
        """Where the losses of the call under way are kept: with the trace, whose tensors they are, or with the layer."""
        trace = current_trace()
        if trace is None:
            return self._losses
        kept: list[Any] = trace.notes.setdefault((self, "losses"), [])
        return kept

    def _clear_losses(self) -> None:
        trace = current_trace()
        for layer in parts_of(self).layers:
            if trace is not None:
                trace.notes.pop((layer, "losses"), None)
            elif layer._losses:
                layer._losses = []

    def added_losses(self) -> list[Any]:
        """What `add_loss` and activity regularizers of this layer and those inside added in the last call."""
        trace = current_trace()
        if trace is None:
            return [loss for layer in parts_of(self).layers for loss in layer._losses]
        return [loss for layer in parts_of(self).layers for loss in trace.notes.get((layer, "losses"), ())]

    def regularization_losses(self) -> list[Any]:
        """The penalties of the weights' regularizers."""
        trainable = set(self.trainable_weights)
        return [v.regularizer(v) for v in self.weights if v.regularizer is not None and v in trainable]

    @property
    def losses(self) -> list[Any]:
        """What the last call added, and the penalties of the weights' regularizers. Source: keras.Layer.losses."""
        return [*self.added_losses(), *self.regularization_losses()]

    # ----- quantisation -----

    def quantize(self, mode: Any = None, config: Any = None, **kwargs: Any) -> None:
        """Raises UnsupportedError: only layers with a kernel or a table can be quantised. Source: keras Layer.quantize."""
        raise UnsupportedError(f"Layer {type(self).__name__} does not have a `quantize` method implemented.")

    # ----- config -----

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments as JSON data."""
        config: dict[str, Any] = {"name": self.name, "trainable": self.trainable, "dtype": serialize(self.dtype_policy)}
        own = self._saved_names()
        if self.activity_regularizer is not None and "activity_regularizer" not in own:
            config["activity_regularizer"] = serialize(self.activity_regularizer)
        config.update({n: self._serialize_argument(n) for n in own})
        recorded = recorded_config if own else whole_recorded_config
        return {**config, **recorded(self, (*config, "activity_regularizer"))}

    def _saved_names(self) -> list[str]:
        """The arguments of graphkit's class: what classes of the user's add is recorded, or said by their `get_config`."""
        return [n for n in config_names(our_class(type(self))) if n not in _BASE_ARGUMENTS]

    def _serialize_argument(self, name: str) -> Any:
        value = getattr(self, name)
        if callable(value) and name.endswith("activation"):
            from graphkit import activations

            return activations.serialize(value)
        return serialize(value)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Any:
        """A layer with this config, without its weights' numbers."""
        refuse_paths(cls, config)
        known = {name for base in cls.__mro__ if issubclass(base, Layer) for name in base._known_arguments()}
        dropped = {*_IGNORED_CONFIG, *(name for name in _OPTIONAL_CONFIG if name not in known)}
        arguments = {k: _argument_from_config(v) for k, v in config.items() if k not in dropped}
        try:
            return cls(**arguments)
        except TypeError as error:
            if "multiple values" not in str(error):
                raise
            raise InvalidTypeError(
                f"{cls.__name__} cannot be made from its config: {error}. Its constructor gives {our_class(cls).__name__} an argument that "
                f"the config holds too: define get_config() in {cls.__name__} and leave it out there."
            ) from error

    @classmethod
    def _known_arguments(cls) -> list[str]:
        """The names that the constructor takes."""
        return config_names(cls)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"


class PreparedCall(NamedTuple):
    """One call of a layer: what `call` gets by keyword, which of that was not given, the tensors by name, and `training`."""

    kwargs: dict[str, Any]
    added: dict[str, Any]
    tensors: dict[str, Any]
    training: bool | None


def refuse_paths(cls: type, config: Mapping[str, Any]) -> None:
    """Raise UnsafePathError where a config gives a path for an argument that may name a file."""
    declared = getattr(cls, "declaration", None)
    for name, known in declared.arguments.items() if declared is not None else ():
        if known.names_file and isinstance(config.get(name), (str, bytes)):
            refuse_path(f"Layer {config.get('name')!r} ({cls.__name__})", name, config[name])


def inner_layer(outer: Mapping[str, Any], config: Any) -> Any:
    """A layer out of the config of the one that holds it: its weights are named below that one."""
    with names.name_scope(str(outer["name"])) if outer.get("name") else nullcontext():
        return deserialize(config)


def _recording_build(build: Callable[..., None]) -> Callable[..., None]:
    """`build` that notes the shapes it was given, makes weights under the layer's name, and computes at once."""
    signature = inspect.signature(build)

    @wraps(build)
    def recorded(self: Layer, *args: Any, **kwargs: Any) -> None:
        if self._building:  # a subclass calls its base's build
            build(self, *args, **kwargs)
            return
        given = signature.bind(self, *args, **kwargs).arguments
        self._build_shapes = {k: tupled(v) for k, v in list(given.items())[1:]}  # without the layer itself
        self._building = True
        try:
            with names.name_scope(self.name), tracing(None):
                self._path = names.current_scope()
                build(self, **self._build_shapes)
        finally:
            self._building = False
        self.built = True

    return recorded


def _argument_from_config(value: Any) -> Any:
    """Envelopes of layers and functions become objects here; the constructors know the other kinds."""
    if is_envelope(value) and value.get("class_name") in ("__tensor__", "__numpy__", "__slice__", "function"):
        return deserialize(value)
    return tuple(value) if isinstance(value, list) and all(isinstance(v, int) for v in value) and value else value


def _build_arguments(cls: type[Layer]) -> list[str]:
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    parameters = list(signature_of(cls.build).parameters.values())[1:]  # without the layer itself
    return [p.name for p in parameters if p.kind not in several]


def _takes(cls: type[Layer], name: str) -> bool:
    """Whether a layer's `call` has an argument of this name."""
    parameters = signature_of(cls.call).parameters
    return name in parameters or any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())


def _as_eager(value: Any) -> Any:
    """An output of a layer on arrays; one that is no array yet is left as it is."""
    if isinstance(value, EagerTensor) or value is None:
        return value
    if isinstance(value, Variable):
        return value.value
    return np.asarray(value).view(EagerTensor) if isinstance(value, (np.ndarray, np.generic, float, int)) else value


def _holds_tensors(value: Any) -> bool:
    if isinstance(value, (Tracer, SymbolicTensor, Variable, np.ndarray)):
        return True
    if isinstance(value, (list, tuple)):
        return any(_holds_tensors(v) for v in value)
    return isinstance(value, Mapping) and any(_holds_tensors(v) for v in value.values())
