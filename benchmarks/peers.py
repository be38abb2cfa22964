"""What the benchmarks share: peers' interpreters, worker processes, medians, tables."""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

HERE = pathlib.Path(__file__).resolve().parent
BACKENDS = {
    "keras-tensorflow": "tensorflow", "keras-tensorflow-nojit": "tensorflow", "keras-jax": "jax", "keras-torch": "torch",
}  # fmt: skip
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore", "CUDA_VISIBLE_DEVICES": "-1"}
Answers = dict[str, list[dict[str, Any]]]
"""By engine, the rounds."""
PEER_VARIABLE = "GRAPHKIT_PEER_PYTHON"


def peer_argument(parser: argparse.ArgumentParser) -> None:
    """Where the peers are installed, and on how many cores all run."""
    default = os.environ.get(PEER_VARIABLE)
    parser.add_argument("--peer-python", default=default, help=f"interpreter that has the peers (or ${PEER_VARIABLE})")
    parser.add_argument("--cores", type=int, default=2, help="cores that every process is bound to")


def environment(engine: str) -> dict[str, str]:
    """The variables of one engine's process."""
    backend = BACKENDS.get(engine)
    return {**os.environ, **QUIET, **({"KERAS_BACKEND": backend} if backend else {})}


def bound(cores: int) -> None:
    """Bind this process, and so its children, to the first cores it may use."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])


def interpreter(engine: str, peer: str | None) -> str | None:
    """Ours for graphkit, the peers' for the rest."""
    return sys.executable if engine == "graphkit" else peer


class Worker:
    """A process that answers one line of JSON to each line."""

    def __init__(self, engine: str, python: str, script: str, *arguments: str) -> None:
        """Start the script on one engine."""
        self.engine = engine
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (it lives as long as the process)
        command = [python, str(HERE / script), engine, *arguments]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self.errors}
        self.process = subprocess.Popen(command, env=environment(engine), text=True, **pipes)  # type: ignore[call-overload]

    def answer(self) -> dict[str, Any]:
        """The next line of JSON; whatever else a library prints is skipped."""
        for line in self.process.stdout:
            if line.startswith("{"):
                fields: dict[str, Any] = json.loads(line)
                return fields
        self.errors.seek(0)
        raise RuntimeError(f"{self.engine} stopped:\n{self.errors.read()[-2000:]}")

    def ask(self, *what: str) -> dict[str, Any]:
        """One round; of this, if the worker has several things to measure."""
        self.process.stdin.write(" ".join(["round", *what]) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def close(self) -> None:
        """Let the process end."""
        self.process.communicate()
        self.errors.close()


def start(engines: Sequence[str], peer: str | None, script: str, *arguments: str) -> list[Worker]:
    """The workers that get as far as their first answer; the others are named and left out."""
    workers = []
    for engine in engines:
        python = interpreter(engine, peer)
        if python is None:
            print(f"{engine}: left out, no --peer-python", file=sys.stderr)
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
    """Interleaved rounds: every worker once, then every worker again."""
    answers: Answers = {w.engine: [] for w in workers}
    for _ in range(count):
        for worker in workers:
            answers[worker.engine].append(worker.ask())
    for worker in workers:
        worker.close()
    return answers


def medians(answers: Answers, key: str) -> dict[str, float]:
    """The median of one field, by engine."""
    return {engine: statistics.median(a[key] for a in rows) for engine, rows in answers.items() if rows}


def fastest(answers: Answers, key: str) -> dict[str, float]:
    """The least of one field, by engine: what a shared machine disturbs least."""
    return {engine: min(a[key] for a in rows) for engine, rows in answers.items() if rows}


def markdown(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A markdown table."""
    lines = [list(map(str, head)), ["---"] * len(head), *[list(map(str, row)) for row in rows]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def number(value: float | None) -> str:
    """Three significant digits, or a dash."""
    if value is None:
        return "-"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
