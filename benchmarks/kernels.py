"""Measure single kernels in milliseconds: convolutions and poolings of the nets in `nets.py`, forward and backward.

    python benchmarks/kernels.py [--threads N] [--rounds N]

It prints the minimum of the rounds: processor time with one thread, wall time otherwise.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import graphkit.ops  # registers the primitives  # noqa: F401
from graphkit.core import threads
from graphkit.ir.primitive import PRIMITIVES, empty
from graphkit.ir.spec import TensorSpec

# batch, height and width, channels, window, filters, padding on each side, stride
CONVOLUTIONS = [
    (128, 28, 1, 3, 32, 0, 1),
    (128, 13, 32, 3, 64, 0, 1),
    (128, 26, 32, 3, 64, 0, 1),
    (64, 32, 16, 3, 16, 1, 1),
    (64, 16, 32, 3, 32, 1, 1),
    (64, 8, 64, 3, 64, 1, 1),
    (64, 32, 16, 3, 32, 1, 2),
    (64, 32, 16, 1, 32, 0, 2),
]
POOLINGS = [(128, 26, 32), (128, 11, 64)]
LAYOUT = {"data_format": "channels_last"}


def bound(name: str, args: list[Any], params: dict[str, Any]) -> tuple[Callable[[], Any], Any]:
    """Return the kernel of a primitive, bound to these arrays and new buffers, and its output."""
    primitive = PRIMITIVES[name]
    specs = [TensorSpec.of(a) for a in args]
    out = empty(primitive.infer_raw(specs, params))
    return primitive.thunk(out, args, params, [empty(s) for s in primitive.scratch(specs, params)]), out


def least(run: Callable[[], Any], rounds: int, clock: Callable[[], float]) -> float:
    """Return the milliseconds of the fastest round."""
    run()
    times = []
    for _ in range(rounds):
        start = clock()
        run()
        times.append(clock() - start)
    return min(times) * 1e3


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=threads.num_threads())
    parser.add_argument("--rounds", type=int, default=20)
    arguments = parser.parse_args()
    threads.set_num_threads(arguments.threads)
    clock = time.thread_time if arguments.threads == 1 else time.perf_counter
    generator = np.random.default_rng(0)

    def normal(*shape: int) -> Any:
        return generator.standard_normal(shape, dtype=np.float32)

    def line(what: str, work: float, runs: list[tuple[str, Callable[[], Any]]]) -> None:
        found = [(name, least(run, arguments.rounds, clock)) for name, run in runs]
        shown = [f"{name} {ms:7.2f} ms" + (f" {work / ms:4.0f} GFLOP/s" if work else "") for name, ms in found]
        print(f"{what:44s} " + "   ".join(shown))

    for batch, size, channels, window, filters, pad, stride in CONVOLUTIONS:
        params = {"strides": (stride,) * 2, "padding": ((pad, pad),) * 2, "dilation": (1, 1), "groups": 1, **LAYOUT}
        x, kernel = normal(batch, size, size, channels), normal(window, window, channels, filters)
        forward, y = bound("conv", [x, kernel], params)
        g = normal(*y.shape)
        inputs, _ = bound("conv_input_grad", [g, kernel], {"sizes": (size, size), **params})
        weights, _ = bound("conv_kernel_grad", [x, g], {"window": (window, window), **params})
        work = 2 * y.size * window * window * channels / 1e6
        what = f"{batch} x {size} x {size} x {channels} - {window}x{window}/{stride} pad {pad} - {filters}"
        line(what, work, [("forward", forward), ("input", inputs), ("kernel", weights)])
    for batch, size, channels in POOLINGS:
        params = {"window": (2, 2), "strides": (2, 2), "padding": ((0, 0), (0, 0)), **LAYOUT}
        x = np.maximum(normal(batch, size, size, channels), 0)
        forward, y = bound("max_pool", [x], params)
        forward()
        backward, _ = bound("max_pool_grad", [normal(*y.shape), x, y], params)
        line(f"{batch} x {size} x {size} x {channels} - max 2x2", 0.0, [("forward", forward), ("gradient", backward)])


if __name__ == "__main__":
    main()
