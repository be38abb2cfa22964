"""Image layers: their base class, and those that are not random (Resizing, CenterCrop, histogram equalization)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from graphkit import ops
from graphkit.core import dtypes
from graphkit.core.declared import Declared, argument, must
from graphkit.core.errors import InvalidArgumentError, ShapeError
from graphkit.core.layout import CHANNELS_LAST, standardize_data_format
from graphkit.core.serialization import keras_class
from graphkit.layers.declared import BuiltInLayer
from graphkit.layers.preprocessing import bounding_boxes as boxes_of
from graphkit.ops.resizing import INTERPOLATIONS, resize

_HOME = "keras.layers"
Range = tuple[float, float]
_MASKS, _BOXES = "segmentation_masks", "bounding_boxes"


def factor_range(layer: Any, name: str, value: Any, bounds: Range, low: float | None = None) -> Range:
    """Return the range of a `factor`: a sorted pair, or (`low`, f) or (-f, f) for a number f.

    Args:
        layer: for messages.
        name: of the argument.
        value: a number or a pair of numbers.
        bounds: the limits of a number; a pair must overlap them.
        low: the lower end for a single number; -f, but not below the bounds, by default.

    Raises:
        InvalidArgumentError: `value` is something else, or out of bounds.
    """
    pair = isinstance(value, (list, tuple)) and len(value) == 2 and all(isinstance(v, (int, float)) for v in value)
    if pair and value[0] <= bounds[1] and value[1] >= bounds[0]:
        first, last = sorted(value)
        return first, last
    if isinstance(value, (int, float)) and not isinstance(value, bool) and bounds[0] <= value <= bounds[1]:
        return max(-abs(value), bounds[0]) if low is None else low, abs(value)
    raise InvalidArgumentError(
        f"The `{name}` argument of layer {layer.name!r} should be a number (or a list of two numbers) in the range "
        f"[{bounds[0]}, {bounds[1]}]. Received: {name}={value}"
    )


_value_range = must(
    lambda value: isinstance(value, (list, tuple)) and len(value) == 2,
    "The `value_range` argument of layer {owner.name!r} should be a list of two numbers. Received: value_range={value}",
)


def in_bounds(layer: Any, name: str, value: Any) -> Range:
    """Return the range of a factor, checked against the bounds of the layer: see `factor_range`."""
    return factor_range(layer, name, value, layer.bounds)


def each_within(low: float, high: float, least: float | None = None) -> Callable[[Any, str, Any], Range]:
    """Return a check of a factor whose numbers must all be in low..high; `least` is the `low` of `factor_range`."""

    def check(layer: Any, name: str, value: Any) -> Range:
        made = factor_range(layer, name, value, layer.bounds, least)
        if any(not low <= number <= high for number in (value if isinstance(value, (list, tuple)) else (value,))):
            raise InvalidArgumentError(
                f"The `{name}` argument of layer {layer.name!r} should be a number (or a list of two numbers) in the range "
                f"[{low}, {high}]. Received: {name}={value}"
            )
        return made

    return check


def rescaled(x: Any, old: Any, new: Any) -> Any:
    """Map values linearly from the range `old` to the range `new`."""
    if tuple(old) == tuple(new):
        return x
    return (x - old[0]) / (old[1] - old[0]) * (new[1] - new[0]) + new[0]


class ValueRangeArgument(Declared, kw_only=True):
    """The range of pixel values (low, high)."""

    value_range: Any = argument(default=(0, 255), check=_value_range, convert=sorted)


class ImageArguments(Declared, kw_only=True):
    """The arguments of every image layer."""

    data_format: Any = argument(default=None, convert=standardize_data_format)
    bounding_box_format: Any = argument(default=None, check=boxes_of.known_format, hidden=True)


class ImageLayer(ImageArguments, BuiltInLayer):
    """A layer over images (batch, h, w, channels), a single image, or a dict of images and their annotations.

    The dict may have "images", "labels", "segmentation_masks" and "bounding_boxes" ({"boxes": (batch, n, 4), "labels"}). The methods
    are those of Keras' image layers: `get_random_transformation` draws what happens to a batch, and each `transform_...` applies it.
    A subclass of a layer may override any of them.

    In graphkit's own classes, `draw` returns the transformation and `change` the changed images of a batch. If the layer `moves`
    pixels, masks are transformed like the images, and `change_boxes` returns the boxes.
    """

    takes_numbers = True
    moves: ClassVar[bool] = False
    always: ClassVar[bool] = False  # whether it also acts at inference
    augments: ClassVar[bool] = True  # whether models called without `training` leave the images unchanged
    casts_unchanged: ClassVar[bool] = True  # whether unchanged images are cast to the compute dtype as well
    draws: ClassVar[bool] = False  # whether it needs a transformation; without one, images stay as they are
    bounds: ClassVar[Range] = (-1.0, 1.0)

    # ----- for subclasses -----

    def draw(self, images: Any, seed: Any) -> Any:
        """Return the transformation of images, as in Keras: random values, and the shape of the images where boxes need it.

        Args:
            images: a batch, or a single image.
            seed: of the random values: a generator or an int.
        """
        return None

    def change(self, images: Any, transformation: Any, *, masks: bool = False) -> Any:
        """Return the changed images.

        Args:
            images: (batch, h, w, channels), or as `data_format` says.
            transformation: the result of `draw`.
            masks: whether they are segmentation masks, whose values must not be interpolated.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no change()")

    def change_boxes(self, bounding_boxes: dict[str, Any], transformation: Any) -> Any:
        """Return the boxes and labels of the changed images.

        Args:
            bounding_boxes: {"boxes": (batch, n, 4), "labels"}, in the layer's format.
            transformation: the result of `draw`.
        """
        return bounding_boxes

    # ----- Keras' public methods -----

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """Draw what happens to these images: the argument `transformation` of the other methods.

        Args:
            data: images, or a dict with "images".
            training: without it the result is None, unless the layer also acts at inference.
            seed: an int or a generator; the layer's own generator by default.
        """
        images = data["images"] if isinstance(data, Mapping) else data
        if not (training or self.always):
            return None
        return self.draw(ops.convert_to_tensor(images), getattr(self, "generator", None) if seed is None else seed)

    def transform_images(self, images: Any, transformation: Any = None, training: bool = True) -> Any:
        """Return the images, changed during training: a batch or a single image."""
        images = ops.convert_to_tensor(images)
        if not self._acts(transformation, training):
            return self._cast(images) if self.casts_unchanged else images
        return self._of_rank(images, self._cast(self.change(self._batch(self._cast(images)), transformation)))

    def transform_labels(self, labels: Any, transformation: Any = None, training: bool = True) -> Any:
        """Return the labels, changed during training."""
        return labels

    def transform_segmentation_masks(
        self, segmentation_masks: Any, transformation: Any = None, training: bool = True
    ) -> Any:
        """Return the masks, transformed like the images where the layer moves pixels."""
        if not self.moves or not self._acts(transformation, training):
            return segmentation_masks
        given = ops.convert_to_tensor(segmentation_masks)
        return self._of_rank(given, self.change(self._batch(self._cast(given)), transformation, masks=True))

    def transform_bounding_boxes(self, bounding_boxes: Any, transformation: Any = None, training: bool = True) -> Any:
        """Return the boxes, transformed like the images; boxes that end up outside get the label -1.

        Args:
            bounding_boxes: {"boxes": (batch, n, 4), "labels": (batch, n)}, in the layer's `bounding_box_format`.
            transformation: the result of `get_random_transformation`.
            training: whether to transform them.
        """
        if not self.moves or not self._acts(transformation, training):
            return bounding_boxes
        return self.change_boxes(dict(bounding_boxes), transformation)

    def transform_single_image(self, image: Any, transformation: Any = None, training: bool = True) -> Any:
        """Apply `transform_images` to one image."""
        made = self.transform_images(ops.expand_dims(image, 0), transformation=transformation, training=training)
        return ops.squeeze(made, 0)

    def transform_single_label(self, label: Any, transformation: Any = None, training: bool = True) -> Any:
        """Apply `transform_labels` to one label."""
        made = self.transform_labels(ops.expand_dims(label, 0), transformation=transformation, training=training)
        return ops.squeeze(made, 0)

    def transform_single_segmentation_mask(
        self, segmentation_mask: Any, transformation: Any = None, training: bool = True
    ) -> Any:
        """Apply `transform_segmentation_masks` to one mask."""
        masks = ops.expand_dims(segmentation_mask, 0)
        made = self.transform_segmentation_masks(masks, transformation=transformation, training=training)
        return ops.squeeze(made, 0)

    def transform_single_bounding_box(
        self, bounding_box: Any, transformation: Any = None, training: bool = True
    ) -> Any:
        """Apply `transform_bounding_boxes` to the boxes (n, 4) and labels (n,) of one image."""
        parts = [n for n in ("boxes", "labels") if n in bounding_box]
        batch = {**bounding_box, **{n: ops.expand_dims(bounding_box[n], 0) for n in parts}}
        made = self.transform_bounding_boxes(batch, transformation=transformation, training=training)
        return {**made, **{n: ops.squeeze(made[n], 0) for n in parts}}

    # ----- the call -----

    def call(self, data: Any, training: bool = True) -> Any:
        """Return the changed images, or the dict with everything in it changed.

        Raises:
            InvalidArgumentError: the dict has bounding boxes, and the layer no `bounding_box_format`.
            ShapeError: the images do not have rank 3 or 4.
        """
        drawn = self.get_random_transformation(data, training=training)
        images = ops.convert_to_tensor(data["images"] if isinstance(data, Mapping) else data)
        several = self._is_batch(images)

        def changed(what: str, of_one: str, given: Any) -> Any:
            return getattr(self, what if several else of_one)(given, transformation=drawn, training=training)

        made_images = changed("transform_images", "transform_single_image", images)
        if not isinstance(data, Mapping):
            return made_images
        made = {**data, "images": made_images}
        if _BOXES in data:
            boxes = self._checked_boxes(data, several)
            made[_BOXES] = changed("transform_bounding_boxes", "transform_single_bounding_box", boxes)
        if "labels" in data:
            labels = ops.convert_to_tensor(data["labels"])
            made["labels"] = changed("transform_labels", "transform_single_label", labels)
        if _MASKS in data:
            masks = data[_MASKS]
            made[_MASKS] = changed("transform_segmentation_masks", "transform_single_segmentation_mask", masks)
        return made

    def _acts(self, transformation: Any, training: bool) -> bool:
        return bool(training or self.always) and not (self.draws and transformation is None)

    def _checked_boxes(self, data: Mapping[str, Any], several: bool) -> Any:
        if not self.bounding_box_format:
            raise InvalidArgumentError(
                "You passed an input with a 'bounding_boxes' key, but you didn't specify a bounding box format. Pass a "
                f"`bounding_box_format` argument to your {type(self).__name__} layer, e.g. `bounding_box_format='xyxy'`."
            )
        return boxes_of.validated(data[_BOXES], self, batched=several)

    def converted(self, bounding_boxes: Any, source: str, target: str, height: Any, width: Any) -> Any:
        """Convert boxes from one format to another; "own" is the layer's."""
        own = str(self.bounding_box_format)
        source, target = (own if form == "own" else form for form in (source, target))
        return boxes_of.convert_format(bounding_boxes, source, target, height, width)

    def _cast(self, images: Any) -> Any:
        return ops.cast(images, self.compute_dtype)

    def _is_batch(self, images: Any) -> bool:
        """Return whether these are several images. Raises ShapeError unless the rank is 3 or 4."""
        if images.ndim not in (3, 4):
            raise ShapeError(
                f"Expected image tensor to have rank 3 (single image) or 4 (batch of images). Received by layer {self.name!r}: "
                f"shape {tuple(images.shape)}"
            )
        return bool(images.ndim == 4)

    def _batch(self, images: Any) -> Any:
        return images if self._is_batch(images) else ops.expand_dims(images, 0)

    def _of_rank(self, like: Any, images: Any) -> Any:
        return images if like.ndim == 4 else ops.squeeze(images, 0)

    def number(self, images: Any) -> Any:
        """Return the number of images: 1 for a single image."""
        return ops.shape(images)[0] if self._is_batch(images) else 1

    # ----- the axes -----

    @property
    def _last(self) -> bool:
        return bool(self.data_format == CHANNELS_LAST)

    @property
    def spatial(self) -> tuple[int, int]:
        """The axes of height and width."""
        return (1, 2) if self._last else (2, 3)

    @property
    def channels(self) -> int:
        """The axis of the channels."""
        return 3 if self._last else 1

    def _with_channels_last(self, images: Any) -> Any:
        return images if self._last else ops.transpose(images, (0, 2, 3, 1))

    def _with_own_channels(self, images: Any) -> Any:
        """Invert `_with_channels_last`."""
        return images if self._last else ops.transpose(images, (0, 3, 1, 2))

    def sizes(self, images: Any) -> tuple[Any, Any]:
        """Return height and width of images: ints, or symbolic sizes where they are unknown."""
        return self.sizes_in(ops.shape(images))

    def sizes_in(self, shape: Any) -> tuple[Any, Any]:
        """Return height and width from the shape of images."""
        first = -3 if self._last else -2
        return shape[first], shape[first + 1]

    # ----- config -----

    def get_config(self) -> dict[str, Any]:
        """Return the config, as in Keras with `data_format` first and `bounding_box_format` only where it is set."""
        config = super().get_config()
        base = {n: config.pop(n) for n in ("name", "trainable", "dtype")} | {"data_format": self.data_format}
        if self.bounding_box_format is not None:
            base["bounding_box_format"] = self.bounding_box_format
        return {**base, **{n: v for n, v in config.items() if n not in (*base, "bounding_box_format")}}


