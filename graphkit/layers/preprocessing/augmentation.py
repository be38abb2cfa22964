"""Image layers with chance in them that move the picture: flips, crops, rotations, shears, ... All leave images alone at inference."""

from __future__ import annotations

from typing import Any, ClassVar

from graphkit import ops, random
from graphkit.core import seeds
from graphkit.core.declared import Declared, argument, must
from graphkit.core.errors import InvalidArgumentError, ShapeError
from graphkit.core.serialization import keras_class
from graphkit.layers.declared import SeedArgument
from graphkit.layers.preprocessing import bounding_boxes as boxes_of
from graphkit.layers.preprocessing.images import ImageLayer, Range, ValueRangeArgument, _Sized, in_bounds
from graphkit.ops import image
from graphkit.ops.resizing import resize

_HOME = "keras.layers"


class RandomLayer(SeedArgument, ImageLayer):
    """An image layer with a seed, and ways to draw."""

    def __post_init__(self) -> None:
        self.generator = random.SeedGenerator(self.seed)

    def number(self, images: Any) -> Any:
        """The number of images."""
        return ops.shape(images)[0]

    def uniform(self, shape: Any, low: Any, high: Any, dtype: str | None = None) -> Any:
        """Numbers evenly from [low, high)."""
        return random.uniform(shape, low, high, dtype=dtype or self.compute_dtype, seed=self.generator)

    def each(self, images: Any, low: Any, high: Any) -> Any:
        """A number for each image, (batch, 1, 1, 1)."""
        return self.uniform((self.number(images), 1, 1, 1), low, high)

    def sign(self, images: Any) -> Any:
        """1 or -1 for each image, (batch, 1, 1, 1)."""
        draw = self.each(images, 0.0, 1.0)
        return ops.where(ops.greater(draw, 0.5), ops.full_like(draw, -1.0), ops.ones_like(draw))


class FactorLayer(RandomLayer):
    """One with a factor, within `bounds`."""

    factor: Any = argument(check=in_bounds)

    def chosen(self, images: Any) -> Any:
        """Which images are to be changed, (batch, 1, 1, 1): with a chance drawn from `factor`."""
        return ops.less(self.each(images, 0.0, 1.0), self.each(images, *self.factor))


_mode = must(
    lambda value: value in ("horizontal", "vertical", "horizontal_and_vertical"),
    "Layer {owner.name!r}: `mode` must be 'horizontal', 'vertical' or 'horizontal_and_vertical', got {value!r}.",
)


@keras_class(_HOME)
class RandomFlip(RandomLayer):
    """Half of the images mirrored, "horizontal", "vertical" or both ways. Source: keras.layers.RandomFlip."""

    moves = True

    argument_order = "mode seed data_format"

    mode: str = argument(default="horizontal_and_vertical", check=_mode)

    def draw(self, images: Any) -> Any:
        """Which images are flipped."""
        return ops.less_equal(self.each(images, 0.0, 1.0), 0.5)

    def _ways(self) -> list[bool]:
        """Whether along the height, along the width."""
        return ["vertical" in self.mode, "horizontal" in self.mode]

    def change(self, images: Any, drawn: Any, *, masks: bool = False) -> Any:
        """The flipped images."""
        axes = [axis for axis, way in zip(self.spatial, self._ways(), strict=True) if way]
        return ops.where(drawn, ops.flip(images, axis=axes), images)

    def change_boxes(self, boxes: Any, drawn: Any, height: Any, width: Any) -> Any:
        """Mirrored."""
        left, top, right, bottom = (boxes[..., i] for i in range(4))
        down, along = self._ways()
        height, width = ops.cast(height, boxes.dtype), ops.cast(width, boxes.dtype)
        left, right = (width - right, width - left) if along else (left, right)
        top, bottom = (height - bottom, height - top) if down else (top, bottom)
        return ops.where(drawn[:, :, 0], ops.stack([left, top, right, bottom], axis=-1), boxes)


