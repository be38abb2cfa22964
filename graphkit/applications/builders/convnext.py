"""ConvNeXt: depthwise 7 x 7 convolutions between dense layers (Liu et al. 2022, arXiv:2201.03545)."""

from __future__ import annotations

from typing import Any

from graphkit.applications.builders.parts import chain, checked_activation, pooled
from graphkit.applications.request import Request
from graphkit.layers import (
    Activation,
    Conv2D,
    Dense,
    GlobalAveragePooling2D,
    InputLayer,
    LayerNormalization,
    Normalization,
)
from graphkit.layers.applications import LayerScale
from graphkit.models import Sequential

_EPSILON = 1e-6
_FIRST_SCALE = 1e-6
_MEAN = (0.485 * 255, 0.456 * 255, 0.406 * 255)
_VARIANCE = ((0.229 * 255) ** 2, (0.224 * 255) ** 2, (0.225 * 255) ** 2)


def convnext(x: Any, request: Request, *, depths: tuple[int, ...], widths: tuple[int, ...]) -> Any:
    """Return the outputs of a ConvNeXt.

    Args:
        x: the images.
        request: the arguments of the constructor.
        depths: the number of blocks of each of the four stages.
        widths: the number of channels of each stage.
    """
    net = request.name
    if request.options["include_preprocessing"] and request.input_shape[-1] == 3:
        x = Normalization(mean=list(_MEAN), variance=list(_VARIANCE), name=f"{net}_prestem_normalization")(x)
    for stage, (depth, width) in enumerate(zip(depths, widths, strict=True)):
        x = _reduced(x, net, stage, width)
        for number in range(depth):
            x = _block(x, f"{net}_stage_{stage}_block_{number}", width)
    if not request.include_top:
        return LayerNormalization(epsilon=_EPSILON)(pooled(x, request))
    activation = checked_activation(request)
    return chain(
        x,
        GlobalAveragePooling2D(name=f"{net}_head_gap"),
        LayerNormalization(epsilon=_EPSILON, name=f"{net}_head_layernorm"),
        Dense(request.classes, activation=activation, name=f"{net}_head_dense"),
    )


def _reduced(x: Any, net: str, stage: int, width: int) -> Any:
    """Apply what comes before a stage: the stem makes patches of 4 x 4 pixels, the others halve the image."""
    images = InputLayer(batch_shape=tuple(x.shape))
    if stage == 0:
        convolution = Conv2D(width, 4, strides=4, name=f"{net}_stem_conv")
        norm = LayerNormalization(epsilon=_EPSILON, name=f"{net}_stem_layernorm")
        return Sequential([images, convolution, norm], name=f"{net}_stem")(x)
    number = stage - 1
    norm = LayerNormalization(epsilon=_EPSILON, name=f"{net}_downsampling_layernorm_{number}")
    convolution = Conv2D(width, 2, strides=2, name=f"{net}_downsampling_conv_{number}")
    return Sequential([images, norm, convolution], name=f"{net}_downsampling_block_{number}")(x)


def _block(x: Any, name: str, width: int) -> Any:
    return x + chain(
        x,
        Conv2D(width, 7, padding="same", groups=width, name=f"{name}_depthwise_conv"),
        LayerNormalization(epsilon=_EPSILON, name=f"{name}_layernorm"),
        Dense(4 * width, name=f"{name}_pointwise_conv_1"),
        Activation("gelu", name=f"{name}_gelu"),
        Dense(width, name=f"{name}_pointwise_conv_2"),
        LayerScale(_FIRST_SCALE, width, name=f"{name}_layer_scale"),
        Activation("linear", name=f"{name}_identity"),
    )
