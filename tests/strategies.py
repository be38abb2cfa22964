"""Random functional models for property tests: layers, merges, ops, shared layers, nested models, several inputs and outputs."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from graphkit import layers, models, ops
from graphkit.graph.symbolic import SymbolicTensor

Draw = random.Random  # makes the choices; hypothesis draws its seed and the number of steps
MAX_DEPTH = 3  # nested models


class Drawn(NamedTuple):
    """A model, and a seed for its inputs and weights."""

    model: Any
    seed: int

    def inputs(self, batch: int = 2) -> Any:
        """Return arrays in the structure of the model's inputs; ids for integer inputs."""
        rng = np.random.default_rng(self.seed + batch)

        def array(tensor: SymbolicTensor) -> Any:
            shape = tuple(batch if axis == 0 else size or 5 for axis, size in enumerate(tensor.shape))
            return (
                rng.integers(0, 6, shape).astype(tensor.dtype)
                if tensor.dtype == "int32"
                else rng.normal(size=shape).astype("float32")
            )

        from graphkit.core import nest

        return nest.map_structure(array, self.model.input)


# Operations on one tensor, by its rank: name -> function of draw that returns a layer (or a function of a tensor).
_ACTIVATIONS = ("relu", "tanh", "sigmoid", "softmax", "elu", "gelu", "linear")


def _sizes(draw: Draw) -> int:
    return int(draw.randint(1, 5))


def _dense(draw: Draw) -> Any:
    return layers.Dense(_sizes(draw), activation=draw.choice(_ACTIVATIONS), use_bias=draw.choice((True, False)))


def _activation(draw: Draw) -> Any:
    return layers.Activation(draw.choice(_ACTIVATIONS))


def _affine(draw: Draw) -> Any:
    factor, offset = draw.choice([-1.5, 0.5, 2.0]), draw.choice([-1.0, 0.25])
    return lambda x: factor * x + offset


def _recurrent(draw: Draw) -> Any:
    cls = getattr(layers, draw.choice(["LSTM", "GRU", "SimpleRNN"]))
    return cls(_sizes(draw), return_sequences=draw.choice((True, False)), go_backwards=draw.choice((True, False)))


def _conv(rank: int) -> Callable[[Draw], Any]:
    def make(draw: Draw) -> Any:
        cls = layers.Conv1D if rank == 1 else layers.Conv2D
        return cls(
            _sizes(draw),
            draw.randint(1, 3),
            strides=draw.randint(1, 2),
            padding="same",
            activation=draw.choice(_ACTIVATIONS),
        )

    return make


ANY_RANK: list[Callable[[Draw], Any]] = [
    _dense,
    _activation,
    _affine,
    lambda draw: layers.BatchNormalization(center=draw.choice((True, False))),
    lambda draw: layers.LayerNormalization(),
    lambda draw: layers.Dropout(0.5),
    lambda draw: ops.tanh,
    lambda draw: lambda x: ops.exp(-ops.abs(x)),
    lambda draw: lambda x: x[..., :1] * x,
    lambda draw: lambda x: ops.mean(x, axis=-1, keepdims=True),
]
BY_RANK: dict[int, list[Callable[[Draw], Any]]] = {
    2: [lambda draw: layers.RepeatVector(draw.randint(1, 3)), lambda draw: layers.Reshape((-1, 1))],
    3: [
        _recurrent,
        _conv(1),
        lambda draw: layers.Flatten(),
        lambda draw: layers.Permute((2, 1)),
        lambda draw: layers.GlobalAveragePooling1D(),
        lambda draw: layers.GlobalMaxPooling1D(keepdims=draw.choice((True, False))),
        lambda draw: layers.MaxPooling1D(2, padding="same"),
        lambda draw: layers.TimeDistributed(layers.Dense(_sizes(draw))),
        lambda draw: layers.Bidirectional(layers.GRU(2, return_sequences=draw.choice((True, False)))),
    ],
    4: [
        _conv(2),
        lambda draw: layers.Flatten(),
        lambda draw: layers.MaxPooling2D(2, padding="same"),
        lambda draw: layers.AveragePooling2D(2, padding="same"),
        lambda draw: layers.GlobalAveragePooling2D(),
        lambda draw: layers.ZeroPadding2D(1),
        lambda draw: layers.UpSampling2D(2),
    ],
}
MERGES = ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate")
SHAPES: list[tuple[int | None, ...]] = [(3,), (5,), (4, 3), (6, 2), (None, 3), (4, 4, 2), (5, 3, 1)]


