"""Decoding and proposing, by workers that stay ahead of the reader."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from detect.error_line import error_line
from detect.image_decoding import ImageError, decode_image
from detect.image_sources import SourceImage
from proposals.proposals import Proposals, Proposer

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass
class PreparedImage:
    """A decoded image with its proposals, or the reason why there is none."""

    source: SourceImage
    image: NDArray[np.uint8] | None = None
    proposals: Proposals | None = None
    error: str | None = None
    seconds: dict[str, float] = field(default_factory=dict)


def prepare(source: SourceImage, proposer: Proposer) -> PreparedImage:
    """Decode and propose; whatever goes wrong with one image becomes its error."""
    prepared = PreparedImage(source, error=source.error)
    if source.error is not None:
        return prepared
    try:
        with _timed(prepared.seconds, "decode"):
            prepared.image = decode_image(source.path)
        with _timed(prepared.seconds, "propose"):
            prepared.proposals = proposer(prepared.image)
    except ImageError as error:
        prepared.error = str(error)
    except MemoryError:
        prepared.error = "not enough memory for this image"
    except Exception as error:  # one image never ends a run over a folder; the record keeps the reason
        prepared.error = error_line(error, "proposing or decoding")
    return prepared


@contextmanager
def work_ahead(
    function: Callable[[Item], Result], items: Sequence[Item], *, workers: int, ahead: int | None = None
) -> Iterator[Iterator[Result]]:
    """Results in the order of the items, from threads; those under way are waited for at the end, the rest dropped.

    OpenCV, which would take every core for each of them, works in the thread that calls it until then.

    Args:
        ahead: how many results may wait for the reader, besides the one that it waits for; None: one per worker.
    Raises:
        ValueError: if workers is below 1.
    """
    if workers < 1:
        raise ValueError(f"workers: expected at least 1, got {workers}")
    most = workers if ahead is None else ahead
    opencv_threads = cv2.getNumThreads()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="propose")
    queue: deque[Future[Result]] = deque()

    def ordered() -> Iterator[Result]:
        for item in items:
            queue.append(pool.submit(function, item))
            if len(queue) > most:
                yield queue.popleft().result()
        while queue:
            yield queue.popleft().result()

    cv2.setNumThreads(1)
    try:
        yield ordered()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        cv2.setNumThreads(opencv_threads)


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    started = time.perf_counter()
    try:
        yield
    finally:
        seconds[stage] = time.perf_counter() - started
