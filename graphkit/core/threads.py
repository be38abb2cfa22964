"""Worker threads for kernels that split their work into shards, and control of the number of BLAS threads meanwhile.

NumPy releases the interpreter lock inside copies, ufuncs and matrix products, so shards of one array run in parallel.
BLAS is limited to one thread while shards run: two levels of threads on the same cores would wait for each other.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from queue import SimpleQueue
from typing import Any, NamedTuple

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
        _count = min(cores, blas_threads() or cores)
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
_before: list[int] = []


@contextmanager
def single_blas() -> Iterator[None]:
    """Limit BLAS to one thread inside the block; its previous number of threads is restored when the last block is left."""
    global _holders, _before
    blas = _blas()
    if not (blas.shared or blas.local) or num_threads() == 1:
        yield
        return
    own = _limit(blas.local) if blas.local else []
    with _held:
        if _holders == 0:
            _before = _limit(blas.shared)
        _holders += 1
    try:
        yield
    finally:
        with _held:
            _holders -= 1
            if _holders == 0:
                _set_threads(blas.shared, _before)
        for release in blas.releases:
            release()
        if own:
            _set_threads(blas.local, own)


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
    blas = _blas()
    _limit(blas.local)
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


class _Blas(NamedTuple):
    """The BLAS libraries of this process, as threadpoolctl controls them.

    Since version 3.8 it lets the Python thread that sets a shared library first keep it, and ignores the others until that one calls
    its release. The holders here agree among themselves, so each releases when it leaves.
    """

    shared: list[Any]  # one number of threads for the process
    local: list[Any]  # a number for each thread that calls: MKL, OpenBLAS on OpenMP
    releases: list[Callable[[], None]]


@lru_cache(maxsize=1)
def _blas() -> _Blas:
    from threadpoolctl import ThreadpoolController

    libraries = ThreadpoolController().select(user_api="blas").lib_controllers
    known = [library for library in libraries if library.get_num_threads() is not None]
    local = [
        b for b in known if b.internal_api == "mkl" or (b.internal_api, b.threading_layer) == ("openblas", "openmp")
    ]
    shared = [library for library in known if library not in local]
    return _Blas(shared, local, [b.clear_controlling_thread for b in shared if hasattr(b, "clear_controlling_thread")])


def blas_threads() -> int | None:
    """Return the number of threads that BLAS uses when this thread calls it, or None if that is not known (Accelerate)."""
    blas = _blas()
    return min((library.get_num_threads() for library in blas.shared + blas.local), default=None)


def _limit(libraries: Sequence[Any]) -> list[int]:
    """Limit each library to one thread and return their previous numbers of threads."""
    before = [library.get_num_threads() for library in libraries]
    _set_threads(libraries, [1] * len(before))
    return before


def _set_threads(libraries: Sequence[Any], counts: Sequence[int]) -> None:
    for library, count in zip(libraries, counts, strict=True):
        library.set_num_threads(count)
