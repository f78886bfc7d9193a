"""Work ahead of the reader: in order, bounded, and waited for at the end. `test_pipeline` tests the preparing."""

from __future__ import annotations

import threading

import cv2
import pytest

from detect.prepared_images import work_ahead


@pytest.mark.parametrize(("workers", "ahead", "most"), [(1, None, 1), (3, None, 3), (2, 7, 7), (2, 0, 0)])
def test_no_more_is_begun_than_may_wait(workers: int, ahead: int | None, most: int) -> None:
    begun: list[int] = []
    with work_ahead(lambda item: begun.append(item) or -item, range(20), workers=workers, ahead=ahead) as results:
        for position, result in enumerate(results):
            assert result == -position
            assert len(begun) <= position + 1 + most
    assert sorted(begun) == list(range(20))


def test_a_reader_that_leaves_waits_for_what_is_under_way_and_drops_the_rest() -> None:
    begun, gate = [], threading.Event()

    def work(item: int) -> int:
        begun.append(item)
        if item > 0:
            gate.wait(10)
        return item

    with work_ahead(work, range(50), workers=2, ahead=10) as results:
        assert next(results) == 0
        threading.Timer(0.05, gate.set).start()
    assert len(begun) <= 4, "two under way, perhaps two that took their place"
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("propose")]


def test_an_error_reaches_the_reader_in_its_place() -> None:
    with work_ahead(lambda item: 1 // item, [1, 0, 1], workers=2) as results:
        assert next(results) == 1
        with pytest.raises(ZeroDivisionError):
            next(results)


def test_no_worker_is_an_error() -> None:
    with pytest.raises(ValueError, match="workers: expected at least 1, got 0"), work_ahead(str, [1], workers=0):
        pass


def test_opencv_works_in_the_thread_that_calls_it_until_the_end() -> None:
    before = cv2.getNumThreads()
    cv2.setNumThreads(2)
    try:
        with work_ahead(lambda item: cv2.getNumThreads(), range(5), workers=2) as results:
            assert list(results) == [1] * 5
        assert cv2.getNumThreads() == 2
        with pytest.raises(ZeroDivisionError), work_ahead(lambda item: 1 // item, [0], workers=1) as results:
            next(results)
        assert cv2.getNumThreads() == 2
    finally:
        cv2.setNumThreads(before)
