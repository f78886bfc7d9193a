"""What every detector must do, as one check."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detect.detections import Detections


def check_detector(detector: Any, images: list[NDArray[np.uint8]], *, num_classes: int = 200) -> None:
    """`detector(image)` and `detector.detect(...)` keep their promises on these images.

    Types, shapes and ranges; best first; boxes inside the image; inputs unchanged; the same answer twice; and
    `detect` answers every image in order, with or without proposals, with the same boxes whatever its neighbours.
    """
    alone = [_unchanged(detector, image) for image in images]
    for image, found in zip(images, alone, strict=True):
        _check_detections(found, image.shape[:2], num_classes)
        _check_equal(detector(image), found)
    proposed = [(image, detector.proposer(image).boxes) for image in images]
    together = [classified.detections for classified in detector.detect(iter(proposed))]
    assert len(together) == len(images)
    for one, found in zip(alone, together, strict=True):
        _check_equal(one, found, tolerance=1e-3)
    nothing = np.zeros((0, 4), np.float32)
    without = [classified.detections for classified in detector.detect([(images[0], nothing), *proposed])]
    assert len(without[0]) == 0
    assert len(without) == len(images) + 1
    assert list(detector.detect([])) == []


def _unchanged(detector: Callable[[NDArray[np.uint8]], Detections], image: NDArray[np.uint8]) -> Detections:
    before = image.copy()
    found = detector(image)
    np.testing.assert_array_equal(image, before)
    return found


def _check_detections(found: Detections, size: tuple[int, ...], num_classes: int) -> None:
    assert (found.boxes.dtype, found.scores.dtype, found.labels.dtype) == (np.float32, np.float32, np.int64)
    assert np.all(np.diff(found.scores) <= 0), "best first"
    assert np.all((found.scores >= 0) & (found.scores <= 1))
    assert np.all((found.labels >= 0) & (found.labels < num_classes))
    assert np.all(found.boxes[:, :2] >= 0)
    assert np.all(found.boxes[:, 2:] <= [size[1], size[0]])
    assert np.all(found.boxes[:, :2] < found.boxes[:, 2:])


def _check_equal(one: Detections, other: Detections, *, tolerance: float = 0.0) -> None:
    """Scores may differ by the tolerance, and then the order of near ties too."""
    assert len(one) == len(other)
    np.testing.assert_allclose(one.scores, other.scores, atol=tolerance, rtol=0)
    if tolerance == 0:
        np.testing.assert_array_equal(one.boxes, other.boxes)
        np.testing.assert_array_equal(one.labels, other.labels)
