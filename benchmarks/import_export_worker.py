"""Worker: import an ONNX file or export a model once with one engine; print the seconds, and the peak of memory by the weights' size.

    python import_export_worker.py import|export ENGINE NAME FOLDER

ENGINE is graphkit (as layers), graphkit-nodes (one layer a node), onnx2torch, torch-dynamo or torch-legacy.
"""

import gc
import json
import os
import pathlib
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

from load_worker import forget_peak, memory, peak

Call = Callable[[], Any]


def small_file(folder: pathlib.Path) -> str:
    """Write a small ONNX file for the warm-up, without any exporter."""
    import numpy as np
    import onnx
    from onnx import helper, numpy_helper

    shapes = {"w": (4, 3, 3, 3), "b": (4,), "m": (4, 5)}
    weights = [numpy_helper.from_array(np.full(s, 0.1, "float32"), n) for n, s in shapes.items()]
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("MatMul", ["f", "m"], ["y"]),
    ]
    x, y = (helper.make_tensor_value_info(n, 1, s) for n, s in {"x": ("batch", 3, 8, 8), "y": ("batch", 5)}.items())
    graph = helper.make_graph(nodes, "small", [x], [y], weights)
    path = folder / "small.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return str(path)


def importing(engine: str, path: str) -> Call:
    """Return the call that imports a file."""
    if engine == "onnx2torch":
        from onnx_maker import onnx2torch

        library = onnx2torch()
        return lambda: library.convert(path)
    import graphkit

    return lambda: graphkit.load(path, lift=engine == "graphkit")


def exporting(engine: str, name: str, source: str, target: pathlib.Path) -> Call:
    """Return the call that exports a model, which is in memory."""
    if engine.startswith("graphkit"):
        model = importing(engine, source)()
        return lambda: model.export(str(target))
    import onnx_maker

    model, inputs = onnx_maker.built(name) if name != "small" else small_torch()
    return lambda: onnx_maker.export(model, inputs, target, engine == "torch-dynamo")


def small_torch() -> tuple[Any, Any]:
    """Return a small net of PyTorch and an input."""
    import torch

    layers = [torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(144, 5)]
    return torch.nn.Sequential(*layers).eval(), torch.zeros(2, 3, 8, 8)


def main() -> None:
    """Warm up, measure, print."""
    warnings.filterwarnings("ignore")
    action, engine, name, folder = sys.argv[1], sys.argv[2], sys.argv[3], pathlib.Path(sys.argv[4])
    source, target = str(folder / f"{name}.onnx"), folder / "exported.onnx"
    size = os.path.getsize(source) / 2**20  # nearly all of it is weights
    small = small_file(folder)
    if action == "import":
        importing(engine, small)()
        call = importing(engine, source)
    else:
        exporting(engine, "small", small, target)()
        call = exporting(engine, name, source, target)
    gc.collect()
    before, exact = memory("VmRSS"), forget_peak()
    started = time.perf_counter()
    kept = call()
    taken = time.perf_counter() - started
    print(json.dumps({"seconds": taken, "peak": (peak() - before) / size, "exact": exact, "kept": kept is not None}))


if __name__ == "__main__":
    main()