def _drawn_seed(value: Any) -> Any:
    return seeds.draw_seed() if value is None else value


@keras_class(_HOME)
class RandomCrop(_Sized, RandomLayer):
    """A window (height, width) at a random place, one for the batch; smaller images are resized. Source: keras.layers.RandomCrop."""

    casts_at_rest = False

    always = False

    argument_order = "height width seed data_format name"
    config_order = "data_format height width seed"

    seed: Any = argument(default=None, convert=_drawn_seed, kw_only=True)

    def draw(self, images: Any) -> Any:
        """The window's corner (top, left)."""
        height, width = self.sizes(images)
        if not isinstance(height, int) or not isinstance(width, int):
            raise ShapeError(
                f"Layer {self.name!r} (RandomCrop) needs known heights and widths, got images of shape {tuple(images.shape)}."
            )
        if height > self.height and width > self.width:
            return tuple(
                ops.cast(self.uniform((), 0.0, old - new + 1, "float32"), "int32")
                for old, new in ((height, self.height), (width, self.width))
            )
        crop_height = max(min(height, int(float(width * self.height) / self.width)), 1)
        crop_width = max(min(width, int(float(height * self.width) / self.height)), 1)
        return int((height - crop_height) / 2), int((width - crop_width) / 2)

    def change(self, images: Any, drawn: Any, *, masks: bool = False) -> Any:
        """The window."""
        top, left = drawn
        if isinstance(top, int):
            part = self._window(images, top, left)
            return resize(
                part, (self.height, self.width), "nearest" if masks else "bilinear", data_format=self.data_format
            )
        for axis, start, size in zip(self.spatial, drawn, (self.height, self.width), strict=True):
            images = ops.take(images, start + ops.arange(size, dtype="int32"), axis=axis)
        return images

    def change_boxes(self, boxes: Any, drawn: Any, height: Any, width: Any) -> Any:
        """Shifted."""
        top, left = (ops.cast(v, boxes.dtype) for v in drawn)
        return ops.stack([boxes[..., i] - (left if i % 2 == 0 else top) for i in range(4)], axis=-1)


@keras_class(_HOME)
class ResizingRandomCrop(RandomCrop):
    """A RandomCrop that, where nothing is trained, resizes the images, cut to the wanted ratio first. Source: tf.keras RandomCrop."""

    casts_at_rest = True

    def transform_images(self, images: Any, transformation: Any = None, training: bool = True) -> Any:
        """The window while training, else the resized images."""
        if training:
            return super().transform_images(images, transformation, training)
        size = (self.height, self.width)
        made = resize(self._batch(images), size, crop_to_aspect_ratio=True, data_format=self.data_format)
        return self._of_rank(images, made)


# ----- affine maps -----


class FillArguments(Declared, kw_only=True):
    """What the pixels beyond the old image are, and those between its pixels."""

    fill_mode: str = argument(default="reflect")
    interpolation: str = argument(default="bilinear")
    fill_value: float = argument(default=0.0)


class _Warp(FillArguments, RandomLayer):
    """Images drawn anew from a map of the plane: where in the old image each pixel of the new one lies."""

    moves = True
    fill_modes: ClassVar[tuple[str, ...]] = ("reflect", "wrap", "constant", "nearest")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.fill_mode not in self.fill_modes or self.interpolation not in ("nearest", "bilinear"):
            raise InvalidArgumentError(
                f"Layer {self.name!r}: `fill_mode` must be one of {self.fill_modes} and `interpolation` 'nearest' or 'bilinear'. "
                f"Received: fill_mode={self.fill_mode}, interpolation={self.interpolation}"
            )

    def _interpolation(self, masks: bool) -> str:
        return "nearest" if masks else self.interpolation


