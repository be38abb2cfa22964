"""Cut the backbone out of a trained classifier, put a new head on it, and train the head alone."""

import numpy as np

import graphkit
from graphkit import graphs, layers
from graphkit.datasets.digits import load_digits


def classifier() -> graphkit.Model:
    """Return a small convolutional classifier of five classes."""
    image = graphkit.Input((8, 8, 1), name="image")
    x = layers.Conv2D(16, 3, activation="relu", name="conv_1")(image)
    x = layers.Conv2D(32, 3, activation="relu", name="conv_2")(x)
    x = layers.GlobalMaxPooling2D(name="features")(x)
    x = layers.Dense(32, activation="relu", name="hidden")(x)
    return graphkit.Model(image, layers.Dense(5, activation="softmax", name="class")(x), name="low_digits")


def fit(model: graphkit.Model, images: np.ndarray, labels: np.ndarray, epochs: int) -> float:
    """Train on four fifths of the data and return the accuracy on the rest."""
    model.compile(graphkit.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    held = len(labels) // 5
    model.fit(images[held:], labels[held:], epochs=epochs, batch_size=32, verbose=0)
    return float(model.evaluate(images[:held], labels[:held], verbose=0)[1])


def main() -> None:
    """Train on the digits 0 to 4, then use the features for the digits 5 to 9."""
    graphkit.utils.set_random_seed(0)
    images, labels = load_digits()
    images = images.reshape(-1, 8, 8, 1)
    low = labels < 5
    model = classifier()
    print("digits 0 to 4 are learned:", fit(model, images[low], labels[low], 10) > 0.8)

    backbone = graphs.freeze(graphs.cut(model, outputs="features"))
    print("backbone:", [layer.name for layer in backbone.layers])
    new = graphs.insert_after(backbone, "features", lambda x: layers.Dense(5, activation="softmax", name="high")(x))
    print("trained:", [v.path for v in new.trainable_variables])
    print("digits 5 to 9 are learned:", fit(new, images[~low], labels[~low] - 5, 10) > 0.8)

    unchanged = np.array_equal(new.get_layer("conv_2").kernel, model.get_layer("conv_2").kernel)
    print("the backbone is unchanged:", unchanged)
    print("or in one step:", graphs.replace_head(model, 10).output_shape)


if __name__ == "__main__":
    main()
