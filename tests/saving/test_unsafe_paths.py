"""Paths and URLs named in a model file are never opened; those that the user passes are."""

from __future__ import annotations

import json
import os
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import layers, models
from graphkit.errors import GraphKitError, InvalidArgumentError, SerializationError, UnsafePathError

OPENED: list[str] = []
_watching: list[bool] = []


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if _watching and event in (
        "open",
        "socket.connect",
        "socket.getaddrinfo",
        "urllib.Request",
        "subprocess.Popen",
        "os.listdir",
    ):
        OPENED.append(f"{event} {arguments[0]}")


sys.addaudithook(_note)


@pytest.fixture
def secret(tmp_path: Path) -> Iterator[Path]:
    """A file on the user's machine, which must not be opened."""
    path = tmp_path / "secret-of-the-reader" / "words.txt"
    path.parent.mkdir()
    path.write_text("root\nhunter2\n")
    OPENED.clear()
    _watching.append(True)
    yield path
    _watching.clear()
    assert not [one for one in OPENED if "secret-of-the-reader" in one or "socket" in one or "urllib.R" in one]


def named(path: Path) -> list[str]:
    """Return the ways to refer to the secret file."""
    there = str(path)
    return [
        there, os.path.relpath(there), f"file://{there}", f"file:{there}", "http://127.0.0.1:9/words.txt", "https://example.org/words.txt",
        "gs://bucket/words.txt", "s3://bucket/words.txt", "hdfs://host/words.txt", f"/proc/self/root{there}", f"{there}\0.txt",
        f"zip://{there}", "~/.ssh/id_rsa", "\\\\host\\share\\words.txt",
    ]  # fmt: skip


LOOKUPS = {
    "StringLookup": {"max_tokens": None, "num_oov_indices": 1},
    "IntegerLookup": {"max_tokens": None, "num_oov_indices": 1},
    "TextVectorization": {"max_tokens": None},
}


def sequential(layer: dict[str, Any]) -> dict[str, Any]:
    """Return the Keras 3 config of a Sequential with one layer."""
    first = {
        "module": "keras.layers",
        "class_name": "InputLayer",
        "config": {"batch_shape": [None, 1], "dtype": "string", "name": "in"},
    }
    return {
        "module": "keras", "class_name": "Sequential", "registered_name": None,
        "config": {"name": "net", "layers": [first, layer]},
    }  # fmt: skip


def lookup(class_name: str, path: str, argument: str = "vocabulary") -> dict[str, Any]:
    config = {"name": "the_lookup", **LOOKUPS[class_name], argument: path}
    return {"module": "keras.layers", "class_name": class_name, "config": config, "registered_name": None}


def archive(folder: Path, config: dict[str, Any]) -> Path:
    """Write an archive with this config and no weights."""
    models.Sequential([layers.Input((1,))]).save(folder / "plain.keras")
    with zipfile.ZipFile(folder / "plain.keras") as plain, zipfile.ZipFile(folder / "m.keras", "w") as made:
        for name in plain.namelist():
            made.writestr(name, json.dumps(config) if name == "config.json" else plain.read(name))
    return folder / "m.keras"


@pytest.mark.parametrize("class_name", LOOKUPS)
def test_the_vocabulary_of_a_file_is_not_opened(tmp_path: Path, secret: Path, class_name: str) -> None:
    for path in named(secret):
        config = sequential(lookup(class_name, path))
        (tmp_path / "m.json").write_text(json.dumps(config))
        for file in (archive(tmp_path, config), tmp_path / "m.json"):
            with pytest.raises(UnsafePathError, match="the_lookup") as caught:
                graphkit.load(file)
            assert str(file) in str(caught.value)
        with pytest.raises(UnsafePathError, match="the_lookup"):
            models.model_from_json(json.dumps(config))
        with pytest.raises(UnsafePathError, match="the_lookup"):
            graphkit.saving.deserialize_keras_object(lookup(class_name, path))
        with pytest.raises(UnsafePathError, match="the_lookup"):
            getattr(layers, class_name).from_config(lookup(class_name, path)["config"])
        with pytest.raises(UnsafePathError, match="the_lookup"):
            layers.deserialize(lookup(class_name, path))


@pytest.mark.parametrize("class_name", LOOKUPS)
def test_a_vocabulary_deep_inside_is_not_opened(tmp_path: Path, secret: Path, class_name: str) -> None:
    inner = lookup(class_name, str(secret))
    wrapped = {"module": "keras.layers", "class_name": "TimeDistributed", "config": {"name": "outer", "layer": inner}}
    nested = sequential(sequential(inner))
    pipeline = {"module": "keras.layers", "class_name": "Pipeline", "config": {"name": "outer", "layers": [inner]}}
    for config in (sequential(wrapped), nested, sequential(pipeline)):
        with pytest.raises(UnsafePathError, match="the_lookup"):
            graphkit.load(archive(tmp_path, config))


