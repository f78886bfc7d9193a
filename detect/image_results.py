"""What became of an image: its detections, or why there are none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from detect.detections import Detections
from detect.detector import Classified, Detector
from detect.error_line import error_line
from detect.image_sources import SourceImage
from detect.prepared_images import PreparedImage


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


class Stopped(Exception):
    """Nobody waits for the result any more."""


def detect_alone(
    detector: Detector, prepared: PreparedImage, *, stopped: Callable[[], bool] = lambda: False
) -> ImageResult:
    """Classify one image by itself, in ever smaller batches while memory does not suffice.

    Whatever else goes wrong with it becomes its error, but for a device that fails, which would fail for all.

    Raises:
        Stopped: once `stopped`, asked before each batch, says so.
        RuntimeError: what `breaks_the_device`.
    """
    if prepared.error is not None:
        return failure(prepared)
    batch_size = detector.batch_size
    while True:
        try:
            images = [pixels_and_boxes(prepared)]
            for classified in detector.detect(images, batch_size=batch_size, stopped=stopped):
                return success(prepared, classified)
            raise Stopped
        except Stopped:
            raise
        except Exception as error:
            if breaks_the_device(error):
                raise
            if not is_out_of_memory(error):
                prepared.error = error_line(error, "classifying")
                return failure(prepared)
        # Outside of `except`: while an error is handled, its traceback keeps the failed batch alive.
        if batch_size == 1:
            prepared.error = "not enough memory to classify the regions of this image"
            return failure(prepared)
        batch_size = max(1, batch_size // 4)


def is_out_of_memory(error: Exception) -> bool:
    """Python's, CUDA's, or the CPU allocator's, which torch reports as a plain RuntimeError."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def breaks_the_device(error: Exception) -> bool:
    """After an error that CUDA reports, but for too little memory, nothing more can be computed in this process."""
    return "CUDA error" in str(error) and not is_out_of_memory(error)


def pixels_and_boxes(prepared: PreparedImage) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """What `Detector.detect` takes of an image that was prepared without an error."""
    assert prepared.image is not None
    assert prepared.proposals is not None
    return prepared.image, prepared.proposals.boxes


def success(prepared: PreparedImage, classified: Classified) -> ImageResult:
    """The result of an image whose regions are classified."""
    image, boxes = pixels_and_boxes(prepared)
    seconds = {**prepared.seconds, "classify": classified.seconds}
    return ImageResult(prepared.source, image, classified.detections, None, len(boxes), seconds)


def failure(prepared: PreparedImage) -> ImageResult:
    """The result of an image with an error."""
    return ImageResult(prepared.source, None, None, prepared.error, 0, prepared.seconds)
