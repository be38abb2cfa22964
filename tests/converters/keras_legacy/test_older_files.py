"""Files of Keras 1, Keras 2 and tf.keras compute their original outputs. See fixtures/make_legacy_goldens.py."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit.errors import SerializationError, UnknownClassError, UnsafeCodeError

FOLDER = Path(__file__).resolve().parents[3] / "fixtures" / "legacy"
CASES = sorted(p.stem for p in FOLDER.glob("*.npz"))
pytestmark = pytest.mark.filterwarnings("ignore:Layer .* .Embedding.. dropout=")  # which Keras 1 had


def unpacked(name: str, folder: Path) -> Path:
    """Return the file of a case."""
    target = folder / name
    target.write_bytes(gzip.decompress((FOLDER / f"{name}.gz").read_bytes()))
    return target


def opened(case: str, folder: Path) -> Any:
    """Return the model of a case."""
    if (FOLDER / f"{case}.json").exists():
        model: Any = graphkit.models.model_from_json((FOLDER / f"{case}.json").read_text())
        model.load_weights(unpacked(f"{case}.weights.h5", folder))
        return model
    packed = next(p for p in FOLDER.glob(f"{case}.*.gz"))
    return graphkit.load(unpacked(packed.name.removesuffix(".gz"), folder))


def arrays(case: str, prefix: str) -> list[Any]:
    with np.load(FOLDER / f"{case}.npz") as stored:
        return [stored[k] for k in sorted(stored.files) if k.startswith(prefix)]


def answers(model: Any, inputs: list[Any]) -> list[Any]:
    made = model(inputs if len(inputs) > 1 else inputs[0])
    return list(made) if isinstance(made, (list, tuple)) else [made]


@pytest.mark.parametrize("case", CASES)
def test_an_older_file_gives_its_outputs(case: str, tmp_path: Path) -> None:
    model = opened(case, tmp_path)
    inputs, outputs = arrays(case, "in_"), arrays(case, "out_")
    if case == "tf_optimizer_state":
        inputs, outputs = inputs[:1], outputs[:1]

    for got, wanted in zip(answers(model, inputs), outputs, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=2e-5, atol=2e-5)


@pytest.mark.filterwarnings("ignore::graphkit.saving.keras3_differences.NotInKerasWarning")
@pytest.mark.parametrize("case", [c for c in CASES if c != "tf_optimizer_state"])
def test_an_older_file_can_be_saved_as_a_new_one(case: str, tmp_path: Path) -> None:
    opened(case, tmp_path).save(tmp_path / "new.keras")

    for got, wanted in zip(
        answers(graphkit.load(tmp_path / "new.keras"), arrays(case, "in_")), arrays(case, "out_"), strict=True
    ):
        np.testing.assert_allclose(got, wanted, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("case", [c for c in CASES if c.startswith(("k1", "k2"))])
def test_a_file_of_old_keras_gives_its_outputs_on_onnxruntime(case: str, tmp_path: Path) -> None:
    model, inputs = opened(case, tmp_path), arrays(case, "in_")

    made = model.predict(inputs if len(inputs) > 1 else inputs[0], batch_size=len(inputs[0]), verbose=0)

    for got, wanted in zip(made if isinstance(made, list) else [made], arrays(case, "out_"), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=2e-5, atol=2e-5)


# ----- configs -----


def sequential(*layers: dict[str, Any], version: str | None = "1.2.2") -> str:
    return json.dumps(
        {"class_name": "Sequential", "config": list(layers), **({"keras_version": version} if version else {})}
    )


def layer(class_name: str, name: str, **config: Any) -> dict[str, Any]:
    return {"class_name": class_name, "config": {"name": name, "trainable": True, **config}}


def first(**more: Any) -> dict[str, Any]:
    return {"batch_input_shape": [None, 4], "input_dtype": "float32", **more}


def test_regularizers_and_constraints_of_keras_1_keep_their_numbers() -> None:
    text = sequential(
        layer(
            "Dense",
            "d",
            **first(output_dim=3, init="normal", W_regularizer={"name": "WeightRegularizer", "l1": 0.0, "l2": 0.125}),
            W_constraint={"name": "MaxNorm", "m": 2.0, "axis": 0},
            b_constraint={"name": "MinMaxNorm", "low": 0.25, "high": 0.75, "rate": 1.0, "axis": 0},
        )
    )

    dense = graphkit.models.model_from_json(text).layers[0]

    assert dense.kernel_regularizer.get_config() == {"l1": 0.0, "l2": 0.125}
    assert dense.kernel_constraint.get_config()["max_value"] == 2.0
    assert (dense.bias_constraint.get_config()["min_value"], dense.bias_constraint.get_config()["max_value"]) == (
        0.25,
        0.75,
    )


@pytest.mark.parametrize(
    "initializer", ["<lambda>", "uniform", "normal", "zero", "one", "he_normal", "orthogonal", "glorot_normal"]
)
def test_initializers_of_keras_1_are_known(initializer: str) -> None:
    model: Any = graphkit.models.model_from_json(
        sequential(layer("Dense", "d", **first(output_dim=3, init=initializer)))
    )

    assert model.count_params() == 15


def test_a_file_that_says_no_version_and_no_data_format_takes_that_of_its_neighbours() -> None:
    conv = {"nb_row": 3, "nb_col": 3, "border_mode": "same", "subsample": [1, 1]}
    text = sequential(
        layer("UpSampling2D", "up", size=[2, 2], batch_input_shape=[None, 2, 5, 6]),
        layer("Convolution2D", "c", nb_filter=3, dim_ordering="th", **conv),
        layer("Cropping2D", "crop", cropping=[[1, 1], [0, 0]]),
        version=None,
    )

    assert graphkit.models.model_from_json(text).output_shape == (None, 3, 8, 12)


@pytest.mark.parametrize("padding", [[1, 2, 3, 4], {"top_pad": 1, "bottom_pad": 2, "left_pad": 3, "right_pad": 4}])
def test_four_margins_of_zero_padding(padding: Any) -> None:
    model: Any = graphkit.models.model_from_json(
        sequential(layer("ZeroPadding2D", "z", padding=padding, dim_ordering="tf", batch_input_shape=[None, 2, 2, 1]))
    )

    assert model.output_shape == (None, 5, 9, 1)


def test_an_atrous_convolution_is_a_dilated_one() -> None:
    config = {
        "nb_filter": 2,
        "nb_row": 3,
        "nb_col": 3,
        "atrous_rate": [2, 2],
        "dim_ordering": "tf",
        "batch_input_shape": [None, 9, 9, 1],
    }

    assert graphkit.models.model_from_json(sequential(layer("AtrousConvolution2D", "a", **config))).output_shape == (
        None,
        5,
        5,
        2,
    )


def test_an_unknown_key_is_left_out_with_a_warning() -> None:
    with pytest.warns(UserWarning, match=r"Layer 'd' \(Dense\): frobnicate=7"):
        graphkit.models.model_from_json(sequential(layer("Dense", "d", **first(output_dim=3, frobnicate=7))))


def test_an_unknown_class_is_named_with_its_layer() -> None:
    with pytest.raises(UnknownClassError, match=r"'odd'.*'Capsule'"):
        graphkit.models.model_from_json(
            sequential(layer("Dense", "d", **first(output_dim=3)), layer("Capsule", "odd", units=3), version="2.1.6")
        )


@pytest.mark.parametrize("function", [["4wEAAA==", None, None], "\u00e3\u0001", "4wEAAA=="])
def test_code_of_a_lambda_is_never_run(function: Any) -> None:
    text = sequential(layer("Lambda", "odd", function=function, function_type="lambda", arguments={}, **first()))

    with pytest.raises(UnsafeCodeError, match=r"Lambda layer 'odd'.*custom_objects=\{'odd': function\}"):
        graphkit.models.model_from_json(text)
    model: Any = graphkit.models.model_from_json(text, custom_objects={"odd": lambda x: 3 * x})
    np.testing.assert_array_equal(model(np.ones((1, 4), "float32")), np.full((1, 4), 3.0))


def test_a_merge_by_a_function_asks_for_it() -> None:
    merge = layer("Merge", "m", mode="4wEAAA==", mode_type="lambda", layers=[
        {"class_name": "Sequential", "config": [layer("Dense", n, **first(output_dim=2))]} for n in ("a", "b")
    ])  # fmt: skip

    with pytest.raises(UnsafeCodeError, match="Lambda layer 'm'"):
        graphkit.models.model_from_json(sequential(merge))


WRAPS = {
    "as it is": lambda c: c,
    "a string": lambda c: json.dumps(c),
    "a string twice": lambda c: json.dumps(json.dumps(c)),
    "under a key": lambda c: {"keras_model": c, "classes": ["a", "b"], "mean": 0.5},
    "a string under a key": lambda c: {"model": json.dumps(c), "when": "2017"},
    "get_config of a Sequential": lambda c: c["config"],
    "with what compile was given": lambda c: {
        **c,
        "loss": "mse",
        "optimizer": {"name": "SGD", "lr": 0.01},
        "loss_weights": None,
    },
}


@pytest.mark.parametrize("wrap", WRAPS)
def test_a_config_is_found_in_what_it_was_put_into(wrap: str) -> None:
    config = json.loads(sequential(layer("Dense", "d", **first(output_dim=3)), version="1.0.4"))

    assert graphkit.models.model_from_json(json.dumps(WRAPS[wrap](config))).output_shape == (None, 3)


@pytest.mark.parametrize("wrapped", [{"a": 1}, [], {"a": {"b": {"c": 1}}}, [1, 2], {"x": '{"class_name": 3}'}])
def test_what_holds_no_config_is_said_to(wrapped: Any) -> None:
    with pytest.raises(SerializationError, match="is not the config of a model"):
        graphkit.models.model_from_json(json.dumps(wrapped))


def test_a_config_that_asks_for_terabytes_is_refused_before_they_are_made() -> None:
    text = sequential(
        layer("Dense", "d", **first(output_dim=2_000_000_000)), layer("Dense", "e", output_dim=2_000_000_000)
    )

    with pytest.raises(
        SerializationError, match=r"weight 'd/kernel' of shape \(4, 2000000000\) \(32,000,000,000 bytes\)"
    ):
        graphkit.models.model_from_json(text)


TENSORFLOW = [
    (
        "TFOpLambda",
        {"function": "edit_distance"},
        ["d", 0, 0, {}],
        r"'op' \(TFOpLambda\) is TensorFlow's function tf.edit_distance",
    ),
    (
        "TFOpLambda",
        {"function": "math.reduce_sum"},
        ["d", 0, 0, {"odd": 3}],
        "the argument odd=3 of tf.math.reduce_sum is not supported",
    ),
    (
        "TensorFlowOpLayer",
        {"node_def": {"op": "Frob"}, "constants": {}},
        [["d", 0, 0, {}]],
        "is TensorFlow's op 'Frob'",
    ),
    ("TensorFlowOpLayer", {"node_def": "{", "constants": {}}, [["d", 0, 0, {}]], "its node_def is not JSON"),
]


def with_operation(class_name: str, config: dict[str, Any], call: Any) -> str:
    graph = {
        "name": "net",
        "layers": [
            {
                "class_name": "InputLayer",
                "name": "x",
                "config": {"name": "x", "batch_input_shape": [None, 3], "dtype": "float32"},
                "inbound_nodes": [],
            },
            {**layer("Activation", "d", activation="linear"), "name": "d", "inbound_nodes": [[["x", 0, 0, {}]]]},
            {
                "class_name": class_name,
                "name": "op",
                "config": {"name": "op", "trainable": True, "dtype": "float32", **config},
                "inbound_nodes": [call],
            },
        ],
        "input_layers": [["x", 0, 0]],
        "output_layers": [["op", 0, 0]],
    }
    return json.dumps({"class_name": "Functional", "config": graph, "keras_version": "2.4.0"})


@pytest.mark.parametrize(("class_name", "config", "call", "message"), TENSORFLOW)
def test_an_op_of_tensorflow_that_is_not_known_is_named(
    class_name: str, config: dict[str, Any], call: Any, message: str
) -> None:
    with pytest.raises(SerializationError, match=message):
        graphkit.models.model_from_json(with_operation(class_name, config, call))


STRIDED = {"begin_mask": {"i": "1"}, "end_mask": {"i": "3"}, "shrink_axis_mask": {"i": "0"}}
NODES: list[tuple[Any, dict[str, Any], Any]] = [
    ({"op": "AddV2", "name": "op"}, {"1": 2.0}, lambda x: x + 2),
    ({"op": "Sub", "name": "op"}, {"0": 1.0}, lambda x: 1 - x),
    ({"op": "Mean", "name": "op", "attr": {"keep_dims": {"b": True}}}, {"1": -1}, lambda x: x.mean(-1, keepdims=True)),
    ({"op": "Squeeze", "name": "op", "attr": {"squeeze_dims": {"list": {"i": ["1"]}}}}, {}, None),
    (
        {"op": "StridedSlice", "name": "op", "attr": STRIDED},
        {"1": [0, 1], "2": [0, 0], "3": [1, 1]},
        lambda x: x[:, 1:],
    ),
    ({"op": "Cast", "name": "op", "attr": {"DstT": {"type": "DT_INT32"}}}, {}, lambda x: x.astype("int32")),
    ({"op": "Reshape", "name": "op"}, {"1": [-1, 1, 3]}, lambda x: x.reshape(-1, 1, 3)),
    (json.dumps({"op": "Relu", "name": "op"}), {}, lambda x: np.maximum(x, 0)),
]


@pytest.mark.parametrize(("node", "constants", "wanted"), [n for n in NODES if n[2]])
def test_node_defs_become_ops(node: Any, constants: dict[str, Any], wanted: Any) -> None:
    text = with_operation("TensorFlowOpLayer", {"node_def": node, "constants": constants}, [["d", 0, 0, {}]])
    x = np.array([[1.5, -2.0, 3.0], [-0.5, 4.0, 0.0]], "float32")

    np.testing.assert_allclose(graphkit.models.model_from_json(text)(x), wanted(x))


# ----- input shapes that the file lacks -----


def without_shape(folder: Path, first: Any, *rest: Any) -> tuple[Path, Any]:
    """Write a Keras 2 file of a Sequential without its input shape; return it and the model."""
    import h5py

    model = graphkit.models.Sequential([first, *rest])
    config = model.get_config()
    config.pop("build_input_shape")
    config["layers"] = [
        {"class_name": e["class_name"], "config": e["config"]}
        for e in config["layers"]
        if e["class_name"] != "InputLayer"
    ]
    model.save(folder / "m.h5")
    with h5py.File(folder / "m.h5", "r+") as file:
        file.attrs["keras_version"] = "2.2.4"
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": config})
    return folder / "m.h5", model


L = graphkit.layers
SHAPELESS = [
    ((5,), lambda: [L.Activation("tanh"), L.Dense(3), L.Dense(2)]),
    ((4, 3), lambda: [L.LSTM(2, return_sequences=True), L.LSTM(3)]),
    ((4, 3), lambda: [L.Bidirectional(L.SimpleRNN(2)), L.Dense(3)]),
    ((8, 8, 3), lambda: [L.Conv2D(2, 3), L.GlobalAveragePooling2D(), L.Dense(2)]),
]


@pytest.mark.parametrize(("shape", "stack"), SHAPELESS)
def test_an_input_shape_is_told_by_the_first_weights(shape: tuple[int, ...], stack: Any, tmp_path: Path) -> None:
    path, model = without_shape(tmp_path, L.Input(shape), *stack())
    x = np.random.default_rng(0).normal(size=(2, *shape)).astype("float32")

    np.testing.assert_allclose(graphkit.load(path)(x), model(x), rtol=1e-5, atol=1e-6)


def test_an_input_shape_that_nothing_tells_is_asked_for(tmp_path: Path) -> None:
    path, _ = without_shape(tmp_path, L.Input((4, 4, 1)), L.Flatten(), L.Dense(2))

    with pytest.raises(SerializationError, match=r"does not give the input shape.*Input\(shape\)"):
        graphkit.load(path)


# ----- YAML -----

YAML = """\
backend: tensorflow
class_name: Sequential
config:
- class_name: Dense
  config:
    activation: relu
    batch_input_shape: &id001 !!python/tuple [null, 4]
    bias: true
    name: d
    output_dim: 3
    W_regularizer: {l1: 0.0, l2: 0.5, name: WeightRegularizer}
- class_name: Reshape
  config:
    name: r
    target_shape: !!python/tuple
    - 1
    - 3
    trainable: true
  note: *id001
keras_version: 1.2.2
"""


def test_a_yaml_config_is_read_as_plain_data(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(YAML)

    for model in (graphkit.load(tmp_path / "m.yaml"), graphkit.models.model_from_json(YAML)):
        assert model.output_shape == (None, 1, 3)
        assert model.layers[0].kernel_regularizer.get_config() == {"l1": 0.0, "l2": 0.5}


@pytest.mark.parametrize(
    "tag", ["!!python/object/apply:os.system", "!!python/name:os.system", "!!python/object:x.Y", "!odd"]
)
def test_tags_that_run_code_are_refused(tag: str) -> None:
    with pytest.raises(UnsafeCodeError, match="tags can run code"):
        graphkit.models.model_from_json(f"backend: tensorflow\nclass_name: {tag} [ls]\nconfig: []\n")
