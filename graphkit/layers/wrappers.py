"""Layers that wrap other layers: Wrapper, TimeDistributed, Bidirectional."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from graphkit import ops
from graphkit.core import names, nest
from graphkit.core.declared import argument, must
from graphkit.core.errors import InvalidArgumentError, ShapeError
from graphkit.core.recording import our_class
from graphkit.core.serialization import custom_object_scope, keras_class
from graphkit.layers.declared import BuiltInLayer
from graphkit.layers.layer import Layer, inner_layer

_HOME = "keras.layers"


_a_layer = must(
    lambda value: isinstance(value, Layer),
    "Please initialize `{owner.__class__.__name__}` layer with a layer instance. Received: {value!r} ({value.__class__.__name__}).",
)


@keras_class(_HOME)
class Wrapper(BuiltInLayer):
    """Base of layers that wrap another layer, stored in `layer`. Source: keras.layers.Wrapper."""

    layer: Any = argument(check=_a_layer)

    def build(self, input_shape: Any = None) -> None:
        """Build the inner layer."""
        if not self.layer.built:
            self.layer.build(input_shape)

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
        """Return the wrapper with its inner layer deserialized."""
        config = dict(config)
        return cls(inner_layer(config, config.pop("layer"), custom_objects), **config)


@keras_class(_HOME)
class TimeDistributed(Wrapper):
    """Applies a layer or model to each time step: (batch, time, ...) is treated as batch * time samples.

    Source: keras.layers.TimeDistributed.

    Args:
        layer: the layer to apply.
    """

    supports_masking = True

    def build(self, input_shape: Any = None) -> None:
        """Build the inner layer for one time step.

        Raises:
            ShapeError: the inputs have fewer than three axes.
        """
        if not isinstance(input_shape, (tuple, list)) or len(input_shape) < 3:
            raise ShapeError(
                "`TimeDistributed` Layer should be passed an `input_shape` with at least 3 dimensions, received: "
                f"{input_shape} (layer {self.name!r})."
            )
        if not self.layer.built:
            self.layer.build((input_shape[0], *input_shape[2:]))

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Return the outputs of all time steps, (batch, time, ...).

        Args:
            inputs: (batch, time, ...).
            training: passed to the inner layer, if its `call` accepts it.
            mask: bool (batch, time); passed to the inner layer, if its `call` accepts it.

        Raises:
            ShapeError: the first two axes of the mask do not match the inputs.
        """
        batch, steps = ops.shape(inputs)[:2]
        self._check_mask(inputs, mask)
        parameters = inspect.signature(self.layer.call).parameters
        options = {"training": training} if "training" in parameters and training is not None else {}
        mask = mask if "mask" in parameters else None
        mixes = training and any(layer.uses_batch_statistics for layer in self.layer._walk_layers())
        if isinstance(steps, int) and mixes:
            return self._step_by_step(inputs, steps, mask, options)
        given = {} if mask is None else {"mask": _flattened(mask)}
        made = self.layer(_flattened(inputs), **options, **given)
        return nest.map_structure(lambda y: ops.reshape(y, (batch, steps, *ops.shape(y)[1:])), made)

    def _step_by_step(self, inputs: Any, steps: int, mask: Any, options: dict[str, Any]) -> Any:
        """Apply the layer to one time step after another, so that batch statistics do not mix time steps."""
        made = []
        for step in range(steps):
            own = {} if mask is None else {"mask": mask[:, step]}
            made.append(self.layer(inputs[:, step], **options, **own))
        return nest.map_structure(lambda *parts: ops.stack(parts, axis=1), *made)

    def _check_mask(self, inputs: Any, mask: Any) -> None:
        if mask is None:
            return
        given, wanted = ops.shape(mask), ops.shape(inputs)
        if len(given) < 2:
            raise ShapeError(
                "The `mask` passed to the `TimeDistributed` layer must be at least 2D (e.g., `(batch_size, timesteps)`), but it has "
                f"{len(given)} dimension(s) with shape {given}."
            )
        if any(
            isinstance(g, int) and isinstance(w, int) and g != w for g, w in zip(given[:2], wanted[:2], strict=True)
        ):
            raise ShapeError(
                f"The `mask` passed to the `TimeDistributed` layer has a shape {given} that is incompatible with the input shape {wanted}. "
                "The first two dimensions of the mask (batch size and timesteps) must match the input's first two dimensions. "
                f"Expected mask shape prefix: ({wanted[0]}, {wanted[1]})."
            )


