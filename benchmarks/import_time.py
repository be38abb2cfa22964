"""Measure the seconds of whole processes that import graphkit, compared with numpy, networkx and the peers.

    python benchmarks/import_time.py [--rounds 15] [--peer-python PATH]

The processes of one round run one after the other, so that all see the machine in the same state. Medians are printed, with
the ratio to `import numpy`.
"""

import statistics
import subprocess
import time

from peers import bound, command_line, environment, interpreter, markdown

OURS = ("pass", "import numpy", "import networkx", "import graphkit", "import graphkit; graphkit.layers.Dense")
PEERS = (("keras-jax", "import keras"), ("keras-tensorflow", "import keras"), ("torch", "import torch"))
Row = tuple[str, str]


def seconds(engine: str, python: str, code: str) -> float:
    """Return the duration of one process."""
    started = time.perf_counter()
    subprocess.run([python, "-c", code], env=environment(engine), check=True, capture_output=True)
    return time.perf_counter() - started


def measure(rows: list[Row], peer: str | None, rounds: int) -> dict[Row, float]:
    """Return the median of each row, after a first round that fills the caches."""
    found: dict[Row, list[float]] = {row: [] for row in rows}
    for count in range(rounds + 1):
        for engine, code in rows:
            taken = seconds(engine, interpreter(engine, peer) or "", code)
            if count:
                found[engine, code].append(taken)
    return {row: statistics.median(values) for row, values in found.items()}


def main() -> None:
    """Measure and print."""
    args = command_line(__doc__, rounds=15).parse_args()
    bound(args.cores)
    rows: list[Row] = [("graphkit", code) for code in OURS] + (list(PEERS) if args.peer_python else [])
    found = measure(rows, args.peer_python, args.rounds)
    base = found["graphkit", "import numpy"]
    table = [[engine, f"`{code}`", f"{s:.3f}", f"{s / base:.2f}"] for (engine, code), s in found.items()]
    print(markdown(["environment", "process", "seconds", "/ import numpy"], table))


if __name__ == "__main__":
    main()
