"""Seconds to build, write, read, sort, save and export graphs of many layers, and microseconds per layer.

    python benchmarks/big_graphs.py [--sizes 1000,3000,10000] [--stages build,to_json]

What grows faster than the graph shows in the last column: the microseconds per layer of the largest graph over those of
the smallest.
"""

import argparse
import pathlib
import tempfile
import time
from collections.abc import Callable
from typing import Any

import networkx
import numpy as np
from peers import markdown

import graphkit

WIDTH = 4
State = dict[str, Any]


def build(state: State) -> None:
    """Dense layers in a chain, every fourth node an Add over the last three."""
    x = first = graphkit.Input((WIDTH,))
    skip = x
    for count in range(1, state["size"]):
        if count % 4 == 0:
            x = skip = graphkit.layers.Add()([x, skip])
        else:
            x = graphkit.layers.Dense(WIDTH)(x)
    state["model"] = graphkit.models.Model(first, x)


def to_json(state: State) -> None:
    """The model as JSON."""
    state["text"] = state["model"].to_json()


def from_json(state: State) -> None:
    """The model from JSON."""
    graphkit.models.model_from_json(state["text"])


def graph(state: State) -> None:
    """The networkx graph."""
    state["graph"] = state["model"].graph


def sort(state: State) -> None:
    """A topological order of it, by networkx."""
    list(networkx.topological_sort(state["graph"]))


def save(state: State) -> None:
    """A .keras file."""
    state["model"].save(str(state["folder"] / "model.keras"))


def load(state: State) -> None:
    """The model from the file."""
    graphkit.models.load_model(str(state["folder"] / "model.keras"))


def call(state: State) -> None:
    """One call on the NumPy engine."""
    state["model"](np.ones((1, WIDTH), "float32"))


def export(state: State) -> None:
    """An ONNX file."""
    state["model"].export(str(state["folder"] / "model.onnx"))


STAGES: dict[str, Callable[[State], None]] = {
    stage.__name__: stage for stage in (build, to_json, from_json, graph, sort, save, load, call, export)
}


def measure(size: int, stages: list[str]) -> dict[str, float]:
    """The seconds of each stage at one size."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        state: State = {"size": size, "folder": pathlib.Path(folder)}
        for name in stages:
            started = time.perf_counter()
            STAGES[name](state)
            found[name] = time.perf_counter() - started
    return found


def cell(seconds: float, size: int) -> str:
    """Seconds, and microseconds per layer."""
    return f"{seconds:.2f} s ({1e6 * seconds / size:.0f} us)"


def growth(found: dict[int, dict[str, float]], stage: str) -> str:
    """Time per layer of the largest graph over that of the smallest."""
    small, large = min(found), max(found)
    return f"{found[large][stage] / large / (found[small][stage] / small):.2f}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="1000,3000,10000")
    parser.add_argument("--stages", default=",".join(STAGES))
    args = parser.parse_args()
    sizes, stages = [int(s) for s in args.sizes.split(",")], args.stages.split(",")
    measure(sizes[0] // 10, stages)
    found = {size: measure(size, stages) for size in sizes}
    rows = [[stage, *[cell(found[n][stage], n) for n in sizes], growth(found, stage)] for stage in stages]
    print(markdown(["stage", *[f"{n} layers" for n in sizes], "growth per layer"], rows))


if __name__ == "__main__":
    main()
