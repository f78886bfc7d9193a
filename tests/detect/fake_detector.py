"""A detector without a network, whose answers follow from each image alone and can be worked out by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from detect.detections import Detections
from detect.detector import Classified
from detect.model_file import bvlc_info
from detect.shared_regions import SharedSettings
from proposals import Proposals


def whole_and_quarter(image: NDArray[np.uint8]) -> Proposals:
    """The whole image, and its top left quarter."""
    height, width = image.shape[:2]
    boxes = np.array([[0, 0, width, height], [0, 0, width / 2, height / 2]], np.float32)
    return Proposals(boxes, np.array([0, -1], np.float32))


class FakeDetector:
    """Every proposal is an object of class (width + 7 · height) mod 200, with scores 0.9, 0.45, 0.3, ..."""

    def __init__(
        self,
        *,
        sha256: str = "0" * 64,
        proposer: Callable[[NDArray[np.uint8]], Proposals] = whole_and_quarter,
        device: str = "cpu",
    ) -> None:
        self.info = bvlc_info()
        self.batch_size = 16
        self.shared: SharedSettings | None = None
        self.others: tuple[Any, ...] = ()
        self.flip = False
        self.classifier = SimpleNamespace(
            info=self.info, sha256=sha256, device=torch.device(device), dtype=torch.float32
        )
        self.proposer = proposer

    def __call__(self, image: NDArray[np.uint8]) -> Detections:
        return next(self.detect([(image, self.proposer(image).boxes)])).detections

    def detect(
        self, images: Iterable[tuple[NDArray[np.uint8], NDArray[np.float32]] | None], **options: Any
    ) -> Iterator[Any]:
        for image, boxes in filter(None, images):
            label = (image.shape[1] + 7 * image.shape[0]) % 200
            scores = (0.9 / np.arange(1, len(boxes) + 1)).astype(np.float32)
            yield Classified(Detections(boxes, scores, np.full(len(boxes), label, np.int64)), 0.0)
