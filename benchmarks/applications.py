"""Compare graphkit with real Keras on all nets of keras.applications: do engine and onnxruntime compute Keras' outputs?

    python benchmarks/applications.py --peer-python PATH [--nets MobileNet,VGG16] [--size 128] [--made FOLDER]

For each net real Keras writes a `.keras` file with random weights (`make_application.py`) and its outputs for two images. The
file is loaded and run by the NumPy engine with a batch of one and of two images, then exported and run by onnxruntime with
both. The table shows the largest difference from Keras' outputs, relative to the largest output, and for comparison how much
Keras' own outputs change when the images change in their last bit. Nets are processed one at a time, and their files are deleted
afterwards. `--size` uses smaller images for a quick check (except for VGG, whose weights depend on the image size). `--made`
keeps Keras' files in a folder and reuses those that exist.
"""

import argparse
import collections
import json
import pathlib
import subprocess
import sys
import tempfile
import time
from typing import Any

import numpy as np
from peers import HERE, bound, command_line, environment, markdown, needs_peer

MAKER = str(HERE / "make_application.py")
OWN_SIZE = ("VGG16", "VGG19")
NEEDS_TENSORFLOW = ("NASNetMobile", "NASNetLarge")  # they do not run on PyTorch
TOLERANCE = 1e-4
HEAD = (
    "net", "parameters", "load s", "export s", "Keras, input off by 1e-7", "engine, 1 row", "engine, 2 rows",
    "onnxruntime, 1 row", "onnxruntime, 2 rows", "nodes", "transposes", "",
)  # fmt: skip


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = command_line(__doc__, nets=[])
    parser.add_argument("--size", type=int, default=0, help="height and width in pixels; by default each net's own")
    parser.add_argument("--backend", default="torch", choices=("torch", "jax", "tensorflow"), help="of real Keras")
    parser.add_argument("--made", type=pathlib.Path, help="folder in which to keep real Keras' files")
    return parser.parse_args()


def all_names(peer: str) -> list[str]:
    """Return the names of the constructors in the peer's keras.applications."""
    listed = subprocess.run(
        [peer, MAKER, "--list"], env=environment("keras-jax"), check=True, capture_output=True, text=True
    )
    names: list[str] = json.loads(listed.stdout.splitlines()[-1])
    return names


def make(peer: str, backend: str, name: str, folder: pathlib.Path, size: int) -> dict[str, Any]:
    """Let real Keras write one net, and return what it reports about it."""
    engine = f"keras-{'tensorflow' if name in NEEDS_TENSORFLOW and backend == 'torch' else backend}"
    own = [str(size)] if size and name not in OWN_SIZE else []
    made = subprocess.run(
        [peer, MAKER, name, str(folder), *own], env=environment(engine), capture_output=True, text=True
    )
    if made.returncode:
        raise RuntimeError(made.stderr[-1000:])
    report: dict[str, Any] = json.loads(made.stdout.splitlines()[-1])
    return report


def difference(made: Any, wanted: np.ndarray) -> float:
    """Return the largest difference, relative to the largest expected value."""
    return float(np.abs(np.asarray(made) - wanted).max() / np.abs(wanted).max())


def warm_up(library: Any, scratch: pathlib.Path) -> None:
    """Import everything that loading and exporting need."""
    x = library.Input((3,))
    library.Model(x, library.layers.Dense(2)(x)).save(scratch / "small.keras")
    library.load(scratch / "small.keras").export(scratch / "small.onnx")


def check(name: str, folder: pathlib.Path, scratch: pathlib.Path) -> dict[str, Any]:
    """Load a net, run it, export it, run the export; return what the table shows."""
    import onnx

    import graphkit

    with np.load(folder / f"{name}.npz") as file:
        x, y, sensitivity = file["x"], file["y"], float(file["sensitivity"]) if "sensitivity" in file else float("nan")
    warm_up(graphkit, scratch)
    started = time.perf_counter()
    model: Any = graphkit.load(folder / f"{name}.keras")
    loaded = time.perf_counter()
    model.export(scratch / "net.onnx")
    exported = time.perf_counter()
    engine = [difference(model(x[:n]), y[:n]) for n in (1, 2)]
    parameters = model.count_params()
    del model
    predictor = graphkit.runtime.Predictor(str(scratch / "net.onnx"))
    runtime = [difference(predictor(x[:n]), y[:n]) for n in (1, 2)]
    kinds = collections.Counter(n.op_type for n in onnx.load(scratch / "net.onnx", load_external_data=False).graph.node)
    for file in scratch.glob("net.onnx*"):
        file.unlink()
    return {
        "parameters": parameters, "load": loaded - started, "export": exported - loaded, "engine": engine, "runtime": runtime,
        "nodes": kinds.total(), "transposes": kinds["Transpose"], "sensitivity": sensitivity,
    }  # fmt: skip


def row(name: str, found: dict[str, Any]) -> list[str]:
    """Format a row of the table."""
    worst = max(*found["engine"], *found["runtime"])
    numbers = [f"{v:.0e}" for v in (found["sensitivity"], *found["engine"], *found["runtime"])]
    return [
        name, f"{found['parameters'] / 1e6:.1f} M", f"{found['load']:.2f}", f"{found['export']:.2f}", *numbers,
        found["nodes"], found["transposes"], "agrees" if worst <= TOLERANCE else "DIFFERS",
    ]  # fmt: skip


def in_a_process(name: str, folder: pathlib.Path) -> dict[str, Any]:
    """Run `check` in its own process, so that the memory of one net is freed before the next."""
    code = (
        "import sys, json, pathlib; sys.path.insert(0, sys.argv[1]); from applications import check;"
        "print(json.dumps(check(sys.argv[2], pathlib.Path(sys.argv[3]), pathlib.Path(sys.argv[4]))))"
    )
    with tempfile.TemporaryDirectory() as scratch:
        done = subprocess.run(
            [sys.executable, "-c", code, str(HERE), name, str(folder), scratch], capture_output=True, text=True
        )
    if done.returncode:
        raise RuntimeError(done.stderr[-1500:])
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Check the nets one by one."""
    args = arguments()
    needs_peer(args)
    bound(args.cores)
    rows = []
    for name in args.nets or all_names(args.peer_python):
        with tempfile.TemporaryDirectory() as temporary:
            folder = args.made or pathlib.Path(temporary)
            try:
                if not (folder / f"{name}.npz").exists():
                    print(name, make(args.peer_python, args.backend, name, folder, args.size), file=sys.stderr)
                rows.append(row(name, in_a_process(name, folder)))
            except RuntimeError as error:
                rows.append([name, *[""] * (len(HEAD) - 2), f"FAILED: {str(error).splitlines()[-1]}"])
            print(rows[-1], file=sys.stderr, flush=True)
    print(markdown(HEAD, rows))
    agreed = sum(r[-1] == "agrees" for r in rows)
    print(f"\n{agreed} of {len(rows)} agree within {TOLERANCE:g} of the largest output.")


if __name__ == "__main__":
    main()
