"""Worker: train the ResNet-20 of an ONNX file, or the same net, on one engine; each line on stdin starts a round.

python imported_steps_worker.py ENGINE PATH
"""

import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from worker import say

BATCH, STEPS = 64, 6
Step = Callable[[Any, Any], float]


def data() -> tuple[np.ndarray, np.ndarray]:
    """Return images, channels first, and labels."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(STEPS * BATCH, 3, 32, 32)).astype("float32"), rng.integers(0, 10, STEPS * BATCH)


def own_net(keras: Any, data_format: str) -> Any:
    """Return the ResNet-20 in Keras' layers."""
    layers, axis = keras.layers, 1 if data_format == "channels_first" else -1

    def convolution(x: Any, filters: int, size: int, stride: int) -> Any:
        words = {"padding": "same", "use_bias": False, "data_format": data_format}
        if stride > 1 and size > 1:  # as PyTorch pads
            x, words["padding"] = layers.ZeroPadding2D(1, data_format=data_format)(x), "valid"
        return layers.BatchNormalization(axis=axis, epsilon=1e-3)(layers.Conv2D(filters, size, stride, **words)(x))

    inputs = keras.Input((3, 32, 32) if axis == 1 else (32, 32, 3))
    x = layers.ReLU()(convolution(inputs, 16, 3, 1))
    for stage, filters in enumerate((16, 32, 64)):
        for block in range(3):
            stride = 2 if stage and not block else 1
            y = convolution(layers.ReLU()(convolution(x, filters, 3, stride)), filters, 3, 1)
            x = convolution(x, filters, 1, stride) if stride > 1 else x
            x = layers.ReLU()(layers.Add()([x, y]))
    return keras.Model(inputs, layers.Dense(10)(layers.GlobalAveragePooling2D(data_format=data_format)(x)))


def graphkit_round(engine: str, path: str) -> Callable[[], dict[str, float]]:
    """Return a function that trains for one epoch by `fit`, after a warm-up epoch."""
    import graphkit

    x, labels = data()
    if engine in ("graphkit", "graphkit-channels-first"):
        model = own_net(graphkit, "channels_first" if engine.endswith("first") else "channels_last")
    else:
        model = graphkit.load(path, lift=engine == "graphkit-imported")
    x = x if model.input_shape[1] == 3 else np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    loss = graphkit.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(graphkit.optimizers.Adam(1e-3), loss)

    def train() -> dict[str, float]:
        started = time.perf_counter()
        history = model.fit(x, labels, batch_size=BATCH, verbose=0, shuffle=False)
        return {"ms": 1000 * (time.perf_counter() - started) / STEPS, "loss": float(history.history["loss"][-1])}

    return train


def torch_round(engine: str, path: str) -> Callable[[], dict[str, float]]:
    """Return the same for PyTorch: the file through onnx2torch, or the net itself."""
    import onnx_maker
    import torch

    if engine == "onnx2torch":
        model = onnx_maker.onnx2torch().convert(path)
    else:
        model, _ = onnx_maker.built("resnet20")
    model.train()
    x, labels = (torch.from_numpy(v) for v in data())
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, eps=1e-7)

    def train() -> dict[str, float]:
        started, total = time.perf_counter(), 0.0
        for at in range(0, len(x), BATCH):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(x[at : at + BATCH]), labels[at : at + BATCH])
            loss.backward()
            optimizer.step()
            total += float(loss)
        return {"ms": 1000 * (time.perf_counter() - started) / STEPS, "loss": total / STEPS}

    return train


def main() -> None:
    """Warm up, then train for an epoch on every line."""
    warnings.filterwarnings("ignore")
    engine, path = sys.argv[1:3]
    train = (graphkit_round if engine.startswith("graphkit") else torch_round)(engine, path)
    say(**train())
    for _ in sys.stdin:
        say(**train())


if __name__ == "__main__":
    main()
