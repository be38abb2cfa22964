"""The layers that Keras does not have: one row for each, and what is checked of a row.

A row says what the layer computes, as a function of NumPy over its inputs and weights, and what files hold for it.
"""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import graphkit
from graphkit import layers
from graphkit.core import nest
from graphkit.core.serialization import OWN, deserialize, is_own
from graphkit.layers.context import call_context
from graphkit.saving.keras3_differences import NotInKerasWarning
from tests.ops.case import Draw, fixed, real

Array = np.ndarray[Any, Any]
STEP, TOLERANCE = 1e-5, 1e-6  # of the central differences


@dataclass(frozen=True)
class LayerCase:
    """One configuration of a layer.

    Attributes:
        class_name: the name of its class in `graphkit.layers`, or the class itself.
        inputs: draws of its inputs, the batch axis first.
        expected: (inputs and weights as arrays) -> output.
        arguments: of the constructor.
        written: the class that a `.keras` file names: its own, or one of Keras'. "Functional" is the graph of its ops.
        gradient: whether it is differentiable at these inputs.
        sizes: of the model's inputs without the batch axis, None where they are free; by default those of `inputs`.
    """

    class_name: Any
    inputs: tuple[Draw, ...]
    expected: Callable[..., Array]
    arguments: dict[str, Any]
    written: str
    gradient: bool = True
    sizes: tuple[Any, ...] | None = None

    def __str__(self) -> str:
        return f"{self.cls.__name__} {self.arguments}"

    @property
    def cls(self) -> Any:
        """The class."""
        return getattr(layers, self.class_name) if isinstance(self.class_name, str) else self.class_name

    def arrays(self, dtype: str = "float32") -> list[Array]:
        """The inputs."""
        generator = np.random.Generator(np.random.Philox(3))
        return [draw(generator).astype(dtype) for draw in self.inputs]

    def model(self, dtype: str = "float32") -> Any:
        """A model of the layer alone, with a free batch axis and weights from [0.2, 1)."""
        inputs = [layers.Input(self.sizes or x.shape[1:], dtype=dtype) for x in self.arrays()]
        layer = self.cls(**self.arguments, name="own", dtype=dtype)
        model = graphkit.Model(inputs, layer(_one_or_all(inputs)))
        generator = np.random.Generator(np.random.Philox(4))
        model.set_weights([generator.uniform(0.2, 1.0, w.shape) for w in model.get_weights()])
        return model


def own(
    class_name: Any, *inputs: Draw, expected: Callable[..., Array], written: str = "", **arguments: Any
) -> LayerCase:
    """A row; keywords that are no fields of a `LayerCase` are the layer's arguments."""
    traits = {name: arguments.pop(name) for name in ("gradient", "sizes") if name in arguments}
    name = class_name if isinstance(class_name, str) else class_name.__name__
    return LayerCase(class_name, inputs, expected, arguments, written or name, **traits)


# ----- what they compute -----


def _softplus(x: Array) -> Array:
    return np.log1p(np.exp(x))


def _maxout(x: Array, kernel: Array, bias: Array) -> Array:
    return np.max(np.einsum("bi,fio->bfo", x, kernel) + bias, axis=1)


def _highway(x: Array, kernel: Array, gate_kernel: Array, bias: Array, gate_bias: Array) -> Array:
    gate = 1 / (1 + np.exp(-(x @ gate_kernel + gate_bias)))
    return gate * np.tanh(x @ kernel + bias) + (1 - gate) * x


def _srelu(x: Array, t_left: Array, a_left: Array, t_right: Array, a_right: Array) -> Array:
    right = t_left + np.abs(t_right)
    below, above = t_left + a_left * (x - t_left), right + a_right * (x - right)
    return np.where(x < t_left, below, np.where(x > right, above, x))


def _cosine(x: Array, y: Array) -> Array:
    return np.einsum("bi,bi->b", x, y)[:, None, None] / np.sqrt((x**2).sum(1) * (y**2).sum(1))[:, None, None]


def _normalized(x: Array, axis: int, gamma: Array, beta: Array, outside: float) -> Array:
    mean, variance = x.mean(axis, keepdims=True), x.var(axis, keepdims=True)
    return (x - mean) / (np.sqrt(variance + 1e-3) + outside) * gamma + beta


