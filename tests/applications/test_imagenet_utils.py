"""preprocess_input and decode_predictions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit.applications import MissingFileError, imagenet_utils
from graphkit.applications.pretrained import PublishedFile
from graphkit.errors import InvalidArgumentError, SerializationError, ShapeError
from tests.applications.builds import preprocessed, small_images
from tests.applications.test_arguments import cached

ANSWERS: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "fixtures" / "applications.json").read_text(encoding="utf-8")
)["preprocessed"]


def test_arrays_are_changed_as_by_keras() -> None:
    found = preprocessed(graphkit)

    assert found.keys() == ANSWERS.keys()
    for case, wanted in ANSWERS.items():
        np.testing.assert_allclose(found[case], wanted, atol=2e-4, err_msg=case)


@pytest.mark.parametrize("mode", ["caffe", "tf", "torch"])
@pytest.mark.parametrize("layout", ["channels_first", "channels_last"])
@pytest.mark.parametrize("rank", [3, 4])
def test_tensors_of_a_model_are_changed_like_arrays(mode: str, layout: str, rank: int) -> None:
    images = small_images("float32", layout, rank)
    shape = images.shape if rank == 4 else (1, *images.shape)
    pixels = graphkit.Input(batch_shape=shape)
    tensor = pixels if rank == 4 else graphkit.ops.squeeze(pixels, 0)
    model = graphkit.Model(pixels, imagenet_utils.preprocess_input(tensor, data_format=layout, mode=mode))
    wanted = imagenet_utils.preprocess_input(images.copy(), data_format=layout, mode=mode)

    np.testing.assert_allclose(model(images.reshape(shape)), wanted, atol=1e-4)
    eager = imagenet_utils.preprocess_input(graphkit.ops.convert_to_tensor(images), data_format=layout, mode=mode)
    np.testing.assert_allclose(np.asarray(eager), wanted, atol=1e-4)


def test_arrays_of_floats_are_changed_in_place_and_others_are_not() -> None:
    floats, integers = small_images("float64", "channels_last", 4), small_images("uint8", "channels_last", 4)
    first = integers.copy()

    assert np.shares_memory(imagenet_utils.preprocess_input(floats), floats)
    assert imagenet_utils.preprocess_input(integers).dtype == "float32"
    np.testing.assert_array_equal(integers, first)


def test_unknown_modes_and_formats_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="Expected mode to be one of `caffe`, `tf` or `torch`"):
        imagenet_utils.preprocess_input(np.zeros((1, 2, 2, 3)), mode="bgr")
    with pytest.raises(InvalidArgumentError, match="Expected data_format to be one of"):
        imagenet_utils.preprocess_input(np.zeros((1, 2, 2, 3)), data_format="middle")


# ----- class names -----


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of 1000 class names in a cache, whose hash is accepted."""
    path = cached(tmp_path, "imagenet_class_index.json", monkeypatch)
    path.write_text(json.dumps({str(i): [f"n{i:08d}", f"thing_{i}"] for i in range(1000)}))
    monkeypatch.setattr(imagenet_utils, "_CLASS_NAMES", PublishedFile(path.name, "https://example.org", None))
    return path


def test_the_most_probable_classes_are_named(names: Path) -> None:
    scores = np.zeros((2, 1000), "float32")
    scores[0, [3, 500, 7]] = 0.5, 0.3, 0.2
    scores[1, 999] = 1.0

    first, second = graphkit.applications.resnet50.decode_predictions(scores, top=3)

    assert [name for _, name, _ in first] == ["thing_3", "thing_500", "thing_7"]
    assert [wordnet for wordnet, _, _ in first] == ["n00000003", "n00000500", "n00000007"]
    np.testing.assert_allclose([s for _, _, s in first], [0.5, 0.3, 0.2])
    assert second[0] == ("n00000999", "thing_999", 1.0)
    assert len(imagenet_utils.decode_predictions(scores)[0]) == 5


@pytest.mark.parametrize("shape", [(1000,), (2, 10), (1, 1, 1000)])
def test_predictions_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="expects a batch of predictions"):
        imagenet_utils.decode_predictions(np.zeros(shape))


def test_without_the_file_the_error_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = cached(tmp_path, "imagenet_class_index.json", monkeypatch)
    with pytest.raises(
        MissingFileError, match=r"data/imagenet_class_index\.json \(MD5 c2c37ea517e94d9795004a39431a14cb"
    ):
        imagenet_utils.decode_predictions(np.zeros((1, 1000)))
    path.write_text("{}")
    with pytest.raises(InvalidArgumentError, match="is not the file that Keras publishes"):
        imagenet_utils.decode_predictions(np.zeros((1, 1000)))


def test_a_file_without_class_names_is_refused(names: Path) -> None:
    names.write_text("[1, 2]")
    with pytest.raises(SerializationError, match="does not hold class names"):
        imagenet_utils.decode_predictions(np.zeros((1, 1000)))
