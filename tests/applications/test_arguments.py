"""The arguments of the constructors: what is accepted, what is refused and in which words."""

from __future__ import annotations

import hashlib
import inspect
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import applications, layers
from graphkit.applications import MissingFileError
from graphkit.applications.catalog import NETS
from graphkit.errors import InvalidArgumentError, InvalidTypeError, ShapeError

NAMES = Path(__file__).parents[2] / "fixtures" / "keras_names.json"
SNAPSHOT = json.loads(NAMES.read_text(encoding="utf-8"))["modules"]
SMALL: dict[str, Any] = {"weights": None, "input_shape": (32, 32, 3), "alpha": 0.25}


def mobilenet(**arguments: Any) -> Any:
    return applications.MobileNet(**{**SMALL, **arguments})


@pytest.mark.parametrize("module", [name for name in SNAPSHOT if name.startswith("applications")])
def test_names_and_signatures_are_those_of_keras(module: str) -> None:
    place: Any = applications
    for part in module.split(".")[1:]:
        place = getattr(place, part)
    for name, wanted in SNAPSHOT[module].items():
        parameters = inspect.signature(getattr(place, name)).parameters.values()
        shown = [[p.name, "" if p.default is p.empty else repr(p.default)] for p in parameters]
        assert shown == wanted, f"{module}.{name}"
        assert inspect.isfunction(getattr(place, name))
        assert getattr(place, name).__doc__


def test_submodules_are_imported_by_name() -> None:
    from importlib import import_module

    module = import_module("graphkit.applications.resnet50")

    assert module.ResNet50 is applications.ResNet50 is applications.resnet50.ResNet50
    assert set(module.__all__) == {"ResNet50", "preprocess_input", "decode_predictions"}
    with pytest.raises(AttributeError, match="ResNet51"):
        _ = applications.ResNet51


