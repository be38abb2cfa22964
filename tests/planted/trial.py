"""Plant defects in a copy of the project, and run the tests there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.planted.defect import ROOT, Defect
from tests.planted.session import FRESH, NO_END, ORDERS

_LINKED = ("fixtures", "examples", "docs", "benchmarks", "README.md", "CHANGELOG.md")
_SKIPPED = shutil.ignore_patterns("__pycache__", ".hypothesis", "*.pyc")
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)
_OPTIONS = ("-x", "-q", "-n", "0", "--tb=line", "-p", "no:cacheprovider")


@dataclass(frozen=True)
class Outcome:
    """The outcome of one defect: the test that noticed it, "" if none did, or that the tests exceeded the time limit."""

    defect: Defect
    caught_by: str
    seconds: float

    @property
    def is_caught(self) -> bool:
        """Whether a test noticed it."""
        return bool(self.caught_by) and not self.caught_by.startswith(NO_END)


class Copy:
    """Make a copy of the project whose packages take precedence over the installed ones."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        shutil.copytree(ROOT / "graphkit", self.folder / "graphkit", ignore=_SKIPPED)
        shutil.copytree(ROOT / "converters", self.folder / "graphkit" / "converters", ignore=_SKIPPED)
        (self.folder / "converters").symlink_to(self.folder / "graphkit" / "converters")
        shutil.copytree(ROOT / "tests", self.folder / "tests", ignore=_SKIPPED)
        shutil.copy(ROOT / "pyproject.toml", self.folder)
        for name in _LINKED:
            (self.folder / name).symlink_to(ROOT / name)

    def try_out(self, defects: Sequence[Defect], limit: float) -> Iterator[Outcome]:
        """Try defects that have the same tests: in forks of one process where possible, otherwise each in its own process."""
        tests = defects[0].targets()
        known = {defect.name: defect for defect in defects}
        for name, caught_by, seconds in self._in_forks(defects, tests, limit):
            if caught_by != FRESH:
                yield Outcome(known.pop(name), caught_by, seconds)
        for defect in known.values():
            yield self._in_a_process(defect, tests, limit)

    def _in_forks(
        self, defects: Sequence[Defect], tests: Sequence[str], limit: float
    ) -> Iterator[tuple[str, str, float]]:
        orders, answers = self.folder / "orders.json", self.folder / "answers.jsonl"
        answers.write_text("")
        told = {"defects": [asdict(d) for d in defects], "answers": str(answers), "limit": limit}
        orders.write_text(json.dumps(told))
        self._pytest(["-p", "tests.planted.session", *tests], None, {ORDERS: str(orders)})
        for line in answers.read_text().splitlines():
            yield tuple(json.loads(line))  # type: ignore[misc]

    def _in_a_process(self, defect: Defect, tests: Sequence[str], limit: float) -> Outcome:
        """Plant a defect, run its tests until the first failure, and remove it again."""
        path = self.folder / defect.file
        whole = path.read_text()
        start = time.monotonic()
        self._write(path, defect.planted(whole))
        try:
            caught_by = self._first_failure(tests, limit)
        finally:
            self._write(path, whole)
        return Outcome(defect, caught_by, time.monotonic() - start)

    def _write(self, path: Path, source: str) -> None:
        """Write a module and delete its compiled form, which two edits within a second would not invalidate."""
        path.write_text(source)
        for compiled in (path.resolve().parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
            compiled.unlink()

    def _first_failure(self, tests: Sequence[str], limit: float) -> str:
        try:
            ran = self._pytest(tests, limit, {})
        except subprocess.TimeoutExpired:
            return f"{NO_END} {limit:.0f} s"
        if ran.returncode == 0:
            return ""
        found = _FAILED.search(ran.stdout)
        return found.group(1) if found else (ran.stdout + ran.stderr).strip().splitlines()[-1]

    def _pytest(
        self, arguments: Sequence[str], limit: float | None, variables: dict[str, str]
    ) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(self.folder), "OMP_NUM_THREADS": "1", **variables}
        command = [sys.executable, "-m", "pytest", *_OPTIONS, *arguments]
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=limit, check=False
        )
