"""MobileNet, MobileNet V2 and V3 (Howard, Sandler et al. 2017 to 2019, arXiv:1704.04861, 1801.04381 and 1905.02244)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from graphkit.applications.builders.parts import (
    chain,
    channels_of,
    checked_activation,
    classified,
    divisible,
    normalization,
    padding_before_stride,
    pooled,
)
from graphkit.applications.request import Request
from graphkit.layers import (
    Activation,
    Add,
    Conv2D,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    GlobalAveragePooling2D,
    Multiply,
    ReLU,
    Rescaling,
    Reshape,
    ZeroPadding2D,
)

_SLOW: dict[str, Any] = {"momentum": 0.999, "epsilon": 1e-3, "last": -1}

# ----- MobileNet -----

# (filters, stride) of each depthwise separable convolution
_SEPARABLE = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))


def mobilenet(x: Any, request: Request) -> Any:
    """Return the outputs of a MobileNet.

    Args:
        x: the images.
        request: the arguments of the constructor; `alpha` scales the filters.
    """
    alpha, multiplier = request.options["alpha"], request.options["depth_multiplier"]
    x = Conv2D(int(32 * alpha), 3, padding="same", use_bias=False, strides=2, name="conv1")(x)
    x = chain(x, normalization("conv1_bn", last=-1), ReLU(6.0, name="conv1_relu"))
    for number, (filters, stride) in enumerate(_SEPARABLE, 1):
        x = ZeroPadding2D(((0, 1), (0, 1)), name=f"conv_pad_{number}")(x) if stride == 2 else x
        depthwise = DepthwiseConv2D(
            3, strides=stride, padding="same" if stride == 1 else "valid", depth_multiplier=multiplier, use_bias=False,
            name=f"conv_dw_{number}",
        )  # fmt: skip
        pointwise = Conv2D(int(filters * alpha), 1, padding="same", use_bias=False, name=f"conv_pw_{number}")
        for convolution in (depthwise, pointwise):
            name = convolution.name
            x = chain(x, convolution, normalization(f"{name}_bn", last=-1), ReLU(6.0, name=f"{name}_relu"))
    if not request.include_top:
        return pooled(x, request)
    x = chain(
        x,
        GlobalAveragePooling2D(keepdims=True),
        Dropout(request.options["dropout"], name="dropout"),
        Conv2D(request.classes, 1, padding="same", name="conv_preds"),
        Reshape((request.classes,), name="reshape_2"),
    )
    return Activation(checked_activation(request), name="predictions")(x)


# ----- MobileNet V2 -----

# (filters, stride, expansion) of each inverted residual block
_INVERTED = (
    (16, 1, 1), (24, 2, 6), (24, 1, 6), (32, 2, 6), *((32, 1, 6),) * 2, (64, 2, 6), *((64, 1, 6),) * 3, *((96, 1, 6),) * 3,
    (160, 2, 6), *((160, 1, 6),) * 2, (320, 1, 6),
)  # fmt: skip


def mobilenet_inverted(x: Any, request: Request) -> Any:
    """Return the outputs of a MobileNet V2.

    Args:
        x: the images.
        request: the arguments of the constructor; `alpha` scales the filters.
    """
    alpha = request.options["alpha"]
    x = Conv2D(divisible(32 * alpha), 3, strides=2, padding="same", use_bias=False, name="Conv1")(x)
    x = chain(x, normalization("bn_Conv1", **_SLOW), ReLU(6.0, name="Conv1_relu"))
    for number, (filters, stride, expansion) in enumerate(_INVERTED):
        x = _inverted(x, number, divisible(int(filters * alpha)), stride, expansion)
    last = divisible(1280 * alpha) if alpha > 1.0 else 1280
    x = chain(
        x,
        Conv2D(last, 1, use_bias=False, name="Conv_1"),
        normalization("Conv_1_bn", **_SLOW),
        ReLU(6.0, name="out_relu"),
    )
    return classified(x, request, pool=None)


def _inverted(x: Any, number: int, filters: int, stride: int, expansion: int) -> Any:
    inputs, width = x, channels_of(x)
    name = f"block_{number}_" if number else "expanded_conv_"

    def normalized(part: str) -> tuple[Any, Any]:
        return normalization(f"{name}{part}_BN", **_SLOW), ReLU(6.0, name=f"{name}{part}_relu")

    if number:
        expand = Conv2D(expansion * width, 1, padding="same", use_bias=False, name=f"{name}expand")
        x = chain(x, expand, *normalized("expand"))
    if stride == 2:
        x = ZeroPadding2D(padding_before_stride(x, 3), name=f"{name}pad")(x)
    padding = "same" if stride == 1 else "valid"
    x = chain(
        x,
        DepthwiseConv2D(3, strides=stride, use_bias=False, padding=padding, name=f"{name}depthwise"),
        *normalized("depthwise"),
        Conv2D(filters, 1, padding="same", use_bias=False, name=f"{name}project"),
        normalization(f"{name}project_BN", **_SLOW),
    )
    return Add(name=f"{name}add")([inputs, x]) if stride == 1 and width == filters else x


# ----- MobileNet V3 -----


class Block(NamedTuple):
    """A row of the paper's tables: kernel size, expansion as in the paper, filters, squeeze and excitation, h-swish, stride."""

    kernel: int
    expanded: float
    filters: int
    squeezes: bool
    hard: bool
    stride: int


