"""Predict whether two images show the same digit, with one shared encoder, which the graph shows as a layer called twice."""

import networkx
import numpy as np

import graphkit
from graphkit import layers
from graphkit.datasets.digits import load_digits
from graphkit.models import Model


def pairs(images: np.ndarray, labels: np.ndarray, count: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Draw pairs of images, at least half of them of the same digit."""
    random = np.random.default_rng(0)
    left = random.integers(0, len(labels), count)
    right = random.integers(0, len(labels), count)
    for k in range(0, count, 2):
        right[k] = random.choice(np.flatnonzero(labels == labels[left[k]]))
    same = (labels[left] == labels[right]).astype("float32")[:, None]
    return [images[left], images[right]], same


def siamese() -> Model:
    """Return a net with a shared encoder for both images, and a classifier of the squared difference of their codes."""
    pixels = graphkit.Input((64,), name="pixels")
    code = layers.Dense(24, activation="tanh")(layers.Dense(64, activation="relu")(pixels))
    encoder = Model(pixels, code, name="encoder")
    left, right = graphkit.Input((64,), name="left"), graphkit.Input((64,), name="right")
    difference = layers.Subtract()([encoder(left), encoder(right)])
    squared = layers.Multiply()([difference, difference])
    return Model([left, right], layers.Dense(1, activation="sigmoid", name="same")(squared))


def main() -> None:
    """Train, evaluate, inspect the graph."""
    graphkit.utils.set_random_seed(0)
    images, labels = load_digits()
    images = images.reshape(-1, 64)
    model = siamese()
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    inputs, same = pairs(images[:1400], labels[:1400], 6000)
    model.fit(inputs, same, epochs=6, batch_size=64, verbose=0)
    inputs, same = pairs(images[1400:], labels[1400:], 1000)
    loss, accuracy = model.evaluate(inputs, same, verbose=0)
    print(f"unseen pairs: loss {loss:.3f}, accuracy {accuracy:.3f}")
    calls = [node for node in networkx.topological_sort(model.graph) if node[0] == "encoder"]
    print(f"the encoder is called {len(calls)} times: {calls}")


if __name__ == "__main__":
    main()
