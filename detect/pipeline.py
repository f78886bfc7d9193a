"""From paths to results, in source order: workers keep ahead of a GPU; without one, each core has an image."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from detect.detector import Detector
from detect.image_results import (
    ImageResult,
    breaks_the_device,
    detect_alone,
    failure,
    pixels_and_boxes,
    success,
)
from detect.image_sources import SourceImage
from detect.prepared_images import PreparedImage, prepare, work_ahead
from detect.torch_threads import one_torch_thread, torch_threads

# On a device regions of this many images share batches. Results may depend, in the last digits, on what else is in a
# batch; groups begin at fixed places in the list, so a run continued with --resume makes the same batches again.
GROUP = 4


def detect_images(
    detector: Detector, sources: Sequence[SourceImage], *, first: int = 0, workers: int = 1, threads: int = 1
) -> Iterator[ImageResult]:
    """Results for sources[first:], in order; memory does not grow with their number.

    Args:
        first: how many are done already. On a GPU the group that it falls in is computed again from its beginning.
        workers: On a GPU they decode and propose ahead; on a CPU each does all there is to do for an image. The results
            do not depend on their number.
        threads: of torch's, for the network of one image on a CPU: more than one only pays where there are fewer images
            than cores, and may change last digits.
    Raises:
        ValueError: if workers is below 1.
    """
    if detector.classifier.device.type == "cpu":
        return _detect_on_cores(detector, sources[first:], workers, threads)
    return _detect_on_device(detector, sources, first, workers)


def _detect_on_cores(
    detector: Detector, sources: Sequence[SourceImage], workers: int, threads: int
) -> Iterator[ImageResult]:
    """One image a worker: what is memory-bound in one runs beside what is arithmetic in another, and none waits.

    Torch's own threads share out single layers, wait for each other at the end of each, and for a core that a proposer
    has taken (docs/decisions/0021-images-on-cores.md).
    """

    stopped = threading.Event()

    def detect(source: SourceImage) -> ImageResult:
        with one_torch_thread():
            prepared = prepare(source, detector.proposer)
        with torch_threads(threads):
            return detect_alone(detector, prepared, stopped=stopped.is_set)

    with work_ahead(detect, sources, workers=workers) as results:
        try:
            yield from results
        finally:  # an interrupted run ends with the batch that it is at, not with the image
            stopped.set()


def _detect_on_device(
    detector: Detector, sources: Sequence[SourceImage], first: int, workers: int
) -> Iterator[ImageResult]:
    """Workers decode and propose ahead; regions of the images of a group share batches on the device."""
    begin = first - first % GROUP
    with work_ahead(lambda source: prepare(source, detector.proposer), sources[begin:], workers=workers) as prepared:
        done = begin
        for done, result in enumerate(_classified(detector, prepared), start=begin + 1):
            if done > first:
                yield result
        assert done == len(sources), "images were lost: memory did not suffice even to prepare them"


def _classified(detector: Detector, prepared: Iterator[PreparedImage]) -> Iterator[ImageResult]:
    """Results in order, failed images keeping their place; between groups the device goes on working.

    If memory does not suffice, or anything else goes wrong, the images under way and the rest of their group are
    classified one by one, and only an image that does not fit at all, or that it goes wrong with, fails.
    """
    waiting: deque[PreparedImage] = deque()
    taken = 0

    def take() -> Iterator[PreparedImage]:
        nonlocal taken
        for one in prepared:
            taken += 1
            waiting.append(one)
            yield one

    def grouped() -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float32]] | None]:
        for one in take():
            if one.error is None:
                yield pixels_and_boxes(one)
            if taken % GROUP == 0:
                yield None

    while True:
        try:
            for classified in detector.detect(grouped()):
                while waiting[0].error is not None:
                    yield failure(waiting.popleft())
                yield success(waiting.popleft(), classified)
            break
        except Exception as error:
            if breaks_the_device(error):
                raise
        # Outside of `except`: while an error is handled, its traceback keeps the failed batch alive.
        while taken % GROUP and next(take(), None) is not None:
            pass
        while waiting:
            yield detect_alone(detector, waiting.popleft())
    yield from map(failure, waiting)
