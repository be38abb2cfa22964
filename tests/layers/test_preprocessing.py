"""Preprocessing layers: values from real Keras (golden file), identity at inference, masks and boxes, files, ONNX, errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from graphkit import layers, models, ops
from graphkit.core.serialization import deserialize, serialize
from graphkit.errors import (
    InvalidArgumentError,
    InvalidTypeError,
    NotBuiltError,
    SerializationError,
    ShapeError,
)

GOLDEN = json.loads((Path(__file__).resolve().parent.parent.parent / "fixtures" / "preprocessing.json").read_text())
IMAGES = np.array(GOLDEN["images"], np.float32)
CORPUS = np.array(["the cat sat on the mat", "the dog sat", "a cat, and a dog!", "THE END."], object)
TEXTS = ("StringLookup", "TextVectorization", "Hashing")


def _row_id(row: dict[str, Any]) -> str:
    return f"{row['layer']}-{json.dumps(row['config'])}"[:90]


def _array(row: dict[str, Any], values: Any) -> Any:
    array = np.array(values)
    kinds = {"U": object, "i": np.int64, "f": np.float32}
    return array.astype(kinds[array.dtype.kind])


@pytest.mark.parametrize("row", GOLDEN["plain"], ids=_row_id)
def test_outputs_are_those_of_keras(row: dict[str, Any]) -> None:
    layer = getattr(layers, row["layer"])(**row["config"])
    if row["adapted"] is not None:
        layer.adapt(_array(row, row["adapted"]))
    made = np.asarray(layer(_array(row, row["inputs"])))
    assert made.shape == tuple(row["shape"])
    assert made.dtype.kind == np.dtype(row["dtype"]).kind
    np.testing.assert_allclose(made.ravel(), row["outputs"], rtol=1e-3, atol=2e-3)


AUGMENTATION: dict[str, dict[str, Any]] = {
    "RandomFlip": {}, "RandomCrop": {"height": 4, "width": 5}, "RandomRotation": {"factor": 0.2}, "RandomZoom": {"height_factor": 0.3},
    "RandomTranslation": {"height_factor": 0.2, "width_factor": 0.3}, "RandomShear": {"x_factor": 0.3, "y_factor": 0.2},
    "RandomPerspective": {}, "RandomElasticTransform": {}, "RandomBrightness": {"factor": 0.3}, "RandomContrast": {"factor": 0.4},
    "RandomColorDegeneration": {"factor": (0.2, 0.8)}, "RandomSaturation": {"factor": (0.6, 0.9)}, "RandomHue": {"factor": (0.2, 0.5)},
    "RandomInvert": {"factor": (1.0, 1.0)}, "RandomGrayscale": {"factor": 1.0}, "RandomPosterization": {"factor": (2, 4)},
    "RandomSharpness": {"factor": (0.6, 0.9)}, "RandomGaussianBlur": {"factor": (1.0, 1.0)},
    "Solarization": {"addition_factor": 0.3, "threshold_factor": 0.3}, "RandomErasing": {"factor": (1.0, 1.0)}, "MixUp": {"alpha": 5.0},
    "CutMix": {"factor": (1.0, 1.0)}, "Equalization": {}, "RandAugment": {}, "AugMix": {},
    "RandomColorJitter": {"brightness_factor": 0.2, "contrast_factor": 0.2, "saturation_factor": 0.2, "hue_factor": 0.2},
}  # fmt: skip
augmentation = pytest.mark.parametrize("name", AUGMENTATION)


def _made(name: str, seed: int = 3, **more: Any) -> Any:
    seeded = {} if name == "Equalization" else {"seed": seed}
    return getattr(layers, name)(**AUGMENTATION[name], **seeded, **more)


def _trained(name: str, seed: int) -> Any:
    made = np.asarray(_made(name, seed)(IMAGES, training=True))
    assert np.isfinite(made).all()
    return made


def _differs(made: Any) -> bool:
    return made.shape != IMAGES.shape or not np.allclose(made, IMAGES)


@augmentation
def test_augmentation_changes_images_only_while_training(name: str) -> None:
    np.testing.assert_array_equal(_made(name)(IMAGES, training=False), IMAGES)
    assert any(_differs(_trained(name, seed)) for seed in range(8))  # a seed may leave both images unchanged


@augmentation
def test_the_same_seed_draws_the_same(name: str) -> None:
    np.testing.assert_array_equal(_made(name)(IMAGES, training=True), _made(name)(IMAGES, training=True))


@augmentation
def test_one_image_and_channels_first(name: str) -> None:
    one = np.asarray(_made(name)(IMAGES[0], training=True))
    first = np.asarray(
        _made(name, data_format="channels_first")(np.ascontiguousarray(IMAGES.transpose(0, 3, 1, 2)), training=True)
    )
    assert (one.ndim, first.shape[1]) == (3, 3)


@augmentation
def test_augmentation_survives_its_config(name: str) -> None:
    layer = _made(name)
    again = deserialize(serialize(layer))
    assert again.get_config() == layer.get_config()


def test_a_model_predicts_without_augmentation() -> None:
    model = models.Sequential(
        [layers.Input((6, 7, 3)), layers.RandomFlip(), layers.RandomRotation(0.2), layers.Rescaling(0.5)]
    )
    np.testing.assert_allclose(model.predict(IMAGES, verbose=0), IMAGES / 2)
    np.testing.assert_allclose(model(IMAGES), IMAGES / 2)
    assert not np.allclose(model(IMAGES, training=True), IMAGES / 2)


# ----- what belongs to images -----

BOXES = np.array([[[1, 1, 4, 5], [2, 3, 6, 6]], [[0, 0, 7, 6], [5, 1, 6, 3]]], np.float32)


def test_boxes_masks_and_labels_follow_a_flip() -> None:
    layer = layers.RandomFlip("horizontal", bounding_box_format="xyxy")
    layer.draw = lambda images, seed: {"flips": np.ones((2, 1, 1, 1), bool), "input_shape": images.shape}
    data = {
        "images": IMAGES,
        "segmentation_masks": IMAGES[..., :1],
        "bounding_boxes": {"boxes": BOXES, "labels": np.ones((2, 2))},
    }
    made = layer({**data, "labels": np.eye(2, dtype=np.float32)}, training=True)
    np.testing.assert_allclose(made["images"], IMAGES[:, :, ::-1])
    np.testing.assert_allclose(made["segmentation_masks"], IMAGES[:, :, ::-1, :1])
    np.testing.assert_allclose(made["bounding_boxes"]["boxes"][0, 0], [3, 1, 6, 5])
    np.testing.assert_allclose(made["labels"], np.eye(2))


def test_a_box_that_leaves_the_image_loses_its_label() -> None:
    made = layers.CenterCrop(2, 2, bounding_box_format="xyxy")(
        {"images": IMAGES, "bounding_boxes": {"boxes": BOXES, "labels": np.ones((2, 2))}}
    )
    np.testing.assert_allclose(made["bounding_boxes"]["labels"], [[1, 1], [1, -1]])


def test_resizing_keeps_the_dtype_of_integers() -> None:
    made = layers.Resizing(3, 3)(IMAGES.astype(np.uint8))
    assert made.dtype == np.uint8


def test_labels_are_mixed_with_the_images() -> None:
    made = layers.MixUp(alpha=3.0, seed=1)({"images": IMAGES, "labels": np.eye(2, dtype=np.float32)}, training=True)
    np.testing.assert_allclose(np.sum(made["labels"], axis=1), 1, rtol=1e-5)


def test_a_number_of_boxes() -> None:
    layer = layers.MaxNumBoundingBoxes(3, bounding_box_format="xyxy")
    made = layer({"images": IMAGES, "bounding_boxes": {"boxes": BOXES, "labels": np.ones((2, 2), np.float32)}})[
        "bounding_boxes"
    ]
    assert made["boxes"].shape == (2, 3, 4)
    np.testing.assert_allclose(made["labels"], [[1, 1, -1]] * 2)


# ----- vocabularies in files and in ONNX -----


def _text_model(**config: Any) -> Any:
    layer = layers.TextVectorization(**config)
    layer.adapt(CORPUS)
    texts = layers.Input((1,), dtype="string")
    return models.Model(texts, layer(texts))


@pytest.mark.parametrize(
    "config",
    [
        {"output_sequence_length": 4},
        {"output_sequence_length": 9, "standardize": "lower"},
        {"output_mode": "tf_idf"},
        {"output_mode": "multi_hot", "standardize": None},
        {"output_mode": "count", "split": None},
        {},
        {"ngrams": 2, "output_mode": "count"},
        {"ngrams": 3, "output_sequence_length": 5},
        {"ngrams": (3, 1)},
        {"ngrams": (2,), "split": "character"},
        {"split": "character", "output_sequence_length": 3},
        {"split": "character", "ngrams": 2},
        {"split": None},
    ],
)
def test_texts_in_onnx_and_files(config: dict[str, Any], tmp_path: Path) -> None:
    model, texts = _text_model(**config), CORPUS[:, None]
    wanted = np.asarray(model(texts))
    model.save(tmp_path / "m.keras")
    np.testing.assert_allclose(models.load_model(tmp_path / "m.keras")(texts), wanted)
    model.export(str(tmp_path / "m.onnx"))
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"), providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(session.run(None, {session.get_inputs()[0].name: texts})[0], wanted, rtol=1e-6)


@pytest.mark.parametrize("config", [{}, {"salt": 7}, {"salt": [1, 2], "output_mode": "multi_hot"}, {"mask_value": ""}])
def test_strings_are_hashed_in_onnx_too(config: dict[str, Any], tmp_path: Path) -> None:
    words = layers.Input((None,), dtype="string")
    model = models.Model(words, layers.Hashing(50, **config)(words))
    model.export(tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"), providers=["CPUExecutionProvider"])

    for batch in (["", "cat", "the dog"], ["日本語", "x" * 200], [""]):
        texts = np.asarray([batch, batch[::-1]], object)
        np.testing.assert_array_equal(session.run(None, {session.get_inputs()[0].name: texts})[0], model(texts))


def test_a_character_that_the_onnx_graph_does_not_know_stops_the_run(tmp_path: Path) -> None:
    words = layers.Input((1,), dtype="string")
    models.Model(words, layers.Hashing(50)(words)).export(tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"), providers=["CPUExecutionProvider"])

    with pytest.raises(onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument, match="out of data bounds"):
        session.run(None, {session.get_inputs()[0].name: np.asarray([["\U00020000"]], object)})


def test_integers_are_crossed_in_onnx_too(tmp_path: Path) -> None:
    one, two = layers.Input((1,), dtype="int64"), layers.Input((1,), dtype="int64")
    model = models.Model([one, two], layers.HashedCrossing(1009)([one, two]))
    feeds = [np.array([[2], [0], [-3]]), np.array([[1], [2], [9]])]
    model.export(str(tmp_path / "m.onnx"))
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"), providers=["CPUExecutionProvider"])
    found = session.run(None, dict(zip([i.name for i in session.get_inputs()], feeds, strict=True)))[0]
    np.testing.assert_array_equal(found, model(feeds))


def test_a_learned_vocabulary_is_kept_beside_the_weights(tmp_path: Path) -> None:
    layer = layers.StringLookup()
    layer.adapt(np.array([["b", "a"], ["a", "c"]], object))
    words = layers.Input((2,), dtype="string")
    models.Model(words, layer(words)).save(tmp_path / "m.keras")
    again = models.load_model(tmp_path / "m.keras")
    assert again.layers[-1].get_vocabulary() == ["[UNK]", "a", "c", "b"]


# ----- pipelines -----


def test_a_pipeline_is_its_layers() -> None:
    pipeline = layers.Pipeline([layers.Rescaling(0.5), layers.RandomInvert(value_range=(0, 100))])
    np.testing.assert_allclose(pipeline(IMAGES, training=False), IMAGES / 2)
    again = deserialize(serialize(pipeline))
    np.testing.assert_allclose(again(IMAGES, training=False), IMAGES / 2)


# ----- errors -----


@pytest.mark.parametrize(
    ("name", "config", "message"),
    [
        ("Normalization", {"mean": 1.0}, "both `mean` and `variance` must be set"),
        ("Discretization", {}, "needs either `bin_boundaries` or a `num_bins`"),
        ("CategoryEncoding", {"num_tokens": 0}, "must be set to an integer >= 1"),
        ("CategoryEncoding", {"num_tokens": 3, "sparse": True}, "graphkit has only dense tensors"),
        ("StringLookup", {"output_mode": "many"}, "Unknown value for argument `output_mode`"),
        ("StringLookup", {"vocabulary": ["a", "a"]}, "at least one repeated term"),
        ("StringLookup", {"vocabulary": ["a", "b"], "max_tokens": 2}, "larger than the maximum vocab size"),
        ("IntegerLookup", {"max_tokens": 1}, "`max_tokens` must be greater than 1"),
        ("TextVectorization", {"standardize": "upper"}, "must be one of .* or a function"),
        ("TextVectorization", {"ragged": True}, "graphkit has only dense tensors"),
        ("Hashing", {"num_bins": 0}, "cannot be `None` or non-positive"),
        ("Hashing", {"num_bins": 3, "salt": "x"}, "can only be two integers or one"),
        ("RandomFlip", {"mode": "sideways"}, "`mode` must be 'horizontal'"),
        ("RandomRotation", {"factor": 3}, "`factor` argument of layer .* in the range"),
        ("RandomBrightness", {"factor": 0.1, "value_range": 3}, "should be a list of two numbers"),
        ("RandomGaussianBlur", {"kernel_size": 4}, "must be an odd integer"),
        ("RandomPerspective", {"scale": 2.0}, "`scale` argument of layer"),
        ("RandomGrayscale", {"factor": 2}, "should be between 0 and 1"),
        ("Resizing", {"height": 2, "width": 2, "interpolation": "area"}, "`interpolation` must be one of"),
        ("CenterCrop", {"height": 2, "width": 2, "bounding_box_format": "x"}, "`bounding_box_format` must be one of"),
        ("STFTSpectrogram", {"mode": "x"}, "invalid value for `mode`"),
        ("STFTSpectrogram", {"window": "x"}, "`window`='x' of layer"),
        (
            "MelSpectrogram",
            {"fft_length": 8, "sequence_length": 9},
            "must be greater than or equal to `sequence_length`",
        ),
    ],
)
def test_wrong_arguments(name: str, config: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        getattr(layers, name)(**config)


@pytest.mark.parametrize("name", ["TorchModuleWrapper", "JaxLayer", "FlaxLayer", "TFSMLayer"])
def test_layers_of_other_frameworks_say_why_not(name: str) -> None:
    with pytest.raises(InvalidTypeError, match=f"{name} wraps .* which graphkit does not run"):
        getattr(layers, name)()


def test_a_lookup_needs_a_vocabulary() -> None:
    with pytest.raises(NotBuiltError, match="has no vocabulary yet"):
        layers.StringLookup()(np.array(["a"], object))


def test_a_given_vocabulary_is_not_learned_again() -> None:
    with pytest.raises(InvalidArgumentError, match="after setting a static vocabulary"):
        layers.StringLookup(vocabulary=["a"]).adapt(np.array(["b"], object))


def test_boxes_need_a_format() -> None:
    with pytest.raises(InvalidArgumentError, match="you didn't specify a bounding box format"):
        layers.CenterCrop(2, 2)({"images": IMAGES, "bounding_boxes": {"boxes": BOXES}})


def test_images_have_three_or_four_axes() -> None:
    with pytest.raises(ShapeError, match=r"rank 3 .* or 4"):
        layers.RandomFlip()(IMAGES[0, 0], training=True)


def test_the_longest_text_of_a_batch_decides_on_the_length() -> None:
    texts = layers.Input((), dtype="string")
    tokens = layers.TextVectorization(vocabulary=["the", "cat"])(texts)
    model = models.Model(texts, layers.GlobalAveragePooling1D()(layers.Embedding(4, 2)(tokens)))
    counted = models.Model(texts, tokens)

    assert counted.output_shape == (None, None)
    for batch in (["the cat", "a"], ["the cat the cat the", "the", "b"]):
        array = np.asarray(batch, object)
        np.testing.assert_array_equal(counted(array), counted.predict(array, verbose=0))
        np.testing.assert_allclose(model(array), model.predict(array, verbose=0), rtol=1e-6)
    np.testing.assert_array_equal(counted(np.asarray(["the cat", "a"], object)), [[2, 3], [1, 0]])


def test_training_on_texts_of_any_length_runs_eagerly() -> None:
    texts = layers.Input((), dtype="string")
    tokens = layers.TextVectorization(vocabulary=["the", "cat"])(texts)
    model = models.Model(texts, layers.Dense(1)(layers.GlobalAveragePooling1D()(layers.Embedding(4, 2)(tokens))))
    model.compile("sgd", "mse")
    with pytest.warns(UserWarning, match="output_sequence_length"):
        history = model.fit(np.asarray(["the cat", "a"], object), np.zeros((2, 1)), verbose=0)

    assert np.isfinite(history.history["loss"]).all()


def test_a_pipeline_needs_layers() -> None:
    with pytest.raises(SerializationError, match="must contain a `layers` key"):
        layers.Pipeline.from_config({"name": "p"})


def test_a_reversible_embedding_leads_back() -> None:
    layer = layers.ReversibleEmbedding(5, 3, logit_soft_cap=2.0)
    rows = layer(np.array([[1, 2]]))
    table = np.asarray(layer.embeddings)
    wanted = 2 * np.tanh(np.asarray(rows) @ table.T / 2)
    np.testing.assert_allclose(layer(rows, reverse=True), wanted, rtol=1e-5)
    assert layers.ReversibleEmbedding(5, 3, tie_weights=False, mask_zero=True)(ops.ones((1, 2), "int32")).shape == (
        1,
        2,
        3,
    )
