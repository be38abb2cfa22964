"""What the benchmarks share: the command line, the interpreters of peers, worker processes, medians, tables."""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

HERE = pathlib.Path(__file__).resolve().parent
BACKENDS = {
    "keras-tensorflow": "tensorflow", "keras-tensorflow-nojit": "tensorflow", "keras-jax": "jax", "keras-torch": "torch",
}  # fmt: skip
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore", "CUDA_VISIBLE_DEVICES": "-1"}
Answers = dict[str, list[dict[str, Any]]]
"""Engine -> what its rounds returned."""
PEER_VARIABLE = "GRAPHKIT_PEER_PYTHON"
HELP = {"nets": "comma-separated names", "engines": "comma-separated names", "rounds": "measurements per engine"}


def comma_separated(text: str) -> list[str]:
    """Split a list on the command line."""
    return text.split(",")


def command_line(about: str | None, **defaults: Any) -> argparse.ArgumentParser:
    """Return a parser with --peer-python, --cores, and those of --nets, --engines and --rounds that have a default."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in defaults.items():
        kind: Any = int if isinstance(default, int) else comma_separated
        parser.add_argument(f"--{name}", type=kind, default=default, help=HELP[name])
    peer = os.environ.get(PEER_VARIABLE)
    parser.add_argument(
        "--peer-python", default=peer, help=f"interpreter with the peers installed (or ${PEER_VARIABLE})"
    )
    parser.add_argument("--cores", type=int, default=2, help="cores that every process is bound to")
    return parser


def needs_peer(args: argparse.Namespace) -> None:
    """Exit unless an interpreter with Keras is given."""
    if not args.peer_python:
        raise SystemExit("--peer-python is required: an interpreter with Keras 3 installed")


def environment(engine: str) -> dict[str, str]:
    """Return the environment variables for a process of an engine."""
    backend = BACKENDS.get(engine)
    return {**os.environ, **QUIET, **({"KERAS_BACKEND": backend} if backend else {})}


def bound(cores: int) -> None:
    """Bind this process, and so its children, to the first available cores."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])


def interpreter(engine: str, peer: str | None) -> str | None:
    """Return the interpreter of an engine: the current one for graphkit, otherwise `peer`."""
    return sys.executable if engine.startswith("graphkit") else peer


class Worker:
    """A process that answers each line of input with a line of JSON."""

    def __init__(self, engine: str, python: str, script: str, *arguments: str) -> None:
        """Start a script for one engine."""
        self.engine = engine
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (it lives as long as the process)
        command = [python, str(HERE / script), engine, *arguments]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self.errors}
        self.process = subprocess.Popen(command, env=environment(engine), text=True, **pipes)  # type: ignore[call-overload]

    def answer(self) -> dict[str, Any]:
        """Return the next line of JSON, skipping whatever else a library prints."""
        for line in self.process.stdout:
            if line.startswith("{"):
                fields: dict[str, Any] = json.loads(line)
                return fields
        self.errors.seek(0)
        raise RuntimeError(f"{self.engine} stopped:\n{self.errors.read()[-2000:]}")

    def ask(self, *what: str) -> dict[str, Any]:
        """Run one round and return its answer; `what` selects the measurement, if the worker has several."""
        self.process.stdin.write(" ".join(["round", *what]) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def close(self) -> None:
        """Let the process end."""
        self.process.communicate()
        self.errors.close()


def start(engines: Sequence[str], peer: str | None, script: str, *arguments: str) -> list[Worker]:
    """Start a worker for each engine; those that fail before their first answer are reported and skipped."""
    workers = []
    for engine in engines:
        python = interpreter(engine, peer)
        if python is None:
            print(f"{engine}: skipped, no --peer-python", file=sys.stderr)
            continue
        worker = Worker(engine, python, script, *arguments)
        try:
            first = worker.answer()
        except RuntimeError as error:
            print(error, file=sys.stderr)
            continue
        print(f"{engine} {' '.join(arguments)}: {first}", file=sys.stderr, flush=True)
        workers.append(worker)
    return workers


def rounds(workers: Sequence[Worker], count: int) -> Answers:
    """Run interleaved rounds: every worker once, then every worker again."""
    answers: Answers = {w.engine: [] for w in workers}
    for _ in range(count):
        for worker in workers:
            answers[worker.engine].append(worker.ask())
    for worker in workers:
        worker.close()
    return answers


def measured(args: argparse.Namespace, script: str) -> Iterator[tuple[str, Answers]]:
    """Yield each net's name and its interleaved rounds, as the command line selects them."""
    bound(args.cores)
    for name in args.nets:
        yield name, rounds(start(args.engines, args.peer_python, script, name), args.rounds)


def medians(answers: Answers, key: str) -> dict[str, float]:
    """Return the median of one field, by engine."""
    return {engine: statistics.median(a[key] for a in rows) for engine, rows in answers.items() if rows}


def fastest(answers: Answers, key: str) -> dict[str, float]:
    """Return the minimum of one field, by engine, which a busy machine disturbs least."""
    return {engine: min(a[key] for a in rows) for engine, rows in answers.items() if rows}


def markdown(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Format a markdown table."""
    lines = [list(map(str, head)), ["---"] * len(head), *[list(map(str, row)) for row in rows]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def number(value: float | None) -> str:
    """Format a number with three significant digits, None as a dash."""
    if value is None:
        return "-"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