def like_the_given(made: Any, given: Any) -> Any:
    """Return results in the dtype of what was given; for integers they are rounded and clipped to its range."""
    name = dtypes.standardize(given.dtype)
    if dtypes.standardize(made.dtype) == name:
        return made
    if dtypes.is_int(name):
        info = np.iinfo(dtypes.to_numpy(name))
        made = ops.clip(ops.round(made), int(info.min), int(info.max))
    return ops.cast(made, name)


# ----- sizes -----


class _ResizedImages(ImageLayer):
    """Base of layers that change the size of images."""

    moves, always = True, True

    height: int = argument()
    width: int = argument()

    def _window(self, images: Any, top: Any, left: Any) -> Any:
        """Return the part of the target size that starts at (top, left); it is smaller at the borders."""
        key: list[Any] = [slice(None)] * 4
        for axis, start, size in zip(self.spatial, (top, left), (self.height, self.width), strict=True):
            key[axis] = slice(start, start + size)
        return images[tuple(key)]


_interpolation = must(
    lambda value: value in INTERPOLATIONS,
    f"Layer {{owner.name!r}}: `interpolation` must be one of {INTERPOLATIONS}, got {{value!r}}.",
)


@keras_class(_HOME)
class Resizing(_ResizedImages):
    """Resizes images to (height, width), also at inference. Source: keras.layers.Resizing.

    Args:
        height, width: the size of the output, in pixels.
        interpolation: "bilinear", "nearest", "bicubic", "lanczos3" or "lanczos5".
        crop_to_aspect_ratio: whether to crop images to the target's aspect ratio first.
        pad_to_aspect_ratio: whether to pad images to the target's aspect ratio first.
        fill_mode: how to pad: "constant".
        fill_value: of the padding.
        antialias: whether to widen the filter when downsampling.
    """

    argument_order = (
        "height width interpolation crop_to_aspect_ratio pad_to_aspect_ratio fill_mode fill_value antialias data_format"
    )

    interpolation: str = argument(default="bilinear", check=_interpolation)
    crop_to_aspect_ratio: bool = argument(default=False)
    pad_to_aspect_ratio: bool = argument(default=False)
    fill_mode: str = argument(default="constant")
    fill_value: float = argument(default=0.0)
    antialias: bool = argument(default=False, convert=bool)

    def change(self, images: Any, transformation: Any, *, masks: bool = False) -> Any:
        """Return the resized images."""
        return resize(
            images,
            (self.height, self.width),
            interpolation="nearest" if masks else self.interpolation,
            antialias=self.antialias,
            crop_to_aspect_ratio=self.crop_to_aspect_ratio,
            pad_to_aspect_ratio=self.pad_to_aspect_ratio,
            fill_mode=self.fill_mode,
            fill_value=self.fill_value,
            data_format=self.data_format,
        )

    def _cast(self, images: Any) -> Any:
        """Return the images uncast: `transform_images` keeps their dtype."""
        return images

    def draw(self, images: Any, seed: Any) -> Any:
        """Return the size of the images, (height, width)."""
        return self.sizes(images)

    def transform_images(self, images: Any, transformation: Any = None, training: bool = True) -> Any:
        """Return the resized images in their original dtype; integers are rounded and clipped to its range."""
        return self._resized(images, masks=False)

    def transform_segmentation_masks(
        self, segmentation_masks: Any, transformation: Any = None, training: bool = True
    ) -> Any:
        """Return the resized masks in their original dtype, without interpolation."""
        return self._resized(segmentation_masks, masks=True)

    def _resized(self, images: Any, masks: bool) -> Any:
        images = ops.convert_to_tensor(images)
        made = self._of_rank(images, self.change(self._batch(images), None, masks=masks))
        return like_the_given(made, images)

    def change_boxes(self, bounding_boxes: dict[str, Any], transformation: Any) -> Any:
        """Return the boxes, scaled, and shifted by the cropping or padding; boxes of padding (all 0 or -1) become 0."""
        height, width = transformation
        given = ops.convert_to_tensor(bounding_boxes["boxes"])
        padding = ops.logical_or(*(ops.all(ops.equal(given, v), axis=-1, keepdims=True) for v in (-1, 0)))
        made = self.converted(bounding_boxes, "own", "xyxy", height, width)
        made["boxes"] = self._moved(made["boxes"], height, width)
        made = boxes_of.clip_to_image_size(made, self.height, self.width)
        made["boxes"] = ops.where(padding, ops.zeros_like(made["boxes"]), made["boxes"])
        return self.converted(made, "xyxy", "own", self.height, self.width)

    def _moved(self, boxes: Any, height: Any, width: Any) -> Any:
        tall, wide = ops.cast(height, boxes.dtype), ops.cast(width, boxes.dtype)
        scale_y, scale_x = self.height / tall, self.width / wide
        if self.crop_to_aspect_ratio or self.pad_to_aspect_ratio:
            pick = ops.minimum if self.pad_to_aspect_ratio else ops.maximum
            scale_x = scale_y = pick(scale_x, scale_y)
        sign = 1.0 if self.pad_to_aspect_ratio else -1.0
        down = sign * ops.floor(sign * (self.height - tall * scale_y) / 2)
        right = sign * ops.floor(sign * (self.width - wide * scale_x) / 2)
        return ops.stack(
            [boxes[..., i] * s + o for i, (s, o) in enumerate([(scale_x, right), (scale_y, down)] * 2)], axis=-1
        )


