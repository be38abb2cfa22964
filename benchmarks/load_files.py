"""Measure time and memory to open and write a model of 100 MB, compared with real Keras on each of its backends.

    python benchmarks/load_files.py --peer-python PATH [--net ResNet50] [--rounds 5] [--made FOLDER]

Real Keras writes the net as `.keras`, `.h5` (its older format) and `.weights.h5`. Each figure comes from its own process, which
imports everything and makes the same call on a small net before it measures the call on the large one (`load_worker.py`). The
peak is that of resident memory during the call, minus what was resident before, as a multiple of the size of the weights.
Weights are read into a model made from JSON; the saved model was loaded before. The last row is a whole process that only
imports and opens the `.keras` file. Rounds are interleaved, and medians are printed.
"""

import argparse
import collections
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

from applications import make
from load_worker import KINDS
from peers import HERE, bound, command_line, environment, interpreter, markdown, needs_peer, number

ENGINES = ("graphkit", "keras-torch", "keras-jax", "keras-tensorflow")
WORKER = str(HERE / "load_worker.py")
LABELS = {"keras": "open .keras", "h5": "open .h5", "weights": "load .weights.h5", "save": "save .keras"}


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = command_line(__doc__, engines=ENGINES, rounds=5)
    parser.add_argument("--net", default="ResNet50", help="a constructor of keras.applications")
    parser.add_argument("--made", type=pathlib.Path, help="folder that may contain the net's .keras file")
    return parser.parse_args()


def run(engine: str, peer: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the worker."""
    python = interpreter(engine, peer) or ""
    done = subprocess.run([python, WORKER, engine, *words], env=environment(engine), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{engine} {' '.join(words)}:\n{done.stderr[-1500:]}")
    return done


def ask(engine: str, peer: str, kind: str, folder: str) -> dict[str, Any]:
    """Return one measurement."""
    answer: dict[str, Any] = json.loads(run(engine, peer, kind, folder).stdout.splitlines()[-1])
    return answer


def whole(engine: str, peer: str, folder: str) -> dict[str, Any]:
    """Measure a process that opens the file and exits."""
    started = time.perf_counter()
    run(engine, peer, "keras", folder, "--bare")
    return {"seconds": time.perf_counter() - started}


def files(args: argparse.Namespace, folder: str) -> int:
    """Let real Keras write all formats; return the size of the weights in bytes."""
    source = args.made / f"{args.net}.keras" if args.made else None
    if source is None or not source.exists():
        make(args.peer_python, "torch", args.net, pathlib.Path(folder), 0)
        source = pathlib.Path(folder) / f"{args.net}.keras"
    os.symlink(source.resolve(), f"{folder}/net.keras")
    report = json.loads(run("keras-torch", args.peer_python, "write", folder).stdout.splitlines()[-1])
    return 4 * int(report["parameters"])


def main() -> None:
    """Measure and print."""
    args = arguments()
    needs_peer(args)
    bound(args.cores)
    engines = args.engines
    found: dict[tuple[str, str], list[dict[str, Any]]] = collections.defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        nbytes = files(args, folder)
        for count in range(args.rounds):
            for engine in engines:
                for kind in KINDS:
                    found[kind, engine].append(ask(engine, args.peer_python, kind, folder))
                found["process", engine].append(whole(engine, args.peer_python, folder))
            print(f"round {count + 1} of {args.rounds}", file=sys.stderr, flush=True)
    show(found, engines, nbytes)


def show(found: dict[tuple[str, str], list[dict[str, Any]]], engines: list[str], nbytes: int) -> None:
    """Print the table."""
    rows = []
    for kind in (*KINDS, "process"):
        times = {e: statistics.median(a["seconds"] for a in found[kind, e]) for e in engines}
        peers = [t for e, t in times.items() if e != "graphkit"]
        best = f"{times['graphkit'] / min(peers):.2f}" if peers and "graphkit" in times else "-"
        cells = []
        for engine in engines:
            peaks = [a["peak"] * 2**20 / nbytes for a in found[kind, engine] if "peak" in a]
            more = f" ({statistics.median(peaks):.2f})" if peaks else ""
            cells.append(f"{number(times[engine])}{more}")
        rows.append([LABELS.get(kind, "whole process that opens .keras"), *cells, best])
    print(f"Seconds, and in brackets the peak memory as a multiple of the weights ({nbytes / 2**20:.0f} MB)\n")
    print(markdown(["", *engines, "graphkit / fastest peer"], rows))


if __name__ == "__main__":
    main()
