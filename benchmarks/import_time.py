"""Seconds that `import graphkit` adds: whole processes, beside `import numpy`, `import networkx` and the peers.

    python benchmarks/import_time.py [--rounds 15] [--peer-python PATH]

The processes of one round run one after the other, so that every round sees the same machine; medians are printed, with
the ratio to `import numpy`.
"""

import argparse
import statistics
import subprocess
import time

from peers import bound, environment, interpreter, markdown, peer_argument

OURS = ("pass", "import numpy", "import networkx", "import graphkit", "import graphkit; graphkit.layers.Dense")
PEERS = (("keras-jax", "import keras"), ("keras-tensorflow", "import keras"), ("torch", "import torch"))
Row = tuple[str, str]


def seconds(engine: str, python: str, code: str) -> float:
    """One process from start to end."""
    started = time.perf_counter()
    subprocess.run([python, "-c", code], env=environment(engine), check=True, capture_output=True)
    return time.perf_counter() - started


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    peer_argument(parser)
    return parser.parse_args()


def measure(rows: list[Row], peer: str | None, rounds: int) -> dict[Row, float]:
    """The median of each, after a first round that fills the caches."""
    found: dict[Row, list[float]] = {row: [] for row in rows}
    for count in range(rounds + 1):
        for engine, code in rows:
            taken = seconds(engine, interpreter(engine, peer) or "", code)
            if count:
                found[engine, code].append(taken)
    return {row: statistics.median(values) for row, values in found.items()}


def main() -> None:
    """Measure and print."""
    args = arguments()
    bound(args.cores)
    rows: list[Row] = [("graphkit", code) for code in OURS] + (list(PEERS) if args.peer_python else [])
    found = measure(rows, args.peer_python, args.rounds)
    base = found["graphkit", "import numpy"]
    table = [[engine, f"`{code}`", f"{s:.3f}", f"{s / base:.2f}"] for (engine, code), s in found.items()]
    print(markdown(["environment", "process", "seconds", "/ import numpy"], table))


if __name__ == "__main__":
    main()
