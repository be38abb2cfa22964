"""Measure the seconds to build, write, read, sort, save and export graphs of many layers, and the microseconds per layer.

    python benchmarks/big_graphs.py [--sizes 1000,3000,10000] [--stages build,to_json]

The last column shows what grows faster than the graph: the time per layer of the largest graph, divided by that of the smallest.
"""

import argparse
import pathlib
import tempfile
import time
from collections.abc import Callable
from typing import Any

import networkx
import numpy as np
from peers import comma_separated, markdown

import graphkit

WIDTH = 4
State = dict[str, Any]


def build(state: State) -> None:
    """Build a chain of Dense layers in which every fourth layer is an Add that skips three."""
    x = first = graphkit.Input((WIDTH,))
    skip = x
    for count in range(1, state["size"]):
        if count % 4 == 0:
            x = skip = graphkit.layers.Add()([x, skip])
        else:
            x = graphkit.layers.Dense(WIDTH)(x)
    state["model"] = graphkit.models.Model(first, x)


def to_json(state: State) -> None:
    """Write the model as JSON."""
    state["text"] = state["model"].to_json()


def from_json(state: State) -> None:
    """Read the model from JSON."""
    graphkit.models.model_from_json(state["text"])


def graph(state: State) -> None:
    """Make the networkx graph."""
    state["graph"] = state["model"].graph


def sort(state: State) -> None:
    """Sort the graph topologically with networkx."""
    list(networkx.topological_sort(state["graph"]))


def save(state: State) -> None:
    """Save a .keras file."""
    state["model"].save(str(state["folder"] / "model.keras"))


def load(state: State) -> None:
    """Load the .keras file."""
    graphkit.models.load_model(str(state["folder"] / "model.keras"))


def call(state: State) -> None:
    """Call the model on the NumPy engine."""
    state["model"](np.ones((1, WIDTH), "float32"))


def export(state: State) -> None:
    """Export to ONNX."""
    state["model"].export(str(state["folder"] / "model.onnx"))


STAGES: dict[str, Callable[[State], None]] = {
    stage.__name__: stage for stage in (build, to_json, from_json, graph, sort, save, load, call, export)
}


def measure(size: int, stages: list[str]) -> dict[str, float]:
    """Return the seconds of each stage for one size."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        state: State = {"size": size, "folder": pathlib.Path(folder)}
        for name in stages:
            started = time.perf_counter()
            STAGES[name](state)
            found[name] = time.perf_counter() - started
    return found


def cell(seconds: float, size: int) -> str:
    """Format seconds, and microseconds per layer."""
    return f"{seconds:.2f} s ({1e6 * seconds / size:.0f} us)"


def growth(found: dict[int, dict[str, float]], stage: str) -> str:
    """Return the time per layer of the largest graph, divided by that of the smallest."""
    small, large = min(found), max(found)
    return f"{found[large][stage] / large / (found[small][stage] / small):.2f}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=comma_separated, default=["1000", "3000", "10000"], help="numbers of layers")
    parser.add_argument("--stages", type=comma_separated, default=list(STAGES), help="comma-separated names")
    args = parser.parse_args()
    sizes, stages = [int(s) for s in args.sizes], args.stages
    measure(sizes[0] // 10, stages)
    found = {size: measure(size, stages) for size in sizes}
    rows = [[stage, *[cell(found[n][stage], n) for n in sizes], growth(found, stage)] for stage in stages]
    print(markdown(["stage", *[f"{n} layers" for n in sizes], "growth per layer"], rows))


if __name__ == "__main__":
    main()
