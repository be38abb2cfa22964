"""Random geometric image layers: flips, crops, rotations, shears, ... At inference images are unchanged."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from graphkit import ops, random
from graphkit.core import seeds
from graphkit.core.declared import Declared, argument, must
from graphkit.core.errors import InvalidArgumentError, ShapeError
from graphkit.core.serialization import keras_class
from graphkit.layers.declared import SeedArgument
from graphkit.layers.preprocessing import bounding_boxes as boxes_of
from graphkit.layers.preprocessing.images import (
    ImageLayer,
    Range,
    ValueRangeArgument,
    _ResizedImages,
    each_within,
    in_bounds,
)
from graphkit.ops import image
from graphkit.ops.resizing import resize

_HOME = "keras.layers"


class RandomLayer(SeedArgument, ImageLayer):
    """An image layer with a seed and methods to draw random values."""

    def __post_init__(self) -> None:
        self.generator = random.SeedGenerator(self.seed)

    def number(self, images: Any) -> Any:
        """Return the number of images."""
        return ops.shape(images)[0]

    def uniform(self, shape: Any, low: Any, high: Any, dtype: str | None = None) -> Any:
        """Draw uniformly from [low, high)."""
        return random.uniform(shape, low, high, dtype=dtype or self.compute_dtype, seed=self.generator)

    def each(self, images: Any, low: Any, high: Any) -> Any:
        """Draw a number for each image, (batch, 1, 1, 1)."""
        return self.uniform((self.number(images), 1, 1, 1), low, high)

    def sign(self, images: Any) -> Any:
        """Draw 1 or -1 for each image, (batch, 1, 1, 1)."""
        draw = self.each(images, 0.0, 1.0)
        return ops.where(ops.greater(draw, 0.5), ops.full_like(draw, -1.0), ops.ones_like(draw))


class FactorLayer(RandomLayer):
    """A random layer with a `factor` within `bounds`: a number or a pair (low, high)."""

    factor: Any = argument(check=in_bounds)

    def chosen(self, images: Any) -> Any:
        """Draw which images to change, bool (batch, 1, 1, 1), with a probability drawn from `factor`."""
        return ops.less(self.each(images, 0.0, 1.0), self.each(images, *self.factor))


_mode = must(
    lambda value: value in ("horizontal", "vertical", "horizontal_and_vertical"),
    "Layer {owner.name!r}: `mode` must be 'horizontal', 'vertical' or 'horizontal_and_vertical', got {value!r}.",
)


@keras_class(_HOME)
class RandomFlip(RandomLayer):
    """Flips each image with probability 0.5. Source: keras.layers.RandomFlip.

    Args:
        mode: "horizontal", "vertical" or "horizontal_and_vertical".
        seed: an int; drawn at random by default.
    """

    moves = True

    argument_order = "mode seed data_format"

    mode: str = argument(default="horizontal_and_vertical", check=_mode)

    def draw(self, images: Any) -> Any:
        """Draw which images to flip."""
        return ops.less_equal(self.each(images, 0.0, 1.0), 0.5)

    def _directions(self) -> list[bool]:
        """Return whether to flip along the height, and along the width."""
        return ["vertical" in self.mode, "horizontal" in self.mode]

    def change(self, images: Any, drawn: Any, *, masks: bool = False) -> Any:
        """Return the flipped images."""
        axes = [axis for axis, is_flipped in zip(self.spatial, self._directions(), strict=True) if is_flipped]
        return ops.where(drawn, ops.flip(images, axis=axes), images)

    def change_boxes(self, boxes: Any, drawn: Any, height: Any, width: Any) -> Any:
        """Return the flipped boxes."""
        left, top, right, bottom = (boxes[..., i] for i in range(4))
        down, along = self._directions()
        height, width = ops.cast(height, boxes.dtype), ops.cast(width, boxes.dtype)
        left, right = (width - right, width - left) if along else (left, right)
        top, bottom = (height - bottom, height - top) if down else (top, bottom)
        return ops.where(drawn[:, :, 0], ops.stack([left, top, right, bottom], axis=-1), boxes)


def _drawn_seed(value: Any) -> Any:
    return seeds.draw_seed() if value is None else value


@keras_class(_HOME)
class RandomCrop(_ResizedImages, RandomLayer):
    """Crops a batch to (height, width) at one random position. Source: keras.layers.RandomCrop.

    Images that are not larger than the crop in both axes are cut to its aspect ratio and resized.

    Args:
        height, width: the size of the output, in pixels.
        seed: an int; drawn at random by default.
    """

    casts_unchanged = False

    always = False

    argument_order = "height width seed data_format name"
    config_order = "data_format height width seed"

    seed: Any = argument(default=None, convert=_drawn_seed, kw_only=True)

    def draw(self, images: Any) -> Any:
        """Draw the corner of the crop (top, left), in pixels. Raises ShapeError if height or width is unknown."""
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
        """Return the crop."""
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
        """Return the shifted boxes."""
        top, left = (ops.cast(v, boxes.dtype) for v in drawn)
        return ops.stack([boxes[..., i] - (left if i % 2 == 0 else top) for i in range(4)], axis=-1)


# ----- affine maps -----


class FillArguments(Declared, kw_only=True):
    """How to fill pixels outside the image, and how to interpolate between pixels."""

    fill_mode: str = argument(default="reflect")
    interpolation: str = argument(default="bilinear")
    fill_value: float = argument(default=0.0)


class _Warp(FillArguments, RandomLayer):
    """Base of layers that resample images: a map gives the position in the input for each pixel of the output.

    Raises:
        InvalidArgumentError: `fill_mode` or `interpolation` is unknown, or a factor is out of range.
    """

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
    """Base of affine transforms x' = a0 x + a1 y + a2, y' = b0 x + b1 y + b2 with coefficients from `matrix`."""

    def matrix(self, images: Any) -> list[Any]:
        """Draw the six coefficients a0..b2, each (batch,) or a Python number."""
        raise NotImplementedError(f"{type(self).__name__} defines no matrix()")

    def draw(self, images: Any) -> Any:
        """Draw the transforms (batch, 8) for `ops.image.affine_transform`."""
        batch = self.number(images)
        zeros = ops.zeros((batch,), "float32")
        return ops.stack([zeros + ops.cast(v, "float32") for v in [*self.matrix(images), 0.0, 0.0]], axis=1)

    def of_batch(self, images: Any, low: float, high: float) -> Any:
        """Draw a number for each image, (batch,)."""
        return self.uniform((self.number(images),), low, high, "float32")

    def half_sizes(self, images: Any) -> tuple[Any, Any]:
        """Return the center (x, y) of the images, in pixels."""
        height, width = self.sizes(images)
        return tuple((ops.cast(s, "float32") - 1.0) / 2.0 for s in (width, height))

    def change(self, images: Any, drawn: Any, *, masks: bool = False) -> Any:
        """Return the transformed images."""
        how = self._interpolation(masks)
        return image.affine_transform(images, drawn, how, self.fill_mode, self.fill_value, data_format=self.data_format)

    def change_boxes(self, boxes: Any, drawn: Any, height: Any, width: Any) -> Any:
        """Return the smallest boxes that contain the transformed corners."""
        a0, a1, a2, b0, b1, b2 = (ops.cast(drawn[:, i : i + 1], boxes.dtype) for i in range(6))
        scale = a0 * b1 - a1 * b0
        return boxes_of.around(
            boxes, lambda x, y: ((b1 * (x - a2) - a1 * (y - b2)) / scale, (a0 * (y - b2) - b0 * (x - a2)) / scale)
        )


_FILLING = "fill_mode interpolation seed fill_value data_format"


@keras_class(_HOME)
class RandomRotation(FactorLayer, _Affine):
    """Rotates images about their center by a random angle. Source: keras.layers.RandomRotation.

    Args:
        factor: the range of the angle as a share of a full turn: a pair, or f for (-f, f); positive is counterclockwise.
        fill_mode: for pixels outside the image: "reflect", "wrap", "constant" or "nearest".
        interpolation: "bilinear" or "nearest".
        seed: an int; drawn at random by default.
        fill_value: for `fill_mode` "constant".
    """

    argument_order = f"factor {_FILLING}"

    def matrix(self, images: Any) -> list[Any]:
        """Draw rotations."""
        turn = 2.0 * 3.141592653589793
        angle = self.of_batch(images, self.factor[0] * turn, self.factor[1] * turn)
        cosine, sine = ops.cos(angle), ops.sin(angle)
        x, y = self.half_sizes(images)
        return [cosine, -sine, x - x * cosine + y * sine, sine, cosine, y - x * sine - y * cosine]


_shift = each_within(-1.0, 1.0)
_from_zero = each_within(0.0, 1.0)
_zoom = each_within(math.nextafter(-1.0, 0.0), 1.0)  # a zoom of -1 would leave nothing of the image


@keras_class(_HOME)
class RandomTranslation(_Affine):
    """Shifts images at random. Source: keras.layers.RandomTranslation.

    Args:
        height_factor: the range of the shift as a share of the height: a pair, or f for (-f, f); positive is down.
        width_factor: the range of the shift as a share of the width; positive is to the right.
        The remaining arguments are those of `RandomRotation`.
    """

    argument_order = f"height_factor width_factor {_FILLING}"

    height_factor: Any = argument()
    width_factor: Any = argument()

    def __post_init__(self) -> None:
        super().__post_init__()
        self._ranges = [_shift(self, name, getattr(self, name)) for name in ("width_factor", "height_factor")]

    def matrix(self, images: Any) -> list[Any]:
        """Draw shifts."""
        height, width = self.sizes(images)
        right, down = (
            self.of_batch(images, *r) * ops.cast(s, "float32")
            for r, s in zip(self._ranges, (width, height), strict=True)
        )
        return [1.0, 0.0, -right, 0.0, 1.0, -down]


@keras_class(_HOME)
class RandomZoom(_Affine):
    """Zooms images at random. Source: keras.layers.RandomZoom.

    Args:
        height_factor: the range of the zoom as a share of the height: a pair, or f for (-f, f); positive zooms out.
        width_factor: the same for the width; by default the aspect ratio is kept.
        The remaining arguments are those of `RandomRotation`.
    """

    argument_order = f"height_factor width_factor {_FILLING}"

    height_factor: Any = argument()
    width_factor: Any = argument(default=None)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._height = _zoom(self, "height_factor", self.height_factor)
        self._width = None if self.width_factor is None else _zoom(self, "width_factor", self.width_factor)

    def matrix(self, images: Any) -> list[Any]:
        """Draw scalings about the center."""
        tall = self.of_batch(images, 1.0 + self._height[0], 1.0 + self._height[1])
        wide = tall if self._width is None else self.of_batch(images, 1.0 + self._width[0], 1.0 + self._width[1])
        x, y = self.half_sizes(images)
        return [wide, 0.0, x * (1.0 - wide), 0.0, tall, y * (1.0 - tall)]


def _shear(layer: Any, name: str, value: Any) -> Range:
    """Check a factor within 0..1; also accept the pair (-f, f) that a config holds for a single number f."""
    mirrored = isinstance(value, (list, tuple)) and len(value) == 2 and value[0] == -value[1]
    return _from_zero(layer, name, value[1] if mirrored else value)


@keras_class(_HOME)
class RandomShear(_Affine):
    """Shears images at random, in a random direction. Source: keras.layers.RandomShear.

    Args:
        x_factor: the range of the horizontal shear, within 0..1: a pair or a number.
        y_factor: the same for the vertical shear.
        The remaining arguments are those of `RandomRotation`.
    """

    argument_order = "x_factor y_factor interpolation fill_mode fill_value data_format seed"

    x_factor: Any = argument(default=0.0, check=_shear)
    y_factor: Any = argument(default=0.0, check=_shear)

    def matrix(self, images: Any) -> list[Any]:
        """Draw shears."""
        sign = ops.reshape(ops.cast(self.sign(images), "float32"), (-1,))
        x, y = (sign * self.of_batch(images, *factor) for factor in (self.x_factor, self.y_factor))
        return [1.0, x, 0.0, y, 1.0, 0.0]


_scale = must(
    lambda value: 0.0 <= value <= 1.0,
    "The `scale` argument of layer {owner.name!r} should be a number in the range [0, 1]. Received: scale={value}",
)


@keras_class(_HOME)
class RandomPerspective(FactorLayer, _Warp):
    """Warps images by random perspective transforms. Source: keras.layers.RandomPerspective.

    Args:
        factor: the range from which the probability that an image is warped is drawn: a pair, or f for (0, f).
        scale: corners move by up to scale / 2 of their coordinates.
        interpolation, fill_value, seed: as for `RandomRotation`.
    """

    bounds: ClassVar[Range] = (0.0, 1.0)

    argument_order = "factor scale interpolation fill_value seed data_format"

    factor: Any = argument(default=1.0, check=in_bounds)
    scale: float = argument(default=1.0, check=_scale)
    fill_mode: str = argument(init=False)

    def __post_init__(self) -> None:
        self.fill_mode = "constant"
        super().__post_init__()

    def draw(self, images: Any) -> Any:
        """Draw (which images to warp, their corners (batch, 4, 2), the moved corners)."""
        height, width = (ops.cast(s, "float32") - 1.0 for s in self.sizes(images))
        zero = ops.zeros_like(height)
        corners = ops.stack([ops.stack(c) for c in ([zero, zero], [width, zero], [zero, height], [width, height])])
        start = ops.expand_dims(corners, 0) + ops.zeros((self.number(images), 1, 1), "float32")
        moved = self.uniform((self.number(images), 4, 2), -0.5 * self.scale, 0.5 * self.scale, "float32")
        return self.chosen(images), start, start + start * moved

    def change(self, images: Any, drawn: Any, *, masks: bool = False) -> Any:
        """Return the warped images."""
        chosen, start, end = drawn
        how = self._interpolation(masks)
        seen = image.perspective_transform(images, start, end, how, self.fill_value, data_format=self.data_format)
        return ops.where(chosen, ops.cast(seen, images.dtype), images)

    def change_boxes(self, boxes: Any, drawn: Any, height: Any, width: Any) -> Any:
        """Return the smallest boxes that contain the transformed corners."""
        chosen, start, end = drawn
        there = _homography(ops.cast(start, boxes.dtype), ops.cast(end, boxes.dtype))

        def mapped(x: Any, y: Any) -> tuple[Any, Any]:
            a, b, c, d, e, f, g, h = (there[:, i : i + 1] for i in range(8))
            below = g * x + h * y + 1.0
            return (a * x + b * y + c) / below, (d * x + e * y + f) / below

        return ops.where(chosen[:, :, 0], boxes_of.around(boxes, mapped), boxes)


def _homography(start: Any, end: Any) -> Any:
    """Return the projective maps (batch, 8) that map four points (batch, 4, 2) to four others."""
    x, y, u, v = start[..., 0], start[..., 1], end[..., 0], end[..., 1]
    one, zero = ops.ones_like(x), ops.zeros_like(x)
    upper = ops.stack([x, y, one, zero, zero, zero, -u * x, -u * y], axis=-1)
    lower = ops.stack([zero, zero, zero, x, y, one, -v * x, -v * y], axis=-1)
    wanted = ops.expand_dims(ops.concatenate([u, v], axis=1), -1)
    return ops.squeeze(ops.solve(ops.concatenate([upper, lower], axis=1), wanted), -1)


@keras_class(_HOME)
class RandomElasticTransform(ValueRangeArgument, FactorLayer, _Warp):
    """Distorts images by smooth random displacements. Source: keras.layers.RandomElasticTransform.

    Displacements are Gaussian noise times 0.1 * max(height, width) * s, smoothed with deviation 0.05 * min(height, width) * s.

    Args:
        factor: the range from which the probability that an image is distorted is drawn: a pair, or f for (0, f).
        scale: the range of the strength s, within 0..1.
        fill_mode: "constant", "nearest", "wrap", "mirror" or "reflect".
        value_range: of the pixels; results are clipped to it.
        interpolation, fill_value, seed: as for `RandomRotation`.
    """

    bounds: ClassVar[Range] = (0.0, 1.0)
    fill_modes = ("constant", "nearest", "wrap", "mirror", "reflect")

    argument_order = "factor scale interpolation fill_mode fill_value value_range seed data_format"

    factor: Any = argument(default=1.0, check=in_bounds)
    scale: Any = argument(default=1.0, check=in_bounds)

    def draw(self, images: Any) -> Any:
        """Draw (which images, displacements along height and width (2, batch, h, w)). Raises ShapeError for unknown sizes."""
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
        """Return the distorted images."""
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
    """Return a Gaussian window (size,) whose weights sum to 1; the deviation, in elements, may be a tensor."""
    at = ops.arange(size, dtype="float32") - (size - 1) / 2.0
    weights = ops.exp(-ops.square(at / deviation) / 2.0)
    return weights / ops.sum(weights)


def blurred(images: Any, rows: Any, columns: Any) -> Any:
    """Smooth images (batch, h, w, channels) with a window along the height and one along the width."""
    channels = images.shape[-1]
    for window, shape in ((rows, (-1, 1, 1, 1)), (columns, (1, -1, 1, 1))):
        kernel = ops.tile(ops.reshape(ops.cast(window, images.dtype), shape), [1, 1, channels, 1])
        images = ops.depthwise_conv(images, kernel, strides=1, padding="same", data_format="channels_last")
    return images
