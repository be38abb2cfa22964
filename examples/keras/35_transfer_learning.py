"""Transfer learning and fine-tuning with MobileNetV2.

A net that was trained on many images is a good start for a small data set. Its layers are frozen first, and only a new classifier on
top of them is trained. Then the last layers of the net are trained too, with a low learning rate. Here the weights of the net come
from a seeded generator, so that the script needs no download.
"""

# backend: jax

import keras
import numpy as np
from keras import layers
from keras.applications import MobileNetV2
from keras.applications.mobilenet_v2 import preprocess_input

SIZE, CLASSES = 64, 3
random = np.random.default_rng(0)


def fill(model):
    """Give a net weights from the seeded generator."""
    for weight in model.weights:
        shape, name = tuple(weight.shape), weight.path.split("/")[-1]
        if name == "kernel":
            fan_in = 9 if shape[-1] == 1 else np.prod(shape[:-1])  # a depthwise kernel reads 3 x 3 numbers of one channel
            values = random.normal(0, np.sqrt(2 / fan_in), shape)
        elif name in ("gamma", "moving_variance"):
            values = random.uniform(0.8, 1.2, shape)
        else:
            values = random.normal(0, 0.02, shape)
        weight.assign(values.astype("float32"))


def pictures(count):
    """Return noisy pictures with a tint of red, green or blue, and their classes."""
    labels = random.integers(0, CLASSES, count)
    tints = 90 + 110 * np.eye(CLASSES)[labels]
    images = tints[:, None, None] + random.normal(0, 30, (count, SIZE, SIZE, 3))
    return np.clip(images, 0, 255).astype("float32"), labels


train_images, train_labels = pictures(48)
test_images, test_labels = pictures(24)

# The base: MobileNetV2 without its classifier, frozen.
base = MobileNetV2(weights=None, include_top=False, input_shape=(SIZE, SIZE, 3), alpha=0.35)
fill(base)
base.trainable = False
print("base:", base.name, len(base.layers), "layers,", base.count_params(), "parameters")

# The model: preprocessing, the base in inference mode, pooling, and a classifier.
inputs = keras.Input(shape=(SIZE, SIZE, 3))
x = preprocess_input(inputs)
x = base(x, training=False)
x = layers.GlobalAveragePooling2D()(x)
outputs = layers.Dense(CLASSES, name="classifier")(x)
model = keras.Model(inputs, outputs)
fill(model.get_layer("classifier"))
print("trained at first:", len(model.trainable_weights), "of", len(model.weights), "weights")

loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile(optimizer=keras.optimizers.Adam(0.002), loss=loss, metrics=["accuracy"])
history = model.fit(train_images, train_labels, batch_size=16, epochs=6, shuffle=False, verbose=0)
for epoch, value in enumerate(history.history["loss"], 1):
    print(f"epoch {epoch}: loss {value:.3f}")
print(f"accuracy on new pictures: {model.evaluate(test_images, test_labels, verbose=0)[1]:.3f}")

# Fine-tuning: the layers from block 16 on are trained as well.
base.trainable = True
first = [layer.name for layer in base.layers].index("block_16_expand")
for layer in base.layers[:first]:
    layer.trainable = False
print("trained now:", len(model.trainable_weights), "weights")
frozen = base.get_layer("Conv1").get_weights()[0].copy()
model.compile(optimizer=keras.optimizers.SGD(1e-6), loss=loss, metrics=["accuracy"])
history = model.fit(train_images, train_labels, batch_size=16, epochs=2, shuffle=False, verbose=0)
for epoch, value in enumerate(history.history["loss"], 1):
    print(f"fine-tuning, epoch {epoch}: loss {value:.3f}")
print("first convolution unchanged:", bool(np.array_equal(frozen, base.get_layer("Conv1").get_weights()[0])))
