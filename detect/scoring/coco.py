"""COCO's rule, computed by pycocotools."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detect.ground_truth import GroundTruth
from detect.predictions import Predictions
from detect.scoring.results import HIT, IGNORED, MISS, ClassScore, Evaluation

MOST_DETECTIONS = 100  # of a class on an image
_AT_50, _AT_75 = 0, 5  # places in COCO's thresholds 0.5, 0.55, ..., 0.95


def evaluate_coco(truth: GroundTruth, predictions: Predictions) -> Evaluation:
    """Score by COCO's rule: AP at 101 recalls, averaged over IoU 0.5, 0.55, ..., 0.95.

    Of each image and class the 100 best detections are looked at. With equal scores, those go by the file, and over
    images by their numbers.

    Objects marked as ignored are taken as crowds: a detection is compared with them by the share of itself that lies
    inside, and any number of detections in one counts neither way. `Evaluation.more` has AP50 and AP75. COCO's AP by
    size is not here: it needs the areas of the objects' outlines.
    """
    evaluator = _evaluated(truth, predictions)
    precision = evaluator.eval["precision"][:, :, :, 0, 0]  # thresholds, recalls, classes; -1: no ground truth
    recalls = np.asarray(evaluator.params.recThrs, np.float64)
    outcomes, matched = _outcomes(evaluator, len(predictions))
    counting = np.bincount(truth.labels[~truth.ignored], minlength=len(truth.classes))
    detected = np.bincount(predictions.labels, minlength=len(truth.classes))
    per_class = []
    for label, one in enumerate(truth.classes):
        counts = bool(counting[label])
        per_class.append(
            ClassScore(
                label=label,
                detection_class=one,
                average_precision=float(precision[:, :, label].mean()) if counts else None,
                num_ground_truths=int(counting[label]),
                num_detections=int(detected[label]),
                detections=np.flatnonzero(predictions.labels == label),
                precision=precision[_AT_50, :, label].copy() if counts else np.empty(0),
                recall=recalls.copy() if counts else np.empty(0),
            )
        )
    covered = counting > 0
    means = {"AP50": _AT_50, "AP75": _AT_75} if covered.any() else {}
    more = {name: float(precision[at][:, covered].mean()) for name, at in means.items()}
    return Evaluation("coco", len(truth.images), tuple(per_class), outcomes, matched, truth.ignored.copy(), more)


def _evaluated(truth: GroundTruth, predictions: Predictions) -> Any:
    """A COCOeval after `accumulate`. What pycocotools prints is dropped."""
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        evaluator = COCOeval(
            _coco(truth, _truth_rows(truth)), _coco(truth, _prediction_rows(truth, predictions)), "bbox"
        )
        evaluator.params.areaRng, evaluator.params.areaRngLbl = [[0, 1e10]], ["all"]
        evaluator.params.maxDets = [MOST_DETECTIONS]
        evaluator.params.imgIds = sorted(truth.numbers.tolist())
        evaluator.params.catIds = list(range(1, len(truth.classes) + 1))
        evaluator.evaluate()
        evaluator.accumulate()
    return evaluator


def _coco(truth: GroundTruth, annotations: list[dict[str, Any]]) -> Any:
    from pycocotools.coco import COCO

    coco = COCO()
    coco.dataset = {
        "images": [{"id": number} for number in truth.numbers.tolist()],
        "categories": [{"id": label + 1} for label in range(len(truth.classes))],
        "annotations": annotations,
    }
    coco.createIndex()
    return coco


def _truth_rows(truth: GroundTruth) -> list[dict[str, Any]]:
    rows = _rows(truth.numbers[truth.image_of], truth.labels, truth.boxes)
    return [{**row, "iscrowd": int(crowd)} for row, crowd in zip(rows, truth.ignored.tolist(), strict=True)]


def _prediction_rows(truth: GroundTruth, predictions: Predictions) -> list[dict[str, Any]]:
    rows = _rows(truth.numbers[predictions.image_of], predictions.labels, predictions.boxes)
    return [{**row, "iscrowd": 0, "score": score} for row, score in zip(rows, predictions.scores.tolist(), strict=True)]


def _rows(numbers: NDArray[np.int64], labels: NDArray[np.int64], boxes: NDArray[np.float64]) -> list[dict[str, Any]]:
    """Annotations; ids are positions from 1, since pycocotools takes 0 for no match.

    A reversed box gets area 0: one below 0 is outside COCO's range "all", and would not count as wrong.
    """
    xywh = np.hstack((boxes[:, :2], np.maximum(boxes[:, 2:] - boxes[:, :2], 0)))
    columns = zip(
        numbers.tolist(), (labels + 1).tolist(), xywh.tolist(), xywh[:, 2:].prod(axis=1).tolist(), strict=True
    )
    return [
        {"id": i, "image_id": image, "category_id": category, "bbox": box, "area": area}
        for i, (image, category, box, area) in enumerate(columns, start=1)
    ]


def _outcomes(evaluator: Any, detections: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Outcomes and matched objects at IoU 0.5; what pycocotools has not looked at is IGNORED."""
    outcomes, matched = np.full(detections, IGNORED, np.uint8), np.full(detections, -1, np.int64)
    for one in evaluator.evalImgs:
        if one is None or not one["dtIds"]:
            continue
        places = np.array(one["dtIds"], np.int64) - 1
        matched[places] = one["dtMatches"][_AT_50].astype(np.int64) - 1
        ignored = one["dtIgnore"][_AT_50].astype(np.bool_)
        outcomes[places] = np.where(ignored, IGNORED, np.where(matched[places] >= 0, HIT, MISS))
    return outcomes, matched
