"""Nets of keras.applications with various arguments, for real Keras (fixtures/make_application_answers.py) and graphkit."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np

NETS = (
    "ConvNeXtBase", "ConvNeXtLarge", "ConvNeXtSmall", "ConvNeXtTiny", "ConvNeXtXLarge", "DenseNet121", "DenseNet169",
    "DenseNet201", "EfficientNetB0", "EfficientNetB1", "EfficientNetB2", "EfficientNetB3", "EfficientNetB4", "EfficientNetB5",
    "EfficientNetB6", "EfficientNetB7", "EfficientNetV2B0", "EfficientNetV2B1", "EfficientNetV2B2", "EfficientNetV2B3",
    "EfficientNetV2L", "EfficientNetV2M", "EfficientNetV2S", "InceptionResNetV2", "InceptionV3", "MobileNet", "MobileNetV2",
    "MobileNetV3Large", "MobileNetV3Small", "NASNetLarge", "NASNetMobile", "ResNet101", "ResNet101V2", "ResNet152",
    "ResNet152V2", "ResNet50", "ResNet50V2", "VGG16", "VGG19", "Xception",
)  # fmt: skip

FIRST, LAST = "channels_first", "channels_last"

# case -> (constructor, arguments, data format); `input_tensor` is the shape of an Input here
CASES: dict[str, tuple[str, dict[str, Any], str]] = {
    **{net: (net, {}, LAST) for net in NETS},
    "ConvNeXtTiny.features": ("ConvNeXtTiny", {"include_top": False, "input_shape": (64, 96, 3), "pooling": "avg"}, LAST),
    "ConvNeXtTiny.raw": ("ConvNeXtTiny", {"include_preprocessing": False, "classes": 7, "name": "small"}, LAST),
    "ConvNeXtTiny.gray": ("ConvNeXtTiny", {"input_shape": (32, 32, 1), "classes": 3}, LAST),
    "ConvNeXtTiny.tensor": ("ConvNeXtTiny", {"input_tensor": (64, 64, 3), "include_top": False}, LAST),
    "DenseNet121.features": ("DenseNet121", {"include_top": False, "input_shape": (64, 64, 3), "pooling": "max"}, LAST),
    "EfficientNetB0.features": ("EfficientNetB0", {"include_top": False, "input_shape": (65, 48, 3), "pooling": "avg"}, LAST),
    "EfficientNetB0.any": ("EfficientNetB0", {"include_top": False}, LAST),
    "EfficientNetB0.first": ("EfficientNetB0", {"input_shape": (3, 64, 64), "classes": 5}, FIRST),
    "EfficientNetV2B0.raw": ("EfficientNetV2B0", {"include_preprocessing": False, "include_top": False, "pooling": "max"}, LAST),
    "EfficientNetV2B1.gray": ("EfficientNetV2B1", {"input_shape": (64, 64, 1), "classifier_activation": None}, LAST),
    "EfficientNetV2B0.first": ("EfficientNetV2B0", {"input_shape": (3, 64, 64)}, FIRST),
    "EfficientNetV2S.features": ("EfficientNetV2S", {"include_top": False, "input_shape": (33, 65, 3)}, LAST),
    "InceptionResNetV2.features": ("InceptionResNetV2", {"include_top": False, "input_shape": (75, 80, 3), "pooling": "avg"}, LAST),
    "InceptionV3.features": ("InceptionV3", {"include_top": False, "pooling": "max"}, LAST),
    "InceptionV3.first": ("InceptionV3", {"input_shape": (3, 75, 75), "classes": 4}, FIRST),
    "MobileNet.narrow": ("MobileNet", {"alpha": 0.5, "depth_multiplier": 2, "dropout": 0.3, "input_shape": (64, 64, 3)}, LAST),
    "MobileNet.features": ("MobileNet", {"include_top": False, "pooling": "avg"}, LAST),
    "MobileNet.first": ("MobileNet", {"input_shape": (3, 64, 64), "alpha": 0.25}, FIRST),
    "MobileNetV2.wide": ("MobileNetV2", {"alpha": 1.4, "input_shape": (96, 96, 3), "classes": 10}, LAST),
    "MobileNetV2.narrow": ("MobileNetV2", {"alpha": 0.35, "include_top": False, "pooling": "max"}, LAST),
    "MobileNetV2.tensor": ("MobileNetV2", {"input_tensor": (96, 96, 3), "name": "net"}, LAST),
    "MobileNetV2.first": ("MobileNetV2", {"input_shape": (3, 65, 64), "include_top": False}, FIRST),
    "MobileNetV3Large.minimalistic": ("MobileNetV3Large", {"minimalistic": True, "input_shape": (64, 64, 3)}, LAST),
    "MobileNetV3Small.wide": ("MobileNetV3Small", {"alpha": 1.25, "dropout_rate": 0, "classifier_activation": None}, LAST),
    "MobileNetV3Small.features": (
        "MobileNetV3Small", {"include_top": False, "pooling": "avg", "include_preprocessing": False, "alpha": 0.75}, LAST,
    ),
    "MobileNetV3Small.first": ("MobileNetV3Small", {"input_shape": (3, 64, 64)}, FIRST),
    "NASNetMobile.features": ("NASNetMobile", {"include_top": False, "input_shape": (64, 64, 3), "pooling": "avg"}, LAST),
    "NASNetMobile.default": ("NASNetMobile", {"include_top": False}, LAST),
    "ResNet50.features": ("ResNet50", {"include_top": False, "input_shape": (40, 33, 3), "pooling": "max"}, LAST),
    "ResNet50.first": ("ResNet50", {"input_shape": (3, 64, 64), "classes": 5, "classifier_activation": "sigmoid"}, FIRST),
    "ResNet50V2.first": ("ResNet50V2", {"input_shape": (3, 64, 64), "include_top": False, "pooling": "avg"}, FIRST),
    "ResNet50V2.tensor": ("ResNet50V2", {"input_tensor": (64, 64, 3), "include_top": False}, LAST),
    "VGG16.small": ("VGG16", {"input_shape": (32, 32, 3), "classes": 10, "classifier_activation": None}, LAST),
    "VGG16.features": ("VGG16", {"include_top": False, "pooling": "avg"}, LAST),
    "VGG16.first": ("VGG16", {"include_top": False, "input_shape": (3, 32, 32), "pooling": "max"}, FIRST),
    "Xception.features": ("Xception", {"include_top": False, "input_shape": (71, 75, 3), "pooling": "max"}, LAST),
    "Xception.first": ("Xception", {"input_shape": (3, 71, 71), "classes": 5}, FIRST),
}  # fmt: skip

# Smaller images for the comparison of outputs, where the weights do not depend on the size.
SMALLEST = {"Xception": 75, "InceptionV3": 75, "InceptionResNetV2": 75, "NASNetMobile": 64, "NASNetLarge": 64}
OWN_SIZE = ("VGG16", "VGG19")


def built(library: Any, case: str, small: bool = False) -> Any:
    """Build a net with Keras' or graphkit's modules, with automatic names from the start.

    Args:
        library: keras or graphkit.
        case: a key of `CASES`.
        small: use small images instead of the net's own.
    """
    name, arguments, layout = CASES[case]
    arguments = dict(arguments)
    library.utils.clear_session()
    if small and name not in OWN_SIZE and not {"input_shape", "input_tensor"} & set(arguments):
        arguments["input_shape"] = (SMALLEST.get(name, 64),) * 2 + (3,)
    library.config.set_image_data_format(layout)
    try:
        if "input_tensor" in arguments:
            arguments["input_tensor"] = library.Input(arguments["input_tensor"], name="pixels")
        return getattr(library.applications, name)(weights=None, **arguments)
    finally:
        library.config.set_image_data_format(LAST)


def config_of(model: Any) -> Any:
    """Return the config of a net, without what can be computed from the rest of it."""
    return _plain(json.loads(model.to_json()))


def _plain(config: Any) -> Any:
    if isinstance(config, list):
        return [_plain(entry) for entry in config]
    if not isinstance(config, dict):
        return config
    kept = {key: value for key, value in config.items() if key not in ("build_config", "compile_config")}
    if isinstance(kept.get("kwargs"), dict):  # of a call: an argument that is None is as good as none
        kept["kwargs"] = {key: value for key, value in kept["kwargs"].items() if value is not None}
    return {key: _plain(value) for key, value in kept.items()}


def weights_of(model: Any) -> list[Any]:
    """Return (path, shape, whether it is trained) of all weights, in their order."""
    return [[w.path, list(w.shape), bool(w.trainable)] for w in model.weights]


def fingerprint(model: Any) -> dict[str, Any]:
    """Return counts and hashes: of the config (names, classes, arguments, calls in their order) and of the weights."""
    return {
        "name": model.name,
        "layers": len(model.layers),
        "weights": len(model.weights),
        "parameters": int(model.count_params()),
        "config_hash": _hash(config_of(model)),
        "weights_hash": _hash(weights_of(model)),
    }


def _hash(thing: Any) -> str:
    return hashlib.sha256(json.dumps(thing, sort_keys=True).encode()).hexdigest()[:16]


def fill(model: Any) -> None:
    """Assign weights from a seeded generator, such that outputs neither vanish nor depend on rounding."""
    rng = np.random.default_rng(0)
    for weight in model.weights:
        name, shape = weight.path.rpartition("/")[2], tuple(weight.shape)
        share = 0.3 if name == "gamma" and "project" in weight.path else 1.0  # of residual branches, so that they do not add up
        weight.assign(share * _values(rng, name, shape))
    for layer in model.layers:
        if hasattr(layer, "finalize_state"):  # Normalization reads its weights anew in Keras
            layer.finalize_state()


def _values(rng: Any, name: str, shape: tuple[int, ...]) -> Any:
    depthwise = name == "depthwise_kernel" or (name == "kernel" and len(shape) == 4 and shape[-1] <= 2)
    if depthwise or name in ("kernel", "pointwise_kernel"):
        read = np.prod(shape[:2] if depthwise else shape[:-1])  # a depthwise kernel reads one channel
        return rng.normal(0, (2 / read) ** 0.5, shape).astype("float32")
    if name in ("gamma", "moving_variance", "variance"):
        return rng.uniform(0.8, 1.2, shape).astype("float32")
    if name.startswith("variable"):  # the factors of ConvNeXt
        return rng.uniform(0.1, 0.3, shape).astype("float32")
    if name == "count":
        return np.zeros(shape, "int32")
    return rng.normal(0, 0.1, shape).astype("float32")  # bias, beta, moving_mean, mean


def with_features(library: Any, model: Any) -> Any:
    """Return a model whose outputs are what the last layer reads, and the outputs."""
    return library.Model(model.inputs, [model.layers[-2].output, model.output])


def pixels(model: Any) -> Any:
    """Return two images that fit the net."""
    shape = [2 if axis == 0 else size or 64 for axis, size in enumerate(model.inputs[0].shape)]
    return np.random.default_rng(1).uniform(0, 255, shape).astype("float32")


def scaled_for(case: str, images: Any) -> Any:
    """Return the images as this net reads them: from 0 to 255 where it scales them itself, else from -1 to 1."""
    name, arguments, _ = CASES[case]
    own = name.startswith(("ConvNeXt", "EfficientNet", "MobileNetV3")) and arguments.get("include_preprocessing", True)
    return images if own else images / 127.5 - 1.0


# ----- preprocessing -----

SUBMODULES = (
    "convnext", "densenet", "efficientnet", "efficientnet_v2", "inception_resnet_v2", "inception_v3", "mobilenet",
    "mobilenet_v2", "mobilenet_v3", "nasnet", "resnet", "resnet50", "resnet_v2", "vgg16", "vgg19", "xception",
)  # fmt: skip


def preprocessed(library: Any) -> dict[str, list[float]]:
    """Return small images after every `preprocess_input`, by module, kind of images, data format and rank."""
    found = {}
    for module in SUBMODULES:
        for kind in ("uint8", "float32"):
            for layout in (FIRST, LAST):
                for rank in (3, 4):
                    images = small_images(kind, layout, rank)
                    changed = getattr(library.applications, module).preprocess_input(images, data_format=layout)
                    found[f"{module}.{kind}.{layout}.{rank}"] = np.asarray(changed, "float64").round(4).ravel().tolist()
    return found


def small_images(kind: str, layout: str, rank: int) -> Any:
    """Return images of 1 x 2 pixels."""
    shape = (3, 1, 2) if layout == FIRST else (1, 2, 3)
    values = np.random.default_rng(2).integers(0, 256, shape).astype(kind)
    return values if rank == 3 else values[None]
