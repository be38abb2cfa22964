"""keras.visualization: boxes, masks and galleries have the pixels that real Keras draws."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import ops, visualization
from graphkit.cli.impersonate import impersonating
from graphkit.errors import InvalidArgumentError, InvalidTypeError, MissingPackageError, ShapeError, UnknownNameError
from tests.interop.test_real_keras import keras_python
from tests.visualization.calls import boxes, classes, drawings, galleries, photos

ROOT = Path(__file__).resolve().parents[2]
FIXTURE = ROOT / "fixtures" / "visualization.npz"
BOX = {"boxes": [[[5, 6, 20, 14]]], "labels": [[1]]}


def assert_equal(found: dict[str, Any], path: Path) -> None:
    with np.load(path, allow_pickle=False) as file:
        expected = {name: file[name] for name in file.files}
    for name, value in found.items():
        assert np.asarray(value).dtype == expected[name].dtype, name
        np.testing.assert_array_equal(value, expected[name], err_msg=name)


@pytest.fixture
def pyplot() -> Any:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    from matplotlib import pyplot

    yield pyplot
    pyplot.close("all")


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make a package impossible to import."""
    return lambda name: [monkeypatch.setitem(sys.modules, n, None) for n in (name, f"{name}.pyplot", f"{name}.patches")]


def test_drawings_have_keras_pixels() -> None:
    assert_equal(drawings(visualization), FIXTURE)


def test_galleries_show_what_keras_shows(pyplot: Any) -> None:
    assert_equal(galleries(visualization, pyplot), FIXTURE)


@pytest.mark.slow
def test_fixture_is_what_keras_draws(tmp_path: Path) -> None:
    python = keras_python()
    if python is None or subprocess.run([python, "-c", "import cv2"], check=False, capture_output=True).returncode:
        pytest.skip("Keras or OpenCV is not importable here; set GRAPHKIT_KERAS_PYTHON to an interpreter that has them")
    code = (
        "import sys, keras, numpy; from tests.visualization.calls import drawings; "
        "numpy.savez(sys.argv[1], **drawings(keras.visualization))"
    )
    path = tmp_path / "drawn.npz"
    environment = {"KERAS_BACKEND": "jax"} | os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run([python, "-c", code, str(path)], check=True, capture_output=True, env=environment)
    assert_equal(drawings(visualization), path)


def test_rectangles_are_those_of_opencv() -> None:
    cv2 = pytest.importorskip("cv2")
    numbers = np.random.default_rng(0)
    for _ in range(500):
        height, width, thickness = numbers.integers(1, 50), numbers.integers(1, 50), int(numbers.integers(-1, 24))
        x1, y1, x2, y2 = numbers.integers(-30, 80, 4).tolist()
        expected = np.zeros((height, width, 3), "uint8")
        cv2.rectangle(expected, (x1, y1), (x2, y2), (1, 2, 3), thickness)
        box = {"boxes": [[[x1, y1, x2, y2]]], "labels": [[0]]}
        found = visualization.draw_bounding_boxes(
            np.zeros((1, height, width, 3)), box, "xyxy", color=(1, 2, 3), line_thickness=thickness
        )
        np.testing.assert_array_equal(found[0], expected)


@pytest.mark.parametrize(
    ("top", "scale", "place"),
    [(6, 0.5, (8, 23)), (40, 0.5, (5, 32)), (21, 0.5, (5, 13)), (20, 0.5, (8, 37))],
    ids=["at the top", "below it", "just room", "just no room"],
)
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_labels_are_written_by_opencv(top: int, scale: float, place: tuple[int, int], data_format: str) -> None:
    cv2 = pytest.importorskip("cv2")
    box = {"boxes": [[[5, top, 60, 60]]], "labels": [[1]], "confidences": [[0.256]]}
    images = np.zeros((1, 64, 90, 3), "uint8")
    expected = images[0].copy()
    cv2.rectangle(expected, (5, top), (60, 60), (9, 8, 7), 2)
    text = {"img": expected, "text": "dog | 0.26", "org": place, "fontFace": cv2.FONT_HERSHEY_SIMPLEX}
    cv2.putText(**text, fontScale=scale, color=(9, 8, 7), thickness=2)
    first = data_format == "channels_first"
    found = visualization.draw_bounding_boxes(
        images.transpose(0, 3, 1, 2) if first else images,
        box,
        "xyxy",
        {1: "dog"},
        (9, 8, 7),
        text_thickness=None,
        font_scale=scale,
        data_format=data_format,
    )
    np.testing.assert_array_equal(found[0].transpose(1, 2, 0) if first else found[0], expected)


