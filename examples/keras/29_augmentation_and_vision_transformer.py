"""Image augmentation with preprocessing layers, and a small vision transformer.

The layers are given a transformation, so that the result is the same everywhere: `get_random_transformation` draws one, and
`transform_images`, `transform_segmentation_masks` and `transform_bounding_boxes` apply it. The second part cuts images into patches,
projects and encodes them with own layers, and classifies them with a transformer.
"""

# backend: jax

import keras
import numpy as np
from keras import layers, ops

random = np.random.default_rng(2)
images = random.uniform(0, 255, (2, 8, 8, 3)).astype("float32")


def show(title, array):
    """Print the shape of an array and some of its numbers."""
    array = np.array(array, "float64")
    mean = abs(array).mean()
    print(f"{title}: shape {array.shape}, mean size {mean:.3f}, starts with {np.round(array.ravel()[:3], 3).tolist()}")


# Layers that are not random.
show("resized", layers.Resizing(5, 4)(images))
show("resized with padding", layers.Resizing(4, 8, pad_to_aspect_ratio=True)(images))
show("center", layers.CenterCrop(4, 6)(images))
show("rescaled", layers.Rescaling(1 / 127.5, offset=-1)(images))
show("contrast", layers.AutoContrast()(images))
normalization = layers.Normalization()
normalization.adapt(images)
show("normalized", normalization(images))

# Random layers with a given transformation.
flips = np.array([True, False]).reshape(2, 1, 1, 1)
flip = layers.RandomFlip("horizontal", bounding_box_format="xyxy")
transformation = {"flips": flips, "input_shape": images.shape}
show("flipped", flip.transform_images(images, transformation))
masks = (images[..., :1] > 128).astype("float32")
show("its mask", flip.transform_segmentation_masks(masks, transformation))
boxes = {
    "boxes": np.array([[[1, 1, 4, 5], [0, 2, 8, 8]], [[2, 2, 3, 7], [0, 0, 1, 1]]], "float32"),
    "labels": np.array([[1, 2], [3, 4]]),
}
made = flip.transform_bounding_boxes(boxes, transformation)
print("its boxes:", np.round(np.array(made["boxes"], "float64")[0], 3).tolist())
translation = layers.RandomTranslation(0.3, 0.3, fill_mode="constant", bounding_box_format="xyxy")
transformation = {"translations": np.array([[1.0, -2.0], [0.0, 3.0]], "float32"), "input_shape": images.shape}
show("translated", translation.transform_images(images, transformation))
show(
    "brighter",
    layers.RandomBrightness(0.2).transform_images(
        images, {"rgb_delta": np.array([30.0, -30.0], "float32").reshape(2, 1, 1, 1)}
    ),
)
show(
    "contrast",
    layers.RandomContrast(0.2).transform_images(
        images, {"contrast_factor": np.array([1.2, 0.7], "float32").reshape(2, 1, 1, 1)}
    ),
)

# Formats of boxes.
utils = keras.utils.bounding_boxes
corners = np.array([[1.0, 1.0, 4.0, 5.0], [0.0, 2.0, 8.0, 8.0]], "float32")
for form in ("xywh", "center_yxhw", "rel_xyxy"):
    print(
        form, np.round(np.array(utils.convert_format(corners, "xyxy", form, height=8, width=8), "float64"), 4).tolist()
    )
print("overlaps:", np.round(np.array(utils.compute_iou(corners, corners + 1.0, "xyxy"), "float64"), 4).tolist())


class DoubleContrast(layers.RandomContrast):
    """An augmentation of one's own: it overrides what is drawn."""

    def get_random_transformation(self, data, training=True, seed=None):
        if not training:
            return None
        return {"contrast_factor": np.full((len(data), 1, 1, 1), 2.0, "float32")}


show("own augmentation, in training", DoubleContrast(0.5)(images, training=True))
show("and at inference", DoubleContrast(0.5)(images, training=False))

# A pipeline changes nothing at inference but what is not random.
augmentation = keras.Sequential(
    [layers.RandomFlip("horizontal"), layers.RandomRotation(0.02), layers.Rescaling(1 / 255)]
)
show("pipeline at inference", augmentation(images, training=False))
print("~ drawn anew:", round(float(np.array(augmentation(images, training=True)).mean()), 3))


class Patches(layers.Layer):
    """Cuts images into patches: (batch, patches, patch_size * patch_size * channels)."""

    def __init__(self, patch_size, **kwargs):
        super().__init__(**kwargs)
        self.patch_size = patch_size

    def call(self, images):
        batch_size, height, width, channels = ops.shape(images)
        count = (height // self.patch_size) * (width // self.patch_size)
        patches = ops.image.extract_patches(images, size=self.patch_size)
        return ops.reshape(patches, (batch_size, count, self.patch_size * self.patch_size * channels))

    def get_config(self):
        return {**super().get_config(), "patch_size": self.patch_size}


class PatchEncoder(layers.Layer):
    """Projects patches and adds an embedding of their positions."""

    def __init__(self, num_patches, projection_dim, **kwargs):
        super().__init__(**kwargs)
        self.num_patches = num_patches
        self.projection_dim = projection_dim
        self.projection = layers.Dense(units=projection_dim)
        self.position_embedding = layers.Embedding(input_dim=num_patches, output_dim=projection_dim)

    def call(self, patch):
        positions = ops.expand_dims(ops.arange(start=0, stop=self.num_patches, step=1), axis=0)
        return self.projection(patch) + self.position_embedding(positions)

    def get_config(self):
        return {**super().get_config(), "num_patches": self.num_patches, "projection_dim": self.projection_dim}


def mlp(x, hidden_units):
    """A block of dense layers."""
    for units in hidden_units:
        x = layers.Dense(units, activation=keras.activations.gelu)(x)
    return x


def create_vit_classifier():
    """A vision transformer of two blocks for images of 8 x 8 pixels."""
    inputs = keras.Input(shape=(8, 8, 3))
    encoded = PatchEncoder(16, 8)(Patches(2)(layers.Rescaling(1 / 255)(inputs)))
    for _ in range(2):
        x1 = layers.LayerNormalization(epsilon=1e-6)(encoded)
        attention = layers.MultiHeadAttention(num_heads=2, key_dim=4)(x1, x1)
        x2 = layers.Add()([attention, encoded])
        x3 = layers.LayerNormalization(epsilon=1e-6)(x2)
        encoded = layers.Add()([mlp(x3, [16, 8]), x2])
    representation = layers.Flatten()(layers.LayerNormalization(epsilon=1e-6)(encoded))
    return keras.Model(inputs, layers.Dense(4)(mlp(representation, [16])))


print("patches:", tuple(Patches(4)(images).shape))
model = create_vit_classifier()
model.set_weights([random.normal(0, 0.2, w.shape) for w in model.get_weights()])
print("parameters:", model.count_params())
show("logits", model.predict(images, verbose=0))
x = random.uniform(0, 255, (32, 8, 8, 3)).astype("float32")
y = (x.mean(axis=(1, 2))[:, 0] > x.mean(axis=(1, 2))[:, 1]).astype("int32")
model.compile(
    keras.optimizers.AdamW(learning_rate=0.002, weight_decay=0.001),
    keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
)
history = model.fit(x, y, batch_size=16, epochs=2, shuffle=False, verbose=0)
print("loss by epoch:", np.round(history.history["loss"], 3).tolist())
