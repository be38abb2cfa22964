"""Measure the milliseconds per training step of a written-out `train_step`, beside the built-in one and Keras on JAX.

    python benchmarks/own_steps.py --peer-python PATH [--nets mlp,cnn] [--rounds 5]

The nets and the method are those of steps.py: every engine trains in its own process, the rounds are interleaved, and the medians are
printed. Keras on JAX runs its built-in step.
"""

from nets import NETS
from peers import command_line, markdown, measured, medians, number

ENGINES = ("graphkit", "graphkit-own-step", "keras-jax")


def main() -> None:
    """Measure and print."""
    args = command_line(__doc__, nets=list(NETS), engines=ENGINES, rounds=5).parse_args()
    rows = []
    for name, answers in measured(args, "worker.py"):
        found = medians(answers, "ms")
        built_in, own = found.get("graphkit"), found.get("graphkit-own-step")
        ratio = number(own / built_in) if own and built_in else "-"
        rows.append([name, *[number(found.get(engine)) for engine in args.engines], ratio])
    print(markdown(["net", *args.engines, "own step / built-in"], rows))


if __name__ == "__main__":
    main()
