"""Merge two models into one ONNX file: side by side over one input, and one behind the other."""

import tempfile
from pathlib import Path

import numpy as np

import graphkit
from graphkit import graphs, layers


def encoder() -> graphkit.Model:
    """Return a model from 16 numbers to a code of 4."""
    x = graphkit.Input((16,), name="x")
    return graphkit.Model(x, layers.Dense(4, activation="tanh", name="code")(x), name="encoder")


def decoder() -> graphkit.Model:
    """Return a model from a code to 16 numbers."""
    code = graphkit.Input((4,), name="code")
    return graphkit.Model(code, layers.Dense(16, name="out")(code), name="decoder")


def detector() -> graphkit.Model:
    """Return a model from 16 numbers to a score; its layer has the same name as the decoder's."""
    x = graphkit.Input((16,), name="x")
    return graphkit.Model(x, layers.Dense(1, activation="sigmoid", name="out")(x), name="detector")


def main() -> None:
    """Write the file, run it, and compare with the models on their own."""
    graphkit.utils.set_random_seed(0)
    first, second, third = encoder(), decoder(), detector()

    autoencoder = graphs.merge([first, second], connect="names", name="autoencoder")
    print("autoencoder:", autoencoder.input_names, "->", autoencoder.output_names)
    both = graphs.merge([autoencoder, third])
    print("both:", both.input_names, "->", both.output_names)

    data = np.random.default_rng(0).normal(size=(3, 16)).astype("float32")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "both.onnx"
        both.export(path)
        restored, score = graphkit.runtime.Predictor(path)({"x": data})
    print("as one behind the other:", np.allclose(restored, second(first(data)), atol=1e-5))
    print("as on its own:", np.allclose(score, third(data), atol=1e-5))


if __name__ == "__main__":
    main()
