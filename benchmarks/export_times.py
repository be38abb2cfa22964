"""Measure the seconds to open nets of keras.applications and export them to ONNX, compared with real Keras; and run the exports.

    python benchmarks/export_times.py --peer-python PATH [--jax-python PATH] [--nets MobileNetV2,ResNet50] [--made FOLDER]

Every engine opens and exports the same files in its own process, after imports and a warm-up. The engines alternate, net by net.
Then onnxruntime runs each export on one image in this process, also interleaved: median milliseconds. Keras on JAX exports with
jax2onnx, which may need a separate environment: `--jax-python`, or $GRAPHKIT_JAX_PYTHON.
"""

import argparse
import collections
import os
import pathlib
import statistics
import sys
import tempfile
import time
from typing import Any

import numpy as np
from applications import make
from peers import Worker, bound, command_line, markdown, needs_peer, number

NETS = (
    "MobileNetV2", "ResNet50", "EfficientNetB0", "DenseNet121", "InceptionV3", "Xception", "NASNetMobile", "ConvNeXtTiny",
)  # fmt: skip
ENGINES = ("graphkit", "keras-tensorflow", "keras-jax", "keras-torch")
RUNS = 15
Found = dict[tuple[str, str], dict[str, Any]]


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = command_line(__doc__, nets=NETS, engines=ENGINES)
    parser.add_argument("--jax-python", default=os.environ.get("GRAPHKIT_JAX_PYTHON"), help="interpreter with jax2onnx")
    parser.add_argument("--made", type=pathlib.Path, help="folder with real Keras' files; missing ones are made")
    return parser.parse_args()


def python_of(engine: str, args: argparse.Namespace) -> str:
    """Return the interpreter of an engine."""
    own = {"graphkit": sys.executable, "keras-jax": args.jax_python or args.peer_python}
    return own.get(engine, args.peer_python)


def measure(args: argparse.Namespace, folder: pathlib.Path) -> Found:
    """Measure all engines on all nets, alternately."""
    found: Found = {}
    workers = []
    for engine in args.engines:
        worker = Worker(engine, python_of(engine, args), "export_worker.py", str(folder), ",".join(args.nets))
        try:
            worker.answer()
            workers.append(worker)
        except RuntimeError as error:
            print(error, file=sys.stderr)
    for name in args.nets:
        for worker in workers:
            try:
                answer = worker.ask(name)
            except (RuntimeError, BrokenPipeError) as error:
                answer = {"error": f"stopped: {str(error).splitlines()[-1]}"}
            print(worker.engine, name, answer, file=sys.stderr, flush=True)
            found[name, worker.engine] = answer
    for worker in workers:
        worker.close()
    return found


def run_times(name: str, engines: list[str], folder: pathlib.Path, x: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    """Return the milliseconds that onnxruntime takes for one image, for each export that runs and computes Keras' outputs."""
    import onnxruntime

    sessions, times = {}, collections.defaultdict(list)
    for engine in engines:
        path = folder / "onnx" / f"{name}-{engine}.onnx"
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        try:
            session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            made = session.run(None, {session.get_inputs()[0].name: x})[0]
        except Exception as error:
            print(f"{engine} {name}: onnxruntime: {str(error)[:150]}", file=sys.stderr)
            continue
        if np.abs(made - y).max() > 1e-3 * np.abs(y).max():
            print(f"{engine} {name}: the outputs differ from Keras'", file=sys.stderr)
            continue
        sessions[engine] = session
    for _ in range(RUNS):
        for engine, session in sessions.items():
            started = time.perf_counter()
            session.run(None, {session.get_inputs()[0].name: x})
            times[engine].append(1000 * (time.perf_counter() - started))
    return {engine: statistics.median(times[engine]) for engine in times}


def nodes(path: pathlib.Path) -> str:
    """Return the number of nodes of a file, and how many of them are transposes."""
    import onnx

    if not path.exists():
        return "-"
    kinds = collections.Counter(n.op_type for n in onnx.load(path, load_external_data=False).graph.node)
    return f"{kinds.total()} ({kinds['Transpose']})"


def total(answer: dict[str, Any] | None) -> float | None:
    """Return the seconds of load and export together; None if there is no export."""
    return answer["load"] + answer["export"] if answer and "export" in answer else None


def seconds(answer: dict[str, Any] | None) -> str:
    """Format the seconds of load + export."""
    return f"{number(answer['load'])} + {number(answer['export'])}" if answer and "export" in answer else "-"


def ratio(mine: float | None, theirs: float | None) -> str:
    """Format graphkit's time divided by a peer's."""
    return f"{mine / theirs:.2f}" if mine and theirs else "-"


def main() -> None:
    """Make the files, measure, print."""
    args = arguments()
    needs_peer(args)
    bound(args.cores)
    engines, peers = args.engines, [e for e in args.engines if e != "graphkit"]
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.made or pathlib.Path(temporary)
        for name in args.nets:
            if not (folder / f"{name}.npz").exists():
                print(name, make(args.peer_python, "torch", name, folder, 0), file=sys.stderr)
        found = measure(args, folder)
        print(
            "Seconds to load + export, and graphkit relative to each peer (without the call that Keras needs before an export)\n"
        )
        rows, runs = [], []
        for name in args.nets:
            answers = {e: found.get((name, e)) for e in engines}
            mine = total(answers.get("graphkit"))
            rows.append(
                [name, *[seconds(answers[e]) for e in engines], *[ratio(mine, total(answers[e])) for e in peers]]
            )
            with np.load(folder / f"{name}.npz") as file:
                times = run_times(name, [e for e in engines if total(answers[e])], folder, file["x"][:1], file["y"][:1])
            sizes = [nodes(folder / "onnx" / f"{name}-{e}.onnx") for e in engines]
            runs.append([name, *sizes, *[number(times.get(e)) for e in engines]])
        print(markdown(["net", *engines, *[f"/ {e}" for e in peers]], rows))
        print(
            "\nThe exports: nodes (transposes), and milliseconds in onnxruntime for one image (-: does not run, or other outputs)\n"
        )
        print(markdown(["net", *[f"{e} nodes" for e in engines], *[f"{e} ms" for e in engines]], runs))


if __name__ == "__main__":
    main()