class _Affine(_Warp):
    """Maps of six numbers a0..b2: x' = a0 x + a1 y + a2, y' = b0 x + b1 y + b2, drawn by `matrix`."""

    def matrix(self, images: Any) -> list[Any]:
        """The six numbers, each (batch,) or a Python number."""
        raise NotImplementedError(f"{type(self).__name__} defines no matrix()")

    def draw(self, images: Any) -> Any:
        """The map (batch, 8), as `ops.image.affine_transform` wants it."""
        batch = self.number(images)
        zeros = ops.zeros((batch,), "float32")
        return ops.stack([zeros + ops.cast(v, "float32") for v in [*self.matrix(images), 0.0, 0.0]], axis=1)

    def of_batch(self, images: Any, low: float, high: float) -> Any:
        """A number for each image, (batch,)."""
        return self.uniform((self.number(images),), low, high, "float32")

    def half_sizes(self, images: Any) -> tuple[Any, Any]:
        """The middle of the images: (x, y)."""
        height, width = self.sizes(images)
        return tuple((ops.cast(s, "float32") - 1.0) / 2.0 for s in (width, height))

    def change(self, images: Any, drawn: Any, *, masks: bool = False) -> Any:
        """The mapped images."""
        how = self._interpolation(masks)
        return image.affine_transform(images, drawn, how, self.fill_mode, self.fill_value, data_format=self.data_format)

    def change_boxes(self, boxes: Any, drawn: Any, height: Any, width: Any) -> Any:
        """The boxes around where the corners go."""
        a0, a1, a2, b0, b1, b2 = (ops.cast(drawn[:, i : i + 1], boxes.dtype) for i in range(6))
        scale = a0 * b1 - a1 * b0
        return boxes_of.around(
            boxes, lambda x, y: ((b1 * (x - a2) - a1 * (y - b2)) / scale, (a0 * (y - b2) - b0 * (x - a2)) / scale)
        )


_FILLING = "fill_mode interpolation seed fill_value data_format"


@keras_class(_HOME)
class RandomRotation(FactorLayer, _Affine):
    """Images turned about their middle by up to `factor` turns. Source: keras.layers.RandomRotation."""

    argument_order = f"factor {_FILLING}"

    def matrix(self, images: Any) -> list[Any]:
        """A rotation."""
        turn = 2.0 * 3.141592653589793
        angle = self.of_batch(images, self.factor[0] * turn, self.factor[1] * turn)
        cosine, sine = ops.cos(angle), ops.sin(angle)
        x, y = self.half_sizes(images)
        return [cosine, -sine, x - x * cosine + y * sine, sine, cosine, y - x * sine - y * cosine]


@keras_class(_HOME)
class RandomTranslation(_Affine):
    """Images shifted by up to these shares of their height and width. Source: keras.layers.RandomTranslation."""

    argument_order = f"height_factor width_factor {_FILLING}"

    height_factor: Any = argument()
    width_factor: Any = argument()

    def __post_init__(self) -> None:
        super().__post_init__()
        self._ranges = [in_bounds(self, name, getattr(self, name)) for name in ("width_factor", "height_factor")]

    def matrix(self, images: Any) -> list[Any]:
        """A shift."""
        height, width = self.sizes(images)
        right, down = (
            self.of_batch(images, *r) * ops.cast(s, "float32")
            for r, s in zip(self._ranges, (width, height), strict=True)
        )
        return [1.0, 0.0, -right, 0.0, 1.0, -down]


@keras_class(_HOME)
class RandomZoom(_Affine):
    """Images zoomed out (positive) or in by up to these shares of their size. Source: keras.layers.RandomZoom."""

    argument_order = f"height_factor width_factor {_FILLING}"

    height_factor: Any = argument()
    width_factor: Any = argument(default=None)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._height = in_bounds(self, "height_factor", self.height_factor)
        self._width = None if self.width_factor is None else in_bounds(self, "width_factor", self.width_factor)

    def matrix(self, images: Any) -> list[Any]:
        """A scale about the middle."""
        tall = self.of_batch(images, 1.0 + self._height[0], 1.0 + self._height[1])
        wide = tall if self._width is None else self.of_batch(images, 1.0 + self._width[0], 1.0 + self._width[1])
        x, y = self.half_sizes(images)
        return [wide, 0.0, x * (1.0 - wide), 0.0, tall, y * (1.0 - tall)]


