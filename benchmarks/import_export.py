"""Measure seconds and memory to import ONNX files (beside onnx2torch) and to export them (beside torch.onnx).

    python benchmarks/import_export.py --peer-python PATH [--nets resnet50,bert] [--rounds 3]

PyTorch writes the nets once. Every measurement is made in a process of its own, after all imports and the same call on a small net;
the rounds of the engines are interleaved. The peak is that of resident memory during the call, minus what was resident before,
divided by the size of the weights: 1 means that nothing but the weights is held. An export starts with the model in memory.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
from collections import defaultdict
from typing import Any

from peers import HERE, bound, command_line, environment, interpreter, markdown, medians, needs_peer, number

NETS = ("resnet50", "bert")
ENGINES = {
    "import": ("graphkit", "graphkit-nodes", "onnx2torch"),
    "export": ("graphkit", "graphkit-nodes", "torch-dynamo", "torch-legacy"),
}


def once(action: str, engine: str, name: str, folder: pathlib.Path, peer: str) -> dict[str, Any]:
    """Make one measurement in a new process."""
    command = [str(interpreter(engine, peer)), str(HERE / "import_export_worker.py"), action, engine, name, str(folder)]
    done = subprocess.run(command, env=environment(engine), capture_output=True, text=True)
    if done.returncode:
        return {"error": done.stderr.strip().splitlines()[-1][:150]}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def rows_of(action: str, name: str, folder: pathlib.Path, args: Any) -> list[list[str]]:
    """Measure one action on one net, with rounds interleaved; return the rows of the table."""
    answers: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for _ in range(args.rounds):
        for engine in ENGINES[action]:
            answer = once(action, engine, name, folder, args.peer_python)
            print(action, name, engine, answer, file=sys.stderr, flush=True)
            answers[engine] += [] if "error" in answer else [answer]
    seconds, peaks = medians(answers, "seconds"), medians(answers, "peak")
    best = min((s for engine, s in seconds.items() if not engine.startswith("graphkit")), default=None)
    return [
        [
            action,
            name,
            engine,
            number(seconds[engine]),
            number(peaks[engine]),
            number(seconds[engine] / best) if best else "-",
        ]
        for engine in ENGINES[action]
        if engine in seconds
    ]


def main() -> None:
    """Measure and print."""
    args = command_line(__doc__, nets=NETS, rounds=3).parse_args()
    needs_peer(args)
    bound(args.cores)
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        for name in args.nets:
            maker = [args.peer_python, str(HERE / "onnx_maker.py"), "net", name, str(folder)]
            subprocess.run(maker, check=True, env=environment("torch"), stdout=subprocess.DEVNULL)
            print(name, os.path.getsize(folder / f"{name}.onnx") >> 20, "MiB", file=sys.stderr)
            for action in ENGINES:
                rows += rows_of(action, name, folder, args)
    print(markdown(["", "net", "engine", "seconds", "peak / weights", "time / best peer"], rows))


if __name__ == "__main__":
    main()
