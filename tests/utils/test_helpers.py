"""Config, Progbar, packing and splitting of data, data sets of batches, logging switches."""

from __future__ import annotations

import json
import logging
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import layers, ops, utils
from graphkit.errors import InvalidArgumentError, InvalidTypeError, ShapeError
from graphkit.utils.audio import read_wav, resample


def test_config_is_a_dict_of_attributes_that_can_be_frozen() -> None:
    config = utils.Config(rate=0.1)
    config.steps = 3
    config["seed"] = 4
    config.update({"more": 1})

    assert (config.rate, config["steps"], config.get("no", 7), len(config)) == (0.1, 3, 7, 4)
    assert list(config) == ["more", "rate", "seed", "steps"]
    assert json.loads(config.to_json()) == config.as_dict()
    with pytest.raises(AttributeError, match="Did you mean 'steps'"):
        config.step  # noqa: B018
    config.freeze()
    for change in (lambda: setattr(config, "rate", 1), lambda: config.pop("rate"), lambda: config.update(a=1)):
        with pytest.raises(InvalidArgumentError, match="frozen"):
            change()
    config.unfreeze()
    assert config.pop("rate") == 0.1


def test_progbar_shows_means_and_states(capsys: pytest.CaptureFixture[str]) -> None:
    bar = utils.Progbar(4, verbose=2, stateful_metrics=["last"])
    for step in range(1, 4):
        bar.update(step, [("loss", float(step)), ("last", float(step))], finalize=False)
    assert bar._means == {"loss": (6.0, 3.0), "last": (3.0, 1)}
    bar.add(1, [("loss", 2.0), ("small", 0.0002)])

    said = capsys.readouterr().out
    assert said.startswith("4/4 - 0s - ")
    assert said.rstrip().endswith(" - loss: 2.0000 - last: 3.0000 - small: 2.0000e-04")
    with pytest.raises(InvalidArgumentError, match="Only one"):
        utils.Progbar(1, stateful_metrics=[], stateless_metrics=[])


def test_without_interaction_progress_goes_to_the_log(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    utils.disable_interactive_logging()
    try:
        assert not graphkit.config.is_interactive_logging_enabled()
        with caplog.at_level(logging.INFO, "graphkit"):
            utils.Progbar(1, verbose=2).update(1)
    finally:
        utils.enable_interactive_logging()

    assert capsys.readouterr().out == ""
    assert caplog.messages[0].startswith("1/1 - ")


def test_parts_of_a_batch_are_packed_as_keras_does() -> None:
    assert utils.pack_x_y_sample_weight(1) == 1
    assert utils.pack_x_y_sample_weight([1, 2]) == ([1, 2],)
    assert utils.pack_x_y_sample_weight({"a": 1}) == {"a": 1}
    assert utils.pack_x_y_sample_weight(1, 2, 3) == (1, 2, 3)
    assert utils.unpack_x_y_sample_weight([1, 2]) == (1, 2, None)
    assert utils.unpack_x_y_sample_weight((1,)) == (1, None, None)
    with pytest.raises(InvalidArgumentError, match="4 parts"):
        utils.unpack_x_y_sample_weight((1, 2, 3, 4))


def test_source_inputs() -> None:
    a, b = graphkit.Input((2,)), graphkit.Input((2,))
    hidden = layers.Dense(3)(layers.add([b, a]))

    assert [t.name for t in utils.get_source_inputs(hidden)] == [b.name, a.name]
    assert utils.get_source_inputs(a) == [a]


def test_batches_train_a_model_and_are_mapped() -> None:
    x = np.random.default_rng(0).normal(size=(22, 3)).astype("float32")
    data = utils.Batches(22, lambda i: (x[i], x[i].sum(-1, keepdims=True)), batch_size=5, shuffle=True, seed=3)
    doubled = data.map(lambda x, y: (x, ops.multiply(y, 2.0)))
    model = graphkit.Sequential([layers.Dense(1)])
    model.compile("sgd", "mse")

    history = model.fit(data, epochs=3, verbose=0)

    assert history.history["loss"][-1] < history.history["loss"][0]
    assert [len(y) for _, y in doubled] == [5, 5, 5, 5, 2]
    np.testing.assert_allclose(sum(y.sum() for _, y in doubled), 2 * x.sum(), rtol=1e-4)
    assert sum(len(y) for _, y in doubled.take(2)) == 10
    assert sum(len(y) for _, y in doubled.skip(4)) == 2
    assert len(list(data.unbatch())) == 22
    first, second = utils.split_dataset(data, left_size=0.5)
    assert [sum(len(x) for x, _ in part) for part in (first, second)] == [11, 11]


@pytest.mark.parametrize(
    ("data", "sizes", "error"),
    [
        (np.arange(4), {}, InvalidArgumentError),
        (np.arange(4), {"left_size": 4}, InvalidArgumentError),
        (np.arange(4), {"left_size": 1.5}, InvalidArgumentError),
        (np.arange(4), {"left_size": 0.7, "right_size": 0.7}, InvalidArgumentError),
        (np.arange(4), {"left_size": "a"}, InvalidTypeError),
        (np.arange(4), {"left_size": 3, "right_size": 3}, InvalidArgumentError),
        ([np.arange(4), np.arange(5)], {"left_size": 1}, ShapeError),
        (object(), {"left_size": 1}, InvalidTypeError),
    ],
)
def test_splits_that_cannot_be_made_are_refused(data: Any, sizes: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        utils.split_dataset(data, **sizes)


@pytest.mark.parametrize(("width", "dtype", "top"), [(1, "uint8", 255), (2, "<i2", 32767), (4, "<i4", 2147483647)])
def test_sounds_of_all_widths(tmp_path: Path, width: int, dtype: str, top: int) -> None:
    with wave.open(str(tmp_path / "one.wav"), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(width)
        file.setframerate(4000)
        file.writeframes(np.array([[top, 0], [top // 2, top]], dtype).tobytes())

    sound, rate = read_wav(tmp_path / "one.wav")

    low = -1.0 if width == 1 else 0.0
    assert (rate, sound.shape, sound.dtype) == (4000, (2, 2), "float32")
    np.testing.assert_allclose(sound, [[1, low], [0.5 if width > 1 else 0, 1]], atol=0.01)


def test_resampling_keeps_a_tone() -> None:
    steps = np.arange(400) / 400
    tone = np.sin(2 * np.pi * 8 * steps).astype("float32")[:, None]

    faster = resample(tone, 400, 600)

    np.testing.assert_allclose(faster[:, 0], np.sin(2 * np.pi * 8 * np.arange(600) / 600), atol=1e-5)


def test_what_is_no_sound_is_refused(tmp_path: Path) -> None:
    (tmp_path / "one.wav").write_bytes(b"RIFFnothing")

    with pytest.raises(InvalidArgumentError, match="PCM samples"):
        read_wav(tmp_path / "one.wav")
