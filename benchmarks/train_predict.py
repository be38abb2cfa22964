"""Milliseconds of training and predicting by turns, and of predicting after new weights, graphkit beside real Keras.

    python benchmarks/train_predict.py --peer-python PATH [--nets agent,mlp,cnn] [--rounds 5]

Training and predicting by turns is what reinforcement learning and active learning do. `train` is one train_on_batch, `predict`
one predict of 32 rows with unchanged weights, `turns` both after each other; `set` is set_weights alone, `set+predict` both.
The ratios say what the turns cost beside the sum of their parts: about 1 where nothing is built anew.
The rounds of the engines are interleaved; medians are printed.
"""

import argparse

from peers import bound, markdown, medians, number, peer_argument, rounds, start

ENGINES = ("graphkit", "keras-jax", "keras-tensorflow")
NETS = ("agent", "mlp", "cnn", "transformer")
WAYS = ("train", "predict", "turns", "set", "set+predict")
SUMS = {
    "turns / (train + predict)": ("turns", "train", "predict"),
    "set+predict / (set + predict)": ("set+predict", "set", "predict"),
}


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nets", default=",".join(NETS))
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--rounds", type=int, default=5)
    peer_argument(parser)
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    args = arguments()
    bound(args.cores)
    engines, rows = args.engines.split(","), []
    for name in args.nets.split(","):
        answers = rounds(start(engines, args.peer_python, "train_predict_worker.py", name), args.rounds)
        found = {way: medians(answers, way) for way in WAYS}
        rows += [[name, f"{way}, ms", *[number(found[way].get(e)) for e in engines]] for way in WAYS]
        for title, (whole, *parts) in SUMS.items():
            ratios = {e: found[whole][e] / sum(found[p][e] for p in parts) for e in answers if answers[e]}
            rows.append([name, title, *[number(ratios.get(e)) for e in engines]])
    print(markdown(["net", "what", *engines], rows))


if __name__ == "__main__":
    main()
