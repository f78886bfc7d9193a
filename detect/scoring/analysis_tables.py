"""An analysis as json and as text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from detect.class_tables import DetectionClass
from detect.scoring.analysis_results import Analysis, ErrorCost, Errors, ProposalCoverage, SizeBin
from detect.scoring.proposal_coverage import COVERED

SHOWN_CONFUSIONS = 5
HEADINGS = {"coco": "size of objects, area of the box", "class_percentiles": "size of objects within their class"}


def analysis_metrics(analysis: Analysis, classes: Sequence[DetectionClass]) -> dict[str, Any]:
    """What an analysis adds to `metrics.json`: `errors`, `by_size`, `confusions`, and `proposals` if there are any.

    A figure that there is not (a class without ground truth, a size without objects) is None.
    """
    content: dict[str, Any] = {
        "errors": _errors(analysis.errors, classes),
        "by_size": {scheme.name: {one.name: _size(one) for one in scheme.bins} for scheme in analysis.sizes},
        "confusions": [
            {
                "predicted": _class(classes, one.predicted),
                "actual": _class(classes, one.actual),
                "num_detections": one.count,
            }
            for one in analysis.confusions
        ],
    }
    if analysis.coverage is not None:
        content["proposals"] = _coverage(analysis.coverage, analysis.errors, classes)
    return content


def why(analysis: Analysis, classes: Sequence[DetectionClass]) -> str:
    """What each type of error costs, average precision by size, and the most confused classes, as text."""
    errors = analysis.errors
    totals = ("all false positives", errors.false_positives), ("all false negatives", errors.false_negatives)
    lines = [f"{'errors (TIDE)':42}{'number':>10}{'AP it costs':>13}"]
    lines += [f"{one.name:42}{one.count:>10,}{_shown(one.mean_cost):>13}" for one in errors.costs]
    lines += [f"{name:42}{one.count:>10,}{_shown(one.mean_cost):>13}" for name, one in totals]
    for scheme in analysis.sizes:
        lines += ["", f"{HEADINGS[scheme.name]:42}{'objects':>10}{'classes':>9}{'mean AP':>9}"]
        for one in scheme.bins:
            figures = f"{one.count:>10,}{one.num_classes:>9}{_shown(one.mean_average_precision):>9}"
            lines.append(f"{one.name + ': ' + one.about:42}{figures}")
    if analysis.confusions:
        lines += ["", f"{'most confused':42}{'number':>10}"]
    for pair in analysis.confusions[:SHOWN_CONFUSIONS]:
        taken = f"{classes[pair.actual].name} taken for {classes[pair.predicted].name}"
        lines.append(f"{taken:42}{pair.count:>10,}")
    if analysis.coverage is not None:
        lines += ["", _covered(analysis.coverage, errors)]
    return "\n".join(lines)


def _errors(errors: Errors, classes: Sequence[DetectionClass]) -> dict[str, Any]:
    return {
        "mAP": errors.mean_average_precision,
        "types": {one.name: _cost(one) for one in errors.costs},
        "false_positives": _cost(errors.false_positives),
        "false_negatives": _cost(errors.false_negatives),
        "per_class": [
            {
                **_class(classes, label),
                "count": {one.name: int(one.counts[label]) for one in errors.costs},
                "dAP": {one.name: _number(one.costs[label]) for one in errors.costs},
            }
            for label in range(len(classes))
        ],
    }


def _cost(one: ErrorCost) -> dict[str, Any]:
    return {"count": one.count, "dAP": one.mean_cost}


def _size(one: SizeBin) -> dict[str, Any]:
    return {
        "about": one.about,
        "mAP": one.mean_average_precision,
        "num_ground_truths": one.count,
        "num_classes_in_mean": one.num_classes,
    }


def _coverage(coverage: ProposalCoverage, errors: Errors, classes: Sequence[DetectionClass]) -> dict[str, Any]:
    names = ["all" if budget is None else str(budget) for budget in coverage.budgets]
    return {
        "coverage": dict(zip(names, map(coverage.mean_coverage, coverage.budgets), strict=True)),
        "num_missed": int(errors.missed.sum()),
        "num_missed_without_proposal": _uncovered(coverage, errors),
        "per_class": [
            {
                **_class(classes, label),
                "num_ground_truths": int(coverage.counts[label]),
                "coverage": dict(zip(names, map(_number, coverage.coverage[:, label]), strict=True)),
                "ABO": dict(zip(names, map(_number, coverage.average_best_overlaps[:, label]), strict=True)),
            }
            for label in range(len(classes))
        ],
    }


def _covered(coverage: ProposalCoverage, errors: Errors) -> str:
    return (
        f"proposals cover {_shown(coverage.mean_coverage(None))} of the objects (IoU >= {COVERED}); of the "
        f"{int(errors.missed.sum()):,} missed ones {_uncovered(coverage, errors):,} had none"
    )


def _uncovered(coverage: ProposalCoverage, errors: Errors) -> int:
    return int(np.sum(coverage.overlaps[errors.missed] < COVERED))


def _class(classes: Sequence[DetectionClass], label: int) -> dict[str, Any]:
    return {"label": label, "wnid": classes[label].wnid, "name": classes[label].name}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
