"""Measure the milliseconds per training step of five nets, compared with the peers.

    python benchmarks/steps.py --peer-python PATH [--nets mlp,cnn] [--engines graphkit,torch] [--rounds 5]

Every engine trains in its own process, with `fit` over whole shuffled epochs, after a warm-up epoch. The rounds of the engines
are interleaved, and the median is printed, with the ratio of graphkit to the best peer. --engines also accepts torch-compile and
keras-tensorflow-nojit.
"""

import json
import pathlib
import platform

from nets import NETS
from peers import command_line, fastest, markdown, measured, medians, number

ENGINES = ("graphkit", "keras-tensorflow", "keras-jax", "torch")


def row(name: str, engines: list[str], found: dict[str, float]) -> list[str]:
    """Format a row of the table: a column for each engine, then the ratio."""
    peers = [ms for engine, ms in found.items() if engine != "graphkit"]
    own = found.get("graphkit")
    ratio = number(own / min(peers)) if own and peers else "-"
    return [name, *[number(found.get(engine)) for engine in engines], ratio]


def table(title: str, engines: list[str], found: dict[str, dict[str, float]]) -> str:
    """Format a titled table with a row for each net."""
    rows = [row(name, engines, values) for name, values in found.items()]
    return f"{title}\n\n{markdown(['net', *engines, 'graphkit / best peer'], rows)}\n"


def main() -> None:
    """Measure and print."""
    parser = command_line(__doc__, nets=list(NETS), engines=ENGINES, rounds=5)
    parser.add_argument("--json", type=pathlib.Path, help="file for the results of every round")
    args = parser.parse_args()
    answers = dict(measured(args, "worker.py"))
    machine = f"{args.cores} cores, {platform.processor() or platform.machine()}"
    for title, pick in (("median", medians), ("fastest", fastest)):
        found = {name: pick(rows, "ms") for name, rows in answers.items()}
        print(table(f"ms/step, {title} of {args.rounds} rounds, {machine}", args.engines, found))
    if args.json:
        args.json.write_text(json.dumps(answers, indent=1) + "\n")


if __name__ == "__main__":
    main()
