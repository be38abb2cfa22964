"""Worker: open .keras files and export them to ONNX with one engine. Each line on stdin starts a round; answers are JSON lines.

    python export_worker.py ENGINE FOLDER NAME,NAME,...

It measures the seconds of the two calls, after imports and a warm-up with a small net. Keras cannot export a model that has not
been called since it was loaded; that call is measured separately.
"""

import gc
import importlib
import pathlib
import sys
import time
from typing import Any

import numpy as np
from worker import say

SMALL = 32


def graphkit() -> Any:
    """Return graphkit and its export function."""
    import onnxruntime  # noqa: F401 (an export does not need it, but a process that uses the file does)

    import graphkit as library

    return library, lambda model, path: model.export(path)


def keras() -> Any:
    """Return real Keras, on the backend that the environment names, and its export function."""
    library = importlib.import_module("keras")
    return library, lambda model, path: model.export(path, format="onnx", verbose=False)


def small_net(library: Any) -> Any:
    """Return the net for the warm-up."""
    layers = library.layers
    x = library.Input((SMALL, SMALL, 3))
    y = layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    y = layers.BatchNormalization()(layers.DepthwiseConv2D(3, strides=2)(y))
    y = layers.Dense(5, activation="softmax")(layers.GlobalAveragePooling2D()(layers.MaxPooling2D()(y)))
    return library.Model(x, y)


def measure(library: Any, export: Any, source: pathlib.Path, target: pathlib.Path, must_call: bool) -> dict[str, Any]:
    """Return the seconds to load, to call the model if that is needed, and to export; or the error."""
    gc.collect()
    found: dict[str, Any] = {}
    started = time.perf_counter()
    model = library.models.load_model(source)
    found["load"] = time.perf_counter() - started
    if must_call:
        started = time.perf_counter()
        model(np.zeros((1, *model.input_shape[1:]), "float32"))
        found["call"] = time.perf_counter() - started
    started = time.perf_counter()
    try:
        export(model, str(target))
    except Exception as error:
        return {**found, "error": f"{type(error).__name__}: {error}"[:200]}
    found["export"] = time.perf_counter() - started
    return found


def main() -> None:
    """Warm up, then run a round for every line."""
    engine, folder, names = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3].split(",")
    library, export = graphkit() if engine == "graphkit" else keras()
    (folder / "onnx").mkdir(exist_ok=True)
    small = folder / f"small-{engine}.keras"
    small_net(library).save(small)
    measure(library, export, small, folder / "onnx" / f"small-{engine}.onnx", engine != "graphkit")
    say(ready=True)
    for line in sys.stdin:
        for name in line.split()[1:] or names:
            target = folder / "onnx" / f"{name}-{engine}.onnx"
            say(name=name, **measure(library, export, folder / f"{name}.keras", target, engine != "graphkit"))


if __name__ == "__main__":
    main()
