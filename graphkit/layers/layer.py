"""The base of all layers: weights, building, calling, masks, config."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import wraps
from typing import Any, ClassVar, NamedTuple

import numpy as np

from graphkit import dtype_policies as policies
from graphkit.core import dtypes, names, nest
from graphkit.core.allocation import weight_budget
from graphkit.core.errors import (
    InvalidArgumentError,
    InvalidTypeError,
    NotBuiltError,
    ShapeError,
    UnknownArgumentError,
    UnsupportedError,
)
from graphkit.core.recording import our_class, recorded_config, whole_recorded_config
from graphkit.core.registry import did_you_mean
from graphkit.core.serialization import config_names, deserialize, is_envelope, refuse_path, serialize
from graphkit.core.signatures import signature_of
from graphkit.core.stamps import Stamped, tick
from graphkit.graph.operation import Operation
from graphkit.graph.symbolic import SymbolicTensor
from graphkit.ir.eager_tensor import EagerTensor
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import Tracer, current_trace, tracing
from graphkit.ir.variable import Variable, autocast_scope, current_autocast
from graphkit.layers.context import call_context, current_context
from graphkit.layers.eager import EagerCalls
from graphkit.layers.input_spec import InputSpec
from graphkit.layers.shapes import pop_shape_argument, shapes_of, symbolic_of_shapes, tupled
from graphkit.layers.stamp import ModelStamp, parts_of, stamp_of
from graphkit.layers.tracking import MetricLike, in_keras_order, tracked, unique_variables
from graphkit.ops._convert import tensor
from graphkit.ops.random import SeedGenerator

_BASE_ARGUMENTS = ("activity_regularizer", "trainable", "dtype", "autocast", "name", "batch_size")
_IGNORED_CONFIG = ("shared_object_id", "build_input_shape")
# Left out for layers that take no such arguments: Keras writes some of them for all.
_OPTIONAL_CONFIG = ("quantization_config", "lora_rank", "lora_alpha", "gptq_unpacked_column_size")
# Arguments of Keras' add_weight that say how several machines or TensorFlow keep a weight.
_IGNORED_WEIGHT_ARGUMENTS = (
    "aggregation", "collections", "experimental_autocast", "getter", "layout", "partitioner", "sparse", "synchronization",
    "use_resource",
)  # fmt: skip
_UNTRACKED = ("nodes", "input_spec", "_recorded_arguments")
# Attributes that say nothing about what a layer computes. `trainable` does, but counts by value (layers/stamp.py).
_UNSTAMPED = (
    "_build_shapes", "_building", "_compiled", "_eager", "_initial_epoch", "_losses", "_path", "_trainable", "_weights", "built",
    "compiled", "history", "nodes", "stop_training", "trainable",
)  # fmt: skip


class Layer(Stamped, Operation):
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

    # ----- weights -----

    def add_weight(
        self,
        shape: Sequence[int] | None = None,
        initializer: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        regularizer: Any = None,
        constraint: Any = None,
        name: str | None = None,
        overwrite_with_gradient: bool = False,
        **others: Any,
    ) -> Variable:
        """Make a weight of this shape; glorot_uniform by default for floats, zeros otherwise. Source: keras Layer.add_weight.

        With `overwrite_with_gradient` the optimizer takes the "gradient" for the new value.
        """
        from graphkit import constraints, initializers, regularizers

        unknown = [k for k in others if k not in _IGNORED_WEIGHT_ARGUMENTS]
        if unknown:
            known = ("shape", "initializer", "dtype", "trainable", "autocast", "regularizer", "constraint", "name")
            raise InvalidTypeError(
                f"add_weight() of layer {self.name!r} does not know {unknown}.{did_you_mean(unknown[0], known)} "
                f"It takes {', '.join(known)}."
            )
        if isinstance(shape, str):  # Keras 2's first argument was the name
            raise InvalidArgumentError(
                f"`name` must be passed as a keyword argument. Received: add_weight({shape!r}, ...) of layer {self.name!r}. "
                f"Use: add_weight(shape=..., name={shape!r})."
            )
        if shape is not None and not isinstance(shape, (list, tuple)):
            raise InvalidArgumentError(f"Cannot convert {shape!r} to a shape (add_weight of layer {self.name!r}).")
        wanted = dtypes.standardize(dtype) if dtype is not None else self.variable_dtype
        default = "glorot_uniform" if dtypes.is_float(wanted) else "zeros"
        first = initializers.get(initializer if initializer is not None else default)
        budget = weight_budget()
        if budget is not None:
            first = budget.first_values(first, tuple(shape or ()), dtypes.to_numpy(wanted), f"{self.name}/{name}")
        variable = Variable(
            first,
            shape=tuple(shape or ()),
            dtype=wanted,
            trainable=trainable,
            name=name,
        )
        variable.autocast, variable.overwrite_with_gradient = autocast, overwrite_with_gradient
        variable.regularizer = regularizers.get(regularizer)
        variable.constraint = constraints.get(constraint)
        self.__dict__.setdefault("_weights", []).append(variable)
        self.mark_changed()
        return variable

    def add_variable(
        self,
        shape: Sequence[int],
        initializer: Any,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        regularizer: Any = None,
        constraint: Any = None,
        name: str | None = None,
    ) -> Variable:
        """Make a weight; `add_weight` under another name. Source: keras Layer.add_variable."""
        return self.add_weight(shape, initializer, dtype, trainable, autocast, regularizer, constraint, name)

    def tracked_attributes(self) -> dict[str, Any]:
        """The attributes that may hold variables and layers."""
        return {k: v for k, v in self.__dict__.items() if k not in _UNTRACKED}

    @property
    def _own_variables(self) -> list[Variable]:
        return list(tracked(self, (Variable,)))

    @property
    def _layers(self) -> list[Layer]:
        return list(tracked(self, (Layer,)))

    def _walk_layers(self) -> Iterator[Layer]:
        """This layer and all layers inside, each once, parents first."""
        seen: set[int] = set()
        stack: list[Layer] = [self]
        while stack:
            layer = stack.pop()
            if id(layer) in seen:
                continue
            seen.add(id(layer))
            yield layer
            stack.extend(reversed(layer._layers))

    @property
    def variables(self) -> list[Variable]:
        """All variables: weights, and what else the layer keeps (the states of seed generators)."""
        return unique_variables(v for layer in self._walk_layers() for v in layer._kept_variables())

    def _kept_variables(self) -> Iterator[Variable]:
        """The variables of this very layer."""
        yield from in_keras_order(self._own_variables)
        yield from (generator.state for generator in tracked(self, (SeedGenerator,)))

    @property
    def weights(self) -> list[Variable]:
        """All weights in Keras' order: each layer's trainable ones, its others, then those of the layers inside."""
        found = []
        for layer in self._walk_layers():
            found += in_keras_order(layer._own_variables)
        return list(dict.fromkeys(found))

    @property
    def trainable_weights(self) -> list[Variable]:
        """The weights that training changes; none if this layer is frozen. Of the layers inside each says so for itself."""
        return [] if not self.trainable else [v for v in unique_variables(self._trainable_ones()) if v.trainable]

    def _trainable_ones(self) -> Iterator[Variable]:
        stack: list[Layer] = [self]
        seen: set[int] = set()
        while stack:
            layer = stack.pop()
            if id(layer) in seen:
                continue
            seen.add(id(layer))
            if layer.trainable:
                yield from layer._own_variables
            stack.extend(reversed(layer._layers))

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """The weights that training leaves: moving statistics, and those of frozen layers."""
        trainable = set(self.trainable_weights)
        return [v for v in self.weights if v not in trainable]

    trainable_variables = trainable_weights

    @property
    def non_trainable_variables(self) -> list[Variable]:
        """The variables that training does not change."""
        trainable = set(self.trainable_weights)
        return [v for v in self.variables if v not in trainable]

    @property
    def trainable(self) -> bool:
        """Whether training changes the weights; setting it sets the layers inside as well."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        for layer in self._walk_layers():
            layer._trainable = bool(value)
        tick()

    def count_params(self) -> int:
        """The number of elements of all weights. Raises NotBuiltError before there are any."""
        if not self.built:
            raise NotBuiltError(
                f"Layer {self.name!r} has no weights yet: call it on a tensor, or build(input_shape), before count_params()."
            )
        return sum(int(np.prod(v.shape, dtype=np.int64)) for v in self.weights)

    def get_weights(self) -> list[np.ndarray[Any, Any]]:
        """Copies of all weights, in the order of `weights`."""
        return [v.numpy() for v in self.weights]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Take these arrays as weights, in the order of `weights`. Nothing is changed unless all fit. Raises ShapeError."""
        own = self.weights
        arrays = [np.asarray(w) for w in weights]
        if len(arrays) != len(own):
            raise ShapeError(
                f"Layer {self.name!r} has {len(own)} weights {[v.path for v in own]}, but {len(arrays)} arrays were given."
            )
        for variable, array in zip(own, arrays, strict=True):
            if array.shape != variable.shape:
                raise ShapeError(
                    f"Weight {variable.path!r} of layer {self.name!r} has shape {variable.shape}, the given array {array.shape}."
                )
        for variable, array in zip(own, arrays, strict=True):
            variable.assign(array)

    @property
    def metrics(self) -> list[Any]:
        """The metrics that this layer and those inside keep. Source: keras.Layer.metrics."""
        return list(dict.fromkeys(m for layer in self._walk_layers() for m in tracked(layer, (MetricLike,))))

    # ----- dtypes -----

    @property
    def dtype_policy(self) -> Any:
        """What the layer was given as `dtype`: a policy, or a map of policies by path."""
        return self._dtype_policy

    @dtype_policy.setter
    def dtype_policy(self, value: Any) -> None:
        self._take_policy(policies.get(value))

    def _take_policy(self, policy: Any) -> None:
        """Have this policy from now on; of a map only the entry of this layer is changed."""
        if self._mapped_path is None:
            self._dtype_policy = policy
        else:
            if self._mapped_path in self._dtype_policy:
                del self._dtype_policy[self._mapped_path]
            self._dtype_policy[self._mapped_path] = policy
            self.mark_changed()

    @property
    def path(self) -> str | None:
        """The names of the layers around it and its own, "encoder/dense"; None before it is built."""
        return self._path

    @property
    def _mapped_path(self) -> str | None:
        return self._path if isinstance(self._dtype_policy, policies.DTypePolicyMap) else None

    @property
    def own_policy(self) -> policies.DTypePolicy:
        """The policy of this very layer: of a map, what it holds for the layer's path."""
        given = self._dtype_policy
        if isinstance(given, policies.DTypePolicyMap):
            return given.default_policy if self._path is None else given[self._path]
        own: policies.DTypePolicy = given
        return own

    @property
    def quantization_mode(self) -> str | None:
        """The quantisation of this very layer: "int8", "int4", "float8", "gptq", "awq", or None."""
        return self.own_policy.quantization_mode

    @property
    def compute_dtype(self) -> str:
        """The dtype that the layer computes in."""
        return self.own_policy.compute_dtype

    @property
    def variable_dtype(self) -> str:
        """The dtype of the weights."""
        return self.own_policy.variable_dtype

    @property
    def dtype(self) -> str:
        """The dtype of the weights."""
        return self.variable_dtype

    def _autocast_dtype(self) -> str | None:
        """What ops are to see the weights in; a layer without autocast says so only within one that casts, as in Keras."""
        compute = self.compute_dtype
        if current_autocast() is None:
            return compute if compute != self.variable_dtype else None
        return compute if self.autocast and dtypes.is_float(compute) else ""

    def _autocast_tensor(self, x: Any) -> Any:
        if isinstance(x, Variable):
            x = x.value
        if not self.autocast or not isinstance(x, (Tracer, np.ndarray)) or not dtypes.is_float(self.compute_dtype):
            return x
        dtype = TensorSpec.of(x).dtype
        if dtype == self.compute_dtype or not dtypes.is_float(dtype):
            return x
        cast = tensor(x, self.compute_dtype)
        if isinstance(x, Tracer):
            cast.mask = x.mask
        return cast

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

    def _autocast_symbolic(self, x: Any) -> Any:
        floats = dtypes.is_float
        if (
            isinstance(x, SymbolicTensor)
            and self.autocast
            and floats(x.dtype)
            and floats(self.compute_dtype)
            and x.dtype != self.compute_dtype
        ):
            return SymbolicTensor(x.spec.shape, self.compute_dtype, name=x.name)
        return x

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

    # ----- files -----

    def stored_variables(self) -> list[Variable]:
        """The variables that stand in the layer's own part of a weights file: the trainable ones, then the others."""
        return in_keras_order([v for v in self._own_variables if not getattr(v, "is_state", False)])

    def stored_values(self) -> dict[Variable, Any]:
        """What a file gets instead of the numbers of some variables."""
        return {}

    def save_own_variables(self, store: Any) -> None:
        """Put the layer's own weights into `store`, by number. A subclass may put in more. Source: keras Layer.save_own_variables."""
        instead = self.stored_values()
        for index, variable in enumerate(self.stored_variables()):
            store[str(index)] = np.asarray(instead.get(variable, variable.array))

    def load_own_variables(self, store: Any) -> None:
        """Take the layer's own weights out of `store`. Raises ShapeError where they do not fit. Source: keras Layer.load_own_variables."""
        variables = self.stored_variables()
        if len(store.keys()) != len(variables):
            raise ShapeError(
                f"Layer {self.name!r} has {len(variables)} weights {[v.name for v in variables]}, the file has {len(store.keys())}: "
                f"{sorted(store.keys())}."
            )
        for index, variable in enumerate(variables):
            variable.assign(store[str(index)])

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

            return activations.serialize(value, self.compute_dtype)
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

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Variable) and name != "_weights":
            weights = self.__dict__.get("_weights")
            if weights and any(w is value for w in weights):
                weights[:] = [w for w in weights if w is not value]  # the attribute holds it now
        super().__setattr__(name, value)


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
