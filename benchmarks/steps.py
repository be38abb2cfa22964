"""Milliseconds per training step of five nets, graphkit beside its peers.

    python benchmarks/steps.py --peer-python PATH [--nets mlp,cnn] [--engines graphkit,torch] [--rounds 5]

Every engine trains in a process of its own, with `fit` over whole shuffled epochs, after a warm-up epoch; the rounds of
the engines are interleaved and the median is printed, with the ratio of graphkit to the best peer.
"""

import argparse
import json
import pathlib
import platform

from nets import NETS
from peers import bound, fastest, markdown, medians, number, peer_argument, rounds, start

ENGINES = ("graphkit", "keras-tensorflow", "keras-jax", "torch")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nets", default=",".join(NETS))
    parser.add_argument("--engines", default=",".join(ENGINES), help="also: torch-compile, keras-tensorflow-nojit")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=pathlib.Path, help="write every round here")
    peer_argument(parser)
    return parser.parse_args()


def row(name: str, engines: list[str], found: dict[str, float]) -> list[str]:
    """A line of the table: a column for each engine, then the ratio."""
    peers = [ms for engine, ms in found.items() if engine != "graphkit"]
    own = found.get("graphkit")
    ratio = number(own / min(peers)) if own and peers else "-"
    return [name, *[number(found.get(engine)) for engine in engines], ratio]


def table(title: str, engines: list[str], found: dict[str, dict[str, float]]) -> str:
    """A titled table with a line for each net."""
    rows = [row(name, engines, values) for name, values in found.items()]
    return f"{title}\n\n{markdown(['net', *engines, 'graphkit / best peer'], rows)}\n"


def main() -> None:
    """Measure and print."""
    args = arguments()
    bound(args.cores)
    engines = args.engines.split(",")
    answers = {n: rounds(start(engines, args.peer_python, "worker.py", n), args.rounds) for n in args.nets.split(",")}
    machine = f"{args.cores} cores, {platform.processor() or platform.machine()}"
    for title, pick in (("median", medians), ("fastest", fastest)):
        found = {name: pick(rows, "ms") for name, rows in answers.items()}
        print(table(f"ms/step, {title} of {args.rounds} rounds, {machine}", engines, found))
    if args.json:
        args.json.write_text(json.dumps(answers, indent=1) + "\n")


if __name__ == "__main__":
    main()
