"""A pytest plugin that runs the collected tests once per defect, in a fork of the process with the defect planted."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.planted.defect import Defect
from tests.planted.live import changes, put_in

ORDERS = "GRAPHKIT_PLANTED"  # the file with the defects to try, set by `trial`
NO_END = "no end within"
FRESH = "fresh process"  # reported for a defect that cannot be planted in loaded functions


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool:
    """Replace pytest's loop: try all defects in turn, and write a line with (name, first failure, seconds) for each."""
    orders = json.loads(Path(os.environ[ORDERS]).read_text())
    with Path(orders["answers"]).open("a") as answers:
        for row in orders["defects"]:
            start = time.monotonic()
            caught = _in_fork(session, Defect(**row), orders["limit"])
            answers.write(json.dumps([row["name"], caught, time.monotonic() - start]) + "\n")
            answers.flush()
    return True


def _in_fork(session: pytest.Session, defect: Defect, limit: float) -> str:
    path = Path(defect.file).resolve()
    whole = path.read_text()
    source = defect.planted(whole)
    changed = changes(whole, source, str(path))
    if changed is None:
        return FRESH
    read, write = os.pipe()
    path.write_text(source)  # for tests that start another Python process
    child = os.fork()
    if not child:
        os.close(read)
        caught = _first_failure(session, _likely_first(session.items, defect)) if put_in(changed, str(path)) else FRESH
        os.write(write, caught.encode())
        os._exit(0)
    os.close(write)
    try:
        return _answer(child, read, limit)
    finally:
        path.write_text(whole)


def _answer(child: int, read: int, limit: float) -> str:
    end = time.monotonic() + limit
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if time.monotonic() > end:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return f"{NO_END} {limit:.0f} s"
        time.sleep(0.02)
    with os.fdopen(read) as pipe:
        return pipe.read()


class _Watcher:
    """Remembers the first test that failed."""

    failed = ""

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed and not self.failed:
            self.failed = report.nodeid


def _likely_first(items: list[pytest.Item], defect: Defect) -> list[pytest.Item]:
    """Sort tests by the number of words that they share with the defect's name and file."""
    words = set(re.findall("[a-z]{3,}", f"{defect.name} {Path(defect.file).stem}".lower()))
    shared = {item: len(words & set(re.findall("[a-z]{3,}", item.nodeid.lower()))) for item in items}
    return sorted(items, key=lambda item: -shared[item])


def _first_failure(session: pytest.Session, items: list[pytest.Item]) -> str:
    watcher = _Watcher()
    session.config.pluginmanager.register(watcher)
    for item, following in zip(items, [*items[1:], None], strict=True):
        session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if watcher.failed:
            break
    return watcher.failed
