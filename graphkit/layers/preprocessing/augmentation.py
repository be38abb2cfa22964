"""Random geometric image layers: flips, crops, rotations, shears, ... At inference images are unchanged."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from graphkit import ops, random
from graphkit.core import seeds
from graphkit.core.declared import Declared, argument, must
from graphkit.core.errors import ShapeError, UnsupportedError
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
from graphkit.ops.random import draw_seed
from graphkit.ops.resizing import resize

_HOME = "keras.layers"


class RandomLayer(SeedArgument, ImageLayer):
    """An image layer with a seed and methods to draw random values."""

    draws = True

    def __post_init__(self) -> None:
        self.generator = random.SeedGenerator(self.seed)

    def uniform(self, seed: Any, shape: Any, low: Any, high: Any, dtype: str = "float32") -> Any:
        """Draw uniformly from [low, high)."""
        return random.uniform(shape, low, high, dtype=dtype, seed=seed)

    def each(self, images: Any, seed: Any, low: Any, high: Any, dtype: str = "float32") -> Any:
        """Draw a number for each image: (batch, 1, 1, 1), and (1, 1, 1) for a single image."""
        return self.uniform(seed, (self.number(images), 1, 1, 1)[4 - images.ndim :], low, high, dtype)

    def of_batch(self, images: Any, seed: Any, low: Any, high: Any, dtype: str = "float32") -> Any:
        """Draw a number for each image, (batch,)."""
        return self.uniform(seed, (self.number(images),), low, high, dtype)


def four(values: Any) -> Any:
    """Return a number for each image, in any shape, as (batch, 1, 1, 1)."""
    return ops.reshape(ops.convert_to_tensor(values), (-1, 1, 1, 1))


def signed(draw: Any) -> Any:
    """Return 1 or -1, from numbers drawn from [0, 1)."""
    return ops.where(ops.greater(draw, 0.5), ops.full_like(draw, -1.0), ops.ones_like(draw))


class FactorLayer(RandomLayer):
    """A random layer with a `factor` within `bounds`: a number or a pair (low, high)."""

    factor: Any = argument(check=in_bounds)

    def chosen(self, images: Any, seed: Any) -> Any:
        """Draw which images to change, bool (batch,), with a probability drawn from `factor`."""
        probability = self.of_batch(images, seed, *self.factor)
        return ops.less(self.of_batch(images, seed, 0.0, 1.0), probability)


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

    def draw(self, images: Any, seed: Any) -> Any:
        """Draw {"flips": which images to flip, "input_shape"}."""
        return {"flips": ops.less_equal(self.each(images, seed, 0.0, 1.0), 0.5), "input_shape": ops.shape(images)}

    def _directions(self) -> list[bool]:
        """Return whether to flip along the height, and along the width."""
        return ["vertical" in self.mode, "horizontal" in self.mode]

    def change(self, images: Any, transformation: Any, *, masks: bool = False) -> Any:
        """Return the flipped images."""
        axes = [axis for axis, is_flipped in zip(self.spatial, self._directions(), strict=True) if is_flipped]
        return ops.where(four(transformation["flips"]), ops.flip(images, axis=axes), images)

    def change_boxes(self, bounding_boxes: dict[str, Any], transformation: Any) -> Any:
        """Return the flipped boxes."""
        height, width = self.sizes_in(transformation["input_shape"])
        made = self.converted(bounding_boxes, "own", "rel_xyxy", height, width)
        flips = four(transformation["flips"])[..., 0]
        left, top, right, bottom = ops.split(made["boxes"], 4, axis=-1)
        down, along = self._directions()
        left, right = (1 - right, 1 - left) if along else (left, right)
        top, bottom = (1 - bottom, 1 - top) if down else (top, bottom)
        made["boxes"] = ops.where(flips, ops.concatenate([left, top, right, bottom], axis=-1), made["boxes"])
        made = boxes_of.clip_to_image_size(made, height, width)  # as in Keras: to the size in pixels, not to 1
        return self.converted(made, "rel_xyxy", "own", height, width)


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

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """Return the corner of the crop (top, left), in pixels: drawn at random where the crop fits into the images.

        Raises:
            ShapeError: the height or width of the images is unknown.
        """
        images = ops.convert_to_tensor(data["images"] if isinstance(data, Mapping) else data)
        height, width = self.sizes(images)
        if not isinstance(height, int) or not isinstance(width, int):
            raise ShapeError(
                f"Layer {self.name!r} (RandomCrop) needs known heights and widths, got images of shape {tuple(images.shape)}."
            )
        if training and height > self.height and width > self.width:
            seed = self.generator if seed is None else seed
            return tuple(
                ops.cast(self.uniform(seed, (), 0.0, old - new + 1), "int32")
                for old, new in ((height, self.height), (width, self.width))
            )
        crop_height = max(min(height, int(float(width * self.height) / self.width)), 1)
        crop_width = max(min(width, int(float(height * self.width) / self.height)), 1)
        return int((height - crop_height) / 2), int((width - crop_width) / 2)

    def change(self, images: Any, transformation: Any, *, masks: bool = False) -> Any:
        """Return the crop."""
        top, left = transformation
        if isinstance(top, (int, np.integer)) and isinstance(left, (int, np.integer)):
            part = self._window(images, int(top), int(left))
            if self.sizes(part) == (self.height, self.width):
                return part
            return self._cast(resize(part, (self.height, self.width), "bilinear", data_format=self.data_format))
        for axis, start, size in zip(self.spatial, transformation, (self.height, self.width), strict=True):
            images = ops.take(images, start + ops.arange(size, dtype="int32"), axis=axis)
        return images

    def transform_segmentation_masks(
        self, segmentation_masks: Any, transformation: Any = None, training: bool = True
    ) -> Any:
        """Return the cropped masks; as in Keras they are cropped at inference as well."""
        return self.transform_images(segmentation_masks, transformation)

    def change_boxes(self, bounding_boxes: dict[str, Any], transformation: Any) -> Any:
        """Return the boxes, shifted as in Keras: (top, left, top, left) is subtracted from (left, top, right, bottom)."""
        boxes = self.converted(bounding_boxes["boxes"], "own", "xyxy", self.height, self.width)
        shifts = [ops.cast(v, boxes.dtype) for v in transformation]
        boxes = ops.stack([ops.maximum(boxes[..., i] - shifts[i % 2], 0) for i in range(4)], axis=-1)
        boxes = self.converted(boxes, "xyxy", "own", self.height, self.width)
        return {"boxes": boxes, "labels": bounding_boxes["labels"]}


# ----- affine maps -----


class FillArguments(Declared, kw_only=True):
    """How to fill pixels outside the image, and how to interpolate between pixels."""

    fill_mode: str = argument(default="reflect")
    interpolation: str = argument(default="bilinear")
    fill_value: float = argument(default=0.0)


class _Warp(FillArguments, RandomLayer):
    """Base of layers that resample images: a map gives the position in the input for each pixel of the output.

    Raises:
        UnsupportedError: `fill_mode` or `interpolation` is unknown.
        InvalidArgumentError: a factor is out of range.
    """

    moves = True
    fill_modes: ClassVar[tuple[str, ...]] = ("reflect", "wrap", "constant", "nearest")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.fill_mode not in self.fill_modes or self.interpolation not in ("nearest", "bilinear"):
            raise UnsupportedError(
                f"Layer {self.name!r}: `fill_mode` must be one of {self.fill_modes} and `interpolation` 'nearest' or 'bilinear'. "
                f"Received: fill_mode={self.fill_mode}, interpolation={self.interpolation}"
            )

    def _interpolation(self, masks: bool) -> str:
        return "nearest" if masks else self.interpolation


class _Affine(_Warp):
    """Base of affine transforms, given by the coefficients of x' = a0 x + a1 y + a2, y' = b0 x + b1 y + b2 for each image."""

    def matrix(self, images: Any, transformation: Any) -> Any:
        """Return the transforms (batch, 8) for `ops.image.affine_transform`."""
        raise NotImplementedError(f"{type(self).__name__} defines no matrix()")

    def change(self, images: Any, transformation: Any, *, masks: bool = False) -> Any:
        """Return the transformed images."""
        how, matrix = self._interpolation(masks), self.matrix(images, transformation)
        return image.affine_transform(
            images, matrix, how, self.fill_mode, self.fill_value, data_format=self.data_format
        )

    def get_transformed_x_y(self, x: Any, y: Any, transform: Any) -> tuple[Any, Any]:
        """Return where the transforms (batch, 8) map a point to: x and y, each (batch, 1). Source: keras' layer of this name."""
        a0, a1, a2, b0, b1, b2, c0, c1 = ops.split(ops.convert_to_tensor(transform), 8, axis=-1)
        below = c0 * x + c1 * y + 1
        return (a0 * x + a1 * y + a2) / below, (b0 * x + b1 * y + b2) / below

    def get_shifted_bbox(self, bounding_boxes: Any, w_shift_factor: Any, h_shift_factor: Any) -> dict[str, Any]:
        """Return boxes (left, top, right, bottom), moved to the left and up by so many pixels for each image, (batch, 1)."""
        boxes = ops.convert_to_tensor(bounding_boxes["boxes"])
        shifts = [ops.cast(v, boxes.dtype) for v in (w_shift_factor, h_shift_factor)]
        if boxes.ndim == 3:
            shifts = [ops.expand_dims(v, -1) for v in shifts]
        moved = [v - shifts[i % 2] for i, v in enumerate(ops.split(boxes, 4, axis=-1))]
        return {**bounding_boxes, "boxes": ops.concatenate(moved, axis=-1)}