def _up(x: Array, *factors: int) -> Array:
    for axis, factor in enumerate(factors, 1):
        places = np.arange(x.shape[axis] * factor) / factor
        x = np.apply_along_axis(lambda line, at=places: np.interp(at, np.arange(len(line)), line), axis, x)
    return x


def _full(x: Array, kernel: Array, bias: Array) -> Array:
    rows, columns = kernel.shape[0] - 1, kernel.shape[1] - 1
    padded = np.pad(x, ((0, 0), (rows, rows), (columns, columns), (0, 0)))
    height, width = x.shape[1] + rows, x.shape[2] + columns
    parts = [
        padded[:, i : i + height, j : j + width] @ kernel[i, j] for i in range(rows + 1) for j in range(columns + 1)
    ]
    return sum(parts) + bias  # type: ignore[return-value]


def _local_1d(x: Array, kernel: Array, bias: Array) -> Array:
    patches = [x[:, 2 * place : 2 * place + 2].reshape(len(x), -1) for place in range(len(kernel))]
    return np.stack([p @ k for p, k in zip(patches, kernel, strict=True)], axis=1) + bias


def _local_2d(x: Array, kernel: Array, bias: Array) -> Array:
    places = [(i, j) for i in range(bias.shape[0]) for j in range(bias.shape[1])]
    patches = [x[:, i : i + 2, j : j + 2].reshape(len(x), -1) for i, j in places]
    made = np.stack([p @ k for p, k in zip(patches, kernel, strict=True)], axis=1)
    return made.reshape(len(x), *bias.shape) + bias


