"""Train a small convolutional net on handwritten digits, export it to ONNX, and run the file as a service would."""

import pathlib
import tempfile

import numpy as np

import graphkit
from graphkit import layers
from graphkit.datasets.digits import load_digits
from graphkit.models import Model


def classifier() -> Model:
    """Return a net that classifies images of 8 x 8 pixels into ten classes."""
    image = graphkit.Input((8, 8, 1), name="image")
    x = layers.Conv2D(16, 3, padding="same", activation="relu")(image)
    x = layers.MaxPooling2D()(x)
    x = layers.Conv2D(32, 3, activation="relu")(x)
    x = layers.Dropout(0.25)(layers.Flatten()(x))
    return Model(image, layers.Dense(10, activation="softmax", name="digit")(x))


def main() -> None:
    """Train, export, and predict with onnxruntime."""
    graphkit.utils.set_random_seed(0)
    images, labels = load_digits()
    model = classifier()
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(images[:1400], labels[:1400], epochs=10, batch_size=32, verbose=0)

    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "digits.onnx"
        model.export(str(path))
        print(f"{path.name}: {path.stat().st_size} bytes")
        predictor = graphkit.runtime.Predictor(str(path))
    probabilities = np.asarray(predictor.predict(images[1400:]))
    print(f"accuracy of the exported file: {np.mean(probabilities.argmax(-1) == labels[1400:]):.3f}")
    print(f"largest difference from the model: {np.abs(probabilities - np.asarray(model(images[1400:]))).max():.1e}")


if __name__ == "__main__":
    main()
