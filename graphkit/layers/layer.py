"""The base class of all layers: building, calling, masks, losses, config."""

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
    GraphKitError,
    InvalidArgumentError,
    InvalidTypeError,
    NotBuiltError,
    UnknownArgumentError,
    UnknownValueError,
    UnsupportedError,
)
from graphkit.core.recording import has_own_config, our_class, recorded_config, whole_recorded_config
from graphkit.core.registry import did_you_mean
from graphkit.core.serialization import config_names, deserialize, is_envelope, refuse_path, serialize, takes_any
from graphkit.core.signatures import signature_of
from graphkit.graph.operation import Operation
from graphkit.graph.symbolic import SymbolicTensor
from graphkit.ir.eager_tensor import EagerTensor
from graphkit.ir.primitive import PRIMITIVES
from graphkit.ir.recording import is_tracing
from graphkit.ir.stateless import StatelessScope, values_after, with_values
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
# Dropped for layers that do not accept them: Keras writes some of these for every layer.
_OPTIONAL_CONFIG = ("quantization_config", "lora_rank", "lora_alpha", "gptq_unpacked_column_size")
# Attributes that do not affect what a layer computes. `trainable` does, but is compared by value (layers/stamp.py).
_UNSTAMPED = (
    "_build_shapes", "_building", "_call_specs", "_eager", "_initial_epoch", "_jit_compile", "_locked", "_losses", "_path",
    "_run_eagerly", "_trainable", "_weights", "built", "compile_state", "compiled", "history", "loss", "nodes", "optimizer",
    "predict_function", "steps_per_execution", "stop_evaluating", "stop_predicting", "stop_training", "test_function",
    "train_function", "trainable",
)  # fmt: skip