CASES = [
    own("ThresholdedReLU", real(4, 3, away=(0.5,)), theta=0.5, written="ReLU", expected=lambda x: x * (x > 0.5)),
    own("MaxoutDense", real(4, 3), units=2, nb_feature=3, expected=_maxout),
    own("Highway", real(4, 3), activation="tanh", expected=_highway),
    own("ParametricSoftplus", real(4, 3), expected=lambda x, alpha, beta: alpha * _softplus(beta * x)),
    own("SReLU", fixed([0.1, 5.0, -2.0], [-0.7, 4.0, 3.0]), expected=_srelu),
    own("CosineProximity", real(4, 3), real(4, 3), axes=1, written="Functional", expected=_cosine),
    own("ModalBatchNormalization", real(4, 3), mode=1, expected=lambda x, g, b, *_: _normalized(x, 1, g, b, 1e-3)),
    own("ModalBatchNormalization", real(4, 3), mode=2, expected=lambda x, g, b, *_: _normalized(x, 0, g, b, 0.0)),
    own("CornerUpSampling2D", real(4, 2, 3, 1), size=2, written="Functional", expected=lambda x: _up(x, 2, 2)),
    own("CornerUpSampling2D", real(4, 2, 3, 1), size=(2, 3), sizes=(None, None, 1), written="Functional",
        expected=lambda x: _up(x, 2, 3)),
    own("ResizingToSizes", real(4, 2, 3, 1), real(4, 4, 3), size=[["size", 1, 1], ["*", ["size", 1, 2], 2]], interpolation="nearest",
        written="Functional", expected=lambda x, y: x.repeat(2, 1).repeat(2, 2)),
    own("ResizingRandomCrop", real(4, 4, 4, 1), height=2, width=2, gradient=False,
        expected=lambda x: x.reshape(-1, 2, 2, 2, 2, 1).mean((2, 4))),
    own("BatchPart", real(5, 3), i=1, parts=2, expected=lambda x: x[len(x) // 2 :]),
    own("FullConv2D", real(4, 3, 4, 2), filters=2, kernel_size=(2, 3), expected=_full),
    own("LocallyConnected1D", real(4, 5, 3), filters=2, kernel_size=2, strides=2, expected=_local_1d),
    own("LocallyConnected2D", real(4, 3, 4, 2), filters=2, kernel_size=2, expected=_local_2d),
]  # fmt: skip


# ----- what is checked of each row -----


def computes_what_is_expected(case: LayerCase) -> None:
    """The engine's output is that of the row's function, and has the shape and dtype that were inferred."""
    model, arrays = case.model("float64"), case.arrays("float64")
    with call_context(training=False):  # layers of pictures train where nothing is said
        found = np.asarray(model.get_layer("own")(_one_or_all(arrays)))

    assert (str(model.output.dtype), str(found.dtype)) == ("float64", "float64")
    assert all(size in (None, known) for size, known in zip(model.output.shape, found.shape, strict=True))
    np.testing.assert_allclose(found, case.expected(*arrays, *model.get_weights()), rtol=1e-9, atol=1e-9)


def has_the_gradient_of_differences(case: LayerCase) -> None:
    """With respect to the first input and the trainable weights, in float64."""
    if not case.gradient:
        return
    layer, arrays = case.model("float64").get_layer("own"), case.arrays("float64")
    values = [graphkit.Variable(arrays[0], dtype="float64"), *layer.trainable_variables]

    def total() -> Any:
        return graphkit.ops.sum(graphkit.ops.square(layer(_one_or_all([values[0].value, *arrays[1:]]))))

    _, gradients = graphkit.value_and_grad(total, values)()
    generator = np.random.Generator(np.random.Philox(5))
    for variable, gradient in zip(values, gradients, strict=True):
        start, direction = np.array(variable.array), generator.uniform(0.5, 1.5, variable.shape)
        sides = []
        for sign in (1, -1):
            variable.assign(start + sign * STEP * direction)
            sides.append(float(total()))
        variable.assign(start)
        analytic, numeric = float(np.sum(np.asarray(gradient) * direction)), (sides[0] - sides[1]) / (2 * STEP)
        assert abs(analytic - numeric) <= TOLERANCE * max(1.0, abs(analytic)), f"{variable.name}: {analytic}, {numeric}"


def is_written_as_the_row_says(case: LayerCase) -> None:
    """A `.keras` file names the class; it warns if, and only if, that is none of Keras'; and it gives the same output."""
    model, arrays = case.model(), case.arrays()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", NotInKerasWarning)
        model.save(Path(folder) / "m.keras")
        again: Any = graphkit.load(Path(folder) / "m.keras")
    entry = _entry(json.loads(model.to_json()))
    is_ours = case.written == case.cls.__name__

    assert entry["class_name"] == case.written
    assert is_own(entry) == is_ours
    assert [str(w.message) for w in told if "Keras 3" in str(w.message)] == (
        [f"Keras 3 cannot open '{Path(folder) / 'm.keras'}': layer 'own' is a {case.written}, which Keras 3 does not have. "
         "graphkit can."] if is_ours else []
    )  # fmt: skip
    np.testing.assert_allclose(np.asarray(again(arrays)), np.asarray(model(arrays)), rtol=1e-6, atol=1e-6)


def is_found_under_its_earlier_name(case: LayerCase) -> None:
    """Files of earlier versions name it as a layer of Keras'."""
    layer = case.model().get_layer("own")
    config = {"module": f"{OWN}.layers", "class_name": case.cls.__name__, "config": layer.get_config()}
    for named in (config, {**config, "module": "keras.layers"}):
        made = deserialize(json.loads(json.dumps(named)))
        assert type(made) is case.cls
        assert made.get_config() == layer.get_config()


def is_exported(case: LayerCase) -> None:
    """onnxruntime gives the engine's output, at this batch size and at another."""
    model = case.model()
    with tempfile.TemporaryDirectory() as folder:
        model.export(Path(folder) / "m.onnx")
        predictor = graphkit.runtime.Predictor(Path(folder) / "m.onnx")
        for arrays in (case.arrays(), [x[:3] for x in case.arrays()]):
            found = nest.flatten(predictor(arrays))[0]
            np.testing.assert_allclose(found, np.asarray(model(arrays)), rtol=1e-4, atol=1e-4)


CHECKS = (
    computes_what_is_expected,
    has_the_gradient_of_differences,
    is_written_as_the_row_says,
    is_found_under_its_earlier_name,
    is_exported,
)


def _one_or_all(tensors: list[Any]) -> Any:
    return tensors if len(tensors) > 1 else tensors[0]


def _entry(config: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next(layer for layer in config["config"]["layers"] if layer["config"]["name"] == "own")
    return found
