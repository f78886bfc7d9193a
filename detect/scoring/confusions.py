"""Which classes are taken for which."""

from __future__ import annotations

import numpy as np

from detect.ground_truth import GroundTruth
from detect.predictions import Predictions
from detect.scoring.analysis_results import CLASSIFICATION, Confusion, Errors


def most_confused(truth: GroundTruth, predictions: Predictions, errors: Errors, most: int) -> tuple[Confusion, ...]:
    """The pairs with most CLASSIFICATION errors, most first; equal ones by the label given, then the right one."""
    wrong = np.flatnonzero(errors.types == CLASSIFICATION)
    pairs = predictions.labels[wrong] * len(truth.classes) + truth.labels[errors.objects[wrong]]
    values, counts = np.unique(pairs, return_counts=True)
    chosen = np.argsort(-counts, kind="stable")[:most]
    return tuple(
        Confusion(predicted=value // len(truth.classes), actual=value % len(truth.classes), count=count)
        for value, count in zip(values[chosen].tolist(), counts[chosen].tolist(), strict=True)
    )
