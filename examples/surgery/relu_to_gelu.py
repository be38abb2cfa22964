"""Swap every ReLU of a network for a GELU, in all forms in which one occurs, and export the result."""

import tempfile
from pathlib import Path

import numpy as np

import graphkit
from graphkit import graphs, layers, ops


def network() -> graphkit.Model:
    """Return a small residual network with a ReLU as an argument, as a layer, as an op, and in a nested model."""
    block_input = graphkit.Input((8, 8, 16))
    x = layers.Conv2D(16, 3, padding="same", activation="relu", name="conv")(block_input)
    block = graphkit.Model(block_input, ops.relu(x + block_input), name="block")

    image = graphkit.Input((8, 8, 1), name="image")
    x = layers.ReLU(name="relu")(layers.Conv2D(16, 3, padding="same", name="stem")(image))
    x = layers.GlobalAveragePooling2D(name="pool")(block(block(x)))
    return graphkit.Model(image, layers.Dense(10, name="digit")(x), name="network")


def main() -> None:
    """Find the activations, replace them, and compare the engine with onnxruntime."""
    graphkit.utils.set_random_seed(0)
    model = network()
    for match in graphs.find(model, ["ReLU", "Relu"]):
        print(f"{match.path}: {match.shape}")

    only_layers = graphs.replace(model, layers.ReLU, layers.Activation("gelu"))
    print("ReLU layers left:", len(graphs.find(only_layers, layers.ReLU)))

    everywhere = graphs.replace_activation(model, "relu", "gelu")
    print("block:", everywhere.get_layer("block").get_layer("conv").get_config()["activation"])
    print("the old model:", model.get_layer("block").get_layer("conv").get_config()["activation"])

    images = np.random.default_rng(0).normal(size=(4, 8, 8, 1)).astype("float32")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gelu.onnx"
        everywhere.export(path)
        outputs = graphkit.runtime.Predictor(path)({"image": images})
    print("onnxruntime agrees:", np.allclose(outputs, everywhere(images), atol=1e-5))


if __name__ == "__main__":
    main()
