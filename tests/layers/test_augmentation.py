"""Image layers by Keras' protocol: given transformations, annotations of images, own subclasses; `keras.utils.bounding_boxes`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import layers, ops
from graphkit.core import nest
from graphkit.errors import InvalidArgumentError, ShapeError, UnsupportedError
from tests.layers import augmentation_cases as cases

ANSWERS = np.load(Path(__file__).resolve().parent.parent.parent / "fixtures" / "augmentation.npz")


def _answers(prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): ANSWERS[name] for name in ANSWERS.files if name.startswith(prefix)}


def _compare(made: dict[str, Any], prefix: str) -> None:
    wanted = _answers(prefix)
    assert set(made) == set(wanted)
    for name, value in wanted.items():
        found = np.asarray(made[name])
        assert (found.shape, found.dtype) == (value.shape, value.dtype), name
        np.testing.assert_allclose(found.astype("float64"), value.astype("float64"), rtol=1e-4, atol=2e-2, err_msg=name)


@pytest.mark.parametrize("number", range(len(cases.CASES)), ids=lambda n: f"{n}-{cases.CASES[n].name}")
def test_a_given_transformation_has_the_results_of_keras(number: int) -> None:
    case = cases.CASES[number]
    made = cases.results(layers, case, ops.convert_to_tensor, nest.map_structure)

    _compare(made, f"{number} ")


def test_bounding_boxes_are_those_of_keras() -> None:
    made = cases.box_results(graphkit.utils.bounding_boxes, ops.convert_to_tensor)

    _compare({name: np.asarray(value) for name, value in made.items()}, "utils ")


_NO_CHANNELS_FIRST = (
    "AutoContrast",
    "MaxNumBoundingBoxes",
    "MixUp",
    "CutMix",
    "RandomErasing",
)  # or the same for both formats


@pytest.mark.parametrize("number", range(len(cases.CASES)), ids=lambda n: f"{n}-{cases.CASES[n].name}")
def test_channels_first_gives_the_same(number: int) -> None:
    case = cases.CASES[number]
    if case.name in _NO_CHANNELS_FIRST:
        return
    first = np.ascontiguousarray(cases.IMAGES.transpose(0, 3, 1, 2))
    layer = getattr(layers, case.name)(**case.config, data_format="channels_first")
    made = np.asarray(layer.transform_images(first, case.transformation)).transpose(0, 2, 3, 1)

    np.testing.assert_allclose(made, ANSWERS[f"{number} images"], rtol=1e-4, atol=2e-2)


# ----- the protocol -----


class Doubled(layers.RandomBrightness):
    """Overrides the two methods that Keras' documentation names."""

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        return {"times": 2.0} if training else None

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        return ops.cast(images, "float32") * transformation["times"] if training else images


def test_a_subclass_draws_and_transforms_for_itself() -> None:
    layer = Doubled(0.1)
    fed = {"images": cases.IMAGES, "labels": cases.LABELS}
    made = layer(fed, training=True)

    np.testing.assert_allclose(made["images"], cases.IMAGES * 2)
    np.testing.assert_array_equal(made["labels"], cases.LABELS)
    np.testing.assert_allclose(layer(cases.IMAGES[0], training=True), cases.IMAGES[0] * 2)
    np.testing.assert_array_equal(layer(cases.IMAGES, training=False), cases.IMAGES)
    assert fed["images"] is cases.IMAGES  # what was given is not changed


