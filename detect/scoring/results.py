"""What scoring says: average precision per class, and what became of every detection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from detect.class_tables import DetectionClass

Protocol = Literal["ilsvrc", "voc07", "voc10", "coco"]
PROTOCOLS: tuple[Protocol, ...] = ("ilsvrc", "voc07", "voc10", "coco")

# Outcomes of detections.
MISS = 0  # a false positive
HIT = 1  # a true positive
IGNORED = 2  # counts neither way


@dataclass(frozen=True)
class ClassScore:
    """One class.

    Attributes:
        average_precision: in [0, 1]; None for a class without ground truth that counts.
        num_ground_truths: objects that count, the denominator of recall.
        num_detections: all of the class, those that count neither way included.
        detections: (n,) int64, their positions in the `Predictions`, in the order in which they were judged. That is
            best score first, but for `coco`, which has no curve over detections.
        precision, recall: (n,) float64 after each of the detections; precision is 0 while nothing has counted, recall
            is 0 without ground truth. For `coco`: its 101 recall levels and the interpolated precision there, at IoU
            0.5; none for a class without ground truth.
    """

    label: int
    detection_class: DetectionClass
    average_precision: float | None
    num_ground_truths: int
    num_detections: int
    detections: NDArray[np.int64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]


@dataclass(frozen=True)
class Evaluation:
    """A detector's score under one protocol.

    Attributes:
        per_class: K, in label order.
        outcomes: (N,) uint8 for each detection, in the order of the `Predictions`: HIT, MISS or IGNORED. For `coco`
            at IoU 0.5, and a detection beyond the 100 best of its class on its image is IGNORED.
        matched: (N,) int64, the object in the `GroundTruth` that a HIT has found, or that made a detection IGNORED;
            -1: none.
        truths_left_out: (M,) bool, objects that do not count: blacklisted, difficult, crowds.
        more: further means that the protocol has, by name.
    """

    protocol: Protocol
    num_images: int
    per_class: tuple[ClassScore, ...]
    outcomes: NDArray[np.uint8]
    matched: NDArray[np.int64]
    truths_left_out: NDArray[np.bool_]
    more: Mapping[str, float] = field(default_factory=dict)

    @property
    def average_precisions(self) -> NDArray[np.float64]:
        """Of the classes that have one."""
        return np.array([one.average_precision for one in self.per_class if one.average_precision is not None])

    @property
    def num_classes(self) -> int:
        """How many classes the means cover."""
        return len(self.average_precisions)

    @property
    def mean_average_precision(self) -> float | None:
        """Plain mean over the classes that have ground truth; None where none has."""
        return float(self.average_precisions.mean()) if self.num_classes else None

    @property
    def median_average_precision(self) -> float | None:
        """Median over the same classes."""
        return float(np.median(self.average_precisions)) if self.num_classes else None

    @property
    def num_ground_truths(self) -> int:
        """Objects that count."""
        return sum(one.num_ground_truths for one in self.per_class)

    @property
    def num_detections(self) -> int:
        """On images that are scored."""
        return len(self.outcomes)
