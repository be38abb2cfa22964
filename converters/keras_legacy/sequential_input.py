"""The input shape of a Sequential whose file does not have it, inferred from the weights of its first layer."""

from __future__ import annotations

from typing import Any

from graphkit.core.errors import GraphKitError, SerializationError
from graphkit.models.sequential import Sequential

_KEEP_SHAPE = (
    "Activation",
    "Dropout",
    "GaussianNoise",
    "GaussianDropout",
    "Masking",
    "ReLU",
    "LeakyReLU",
    "SpatialDropout1D",
)
_FREE_AXES = {  # between the batch and the feature axis
    "Dense": 0, "LSTM": 1, "GRU": 1, "SimpleRNN": 1, "Bidirectional": 1, "TimeDistributed": 1, "Conv1D": 1, "SeparableConv1D": 1,
    "Conv2D": 2, "SeparableConv2D": 2, "DepthwiseConv2D": 2, "Conv2DTranspose": 2, "Conv3D": 3,
}  # fmt: skip
_FEATURES_AT = {"Conv2DTranspose": -1}  # axis of the kernel; the last but one in other convolutions, else the first


def build_from_weights(model: Any, shapes: list[tuple[int, ...]], what: str) -> None:
    """Build a Sequential whose input shape is unknown; other models are left alone.

    Args:
        model: the model.
        shapes: the shapes of the file's arrays, in order; the first is of the first layer with weights.
        what: the file, as messages name it.

    Raises:
        SerializationError: the input shape does not follow from them.
    """
    if not isinstance(model, Sequential) or model.built or not model.layers:
        return
    shape = _input_shape([layer for layer in model.layers if type(layer).__name__ not in _KEEP_SHAPE], shapes)
    cause = "it does not follow from the first layer"
    if shape is not None:
        try:
            model.build(shape)
            return
        except GraphKitError as error:
            cause = f"{shape}, which follows from the first layer, does not fit: {error}"
    raise SerializationError(
        f"{what} does not give the input shape of the Sequential {model.name!r}, and {cause}. Build the model in Python with "
        "Input(shape) first, then call model.load_weights(path)."
    )


def _input_shape(layers: list[Any], shapes: list[tuple[int, ...]]) -> tuple[int | None, ...] | None:
    if not layers or not shapes:
        return None
    kind, first = type(layers[0]).__name__, shapes[0]
    if kind == "Embedding":
        return (None, None)
    if kind not in _FREE_AXES or len(first) < 2 or getattr(layers[0], "data_format", None) == "channels_first":
        return None
    convolves = "Conv" in kind
    features = first[_FEATURES_AT.get(kind, -2 if convolves else 0)]
    return (None, *[None] * _FREE_AXES[kind], features)
