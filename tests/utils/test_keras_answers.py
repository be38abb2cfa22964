"""Data sets, images and splits equal real Keras' (fixtures/make_utils_answers.py)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphkit import ops, utils
from graphkit.core import seeds
from graphkit.preprocessing import image as image_module
from tests.utils.calls import FOLDERS, MAKERS, SERIES, SPLITS
from tests.utils.sample_files import image

with np.load(Path(__file__).resolve().parents[2] / "fixtures" / "utils.npz", allow_pickle=False) as file:
    ANSWERS = dict(file)


def assert_batches(data: Any, name: str, atol: float = 1e-3) -> None:
    """Assert that all batches of a data set equal Keras' in number, shape, dtype and values."""
    made = {}
    for number, batch in enumerate(data):
        for part, array in enumerate(batch if isinstance(batch, tuple) else (batch,)):
            made[f"{name}.{number}.{part}"] = np.asarray(array)
    assert set(made) == {k for k in ANSWERS if k.startswith(f"{name}.") and not k.endswith(("classes", "paths"))}
    for key, array in made.items():
        wanted = ANSWERS[key]
        assert array.shape == wanted.shape
        if array.dtype == object:
            assert array.tolist() == wanted.tolist()
        else:
            assert array.dtype == wanted.dtype
            np.testing.assert_allclose(array, wanted, rtol=1e-5, atol=atol)


@pytest.mark.parametrize("name", FOLDERS)
def test_folder(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seeds, "_seed", None)  # as where no session seed was set: the order is TensorFlow's
    kind, arguments = FOLDERS[name]
    home = MAKERS[kind](tmp_path / "files")

    data = getattr(utils, f"{kind}_dataset_from_directory")(home, **arguments, verbose=False)

    assert (data.class_names or []) == ANSWERS[f"{name}.classes"].tolist()
    if f"{name}.paths" in ANSWERS:
        assert [str(Path(p).relative_to(home)) for p in data.file_paths] == ANSWERS[f"{name}.paths"].tolist()
    assert_batches(data, name, atol=1.0 if "grey" in name else 1e-3)


def test_images_are_padded_and_picked_as_the_op_does(tmp_path: Path) -> None:
    home = MAKERS["image"](tmp_path / "files")

    for arguments in ({"pad_to_aspect_ratio": True}, {"interpolation": "nearest"}):
        data = utils.image_dataset_from_directory(home, image_size=(6, 6), shuffle=False, verbose=False, **arguments)
        wanted = ops.image.resize(image(0, (6, 9)).astype("float32"), (6, 6), **arguments)
        np.testing.assert_array_equal(next(iter(data))[0][0], np.asarray(wanted))


@pytest.mark.parametrize("name", SERIES)
@pytest.mark.parametrize("with_targets", [False, True])
def test_series(name: str, with_targets: bool) -> None:
    data, targets = np.arange(40, dtype="float32").reshape(20, 2), np.arange(20) * 10

    made = utils.timeseries_dataset_from_array(data, targets if with_targets else None, **SERIES[name])

    assert_batches(made, f"{name}.{with_targets}")


@pytest.mark.parametrize("name", SPLITS)
def test_split(name: str) -> None:
    parts = utils.split_dataset(np.arange(11) * 2, **SPLITS[name])

    assert [[int(one) for one in part] for part in parts] == [ANSWERS[f"{name}.{side}"].tolist() for side in (0, 1)]


@pytest.mark.parametrize("mode", ["rgb", "rgba", "grayscale"])
def test_picture_from_a_file(mode: str, tmp_path: Path) -> None:
    utils.save_img(tmp_path / "one.png", image(3, (9, 6)), scale=False)

    array = utils.img_to_array(utils.load_img(tmp_path / "one.png", color_mode=mode))

    assert array.dtype == "float32"
    np.testing.assert_array_equal(array, ANSWERS[f"load.{mode}"])


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("how", ["nearest", "bilinear", "lanczos"])
def test_picture_resized(how: str, keep: bool, tmp_path: Path) -> None:
    utils.save_img(tmp_path / "one.png", image(3, (9, 6)), scale=False)

    img = utils.load_img(tmp_path / "one.png", target_size=(5, 5), interpolation=how, keep_aspect_ratio=keep)

    array = utils.img_to_array(img, data_format="channels_first")
    np.testing.assert_array_equal(array, ANSWERS[f"load.{how}.{keep}"])


def test_array_as_a_picture() -> None:
    scaled = utils.array_to_img(image(1, (4, 5)) / 300.0 - 0.2)
    grey = utils.array_to_img(np.arange(6.0).reshape(2, 3, 1))

    np.testing.assert_array_equal(np.asarray(scaled), ANSWERS["array_to_img.scaled"])
    np.testing.assert_array_equal(np.asarray(grey), ANSWERS["array_to_img.grey"])


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("how", ["bilinear", "nearest"])
def test_smart_resize(data_format: str, how: str) -> None:
    whole = np.stack([image(k, (9, 8)) for k in range(2)]).astype("float32")
    given = whole if data_format == "channels_last" else whole.transpose(0, 3, 1, 2)

    made = image_module.smart_resize(given, (6, 4), how, data_format=data_format)

    np.testing.assert_allclose(np.asarray(made), ANSWERS[f"smart_resize.{data_format}.{how}"], rtol=1e-5, atol=1e-3)
