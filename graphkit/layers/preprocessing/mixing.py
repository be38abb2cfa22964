"""Image layers that combine: other layers (RandAugment, AugMix, RandomColorJitter), images with each other (MixUp, CutMix)."""

from __future__ import annotations

from typing import Any, ClassVar

from graphkit import ops, random
from graphkit.core.serialization import keras_class
from graphkit.layers.preprocessing.augmentation import RandomLayer, RandomRotation, RandomShear, RandomTranslation
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
from graphkit.layers.preprocessing.images import AutoContrast, Equalization, ImageLayer, Range, factor_range

_HOME = "keras.layers"


@keras_class(_HOME)
class RandomColorJitter(RandomLayer):
    """RandomBrightness, RandomContrast, RandomSaturation and RandomHue one after the other. Source: keras.layers.RandomColorJitter."""

    def __init__(
        self,
        value_range: Any = (0, 255),
        brightness_factor: Any = None,
        contrast_factor: Any = None,
        saturation_factor: Any = None,
        hue_factor: Any = None,
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.value_range = value_range
        self.brightness_factor, self.contrast_factor = brightness_factor, contrast_factor
        self.saturation_factor, self.hue_factor = saturation_factor, hue_factor
        self._set_seed(seed)
        kinds: dict[str, Any] = {
            "brightness": RandomBrightness, "contrast": RandomContrast, "saturation": RandomSaturation, "hue": RandomHue,
        }  # fmt: skip
        self._parts = []
        for name, kind in kinds.items():
            factor = getattr(self, f"{name}_factor")
            part = (
                None
                if factor is None
                else kind(factor, value_range=value_range, seed=seed, data_format=data_format, dtype=self.dtype_policy)
            )
            setattr(self, f"random_{name}", part)
            self._parts += [part] if part is not None else []

    def draw(self, images: Any) -> Any:
        """What each layer draws."""
        return [part.draw(images) for part in self._parts]

    def change(self, images: Any, drawn: Any, *, masks: bool = False) -> Any:
        """The images, changed by each layer."""
        for part, own in zip(self._parts, drawn, strict=True):
            images = part.change(images, own)
        return images


class _OfLayers(RandomLayer):
    """Augmentation by a set of other layers, all with one strength `factor`."""

    moves = True
    bounds: ClassVar[Range] = (0.0, 1.0)
    interpolation: str

    def _make_layers(self) -> dict[str, Any]:
        """The layers by the names of their attributes."""
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
class RandAugment(_OfLayers):
    """`num_ops` of eleven augmentations, chosen anew for each batch (Cubuk et al., 2019). Source: keras.layers.RandAugment."""

    def __init__(
        self,
        value_range: Any = (0, 255),
        num_ops: int = 2,
        factor: Any = 0.5,
        interpolation: str = "bilinear",
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.value_range, self.num_ops, self.interpolation = value_range, num_ops, interpolation
        self.factor = factor_range(self, "factor", factor, self.bounds)
        self._set_seed(seed)
        self._keep_layers(self._make_layers())

    def draw(self, images: Any) -> Any:
        """(the numbers of the layers, what each layer draws)."""
        numbers = random.randint((self.num_ops,), 0, len(self._choices), seed=self.generator)
        return numbers, [layer.draw(images) for layer in self._choices]

    def change(self, images: Any, drawn: Any, *, masks: bool = False) -> Any:
        """The images after the chosen layers."""
        numbers, draws = drawn
        for step in range(self.num_ops):
            before = images
            for index, (layer, own) in enumerate(zip(self._choices, draws, strict=True)):
                images = ops.where(ops.equal(numbers[step], index), self._changed(layer, before, own, masks), images)
        return images

    def change_boxes(self, boxes: Any, drawn: Any, height: Any, width: Any) -> Any:
        """The boxes after the chosen layers."""
        numbers, draws = drawn
        for step in range(self.num_ops):
            before = boxes
            for index, (layer, own) in enumerate(zip(self._choices, draws, strict=True)):
                moved = layer.change_boxes(before, own, height, width)
                boxes = ops.where(ops.equal(numbers[step], index), moved, boxes)
        return boxes


@keras_class(_HOME)
class AugMix(_OfLayers):
    """A mixture of the images and of chains of augmentations of them (Hendrycks et al., 2019). Source: keras.layers.AugMix."""

    def __init__(
        self,
        value_range: Any = (0, 255),
        num_chains: int = 3,
        chain_depth: int = 3,
        factor: Any = 0.3,
        alpha: float = 1.0,
        all_ops: bool = True,
        interpolation: str = "bilinear",
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.value_range, self.interpolation = value_range, interpolation
        self.num_chains, self.chain_depth, self.alpha, self.all_ops = num_chains, chain_depth, alpha, all_ops
        self.factor = factor_range(self, "factor", factor, self.bounds)
        self._set_seed(seed)
        colors = (
            () if all_ops else ("random_brightness", "random_color_degeneration", "random_contrast", "random_sharpness")
        )
        self._keep_layers({n: layer for n, layer in self._make_layers().items() if n not in colors})

    def draw(self, images: Any) -> Any:
        """(weights of the chains, weight of the images, the layers' numbers in the chains, what the layers draw there)."""
        weights = random.gamma((self.num_chains,), self.alpha, seed=self.generator)
        own = random.beta((), self.alpha, self.alpha, seed=self.generator)
        numbers = random.randint((self.num_chains, self.chain_depth), 0, len(self._choices) + 1, seed=self.generator)
        draws = [
            [[x.draw(images) for x in self._choices] for _ in range(self.chain_depth)] for _ in range(self.num_chains)
        ]
        return weights / ops.sum(weights), own, numbers, draws

    def change(self, images: Any, drawn: Any, *, masks: bool = False) -> Any:
        """The mixture; the number after the last layer's stands for no change."""
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
    """The batch's numbers in another order."""
    return random.shuffle(ops.arange(layer.batch_size(images), dtype="int32"), seed=layer.generator)


def _mixed(x: Any, other: Any, weight: Any) -> Any:
    weight = ops.cast(ops.reshape(weight, (-1, *[1] * (x.ndim - 1))), x.dtype)
    return weight * x + (1.0 - weight) * other


@keras_class(_HOME)
class MixUp(RandomLayer):
    """Each image and label mixed with another's, by weights from a beta distribution (Zhang et al., 2017). Source: keras.layers.MixUp."""

    moves = True

    def __init__(
        self, alpha: float = 0.2, data_format: str | None = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.alpha = alpha
        self._set_seed(seed)

    def draw(self, images: Any) -> Any:
        """(whom each image is mixed with, its own weight)."""
        return _shuffled(self, images), random.beta(
            (self.batch_size(images),), self.alpha, self.alpha, seed=self.generator
        )

    def change(self, images: Any, drawn: Any, *, masks: bool = False) -> Any:
        """The mixed images."""
        order, weight = drawn
        return _mixed(images, ops.take(images, order, axis=0), weight)

    def change_labels(self, labels: Any, drawn: Any) -> Any:
        """The mixed labels."""
        return self.change(ops.cast(labels, self.compute_dtype), drawn)

    def transform_bounding_boxes(
        self, bounding_boxes: Any, transformation: Any = None, training: bool = True, image_shape: Any = None
    ) -> Any:
        """The boxes of both images."""
        if not training:
            return bounding_boxes
        order, _ = transformation
        return {n: ops.concatenate([v, ops.take(v, order, axis=0)], axis=1) for n, v in bounding_boxes.items()}


class _Windows(RandomLayer):
    """Rectangles at random places of images."""

    bounds: ClassVar[Range] = (0.0, 1.0)

    def windows(self, images: Any, shares: tuple[Any, Any]) -> tuple[Any, Any]:
        """(masks of rectangles (batch, h, w, 1), their share of the area); `shares` (batch, 1, 1, 1) of height and of width."""
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
    """A rectangle of each image replaced by another image's, labels mixed by the area (Yun et al., 2019). Source: keras.layers.CutMix."""

    moves = True

    def __init__(
        self, factor: Any = 1.0, seed: int | None = None, data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.factor = factor_range(self, "factor", factor, self.bounds)
        self._set_seed(seed)

    def draw(self, images: Any) -> Any:
        """(whose rectangle each image gets, the rectangles, the weight that is left)."""
        alpha = self.uniform((), *self.factor) + 1e-6
        kept = random.beta(
            (self.batch_size(images), 1, 1, 1), alpha, alpha, dtype=self.compute_dtype, seed=self.generator
        )
        side = ops.sqrt(1.0 - kept)
        inside, area = self.windows(images, (side, side))
        return _shuffled(self, images), inside, 1.0 - area

    def change(self, images: Any, drawn: Any, *, masks: bool = False) -> Any:
        """The images with the rectangles of others."""
        order, inside, _ = drawn
        return ops.where(inside, ops.take(images, order, axis=0), images)

    def change_labels(self, labels: Any, drawn: Any) -> Any:
        """The mixed labels."""
        order, _, weight = drawn
        labels = ops.cast(labels, self.compute_dtype)
        return _mixed(labels, ops.take(labels, order, axis=0), weight)


@keras_class(_HOME)
class RandomErasing(_Windows):
    """A rectangle of each image overwritten, with noise or `fill_value` (Zhong et al., 2017). Source: keras.layers.RandomErasing.

    Args:
        factor: the chance that an image loses one.
        scale: the range of the area, for height and width each.
        fill_value: None for normal noise of the value range.
    """

    def __init__(
        self,
        factor: Any = 1.0,
        scale: Any = (0.02, 0.33),
        fill_value: float | None = None,
        value_range: Any = (0, 255),
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.factor, self.scale = (
            factor_range(self, n, v, self.bounds) for n, v in (("factor", factor), ("scale", scale))
        )
        self.fill_value, self.value_range = fill_value, value_range
        self._set_seed(seed)

    def draw(self, images: Any) -> Any:
        """(which images, the rectangles, what is written there)."""
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
        """The images without the rectangles."""
        chosen, inside, filling = drawn
        return ops.where(ops.logical_and(chosen, inside), filling, images)
