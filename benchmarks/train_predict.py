"""Measure the milliseconds of alternate training and prediction, and of prediction with new weights, compared with real Keras.

    python benchmarks/train_predict.py --peer-python PATH [--nets agent,mlp,cnn] [--rounds 5]

Reinforcement learning and active learning alternate between training and prediction. `train` is one train_on_batch, `predict` one
predict of 32 rows with unchanged weights, `train+predict` one after the other; `set` is set_weights alone, `set+predict` both.
The ratios compare the combination with the sum of its parts: about 1 if nothing is rebuilt.
The rounds of the engines are interleaved, and medians are printed.
"""

from peers import command_line, markdown, measured, medians, number

ENGINES = ("graphkit", "keras-jax", "keras-tensorflow")
NETS = ("agent", "mlp", "cnn", "transformer")
ACTIONS = ("train", "predict", "train+predict", "set", "set+predict")
SUMS = {
    "train+predict / (train + predict)": ("train+predict", "train", "predict"),
    "set+predict / (set + predict)": ("set+predict", "set", "predict"),
}


def main() -> None:
    """Measure and print."""
    args = command_line(__doc__, nets=NETS, engines=ENGINES, rounds=5).parse_args()
    rows = []
    for name, answers in measured(args, "train_predict_worker.py"):
        found = {action: medians(answers, action) for action in ACTIONS}
        rows += [[name, f"{a}, ms", *[number(found[a].get(e)) for e in args.engines]] for a in ACTIONS]
        for title, (whole, *parts) in SUMS.items():
            ratios = {e: found[whole][e] / sum(found[p][e] for p in parts) for e in answers if answers[e]}
            rows.append([name, title, *[number(ratios.get(e)) for e in args.engines]])
    print(markdown(["net", "action", *args.engines], rows))


if __name__ == "__main__":
    main()