@keras_class(_HOME)
class CenterCrop(_ResizedImages):
    """Crops images to their center (height, width), also at inference. Source: keras.layers.CenterCrop.

    Images that are smaller along an axis are cut to the target's aspect ratio and resized.

    Args:
        height, width: the size of the output, in pixels.
    """

    argument_order = "height width data_format"
    wants_known_sizes: ClassVar[bool] = True  # for exports, since they decide whether it crops or resizes

    def change(self, images: Any, transformation: Any, *, masks: bool = False) -> Any:
        """Return the center, or the resized images."""
        height, width = self.sizes(images)
        if self._is_smaller(height, width):
            return resize(images, (self.height, self.width), crop_to_aspect_ratio=True, data_format=self.data_format)
        return self._window(images, (height - self.height) // 2, (width - self.width) // 2)

    def _is_smaller(self, height: Any, width: Any) -> bool:
        return (isinstance(height, int) and height < self.height) or (isinstance(width, int) and width < self.width)

    def draw(self, images: Any, seed: Any) -> Any:
        """Return {"input_shape": the shape of the images}."""
        return {"input_shape": ops.shape(images)}

    def change_boxes(self, bounding_boxes: dict[str, Any], transformation: Any) -> Any:
        """Return the boxes, shifted, or scaled where the images are resized. Raises ShapeError for images of unknown size."""
        height, width = self.sizes_in(transformation["input_shape"])
        if not isinstance(height, int) or not isinstance(width, int):
            raise ShapeError(
                f"Layer {self.name!r} (CenterCrop) needs known heights and widths for bounding boxes, got images of shape "
                f"{tuple(transformation['input_shape'])}."
            )
        tall, wide = self.height, self.width
        if self._is_smaller(height, width):
            tall = max(min(height, int(float(width * self.height) / self.width)), 1)
            wide = max(min(width, int(float(height * self.width) / self.height)), 1)
        top, left = (int((size - kept) / 2) for size, kept in ((height, tall), (width, wide)))
        made = self.converted(bounding_boxes, "own", "xyxy", height, width)
        made["boxes"] = boxes_of.crop(made["boxes"], top, left, tall, wide)
        if self._is_smaller(height, width):
            made = self.converted(made, "xyxy", "rel_xyxy", tall, wide)
            made = self.converted(made, "rel_xyxy", "xyxy", self.height, self.width)
        made = boxes_of.clip_to_image_size(made, self.height, self.width)
        return self.converted(made, "xyxy", "own", self.height, self.width)


@keras_class(_HOME)
class MaxNumBoundingBoxes(ImageLayer):
    """Truncates or pads boxes and labels to `max_number` for each image. Source: keras.layers.MaxNumBoundingBoxes.

    Args:
        max_number: the number of boxes.
        fill_value: of the padding.
    """

    moves, always = True, True

    argument_order = "max_number fill_value"

    max_number: int = argument(convert=int)
    fill_value: int = argument(default=-1, convert=int, saved=False)

    def transform_images(self, images: Any, transformation: Any = None, training: bool = True) -> Any:
        """Return the images unchanged."""
        return images

    def transform_segmentation_masks(
        self, segmentation_masks: Any, transformation: Any = None, training: bool = True
    ) -> Any:
        """Return the masks unchanged."""
        return segmentation_masks

    def change_boxes(self, bounding_boxes: dict[str, Any], transformation: Any) -> Any:
        """Return exactly `max_number` boxes and labels for each image."""
        return {**bounding_boxes, **{n: self._of_number(bounding_boxes[n]) for n in ("boxes", "labels")}}

    def _of_number(self, x: Any) -> Any:
        x = ops.convert_to_tensor(x)[:, : self.max_number]
        missing = self.max_number - x.shape[1]
        return ops.pad(x, [(0, 0), (0, missing), *[(0, 0)] * (x.ndim - 2)], constant_values=self.fill_value)


# ----- contrast -----


@keras_class(_HOME)
class AutoContrast(ValueRangeArgument, ImageLayer):
    """Stretches the values of each channel of an image to the whole range, also at inference. Source: keras.layers.AutoContrast.

    Args:
        value_range: of the pixels.
    """

    always = True

    argument_order = "value_range"

    def change(self, images: Any, transformation: Any, *, masks: bool = False) -> Any:
        """Return the stretched images; channels with a single value are unchanged."""
        low = ops.min(images, axis=(1, 2), keepdims=True)  # as in Keras, whatever the data format
        width = ops.max(images, axis=(1, 2), keepdims=True) - low
        flat = ops.equal(width, 0)
        share = (images - low) / ops.where(flat, ops.ones_like(width), width)
        return ops.where(flat, images, rescaled(share, (0.0, 1.0), self.value_range))


@keras_class(_HOME)
class Equalization(ValueRangeArgument, ImageLayer):
    """Equalizes the histogram of each channel over the batch, during training. Source: keras.layers.Equalization.

    Args:
        value_range: of the pixels.
        bins: the number of bins of the histogram.
    """

    casts_unchanged = False

    argument_order = "value_range bins data_format"

    bins: int = argument(default=256, kw_only=True)

    def change(self, images: Any, transformation: Any, *, masks: bool = False) -> Any:
        """Return the equalized images. Raises ShapeError if the number of channels is unknown."""
        number = images.shape[self.channels]
        if not isinstance(number, int):
            raise ShapeError(
                f"Layer {self.name!r} requires a known number of channels, got images of shape {tuple(images.shape)}."
            )
        parts = ops.split(rescaled(images, self.value_range, (0, 255)), number, axis=self.channels)
        return rescaled(
            ops.concatenate([self._channel(p) for p in parts], axis=self.channels), (0, 255), self.value_range
        )

    def _channel(self, x: Any) -> Any:
        """Equalize a channel: the cumulative histogram is the lookup table from old to new values."""
        places = ops.cast(ops.clip(x * ((self.bins - 1) / 255.0), 0, self.bins - 1), "int32")
        flat = ops.reshape(places, (-1,))
        counts = ops.segment_sum(ops.ones_like(flat, dtype=x.dtype), flat, num_segments=self.bins)
        reached = ops.cumsum(counts)
        first = ops.min(ops.where(ops.greater(reached, 0), reached, ops.full_like(reached, float("inf"))))
        rest = reached[-1] - first
        table = ops.clip(
            ops.round((reached - first) * 255.0 / ops.where(ops.equal(rest, 0), ops.ones_like(rest), rest)), 0, 255
        )
        alone = ops.less_equal(ops.count_nonzero(counts), 1)
        return ops.where(alone, x, ops.take(table, places))


@keras_class(_HOME)
class ContrastLimitedAdaptiveHistogramEqualization(ValueRangeArgument, ImageLayer):
    """Equalizes the histogram of each tile of a grid, interpolating between tiles (CLAHE), also at inference.

    Args:
        value_range: of the pixels.
        clip_limit: the limit of a histogram bin, as a multiple of the mean count; 0 for no limit.
        tile_grid_size: the number of tiles (rows, columns).

    Source: keras.layers.ContrastLimitedAdaptiveHistogramEqualization.
    """

    casts_unchanged = False

    always = True

    argument_order = "value_range clip_limit tile_grid_size data_format"

    clip_limit: float = argument(default=4.0, kw_only=True)
    tile_grid_size: Any = argument(default=(8, 8), convert=tuple, kw_only=True)

    def transform_images(self, images: Any, transformation: Any = None, training: bool = True) -> Any:
        """Return the equalized images in their own dtype: for bytes, values are rounded down."""
        images = ops.convert_to_tensor(images)
        return ops.cast(super().transform_images(images, transformation, training), images.dtype)

    def change(self, images: Any, transformation: Any, *, masks: bool = False) -> Any:
        """Return the equalized images. Raises ShapeError if height, width or channels are unknown."""
        x = self._with_channels_last(images)
        if any(not isinstance(s, int) for s in x.shape[1:]):
            raise ShapeError(
                f"Layer {self.name!r} needs known heights, widths and channels, got images of shape {tuple(images.shape)}."
            )
        made = rescaled(self._equalized(rescaled(x, self.value_range, (0, 255))), (0, 255), self.value_range)
        return self._with_own_channels(made)

    def _equalized(self, x: Any) -> Any:
        _, height, width, channels = x.shape
        rows, columns = self.tile_grid_size
        tall, wide = -(-height // rows), -(-width // columns)
        padded = ops.pad(x, [(0, 0), (0, tall * rows - height), (0, wide * columns - width), (0, 0)], mode="symmetric")
        values = ops.cast(ops.clip(padded, 0, 255), "int32")
        batch = ops.shape(x)[0]
        tiles = ops.transpose(ops.reshape(values, (batch, rows, tall, columns, wide, channels)), (0, 1, 3, 5, 2, 4))
        tables = self._tables(ops.reshape(tiles, (batch, rows, columns, channels, tall * wide)), tall * wide)
        tables = ops.pad(tables, [(0, 0), (1, 1), (1, 1), (0, 0), (0, 0)], mode="edge")
        made = self._between(
            ops.reshape(tables, (batch, (rows + 2) * (columns + 2) * channels * 256)), values, (tall, wide, channels)
        )
        return made[:, :height, :width, :]

    def _tables(self, tiles: Any, size: int) -> Any:
        """Return, for each tile, the new values of the 256 old ones."""
        counts = ops.sum(ops.one_hot(tiles, 256), axis=-2)
        if self.clip_limit > 0:
            cut = ops.minimum(counts, self.clip_limit * size / 256.0)
            counts = cut + ops.sum(counts - cut, axis=-1, keepdims=True) / 256.0
        reached = ops.cumsum(counts, axis=-1)
        first = ops.min(reached, axis=-1, keepdims=True)
        rest = size - first
        return ops.clip((reached - first) * 255.0 / ops.where(ops.equal(rest, 0), ops.ones_like(rest), rest), 0, 255)

    def _between(self, tables: Any, values: Any, sizes: tuple[int, int, int]) -> Any:
        """Interpolate each pixel between the tables of the four nearest tiles."""
        tall, wide, channels = sizes
        rows, columns = self.tile_grid_size
        places, shares = [], []
        for length, number in ((tall, rows), (wide, columns)):
            at = (np.arange(length * number, dtype=np.float32) - np.float32(length / 2)) / np.float32(
                length
            ) + np.float32(1)
            low = np.floor(at)
            places.append([np.clip(low + i, 0, number + 1).astype(np.int32) for i in (0, 1)])
            shares.append([np.float32(1) - (at - low), at - low])
        channel = np.arange(channels, dtype=np.int32)

        def looked_up(i: int, j: int) -> Any:
            tile = (places[0][i][:, None] * (columns + 2) + places[1][j][None, :])[..., None] * channels + channel
            index = ops.reshape(values + tile * 256, (ops.shape(values)[0], tall * rows * wide * columns * channels))
            return ops.reshape(ops.take_along_axis(tables, index, axis=1), ops.shape(values))

        def mixed(first: Any, second: Any, axis: int) -> Any:  # in Keras' order: bytes are rounded down
            near, far = (s[:, None, None] if axis == 0 else s[None, :, None] for s in shares[axis])
            return first * near + second * far

        top, bottom = (mixed(looked_up(i, 0), looked_up(i, 1), 1) for i in (0, 1))
        return mixed(top, bottom, 0)