LARGE = (
    Block(3, 1, 16, False, False, 1),
    Block(3, 4, 24, False, False, 2),
    Block(3, 3, 24, False, False, 1),
    Block(5, 3, 40, True, False, 2),
    Block(5, 3, 40, True, False, 1),
    Block(5, 3, 40, True, False, 1),
    Block(3, 6, 80, False, True, 2),
    Block(3, 2.5, 80, False, True, 1),
    Block(3, 2.3, 80, False, True, 1),
    Block(3, 2.3, 80, False, True, 1),
    Block(3, 6, 112, True, True, 1),
    Block(3, 6, 112, True, True, 1),
    Block(5, 6, 160, True, True, 2),
    Block(5, 6, 160, True, True, 1),
    Block(5, 6, 160, True, True, 1),
)
SMALL = (
    Block(3, 1, 16, True, False, 2),
    Block(3, 72.0 / 16, 24, False, False, 2),
    Block(3, 88.0 / 24, 24, False, False, 1),
    Block(5, 4, 40, True, True, 2),
    Block(5, 6, 40, True, True, 1),
    Block(5, 6, 40, True, True, 1),
    Block(5, 3, 48, True, True, 1),
    Block(5, 3, 48, True, True, 1),
    Block(5, 6, 96, True, True, 2),
    Block(5, 6, 96, True, True, 1),
    Block(5, 6, 96, True, True, 1),
)


def mobilenet_searched(x: Any, request: Request, *, blocks: tuple[Block, ...], last: int) -> Any:
    """Return the outputs of a MobileNet V3.

    Args:
        x: the images, with values from 0 to 255, or from -1 to 1 without preprocessing.
        request: the arguments of the constructor. `minimalistic` nets have 3 x 3 kernels, ReLU, and no squeeze and excitation.
        blocks: the rows of the table.
        last: the filters of the layer before the classifier.
    """
    options = request.options
    alpha, minimalistic = options["alpha"], options["minimalistic"]
    activation = _relu if minimalistic else _hard_swish
    x = Rescaling(1.0 / 127.5, offset=-1.0)(x) if options["include_preprocessing"] else x
    x = Conv2D(16, 3, strides=2, padding="same", use_bias=False, name="conv")(x)
    x = activation()(normalization("conv_bn", **_SLOW)(x))
    for number, block in enumerate(blocks):
        made = block._replace(filters=divisible(block.filters * alpha))
        if minimalistic:
            made = made._replace(kernel=3, squeezes=False, hard=False)
        x = _searched(x, f"expanded_conv_{number}_" if number else "expanded_conv_", made, expands=number > 0)
    x = Conv2D(divisible(channels_of(x) * 6), 1, padding="same", use_bias=False, name="conv_1")(x)
    x = activation()(normalization("conv_1_bn", **_SLOW)(x))
    if not request.include_top:
        return pooled(x, request, "avg_pool", "max_pool")
    wide = divisible(last * alpha) if alpha > 1.0 else last
    rate = options["dropout_rate"]
    x = chain(
        x,
        GlobalAveragePooling2D(keepdims=True),
        Conv2D(wide, 1, padding="same", name="conv_2"),
        activation(),
        Dropout(rate) if rate > 0 else None,
        Conv2D(request.classes, 1, padding="same", name="logits"),
        Flatten(),
    )
    return Activation(checked_activation(request), name="predictions")(x)


def _relu() -> Any:
    return ReLU()


def _hard_swish() -> Any:
    return Activation("hard_swish")


def _searched(x: Any, name: str, block: Block, expands: bool) -> Any:
    inputs, width = x, channels_of(x)
    wide = divisible(width * block.expanded)
    activation: Callable[[], Any] = _hard_swish if block.hard else _relu
    if expands:
        expand = Conv2D(wide, 1, padding="same", use_bias=False, name=f"{name}expand")
        x = chain(x, expand, normalization(f"{name}expand_bn", **_SLOW), activation())
    if block.stride == 2:
        x = ZeroPadding2D(padding_before_stride(x, block.kernel), name=f"{name}depthwise_pad")(x)
    padding = "same" if block.stride == 1 else "valid"
    depthwise = DepthwiseConv2D(
        block.kernel, strides=block.stride, padding=padding, use_bias=False, name=f"{name}depthwise"
    )
    x = chain(x, depthwise, normalization(f"{name}depthwise_bn", **_SLOW), activation())
    x = _excited(x, f"{name}squeeze_excite", wide) if block.squeezes else x
    project = Conv2D(block.filters, 1, padding="same", use_bias=False, name=f"{name}project")
    x = chain(x, project, normalization(f"{name}project_bn", **_SLOW))
    return Add(name=f"{name}add")([inputs, x]) if block.stride == 1 and width == block.filters else x


def _excited(x: Any, name: str, wide: int) -> Any:
    """Squeeze and excitation with a hard sigmoid, which Keras writes with operators."""
    factors = chain(
        x,
        GlobalAveragePooling2D(keepdims=True, name=f"{name}_avg_pool"),
        Conv2D(divisible(wide * 0.25), 1, padding="same", name=f"{name}_conv"),
        ReLU(name=f"{name}_relu"),
        Conv2D(wide, 1, padding="same", name=f"{name}_conv_1"),
    )
    factors = ReLU(6.0)(factors + 3.0) * (1.0 / 6.0)
    return Multiply(name=f"{name}_mul")([x, factors])