def _flattened(x: Any) -> Any:
    """Reshape (batch, time, ...) to (batch * time, ...)."""
    batch, steps, *rest = ops.shape(x)
    return ops.reshape(x, (batch * steps, *rest))


_MERGE: dict[str | None, Callable[[Any, Any], Any]] = {
    "concat": lambda a, b: ops.concatenate([a, b], axis=-1),
    "sum": lambda a, b: a + b,
    "mul": lambda a, b: a * b,
    "ave": lambda a, b: (a + b) / 2,
    None: lambda a, b: (a, b),
}
_SHARED = ("stateful", "return_sequences", "return_state")


_merge_mode = must(
    lambda value: value in _MERGE,
    'Invalid merge mode. Received: {value}. Merge mode should be one of {{"sum", "mul", "ave", "concat", None}}',
)


@keras_class(_HOME)
class Bidirectional(BuiltInLayer):
    """Runs a recurrent layer forward and a second one backward over time, and merges their outputs.

    Args:
        layer: an RNN, LSTM, GRU, ...; it is copied, with the name `forward_<name>`.
        merge_mode: how the outputs are merged: "concat", "sum", "mul", "ave", or None to return both.
        weights: initial weights of both layers, forward first.
        backward_layer: the layer for the backward direction; by default a copy of `layer` with `go_backwards=True`.

    Raises:
        InvalidArgumentError: `layer` is not recurrent, or the layers must differ in `go_backwards` only and do not.

    Source: keras.layers.Bidirectional.
    """

    supports_masking = True
    config_order = "merge_mode layer backward_layer"

    forward_layer: Any = argument(alias="layer")
    merge_mode: str | None = argument(default="concat", check=_merge_mode)
    _initial_weights: Any = argument(default=None, alias="weights")
    backward_layer: Any = argument(default=None)

    def __pre_init__(self, given: dict[str, Any], more: dict[str, Any]) -> None:
        _check_layers(given["layer"], given["backward_layer"])

    def __post_init__(self) -> None:
        layer = self.forward_layer
        with names.name_scope(self.name):  # a cell that is built from its config has weights named in this scope
            self.forward_layer = _copied(layer, "forward_")
            if self.backward_layer is None:
                self.backward_layer = _copied(layer, "backward_", go_backwards=True)
        self._check_directions()
        for inner in (self.forward_layer, self.backward_layer):
            if (
                getattr(inner, "zero_output_for_mask", None) is not None
            ):  # otherwise flipping would move outputs to masked steps
                inner.zero_output_for_mask = inner.return_sequences
        self.stateful, self.return_sequences, self.return_state = (getattr(layer, name) for name in _SHARED)
        self.input_spec = layer.input_spec

    def _check_directions(self) -> None:
        forward, backward = self.forward_layer, self.backward_layer
        if forward.go_backwards == backward.go_backwards:
            raise InvalidArgumentError(
                "Forward layer and backward layer should have different `go_backwards` value. Received: "
                f"forward_layer.go_backwards {forward.go_backwards}, backward_layer.go_backwards={backward.go_backwards}"
            )
        for name in _SHARED:
            first, second = getattr(forward, name), getattr(backward, name)
            if first != second:
                raise InvalidArgumentError(
                    f'Forward layer and backward layer are expected to have the same value for attribute "{name}", got "{first}" for '
                    f'forward layer and "{second}" for backward layer'
                )

    @property
    def layer(self) -> Any:
        """The forward layer."""
        return self.forward_layer

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        """Build both layers."""
        for inner in (self.forward_layer, self.backward_layer):
            if not inner.built:
                inner.build(sequences_shape)
        if self._initial_weights:
            self.set_weights(self._initial_weights)

    def build_from_config(self, config: Mapping[str, Any]) -> None:
        """Build for the shapes of a `get_build_config` result."""
        if config.get("input_shape") is not None and not self.built:
            self.build(tuple(config["input_shape"]))
        else:
            super().build_from_config(config)

    def __call__(self, sequences: Any, *args: Any, **kwargs: Any) -> Any:
        """Call the layer on a sequence, or on a list of a sequence and its initial states."""
        if isinstance(sequences, (list, tuple)) and len(sequences) > 1 and all(hasattr(s, "shape") for s in sequences):
            kwargs["initial_state"] = list(sequences[1:])
            sequences = sequences[0]
        return super().__call__(sequences, *args, **kwargs)

    def call(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool | None = None) -> Any:
        """Return the merged outputs, followed by the states of both layers with `return_state`.

        Args:
            sequences: (batch, time, ...).
            initial_state: the states of the forward layer, then those of the backward layer.
            mask: bool (batch, time).
            training: whether dropout is active.

        Raises:
            ShapeError: the number of initial states is odd.
        """
        first, second = self._halves(initial_state)
        forward = self._run(self.forward_layer, sequences, first, mask, training)
        backward = self._run(self.backward_layer, sequences, second, mask, training)
        states: tuple[Any, ...] = ()
        if self.return_state:
            states = (*forward[1:], *backward[1:])
            forward, backward = forward[0], backward[0]
        if self.return_sequences:
            backward = ops.flip(backward, axis=0 if getattr(self.forward_layer, "time_major", False) else 1)
        forward, backward = ops.cast(forward, self.compute_dtype), ops.cast(backward, self.compute_dtype)
        joined = _MERGE[self.merge_mode](forward, backward)
        if not self.return_state:
            return joined
        return (*joined, *states) if self.merge_mode is None else (joined, *states)

    def _halves(self, initial_state: Any) -> tuple[Any, Any]:
        if initial_state is None:
            return None, None
        given = list(initial_state)
        half = len(given) // 2
        if len(given) % 2:
            raise ShapeError(
                f"Layer {self.name!r} expects an even number of initial states, forward ones first; got {len(given)}."
            )
        return given[:half], given[half:]

    @staticmethod
    def _run(layer: Any, sequences: Any, initial_state: Any, mask: Any, training: bool | None) -> Any:
        parameters = inspect.signature(layer.call).parameters
        given = {"initial_state": initial_state, "mask": mask, "training": training}
        return layer(sequences, **{k: v for k, v in given.items() if v is not None and k in parameters})

    def compute_mask(self, _: Any, mask: Any = None) -> Any:
        """Return the mask of the inputs for sequences, None for other outputs and for states."""
        mask = nest.flatten(mask)[0] if self.return_sequences and mask is not None else None
        masks = [mask] if self.merge_mode is not None else [mask, mask]
        if self.return_state:
            masks += [None] * (2 * len(nest.flatten(self.forward_layer.state_size)))
        return masks if len(masks) > 1 else mask

    @property
    def states(self) -> tuple[Any, ...] | None:
        """The states of stateful layers, forward first."""
        forward, backward = self.forward_layer.states, self.backward_layer.states
        return (*forward, *backward) if forward and backward else None

    def reset_state(self) -> None:
        """Set the states of stateful layers to zero.

        Raises:
            InvalidArgumentError: the layer is not stateful.
        """
        if not self.stateful:
            raise InvalidArgumentError(f"Layer {self.name!r} must be stateful to reset its states.")
        self.forward_layer.reset_state()
        self.backward_layer.reset_state()

    def reset_states(self) -> None:
        """Set the states of stateful layers to zero: an alias of `reset_state`."""
        self.reset_state()

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
        """Return the wrapper with its layers deserialized."""
        config = dict(config)
        for name in ("layer", "backward_layer"):
            if config.get(name) is not None:
                config[name] = inner_layer(config, config[name], custom_objects)
        return cls(**config)


def _check_layers(layer: Any, backward_layer: Any) -> None:
    if not isinstance(layer, Layer):
        raise InvalidArgumentError(
            f"Please initialize `Bidirectional` layer with a `Layer` instance. Received: {layer!r}"
        )
    if backward_layer is not None and not isinstance(backward_layer, Layer):
        raise InvalidArgumentError(f"`backward_layer` need to be a `Layer` instance. Received: {backward_layer!r}")
    missing = [n for n in ("go_backwards", *_SHARED) if not hasattr(layer, n)]
    if missing:
        raise InvalidArgumentError(
            f"`Bidirectional` requires a recurrent layer; {type(layer).__name__} has no attribute {missing[0]!r}."
        )


def _copied(layer: Any, prefix: str, **changed: Any) -> Any:
    """Return a layer with the same config, without weights."""
    config = {**layer.get_config(), "name": prefix + layer.name.removeprefix(prefix), **changed}
    inner = [type(part) for part in layer._walk_layers()]
    own = {cls.__name__: cls for cls in inner if our_class(cls) is not cls}  # they need not be registered
    with custom_object_scope(own):
        return type(layer).from_config(config)