@keras_class(_HOME)
class RandomShear(_Affine):
    """Images slanted by up to these factors, one way or the other. Source: keras.layers.RandomShear."""

    argument_order = "x_factor y_factor interpolation fill_mode fill_value data_format seed"

    x_factor: Any = argument(default=0.0, check=in_bounds)
    y_factor: Any = argument(default=0.0, check=in_bounds)

    def matrix(self, images: Any) -> list[Any]:
        """A slant."""
        sign = ops.reshape(ops.cast(self.sign(images), "float32"), (-1,))
        x, y = (sign * self.of_batch(images, *factor) for factor in (self.x_factor, self.y_factor))
        return [1.0, x, 0.0, y, 1.0, 0.0]


_scale = must(
    lambda value: 0.0 <= value <= 1.0,
    "The `scale` argument of layer {owner.name!r} should be a number in the range [0, 1]. Received: scale={value}",
)


@keras_class(_HOME)
class RandomPerspective(FactorLayer, _Warp):
    """Images seen from another place: corners moved by up to scale/2 of their coordinates. Source: keras.layers.RandomPerspective."""

    bounds: ClassVar[Range] = (0.0, 1.0)

    argument_order = "factor scale interpolation fill_value seed data_format"

    factor: Any = argument(default=1.0, check=in_bounds)
    scale: float = argument(default=1.0, check=_scale)
    fill_mode: str = argument(init=False)

    def __post_init__(self) -> None:
        self.fill_mode = "constant"
        super().__post_init__()

    def draw(self, images: Any) -> Any:
        """(which images, where the corners were, where they go)."""
        height, width = (ops.cast(s, "float32") - 1.0 for s in self.sizes(images))
        zero = ops.zeros_like(height)
        corners = ops.stack([ops.stack(c) for c in ([zero, zero], [width, zero], [zero, height], [width, height])])
        start = ops.expand_dims(corners, 0) + ops.zeros((self.number(images), 1, 1), "float32")
        moved = self.uniform((self.number(images), 4, 2), -0.5 * self.scale, 0.5 * self.scale, "float32")
        return self.chosen(images), start, start + start * moved

    def change(self, images: Any, drawn: Any, *, masks: bool = False) -> Any:
        """The images as seen from there."""
        chosen, start, end = drawn
        how = self._interpolation(masks)
        seen = image.perspective_transform(images, start, end, how, self.fill_value, data_format=self.data_format)
        return ops.where(chosen, ops.cast(seen, images.dtype), images)

    def change_boxes(self, boxes: Any, drawn: Any, height: Any, width: Any) -> Any:
        """The boxes around where the corners go."""
        chosen, start, end = drawn
        there = _homography(ops.cast(start, boxes.dtype), ops.cast(end, boxes.dtype))

        def mapped(x: Any, y: Any) -> tuple[Any, Any]:
            a, b, c, d, e, f, g, h = (there[:, i : i + 1] for i in range(8))
            below = g * x + h * y + 1.0
            return (a * x + b * y + c) / below, (d * x + e * y + f) / below

        return ops.where(chosen[:, :, 0], boxes_of.around(boxes, mapped), boxes)


