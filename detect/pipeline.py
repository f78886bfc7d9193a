"""From paths to results: workers decode and propose ahead, the device classifies, results come in source order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from detect.detections import Detections
from detect.detector import Classified, Detector
from detect.image_sources import SourceImage
from detect.prepared_images import PreparedImage, prepare, work_ahead

# Regions of this many images share batches. Results may depend, in the last digits, on what else is in a batch;
# groups begin at fixed places in the list, so a run continued with --resume makes the same batches again.
GROUP = 4


@dataclass(frozen=True)
class ImageResult:
    """What became of one image.

    Attributes:
        image: uint8 RGB (H, W, 3), for drawing; None if it could not be read.
        detections: None if there is an error.
        error: one sentence, or None.
        num_proposals: regions classified.
        seconds: by stage: decode, propose, classify.
    """

    source: SourceImage
    image: NDArray[np.uint8] | None
    detections: Detections | None
    error: str | None
    num_proposals: int
    seconds: dict[str, float]


def detect_images(
    detector: Detector, sources: Sequence[SourceImage], *, first: int = 0, workers: int = 1
) -> Iterator[ImageResult]:
    """Results for sources[first:], in order; memory does not grow with their number.

    Args:
        first: how many are done already. The group that it falls in is computed again from its beginning.
        workers: threads that decode and propose ahead; the results do not depend on it.
    Raises:
        ValueError: if workers is below 1.
    """
    begin = first - first % GROUP
    with work_ahead(lambda source: prepare(source, detector.proposer), sources[begin:], workers=workers) as prepared:
        for start in range(begin, len(sources), GROUP):
            size = min(GROUP, len(sources) - start)
            group = (next(prepared) for _ in range(size))
            for offset, result in enumerate(_detect_group(detector, group)):
                if start + offset >= first:
                    yield result


def _detect_group(detector: Detector, group: Iterator[PreparedImage]) -> Iterator[ImageResult]:
    """Classify the readable images of a group together; failed ones keep their place in the order.

    If memory does not suffice, those that are left are classified one by one in smaller batches, and only an image
    that does not fit at all fails.
    """
    waiting: deque[PreparedImage] = deque()

    def readable() -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float32]]]:
        for prepared in group:
            waiting.append(prepared)
            if prepared.error is None:
                yield _pixels_and_boxes(prepared)

    try:
        for classified in detector.detect(readable()):
            while waiting[0].error is not None:
                yield _failure(waiting.popleft())
            yield _success(waiting.popleft(), classified)
        exhausted = False
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        exhausted = True
    # Outside of `except`: while an error is handled, its traceback keeps the failed batch alive.
    if exhausted:
        waiting.extend(group)
        for prepared in waiting:
            yield _detect_alone(detector, prepared)
    else:
        yield from map(_failure, waiting)


def _detect_alone(detector: Detector, prepared: PreparedImage) -> ImageResult:
    """Classify one image by itself, in ever smaller batches while memory does not suffice."""
    if prepared.error is not None:
        return _failure(prepared)
    batch_size = detector.batch_size
    while True:
        try:
            (classified,) = detector.detect([_pixels_and_boxes(prepared)], batch_size=batch_size)
            return _success(prepared, classified)
        except (MemoryError, RuntimeError) as error:
            if not _is_out_of_memory(error):
                raise
        if batch_size == 1:
            prepared.error = "not enough memory to classify the regions of this image"
            return _failure(prepared)
        batch_size = max(1, batch_size // 4)


def _is_out_of_memory(error: MemoryError | RuntimeError) -> bool:
    """Python's, CUDA's, or the CPU allocator's, which torch reports as a plain RuntimeError."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _pixels_and_boxes(prepared: PreparedImage) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    assert prepared.image is not None
    assert prepared.proposals is not None
    return prepared.image, prepared.proposals.boxes


def _success(prepared: PreparedImage, classified: Classified) -> ImageResult:
    image, boxes = _pixels_and_boxes(prepared)
    seconds = {**prepared.seconds, "classify": classified.seconds}
    return ImageResult(prepared.source, image, classified.detections, None, len(boxes), seconds)


def _failure(prepared: PreparedImage) -> ImageResult:
    return ImageResult(prepared.source, None, None, prepared.error, 0, prepared.seconds)
