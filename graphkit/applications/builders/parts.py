"""What the builders share: axes, paddings, sequences of layers, classifiers."""

from __future__ import annotations

from typing import Any

from graphkit import activations
from graphkit.applications.request import Request
from graphkit.core.errors import InvalidArgumentError
from graphkit.core.layout import image_data_format
from graphkit.layers import BatchNormalization, Dense, Dropout, GlobalAveragePooling2D, GlobalMaxPooling2D


def channels_first() -> bool:
    """Return whether images are (channels, rows, columns) by the current setting."""
    return image_data_format() == "channels_first"


def channel_axis(last: int = 3) -> int:
    """Return the axis of the channels: 1, or for channels-last images `last`, as the family's configs write it (3 or -1)."""
    return 1 if channels_first() else last


def channels_of(x: Any) -> int:
    """Return the number of channels of a tensor of images."""
    return int(x.shape[channel_axis()])


def chain(x: Any, *layers: Any) -> Any:
    """Apply layers one after the other; None is skipped."""
    for layer in layers:
        x = x if layer is None else layer(x)
    return x


def normalization(name: str | None = None, last: int = 3, **options: Any) -> BatchNormalization:
    """Return a BatchNormalization over the channels."""
    return BatchNormalization(axis=channel_axis(last), name=name, **options)


def padding_before_stride(x: Any, kernel: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the padding after which a convolution of stride 2 without padding gives half of the rows and columns, rounded up.

    It is TensorFlow's padding "same": one less at the start where the size is even. Unknown sizes count as even.
    """
    start = 2 if channels_first() else 1
    rows, columns = (size if isinstance(size, int) else 0 for size in x.shape[start : start + 2])
    half = kernel // 2
    return (half - 1 + rows % 2, half), (half - 1 + columns % 2, half)


def divisible(filters: float, divisor: int = 8, smallest: int | None = None, tolerance: float = 0.9) -> int:
    """Return the multiple of `divisor` nearest to a scaled number of filters, but not below `tolerance` times that number."""
    rounded = max(smallest or divisor, int(filters + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < tolerance * filters else rounded


def checked_activation(request: Request) -> Any:
    """Return the activation of the classifier.

    Raises:
        InvalidArgumentError: weights are to be loaded, and the activation is neither None nor "softmax".
    """
    allowed = (activations.get("softmax"), activations.get(None))
    if request.weights is not None and activations.get(request.classifier_activation) not in allowed:
        raise InvalidArgumentError(
            "Only `None` and `softmax` activations are allowed for the `classifier_activation` argument when using pretrained "
            f"weights, with `include_top=True`; Received: classifier_activation={request.classifier_activation}"
        )
    return request.classifier_activation


def pooled(x: Any, request: Request, average: str | None = None, maximum: str | None = None) -> Any:
    """Apply the pooling that was asked for to the features of a net without classifier.

    Args:
        x: the features.
        request: the arguments of the constructor.
        average, maximum: the names of the layers; automatic by default.
    """
    if request.pooling == "avg":
        return GlobalAveragePooling2D(name=average)(x)
    return GlobalMaxPooling2D(name=maximum)(x) if request.pooling == "max" else x


def classified(
    x: Any,
    request: Request,
    *,
    pool: str | None = "avg_pool",
    pools: tuple[str | None, str | None] = (None, None),
    dropout: float = 0.0,
    **dense: Any,
) -> Any:
    """End a net: average pooling and one dense layer, or without classifier the pooling that was asked for.

    Args:
        x: the features.
        request: the arguments of the constructor.
        pool: the name of the pooling before the classifier.
        pools: the names of average and maximum pooling without classifier.
        dropout: the rate of a Dropout before the classifier.
        **dense: further arguments of the dense layer.
    """
    if not request.include_top:
        return pooled(x, request, *pools)
    x = GlobalAveragePooling2D(name=pool)(x)
    x = Dropout(dropout, name="top_dropout")(x) if dropout > 0 else x
    activation = checked_activation(request)
    return Dense(request.classes, activation=activation, name="predictions", **dense)(x)
