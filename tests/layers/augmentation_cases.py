"""Image layers with given transformations, as Keras' layers draw them: run by graphkit's tests and by real Keras for the golden file."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

_RANDOM = np.random.default_rng(0)
IMAGES = _RANDOM.uniform(0, 255, (2, 6, 7, 3)).astype("float32").round(1)
MASKS = _RANDOM.integers(0, 4, (2, 6, 7, 1)).astype("float32")
LABELS = np.array([[1.0, 0.0, 0.0], [0.0, 0.5, 0.5]], "float32")
CORNERS = np.array(
    [[[1, 1, 4, 5], [2, 3, 6, 6], [0, 0, 0, 0]], [[0, 0, 7, 6], [5, 1, 6.5, 3], [-1, -1, -1, -1]]], "float32"
)
BOX_LABELS = np.array([[1, 2, -1], [3, 0, -1]], "int32")
FORMATS = ("xyxy", "rel_xyxy", "center_yxhw", "rel_center_xywh")
HEIGHT, WIDTH = 6, 7


class Case(NamedTuple):
    """One layer with one transformation.

    Attributes:
        name: of the layer's class.
        config: its arguments.
        transformation: given to `transform_...`; None for layers that need none.
        parts: which of "images", "masks", "labels", "boxes" are compared.
    """

    name: str
    config: dict[str, Any]
    transformation: Any
    parts: str = "images masks labels boxes"


def _f(*values: Any) -> Any:
    return np.asarray(values, "float32")


def _four(*values: Any, dtype: str = "float32") -> Any:
    return np.asarray(values, dtype).reshape(-1, 1, 1, 1)


SHAPE = (2, HEIGHT, WIDTH, 3)
_YES = np.array([True, False])
_SEEN = {"input_shape": SHAPE}
_WINDOW = np.zeros(SHAPE, bool)
_WINDOW[0, 1:4, 2:6] = True
_WINDOW[1, 0:2, 0:3] = True
_MAPS = _f([1.1, 0.2, -0.5, -0.1, 0.9, 1.5, 0, 0], [0.8, -0.3, 2, 0.2, 1.2, -1, 0, 0])
_FROM = _f(*[[[0, 0], [6, 0], [0, 5], [6, 5]]] * 2)
_TO = _f([[0, 0], [5.5, 0.3], [0.2, 4.6], [6.3, 5.2]], [[0, 0], [6.6, 0], [0, 5.8], [5.4, 4.5]])
_PLAIN = "images masks labels"  # boxes are unchanged, or Keras refuses them

CASES: list[Case] = [
    *(Case("RandomFlip", {"mode": mode}, {"flips": _four(True, False, dtype="bool"), **_SEEN})
      for mode in ("horizontal", "vertical", "horizontal_and_vertical")),
    Case("RandomCrop", {"height": 4, "width": 5}, (1, 2)),
    Case("RandomCrop", {"height": 9, "width": 5}, (0, 1)),
    *(Case("RandomRotation", {"factor": 0.2, "fill_mode": mode, "interpolation": how},
           {"rotation_matrix": _MAPS, "angle": _f(20, -50), "image_height": 6, "image_width": 7, "batch_size": 2})
      for mode, how in (("reflect", "bilinear"), ("constant", "nearest"), ("nearest", "bilinear"))),
    Case("RandomTranslation", {"height_factor": 0.2, "width_factor": 0.3, "fill_mode": "constant"},
         {"translations": _f([1.5, -2], [-0.5, 1]), **_SEEN}),
    Case("RandomZoom", {"height_factor": 0.3, "width_factor": 0.2},
         {"height_zoom": _f([0.83], [1.27]), "width_zoom": _f([0.7], [1.1]), **_SEEN}),
    Case("RandomZoom", {"height_factor": 0.3}, {"height_zoom": _f([0.83], [1.27]), "width_zoom": _f([0.83], [1.27]), **_SEEN}),
    Case("RandomShear", {"x_factor": 0.3, "y_factor": 0.2}, {"shear_factor": _f([0.3, 0.1], [-0.2, -0.15]), **_SEEN}),
    Case("RandomPerspective", {}, {"apply_perspective": _YES, "start_points": _FROM, "end_points": _TO, **_SEEN}),
    *(Case("Resizing", {"height": 4, "width": 3, **more}, (6, 7))
      for more in ({}, {"crop_to_aspect_ratio": True}, {"pad_to_aspect_ratio": True, "fill_value": 7.0}, {"interpolation": "bicubic"})),
    *(Case("CenterCrop", {"height": height, "width": width}, _SEEN) for height, width in ((4, 5), (3, 4), (9, 5), (6, 7), (8, 9))),
    Case("MaxNumBoundingBoxes", {"max_number": 4}, None),
    Case("MaxNumBoundingBoxes", {"max_number": 2, "fill_value": 7}, None),
    Case("RandomBrightness", {"factor": 0.2}, {"rgb_delta": _four(76.5, -51)}),
    Case("RandomBrightness", {"factor": 0.2, "value_range": (20, 200)}, {"rgb_delta": _four(76.5, -51)}),
    Case("RandomContrast", {"factor": 0.2}, {"contrast_factor": _four(1.3, 0.8)}),
    Case("RandomColorDegeneration", {"factor": 0.5}, {"factor": _four(0.3, 0.6)}),
    Case("RandomSaturation", {"factor": 0.5}, {"factor": _f(0.5, 1.7)}),
    Case("RandomHue", {"factor": 0.5}, {"factor": _f(0.3, -0.2)}),
    Case("RandomInvert", {}, {"apply_inversion": _YES}),
    Case("RandomGrayscale", {}, _four(True, False, dtype="bool"), _PLAIN),
    Case("RandomPosterization", {"factor": 3}, {"shift_factor": np.array([5, 1], "uint8")}),
    Case("RandomSharpness", {"factor": 0.5}, {"factor": _f(0.1, 0.9)}),
    Case("RandomGaussianBlur", {"kernel_size": 3, "sigma": 0.8}, {"should_apply_blur": _YES, "blur_factor": _f(0.7, 0.7)}),
    Case("Solarization", {"addition_factor": 0.5, "threshold_factor": 0.5},
         {"additions": _four(20, 9), "thresholds": _four(130, 90)}),
    Case("AutoContrast", {}, None),
    Case("Equalization", {}, None),
    Case("Equalization", {"bins": 16}, None),
    Case("ContrastLimitedAdaptiveHistogramEqualization", {"tile_grid_size": (2, 3)}, None, "images"),
    Case("MixUp", {}, {"mix_weight": _f(0.3, 0.8), "permutation_order": np.array([1, 0])}, "images labels boxes"),
    Case("CutMix", {}, {"permutation_order": np.array([1, 0]), "batch_masks": _WINDOW, "mix_weight": _four(0.7, 0.9)}, "images labels"),
    Case("RandomErasing", {}, {"apply_erasing": _YES, "batch_masks": _WINDOW, "fill_value": np.full(SHAPE, 9.0, "float32")}),
    Case("RandAugment", {"num_ops": 2},
         {"layer_idxes": np.array([1, 3]),
          "transforms": {"random_shear": {"shear_factor": _f([0.3, 0.1], [-0.2, -0.15]), **_SEEN},
                         "random_translation": {"translations": _f([1.5, -2], [-0.5, 1]), **_SEEN},
                         "random_sharpness": {"factor": _f(0.1, 0.9)}, "random_brightness": {"rgb_delta": _four(76.5, -51)}}}),
    Case("AugMix", {"num_chains": 2},
         {"chain_mixing_weights": _f(0.3, 0.7), "weight_sample": _f(0.4)[0],
          "chain_transforms": [[{"layer_name": "random_translation",
                                 "transformation": {"translations": _f([1.5, -2], [-0.5, 1]), **_SEEN}}],
                               [{"layer_name": "random_brightness", "transformation": {"rgb_delta": _four(76.5, -51)}},
                                {"layer_name": "random_posterization", "transformation": {"shift_factor": np.array([5, 1], "uint8")}}]]},
         _PLAIN),
]  # fmt: skip


def boxes_in(form: str) -> Any:
    """Return the boxes in a format."""
    corners = CORNERS / ([WIDTH, HEIGHT] * 2 if form.startswith("rel_") else 1)
    low, high = corners[..., :2], corners[..., 2:]
    first, second = (low, high) if form.endswith("xyxy") else ((low + high) / 2, high - low)
    if form == "center_yxhw":
        first, second = first[..., ::-1], second[..., ::-1]
    return np.concatenate([first, second], axis=-1).astype("float32")


def results(layers: Any, case: Case, tensor: Any, mapped: Any) -> dict[str, Any]:
    """Return what a layer makes of the images, masks, labels and boxes: arrays by name.

    Args:
        layers: the module with the layers.
        case: what to run.
        tensor: converts an array to a tensor.
        mapped: maps a function over nested structures.
    """
    given = mapped(lambda v: tensor(v) if isinstance(v, np.ndarray) else v, case.transformation)
    made: dict[str, Any] = {}
    for form in FORMATS:
        layer = getattr(layers, case.name)(**case.config, bounding_box_format=form)
        if "boxes" in case.parts:
            boxes = {"boxes": tensor(boxes_in(form)), "labels": tensor(BOX_LABELS)}
            changed = layer.transform_bounding_boxes(boxes, given)
            made |= {f"boxes {form}": changed["boxes"], f"box labels {form}": changed["labels"]}
    layer = getattr(layers, case.name)(**case.config)
    made["images"] = layer.transform_images(tensor(IMAGES), given)
    made["images unchanged"] = layer.transform_images(tensor(IMAGES), given, training=False)
    if "masks" in case.parts:
        made["masks"] = layer.transform_segmentation_masks(tensor(MASKS), given)
    if "labels" in case.parts:
        made["labels"] = layer.transform_labels(tensor(LABELS), given)
    return {name: np.asarray(value) for name, value in made.items()}


# ----- keras.utils.bounding_boxes -----

ALL_FORMATS = (
    "xyxy", "yxyx", "xywh", "center_xywh", "center_yxhw", "rel_xyxy", "rel_yxyx", "rel_xywh", "rel_center_xywh",
)  # fmt: skip
ANCHORS = _f([0, 0, 3, 2], [2, 1, 6, 5], [1, 3, 2, 6])
OTHERS = _f([0.5, 0, 2.5, 4], [3, 3, 7, 6], [-1, -1, -1, -1])


def box_results(utils: Any, tensor: Any) -> dict[str, Any]:
    """Return what the functions of `keras.utils.bounding_boxes` make of boxes: tensors by name."""
    made: dict[str, Any] = {}
    sizes = {"height": HEIGHT, "width": WIDTH}
    for source in ALL_FORMATS:
        corners = utils.convert_format(tensor(CORNERS), "xyxy", source, **sizes)
        for target in ALL_FORMATS:
            made[f"convert_format {source} {target}"] = utils.convert_format(corners, source, target, **sizes)
        pair = [utils.convert_format(tensor(v), "xyxy", source, **sizes) for v in (ANCHORS, OTHERS)]
        shape = {"image_shape": (HEIGHT, WIDTH, 3)}
        for masked in (False, True):
            made[f"compute_iou {source} {masked}"] = utils.compute_iou(*pair, source, use_masking=masked, mask_val=-2, **shape)
        if not source.startswith("rel_"):
            made[f"compute_ciou {source}"] = utils.compute_ciou(*pair, source)
        for encoding in ("center_xywh", "center_yxhw"):
            for variance in (None, [0.1, 0.1, 0.2, 0.2]):
                deltas = utils.encode_box_to_deltas(*pair, source, source, encoding, variance, **shape)
                made[f"encode {source} {encoding} {variance}"] = deltas
                back = utils.decode_deltas_to_boxes(pair[0], deltas, source, "xyxy", encoding, variance, **shape)
                made[f"decode {source} {encoding} {variance}"] = back
    made["iou of batches"] = utils.compute_iou(tensor(CORNERS), tensor(CORNERS[:, ::-1].copy()), "xyxy")
    made["half"] = utils.convert_format(tensor(CORNERS), "xyxy", "xywh", dtype="float16")
    boxes = {"boxes": tensor(CORNERS + 1.5), "labels": tensor(BOX_LABELS)}
    for form, size in (("xyxy", sizes), ("rel_xyxy", {})):
        clipped = utils.clip_to_image_size(boxes, **size, bounding_box_format=form)
        made |= {f"clip {form}": clipped["boxes"], f"clip labels {form}": clipped["labels"]}
    each = [tensor(_f(*pair)) for pair in ((20, -130), (0.1, -0.2), (0.3, 0), (1.2, 0.7), (10, 0), (-5, 20))]
    made["affine"] = utils.affine_transform(tensor(CORNERS), *each, **sizes)
    made["affine about a corner"] = utils.affine_transform(tensor(CORNERS), *each, **sizes, center_x=0.0, center_y=1.0)
    made["crop"] = utils.crop(tensor(CORNERS), 1, 2, 4, 3)
    made["pad"] = utils.pad(tensor(CORNERS), 1, 2)
    return made