def _homography(start: Any, end: Any) -> Any:
    """(batch, 8): the projective map from four points (batch, 4, 2) to four others."""
    x, y, u, v = start[..., 0], start[..., 1], end[..., 0], end[..., 1]
    one, zero = ops.ones_like(x), ops.zeros_like(x)
    upper = ops.stack([x, y, one, zero, zero, zero, -u * x, -u * y], axis=-1)
    lower = ops.stack([zero, zero, zero, x, y, one, -v * x, -v * y], axis=-1)
    wanted = ops.expand_dims(ops.concatenate([u, v], axis=1), -1)
    return ops.squeeze(ops.solve(ops.concatenate([upper, lower], axis=1), wanted), -1)


@keras_class(_HOME)
class RandomElasticTransform(ValueRangeArgument, FactorLayer, _Warp):
    """Images pulled about by smooth random shifts. Source: keras.layers.RandomElasticTransform.

    The shifts are Gaussian noise times 0.1 * max(height, width) * s, smoothed with deviation 0.05 * min(height, width) * s for
    a strength s drawn from `scale`.
    """

    bounds: ClassVar[Range] = (0.0, 1.0)
    fill_modes = ("constant", "nearest", "wrap", "mirror", "reflect")

    argument_order = "factor scale interpolation fill_mode fill_value value_range seed data_format"

    factor: Any = argument(default=1.0, check=in_bounds)
    scale: Any = argument(default=1.0, check=in_bounds)

    def draw(self, images: Any) -> Any:
        """(which images, shifts along height and width (2, batch, h, w))."""
        height, width = self.sizes(images)
        if not isinstance(height, int) or not isinstance(width, int):
            raise ShapeError(
                f"Layer {self.name!r} needs known heights and widths, got images of shape {tuple(images.shape)}."
            )
        strength = self.uniform((), self.scale[0], self.scale[1], "float32")
        noise = random.normal((2, self.number(images), height, width), dtype="float32", seed=self.generator)
        reach = max(1, int(3 * 0.05 * min(height, width) * self.scale[1]))
        window = gaussian(2 * reach + 1, strength * (0.05 * min(height, width)) + 1e-6)
        flat = ops.reshape(noise, (-1, height, width, 1))
        smooth = ops.reshape(blurred(flat, window, window), ops.shape(noise))
        return self.chosen(images), smooth * strength * (0.1 * max(height, width))

    def change(self, images: Any, drawn: Any, *, masks: bool = False) -> Any:
        """The shifted images."""
        chosen, shifts = drawn
        x = self._with_channels_last(images)
        shape = ops.shape(x)
        grids = [
            ops.reshape(ops.arange(shape[a], dtype="float32"), [-1 if i == a else 1 for i in range(4)])
            for a in range(4)
        ]
        zeros = ops.zeros(shape, "float32")
        moved = [g + zeros for g in grids]
        for axis in (1, 2):
            moved[axis] = moved[axis] + ops.expand_dims(shifts[axis - 1], -1)
        order = 0 if self._interpolation(masks) == "nearest" else 1
        made = image.map_coordinates(x, ops.stack(moved), order, self.fill_mode, self.fill_value)
        made = ops.where(chosen, ops.cast(made, x.dtype), x)
        made = made if masks else ops.clip(made, *self.value_range)
        return self._with_own_channels(made)


def gaussian(size: int, deviation: Any) -> Any:
    """A window (size,) of weights that sum to one; the deviation may be a tensor."""
    at = ops.arange(size, dtype="float32") - (size - 1) / 2.0
    weights = ops.exp(-ops.square(at / deviation) / 2.0)
    return weights / ops.sum(weights)


def blurred(images: Any, rows: Any, columns: Any) -> Any:
    """Images (batch, h, w, channels) smoothed with a window along the height and one along the width."""
    channels = images.shape[-1]
    for window, shape in ((rows, (-1, 1, 1, 1)), (columns, (1, -1, 1, 1))):
        kernel = ops.tile(ops.reshape(ops.cast(window, images.dtype), shape), [1, 1, channels, 1])
        images = ops.depthwise_conv(images, kernel, strides=1, padding="same", data_format="channels_last")
    return images