def test_boxes_need_no_package_and_labels_name_theirs(without: Any) -> None:
    without("cv2")
    assert visualization.draw_bounding_boxes(photos(1), BOX, "xyxy").shape == (1, 24, 32, 3)
    with pytest.raises(MissingPackageError, match="pip install opencv-python"):
        visualization.draw_bounding_boxes(photos(1), BOX, "xyxy", class_mapping={1: "dog"})


def test_galleries_name_the_package_they_need(without: Any) -> None:
    without("matplotlib")
    with pytest.raises(ImportError, match="pip install matplotlib"):
        visualization.plot_image_gallery(photos())


def test_channels_first_images_give_the_same_drawings() -> None:
    first = photos().transpose(0, 3, 1, 2)
    found = visualization.draw_bounding_boxes(first, boxes("rel_xyxy"), "rel_xyxy", data_format="channels_first")
    expected = visualization.draw_bounding_boxes(photos(), boxes("rel_xyxy"), "rel_xyxy")
    np.testing.assert_array_equal(found, expected.transpose(0, 3, 1, 2))


def test_masks_may_come_without_an_axis_of_channels() -> None:
    expected = visualization.draw_segmentation_masks(photos(), classes(), 5)
    np.testing.assert_array_equal(visualization.draw_segmentation_masks(photos(), classes()[..., 0], 5), expected)


def test_tensors_are_accepted_and_inputs_stay_as_they_are() -> None:
    images, masks = ops.convert_to_tensor(photos()), ops.convert_to_tensor(classes())
    given = {name: ops.convert_to_tensor(value) for name, value in boxes().items()}
    visualization.draw_bounding_boxes(images, given, "xywh")
    visualization.draw_segmentation_masks(images, masks)
    np.testing.assert_array_equal(images, photos())
    np.testing.assert_array_equal(given["boxes"], boxes()["boxes"])


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (ShapeError, "`images` must be batched 4D tensor", lambda v: v.draw_bounding_boxes(photos()[0], BOX, "xyxy")),
        (ShapeError, "1 to 4 channels", lambda v: v.draw_bounding_boxes(photos(channels=5), boxes(), "xyxy")),
        (InvalidTypeError, "`bounding_boxes` should be a dict", lambda v: v.draw_bounding_boxes(photos(), [1], "xyxy")),
        (
            InvalidArgumentError,
            "containing 'boxes' and 'labels' keys",
            lambda v: v.draw_bounding_boxes(photos(), {"boxes": []}, "xyxy"),
        ),
        (InvalidArgumentError, "Invalid source", lambda v: v.draw_bounding_boxes(photos(1), BOX, "corners")),
        (InvalidArgumentError, "up to 4", lambda v: v.draw_bounding_boxes(photos(1), BOX, "xyxy", color=(1,) * 5)),
        (InvalidTypeError, "integer", lambda v: v.draw_bounding_boxes(photos(1), BOX, "xyxy", line_thickness=1.5)),
        (ShapeError, "must be batched 4D tensor", lambda v: v.draw_segmentation_masks(photos()[0], classes())),
        (InvalidTypeError, "must be in integer dtype", lambda v: v.draw_segmentation_masks(photos(), classes() * 1.0)),
        (InvalidTypeError, "must be in integer dtype", lambda v: v.draw_segmentation_masks(photos(), classes() > 1)),
        (ShapeError, "one class for each pixel", lambda v: v.draw_segmentation_masks(photos(), classes()[:, 1:])),
        (
            ShapeError,
            "argmax",
            lambda v: v.draw_segmentation_masks(photos(), np.concatenate([classes(), classes()], axis=-1)),
        ),
        (ShapeError, "expects 1 numbers", lambda v: v.draw_segmentation_masks(photos(channels=1), classes())),
        (
            UnknownNameError,
            r"got none for \[1\]",
            lambda v: v.draw_segmentation_masks(photos(), classes(), 2, {0: (1, 2, 3)}),
        ),
        (ValueError, "either `path` to be set", lambda v: v.plot_image_gallery(photos(), path="a.png", show=True)),
        (ValueError, "a `label_map` must also be provided", lambda v: v.plot_image_gallery(photos(), y_true=[1, 0])),
        (ValueError, "batch your `np.array` samples", lambda v: v.plot_image_gallery(photos()[0])),
        (ValueError, "batched 4D tensor", lambda v: v.plot_bounding_box_gallery(photos()[0], "xyxy")),
        (ValueError, "batched 4D tensor", lambda v: v.plot_segmentation_mask_gallery(photos()[0], 3)),
        (
            ValueError,
            "Only pass `legend` OR `legend_handles`",
            lambda v: v.plot_bounding_box_gallery(photos(), "xyxy", legend=True, legend_handles=[1]),
        ),
    ],
)
def test_wrong_arguments_are_refused(error: type[Exception], message: str, call: Any) -> None:
    with pytest.raises(error, match=message):
        call(visualization)