# ----- shapes -----


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        (
            "VGG16",
            {"input_shape": (31, 224, 3)},
            r"Input size must be at least 32x32; Received: input_shape=\(31, 224, 3\)",
        ),
        ("Xception", {"input_shape": (71, 70, 3), "include_top": False}, "at least 71x71"),
        ("InceptionV3", {"input_shape": (74, 75, 3)}, "at least 75x75"),
        ("MobileNetV3Small", {"input_shape": (32, 16, 3)}, "at least 32x32"),
        ("ResNet50", {"input_shape": (224, 224)}, "must be a tuple of three integers"),
        ("ResNet50", {"input_shape": (None, None, 3)}, "you should specify a static `input_shape`"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(name: str, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidArgumentError, match=words):
        getattr(applications, name)(weights=None, **arguments)


def test_other_channels_are_accepted_with_a_warning() -> None:
    with pytest.warns(UserWarning, match="usually expects 1 or 3 input channels.*with 5 input channels") as caught:
        model = mobilenet(input_shape=(32, 32, 5), include_top=False)

    assert model.input_shape == (None, 32, 32, 5)
    assert caught[0].filename == __file__


def test_without_classifier_images_may_have_any_size() -> None:
    model = applications.MobileNetV2(weights=None, include_top=False, alpha=0.35)

    assert model.input_shape == (None, None, None, 3)
    features = np.asarray(model(np.zeros((1, 40, 70, 3), "float32")))
    assert features.shape == (1, 1, 2, 1280)  # as in Keras, which pads as for even sizes


def test_a_tensor_is_read_as_images() -> None:
    pixels = graphkit.Input((40, 40, 3), name="pixels")
    model = applications.MobileNet(
        weights=None, input_tensor=layers.Rescaling(1 / 255)(pixels), alpha=0.25, include_top=False, pooling="avg"
    )

    assert [layer.name for layer in model.layers[:2]] == ["pixels", "rescaling"]
    with pytest.raises(InvalidTypeError, match="input_tensor is not a Keras tensor"):
        applications.VGG16(weights=None, input_tensor=np.zeros((1, 32, 32, 3)))
    with pytest.raises(InvalidArgumentError, match=r"input_tensor.shape\[2\] must equal input_shape\[1\]"):
        applications.MobileNetV2(weights=None, input_tensor=pixels, input_shape=(32, 32, 3))


def test_nets_for_channels_last_only_refuse_channels_first() -> None:
    graphkit.config.set_image_data_format("channels_first")
    try:
        for name in ("ConvNeXtTiny", "DenseNet121", "NASNetMobile"):
            with pytest.raises(ValueError, match="does not support the `channels_first` image data format"):
                getattr(applications, name)(weights=None)
    finally:
        graphkit.config.set_image_data_format("channels_last")


# ----- weights -----


def cached(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a cache of Keras, and return the path of a file in it."""
    monkeypatch.setenv("KERAS_HOME", str(folder))
    (folder / "models").mkdir(exist_ok=True)
    return folder / "models" / name


def test_weights_are_loaded_from_a_path(tmp_path: Path) -> None:
    first, images = mobilenet(), np.random.default_rng(0).normal(size=(1, 32, 32, 3)).astype("float32")
    for name in ("net.weights.h5", "net.h5"):
        path = tmp_path / name
        first.save_weights(path) if name.endswith(".weights.h5") else first.save(path)
        np.testing.assert_array_equal(mobilenet(weights=str(path))(images), first(images))
        np.testing.assert_array_equal(mobilenet(weights=path)(images), first(images))


@pytest.mark.parametrize("weights", ["imagenot", "net.weights.h5"])
def test_other_weights_are_refused(weights: str) -> None:
    with pytest.raises(InvalidArgumentError, match=f"The `weights` argument should be .* Received: weights={weights}"):
        mobilenet(weights=weights)


def test_published_weights_are_looked_for_and_never_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = cached(tmp_path, "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5", monkeypatch)

    with pytest.raises(MissingFileError) as caught:
        applications.ResNet50(include_top=False)

    assert isinstance(caught.value, FileNotFoundError)
    address = f"https://storage.googleapis.com/tensorflow/keras-applications/resnet/{path.name}"
    for part in (str(path), "MD5 4d473c1dd8becc155b73f8504c6f6626", address):
        assert part in str(caught.value)
    path.write_bytes(b"else")
    with pytest.raises(InvalidArgumentError, match="is not the file that Keras publishes: expected MD5 4d47"):
        applications.ResNet50(include_top=False)


@pytest.mark.parametrize("include_top", [True, False])
def test_published_weights_are_read_from_the_cache(
    include_top: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keras checks no hash of MobileNet's files, so a file of ours can stand in for them."""
    ending = "" if include_top else "_no_top"
    path = cached(tmp_path, f"mobilenet_2_5_128_tf{ending}.h5", monkeypatch)
    made = mobilenet(input_shape=(128, 128, 3), include_top=include_top)
    made.save(path)

    loaded = applications.MobileNet(input_shape=(128, 128, 3), alpha=0.25, include_top=include_top)

    assert loaded.name == "mobilenet_0.25_128"
    for mine, theirs in zip(loaded.get_weights(), made.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_the_hash_of_a_published_file_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from graphkit.applications.pretrained import PublishedFile

    cached(tmp_path, "some.h5", monkeypatch).write_bytes(b"weights")
    for digest in (hashlib.md5(b"weights").hexdigest(), hashlib.sha256(b"weights").hexdigest(), None):
        assert PublishedFile("some.h5", "https://example.org/some.h5", digest).find("test").name == "some.h5"


def test_every_net_names_its_published_files() -> None:
    names = set()
    for name, net in NETS.items():
        for include_top in (True, False):
            arguments = {"include_top": include_top, "alpha": 1.0, "rows": 224, "minimalistic": False}
            file = net.file(arguments)
            assert file.url.startswith("https://storage.googleapis.com/")
            assert file.url.endswith(file.name) or name.startswith("NASNet")
            assert file.digest is None if name in ("MobileNet", "MobileNetV2") else len(file.digest or "") in (32, 64)
            names.add(file.name)
    assert len(names) == 2 * len(NETS)
    assert {
        "nasnet_large_no_top.h5", "weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5", "mobilenet_1_0_224_tf.h5",
        "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5", "efficientnetb0_notop.h5", "efficientnetv2-s.h5",
        "convnext_tiny_notop.h5", "vgg16_weights_tf_dim_ordering_tf_kernels.h5",
    } <= names  # fmt: skip


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("ResNet50", {"classes": 10}, "`classes` should be 1000"),
        ("ResNet50", {"input_shape": (96, 96, 3)}, r"`input_shape` should be \(224, 224, 3\)"),
        ("VGG16", {"input_shape": (32, 32, 1), "include_top": False}, "The input must have 3 channels"),
        ("ResNet50", {"classifier_activation": "relu"}, "Only `None` and `softmax` activations are allowed"),
        ("MobileNet", {"alpha": 0.3}, "alpha must be one of `0.25`, `0.5`, `0.75`, `1.0` only"),
        ("MobileNet", {"depth_multiplier": 2}, "depth multiplier must be 1"),
        ("MobileNetV3Small", {"minimalistic": True, "alpha": 0.75}, "alpha must be one of `1.0` only"),
    ],
)
def test_arguments_that_do_not_fit_the_published_weights(name: str, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidArgumentError, match=words):
        getattr(applications, name)(weights="imagenet", **arguments)


def test_published_weights_for_other_sizes_warn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cached(tmp_path, "", monkeypatch)

    with (
        pytest.warns(UserWarning, match="Weights for input shape"),
        pytest.raises(MissingFileError, match=r"1\.0_224_no_top"),
    ):
        applications.MobileNetV2(include_top=False)


def test_efficientnet_scales_images_once_more_for_the_published_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from graphkit.applications import catalog, pretrained

    path = cached(tmp_path, "efficientnetb0_notop.h5", monkeypatch)
    applications.EfficientNetB0(weights=None, include_top=False, input_shape=(32, 32, 3)).save(path)
    published = catalog.NETS["EfficientNetB0"].file({"include_top": False})
    monkeypatch.setattr(pretrained, "hash_of", lambda *_: published.digest)

    model = applications.EfficientNetB0(include_top=False, input_shape=(32, 32, 3))

    first = [type(layer).__name__ for layer in model.layers[:4]]
    assert first == ["InputLayer", "Rescaling", "Normalization", "Rescaling"]
    np.testing.assert_allclose(model.layers[3].scale, [0.229**-0.5, 0.224**-0.5, 0.225**-0.5])


def test_unknown_arguments_are_refused() -> None:
    with pytest.raises(
        TypeError, match=r"ResNet50: got an unexpected keyword argument 'alpha'\. It accepts include_top, weights"
    ):
        applications.ResNet50(weights=None, alpha=2)
    with pytest.raises(ShapeError):
        applications.ResNet50(weights=None, input_shape=(8, 8, 3))