class Layer(WeightedOperation):
    """A computation with weights. Subclasses create their weights in `build` and define the computation in `call`.

    Constructor arguments are stored in attributes of the same names, from which `get_config` reads them.

    Args:
        activity_regularizer: a regularizer applied to the outputs.
        trainable: whether training updates the weights.
        dtype: a dtype name or a dtype policy, which sets the dtypes of the weights and of the computation.
        autocast: whether float inputs are cast to the compute dtype.
        name: unique within a model; by default the class name in snake case, numbered (`dense`, `dense_1`, ...).

    Raises:
        UnknownArgumentError: a keyword argument is not known.

    Source: keras.layers.Layer.
    """

    unstamped: ClassVar[frozenset[str]] = frozenset(_UNSTAMPED)
    supports_masking: ClassVar[bool] = False
    supports_jit: ClassVar[bool] = True  # a flag of Keras, without effect here
    takes_numbers: ClassVar[bool] = True  # whether it may be called on Python numbers, or lists of them
    drops_masks: ClassVar[bool] = True  # whether an input that is returned as it is loses its mask, unless masks are passed on
    built_at_once: ClassVar[bool] = False  # whether it counts as built from the start, because it has no weights
    uses_batch_statistics: ClassVar[bool] = False  # whether samples of a batch affect each other during training

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
        self._locked = False  # whether new weights and inner layers are refused
        self._losses: list[Any] = []  # added by the last call on arrays
        self._eager = EagerCalls(self)
        self._input_shape_argument = pop_shape_argument(kwargs)
        if kwargs:
            known = list(dict.fromkeys([*config_names(type(self)), *_BASE_ARGUMENTS]))
            hints = "".join(did_you_mean(k, known) for k in list(kwargs)[:3])
            raise UnknownArgumentError(
                f"Unrecognized keyword arguments passed to {type(self).__name__}: {_shown(kwargs)}.{hints} It accepts {', '.join(known)}."
            )

    # ----- building -----

    def build(self, *args: Any, **kwargs: Any) -> None:
        """Create the weights for inputs of these shapes. Does nothing by default."""
        self.built = True

    def _build_for(self, arguments: Mapping[str, Any], tensors: Mapping[str, Any]) -> None:
        """Build the layer for the shapes of the tensor arguments of its first call."""
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
        self._lock_state()

    def _check_build_arguments(self, wanted: Sequence[str]) -> None:
        taken = signature_of(type(self).call).parameters
        wrong = [w for w in wanted if not w.endswith("_shape") or w.removesuffix("_shape") not in taken]
        if wrong:
            raise InvalidArgumentError(
                f"build() of layer {self.name!r} ({type(self).__name__}) has several arguments: each must be named after an argument of "
                f"call(), followed by `_shape`. {wrong} are not; call() accepts {list(taken)[1:]}."
            )

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "compute_mask" in vars(cls) and our_class(cls) is not cls:
            cls.supports_masking = vars(cls).get("supports_masking", True)  # as in Keras
        if "build" in vars(cls):
            cls.build = _recording_build(vars(cls)["build"])  # type: ignore[method-assign]

    def get_build_config(self) -> dict[str, Any] | None:
        """Return the shapes that the layer was built for, in Keras' format, or None if its `build` takes none."""
        if self._build_shapes is None or not self._own_build():
            return None
        if len(self._build_shapes) <= 1:
            return {"input_shape": next(iter(self._build_shapes.values()), None)}
        return {"shapes_dict": dict(self._build_shapes)}

    def _own_build(self) -> bool:
        return type(self).build is not Layer.build

    def build_from_config(self, config: Mapping[str, Any]) -> None:
        """Build for the shapes of a `get_build_config` result."""
        if self.built or not config:
            return
        if "shapes_dict" in config:
            self.build(**{k: tupled(v) for k, v in config["shapes_dict"].items()})
        elif "input_shape" in config and self._own_build():
            shape, wanted = config["input_shape"], signature_of(type(self).build).parameters
            needed = [p for p in list(wanted.values())[1:] if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
            if shape is not None and len(_build_arguments(type(self))) == 1:
                self.build(tupled(shape))
            elif shape is None and not needed:  # it was built without a shape
                self.build()

    # ----- calling -----

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Record a node for symbolic tensors, emit equations while tracing, compute on arrays.

        Raises:
            InvalidTypeError: the arguments do not fit `call`, or one of them is a string, a function or a layer.
            ShapeError: an input does not match `input_spec`.
        """
        if "_eager" not in self.__dict__:
            raise ForgottenConstructorError(
                f"In layer {type(self).__name__!r}, you forgot to call `super().__init__()` as the first statement in the `__init__()` "
                "method. Go add it!"
            )
        if isinstance(kwargs.get("training"), (int, np.bool_)):
            kwargs["training"] = bool(kwargs["training"])
        leaves = nest.flatten([list(args), kwargs])
        if any(isinstance(a, SymbolicTensor) for a in leaves):
            return self._call_symbolic(args, kwargs)
        if is_tracing():
            return self.compute(args, kwargs)
        if args and getattr(self, "takes_dtype", None) in ("string", "any"):
            from graphkit.layers.preprocessing.categories import as_categories

            args = (as_categories(args[0]), *args[1:])
        self._refuse_wrong_leaves(args)
        return self._eager(args, kwargs)

    def stamp(self) -> ModelStamp:
        """Return a hashable value that changes whenever the layer's computation changes.

        It depends on the attributes of the layer and its inner layers, on vocabularies, the graph, `trainable` and the identity of
        variables, but not on the values of the weights.
        """
        return stamp_of(self)

    def _bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        signature = signature_of(type(self).call)
        try:
            bound = signature.bind(self, *args, **kwargs)
        except TypeError as error:
            raise InvalidTypeError(
                f"{type(self).__name__}.call() of layer {self.name!r}: {error}. It accepts {list(signature.parameters)[1:]}."
            ) from None
        return dict(list(bound.arguments.items())[1:])  # without the layer itself

    def _prepare_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> PreparedCall:
        """Check the inputs, build the layer, and fill in the masks and `training` where they were not given."""
        requested = kwargs.get("training")
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
        training = {**arguments, **added}.get("training", requested)
        return PreparedCall({**kwargs, **added}, added, tensors, training if isinstance(training, bool) else None)

    def _check_inputs(self, tensors: Mapping[str, Any]) -> None:
        if self.input_spec is None or not tensors:
            return
        leaves = [t for t in nest.flatten(next(iter(tensors.values()))) if hasattr(t, "shape")]
        several = isinstance(self.input_spec, (list, tuple))
        specs = self.input_spec if several else [self.input_spec] * min(1, len(leaves))
        if several and len(specs) > len(leaves):
            raise InvalidArgumentError(
                f'Layer "{self.name}" expects {len(specs)} input(s), but it received {len(leaves)} input tensors, of the shapes '
                f"{[tuple(leaf.shape) for leaf in leaves]}."
            )
        for index, (spec, leaf) in enumerate(zip(specs, leaves, strict=False)):
            if isinstance(spec, InputSpec):
                spec.check(tuple(leaf.shape), self.name, index)
                spec.check_dtype(str(leaf.dtype), self.name, index)

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
        """Return the filled-in arguments that a node stores: as in Keras, none where the call has several tensors.

        Masks of several tensors are attached to the tensors when the model runs. `training` is stored only where it is the default
        of `call`, not where an outer call set it.
        """
        if len(tensors) != 1 or nest.is_nested(next(iter(tensors.values()))):
            return {}
        context = current_context()
        set_by_context = context is not None and context.training is not None
        return {k: v for k, v in added.items() if not (set_by_context and k == "training")}

    def _infer_output(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        scope = nullcontext() if self._building else names.name_scope(self.name)
        with scope, call_context(), autocast_scope(self._autocast_dtype()):
            try:
                return self.infer([nest.map_structure(self._autocast_symbolic, a) for a in args], kwargs)
            except UnknownValueError as error:
                return self._declared_output(args, kwargs, error)

    def _declared_output(self, args: tuple[Any, ...], kwargs: dict[str, Any], error: UnknownValueError) -> Any:
        """Return the specs that the layer declares for its outputs, where `call` needs numbers and so cannot be traced.

        Raises:
            UnknownValueError: the layer declares none.
        """
        if not self._declares_output_shape():
            raise type(error)(
                f"Layer {self.name!r} ({type(self).__name__}) cannot be called on symbolic tensors: its call() needs numbers. {error} "
                "Or define compute_output_shape(self, input_shape) in it; then it runs with the numbers, without being compiled."
            ) from error
        tensors = {f"{k}_shape": shapes_of(v) for k, v in kwargs.items() if _holds_tensors(v)}
        made = self.compute_output_shape(*(shapes_of(a) for a in args), **tensors)
        return nest.map_structure(lambda t: t.spec, symbolic_of_shapes(made, self.compute_dtype))

    def _declares_output_shape(self) -> bool:
        return type(self).compute_output_shape is not Layer.compute_output_shape

    def _refuse_wrong_leaves(self, args: tuple[Any, ...]) -> None:
        if args and args[0] is None and len(args) == 1:
            raise InvalidTypeError(f"Inputs to a layer should be tensors. Got 'None' as input for layer {self.name!r}.")
        leaves = nest.flatten(list(args[:1]))
        if leaves and not self.takes_numbers and all(isinstance(leaf, (int, float)) for leaf in leaves):
            raise InvalidArgumentError(
                f"Only input tensors may be passed as positional arguments. Layer {self.name!r} ({type(self).__name__}) was called on "
                f"{args[0]!r:.80}: pass an array, such as np.array({args[0]!r:.40})."
            )
        for value in args if len(args) > 1 else ():
            if isinstance(value, (bool, int, float)):
                raise InvalidTypeError(
                    "Only input tensors may be passed as positional arguments. The following argument value should be passed as a keyword "
                    f"argument: {value} (of type {type(value)}), in the call of layer {self.name!r}."
                )
        for leaf in nest.flatten(list(args)):
            if isinstance(leaf, (str, bytes)) or inspect.isfunction(leaf) or isinstance(leaf, Operation):
                raise InvalidTypeError(
                    f"Layer {self.name!r} was called on {leaf!r} ({type(leaf).__name__}), which is not a tensor. "
                    "Call layers on arrays, or on the output of Input(...) or of other layers."
                )

    def compute(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return the outputs, with their masks, for tracers or, outside a trace, for arrays."""
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
            if not is_tracing():
                outputs = nest.map_structure(_as_eager, outputs)
            outputs = self._without_masks_of_inputs(outputs, call)
            if self.activity_regularizer is not None:
                self.add_loss([self._activity_penalty(o) for o in nest.flatten(outputs) if o is not None])
            self._set_masks(call, outputs)
        return outputs

    def _activity_penalty(self, output: Any) -> Any:
        """Return the penalty divided by the batch size, as in Keras."""
        from graphkit import ops

        return ops.true_divide(self.activity_regularizer(output), ops.cast(ops.shape(output)[0], output.dtype))

    def _without_masks_of_inputs(self, outputs: Any, call: PreparedCall) -> Any:
        """Drop the mask of an input that a built-in layer returns unchanged, if the layer does not pass masks on."""
        if self.supports_masking or self._makes_masks() or not self.drops_masks or our_class(type(self)) is not type(self):
            return outputs
        masked = [t for t in nest.flatten(list(call.tensors.values())) if getattr(t, "mask", None) is not None]
        if not masked:
            return outputs
        copied = PRIMITIVES["identity"].bind
        return nest.map_structure(lambda o: copied(o) if any(o is t for t in masked) else o, outputs)

    def _set_masks(self, call: PreparedCall, outputs: Any) -> None:
        """Attach the masks from `compute_mask` to the outputs. A mask passed as an argument overrides that of the input."""
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
        """Return the mask of the outputs: by default that of the inputs. Called where `supports_masking` is True."""
        return previous_mask

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """Return symbolic tensors with the shapes and dtypes of the outputs; no node is recorded."""
        call = self._prepare_call(args, kwargs)
        return nest.map_structure(lambda s: SymbolicTensor(s.shape, s.dtype), self._infer_output(args, call.kwargs))

    def compute_output_shape(self, *args: Any, **kwargs: Any) -> Any:
        """Return the shape, or structure of shapes, of the outputs for inputs of these shapes (with the batch axis)."""
        shapes = [*args, *kwargs.values()]
        inputs = [symbolic_of_shapes(shape, self.compute_dtype) for shape in shapes]
        return nest.map_structure(lambda t: t.shape, self.compute_output_spec(*inputs))

    def stateless_call(
        self,
        trainable_variables: Sequence[Any],
        non_trainable_variables: Sequence[Any],
        *args: Any,
        return_losses: bool = False,
        **kwargs: Any,
    ) -> tuple[Any, ...]:
        """Call the layer with other values of its variables, which stay as they are.

        Args:
            trainable_variables: a value for each of `trainable_variables`.
            non_trainable_variables: a value for each of `non_trainable_variables`.
            *args, **kwargs: the arguments of the call.
            return_losses: whether to return `losses` as well.

        Returns:
            The outputs, the new values of `non_trainable_variables`, and with `return_losses` the losses.

        Raises:
            InvalidArgumentError: the layer is not built, or the values do not fit its variables.

        Source: keras Layer.stateless_call.
        """
        kind = type(self).__name__
        if not self.built:
            raise InvalidArgumentError(
                f"To call stateless_call, {kind} must be built (i.e. its variables must have been already created). You can build it by "
                "calling it on some data."
            )
        mapping = with_values(self.trainable_variables, trainable_variables, "trainable_variables", kind)
        mapping += with_values(self.non_trainable_variables, non_trainable_variables, "non_trainable_variables", kind)
        with StatelessScope(mapping) as scope:
            outputs = self(*args, **kwargs)
            losses = self.losses if return_losses else []
        after = values_after(scope, self.non_trainable_variables)
        return (outputs, after, losses) if return_losses else (outputs, after)

    # ----- losses -----

    def add_loss(self, loss: Any) -> None:
        """Add one or more scalars to the training loss. To be called inside `call`. Source: keras Layer.add_loss.

        Raises:
            InvalidTypeError: a value is not a tensor, for example a function or a symbolic tensor.
        """
        for value in nest.flatten(loss):
            if isinstance(value, SymbolicTensor) or callable(value) or isinstance(value, (str, bytes)) or value is None:
                raise InvalidTypeError(
                    f"`add_loss()` of layer {self.name!r} can only be called from inside `build()` or `call()`, on a tensor. Received "
                    f"invalid value: {value!r:.100}. Compute it in the `call` of a layer and add it there."
                )
            self._recorded_losses().append(value)

    def _recorded_losses(self) -> list[Any]:
        """Return the list of losses of the current call: the trace's while tracing, since they are its tensors, else the layer's."""
        trace = current_trace()
        if trace is None or trace.is_eager:
            return self._losses
        kept: list[Any] = trace.notes.setdefault((self, "losses"), [])
        return kept

    def _clear_losses(self) -> None:
        trace = current_trace()
        for layer in parts_of(self).layers:
            if trace is not None and not trace.is_eager:
                trace.notes.pop((layer, "losses"), None)
            elif layer._losses:
                layer._losses = []

    def added_losses(self) -> list[Any]:
        """Return the losses that `add_loss` and activity regularizers added in the last call, with those of inner layers."""
        trace = current_trace()
        if trace is None or trace.is_eager:
            return [loss for layer in parts_of(self).layers for loss in layer._losses]
        return [loss for layer in parts_of(self).layers for loss in trace.notes.get((layer, "losses"), ())]

    def regularization_losses(self) -> list[Any]:
        """Return the penalties of the regularizers of trainable weights."""
        trainable = set(self.trainable_weights)
        return [v.regularizer(v) for v in self.weights if v.regularizer is not None and v in trainable]

    @property
    def losses(self) -> list[Any]:
        """The losses added by the last call and the penalties of the weight regularizers. Source: keras.Layer.losses."""
        return [*self.added_losses(), *self.regularization_losses()]

    # ----- quantization -----

    def quantize(self, mode: Any = None, config: Any = None, **kwargs: Any) -> None:
        """Refuse: only layers with a kernel or an embedding table can be quantized. Source: keras Layer.quantize.

        Raises:
            UnsupportedError: always; layers that can be quantized override this method.
        """
        raise UnsupportedError(f"Layer {type(self).__name__} does not have a `quantize` method implemented.")

    def quantized_build(self, input_shape: Any, mode: Any, config: Any = None) -> None:
        """Refuse: only layers with a kernel or an embedding table can be quantized. Source: keras Layer.quantized_build.

        Raises:
            UnsupportedError: always; layers that can be quantized override this method.
        """
        raise UnsupportedError(f"Layer {type(self).__name__} does not have a `quantized_build` method implemented.")

    def quantized_call(self, *args: Any, **kwargs: Any) -> Any:
        """Call a quantized layer, as `call` does. Source: keras Layer.quantized_call.

        Raises:
            InvalidArgumentError: the layer is not quantized.
        """
        if self.quantization_mode is None:
            raise InvalidArgumentError(
                f"Invalid quantization mode of layer {self.name!r}: quantized_call() expects a layer that was quantized by quantize(), "
                "got quantization_mode=None; call the layer instead."
            )
        return self.call(*args, **kwargs)

    # ----- members of older Keras -----

    def add_metric(self, *args: Any, **kwargs: Any) -> None:
        """Refuse, as Keras 3 does. Source: keras Layer.add_metric.

        Raises:
            UnsupportedError: always.
        """
        raise UnsupportedError(
            f"Layer `add_metric()` method is deprecated (layer {self.name!r}). Add your metric in `Model.compile(metrics=[...])`, or "
            "create metric trackers in __init__() or build() of the layer or model, and call `metric.update_state()` where needed."
        )

    # ----- config -----

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments as JSON data.

        Raises:
            UnsupportedError: the layer is user-defined, has no `get_config`, and an argument is not JSON data.
        """
        config: dict[str, Any] = {"name": self.name, "trainable": self.trainable, "dtype": serialize(self.dtype_policy)}
        own = self._saved_names()
        if self.activity_regularizer is not None and "activity_regularizer" not in own:
            config["activity_regularizer"] = serialize(self.activity_regularizer)
        is_plain = our_class(type(self)) is Layer and type(self).__init__ is Layer.__init__
        if is_plain and not has_own_config(type(self)):  # Keras records the base's arguments
            config |= {"activity_regularizer": serialize(self.activity_regularizer), "autocast": self.autocast}
        config.update({n: self._serialize_argument(n) for n in own})
        recorded = recorded_config if own else whole_recorded_config
        return {**config, **recorded(self, (*config, "activity_regularizer"))}

    def _saved_names(self) -> list[str]:
        """Return the argument names of the nearest graphkit class: those of a user-defined subclass are recorded separately."""
        return [n for n in config_names(our_class(type(self))) if n not in _BASE_ARGUMENTS]

    def _serialize_argument(self, name: str) -> Any:
        value = getattr(self, name)
        if callable(value) and name.endswith("activation"):
            from graphkit import activations

            return activations.serialize(value, self.compute_dtype)
        return serialize(value)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Any:
        """Return a new layer with this config, with freshly initialized weights.

        Raises:
            UnsafePathError: an argument that may name a file holds a path.
            InvalidTypeError: the constructor passes an argument to its base class that the config holds as well.
        """
        refuse_paths(cls, config)
        known = {name for base in cls.__mro__ if issubclass(base, Layer) for name in base._known_arguments()}
        dropped = {*_IGNORED_CONFIG, *(name for name in _OPTIONAL_CONFIG if name not in known)}
        ours = our_class(cls)._known_arguments()  # these expect tuples, not lists
        arguments = {k: _argument_from_config(v, k in ours) for k, v in config.items() if k not in dropped}
        untaken = {} if has_own_config(cls) or takes_any(cls) else _pop_untaken(cls, arguments)
        try:
            made = cls(**arguments)
        except TypeError as error:
            if "missing" in str(error) and not isinstance(error, GraphKitError):
                raise InvalidTypeError(
                    f"Error when deserializing class {cls.__name__!r} using config={_shown(config)}.\n\nException encountered: {error}"
                ) from error
            if "multiple values" not in str(error):
                raise
            raise InvalidTypeError(
                f"{cls.__name__} cannot be made from its config: {error}. Its constructor passes {our_class(cls).__name__} an argument "
                f"that the config also holds: define get_config() in {cls.__name__} and leave it out there."
            ) from error
        made._take_base_arguments(**untaken)
        return made

    def _take_base_arguments(self, name: str | None = None, trainable: bool = True, dtype: Any = None) -> None:
        """Set what a recorded config holds besides the arguments, for a constructor that cannot take it."""
        if name is not None:
            self.name = name
        if not trainable:
            self.trainable = False
        if dtype is not None:
            self.dtype_policy = policies.get(dtype)

    @classmethod
    def _known_arguments(cls) -> list[str]:
        """Return the names of the constructor's arguments."""
        return config_names(cls)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"


class ForgottenConstructorError(NotBuiltError):
    """A layer was called whose constructor does not call that of its base class."""


class PreparedCall(NamedTuple):
    """One prepared call of a layer.

    Attributes:
        kwargs: the keyword arguments of `call`, with those that were filled in.
        added: those that were filled in: masks and `training`.
        tensors: the tensor arguments by name.
        training: the value of `training`, None if it is not known.
    """

    kwargs: dict[str, Any]
    added: dict[str, Any]
    tensors: dict[str, Any]
    training: bool | None


def refuse_paths(cls: type, config: Mapping[str, Any]) -> None:
    """Raise UnsafePathError if the config gives a path for an argument that may name a file."""
    declared = getattr(cls, "declaration", None)
    for name, known in declared.arguments.items() if declared is not None else ():
        if known.names_file and isinstance(config.get(name), (str, bytes)):
            refuse_path(f"Layer {config.get('name')!r} ({cls.__name__})", name, config[name])


def _pop_untaken(cls: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """Remove and return name, trainable and dtype where a constructor has no such argument."""
    taken = config_names(cls)
    return {k: arguments.pop(k) for k in ("name", "trainable", "dtype") if k in arguments and k not in taken}


def inner_layer(outer: Mapping[str, Any], config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Return a layer made from its config, with weights named under the layer `outer` that contains it."""
    with names.name_scope(str(outer["name"])) if outer.get("name") else nullcontext():
        return deserialize(config, custom_objects)


def _recording_build(build: Callable[..., None]) -> Callable[..., None]:
    """Wrap `build`: record the shapes it is given, name weights under the layer's name, and compute eagerly even in a trace."""
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
        if not self._trainable:
            self._freeze_own(True)
        self._lock_state()

    return recorded


def _argument_from_config(value: Any, is_ours: bool) -> Any:
    """Deserialize tensors, arrays, slices and functions; constructors convert the other envelopes. Our lists of ints become tuples."""
    if is_envelope(value) and value.get("class_name") in ("__tensor__", "__numpy__", "__slice__", "function"):
        return deserialize(value)
    return tuple(value) if is_ours and isinstance(value, list) and value and all(isinstance(v, int) for v in value) else value


def _build_arguments(cls: type[Layer]) -> list[str]:
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    parameters = list(signature_of(cls.build).parameters.values())[1:]  # without the layer itself
    return [p.name for p in parameters if p.kind not in several]


def _takes(cls: type[Layer], name: str) -> bool:
    """Return whether a layer's `call` accepts an argument of this name."""
    parameters = signature_of(cls.call).parameters
    return name in parameters or any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())


def _as_eager(value: Any) -> Any:
    """Convert an output on arrays to an EagerTensor; other objects are returned unchanged."""
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


def _shown(config: Mapping[str, Any]) -> str:
    """Return a config for a message, without the end of long values and of a long config."""
    texts = {key: repr(value) for key, value in list(config.items())[:6]}
    entries = [f"{key!r}: {text if len(text) <= 60 else text[:57] + '...'}" for key, text in texts.items()]
    return "{" + ", ".join([*entries, *([f"... {len(config) - 6} more"] if len(config) > 6 else [])]) + "}"
