"""Image layers that combine other layers (RandAugment, AugMix, RandomColorJitter), mix images (MixUp, CutMix) or erase parts."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from graphkit import ops, random
from graphkit.core import dtypes, nest
from graphkit.core.declared import argument
from graphkit.core.errors import InvalidArgumentError
from graphkit.core.serialization import keras_class
from graphkit.graph.symbolic import SymbolicTensor
from graphkit.ir.tracing import Tracer, current_trace
from graphkit.layers.preprocessing.augmentation import (
    FactorLayer,
    RandomLayer,
    RandomRotation,
    RandomShear,
    RandomTranslation,
    four,
    no_boxes,
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

    def draw(self, images: Any, seed: Any) -> Any:
        """Return a list with the transformation of each layer."""
        return [part.draw(images, seed) for part in self._parts]

    def transform_images(self, images: Any, transformation: Any = None, training: bool = True) -> Any:
        """Return the images, changed by each layer in turn during training; without a transformation it is drawn here."""
        if training and transformation is None:
            transformation = self.get_random_transformation(images)
        return super().transform_images(images, transformation, training)

    def change(self, images: Any, transformation: Any, *, masks: bool = False) -> Any:
        """Return the images, changed by each layer in turn."""
        for part, own in zip(self._parts, transformation, strict=True):
            images = part.change(images, own)
        return images


class _LayerSet(ValueRangeArgument, FactorLayer):
    """Base of augmentations that use a set of other layers, all with the same strength `factor`."""

    moves = True
    bounds: ClassVar[Range] = (0.0, 1.0)

    interpolation: str = argument(default="bilinear", kw_only=True)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the layer; on arrays without compiling, since a program would contain every layer that may be chosen."""
        leaves = nest.flatten([list(args), kwargs])
        if current_trace() is not None or any(isinstance(leaf, SymbolicTensor) for leaf in leaves):
            return super().__call__(*args, **kwargs)
        return self.compute(args, kwargs)

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
        self._choices: dict[str, ImageLayer] = layers
        for name, layer in layers.items():
            setattr(self, name, layer)

    def _changed(self, name: str, images: Any, transformation: Any, masks: bool) -> Any:
        layer: ImageLayer = getattr(self, name)
        of = layer.transform_segmentation_masks if masks else layer.transform_images
        return ops.cast(of(images, transformation), images.dtype)


def _if(number: Any, wanted: int, change: Callable[[Any], Any], images: Any) -> Any:
    """Return the changed images where a number is the wanted one; they are not computed where it is known not to be."""
    if isinstance(number, Tracer):
        return ops.where(ops.equal(number, wanted), change(images), images)
    return change(images) if int(number) == wanted else images


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

    def draw(self, images: Any, seed: Any) -> Any:
        """Draw {"transforms": the transformation of each layer by name, "layer_idxes": the indices of the layers to apply}."""
        numbers = random.randint((self.num_ops,), 0, len(self._choices), seed=seed)
        drawn = {n: layer.get_random_transformation(images, seed=seed) for n, layer in self._choices.items()}
        return {"transforms": drawn, "layer_idxes": numbers}

    def change(self, images: Any, transformation: Any, *, masks: bool = False) -> Any:
        """Return the images, changed by the chosen layers in turn."""
        numbers = ops.convert_to_tensor(transformation["layer_idxes"])
        for step in range(self.num_ops):
            for index, (name, own) in enumerate(transformation["transforms"].items()):
                images = _if(
                    numbers[step], index, partial(self._changed, name, transformation=own, masks=masks), images
                )
        return images

    def change_boxes(self, bounding_boxes: dict[str, Any], transformation: Any) -> Any:
        """Return the boxes, moved by the chosen layers; as in Keras in the order of the layers, not in that of their choice."""
        numbers = ops.convert_to_tensor(transformation["layer_idxes"])
        for index, (name, own) in enumerate(transformation["transforms"].items()):
            moved = getattr(self, name).transform_bounding_boxes(dict(bounding_boxes), own)
            chosen = ops.any(ops.equal(numbers, index))
            bounding_boxes = {
                **bounding_boxes,
                **{n: ops.where(chosen, moved[n], bounding_boxes[n]) for n in ("boxes", "labels")},
            }
        return bounding_boxes


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
        made = self._make_layers()
        still = ("random_shear", "random_translation", "random_rotation", "random_posterization", "solarization")
        names = (*still, "auto_contrast", "equalization", *(colors if self.all_ops else ()))
        self._keep_layers({n: made[n] for n in names})

    def draw(self, images: Any, seed: Any) -> Any:
        """Draw the weights of the chains and of the images, and for each chain a layer at each depth.

        Returns:
            {"chain_mixing_weights": (num_chains,), "weight_sample": (), "chain_transforms": a list for each chain, of
            {"layer_name", "transformation"} for each depth}; a name of None changes nothing. While a program is traced, the layer is
            a random number: then "layer_name" is that number and "transformation" a dict with that of each layer.
        """
        weights = random.gamma((self.num_chains,), self.alpha, seed=seed)
        own = random.beta((), self.alpha, self.alpha, seed=seed)
        numbers = random.randint((self.num_chains, self.chain_depth), 0, len(self._choices) + 1, seed=seed)
        chains = [
            [self._link(images, numbers[c, d], seed) for d in range(self.chain_depth)] for c in range(self.num_chains)
        ]
        return {
            "chain_mixing_weights": weights / ops.sum(weights),
            "weight_sample": own,
            "chain_transforms": chains,
        }

    def _link(self, images: Any, number: Any, seed: Any) -> Any:
        if not isinstance(number, Tracer):
            name = [*self._choices, None][int(number)]
            drawn = None if name is None else self._choices[name].get_random_transformation(images, seed=seed)
            return {"layer_name": name, "transformation": drawn}
        drawn = {n: layer.get_random_transformation(images, seed=seed) for n, layer in self._choices.items()}
        return {"layer_name": number, "transformation": drawn}

    def change(self, images: Any, transformation: Any, *, masks: bool = False) -> Any:
        """Return the mixture of the images and the chains."""
        weights, own = (self._cast(transformation[n]) for n in ("chain_mixing_weights", "weight_sample"))
        total: Any = 0.0
        for index, chain in enumerate(transformation["chain_transforms"]):
            made = images
            for link in chain:
                made = self._linked(link["layer_name"], made, link["transformation"], masks)
            total = total + made * weights[index]
        mixed = own * images + (1.0 - own) * total
        return mixed if masks else ops.clip(mixed, *self.value_range)

    def _linked(self, chosen: Any, images: Any, transformation: Any, masks: bool) -> Any:
        if chosen is None:
            return images
        if isinstance(chosen, str):
            return self._changed(chosen, images, transformation, masks)
        made = images
        for index, name in enumerate(self._choices):
            changed = self._changed(name, images, transformation[name], masks)
            made = ops.where(ops.equal(chosen, index), changed, made)
        return made