@pytest.mark.parametrize("class_name", LOOKUPS)
def test_weights_of_words_are_no_path_either(secret: Path, class_name: str) -> None:
    config = lookup(class_name, str(secret), "idf_weights")

    with pytest.raises(UnsafePathError, match="idf_weights"):
        graphkit.saving.deserialize_keras_object(config)


def test_a_vocabulary_of_older_keras_is_not_opened(tmp_path: Path, secret: Path) -> None:
    config = {
        "class_name": "Sequential", "keras_version": "2.9.0", "backend": "tensorflow",
        "config": {"name": "s", "layers": [{
            "class_name": "StringLookup",
            "config": {"name": "the_lookup", "vocabulary": str(secret), "batch_input_shape": [None, 1]},
        }]},
    }  # fmt: skip
    (tmp_path / "m.json").write_text(json.dumps(config))

    with pytest.raises(UnsafePathError, match="the_lookup"):
        graphkit.load(tmp_path / "m.json")


def test_a_feature_space_opens_nothing(secret: Path) -> None:
    from graphkit.utils import FeatureSpace

    space = FeatureSpace({"word": FeatureSpace.string_categorical()})
    space.adapt(Rows())
    config = graphkit.saving.serialize_keras_object(space)
    text = json.dumps(config)
    found = json.loads(text)
    assert put_path(found, str(secret)), "no StringLookup in the config"

    with pytest.raises(UnsafePathError, match="vocabulary"):
        graphkit.saving.deserialize_keras_object(found)


class Rows:
    """A data set with one column."""

    def __iter__(self) -> Iterator[Any]:
        yield {"word": np.array(["a", "b"], object)}

    def map(self, function: Any) -> Any:
        return [function(row) for row in self]


def put_path(value: Any, path: str) -> bool:
    """Put a path into the config of each lookup layer; return whether there is one."""
    if isinstance(value, dict):
        if value.get("class_name") == "StringLookup":
            value["config"]["vocabulary"] = path
            return True
        return sum(put_path(v, path) for v in value.values()) > 0
    return isinstance(value, list) and sum(put_path(v, path) for v in value) > 0


def test_a_class_of_ones_own_does_not_open_what_a_file_names(tmp_path: Path, secret: Path) -> None:
    @graphkit.saving.register_keras_serializable("unsafe_paths")
    class Words(layers.Layer):
        def __init__(self, words: str, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.words = words
            self.lookup = layers.StringLookup(vocabulary=words)

        def call(self, inputs: Any) -> Any:
            return self.lookup(inputs)

    config = {
        "module": None, "class_name": "Words", "config": {"name": "mine", "words": str(secret)},
        "registered_name": "unsafe_paths>Words",
    }  # fmt: skip

    with pytest.raises(UnsafePathError, match=r"m\.keras.*mine"):
        graphkit.load(archive(tmp_path, sequential(config)))


@pytest.mark.parametrize(
    "function",
    [
        "keras.utils.get_file", "keras.utils.load_img", "keras.utils.save_img", "keras.utils.plot_model", "keras.utils.set_random_seed",
        "keras.utils.text_dataset_from_directory", "keras.utils.image_dataset_from_directory", "keras.utils.legacy",
        "keras.utils.register_keras_serializable", "keras.backend.set_floatx", "keras.backend.set_learning_phase",
        "keras.backend.clear_session", "keras.backend.np", "keras.backend.function", "keras.backend.eval", "keras.losses.get",
        "keras.activations.deserialize", "keras.activations.custom_object_scope", "keras.losses.deserialize",
    ],
)  # fmt: skip
def test_a_function_that_a_file_names_is_an_op_or_refused(tmp_path: Path, secret: Path, function: str) -> None:
    """tf.keras 2 wrote function calls as layers: only those that compute are accepted."""
    node = [
        [
            "in",
            0,
            0,
            {"origin": f"file://{secret}", "path": str(secret), "fname": "words.txt", "cache_dir": str(tmp_path)},
        ]
    ]
    config = {
        "class_name": "Functional", "keras_version": "2.6.0", "backend": "tensorflow",
        "config": {
            "name": "m",
            "layers": [
                {"class_name": "InputLayer", "name": "in", "inbound_nodes": [],
                 "config": {"name": "in", "batch_input_shape": [None, 3], "dtype": "float32"}},
                {"class_name": "TFOpLambda", "name": "the_op", "inbound_nodes": node, "config": {"name": "the_op", "function": function}},
            ],
            "input_layers": [["in", 0, 0]], "output_layers": [["the_op", 0, 0]],
        },
    }  # fmt: skip
    (tmp_path / "m.json").write_text(json.dumps(config))

    with pytest.raises(SerializationError, match=r"m\.json.*the_op.*cannot express"):
        graphkit.load(tmp_path / "m.json")


def test_arrays_of_texts_are_refused_before_they_take_memory() -> None:
    for dtype in ("U100000000", "S2000000000", "O", "V99999999", "object", "datetime64[s]"):
        config = {"class_name": "__numpy__", "config": {"value": [0, 1], "dtype": dtype}}
        with pytest.raises(GraphKitError, match="dtype"):
            graphkit.saving.deserialize_keras_object(config)


# ----- files that belong to a file -----


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "../m_00000.weights.h5",
        "..",
        ".",
        "",
        "a/b.weights.h5",
        "file:///etc/passwd",
        "c:\\x",
        "\\\\h\\x",
        7,
        None,
    ],
)
def test_shards_stand_beside_their_index(tmp_path: Path, name: Any) -> None:
    model = models.Sequential([layers.Input((2,)), layers.Dense(2)])
    model.save_weights(tmp_path / "m.weights.json")
    index = json.loads((tmp_path / "m.weights.json").read_text())
    index["weight_map"] = dict.fromkeys(index["weight_map"], name)
    (tmp_path / "m.weights.json").write_text(json.dumps(index))

    with pytest.raises(SerializationError, match=r"m\.weights\.json.*not the name of a file beside it"):
        model.load_weights(tmp_path / "m.weights.json")


