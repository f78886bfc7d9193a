"""Detections and objects sorted by class, each class on its own in the order in which it is judged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detect.ground_truth import GroundTruth
from detect.predictions import Predictions


@dataclass(frozen=True)
class ClassSlice:
    """One class.

    Attributes:
        label: of the class.
        detections: (n,) positions in the `Predictions`, best score first.
        boxes: (n, 4) theirs.
        truths: (m,) positions in the `GroundTruth`, image after image.
        truth_boxes: (m, 4) theirs.
        first, last: (n,) for each detection, the range of the objects on its image in `truths`.
    """

    label: int
    detections: NDArray[np.int64]
    boxes: NDArray[np.float64]
    truths: NDArray[np.int64]
    truth_boxes: NDArray[np.float64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]


class ClassSlices:
    """All classes of a ground truth.

    Args:
        by_image: order of detections with the same score: by the number of the image, then as in the file (ILSVRC
            sorts by image first); else as in the file (VOC).
    """

    def __init__(self, truth: GroundTruth, predictions: Predictions, *, by_image: bool) -> None:
        self._truth, self._predictions = truth, predictions
        order = np.arange(len(predictions), dtype=np.int64)
        if by_image:
            numbers = truth.numbers[predictions.image_of]
            if np.any(np.diff(numbers) < 0):
                order = np.argsort(numbers, kind="stable")
        self._detections = order[_by_label(predictions.labels[order])]
        self._truths = _by_label(truth.labels)
        self._detection_ends = _ends(predictions.labels, len(truth.classes))
        self._truth_ends = _ends(truth.labels, len(truth.classes))

    def __len__(self) -> int:
        return len(self._truth_ends) - 1

    def __getitem__(self, label: int) -> ClassSlice:
        """Sort and collect one class; safe to call from several threads."""
        detections = self._detections[self._detection_ends[label] : self._detection_ends[label + 1]]
        truths = self._truths[self._truth_ends[label] : self._truth_ends[label + 1]]
        detections = detections[np.argsort(-self._predictions.scores[detections], kind="stable")]
        images = self._predictions.image_of[detections]
        begins = _ends(self._truth.image_of[truths], len(self._truth.images))
        return ClassSlice(
            label=label,
            detections=detections,
            boxes=self._predictions.boxes[detections],
            truths=truths,
            truth_boxes=self._truth.boxes[truths],
            first=begins[images],
            last=begins[images + 1],
        )

    @property
    def num_detections(self) -> int:
        """Of all classes."""
        return len(self._predictions)


def _by_label(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Stable order by label; NumPy sorts 16-bit numbers by radix, in a tenth of the time."""
    narrow = labels.astype(np.uint16) if len(labels) and labels.max() < 1 << 16 else labels
    return np.argsort(narrow, kind="stable")


def _ends(values: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """(count + 1,) where each of the values 0..count - 1 begins, and the one before it ends, once they are sorted."""
    return np.concatenate(([0], np.cumsum(np.bincount(values, minlength=count))))
