"""The command `graphkit diff`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from graphkit.cli.terminal import say

DIFF = """\
Compare two models of any formats: layers, configs, shapes, weights, and what each layer computes for the same inputs. The report
names the layers at which the numbers part: they differ, but nothing before them does.

The exit code is 0 if the models agree, 1 if they differ, 2 if one cannot be read. Inputs are random numbers, or the arrays of an .npz
file, by the names of the first model's inputs.

examples:
  graphkit diff before.keras after.keras
  graphkit diff model.onnx model.keras --only numbers
  graphkit diff a.onnx b.onnx --inputs batch.npz --tolerance 1e-6
"""


def add_diff(to: argparse.ArgumentParser) -> None:
    """Add the arguments of `graphkit diff`."""
    to.add_argument("a", type=Path, metavar="A", help="a model")
    to.add_argument("b", type=Path, metavar="B", help="another one")
    to.add_argument("--inputs", type=Path, metavar="FILE", help="an .npz file with an array for each input of A")
    to.add_argument(
        "--tolerance",
        type=float,
        default=1e-4,
        metavar="X",
        help="largest difference that counts as equal, as a fraction of the largest value of a layer's output (default: 1e-4)",
    )
    to.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the random inputs (default: 0)")
    to.add_argument(
        "--only",
        choices=("structure", "weights", "numbers"),
        help="let the exit code depend on this kind of difference alone",
    )
    to.add_argument("--no-numbers", action="store_true", help="do not run the models")
    to.add_argument("--json", action="store_true", help="print the report as JSON")


def diff(arguments: argparse.Namespace) -> int:
    """Run `graphkit diff`.

    Raises:
        FileNotFoundError: a file does not exist.
    """
    import json

    import graphkit

    for path in (arguments.a, arguments.b, arguments.inputs):
        if path is not None and not path.exists():
            raise FileNotFoundError(2, "no such file", str(path))
    inputs = None if arguments.inputs is None else _arrays(arguments.inputs)
    report = graphkit.diff(
        arguments.a,
        arguments.b,
        inputs,
        tolerance=arguments.tolerance,
        seed=arguments.seed,
        numbers=not arguments.no_numbers,
    )
    say(json.dumps(report.as_dict(), indent=1, default=str) if arguments.json else str(report))
    return int(arguments.only in report.aspects if arguments.only else bool(report))


def _arrays(path: Path) -> dict[str, Any]:
    """Return the arrays of an .npz file. Raises SerializationError for another file."""
    import numpy as np

    from graphkit.core.errors import SerializationError

    try:
        with np.load(path, allow_pickle=False) as found:
            return dict(found)
    except Exception as error:
        raise SerializationError(f"{str(path)!r} is not an .npz file of arrays: {error}") from None
