"""From the outcomes of each class to an evaluation: what ILSVRC's and VOC's scoring share."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detect.ground_truth import GroundTruth
from detect.scoring.average_precision import precision_recall
from detect.scoring.class_slices import ClassSlice, ClassSlices
from detect.scoring.results import HIT, MISS, ClassScore, Evaluation, Protocol


@dataclass(frozen=True)
class Judged:
    """Outcomes of one class, in the order of its slice.

    Attributes:
        outcomes: (n,) uint8 HIT, MISS or IGNORED.
        matched: (n,) int64, the object in the slice's `truths`, or -1.
    """

    outcomes: NDArray[np.uint8]
    matched: NDArray[np.int64]


@dataclass(frozen=True)
class Curve:
    """One class: precision and recall after each detection, and what they were made of."""

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    hits: NDArray[np.bool_]
    num_truths: int


def evaluation_of(
    protocol: Protocol,
    truth: GroundTruth,
    slices: ClassSlices,
    judge: Callable[[ClassSlice], Judged],
    average: Callable[[Curve], float],
    *,
    truths_left_out: NDArray[np.bool_],
    threads: int,
) -> Evaluation:
    """Judge every class and average its curve.

    Args:
        judge: outcomes of one class; called from several threads.
        average: average precision of a class with ground truth.
        truths_left_out: (M,) objects that do not count.
        threads: classes at work at the same time; the result does not depend on it.
    """
    counting = np.bincount(truth.labels[~truths_left_out], minlength=len(truth.classes))
    outcomes = np.zeros(slices.num_detections, np.uint8)
    matched = np.full(slices.num_detections, -1, np.int64)

    def score(label: int) -> ClassScore:
        one = slices[label]
        judged = judge(one)
        outcomes[one.detections] = judged.outcomes  # each class has its own places
        found = judged.matched >= 0
        matched[one.detections[found]] = one.truths[judged.matched[found]]
        hits, misses = judged.outcomes == HIT, judged.outcomes == MISS
        num_truths = int(counting[label])
        precision, recall = precision_recall(hits, misses, num_truths)
        return ClassScore(
            label=label,
            detection_class=truth.classes[label],
            average_precision=average(Curve(precision, recall, hits, num_truths)) if num_truths else None,
            num_ground_truths=num_truths,
            num_detections=len(one.detections),
            detections=one.detections,
            precision=precision,
            recall=recall,
        )

    with ThreadPoolExecutor(threads) as pool:
        per_class = tuple(pool.map(score, range(len(slices))))
    return Evaluation(protocol, len(truth.images), per_class, outcomes, matched, truths_left_out)
