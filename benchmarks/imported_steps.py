"""Measure the milliseconds per training step of a convnet that came as ONNX, beside the same net in our layers and in PyTorch.

    python benchmarks/imported_steps.py --peer-python PATH [--engines graphkit-imported,onnx2torch] [--rounds 5]

The net is the CIFAR ResNet-20, written by PyTorch with its normalizations kept. Every engine trains in its own process on the same
batches with Adam and cross-entropy from logits; rounds are interleaved. `graphkit` is the net written in our layers, channels last
and first; `graphkit-imported` and `graphkit-nodes` are the file with lifting and without.
"""

import pathlib
import subprocess
import sys
import tempfile

from peers import HERE, bound, command_line, environment, fastest, markdown, medians, needs_peer, number, rounds, start

ENGINES = ("graphkit", "graphkit-channels-first", "graphkit-imported", "graphkit-nodes", "onnx2torch", "torch")


def main() -> None:
    """Measure and print."""
    args = command_line(__doc__, engines=ENGINES, rounds=5).parse_args()
    needs_peer(args)
    bound(args.cores)
    with tempfile.TemporaryDirectory() as temporary:
        path = pathlib.Path(temporary) / "resnet20.onnx"
        maker = [args.peer_python, str(HERE / "onnx_maker.py"), "net", "resnet20", temporary]
        subprocess.run(maker, check=True, env=environment("torch"), stdout=subprocess.DEVNULL)
        answers = rounds(start(args.engines, args.peer_python, "imported_steps_worker.py", str(path)), args.rounds)
    middle, best = medians(answers, "ms"), fastest(answers, "ms")
    rows = [
        [
            engine,
            number(middle[engine]),
            number(best[engine]),
            *[ratio(middle, engine, other) for other in ("graphkit", "onnx2torch")],
        ]
        for engine in middle
    ]
    print(markdown(["engine", "ms/step, median", "fastest", "/ graphkit", "/ onnx2torch"], rows))
    print({engine: round(rows[-1]["loss"], 4) for engine, rows in answers.items()}, file=sys.stderr)


def ratio(found: dict[str, float], engine: str, other: str) -> str:
    """Format one engine's time divided by another's."""
    return f"{found[engine] / found[other]:.2f}" if other in found else "-"


if __name__ == "__main__":
    main()
