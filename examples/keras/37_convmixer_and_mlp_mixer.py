"""Small nets from building blocks: ConvMixer and MLP-Mixer.

Both cut a picture into patches, and then mix information between patches and between channels in turns. A ConvMixer does it with
depthwise and pointwise convolutions, an MLP-Mixer with dense layers along both axes. The blocks are functions and a layer of one's
own, put together with the functional API.
"""

# backend: jax

import keras
import numpy as np
from keras import layers, ops

SIZE, PATCH, WIDTH, CLASSES = 16, 4, 12, 4
random = np.random.default_rng(2)


def fill(model):
    """Give a model weights from the seeded generator."""
    for weight in model.weights:
        if "norm" not in weight.path:
            weight.assign(random.normal(0, 0.3, weight.shape))


def activation_block(x):
    """Activation, then batch normalization."""
    return layers.BatchNormalization()(layers.Activation("gelu")(x))


def conv_mixer_block(x, filters, kernel_size):
    """Mix between pixels with a residual connection, then between channels."""
    inputs = x
    x = layers.DepthwiseConv2D(kernel_size, padding="same")(x)
    x = layers.Add()([activation_block(x), inputs])
    return activation_block(layers.Conv2D(filters, kernel_size=1)(x))


def conv_mixer(depth=2):
    """Return a ConvMixer."""
    inputs = keras.Input((SIZE, SIZE, 3))
    x = layers.Rescaling(scale=1.0 / 255)(inputs)
    x = activation_block(layers.Conv2D(WIDTH, PATCH, strides=PATCH)(x))
    for _ in range(depth):
        x = conv_mixer_block(x, WIDTH, kernel_size=3)
    x = layers.GlobalAvgPool2D()(x)
    return keras.Model(inputs, layers.Dense(CLASSES, activation="softmax")(x), name="conv_mixer")


@keras.saving.register_keras_serializable("mixers")
class Patches(layers.Layer):
    """Cut pictures into flat patches (batch, patches, values)."""

    def __init__(self, patch_size, **kwargs):
        super().__init__(**kwargs)
        self.patch_size = patch_size

    def call(self, images):
        patches = ops.image.extract_patches(images, size=self.patch_size, padding="valid")
        return ops.reshape(patches, (-1, patches.shape[1] * patches.shape[2], patches.shape[3]))

    def get_config(self):
        return {**super().get_config(), "patch_size": self.patch_size}


def mlp(x, hidden):
    """Two dense layers that keep the size of the last axis."""
    return layers.Dense(x.shape[-1])(layers.Dense(hidden, activation="gelu")(x))


def mlp_mixer(depth=2):
    """Return an MLP-Mixer."""
    inputs = keras.Input((SIZE, SIZE, 3))
    x = layers.Dense(WIDTH)(Patches(PATCH)(layers.Rescaling(1.0 / 255)(inputs)))
    for _ in range(depth):
        y = layers.Permute((2, 1))(layers.LayerNormalization(epsilon=1e-6)(x))
        x = layers.Add()([x, layers.Permute((2, 1))(mlp(y, 24))])
        x = layers.Add()([x, mlp(layers.LayerNormalization(epsilon=1e-6)(x), 24)])
    x = layers.GlobalAveragePooling1D()(layers.LayerNormalization(epsilon=1e-6)(x))
    return keras.Model(inputs, layers.Dense(CLASSES, activation="softmax")(x), name="mlp_mixer")


# Pictures with one bright quarter, which is their class.
labels = random.integers(0, CLASSES, 96)
images = random.uniform(0, 120, (96, SIZE, SIZE, 3))
for image, label in zip(images, labels, strict=True):
    row, column = divmod(int(label), 2)
    image[row * 8 : row * 8 + 8, column * 8 : column * 8 + 8] += 120
images = images.astype("float32")

for build in (conv_mixer, mlp_mixer):
    model = build()
    fill(model)
    print(f"{model.name}: {len(model.layers)} layers, {model.count_params()} parameters")
    model.compile(optimizer=keras.optimizers.SGD(0.1, momentum=0.5), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(images[:64], labels[:64], batch_size=32, epochs=4, shuffle=False, verbose=0)
    print("  loss:", [round(value, 3) for value in history.history["loss"]])
    loss, accuracy = model.evaluate(images[64:], labels[64:], verbose=0)
    print(f"  new pictures: loss {loss:.3f}")
    again = keras.Model.from_config(model.get_config())
    again.set_weights(model.get_weights())
    same = np.allclose(again.predict(images[:4], verbose=0), model.predict(images[:4], verbose=0), atol=1e-6)
    print("  rebuilt from its config, the same outputs:", bool(same))
