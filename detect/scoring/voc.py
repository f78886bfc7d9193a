"""PASCAL VOC, as `VOCevaldet.m` of its devkits scores it.

One exception, of `voc07`: recall is compared with its 11 levels in whole numbers, `average_precision.eleven_points`.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from detect.ground_truth import GroundTruth
from detect.predictions import Predictions
from detect.scoring.average_precision import area, eleven_points
from detect.scoring.class_slices import ClassSlice, ClassSlices
from detect.scoring.judged_classes import Curve, Judged, evaluation_of
from detect.scoring.matching import match_most_overlapping
from detect.scoring.results import HIT, IGNORED, MISS, Evaluation

LEAST_OVERLAP = 0.5


def evaluate_voc(
    protocol: Literal["voc07", "voc10"], truth: GroundTruth, predictions: Predictions, threads: int
) -> Evaluation:
    """Score by VOC's rule: `voc07` takes precision at 11 recalls, `voc10` the area under the envelope.

    By descending score over all images, a detection goes to the object of its class and image that it overlaps most.
    With an IoU of at least 0.5 it finds it, or is a false positive if that object has been found before; if the
    object is "difficult" the detection counts neither way. Equal scores go as in the file.
    """

    def judge(one: ClassSlice) -> Judged:
        return judge_class(one, truth.ignored[one.truths])

    def eleven(curve: Curve) -> float:
        return eleven_points(curve.precision, curve.hits, curve.num_truths)

    return evaluation_of(
        protocol,
        truth,
        ClassSlices(truth, predictions, by_image=False),
        judge,
        eleven if protocol == "voc07" else lambda curve: area(curve.precision, curve.recall),
        truths_left_out=truth.ignored.copy(),
        threads=threads,
    )


def judge_class(one: ClassSlice, difficult: NDArray[np.bool_]) -> Judged:
    """Outcomes of one class.

    Args:
        difficult: (m,) objects that count neither way.
    """
    nearest, overlaps = match_most_overlapping(one.boxes, one.first, one.last, one.truth_boxes)
    near = np.flatnonzero(overlaps >= LEAST_OVERLAP)
    objects = nearest[near]
    outcomes = np.full(len(nearest), MISS, np.uint8)
    outcomes[near[difficult[objects]]] = IGNORED
    easy = near[~difficult[objects]]
    outcomes[easy[np.unique(nearest[easy], return_index=True)[1]]] = HIT  # the first to reach each object
    return Judged(outcomes, np.where(outcomes == MISS, -1, nearest))
