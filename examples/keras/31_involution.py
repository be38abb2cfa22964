"""Involution: a convolution whose kernel depends on the pixel.

A convolution uses one kernel at all places of an image, and a kernel of its own for each channel. An involution does the
opposite: a small network computes a kernel for each pixel from the pixel itself, and all channels of a group share it. The layer
is written with TensorFlow's functions, and so is the loss, a focal cross-entropy.
"""
# backend: tensorflow

import keras
import numpy as np
import tensorflow as tf


class Involution(keras.layers.Layer):
    """Multiply the neighbourhood of each pixel with a kernel computed from the pixel."""

    def __init__(self, kernel_size=3, groups=1, reduction=2, **kwargs):
        super().__init__(**kwargs)
        self.kernel_size = kernel_size
        self.groups = groups
        self.reduction = reduction

    def build(self, input_shape):
        channels = input_shape[-1]
        self.reduce = keras.layers.Dense(channels // self.reduction, activation="relu")
        self.expand = keras.layers.Dense(self.kernel_size**2 * self.groups)
        self.reduce.build(input_shape)
        self.expand.build((*input_shape[:-1], channels // self.reduction))
        self.built = True

    def call(self, x):
        size, channels = self.kernel_size, x.shape[-1]
        height, width = x.shape[1], x.shape[2]
        kernel = self.expand(self.reduce(x))
        kernel = tf.reshape(kernel, [-1, height, width, size * size, 1, self.groups])
        patches = tf.image.extract_patches(
            images=x,
            sizes=[1, size, size, 1],
            strides=[1, 1, 1, 1],
            rates=[1, 1, 1, 1],
            padding="SAME",
        )
        patches = tf.reshape(patches, [-1, height, width, size * size, channels // self.groups, self.groups])
        output = tf.reduce_sum(tf.multiply(kernel, patches), axis=3)
        return tf.reshape(output, tf.shape(x)), kernel


def focal_loss(labels, logits, gamma=2.0):
    """The cross-entropy, with less weight on what is classified well already."""
    labels = tf.one_hot(tf.cast(tf.squeeze(labels, axis=-1), tf.int32), depth=tf.shape(logits)[-1])
    log_probabilities = tf.nn.log_softmax(logits, axis=-1)
    share = tf.math.exp(log_probabilities)
    losses = -labels * tf.pow(1.0 - share, gamma) * log_probabilities
    return tf.reduce_mean(tf.reduce_sum(losses, axis=-1))


def stripes(count, generator):
    """Make images with horizontal (class 0) or vertical (class 1) stripes, and noise."""
    labels = generator.integers(0, 2, (count, 1))
    lines = (np.arange(8) // 2 % 2).astype("float32")
    images = np.where(labels[..., None, None] == 0, lines[:, None, None], lines[None, :, None])
    return (images + generator.normal(0, 0.3, (count, 8, 8, 1))).astype("float32"), labels


def set_weights(model, seed):
    """Give every weight values that do not depend on the backend's random numbers."""
    generator = np.random.default_rng(seed)
    model.set_weights([generator.normal(0, 0.3, w.shape).astype("float32") for w in model.get_weights()])


generator = np.random.default_rng(0)
x_train, y_train = stripes(256, generator)
x_test, y_test = stripes(64, generator)

inputs = keras.Input((8, 8, 1))
x = keras.layers.Conv2D(8, 3, padding="same", activation="relu")(inputs)
x, kernel = Involution(kernel_size=3, groups=2, name="involution")(x)
x = keras.layers.GlobalAveragePooling2D()(keras.layers.ReLU()(x))
outputs = keras.layers.Dense(2)(x)
model = keras.Model(inputs, outputs)
set_weights(model, seed=1)
model.compile(keras.optimizers.Adam(0.02), loss=focal_loss, metrics=["sparse_categorical_accuracy"])

print("parameters:", model.count_params())
print(f"loss before training: {model.evaluate(x_test, y_test, verbose=0)[0]:.4f}")
history = model.fit(x_train, y_train, epochs=4, batch_size=32, shuffle=False, verbose=0)
for epoch, loss in enumerate(history.history["loss"]):
    print(f"epoch {epoch + 1}: loss {loss:.3f}")
loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
print(f"test: loss {loss:.3f}, accuracy {accuracy:.3f}")

# The kernels that the layer computed can be looked at: one of size 3 x 3 for each pixel and group.
kernels = keras.Model(inputs, kernel).predict(x_test[:2], verbose=0)
print("kernels:", kernels.shape)
