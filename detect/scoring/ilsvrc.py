"""ILSVRC's detection task, as `eval_detection.m` of its devkit scores it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detect.ground_truth import GroundTruth
from detect.predictions import Predictions
from detect.scoring.average_precision import area
from detect.scoring.class_slices import ClassSlice, ClassSlices
from detect.scoring.judged_classes import Judged, evaluation_of
from detect.scoring.matching import match_best_unmatched
from detect.scoring.results import HIT, IGNORED, MISS, Evaluation

LEAST_OVERLAP = 0.5
TOLERANCE = 10  # pixels, which matter for small objects only


def evaluate_ilsvrc(
    truth: GroundTruth, predictions: Predictions, blacklist: NDArray[np.int64], threads: int
) -> Evaluation:
    """Score by ILSVRC's rule.

    Per image and class, by descending score, a detection finds the best still unmatched object whose threshold its
    IoU reaches; else it is a false positive. Equal scores go by the number of the image, then as in the file.
    Average precision is the area under the envelope of the curve.

    Args:
        blacklist: (B, 2) positions of images and labels: detections of the class on the image count neither way, and
            its objects leave the total.
    Raises:
        ValueError: if the ground truth has objects marked as ignored, which this rule does not know.
    """
    if truth.ignored.any():
        raise ValueError(
            f"protocol ilsvrc: {truth.ignored.sum()} objects of the ground truth are difficult or crowds, which ILSVRC "
            "does not know; voc10 and coco do"
        )
    listed = np.zeros((len(truth.images), len(truth.classes)), np.bool_)
    listed[blacklist[:, 0], blacklist[:, 1]] = True
    detections_left_out = listed[predictions.image_of, predictions.labels]

    def judge(one: ClassSlice) -> Judged:
        return judge_class(one, detections_left_out[one.detections])

    return evaluation_of(
        "ilsvrc",
        truth,
        ClassSlices(truth, predictions, by_image=True),
        judge,
        lambda curve: area(curve.precision, curve.recall),
        truths_left_out=listed[truth.image_of, truth.labels],
        threads=threads,
    )


def judge_class(one: ClassSlice, left_out: NDArray[np.bool_]) -> Judged:
    """Outcomes of one class.

    Args:
        left_out: (n,) detections on images where the class is blacklisted.
    """
    counts = np.flatnonzero(~left_out)
    found = match_best_unmatched(
        one.boxes[counts], one.first[counts], one.last[counts], one.truth_boxes, thresholds(one.truth_boxes)
    )
    outcomes = np.full(len(left_out), IGNORED, np.uint8)
    outcomes[counts] = np.where(found >= 0, HIT, MISS)
    matched = np.full(len(left_out), -1, np.int64)
    matched[counts] = found
    return Judged(outcomes, matched)


def thresholds(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """(M,) the IoU that finds each object: min(0.5, w h / ((w + 10) (h + 10))), below 0.5 for small ones."""
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    return np.minimum(LEAST_OVERLAP, width * height / ((width + TOLERANCE) * (height + TOLERANCE)))
