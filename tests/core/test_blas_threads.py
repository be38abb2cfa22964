"""BLAS has one thread while the engine's threads run, and its previous number afterwards."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from graphkit.core import threads


@pytest.fixture
def shared_blas() -> Iterator[None]:
    """A BLAS with one number of threads for the process, which is 2 when the test begins."""
    own, blas = threads.num_threads(), threads._blas()
    if not blas.shared:
        pytest.skip("NumPy's BLAS does not tell its number of threads, or has one for each thread")
    before = [library.get_num_threads() for library in blas.shared]

    def put(counts: list[int]) -> None:
        threads._set_threads(blas.shared, counts)
        for release in blas.releases:
            release()

    put([2] * len(before))
    threads.set_num_threads(2)
    yield
    put(before)
    threads.set_num_threads(own)


@pytest.mark.usefixtures("shared_blas")
def test_blas_has_its_threads_back_afterwards() -> None:
    with threads.single_blas():
        assert threads.blas_threads() == 1
        with threads.single_blas():
            assert threads.blas_threads() == 1
        assert threads.blas_threads() == 1
    assert threads.blas_threads() == 2


@pytest.mark.usefixtures("shared_blas")
def test_the_last_of_several_holders_gives_blas_its_threads_back() -> None:
    """Whichever thread began, and though that one is still alive."""
    inside, leave, left, end = (threading.Event() for _ in range(4))

    def hold() -> None:
        with threads.single_blas():
            inside.set()
            leave.wait(10)
        left.set()
        end.wait(10)

    first = threading.Thread(target=hold)
    first.start()
    inside.wait(10)
    with threads.single_blas():
        leave.set()
        left.wait(10)
        assert threads.blas_threads() == 1
    assert threads.blas_threads() == 2
    end.set()
    first.join()


class BlasOfEachThread:
    """A BLAS with a number of threads for each thread that calls it, as MKL has."""

    def __init__(self) -> None:
        self.counts = threading.local()

    def get_num_threads(self) -> int:
        return getattr(self.counts, "now", 4)

    def set_num_threads(self, count: int) -> None:
        self.counts.now = count


def test_a_blas_that_counts_for_each_thread_has_one_in_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    library = BlasOfEachThread()
    monkeypatch.setattr(threads, "_blas", lambda: threads._Blas([], [library], []))
    monkeypatch.setattr(threads, "_count", 2)
    monkeypatch.setattr(threads, "_workers", [])
    monkeypatch.setattr(threads, "_queue", threads.SimpleQueue())
    barrier = threading.Barrier(2, timeout=10)
    seen: list[int] = []

    def task() -> None:
        barrier.wait()
        seen.append(library.get_num_threads())

    threads.run_all([task, task])
    assert seen == [1, 1]
    assert threads.blas_threads() == 4


def test_a_blas_of_which_nothing_is_known_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_blas", lambda: threads._Blas([], [], []))

    with threads.single_blas():
        assert threads.blas_threads() is None
