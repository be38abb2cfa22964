"""The kernels' worker threads: everything runs, errors are raised, nothing deadlocks."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from graphkit.core import threads
from graphkit.core.errors import InvalidArgumentError


@pytest.fixture(autouse=True)
def _keep_the_number() -> Iterator[None]:
    before = threads.num_threads()
    yield
    threads.set_num_threads(before)


def test_all_tasks_run_and_are_done_on_return() -> None:
    done = np.zeros(5, int)

    def task(i: int) -> None:
        done[i] += 1

    for _ in range(20):
        threads.run_all([lambda i=i: task(i) for i in range(5)])
    assert done.tolist() == [20] * 5


def test_tasks_run_side_by_side() -> None:
    barrier = threading.Barrier(3, timeout=10)
    threads.run_all([barrier.wait] * 3)


def test_the_exception_of_any_task_is_raised() -> None:
    def fail() -> None:
        raise KeyError("from a worker")

    for tasks in ([fail, int], [int, fail], [int, int, fail]):
        with pytest.raises(KeyError, match="from a worker"):
            threads.run_all(tasks)
    threads.run_all([int, int])


def test_a_task_may_run_tasks() -> None:
    seen: list[int] = []
    threads.run_all([lambda: threads.run_all([lambda: seen.append(1)] * 3)] * 2)
    assert len(seen) == 6


def test_callers_do_not_disturb_each_other() -> None:
    results = np.zeros(4)

    def caller(i: int) -> None:
        parts = np.zeros(2)

        def half(k: int) -> None:
            parts[k] = i + 1

        for _ in range(50):
            parts[:] = 0
            threads.run_all([lambda: half(0), lambda: half(1)])
            assert parts.tolist() == [i + 1, i + 1]
        results[i] = parts.sum()

    callers = [threading.Thread(target=caller, args=(i,)) for i in range(4)]
    for thread in callers:
        thread.start()
    for thread in callers:
        thread.join()
    assert results.tolist() == [2, 4, 6, 8]


def test_blas_gets_its_threads_back() -> None:
    before = threads.blas_threads()
    threads.run_all([int, int])
    assert threads.blas_threads() == before


def test_the_number_can_be_set() -> None:
    threads.set_num_threads(3)
    assert threads.num_threads() == 3
    with pytest.raises(InvalidArgumentError, match="positive number, got 0"):
        threads.set_num_threads(0)
