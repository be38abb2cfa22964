"""The nets of the training benchmark, written against Keras' API: each function takes the module that provides it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Net:
    """A net, its data, and how it is trained.

    Args:
        build: makes the model with a module that has Keras' API.
        data: makes inputs and targets from a random generator and a number of samples.
        batch: samples per step.
        steps: steps per epoch.
        optimizer: its Keras name.
        loss: its Keras name.
        epochs: the number of epochs that a round measures.
    """

    build: Callable[[Any], Any]
    data: Callable[[np.random.Generator, int], tuple[list[Array], Array]]
    batch: int
    steps: int
    optimizer: str
    loss: str
    epochs: int = 1

    def arrays(self) -> tuple[list[Array], Array]:
        """Return the inputs and targets of one epoch."""
        return self.data(np.random.default_rng(0), self.batch * self.steps)


def mlp(keras: Any) -> Any:
    """Return a multilayer perceptron, 784 - 64 - 64 - 10."""
    layers = keras.layers
    x = first = keras.Input((784,))
    x = layers.Dense(64, activation="relu")(x)
    x = layers.Dense(64, activation="relu")(x)
    return keras.models.Model(first, layers.Dense(10, activation="softmax")(x))


def siamese(keras: Any) -> Any:
    """Return a net of two sequences that share an LSTM."""
    layers = keras.layers
    left, right = keras.Input((280, 256)), keras.Input((280, 256))
    shared = layers.LSTM(64)
    merged = layers.concatenate([shared(left), shared(right)], axis=-1)
    return keras.models.Model([left, right], layers.Dense(1, activation="sigmoid")(merged))


def cnn(keras: Any) -> Any:
    """Return a net of two convolutions with poolings and a dropout."""
    layers = keras.layers
    x = first = keras.Input((28, 28, 1))
    for filters in (32, 64):
        x = layers.MaxPooling2D(2)(layers.Conv2D(filters, 3, activation="relu")(x))
    x = layers.Dropout(0.5)(layers.Flatten()(x))
    return keras.models.Model(first, layers.Dense(10, activation="softmax")(x))


def residual_block(keras: Any, x: Any, filters: int, stride: int) -> Any:
    """Apply two convolutions and a shortcut, which is projected where the shape changes."""
    layers = keras.layers
    y = layers.Conv2D(filters, 3, strides=stride, padding="same", use_bias=False)(x)
    y = layers.Activation("relu")(layers.BatchNormalization()(y))
    y = layers.BatchNormalization()(layers.Conv2D(filters, 3, padding="same", use_bias=False)(y))
    if stride != 1 or x.shape[-1] != filters:
        x = layers.BatchNormalization()(layers.Conv2D(filters, 1, strides=stride, use_bias=False)(x))
    return layers.Activation("relu")(layers.Add()([x, y]))


def resnet20(keras: Any) -> Any:
    """Return the CIFAR ResNet-20."""
    layers = keras.layers
    x = first = keras.Input((32, 32, 3))
    x = layers.Conv2D(16, 3, padding="same", use_bias=False)(x)
    x = layers.Activation("relu")(layers.BatchNormalization()(x))
    for stage, filters in enumerate((16, 32, 64)):
        for block in range(3):
            x = residual_block(keras, x, filters, 2 if stage and not block else 1)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.models.Model(first, layers.Dense(10, activation="softmax")(x))


def transformer(keras: Any) -> Any:
    """Return a transformer block that classifies 200 tokens."""
    layers = keras.layers
    first = keras.Input((200,), dtype="int32")
    x = layers.Embedding(20000, 32)(first)
    attended = layers.Dropout(0.1)(layers.MultiHeadAttention(2, 32)(x, x))
    x = layers.LayerNormalization(epsilon=1e-6)(layers.Add()([x, attended]))
    forward = layers.Dropout(0.1)(layers.Dense(32)(layers.Dense(32, activation="relu")(x)))
    x = layers.LayerNormalization(epsilon=1e-6)(layers.Add()([x, forward]))
    x = layers.Dropout(0.1)(layers.GlobalAveragePooling1D()(x))
    x = layers.Dropout(0.1)(layers.Dense(20, activation="relu")(x))
    return keras.models.Model(first, layers.Dense(2, activation="softmax")(x))


def floats(random: np.random.Generator, *shape: int) -> Array:
    """Draw normally distributed float32 values."""
    return random.standard_normal(shape, dtype="float32")


def one_hot(random: np.random.Generator, count: int) -> Array:
    """Draw one-hot targets of ten classes."""
    return np.eye(10, dtype="float32")[random.integers(0, 10, count)]


NETS: dict[str, Net] = {
    "mlp": Net(
        mlp, lambda r, n: ([floats(r, n, 784)], one_hot(r, n)), 128, 200, "rmsprop", "categorical_crossentropy", 3
    ),
    "siamese": Net(
        siamese,
        lambda r, n: ([floats(r, n, 280, 256), floats(r, n, 280, 256)], r.integers(0, 2, (n, 1)).astype("float32")),
        32,
        10,
        "rmsprop",
        "binary_crossentropy",
    ),
    "cnn": Net(
        cnn, lambda r, n: ([floats(r, n, 28, 28, 1)], one_hot(r, n)), 128, 20, "adam", "categorical_crossentropy"
    ),
    "resnet20": Net(
        resnet20, lambda r, n: ([floats(r, n, 32, 32, 3)], one_hot(r, n)), 64, 8, "adam", "categorical_crossentropy"
    ),
    "transformer": Net(
        transformer,
        lambda r, n: ([r.integers(0, 20000, (n, 200), dtype="int32")], r.integers(0, 2, (n,), dtype="int32")),
        32,
        40,
        "adam",
        "sparse_categorical_crossentropy",
    ),
}
