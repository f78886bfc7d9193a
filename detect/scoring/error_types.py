"""What is wrong with every false positive: the types of TIDE (Bolya et al., ECCV 2020)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detect.ground_truth import GroundTruth
from detect.predictions import Predictions
from detect.scoring.analysis_results import (
    BACKGROUND,
    BOTH,
    CLASSIFICATION,
    DUPLICATE,
    LOCALISATION,
    NO_ERROR,
)
from detect.scoring.ilsvrc import thresholds
from detect.scoring.matching import look_around
from detect.scoring.results import HIT, MISS, Evaluation

FOREGROUND = 0.5  # least IoU that finds an object; `ilsvrc` has its own for every object
NEAR = 0.1  # least IoU that is more than background


def error_types(
    truth: GroundTruth, predictions: Predictions, evaluation: Evaluation
) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    """The type of every false positive, and the object it is about.

    A detection reaches an object if their IoU is at least the object's threshold, and is near it from 0.1 on. Objects
    that do not count are as if they were not there. In the order of TIDE's own code, a false positive is
    - LOCALISATION if it reaches no object of its class, but is near one;
    - else CLASSIFICATION if it reaches an object of another class;
    - else DUPLICATE if it reaches an object of its class, which another detection has found before;
    - else BOTH if it is near an object, which then is of another class;
    - else BACKGROUND.
    Of several objects it is about the one of highest IoU, the first of these in the data set's order.

    TIDE knows one threshold for all objects. With ILSVRC's, which are lower for small objects, a detection can reach
    one that it is not near.

    Returns:
        types: (N,) int8, NO_ERROR for what is no false positive.
        objects: (N,) int64, as in `Errors.objects`.
    """
    wrong = np.flatnonzero(evaluation.outcomes == MISS)
    counting = np.flatnonzero(~evaluation.truths_left_out)
    begins = np.searchsorted(truth.image_of[counting], np.arange(len(truth.images) + 1))
    images, boxes = predictions.image_of[wrong], truth.boxes[counting]
    around = look_around(
        predictions.boxes[wrong],
        predictions.labels[wrong],
        begins[images],
        begins[images + 1],
        boxes,
        truth.labels[counting],
        thresholds(boxes) if evaluation.protocol == "ilsvrc" else np.full(len(boxes), FOREGROUND),
        NEAR,
    )
    same_reached, other_reached, same_near, any_near = around.T
    kinds = {  # the first that holds
        LOCALISATION: ((same_reached < 0) & (same_near >= 0), same_near),
        CLASSIFICATION: (other_reached >= 0, other_reached),
        DUPLICATE: (same_reached >= 0, same_reached),
        BOTH: (any_near >= 0, any_near),
    }
    conditions = [condition for condition, _ in kinds.values()]
    places = np.select(conditions, [place for _, place in kinds.values()], -1)
    types = np.full(len(predictions), NO_ERROR, np.int8)
    types[wrong] = np.select(conditions, list(kinds), BACKGROUND)
    objects = np.full(len(predictions), -1, np.int64)
    objects[wrong[places >= 0]] = counting[places[places >= 0]]
    return types, objects


def found_objects(evaluation: Evaluation) -> NDArray[np.bool_]:
    """(M,) objects that a detection has found."""
    found = np.zeros(len(evaluation.truths_left_out), np.bool_)
    found[evaluation.matched[evaluation.outcomes == HIT]] = True
    return found
