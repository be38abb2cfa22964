"""Worker: predict with one net on one engine. Each line on stdin starts a round; answers are JSON lines."""

import importlib
import pathlib
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from nets import NETS, Net
from worker import say

ROWS = 256
SECONDS = 0.2
Methods = dict[str, Callable[[], Any]]


def milliseconds(act: Callable[[], Any]) -> float:
    """Return the mean duration of as many calls as fit into SECONDS, at least one."""
    count, started = 0, time.perf_counter()
    while time.perf_counter() - started < SECONDS:
        act()
        count += 1
    return 1000 * (time.perf_counter() - started) / count


def samples(net: Net) -> tuple[Any, Any]:
    """Return one row, and a batch."""
    inputs = [np.resize(a, (ROWS, *a.shape[1:])) for a in net.data(np.random.default_rng(0), 32)[0]]
    pick = [[a[:n] for a in inputs] for n in (1, ROWS)]
    one, many = (xs if len(xs) > 1 else xs[0] for xs in pick)
    return one, many


def keras_like(net: Net, module: str) -> Methods:
    """Return the methods of a library with Keras' API."""
    keras = importlib.import_module(module)
    model, (one, many) = net.build(keras), samples(net)
    return {
        "predict": lambda: model.predict(one, verbose=0),
        "call": lambda: np.asarray(model(one)),
        "batch": lambda: model.predict(many, batch_size=ROWS, verbose=0),
    }


def graphkit(net: Net) -> Methods:
    """Return Keras' methods, and the predictor."""
    import graphkit as library

    methods, (one, _) = keras_like(net, "graphkit"), samples(net)
    with tempfile.TemporaryDirectory() as folder:
        path = str(pathlib.Path(folder) / "model.onnx")
        net.build(library).export(path)
        predictor = library.runtime.Predictor(path)
    return {**methods, "predictor": lambda: predictor.predict(one)}


def pytorch(name: str, net: Net) -> Methods:
    """Return calls in PyTorch's inference mode."""
    import torch
    from torch_nets import BUILD, tensors

    model = BUILD[name]().eval()
    one, many = (tensors(x if isinstance(x, list) else [x], np.zeros(1, "float32"))[0] for x in samples(net))

    def run(xs: list[torch.Tensor]) -> Any:
        with torch.inference_mode():
            return model(*xs).numpy()

    return {"call": lambda: run(one), "batch": lambda: run(many)}


def main() -> None:
    """Build, warm up, then run a round for every line."""
    engine, name = sys.argv[1:3]
    net = NETS[name]
    own: dict[str, Callable[[], Methods]] = {"graphkit": lambda: graphkit(net), "torch": lambda: pytorch(name, net)}
    methods = own.get(engine, lambda: keras_like(net, "keras"))()
    for act in methods.values():
        act()
    say(ready=True, methods=list(methods))
    for _ in sys.stdin:
        say(**{method: milliseconds(act) for method, act in methods.items()})


if __name__ == "__main__":
    main()
