"""Milliseconds to predict one row, and rows per second of large batches, graphkit beside its peers.

    python benchmarks/predict_latency.py --peer-python PATH [--nets mlp,cnn] [--rounds 3]

`predict` is the Keras method, `call` the model called on an array, `predictor` graphkit's embedded onnxruntime session.
The rounds of the engines are interleaved; medians are printed. On two idle cores it takes three or four minutes, most of them
for starting the peers and for what they compile.
"""

import argparse

from nets import NETS
from peers import bound, markdown, medians, number, peer_argument, rounds, start

ENGINES = ("graphkit", "keras-tensorflow", "keras-jax", "torch")
WAYS = ("predict", "call", "predictor", "batch")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nets", default=",".join(NETS))
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--rounds", type=int, default=3)
    peer_argument(parser)
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    args = arguments()
    bound(args.cores)
    engines, rows = args.engines.split(","), []
    for name in args.nets.split(","):
        answers = rounds(start(engines, args.peer_python, "predict_worker.py", name), args.rounds)
        for way in WAYS:
            found = medians({e: [a for a in r if way in a] for e, r in answers.items()}, way)
            rows.append([name, way, *[number(found.get(engine)) for engine in engines]])
    print("ms; predict, call, predictor: one row; batch: predict of 256 rows\n")
    print(markdown(["net", "way", *engines], rows))


if __name__ == "__main__":
    main()