class _Builder:
    """Grows a graph tensor by tensor."""

    def __init__(self, draw: Draw, depth: int) -> None:
        self.draw, self.depth = draw, depth
        self.pool: list[Any] = []
        self.made: list[tuple[Any, Any]] = []  # (layer, the tensor that it was first called on)

    def pick(self, wanted: Callable[[Any], bool] = lambda t: True) -> Any:
        """Return one of the tensors so far, preferably a recent one."""
        candidates = [t for t in self.pool if wanted(t)]
        return candidates[-1 - self.draw.randint(0, min(3, len(candidates) - 1))]

    def loose_ends(self) -> list[Any]:
        """Return the tensors that nothing reads, so that most of the graph contributes to the outputs."""
        used = {t for x in self.pool for t in x.history.operation.nodes[x.history.node_index].input_tensors}
        return [t for t in self.pool if t not in used]

    def step(self) -> None:
        """Add a tensor."""
        kinds = ["unary", "unary", "unary", "unary", "merge", "shared", *(["nested"] if self.depth < MAX_DEPTH else [])]
        x = getattr(self, self.draw.choice(kinds))()
        if x is not None and _elements(x) <= 600:
            self.pool.append(x)

    def unary(self) -> Any:
        """Apply a new layer or op to a tensor."""
        x = self.pick()
        rank = len(x.shape)
        options = draw_from(self.draw, ANY_RANK, BY_RANK.get(rank, []))
        if None in x.shape[1:]:  # layers that require a known time axis
            options = [_dense, _activation, _affine, _recurrent, *ANY_RANK[3:6]]
        operation = self.draw.choice(options)(self.draw)
        if isinstance(operation, layers.Layer):
            self.made.append((operation, x))
        return operation(x)

    def merge(self) -> Any:
        """Merge two or three tensors of equal shape."""
        x = self.pick()
        fitting = [t for t in self.pool if t.shape == x.shape and None not in t.shape[1:]] or [x]
        y = fitting[self.draw.randint(0, len(fitting) - 1)]
        if None in x.shape[1:]:
            y = x
        name = self.draw.choice(MERGES)
        return getattr(layers, name)()(
            [x, y] if name == "Subtract" else [x, y, *([x] if self.draw.choice((True, False)) else [])]
        )

    def shared(self) -> Any:
        """Apply an existing layer to another tensor of the shape that it was built for."""
        if not self.made:
            return None
        layer, first = self.made[self.draw.randint(0, len(self.made) - 1)]
        fitting = [t for t in self.pool if t.shape == first.shape]
        return layer(fitting[self.draw.randint(0, len(fitting) - 1)])

    def nested(self) -> Any:
        """Apply a nested model."""
        x = self.pick()
        inner = _Builder(self.draw, self.depth + 1)
        source = layers.Input(x.shape[1:])
        inner.pool.append(source)
        for _ in range(self.draw.randint(1, 4)):
            inner.step()
        model: Any = models.Model(source, inner.loose_ends()[-1])
        self.made.append((model, x))
        return model(x)


def draw_from(draw: Draw, general: list[Any], special: list[Any]) -> list[Any]:
    """Choose layers for this rank as often as those for any rank."""
    return special if special and draw.choice((True, False)) else general


def _elements(x: Any) -> int:
    return int(np.prod([size or 5 for size in x.shape[1:]]))


@st.composite
def functional_models(draw: Any, max_steps: int = 12) -> Drawn:
    """Draw a model of up to `max_steps` calls with one to three inputs, and outputs as a tensor, list or dict."""
    seed, steps = draw(st.integers(0, 2**32 - 1)), draw(st.integers(3, max_steps))
    return model_of(random.Random(seed), steps, seed)


def model_of(draw: Draw, steps: int, seed: int) -> Drawn:
    """Return the model that this generator makes in `steps` steps."""
    builder = _Builder(draw, 0)
    inputs: dict[str, Any] = {}
    for number in range(draw.randint(1, 3)):
        name = f"in_{number}"
        if draw.randint(0, 4) == 0:
            inputs[name] = layers.Input((5,), dtype="int32", name=name)
            embedding = layers.Embedding(6, draw.randint(1, 4), mask_zero=draw.choice((True, False)))
            builder.pool.append(embedding(inputs[name]))
        else:
            inputs[name] = layers.Input(draw.choice(SHAPES), name=name)
            builder.pool.append(inputs[name])
    for _ in range(steps):
        builder.step()
    sources = _structure(draw, list(inputs.values()), list(inputs))
    last = builder.loose_ends()[-4:]
    model: Any = models.Model(sources, _structure(draw, last, [f"out_{i}" for i in range(len(last))]))
    rng = np.random.default_rng(seed)
    model.set_weights(
        [
            np.abs(rng.normal(size=w.shape)) * 0.3 + 0.1 if "variance" in w.path else rng.normal(size=w.shape) * 0.4
            for w in model.weights
        ]
    )
    return Drawn(model, seed)


def _structure(draw: Draw, tensors: list[Any], names: list[str]) -> Any:
    """Return the tensors as a single tensor, a list, a dict, or a list and a dict."""
    kind = draw.choice(["plain", "list", "dict", "nest"])
    if kind == "plain" and len(tensors) == 1:
        return tensors[0]
    if kind == "dict":
        return dict(zip(names, tensors, strict=True))
    if kind == "nest":
        return {"first": tensors[0], "rest": list(tensors[1:])} if len(tensors) > 1 else [tensors[0]]
    return list(tensors)
