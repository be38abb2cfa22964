"""Measure the milliseconds to predict one row and 256 rows, compared with the peers.

    python benchmarks/predict_latency.py --peer-python PATH [--nets mlp,cnn] [--rounds 3]

`predict` is the Keras method, `call` the model called on an array, `predictor` graphkit's embedded onnxruntime session.
The rounds of the engines are interleaved, and medians are printed. On two idle cores it takes three or four minutes, most of them
for starting and compiling the peers.
"""

from nets import NETS
from peers import command_line, markdown, measured, medians, number

ENGINES = ("graphkit", "keras-tensorflow", "keras-jax", "torch")
METHODS = ("predict", "call", "predictor", "batch")


def main() -> None:
    """Measure and print."""
    args = command_line(__doc__, nets=list(NETS), engines=ENGINES, rounds=3).parse_args()
    rows = []
    for name, answers in measured(args, "predict_worker.py"):
        for method in METHODS:
            found = medians({e: [a for a in r if method in a] for e, r in answers.items()}, method)
            rows.append([name, method, *[number(found.get(engine)) for engine in args.engines]])
    print("ms; predict, call, predictor: one row; batch: predict of 256 rows\n")
    print(markdown(["net", "method", *args.engines], rows))


if __name__ == "__main__":
    main()
