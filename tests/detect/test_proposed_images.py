"""From paths to proposals: order, threads, bounded memory, and images that fail."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from odd_images import encode, make_odd_images, make_pipe, quadrants

from detect.image_sources import SourceImage, find_images
from detect.proposed_images import AHEAD, propose_images
from proposals import Proposals
from proposals.proposals import Proposer


def whole(image: NDArray[np.uint8]) -> Proposals:
    height, width = image.shape[:2]
    return Proposals(np.array([[0, 0, width, height]], np.float32), np.zeros(1, np.float32))


def always(proposer: Proposer) -> Callable[[int], Proposer]:
    return lambda workers: proposer


def make_photos(folder: Path, count: int) -> list[SourceImage]:
    """Pictures of different widths, to tell them apart."""
    folder.mkdir()
    for i in range(count):
        (folder / f"{i:03}.png").write_bytes(encode(quadrants(8, 10 + i), "PNG"))
    return find_images([str(folder)]).images if count else []


@pytest.mark.parametrize("count", [0, 1, 7])
@pytest.mark.parametrize("workers", [1, 3, 20])
def test_results_come_in_order_with_all_stages_timed(tmp_path: Path, count: int, workers: int) -> None:
    """The first images take longest, so that with several workers they are finished last."""

    def slow_at_first(image: NDArray[np.uint8]) -> Proposals:
        time.sleep(0.002 * (17 - image.shape[1]))
        return whole(image)

    photos = make_photos(tmp_path / "p", count)
    results = list(propose_images(always(slow_at_first), photos, workers=workers))
    assert [result.source for result in results] == photos
    for i, result in enumerate(results):
        assert (result.size, result.error) == ((8, 10 + i), None)
        assert result.proposals is not None
        assert result.proposals.boxes.tolist() == [[0, 0, 10 + i, 8]]
        assert list(result.seconds) == ["decode", "propose"]
        assert min(result.seconds.values()) >= 0


@pytest.mark.parametrize(
    ("count", "workers", "inside"), [(1, 1, 1), (1, 8, 8), (3, 8, 2), (4, 8, 2), (5, 8, 1), (9, 8, 1), (0, 8, 8)]
)
def test_threads_left_over_work_inside_the_images(tmp_path: Path, count: int, workers: int, inside: int) -> None:
    asked = []

    def build(threads: int) -> Proposer:
        asked.append(threads)
        return whole

    photos = make_photos(tmp_path / "p", count)
    assert len(list(propose_images(build, photos, workers=workers))) == count
    assert asked == [inside]


def test_no_worker_is_an_error() -> None:
    with pytest.raises(ValueError, match="workers: expected at least 1, got 0"):
        list(propose_images(always(whole), [], workers=0))


def test_odd_images_become_errors_in_place(tmp_path: Path) -> None:
    expected = make_odd_images(tmp_path)
    pipe = make_pipe(tmp_path)
    photos = [*find_images([str(tmp_path)]).images, SourceImage(Path("gone"), "gone", "no such file or folder")]
    results = list(propose_images(always(whole), photos, workers=3))
    assert [result.source for result in results] == photos
    for result in results[:-1]:
        expectation = expected.get(result.source.name)
        if expectation is None or expectation.error is not None:
            assert (expectation.error if expectation else "named pipe") in (result.error or ""), pipe
            assert (result.size, result.proposals) == (None, None)
        else:
            assert (result.size, result.error) == (expectation.size, None)
    assert results[-1].error == "no such file or folder"


@pytest.mark.parametrize(
    ("raised", "sentence"),
    [
        (MemoryError(), "not enough memory for this image"),
        (RuntimeError("two\nlines"), "RuntimeError in proposing or decoding: two lines"),
    ],
)
def test_a_search_that_fails_is_that_images_error(tmp_path: Path, raised: Exception, sentence: str) -> None:
    def fails_on_the_second(image: NDArray[np.uint8]) -> Proposals:
        if image.shape[1] == 11:
            raise raised
        return whole(image)

    results = list(propose_images(always(fails_on_the_second), make_photos(tmp_path / "p", 3), workers=2))
    assert [result.error for result in results] == [None, sentence, None]
    assert results[1].proposals is None


@pytest.mark.parametrize("workers", [1, 3])
def test_a_slow_reader_keeps_the_workers_back(tmp_path: Path, workers: int) -> None:
    lock, started = threading.Lock(), 0

    def counted(image: NDArray[np.uint8]) -> Proposals:
        nonlocal started
        with lock:
            started += 1
        return whole(image)

    photos = make_photos(tmp_path / "p", 40)
    for yielded, _ in enumerate(propose_images(always(counted), photos, workers=workers), start=1):
        time.sleep(0.002)  # time for workers to run away
        assert started <= yielded + AHEAD * workers
    assert started == 40


def test_a_reader_that_leaves_ends_the_workers(tmp_path: Path) -> None:
    before = threading.active_count()
    results = propose_images(always(whole), make_photos(tmp_path / "p", 20), workers=3)
    next(results)
    results.close()
    assert threading.active_count() == before