def test_a_shard_that_is_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    model = models.Sequential([layers.Input((2,)), layers.Dense(2)])
    (tmp_path / "in").mkdir()
    model.save_weights(tmp_path / "in" / "m.weights.json")
    (tmp_path / "in" / "m_00000.weights.h5").rename(tmp_path / "elsewhere.h5")
    (tmp_path / "in" / "m_00000.weights.h5").symlink_to(tmp_path / "elsewhere.h5")

    with pytest.raises(UnsafePathError, match="a link that leads out of the folder"):
        model.load_weights(tmp_path / "in" / "m.weights.json")


def test_a_cache_of_links_to_one_folder_is_read(tmp_path: Path) -> None:
    """Download caches store files as links to blobs in one folder."""
    model: Any = models.Sequential([layers.Input((2,)), layers.Dense(2)])
    for folder in ("blobs", "snapshot"):
        (tmp_path / folder).mkdir()
    model.save_weights(tmp_path / "blobs" / "m.weights.json")
    for file in (tmp_path / "blobs").iterdir():
        (tmp_path / "snapshot" / file.name).symlink_to(Path("..") / "blobs" / file.name)
    wanted = model.get_weights()[0]
    model.set_weights([np.zeros_like(w) for w in model.get_weights()])

    model.load_weights(tmp_path / "snapshot" / "m.weights.json")

    np.testing.assert_array_equal(model.get_weights()[0], wanted)


# ----- explicit permission -----


def test_a_person_may_name_a_vocabulary(secret: Path) -> None:
    _watching.clear()

    layer = layers.StringLookup(vocabulary=str(secret))

    assert layer.get_vocabulary() == ["[UNK]", "root", "hunter2"]
    assert models.clone_model(models.Sequential([layers.Input((1,), dtype="string"), layer])) is not None
    OPENED.clear()


@pytest.mark.parametrize("path", ["nowhere.txt", "http://127.0.0.1:9/x", "file:///etc/hostname", "a\0b", "/"])
@pytest.mark.parametrize("cls", [layers.StringLookup, layers.IntegerLookup, layers.TextVectorization])
def test_a_vocabulary_that_cannot_be_read_is_an_error_of_ours(cls: Any, path: str) -> None:
    with pytest.raises(InvalidArgumentError, match=r"The vocabulary file .* cannot be read"):
        cls(vocabulary=path, name="words")


def test_a_trusted_file_may_name_a_vocabulary(tmp_path: Path, secret: Path) -> None:
    """safe_mode=False permits it, as in Keras."""
    _watching.clear()
    file = archive(tmp_path, sequential(lookup("StringLookup", str(secret))))

    model = models.load_model(file, safe_mode=False)

    assert model.layers[-1].get_vocabulary() == ["[UNK]", "root", "hunter2"]
    OPENED.clear()


def test_a_trusted_file_runs_no_code_either(tmp_path: Path) -> None:
    config = {
        "module": "keras.layers", "class_name": "Lambda", "registered_name": None,
        "config": {"name": "code", "function": {"class_name": "__lambda__", "config": {"code": "4wEAAAA=", "defaults": None}}},
    }  # fmt: skip

    with pytest.raises(graphkit.errors.UnsafeCodeError, match=r"m\.keras.*code"):
        models.load_model(archive(tmp_path, sequential(config)), safe_mode=False)