# ----- images with each other -----


def _shuffled(layer: RandomLayer, images: Any, seed: Any) -> Any:
    """Return the indices of the batch in random order."""
    return random.shuffle(ops.arange(layer.number(images), dtype="int32"), seed=seed)


def _mixed(x: Any, transformation: Any) -> Any:
    """Mix each sample with its partner by "mix_weight"; integers become floats."""
    x = ops.convert_to_tensor(x)
    weight = ops.convert_to_tensor(transformation["mix_weight"])
    x = x if dtypes.is_float(dtypes.standardize(x.dtype)) else ops.cast(x, weight.dtype)
    weight = ops.cast(ops.reshape(weight, (-1, *[1] * (x.ndim - 1))), x.dtype)
    return weight * x + (1.0 - weight) * _partners(x, transformation)


def _partners(x: Any, transformation: Any) -> Any:
    return ops.take(x, ops.cast(transformation["permutation_order"], "int32"), axis=0)


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

    def draw(self, images: Any, seed: Any) -> Any:
        """Draw {"mix_weight": the weight of the image itself, "permutation_order": the partner of each image}, both (batch,)."""
        order = _shuffled(self, images, seed)
        weight = random.beta((self.number(images),), self.alpha, self.alpha, seed=seed)
        return {"mix_weight": weight, "permutation_order": order}

    def change(self, images: Any, transformation: Any, *, masks: bool = False) -> Any:
        """Return the mixed images."""
        return _mixed(images, transformation)

    def transform_labels(self, labels: Any, transformation: Any = None, training: bool = True) -> Any:
        """Return the mixed labels."""
        return _mixed(labels, transformation) if self._acts(transformation, training) else labels

    def change_boxes(self, bounding_boxes: dict[str, Any], transformation: Any) -> Any:
        """Return the boxes of both images, concatenated for each image; their labels, as in Keras, along the batch."""
        boxes, labels = bounding_boxes["boxes"], bounding_boxes["labels"]
        return {
            "boxes": ops.concatenate([boxes, _partners(boxes, transformation)], axis=1),
            "labels": ops.concatenate([labels, _partners(labels, transformation)], axis=0),
        }


class _Windows(FactorLayer):
    """Base of layers that draw rectangles at random positions."""

    bounds: ClassVar[Range] = (0.0, 1.0)

    factor: Any = argument(default=1.0, check=in_bounds)

    def windows(self, images: Any, seed: Any, shares: tuple[Any, Any]) -> tuple[Any, Any]:
        """Draw rectangles; return their masks, bool and of the shape of a batch of the images, and their share of the area.

        Args:
            images: a batch, or a single image.
            seed: of the random positions.
            shares: the rectangles' shares of width and height, each (batch,).
        """
        inside: Any = None
        area: Any = 1.0
        tall, wide = self.sizes(images)
        for axis, size, share in zip(reversed(self.spatial), (wide, tall), shares, strict=True):
            length = share * ops.cast(size, share.dtype)
            start = self.of_batch(images, seed, 0.0, 1.0, self.compute_dtype) * (ops.cast(size, share.dtype) - length)
            at = ops.reshape(ops.arange(size, dtype=share.dtype), [-1 if a == axis else 1 for a in range(4)])
            within = ops.logical_and(ops.greater_equal(at, four(start)), ops.less(at, four(start + length)))
            inside = within if inside is None else ops.logical_and(inside, within)
            area = area * share
        return ops.repeat(inside, images.shape[self.channels - 4], axis=self.channels), area


