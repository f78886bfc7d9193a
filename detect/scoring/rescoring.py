"""What the average precision of every class would be, had some detections or objects been otherwise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detect.ground_truth import GroundTruth
from detect.predictions import Predictions
from detect.scoring.average_precision import area, eleven_points, hundred_and_one_points, precision_recall
from detect.scoring.results import HIT, MISS, Evaluation, Protocol


class Rescorer:
    """Takes average precision as the protocol of an evaluation does, for `coco` at IoU 0.5.

    Attributes:
        order: (N,) int64, all detections, best first, in the order in which the protocol judges them.
        totals: (K,) int64, objects that count.
        average_precisions: (K,) float64, as the evaluation has them (AP50 for `coco`); NaN for a class without.
    """

    def __init__(self, truth: GroundTruth, predictions: Predictions, evaluation: Evaluation) -> None:
        self.order = _order(truth, predictions, evaluation.protocol)
        self.totals = np.array([one.num_ground_truths for one in evaluation.per_class], np.int64)
        self._protocol, self._labels = evaluation.protocol, predictions.labels
        self._by_class = self._sorted_by_class(predictions.labels)
        self.average_precisions = self(evaluation.outcomes)

    def __call__(
        self,
        outcomes: NDArray[np.uint8],
        *,
        labels: NDArray[np.int64] | None = None,
        totals: NDArray[np.int64] | None = None,
    ) -> NDArray[np.float64]:
        """Average precisions.

        Args:
            outcomes: (N,) HIT, MISS, or IGNORED of each detection.
            labels: (N,) of the detections; None: as they are.
            totals: (K,) objects; None: as they are. A class without objects has 0 if it has some as things are: then
                nothing of it was found, and there is no curve.
        Returns:
            (K,) float64; NaN for a class that has no objects as things are.
        """
        sorted_, ends = self._by_class if labels is None else self._sorted_by_class(labels)
        given = self.totals if totals is None else totals
        averages = np.full(len(self.totals), np.nan)
        for label in np.flatnonzero(self.totals):
            of_class = outcomes[sorted_[ends[label] : ends[label + 1]]]
            averages[label] = _average(self._protocol, of_class == HIT, of_class == MISS, int(given[label]))
        return averages

    def _sorted_by_class(self, labels: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Detections class after class, each best first, and (K + 1,) where each class begins."""
        narrow = labels[self.order].astype(np.min_scalar_type(max(len(self.totals) - 1, 0)))  # radix sort
        ends = np.concatenate(([0], np.cumsum(np.bincount(labels, minlength=len(self.totals)))))
        return self.order[np.argsort(narrow, kind="stable")], ends


def _order(truth: GroundTruth, predictions: Predictions, protocol: Protocol) -> NDArray[np.int64]:
    """By descending score; equal ones by the number of the image and then as in the file, for VOC as in the file."""
    if protocol in ("voc07", "voc10"):
        return np.argsort(-predictions.scores, kind="stable")
    by_image = np.argsort(truth.numbers[predictions.image_of], kind="stable")
    order: NDArray[np.int64] = by_image[np.argsort(-predictions.scores[by_image], kind="stable")]
    return order


def _average(protocol: Protocol, hits: NDArray[np.bool_], misses: NDArray[np.bool_], total: int) -> float:
    precision, recall = precision_recall(hits, misses, total)
    if protocol == "voc07":
        return eleven_points(precision, hits, total)
    return hundred_and_one_points(precision, recall) if protocol == "coco" else area(precision, recall)
