"""Average precision by the size of objects: COCO's bins, and percentiles of each class.

Size is the area of the box, in pixels. In a bin, objects of other bins do not count, nor do detections that found one
of them; a detection that found nothing counts as wrong only if its own box belongs in the bin (COCO's rule). What
found what is as in the evaluation; COCO's own code matches anew in every bin, which differs only for a detection that
reaches objects in two bins.

- `coco`: small, medium, large: below 32² pixels, to 96², above. COCO takes the areas of outlines, which are smaller
  than those of boxes, and counts an object of exactly 32² or 96² twice.
- `class_percentiles`: XS, S, M, L, XL: the smallest 10 % of the objects of a class, then 20, 40, 20, 10 % (Hoiem et
  al., Diagnosing error in object detectors, 2012). An object's percentile is the share of objects of its class that
  are smaller, plus half of those that are as large. A class with six objects of different size is in every bin, so
  that means over different bins are of the same classes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from detect.ground_truth import GroundTruth
from detect.predictions import Predictions
from detect.scoring.analysis_results import SizeBin, SizeBins
from detect.scoring.rescoring import Rescorer
from detect.scoring.results import HIT, IGNORED, MISS, Evaluation

Bins = NDArray[np.int64]  # of each object or detection, a position in COCO or PERCENTILES

COCO = ("small", "below 32² pixels"), ("medium", "32² to 96² pixels"), ("large", "above 96² pixels")
PERCENTILES = (
    ("XS", "smallest 10 % of each class"),
    ("S", "10 to 30 % of each class"),
    ("M", "30 to 70 % of each class"),
    ("L", "70 to 90 % of each class"),
    ("XL", "largest 10 % of each class"),
)
_EDGES = (10, 30, 70, 90)  # percent


def by_size(
    truth: GroundTruth, predictions: Predictions, evaluation: Evaluation, rescore: Rescorer
) -> tuple[SizeBins, ...]:
    """Average precision in the bins of both schemes."""
    counting = ~evaluation.truths_left_out
    object_areas, detection_areas = areas(truth.boxes), areas(predictions.boxes)
    percentiles = percentile_bins(object_areas[counting], truth.labels[counting], len(truth.classes))

    def averages(names: tuple[tuple[str, str], ...], of_objects: Bins, of_detections: Bins) -> tuple[SizeBin, ...]:
        bins = []
        for number, (name, about) in enumerate(names):
            inside = counting & (of_objects == number)
            counts = np.bincount(truth.labels[inside], minlength=len(truth.classes))
            averages = rescore(_outcomes_in(evaluation, inside, of_detections == number), totals=counts)
            bins.append(SizeBin(name, about, counts, np.where(counts > 0, averages, np.nan)))
        return tuple(bins)

    return (
        SizeBins("coco", averages(COCO, coco_bins(object_areas), coco_bins(detection_areas))),
        SizeBins(
            "class_percentiles",
            averages(
                PERCENTILES, percentiles(object_areas, truth.labels), percentiles(detection_areas, predictions.labels)
            ),
        ),
    )


def areas(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 4) → (N,) pixels; 0 for a reversed box."""
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0.0)
    product: NDArray[np.float64] = sides[:, 0] * sides[:, 1]
    return product


def coco_bins(areas: NDArray[np.float64]) -> Bins:
    """(N,) positions in COCO."""
    return (areas >= 32**2).astype(np.int64) + (areas > 96**2)


def percentile_bins(
    object_areas: NDArray[np.float64], object_labels: NDArray[np.int64], num_classes: int
) -> Callable[[NDArray[np.float64], NDArray[np.int64]], Bins]:
    """Positions in PERCENTILES of areas and labels (N,), (N,) → (N,), among these objects.

    A class without objects has everything in XS.
    """
    of_class = [np.sort(object_areas[object_labels == label]) for label in range(num_classes)]

    def bins(areas: NDArray[np.float64], labels: NDArray[np.int64]) -> Bins:
        order = np.argsort(labels, kind="stable")
        ends = np.searchsorted(labels[order], np.arange(num_classes + 1))
        found = np.zeros(len(areas), np.int64)
        for label, known in enumerate(of_class):
            here = order[ends[label] : ends[label + 1]]
            # Smaller, plus half of the equal ones, in halves, so that percents compare in whole numbers.
            halves = np.searchsorted(known, areas[here]) + np.searchsorted(known, areas[here], side="right")
            found[here] = sum(50 * halves >= edge * len(known) for edge in _EDGES) if len(known) else 0
        return found

    return bins


def _outcomes_in(
    evaluation: Evaluation, objects: NDArray[np.bool_], detections: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Outcomes when only these objects count, and of detections that found nothing only these."""
    outcomes: NDArray[np.uint8] = evaluation.outcomes.copy()
    hits = np.flatnonzero(outcomes == HIT)
    outcomes[hits[~objects[evaluation.matched[hits]]]] = IGNORED
    outcomes[(outcomes == MISS) & ~detections] = IGNORED
    return outcomes
