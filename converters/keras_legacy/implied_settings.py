"""Settings that an older file implies: data formats, and the meaning of names in the version that wrote it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

from graphkit.core.errors import SerializationError
from graphkit.core.serialization import is_envelope
from graphkit.core.versions import version_numbers
from graphkit.saving.unwrap import layers_in

from .keras1 import in_keras2_words

Config = dict[str, Any]

_SPATIAL = (
    *(
        f"{kind}{n}D"
        for n in (2, 3)
        for kind in ("Conv", "MaxPooling", "AveragePooling", "GlobalMaxPooling", "GlobalAveragePooling")
    ),
    *(
        f"{kind}{n}D"
        for n in (2, 3)
        for kind in ("ZeroPadding", "Cropping", "UpSampling", "SpatialDropout", "LocallyConnected")
    ),
    *("Conv2DTranspose", "Conv3DTranspose", "SeparableConv2D", "DepthwiseConv2D", "ConvLSTM2D"),
    *("Deconvolution2D", "FullConv2D"),
)
_FORMATS = ("channels_first", "channels_last")
_MOST_CHANNELS = 4  # of an image
TENSORFLOWJS_VERSION = "tfjs"  # the prefix of `keras_version` in models that TensorFlow.js wrote


def entries_of(entry: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the layers in a model's envelope, including those in wrappers and nested models; for a layer, the layer itself."""
    stack: list[Any] = [entry]
    while stack:
        value = stack.pop()
        inner = layers_in(value)
        if inner is None:
            yield value
            wrapped = value["config"].get("layer") if isinstance(value["config"], Mapping) else None
            inner = [wrapped]
        stack.extend(e for e in reversed(inner) if is_envelope(e))


def in_full(config: Mapping[str, Any]) -> Config:
    """Return a copy of a model's config in which spatial layers have a data format and names have their meaning in Keras 3.

    Raises:
        SerializationError: a layer computes what graphkit and Keras 3 do not support.
    """
    copy: Config = _without_slashes(deepcopy(dict(config)))
    _set_data_formats(copy)
    for entry in entries_of(copy):
        if entry["class_name"] == "UpSampling2D" and entry["config"].get("interpolation") == "bilinear":
            _set_upsampling(entry, str(config.get("keras_version") or ""), config.get("backend"))
    return copy


def _set_upsampling(entry: Any, version: str, backend: Any) -> None:
    """Select the class of a bilinear UpSampling2D by version. Raises SerializationError for Theano, whose formula differs."""
    where = f"Layer {entry['config'].get('name')!r} (UpSampling2D)"
    if backend == "theano":
        raise SerializationError(
            f"{where} has bilinear interpolation as on Theano, which graphkit and Keras 3 do not support."
        )
    if _upsampled_from_corners(version):
        entry["class_name"] = "CornerUpSampling2D"
    elif version == "2.2.4-tf":
        warnings.warn(
            f"{where} interpolates with half-pixel centers, as in TensorFlow 1.14 to 2.1; if TensorFlow 1.13 wrote the file, it "
            "meant interpolation without them.",
            stacklevel=2,
        )


def _without_slashes(config: Config) -> Config:
    """Replace slashes in names, "fire2/expand1x1" by "fire2_expand1x1": Keras 3 does not allow them."""
    slashed = {n for e in _named(config) for n in (e.get("name"),) if isinstance(n, str) and "/" in n}
    return _replaced(config, {name: name.replace("/", "_") for name in slashed}) if slashed else config


def _named(value: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the entries of `layers` at any depth, and their configs."""
    stack = [value]
    while stack:
        item = stack.pop()
        if is_envelope(item):
            yield item
            if isinstance(item["config"], Mapping):
                yield item["config"]
        stack.extend(item.values() if isinstance(item, Mapping) else item if isinstance(item, list) else ())


def _replaced(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {k: _replaced(v, names) for k, v in value.items()}
    if isinstance(value, list):
        return [_replaced(v, names) for v in value]
    return names.get(value, value) if isinstance(value, str) else value


def _upsampled_from_corners(version: str) -> bool:
    """Whether a version upsampled without half-pixel centers, as TensorFlow 1 and TensorFlow.js do."""
    if version.startswith(TENSORFLOWJS_VERSION):
        return True
    last = (2, 2) if version.endswith("-tf") else (2, 4)  # of tf.keras, TensorFlow 1.12; of Keras itself, 2.3
    return (2,) <= version_numbers(version) < last


def _set_data_formats(copy: Config) -> None:
    """Set missing data formats: a layer without one used the default of the machine that wrote the file.

    That is the format of the layers before it, or of those after it, or else the one in which the input has few channels.
    """
    without: list[Config] = []
    latest: Any = None
    guess: Any = None
    for entry in entries_of(copy):
        config = entry.get("config")
        if not isinstance(config, Mapping):
            continue
        guess = guess or _by_input_shape(config.get("batch_input_shape"))
        name, arguments = in_keras2_words(str(entry["class_name"]), config)
        if name not in _SPATIAL:
            continue
        given = arguments.get("data_format")
        if given in _FORMATS:
            latest = given
            for waiting in without:
                waiting["data_format"] = given
            without.clear()
        else:
            entry["config"].pop("dim_ordering", None)
            if latest is None:
                without.append(entry["config"])
            entry["config"]["data_format"] = latest or guess or "channels_last"


def _by_input_shape(shape: Any) -> str | None:
    """Return the data format in which a shape is that of images, if only one is possible: (None, 3, 224, 224)."""
    if not isinstance(shape, (list, tuple)) or len(shape) not in (4, 5):
        return None
    first, last = (isinstance(n, int) and n <= _MOST_CHANNELS for n in (shape[1], shape[-1]))
    return None if first == last else _FORMATS[0 if first else 1]