def test_one_image_with_all_its_annotations() -> None:
    layer = layers.RandomFlip("horizontal", bounding_box_format="xyxy", seed=3)
    fed = {
        "images": cases.IMAGES[0],
        "labels": cases.LABELS[0],
        "segmentation_masks": cases.MASKS[0],
        "bounding_boxes": {"boxes": cases.CORNERS[0], "labels": cases.BOX_LABELS[0]},
    }
    for _ in range(8):
        made = layer(fed, training=True)
        flipped = not np.allclose(made["images"], cases.IMAGES[0])
        turned = cases.CORNERS[0][:, [2, 1, 0, 3]] * [-1, 1, -1, 1] + [7, 0, 7, 0]
        np.testing.assert_allclose(made["images"], cases.IMAGES[0][:, ::-1] if flipped else cases.IMAGES[0], atol=1e-4)
        np.testing.assert_allclose(
            made["segmentation_masks"], cases.MASKS[0][:, ::-1] if flipped else cases.MASKS[0], atol=1e-4
        )
        np.testing.assert_allclose(
            made["bounding_boxes"]["boxes"][:2], (turned if flipped else cases.CORNERS[0])[:2], atol=1e-4
        )
        assert made["labels"].shape == (3,)
    assert np.asarray(made["bounding_boxes"]["labels"]).tolist() == [1, 2, -1]


def test_a_seed_may_be_given_for_one_transformation() -> None:
    layer = layers.RandomBrightness(0.5)
    first, second, other = (layer.get_random_transformation(cases.IMAGES, seed=s)["rgb_delta"] for s in (7, 7, 8))

    assert first.shape == (2, 1, 1, 1)
    np.testing.assert_array_equal(first, second)
    assert not np.allclose(first, other)
    assert layer.get_random_transformation(cases.IMAGES[0])["rgb_delta"].shape == (1, 1, 1)


def test_boxes_in_lists_of_different_lengths_are_padded() -> None:
    layer = layers.RandomFlip("vertical", bounding_box_format="xyxy")
    boxes = {"boxes": [[[0, 0, 2, 2]], [[1, 1, 3, 4], [2, 2, 5, 6]]], "labels": [[4], [1, 2]]}
    made = layer({"images": cases.IMAGES, "bounding_boxes": boxes}, training=False)["bounding_boxes"]

    assert made["boxes"].shape == (2, 2, 4)
    assert np.asarray(made["labels"]).tolist() == [[4, -1], [1, 2]]


@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        ({"boxes": cases.CORNERS}, "keys 'boxes' and 'labels'"),
        ([1, 2], "keys 'boxes' and 'labels'"),
        ({"boxes": cases.CORNERS, "labels": np.zeros(3)}, "labels of shape"),
        ({"boxes": cases.CORNERS[0, 0], "labels": np.zeros(3)}, "boxes of shape"),
        ({"boxes": [[[0, 0, 1, 1]]], "labels": np.zeros(3)}, "must be a list of the same length"),
    ],
)
def test_boxes_are_checked(boxes: Any, message: str) -> None:
    layer = layers.RandomFlip(bounding_box_format="xyxy")
    with pytest.raises(InvalidArgumentError, match=message):
        layer({"images": cases.IMAGES, "bounding_boxes": boxes}, training=True)


@pytest.mark.parametrize("layer", [layers.CutMix, layers.RandomElasticTransform], ids=lambda c: c.__name__)
def test_layers_without_a_rule_for_boxes_refuse_them(layer: Any) -> None:
    boxes = {"boxes": cases.CORNERS, "labels": cases.BOX_LABELS}
    with pytest.raises(NotImplementedError, match="cannot transform bounding boxes"):
        layer(bounding_box_format="xyxy")({"images": cases.IMAGES, "bounding_boxes": boxes}, training=True)


@pytest.mark.parametrize(
    "name", ["RandomRotation", "RandomTranslation", "RandomZoom", "RandomShear", "RandomElasticTransform"]
)
def test_an_unknown_fill_mode_is_a_not_implemented_error_as_in_keras(name: str) -> None:
    config: dict[str, Any] = {"RandomRotation": {"factor": 0.1}, "RandomZoom": {"height_factor": 0.1}}.get(name, {})
    config |= {"height_factor": 0.1, "width_factor": 0.1} if name == "RandomTranslation" else {}
    for wrong in ({"fill_mode": "other"}, {"interpolation": "other"}):
        with pytest.raises(UnsupportedError, match="must be one of"):
            getattr(layers, name)(**config, **wrong)


