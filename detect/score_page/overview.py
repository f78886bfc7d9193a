"""The part of the page that stands there before any class is opened: figures, bars and the table of classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from detect.score_page.page_data import rounded
from detect.score_page.visible_text import visible
from detect.scoring.analysis_results import ERROR_TYPES, Analysis, ErrorCost, ProposalCoverage, SizeBins
from detect.scoring.results import Evaluation

RULES = {
    "ilsvrc": "an object is found at an IoU of 0.5 (small ones at less), by the best detection left; AP is the area "
    "under the precision envelope.",
    "voc07": "an object is found at an IoU of 0.5, once; AP is the mean of precision at 11 recalls. Difficult objects "
    "count neither way.",
    "voc10": "an object is found at an IoU of 0.5, once; AP is the area under the precision envelope. Difficult "
    "objects count neither way.",
    "coco": "AP is precision at 101 recalls, averaged over IoU 0.5, 0.55, …, 0.95. Curves, errors and sizes are at "
    "IoU 0.5.",
}
PROTOCOL_NAMES = {"ilsvrc": "ILSVRC", "voc07": "VOC 2007", "voc10": "VOC 2010", "coco": "COCO"}
ERRORS = {
    "classification": "on an object of another class",
    "localisation": "the right class, a box too far off",
    "both": "the wrong class, and a box too far off",
    "duplicate": "an object that was found already",
    "background": "nothing annotated there",
    "missed": "objects that no box came near",
    "false positives": "all of the first five",
    "false negatives": "all objects that were not found",
}
LEAST_SCALE = 0.1  # AP at the end of the bars of errors, where nothing costs more
SIZES = {
    "coco": "Area of the box",
    "class_percentiles": "Rank among the objects of the class",
}


@dataclass(frozen=True)
class ClassRow:
    """One class in the table; `loss`: its most costly type of error."""

    label: int
    name: str
    wnid: str
    ap: float | None
    objects: int
    detections: int
    f1: float | None
    coverage: float | None
    loss: dict[str, Any] | None


def overview(evaluation: Evaluation, analysis: Analysis | None, classes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the template is given, names included.

    Args:
        analysis: None: the reasons are left out.
        classes: of `ClassFacts`, in label order.
    """
    rows = [_row(label, one) for label, one in enumerate(classes)]
    best_first = sorted(rows, key=lambda row: (row.ap is None, -(row.ap or 0.0)))
    return {
        "summary": _summary(evaluation),
        "strip": [row for row in best_first if row.ap is not None],
        "rows": best_first,
        **_errors(analysis),
        "sizes": [_sizes(one) for one in analysis.sizes] if analysis else [],
        "confusions": [
            {"predicted": rows[one.predicted], "actual": rows[one.actual], "count": one.count}
            for one in (analysis.confusions if analysis else ())
        ],
        "coverage": _coverage(analysis.coverage) if analysis and analysis.coverage else [],
    }


def _summary(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "protocol": PROTOCOL_NAMES[evaluation.protocol],
        "rule": RULES[evaluation.protocol],
        "mean": evaluation.mean_average_precision,
        "mean_name": "mean AP",
        "median": evaluation.median_average_precision,
        "more": dict(evaluation.more),
        "covered": evaluation.num_classes,
        "classes": len(evaluation.per_class),
        "images": evaluation.num_images,
        "objects": evaluation.num_ground_truths,
        "detections": evaluation.num_detections,
    }


def _row(label: int, one: dict[str, Any]) -> ClassRow:
    costs = [0.0, *(cost or 0.0 for _, cost in one["errors"])]
    worst = int(np.argmax(costs))
    loss = {"name": ERROR_TYPES[worst - 1], "cost": costs[worst]} if worst else None
    return ClassRow(
        label=label,
        name=one["name"],
        wnid=one["wnid"],
        ap=one["ap"],
        objects=one["objects"],
        detections=one["detections"],
        f1=None if one["f1"] is None else one["f1"]["f1"],
        coverage=one["coverage"],
        loss=loss,
    )


def _errors(analysis: Analysis | None) -> dict[str, Any]:
    if analysis is None:
        return {"errors": [], "errors_most": 0}
    errors = analysis.errors
    types = [_error(one, sum_=False) for one in errors.costs]
    sums = [_error(one, sum_=True) for one in (errors.false_positives, errors.false_negatives)]
    most = max(LEAST_SCALE, *(one["cost"] or 0.0 for one in (*types, *sums)))
    return {"errors": [*types, *sums], "errors_most": most}


def _error(one: ErrorCost, *, sum_: bool) -> dict[str, Any]:
    cost = rounded(one.mean_cost, 5)
    return {"name": one.name, "about": ERRORS.get(one.name, ""), "count": one.count, "cost": cost, "sum": sum_}


def _sizes(one: SizeBins) -> dict[str, Any]:
    bins = [
        {
            "name": visible(each.name),
            "about": visible(each.about),
            "count": each.count,
            "classes": each.num_classes,
            "ap": rounded(each.mean_average_precision, 5),
        }
        for each in one.bins
    ]
    return {"about": SIZES.get(one.name, one.name), "bins": bins}


def _coverage(coverage: ProposalCoverage) -> list[dict[str, Any]]:
    return [
        {"name": "all" if budget is None else f"{budget:,}", "share": rounded(coverage.mean_coverage(budget), 5)}
        for budget in coverage.budgets
    ]
