"""Load a .keras model, freeze its first layer, replace its head to predict new classes, train, and save it."""

import pathlib
import tempfile

import numpy as np

import graphkit
from graphkit import layers
from graphkit.datasets.digits import load_digits
from graphkit.models import Model, load_model


def train(model: Model, images: np.ndarray, labels: np.ndarray, epochs: int) -> float:
    """Train, and return the accuracy on a held-out fifth of the data."""
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    held = len(labels) // 5
    model.fit(images[held:], labels[held:], epochs=epochs, batch_size=32, verbose=0)
    return float(model.evaluate(images[:held], labels[:held], verbose=0)[1])


def pretrain(path: pathlib.Path, images: np.ndarray, labels: np.ndarray) -> None:
    """Train and save the model to start from, which classifies the digits 0 to 4."""
    pixels = graphkit.Input((64,))
    x = layers.Dense(64, activation="relu", name="features_1")(pixels)
    x = layers.Dense(32, activation="relu", name="features_2")(x)
    model = Model(pixels, layers.Dense(5, activation="softmax", name="head")(x))
    print(f"digits 0 to 4: accuracy {train(model, images, labels, 8):.3f}")
    model.save(str(path))


def main() -> None:
    """Fine-tune on the digits 5 to 9."""
    graphkit.utils.set_random_seed(0)
    images, labels = load_digits()
    images = images.reshape(-1, 64)
    low = labels < 5
    with tempfile.TemporaryDirectory() as folder:
        path, tuned = pathlib.Path(folder) / "pretrained.keras", pathlib.Path(folder) / "tuned.keras"
        pretrain(path, images[low], labels[low])
        old = load_model(str(path))
        old.get_layer("features_1").trainable = False
        features = old.get_layer("features_2").output
        model = Model(old.input, layers.Dense(5, activation="softmax", name="new_head")(features))
        print(f"trainable: {[v.path for v in model.trainable_variables]}")
        print(f"digits 5 to 9: accuracy {train(model, images[~low], labels[~low] - 5, 8):.3f}")
        model.save(str(tuned))
        same = np.array_equal(load_model(str(tuned)).get_weights()[0], model.get_weights()[0])
        print(f"saved and read back: {'equal' if same else 'different'}")


if __name__ == "__main__":
    main()