def test_a_fill_value_for_each_channel() -> None:
    layer = layers.RandomErasing(scale=(1.0, 1.0), factor=(1.0, 1.0), fill_value=[1, 2, 3])
    made = np.asarray(layer(cases.IMAGES, training=True))

    assert np.unique(made.reshape(-1, 3), axis=0).tolist() == [[1, 2, 3]]
    with pytest.raises(InvalidArgumentError, match="a list of three numbers"):
        layers.RandomErasing(fill_value=[1, 2])(cases.IMAGES, training=True)


# ----- keras.utils.bounding_boxes -----


def test_boxes_that_cannot_be_converted() -> None:
    utils = graphkit.utils.bounding_boxes
    with pytest.raises(ShapeError, match="last dimension of 4"):
        utils.convert_format(np.zeros((2, 3)), "xyxy", "xywh")
    with pytest.raises(InvalidArgumentError, match="Invalid source or target format"):
        utils.convert_format(np.zeros((2, 4)), "xyxy", "rel_center_yxhw")
    with pytest.raises(InvalidArgumentError, match="`height` and `width`"):
        utils.convert_format(np.zeros((2, 4)), "xyxy", "rel_xyxy")
    for function, more in ((utils.crop, (0, 0, 1, 1)), (utils.pad, (0, 0))):
        with pytest.raises(NotImplementedError, match="convert_format"):
            function(np.zeros((2, 4)), *more, bounding_box_format="xywh")
    with pytest.raises(NotImplementedError, match="convert_format"):
        utils.clip_to_image_size({"boxes": np.zeros((2, 4))}, 3, 3, "xywh")


def test_overlaps_that_cannot_be_computed() -> None:
    utils = graphkit.utils.bounding_boxes
    with pytest.raises(ShapeError, match="boxes2"):
        utils.compute_iou(np.zeros((2, 4)), np.zeros(4), "xyxy")
    for function in (utils.compute_iou, utils.compute_ciou):
        with pytest.raises(InvalidArgumentError, match="rel_xyxy"):
            function(np.zeros((2, 4)), np.zeros((2, 4)), "rel_xyxy")
    with pytest.raises(InvalidArgumentError, match="`variance` must be length 4"):
        utils.encode_box_to_deltas(np.zeros((2, 4)), np.ones((2, 4)), "xyxy", "xyxy", variance=[1.0])
    with pytest.raises(InvalidArgumentError, match="`encoded_format`"):
        utils.decode_deltas_to_boxes(np.zeros((2, 4)), np.ones((2, 4)), "xyxy", "xyxy", encoded_format="xyxy")


def test_boxes_by_level_are_decoded_level_by_level() -> None:
    utils = graphkit.utils.bounding_boxes
    anchors = {"P3": cases.ANCHORS, "P4": cases.OTHERS[:2]}
    deltas = {name: np.zeros_like(boxes) for name, boxes in anchors.items()}
    made = utils.decode_deltas_to_boxes(anchors, deltas, "xyxy", "xyxy")

    for name, boxes in anchors.items():
        np.testing.assert_allclose(made[name], boxes, atol=1e-6)


def test_inference_draws_nothing() -> None:
    for name in ("RandomGrayscale", "RandomFlip", "RandomBrightness", "RandomErasing", "RandomRotation", "RandomCrop"):
        cls = getattr(graphkit.layers, name)
        layer = cls(4, 4) if name == "RandomCrop" else cls() if name in ("RandomFlip", "RandomErasing") else cls(0.5)
        image = graphkit.Input((6, 6, 3))
        program = graphkit.Model(image, layer(image)).program(training=False)

        assert [state for state in program.state if state.after is not None] == [], name