def test_gallery_is_written_to_a_file(pyplot: Any, tmp_path: Path) -> None:
    visualization.plot_image_gallery(photos(4), path=tmp_path / "grid.png", dpi=50, scale=2)
    image = pyplot.imread(tmp_path / "grid.png")
    assert image.shape[2] == 4
    assert image[0, 0].shape == (4,)
    assert not pyplot.get_fignums()
    visualization.plot_bounding_box_gallery(photos(), "xyxy", boxes(), path=str(tmp_path / "boxes.svg"), legend=True)
    assert "<svg" in (tmp_path / "boxes.svg").read_text()
    visualization.plot_segmentation_mask_gallery(photos(), 5, y_true=classes(), path=tmp_path / "masks")
    assert (tmp_path / "masks.png").exists()


def test_gallery_opens_a_window_unless_it_is_written(
    pyplot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[int] = []
    monkeypatch.setattr(pyplot, "show", lambda: shown.append(len(pyplot.get_fignums())))
    visualization.plot_image_gallery(photos())
    visualization.plot_image_gallery(photos(), path=tmp_path / "a.png")
    visualization.plot_image_gallery(photos(), show=False)
    assert shown == [1]
    assert len(pyplot.get_fignums()) == 1


def test_cells_without_an_image_stay_empty(pyplot: Any) -> None:
    visualization.plot_image_gallery(photos(3), rows=2, cols=2, show=False)
    assert [len(axes.get_images()) for axes in pyplot.gcf().axes] == [1, 1, 1, 0]


def test_channels_first_gallery_shows_the_same(pyplot: Any) -> None:
    visualization.plot_image_gallery(photos(1).transpose(0, 3, 1, 2), show=False, data_format="channels_first")
    np.testing.assert_array_equal(pyplot.gcf().axes[0].get_images()[0].get_array(), photos(1)[0])


def test_galleries_follow_the_data_format_of_the_config(pyplot: Any) -> None:
    first = photos().transpose(0, 3, 1, 2)
    before = graphkit.config.image_data_format()
    graphkit.config.set_image_data_format("channels_first")
    try:
        visualization.plot_bounding_box_gallery(first, "xyxy", boxes(), show=False)
        visualization.plot_segmentation_mask_gallery(first, 5, y_true=classes().transpose(0, 3, 1, 2), show=False)
    finally:
        graphkit.config.set_image_data_format(before)
    expected = visualization.draw_bounding_boxes(photos(), boxes(), "xyxy", color=(0, 188, 212))
    masked = visualization.draw_segmentation_masks(photos(), classes(), 5)
    shown = [[axes.get_images()[0].get_array() for axes in pyplot.figure(n).axes] for n in pyplot.get_fignums()]
    np.testing.assert_array_equal(shown[0], expected)
    np.testing.assert_array_equal(shown[1], [photos()[0], masked[0], photos()[1], masked[1]])


def test_scripts_find_the_functions() -> None:
    names: dict[str, Any] = {}
    with impersonating():
        exec("import keras\nfrom keras.visualization import draw_bounding_boxes as f\ng = keras.visualization", names)
        assert names["f"] is visualization.draw_bounding_boxes
        assert names["g"].plot_image_gallery is visualization.plot_image_gallery