def _rows(batch: Any, *columns: Any) -> Any:
    """Return (batch, 8) from the first six coefficients, each (batch, 1), (batch,) or a number."""
    zeros = ops.zeros((batch, 1), "float32")
    full = [zeros + ops.reshape(ops.cast(v, "float32"), (-1, 1)) for v in columns]
    return ops.concatenate([*full, *[zeros] * (8 - len(full))], axis=1)


def _centers(sizes: tuple[Any, Any]) -> tuple[Any, Any]:
    """Return the center (x, y) of images of a size (height, width), in pixels."""
    height, width = ((ops.cast(size, "float32") - 1.0) / 2.0 for size in sizes)
    return width, height


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

    def draw(self, images: Any, seed: Any) -> Any:
        """Draw the angle of each image, in degrees, and what follows from it."""
        angle = self.of_batch(images, seed, self.factor[0] * 360.0, self.factor[1] * 360.0)
        height, width = self.sizes(images)
        turn = angle * (math.pi / 180.0)
        cosine, sine = ops.cos(turn), ops.sin(turn)
        x, y = _centers((height, width))
        columns = [cosine, -sine, x - x * cosine + y * sine, sine, cosine, y - x * sine - y * cosine]
        matrix = _rows(self.number(images), *columns)
        return {
            "angle": angle,
            "rotation_matrix": matrix if images.ndim == 4 else ops.squeeze(matrix, 0),
            "image_height": height,
            "image_width": width,
            "batch_size": self.number(images),
        }

    def matrix(self, images: Any, transformation: Any) -> Any:
        """Return the rotations."""
        return ops.convert_to_tensor(transformation["rotation_matrix"])

    def change_boxes(self, bounding_boxes: dict[str, Any], transformation: Any) -> Any:
        """Return the smallest boxes around the rotated ones. As in Keras, the given boxes are read as (left, top, right, bottom)."""
        height, width = transformation["image_height"], transformation["image_width"]
        angle = ops.cast(transformation["angle"], "float32")
        none, one = ops.zeros_like(angle), ops.ones_like(angle)
        boxes = boxes_of.affine_transform(
            bounding_boxes["boxes"], angle, none, none, one, none, none, height=height, width=width
        )
        made = boxes_of.clip_to_image_size({**bounding_boxes, "boxes": boxes}, height, width)
        return self.converted(made, "xyxy", "own", height, width)


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
        self.height_lower, self.height_upper = _shift(self, "height_factor", self.height_factor)
        self.width_lower, self.width_upper = _shift(self, "width_factor", self.width_factor)

    def draw(self, images: Any, seed: Any) -> Any:
        """Draw {"translations": (batch, 2), to the right and down in pixels, "input_shape"}."""
        height, width = self.sizes(images)
        each = (self.number(images), 1)
        down = self.uniform(seed, each, self.height_lower, self.height_upper) * ops.cast(height, "float32")
        right = self.uniform(seed, each, self.width_lower, self.width_upper) * ops.cast(width, "float32")
        return {"translations": ops.concatenate([right, down], axis=1), "input_shape": ops.shape(images)}

    def matrix(self, images: Any, transformation: Any) -> Any:
        """Return the shifts."""
        moved = ops.convert_to_tensor(transformation["translations"])
        return _rows(ops.shape(moved)[0], 1.0, 0.0, -moved[:, 0], 0.0, 1.0, -moved[:, 1])

    def change_boxes(self, bounding_boxes: dict[str, Any], transformation: Any) -> Any:
        """Return the shifted boxes."""
        height, width = self.sizes_in(transformation["input_shape"])
        made = self.converted(bounding_boxes, "own", "xyxy", height, width)
        made = self.get_shifted_bbox(made, *self.get_transformed_x_y(0, 0, self.matrix(None, transformation)))
        made = boxes_of.clip_to_image_size(made, height, width)
        return self.converted(made, "xyxy", "own", height, width)


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
        self.height_lower, self.height_upper = _zoom(self, "height_factor", self.height_factor)
        if self.width_factor is not None:
            self.width_lower, self.width_upper = _zoom(self, "width_factor", self.width_factor)

    def draw(self, images: Any, seed: Any) -> Any:
        """Draw {"height_zoom", "width_zoom": (batch, 1), above 1 to zoom out, "input_shape"}."""
        each = (self.number(images), 1)
        tall = wide = self.uniform(seed, each, 1.0 + self.height_lower, 1.0 + self.height_upper)
        if self.width_factor is not None:
            wide = self.uniform(seed, each, 1.0 + self.width_lower, 1.0 + self.width_upper)
        return {"height_zoom": tall, "width_zoom": wide, "input_shape": ops.shape(images)}

    def matrix(self, images: Any, transformation: Any) -> Any:
        """Return scalings about the center."""
        return self._scalings(transformation, self.sizes(images))

    def _scalings(self, transformation: Any, sizes: tuple[Any, Any]) -> Any:
        tall, wide = (ops.cast(transformation[n], "float32") for n in ("height_zoom", "width_zoom"))
        x, y = _centers(sizes)
        return _rows(ops.shape(tall)[0], wide, 0.0, x * (1.0 - wide), 0.0, tall, y * (1.0 - tall))

    def get_clipped_bbox(
        self, bounding_boxes: Any, h_end: Any, h_start: Any, w_end: Any, w_start: Any
    ) -> dict[str, Any]:
        """Return boxes (left, top, right, bottom) relative to a window of each image, (batch, 1), and clipped to it."""
        boxes = ops.convert_to_tensor(bounding_boxes["boxes"])
        starts, ends = (w_start, h_start), (w_end, h_end)
        if boxes.ndim == 3:
            starts, ends = (tuple(ops.expand_dims(v, -1) for v in limits) for limits in (starts, ends))
        parts = ops.split(boxes, 4, axis=-1)
        moved = [ops.clip(v, starts[i % 2], ends[i % 2]) - starts[i % 2] for i, v in enumerate(parts)]
        return {**bounding_boxes, "boxes": ops.concatenate(moved, axis=-1)}

    def change_boxes(self, bounding_boxes: dict[str, Any], transformation: Any) -> Any:
        """Return the boxes in the visible window."""
        height, width = self.sizes_in(transformation["input_shape"])
        made = self.converted(bounding_boxes, "own", "xyxy", height, width)
        transform = self._scalings(transformation, (height, width))
        left, top = self.get_transformed_x_y(0, 0, transform)
        x, y = (ops.cast(v, "float32") for v in (width, height))
        right, bottom = self.get_transformed_x_y(x, y, transform)
        made = self.get_clipped_bbox(made, bottom, top, right, left)
        tall, wide = ops.expand_dims(bottom - top, -1), ops.expand_dims(right - left, -1)
        made = self.converted(made, "xyxy", "rel_xyxy", tall, wide)
        made = boxes_of.clip_to_image_size(made, bounding_box_format="rel_xyxy")
        return self.converted(made, "rel_xyxy", "own", height, width)


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

    def draw(self, images: Any, seed: Any) -> Any:
        """Draw {"shear_factor": (batch, 2), along x and y, "input_shape"}."""
        each, dtype = (self.number(images), 1), self.compute_dtype
        sign = signed(self.uniform(seed, each, 0.0, 1.0, dtype))
        y, x = (self.uniform(seed, each, low, high, dtype) for low, high in (self.y_factor, self.x_factor))
        return {"shear_factor": ops.concatenate([x, y], axis=1) * sign, "input_shape": ops.shape(images)}

    def matrix(self, images: Any, transformation: Any) -> Any:
        """Return the shears."""
        x, y = ops.split(ops.convert_to_tensor(transformation["shear_factor"]), 2, axis=1)
        return _rows(ops.shape(x)[0], 1.0, x, 0.0, y, 1.0, 0.0)

    def change_boxes(self, bounding_boxes: dict[str, Any], transformation: Any) -> Any:
        """Return boxes around the sheared ones: first along x, then along y."""
        height, width = self.sizes_in(transformation["input_shape"])
        made = self.converted(bounding_boxes, "own", "rel_xyxy", height, width)
        x, y = ops.split(ops.cast(transformation["shear_factor"], self.compute_dtype), 2, axis=-1)
        left, top, right, bottom = (made["boxes"][..., i] for i in range(4))
        to_right, down = ops.less(x, 0), ops.greater(y, 0)
        left = left - x * ops.where(to_right, top, bottom)
        right = right - x * ops.where(to_right, bottom, top)
        top = top - y * ops.where(down, right, left)
        bottom = bottom - y * ops.where(down, left, right)
        made["boxes"] = ops.stack([left, top, right, bottom], axis=-1)
        made = boxes_of.clip_to_image_size(made, bounding_box_format="rel_xyxy")
        return self.converted(made, "rel_xyxy", "own", height, width)


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

    def draw(self, images: Any, seed: Any) -> Any:
        """Draw {"apply_perspective": (batch,), "start_points", "end_points": the corners (batch, 4, 2), "input_shape"}."""
        chosen, dtype, batch = self.chosen(images, seed), self.compute_dtype, self.number(images)
        height, width = (ops.cast(s, dtype) - 1.0 for s in self.sizes(images))
        zero = ops.zeros_like(height)
        corners = ops.stack([ops.stack(c) for c in ([zero, zero], [width, zero], [zero, height], [width, height])])
        start = ops.expand_dims(corners, 0) + ops.zeros((batch, 1, 1), dtype)
        moved = self.uniform(seed, (batch, 4, 2), -0.5 * self.scale, 0.5 * self.scale, dtype)
        return {
            "apply_perspective": chosen,
            "start_points": start,
            "end_points": start + start * moved,
            "input_shape": ops.shape(images),
        }

    def change(self, images: Any, transformation: Any, *, masks: bool = False) -> Any:
        """Return the warped images."""
        start, end, how = transformation["start_points"], transformation["end_points"], self._interpolation(masks)
        seen = image.perspective_transform(images, start, end, how, self.fill_value, data_format=self.data_format)
        return ops.where(four(transformation["apply_perspective"]), ops.cast(seen, images.dtype), images)

    def change_boxes(self, bounding_boxes: dict[str, Any], transformation: Any) -> Any:
        """Return the smallest boxes around the warped ones; as in Keras always as (left, top, right, bottom)."""
        height, width = self.sizes_in(transformation["input_shape"])
        made = self.converted(bounding_boxes, "own", "xyxy", height, width)
        start, end = (ops.cast(transformation[n], "float32") for n in ("start_points", "end_points"))
        there = _homography(start, end)

        def mapped(x: Any, y: Any) -> tuple[Any, Any]:
            a, b, c, d, e, f, g, h = (there[:, i : i + 1] for i in range(8))
            below = g * x + h * y + 1.0
            return (a * x + b * y + c) / below, (d * x + e * y + f) / below

        boxes, chosen = made["boxes"], four(transformation["apply_perspective"])[..., 0]
        made["boxes"] = ops.where(ops.cast(chosen, "bool"), boxes_of.around(boxes, mapped), boxes)
        return boxes_of.clip_to_image_size(made, height, width)


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

    def draw(self, images: Any, seed: Any) -> Any:
        """Draw {"apply_transform": which images, "distortion_factor": the strength s, "seed": of the displacements}; None if both are 0."""
        if self.scale[1] == 0 or self.factor[1] == 0:
            return None
        chosen = self.chosen(images, seed)
        strength = self.uniform(seed, (), self.scale[0], self.scale[1], self.compute_dtype)
        return {"apply_transform": chosen, "distortion_factor": strength, "seed": draw_seed(seed)}

    def get_elastic_transform_params(self, height: Any, width: Any, factor: Any) -> tuple[Any, Any]:
        """Return the reach of the displacements and the deviation of their smoothing, in pixels. Source: keras' method."""
        return max(height, width) * (0.1 * factor), min(height, width) * (0.05 * factor)

    def _shifts(self, images: Any, transformation: Any) -> Any:
        """Return displacements along height and width (2, batch, h, w). Raises ShapeError for unknown sizes."""
        height, width = self.sizes(images)
        if not isinstance(height, int) or not isinstance(width, int):
            raise ShapeError(
                f"Layer {self.name!r} needs known heights and widths, got images of shape {tuple(images.shape)}."
            )
        strength = ops.cast(transformation["distortion_factor"], "float32")
        far, deviation = self.get_elastic_transform_params(height, width, strength)
        shape = (2, ops.shape(images)[0], height, width)
        noise = random.normal(shape, dtype="float32", seed=transformation["seed"])
        reach = max(1, int(3 * 0.05 * min(height, width) * self.scale[1]))
        window = gaussian(2 * reach + 1, deviation + 1e-6)
        flat = ops.reshape(noise, (-1, height, width, 1))
        return ops.reshape(blurred(flat, window, window), ops.shape(noise)) * far

    def change(self, images: Any, transformation: Any, *, masks: bool = False) -> Any:
        """Return the distorted images."""
        shifts = self._shifts(images, transformation)
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
        made = ops.where(four(transformation["apply_transform"]), ops.cast(made, x.dtype), x)
        made = made if masks else ops.clip(made, *self.value_range)
        return self._with_own_channels(made)

    def change_boxes(self, bounding_boxes: dict[str, Any], transformation: Any) -> Any:
        """Refuse: boxes cannot be distorted."""
        raise no_boxes(self)


def no_boxes(layer: ImageLayer) -> UnsupportedError:
    """Return the error of a layer that cannot transform bounding boxes."""
    return UnsupportedError(
        f"Layer {layer.name!r} ({type(layer).__name__}) cannot transform bounding boxes, as in Keras; leave them out, or override "
        "transform_bounding_boxes()."
    )


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
