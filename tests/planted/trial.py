"""Plants a defect in a copy of the project and runs the tests there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.planted.defect import ROOT, Defect

_LINKED = ("fixtures", "examples", "docs", "benchmarks", "README.md", "CHANGELOG.md")
_SKIPPED = shutil.ignore_patterns("__pycache__", ".hypothesis", "*.pyc")
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)
_NOTHING_RAN = 5  # pytest's exit status


@dataclass(frozen=True)
class Outcome:
    """What came of one defect: the test that noticed, "" if none did."""

    defect: Defect
    caught_by: str
    seconds: float


class Copy:
    """A copy of the project whose packages come before the installed ones."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(ROOT / "graphkit", folder / "graphkit", ignore=_SKIPPED)
        shutil.copytree(ROOT / "converters", folder / "graphkit" / "converters", ignore=_SKIPPED)
        (folder / "converters").symlink_to(folder / "graphkit" / "converters")
        shutil.copytree(ROOT / "tests", folder / "tests", ignore=_SKIPPED)
        shutil.copy(ROOT / "pyproject.toml", folder)
        for name in _LINKED:
            (folder / name).symlink_to(ROOT / name)

    def try_out(self, defect: Defect, limit: float) -> Outcome:
        """Plants a defect, runs its tests up to the first failure, and takes it out again."""
        path = self.folder / defect.file
        whole = path.read_text()
        start = time.monotonic()
        self._write(path, defect.planted(whole))
        try:
            caught_by = self._first_failure(defect.targets(), limit)
        finally:
            self._write(path, whole)
        return Outcome(defect, caught_by, time.monotonic() - start)

    def _write(self, path: Path, source: str) -> None:
        """Writes a module and drops its compiled form, which two edits within a second would not outdate."""
        path.write_text(source)
        for compiled in (path.resolve().parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
            compiled.unlink()

    def _first_failure(self, tests: tuple[str, ...], limit: float) -> str:
        environment = {**os.environ, "PYTHONPATH": str(self.folder), "OMP_NUM_THREADS": "1"}
        options = ["-x", "-q", "-n", "0", "--tb=line", "-p", "no:cacheprovider", "-p", "no:randomly"]
        command = [sys.executable, "-m", "pytest", *options, *tests]
        try:
            ran = subprocess.run(
                command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=limit, check=False
            )
        except subprocess.TimeoutExpired:
            return f"no end within {limit:.0f} s"
        if ran.returncode == 0:
            return ""
        if found := _FAILED.search(ran.stdout):
            return found.group(1)
        if ran.returncode == _NOTHING_RAN:
            raise RuntimeError(f"No tests ran in {', '.join(tests)}")
        return (ran.stdout + ran.stderr).strip().splitlines()[-1]
