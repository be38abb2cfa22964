"""Worker threads for kernels that split their work into shards, and control of the number of BLAS threads meanwhile.

NumPy releases the interpreter lock inside copies, ufuncs and matrix products, so shards of one array run in parallel.
BLAS is limited to one thread while shards run: two levels of threads on the same cores would wait for each other.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np

from graphkit.core.errors import InvalidArgumentError

Task = Callable[[], Any]

_count: int | None = None
_busy = threading.Lock()
_queue: SimpleQueue[tuple[Task, _Gate]] = SimpleQueue()
_workers: list[threading.Thread] = []


def num_threads() -> int:
    """Return the number of shards that kernels run at once: the cores of this process, or fewer if BLAS is set to fewer."""
    global _count
    if _count is None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        blas = _blas_control()
        _count = min(cores, blas[0]()) if blas else cores
    return _count


def set_num_threads(count: int) -> None:
    """Set the number of shards. Programs compiled already keep the number they were compiled for.

    Raises:
        InvalidArgumentError: `count` is below 1.
    """
    global _count
    if count < 1:
        raise InvalidArgumentError(f"set_num_threads expects a positive number, got {count}.")
    _count = int(count)


class _Gate:
    """Opens when a given number of tasks are done; keeps the first exception."""

    __slots__ = ("_left", "_lock", "_open", "error")

    def __init__(self, tasks: int) -> None:
        self._left = tasks
        self._lock = threading.Lock()
        self._open = threading.Lock()
        self._open.acquire()
        self.error: BaseException | None = None

    def done(self, error: BaseException | None) -> None:
        with self._lock:
            self.error = self.error or error
            self._left -= 1
            if not self._left:
                self._open.release()

    def wait(self) -> None:
        self._open.acquire()
        if self.error is not None:
            raise self.error


def run_all(tasks: Sequence[Task]) -> None:
    """Run independent tasks in parallel and return when all are done; the first exception is raised.

    Inside another `run_all`, or while another thread is in one, the tasks run one after another.
    """
    if len(tasks) < 2 or not _busy.acquire(blocking=False):
        for task in tasks:
            task()
        return
    try:
        with single_blas():
            _run_on_workers(tasks)
    finally:
        _busy.release()


_holders = 0
_held = threading.Lock()
_before = 1


@contextmanager
def single_blas() -> Iterator[None]:
    """Limit BLAS to one thread inside the block; its previous number of threads returns when the last holder leaves."""
    global _holders, _before
    blas = _blas_control()
    if blas is None or num_threads() == 1:
        yield
        return
    with _held:
        if _holders == 0:
            _before = blas[0]()
            blas[1](1)
        _holders += 1
    try:
        yield
    finally:
        with _held:
            _holders -= 1
            if _holders == 0:
                blas[1](_before)


def _run_on_workers(tasks: Sequence[Task]) -> None:
    while len(_workers) < len(tasks) - 1:
        worker = threading.Thread(target=_serve, name=f"graphkit-kernel-{len(_workers)}", daemon=True)
        worker.start()
        _workers.append(worker)
    gate = _Gate(len(tasks) - 1)
    for task in tasks[1:]:
        _queue.put((task, gate))
    try:
        with np.errstate(all="ignore"):
            tasks[0]()
    finally:
        gate.wait()


def _serve() -> None:
    while True:
        task, gate = _queue.get()
        error: BaseException | None = None
        try:
            with np.errstate(all="ignore"):
                task()
        except BaseException as caught:  # raised in the waiting thread
            error = caught
        del task
        gate.done(error)


def _forget_workers() -> None:
    """Start over in a forked process, which inherits no threads."""
    global _busy, _queue
    _busy, _queue = threading.Lock(), SimpleQueue()
    _workers.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_workers)


@lru_cache(maxsize=1)
def _blas_control() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """Return (get, set) for the thread count of the OpenBLAS bundled with NumPy's wheels; None for any other BLAS."""
    package = Path(np.__file__).parent
    folders = [package.parent / "numpy.libs", package / ".dylibs"]
    for path in (p for folder in folders if folder.is_dir() for p in sorted(folder.glob("*openblas*"))):
        try:
            library = ctypes.CDLL(str(path))
        except OSError:
            continue
        for prefix, suffix in (("scipy_", "64_"), ("scipy_", ""), ("", "64_"), ("", "")):
            get = getattr(library, f"{prefix}openblas_get_num_threads{suffix}", None)
            put = getattr(library, f"{prefix}openblas_set_num_threads{suffix}", None)
            if get is not None and put is not None:
                return get, put
    return None
