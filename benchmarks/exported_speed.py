"""Measure what onnxruntime takes for nets of keras.applications: our export beside tf2onnx' and PyTorch's of the same net.

    python benchmarks/exported_speed.py --peer-python PATH [--nets MobileNetV2,ResNet50] [--size 128] [--rounds 40] [--made FOLDER]

Real Keras writes each net once with seeded weights (`make_application.py`); graphkit and tf2onnx export that file, and PyTorch's
newer exporter writes torchvision's net of the same architecture, where there is one. One process holds the sessions, one thread
each, and runs them alternately on one image; the median is printed, and the median of the ratios within a round. The outputs of
graphkit's and tf2onnx' files are compared with Keras'.
"""

import argparse
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

import numpy as np
from applications import OWN_SIZE, all_names, make
from export_times import nodes
from onnx_names import SAME_IN_TORCHVISION
from peers import HERE, bound, command_line, environment, markdown, needs_peer, number

ENGINES = ("graphkit", "tf2onnx", "torch")


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = command_line(__doc__, nets=[], rounds=40)
    parser.add_argument("--size", type=int, default=0, help="height and width in pixels; by default each net's own")
    parser.add_argument("--made", type=pathlib.Path, help="folder in which to keep the files")
    return parser.parse_args()


def export(name: str, folder: pathlib.Path, args: argparse.Namespace) -> dict[str, str]:
    """Write the missing exports of one net; return the faults by engine."""
    import graphkit

    faults = {}
    own = folder / f"{name}-graphkit.onnx"
    if not own.exists():
        graphkit.load(folder / f"{name}.keras").export(own)
    for engine in ENGINES[1:]:
        if engine == "torch" and name not in SAME_IN_TORCHVISION:
            continue
        if not (folder / f"{name}-{engine}.onnx").exists():
            size = [str(args.size)] if args.size and name not in OWN_SIZE else []
            command = [args.peer_python, str(HERE / "onnx_maker.py"), engine, name, str(folder), *size]
            done = subprocess.run(command, env=environment(engine), capture_output=True, text=True)
            if done.returncode:
                faults[engine] = done.stderr.strip().splitlines()[-1][:150]
    return faults


def session_of(path: pathlib.Path) -> Any:
    """Return a session on one thread, and the name and layout of its input."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def run_times(name: str, folder: pathlib.Path, count: int) -> dict[str, list[float]]:
    """Return the milliseconds of every round, by engine."""
    with np.load(folder / f"{name}.npz") as file:
        x, y = file["x"][:1], file["y"][:1]
    runs: dict[str, Any] = {}
    for engine in ENGINES:
        path = folder / f"{name}-{engine}.onnx"
        if not path.exists():
            continue
        session = session_of(path)
        given = session.get_inputs()[0]
        feed = {given.name: x if given.shape[1] != 3 else np.ascontiguousarray(x.transpose(0, 3, 1, 2))}
        made = session.run(None, feed)[0]
        if engine != "torch" and np.abs(made - y).max() > 1e-3 * np.abs(y).max():
            print(f"{engine} {name}: the outputs differ from Keras'", file=sys.stderr)
            continue
        runs[engine] = lambda session=session, feed=feed: session.run(None, feed)
    times: dict[str, list[float]] = {engine: [] for engine in runs}
    for _ in range(count):
        for engine, run in runs.items():
            started = time.perf_counter()
            run()
            times[engine].append(1000 * (time.perf_counter() - started))
    return times


def row(name: str, folder: pathlib.Path, times: dict[str, list[float]]) -> list[str]:
    """Format a row: nodes and milliseconds by engine, then the ratios of graphkit's time."""
    ratios = [
        f"{statistics.median(a / b for a, b in zip(times['graphkit'], times[other], strict=True)):.3f}"
        if other in times
        else "-"
        for other in ENGINES[1:]
    ]
    medians = [number(statistics.median(times[engine])) if engine in times else "-" for engine in ENGINES]
    return [name, *[nodes(folder / f"{name}-{engine}.onnx") for engine in ENGINES], *medians, *ratios]


def main() -> None:
    """Measure the nets one by one."""
    args = arguments()
    needs_peer(args)
    bound(args.cores)
    rows = []
    for name in args.nets or all_names(args.peer_python):
        with tempfile.TemporaryDirectory() as temporary:
            folder = args.made or pathlib.Path(temporary)
            try:
                if not (folder / f"{name}.npz").exists():
                    make(args.peer_python, "tensorflow", name, folder, args.size)
                faults = export(name, folder, args)
                rows.append(row(name, folder, run_times(name, folder, args.rounds)))
            except Exception as error:
                faults = {"": f"{type(error).__name__}: {str(error).splitlines()[-1][:200]}"}
            for engine, fault in faults.items():
                print(f"{engine} {name}: {fault}", file=sys.stderr)
            print(*rows[-1:], file=sys.stderr, flush=True)
    head = ["net", *[f"{e} nodes" for e in ENGINES], *[f"{e} ms" for e in ENGINES], *[f"/ {e}" for e in ENGINES[1:]]]
    print(markdown(head, rows))


if __name__ == "__main__":
    main()