@keras_class(_HOME)
class CutMix(_Windows):
    """Replaces a rectangle of each image by that of another, and mixes labels by area (Yun et al., 2019). Source: keras.layers.CutMix.

    Args:
        factor: the range, within 0..1, of the parameter of the beta distribution of the area that is kept.
        seed: an int; drawn at random by default.
    """

    moves = True

    argument_order = "factor seed data_format"

    def draw(self, images: Any, seed: Any) -> Any:
        """Draw {"permutation_order", "batch_masks": the rectangles, "mix_weight": the share of the area that is kept}.

        A single image has no partner: its transformation is None.
        """
        if images.ndim == 3:
            return None
        dtype = self.compute_dtype
        alpha = self.uniform(seed, (), self.factor[0], self.factor[1], dtype) + 1e-6
        kept = random.beta((self.number(images),), alpha, alpha, dtype=dtype, seed=seed)
        side = ops.sqrt(1.0 - kept)
        inside, area = self.windows(images, seed, (side, side))
        return {
            "permutation_order": _shuffled(self, images, seed),
            "batch_masks": inside,
            "mix_weight": four(1.0 - area),
        }

    def change(self, images: Any, transformation: Any, *, masks: bool = False) -> Any:
        """Return the images with rectangles of their partners."""
        inside = ops.cast(transformation["batch_masks"], "bool")
        if masks:
            inside = ops.take(inside, [0], axis=self.channels)
        return ops.where(inside, _partners(images, transformation), images)

    def transform_labels(self, labels: Any, transformation: Any = None, training: bool = True) -> Any:
        """Return the mixed labels."""
        return _mixed(labels, transformation) if self._acts(transformation, training) else labels

    def change_boxes(self, bounding_boxes: dict[str, Any], transformation: Any) -> Any:
        """Refuse: a box would be cut in parts."""
        raise no_boxes(self)


@keras_class(_HOME)
class RandomErasing(ValueRangeArgument, _Windows):
    """Overwrites a rectangle of each image (Zhong et al., 2017). Source: keras.layers.RandomErasing.

    Args:
        factor: the range from which the probability that an image is changed is drawn: a pair, or f for (0, f).
        scale: the range from which the squares of the rectangle's shares of height and width are drawn.
        fill_value: the value of the rectangle, or one for each of three channels; None for normal noise, clipped to the value range.
        value_range: of the pixels.
        seed: an int; drawn at random by default.
    """

    argument_order = "factor scale fill_value value_range seed data_format"

    scale: Any = argument(default=(0.02, 0.33), check=in_bounds)
    fill_value: Any = argument(default=None)

    def draw(self, images: Any, seed: Any) -> Any:
        """Draw {"apply_erasing": which images, "batch_masks": the rectangles, "fill_value": their new values}."""
        dtype = self.compute_dtype
        shares = ops.sqrt(self.uniform(seed, (self.number(images), 2), self.scale[0], self.scale[1], dtype))
        inside, _ = self.windows(images, seed, (shares[:, 0], shares[:, 1]))
        chosen = self.chosen(images, seed)
        return {"apply_erasing": chosen, "batch_masks": inside, "fill_value": self._filling(images, seed)}

    def _filling(self, images: Any, seed: Any) -> Any:
        """Return the new values, in the shape of the images. Raises InvalidArgumentError for a wrong `fill_value`."""
        low, high = self.value_range
        given, shape, dtype = self.fill_value, ops.shape(images), self.compute_dtype
        if given is None:
            return ops.clip(random.normal(shape, dtype=dtype, seed=seed) * high, low, high)
        if isinstance(given, (list, tuple)) and len(given) == 3:
            along = ops.reshape(
                ops.convert_to_tensor(given, dtype),
                [-1 if a == self.channels - 4 else 1 for a in range(-images.ndim, 0)],
            )
            return ops.clip(along + ops.zeros(shape, dtype), low, high)
        if isinstance(given, bool) or not isinstance(given, (int, float)):
            raise InvalidArgumentError(
                f"The `fill_value` argument of layer {self.name!r} should be a number (or a list of three numbers). Received: "
                f"fill_value={given}"
            )
        return ops.clip(ops.full(shape, given, dtype), low, high)

    def change(self, images: Any, transformation: Any, *, masks: bool = False) -> Any:
        """Return the images with the rectangles overwritten."""
        inside = ops.logical_and(ops.cast(transformation["batch_masks"], "bool"), four(transformation["apply_erasing"]))
        return ops.where(inside, self._cast(transformation["fill_value"]), images)
