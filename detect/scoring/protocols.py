"""Scoring under any protocol."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detect.ground_truth import GroundTruth
from detect.predictions import Predictions
from detect.scoring.coco import evaluate_coco
from detect.scoring.ilsvrc import evaluate_ilsvrc
from detect.scoring.results import PROTOCOLS, Evaluation, Protocol
from detect.scoring.voc import evaluate_voc


def evaluate(
    truth: GroundTruth,
    predictions: Predictions,
    protocol: Protocol = "ilsvrc",
    *,
    blacklist: NDArray[np.int64] | None = None,
    threads: int = 2,
) -> Evaluation:
    """Average precision per class, its mean, and what became of every detection. Prints nothing.

    A class without ground truth that counts has no average precision, and the mean leaves it out. (ILSVRC's own code
    gives such a class NaN if it has detections, 0 if it has none, and either goes into its mean; VOC's likewise;
    COCO's says -1 and leaves it out.)

    Args:
        protocol: whose rule: `ilsvrc`, `voc07`, `voc10`, `coco`; see `evaluate_ilsvrc` and so on.
        blacklist: ILSVRC only, see `read_blacklist`; None: empty.
        threads: for the first three; the result does not depend on it.
    Raises:
        ValueError: if the predictions are not of this ground truth, the protocol is unknown, a blacklist is given to
            another protocol, or as the rules say.
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"protocol: expected one of {', '.join(PROTOCOLS)}, got {protocol!r}")
    if blacklist is not None and protocol != "ilsvrc":
        raise ValueError(f"blacklist: expected protocol ilsvrc with it, got {protocol}")
    _check_range("image_of", predictions.image_of, len(truth.images))
    _check_range("labels", predictions.labels, len(truth.classes))
    if protocol == "ilsvrc":
        pairs = np.empty((0, 2), np.int64) if blacklist is None else blacklist
        return evaluate_ilsvrc(truth, predictions, pairs, threads)
    if protocol == "coco":
        return evaluate_coco(truth, predictions)
    return evaluate_voc(protocol, truth, predictions, threads)


def _check_range(name: str, values: NDArray[np.int64], below: int) -> None:
    if len(values) and (values.min() < 0 or values.max() >= below):
        raise ValueError(f"predictions.{name}: expected 0..{below - 1} of this ground truth, got others")
