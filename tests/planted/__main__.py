"""Plant the listed defects one at a time: `python -m tests.planted [--jobs N] [--limit SECONDS] [PATTERN ...]`."""

from __future__ import annotations

import argparse
import fnmatch
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from tests.planted.defect import Defect
from tests.planted.lists import DEFECTS
from tests.planted.trial import Copy, Outcome


def chosen(patterns: list[str]) -> list[Defect]:
    """Return the defects whose name or file contains one of the patterns; without patterns, all."""
    wanted = [f"*{pattern}*" for pattern in patterns] or ["*"]
    return [d for d in DEFECTS if any(fnmatch.fnmatch(text, w) for w in wanted for text in (d.name, d.file))]


def tried(defects: list[Defect], jobs: int, limit: float) -> list[Outcome]:
    """Try the defects, each job in its own copy of the project, and print a row for each."""
    groups: dict[tuple[str, ...], list[Defect]] = {}
    for defect in defects:
        groups.setdefault(defect.targets(), []).append(defect)
    with tempfile.TemporaryDirectory(prefix="planted-") as folder, ThreadPoolExecutor(jobs) as pool:
        copies: SimpleQueue[Copy] = SimpleQueue()
        for job in range(jobs):
            copies.put(Copy(Path(folder) / str(job)))

        def one(group: list[Defect]) -> list[Outcome]:
            copy = copies.get()
            outcomes = []
            for outcome in copy.try_out(group, limit):
                print(row(outcome), flush=True)
                outcomes.append(outcome)
            copies.put(copy)
            return outcomes

        return [outcome for outcomes in pool.map(one, groups.values()) for outcome in outcomes]


def row(outcome: Outcome) -> str:
    """Format a row of the table."""
    caught = outcome.caught_by or "NOT CAUGHT"
    return f"| {outcome.defect.name} | {outcome.defect.file} | {caught} | {outcome.seconds:.0f} |"


def main() -> int:
    """Print the table; the exit status is 1 if a defect was not caught."""
    parser = argparse.ArgumentParser(prog="python -m tests.planted", description=__doc__)
    parser.add_argument("patterns", nargs="*", metavar="PATTERN", help="part of a defect's name or file")
    parser.add_argument("--jobs", type=int, default=1, help="how many to try at the same time")
    parser.add_argument("--limit", type=float, default=900.0, help="seconds that the tests of one defect may take")
    parser.add_argument("--list", action="store_true", help="only print the names")
    arguments = parser.parse_args()
    defects = chosen(arguments.patterns)
    if arguments.list:
        print("\n".join(f"{d.file}: {d.name}" for d in defects))
        return 0
    print("| defect | file | caught by | seconds |\n|---|---|---|---|")
    outcomes = tried(defects, arguments.jobs, arguments.limit)
    missed = [outcome.defect.name for outcome in outcomes if not outcome.is_caught]
    print(
        f"\n{len(outcomes) - len(missed)} of {len(outcomes)} caught" + "".join(f"\n  missed: {name}" for name in missed)
    )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
