"""Open a transformer from an ONNX file, train updates of low rank on its attention projections alone, and export it again."""

import tempfile
from pathlib import Path

import numpy as np
import onnx

import graphkit
from graphkit import graphs, layers


def write_transformer(path: Path) -> None:
    """Write a transformer as a plain ONNX file, without what graphkit notes in it: as if it came from elsewhere."""
    tokens = graphkit.Input((12,), dtype="int32", name="tokens")
    x = layers.Embedding(50, 16, name="embedding")(tokens)
    for number in range(2):
        attention = layers.MultiHeadAttention(2, 8, name=f"attention_{number}")
        x = layers.LayerNormalization(name=f"norm_{number}")(x + attention(x, x))
        hidden = layers.Dense(32, activation="gelu", name=f"hidden_{number}")(x)
        x = layers.LayerNormalization(name=f"norm_out_{number}")(x + layers.Dense(16, name=f"out_{number}")(hidden))
    x = layers.GlobalAveragePooling1D(name="pool")(x)
    graphkit.Model(tokens, layers.Dense(2, name="label")(x), name="transformer").export(path)
    plain = onnx.load(path)
    del plain.metadata_props[:]
    onnx.save(plain, path)


def main() -> None:
    """Train on the question whether a text has more even tokens than odd ones."""
    graphkit.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, 50, (512, 12)).astype("int32")
    labels = (np.sum(tokens % 2 == 0, axis=1) > 6).astype("int64")

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "transformer.onnx"
        write_transformer(path)
        model = graphkit.models.load_model(path)  # one layer a node
        projections = graphs.node(
            ("MatMul", "Gemm", "Einsum"), where=lambda layer: "attention" in layer.name and len(layer.weights) > 0
        )
        print("projections:", len(graphs.find(model, projections)))

        adapted = graphs.add_lora(model, projections, rank=4, copy=True)
        print("the same before training:", np.allclose(adapted(tokens[:8]), model(tokens[:8]), atol=1e-6))
        trained = sum(v.array.size for v in adapted.trainable_variables)
        print(f"trained: {trained} of {adapted.count_params()} numbers")

        adapted.compile("adam", graphkit.losses.SparseCategoricalCrossentropy(from_logits=True))
        losses = adapted.fit(tokens, labels, epochs=3, verbose=0).history["loss"]
        print("the loss falls:", losses[-1] < losses[0])

        adapted.export(Path(folder) / "adapted.onnx")
        outputs = graphkit.runtime.Predictor(Path(folder) / "adapted.onnx")({"tokens": tokens[:8]})
    print("onnxruntime agrees:", np.allclose(outputs, adapted(tokens[:8]), atol=1e-4))


if __name__ == "__main__":
    main()
