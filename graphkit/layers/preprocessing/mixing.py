"""Image layers that combine other layers (RandAugment, AugMix, RandomColorJitter), mix images (MixUp, CutMix) or erase parts."""

from __future__ import annotations

from typing import Any, ClassVar

from graphkit import ops, random
from graphkit.core.declared import argument
from graphkit.core.serialization import keras_class
from graphkit.layers.preprocessing.augmentation import (
    FactorLayer,
    RandomLayer,
    RandomRotation,
    RandomShear,
    RandomTranslation,
)
from graphkit.layers.preprocessing.color import (
    RandomBrightness,
    RandomColorDegeneration,
    RandomContrast,
    RandomHue,
    RandomPosterization,
    RandomSaturation,
    RandomSharpness,
    Solarization,
)
from graphkit.layers.preprocessing.images import (
    AutoContrast,
    Equalization,
    ImageLayer,
    Range,
    ValueRangeArgument,
    each_within,
    in_bounds,
)

_HOME = "keras.layers"


@keras_class(_HOME)
class RandomColorJitter(ValueRangeArgument, RandomLayer):
    """Applies RandomBrightness, RandomContrast, RandomSaturation and RandomHue in turn. Source: keras.layers.RandomColorJitter.

    Args:
        value_range: of the pixels.
        brightness_factor, contrast_factor, saturation_factor, hue_factor: the `factor` of each layer; None to leave it out.
        seed: an int; drawn at random by default.
    """

    casts_unchanged = False

    argument_order = "value_range brightness_factor contrast_factor saturation_factor hue_factor seed data_format"

    brightness_factor: Any = argument(default=None, kw_only=True)
    contrast_factor: Any = argument(default=None, kw_only=True)
    saturation_factor: Any = argument(default=None, kw_only=True)
    hue_factor: Any = argument(default=None, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        kinds: dict[str, Any] = {
            "brightness": RandomBrightness, "contrast": RandomContrast, "saturation": RandomSaturation, "hue": RandomHue,
        }  # fmt: skip
        common = {n: getattr(self, n) for n in ("value_range", "seed", "data_format")}
        self._parts = []
        for name, kind in kinds.items():
            factor = getattr(self, f"{name}_factor")
            part = None if factor is None else kind(factor, **common, dtype=self.dtype_policy)
            setattr(self, f"random_{name}", part)
            self._parts += [part] if part is not None else []

    def draw(self, images: Any) -> Any:
        """Draw the random values of each layer."""
        return [part.draw(images) for part in self._parts]

    def change(self, images: Any, drawn: Any, *, masks: bool = False) -> Any:
        """Return the images, changed by each layer in turn."""
        for part, own in zip(self._parts, drawn, strict=True):
            images = part.change(images, own)
        return images


class _LayerSet(ValueRangeArgument, FactorLayer):
    """Base of augmentations that use a set of other layers, all with the same strength `factor`."""

    moves = True
    bounds: ClassVar[Range] = (0.0, 1.0)

    interpolation: str = argument(default="bilinear", kw_only=True)

    def _make_layers(self) -> dict[str, Any]:
        """Return the layers by attribute name."""
        common: dict[str, Any] = {
            "data_format": self.data_format,
            "dtype": self.dtype_policy,
            "bounding_box_format": self.bounding_box_format,
        }
        seeded = {**common, "seed": self.seed}
        ranged: dict[str, Any] = {"value_range": self.value_range}
        factor = self.factor
        moved: dict[str, Any] = {**seeded, "interpolation": self.interpolation}
        return {
            "random_shear": RandomShear(factor, factor, **moved),
            "random_translation": RandomTranslation(factor, factor, **moved),
            "random_rotation": RandomRotation(factor, **moved),
            "random_brightness": RandomBrightness(factor, **ranged, **seeded),
            "random_color_degeneration": RandomColorDegeneration(factor, **ranged, **seeded),
            "random_contrast": RandomContrast(factor, **ranged, **seeded),
            "random_sharpness": RandomSharpness(factor, **ranged, **seeded),
            "random_posterization": RandomPosterization(max(1, int(8 * factor[1])), **ranged, **seeded),
            "solarization": Solarization(factor, factor, **ranged, **seeded),
            "auto_contrast": AutoContrast(**ranged, **common),
            "equalization": Equalization(**ranged, **common),
        }

    def _keep_layers(self, layers: dict[str, Any]) -> None:
        self._choices: list[ImageLayer] = list(layers.values())
        for name, layer in layers.items():
            setattr(self, name, layer)

    def _changed(self, layer: ImageLayer, images: Any, drawn: Any, masks: bool) -> Any:
        if masks and not layer.moves:
            return images
        return ops.cast(layer.change(images, drawn, masks=masks), images.dtype)


@keras_class(_HOME)
class RandAugment(_LayerSet):
    """Applies `num_ops` of eleven augmentations, chosen for each batch (Cubuk et al., 2019). Source: keras.layers.RandAugment.

    Args:
        value_range: of the pixels.
        num_ops: the number of augmentations applied in turn.
        factor: the strength, within 0..1: a number or a pair.
        interpolation: "bilinear" or "nearest".
        seed: an int; drawn at random by default.
    """

    argument_order = "value_range num_ops factor interpolation seed data_format"

    num_ops: int = argument(default=2, kw_only=True)
    factor: Any = argument(default=0.5, check=each_within(0.0, 1.0), kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._keep_layers(self._make_layers())

    def draw(self, images: Any) -> Any:
        """Draw (the indices of the layers, the random values of each layer)."""
        numbers = random.randint((self.num_ops,), 0, len(self._choices), seed=self.generator)
        return numbers, [layer.draw(images) for layer in self._choices]

    def change(self, images: Any, drawn: Any, *, masks: bool = False) -> Any:
        """Return the images, changed by the chosen layers in turn."""
        numbers, draws = drawn
        for step in range(self.num_ops):
            before = images
            for index, (layer, own) in enumerate(zip(self._choices, draws, strict=True)):
                images = ops.where(ops.equal(numbers[step], index), self._changed(layer, before, own, masks), images)
        return images

    def change_boxes(self, boxes: Any, drawn: Any, height: Any, width: Any) -> Any:
        """Return the boxes, moved by the chosen layers in turn."""
        numbers, draws = drawn
        for step in range(self.num_ops):
            before = boxes
            for index, (layer, own) in enumerate(zip(self._choices, draws, strict=True)):
                moved = layer.change_boxes(before, own, height, width)
                boxes = ops.where(ops.equal(numbers[step], index), moved, boxes)
        return boxes


@keras_class(_HOME)
class AugMix(_LayerSet):
    """Mixes images with chains of augmentations of them (Hendrycks et al., 2019). Source: keras.layers.AugMix.

    Args:
        value_range: of the pixels.
        num_chains: the number of chains.
        chain_depth: the number of augmentations in a chain.
        factor: the strength, within 0..1: a number or a pair.
        alpha: of the gamma and beta distributions from which the weights are drawn.
        all_ops: whether to include changes of brightness, color, contrast and sharpness.
        interpolation: "bilinear" or "nearest".
        seed: an int; drawn at random by default.
    """

    argument_order = "value_range num_chains chain_depth factor alpha all_ops interpolation seed data_format"

    num_chains: int = argument(default=3, kw_only=True)
    chain_depth: int = argument(default=3, kw_only=True)
    factor: Any = argument(default=0.3, check=each_within(0.0, 1.0), kw_only=True)
    alpha: float = argument(default=1.0, kw_only=True)
    all_ops: bool = argument(default=True, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        colors = ("random_brightness", "random_color_degeneration", "random_contrast", "random_sharpness")
        left_out = () if self.all_ops else colors
        self._keep_layers({n: layer for n, layer in self._make_layers().items() if n not in left_out})

    def draw(self, images: Any) -> Any:
        """Draw (the weights of the chains, the weight of the images, the layer indices of each chain, the layers' random values)."""
        weights = random.gamma((self.num_chains,), self.alpha, seed=self.generator)
        own = random.beta((), self.alpha, self.alpha, seed=self.generator)
        numbers = random.randint((self.num_chains, self.chain_depth), 0, len(self._choices) + 1, seed=self.generator)
        draws = [
            [[x.draw(images) for x in self._choices] for _ in range(self.chain_depth)] for _ in range(self.num_chains)
        ]
        return weights / ops.sum(weights), own, numbers, draws

    def change(self, images: Any, drawn: Any, *, masks: bool = False) -> Any:
        """Return the mixture; an index past the last layer means no change."""
        weights, own, numbers, draws = drawn
        total: Any = 0.0
        for chain in range(self.num_chains):
            made = images
            for depth in range(self.chain_depth):
                before = made
                for index, layer in enumerate(self._choices):
                    changed = self._changed(layer, before, draws[chain][depth][index], masks)
                    made = ops.where(ops.equal(numbers[chain, depth], index), changed, made)
            total = total + made * ops.cast(weights[chain], images.dtype)
        own = ops.cast(own, images.dtype)
        mixed = own * images + (1.0 - own) * total
        return mixed if masks else ops.clip(mixed, *self.value_range)


# ----- images with each other -----


def _shuffled(layer: RandomLayer, images: Any) -> Any:
    """Return the indices of the batch in random order."""
    return random.shuffle(ops.arange(layer.number(images), dtype="int32"), seed=layer.generator)


def _mixed(x: Any, other: Any, weight: Any) -> Any:
    weight = ops.cast(ops.reshape(weight, (-1, *[1] * (x.ndim - 1))), x.dtype)
    return weight * x + (1.0 - weight) * other


@keras_class(_HOME)
class MixUp(RandomLayer):
    """Mixes each image and label with those of another sample (Zhang et al., 2017). Source: keras.layers.MixUp.

    Args:
        alpha: of the beta distribution (alpha, alpha) from which the weights are drawn.
        seed: an int; drawn at random by default.
    """

    casts_unchanged = False

    moves = True

    argument_order = "alpha data_format seed"

    alpha: float = argument(default=0.2)

    def draw(self, images: Any) -> Any:
        """Draw (the partner of each image, the weight of the image itself)."""
        return _shuffled(self, images), random.beta((self.number(images),), self.alpha, self.alpha, seed=self.generator)

    def change(self, images: Any, drawn: Any, *, masks: bool = False) -> Any:
        """Return the mixed images."""
        order, weight = drawn
        return _mixed(images, ops.take(images, order, axis=0), weight)

    def change_labels(self, labels: Any, drawn: Any) -> Any:
        """Return the mixed labels."""
        return self.change(ops.cast(labels, self.compute_dtype), drawn)

    def transform_bounding_boxes(
        self, bounding_boxes: Any, transformation: Any = None, training: bool = True, image_shape: Any = None
    ) -> Any:
        """Return the boxes of both images, concatenated."""
        if not training:
            return bounding_boxes
        order, _ = transformation
        return {n: ops.concatenate([v, ops.take(v, order, axis=0)], axis=1) for n, v in bounding_boxes.items()}


class _Windows(FactorLayer):
    """Base of layers that draw rectangles at random positions."""

    bounds: ClassVar[Range] = (0.0, 1.0)

    factor: Any = argument(default=1.0, check=in_bounds)

    def windows(self, images: Any, shares: tuple[Any, Any]) -> tuple[Any, Any]:
        """Draw rectangles; return their masks, bool (batch, h, w, 1), and their share of the area.

        Args:
            images: (batch, ...).
            shares: the rectangles' shares of height and width, each (batch, 1, 1, 1).
        """
        inside: Any = None
        area: Any = 1.0
        for axis, size, share in zip(self.spatial, self.sizes(images), shares, strict=True):
            length = share * ops.cast(size, share.dtype)
            start = self.each(images, 0.0, 1.0) * (ops.cast(size, share.dtype) - length)
            at = ops.reshape(ops.arange(size, dtype=share.dtype), [-1 if a == axis else 1 for a in range(4)])
            within = ops.logical_and(ops.greater_equal(at, start), ops.less(at, start + length))
            inside = within if inside is None else ops.logical_and(inside, within)
            area = area * share
        return inside, area


@keras_class(_HOME)
class CutMix(_Windows):
    """Replaces a rectangle of each image by that of another, and mixes labels by area (Yun et al., 2019). Source: keras.layers.CutMix.

    Args:
        factor: the range, within 0..1, of the parameter of the beta distribution of the area that is kept.
        seed: an int; drawn at random by default.
    """

    moves = True

    argument_order = "factor seed data_format"

    def draw(self, images: Any) -> Any:
        """Draw (the partner of each image, the rectangles, the share of the area that is kept)."""
        alpha = self.uniform((), *self.factor) + 1e-6
        kept = random.beta((self.number(images), 1, 1, 1), alpha, alpha, dtype=self.compute_dtype, seed=self.generator)
        side = ops.sqrt(1.0 - kept)
        inside, area = self.windows(images, (side, side))
        return _shuffled(self, images), inside, 1.0 - area

    def change(self, images: Any, drawn: Any, *, masks: bool = False) -> Any:
        """Return the images with rectangles of their partners."""
        order, inside, _ = drawn
        return ops.where(inside, ops.take(images, order, axis=0), images)

    def change_labels(self, labels: Any, drawn: Any) -> Any:
        """Return the mixed labels."""
        order, _, weight = drawn
        labels = ops.cast(labels, self.compute_dtype)
        return _mixed(labels, ops.take(labels, order, axis=0), weight)


@keras_class(_HOME)
class RandomErasing(ValueRangeArgument, _Windows):
    """Overwrites a rectangle of each image (Zhong et al., 2017). Source: keras.layers.RandomErasing.

    Args:
        factor: the range from which the probability that an image is changed is drawn: a pair, or f for (0, f).
        scale: the range from which the squares of the rectangle's shares of height and width are drawn.
        fill_value: the value of the rectangle; None for normal noise, clipped to the value range.
        value_range: of the pixels.
        seed: an int; drawn at random by default.
    """

    argument_order = "factor scale fill_value value_range seed data_format"

    scale: Any = argument(default=(0.02, 0.33), check=in_bounds)
    fill_value: float | None = argument(default=None)

    def draw(self, images: Any) -> Any:
        """Draw (which images to change, the rectangles, their new values)."""
        tall, wide = (ops.sqrt(self.each(images, *self.scale)) for _ in range(2))
        inside, _ = self.windows(images, (tall, wide))
        return self.chosen(images), inside, self._filling(images)

    def _filling(self, images: Any) -> Any:
        low, high = self.value_range
        if self.fill_value is None:
            return ops.clip(
                random.normal(ops.shape(images), dtype=self.compute_dtype, seed=self.generator) * high, low, high
            )
        shape = [-1 if a == self.channels else 1 for a in range(4)]
        return ops.clip(ops.reshape(ops.cast(self.fill_value, self.compute_dtype), shape), low, high)

    def change(self, images: Any, drawn: Any, *, masks: bool = False) -> Any:
        """Return the images with the rectangles overwritten."""
        chosen, inside, filling = drawn
        return ops.where(ops.logical_and(chosen, inside), filling, images)
