"""What is said of measured proposals: a table, `metrics.json` and `per_class.csv`."""

from __future__ import annotations

import csv
import io
import math
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detect.class_tables import ilsvrc_detection_classes
from detect.proposal_recall import MeasuredProposals
from proposals.recall import (
    Budget,
    average_best_overlap,
    average_recall,
    class_average_best_overlap,
    mean_average_best_overlap,
    recall,
)

THRESHOLDS = tuple(i / 100 for i in range(50, 101))  # IoU, of the curve against it
PROTOCOL = (
    "best IoU (continuous edges) of each ground-truth box with the first N proposals of its image, whatever the class; "
    "one proposal may serve several boxes"
)


def budget_name(budget: Budget) -> str:
    """`all`, or the number."""
    return "all" if budget is None else str(budget)


def report(measured: MeasuredProposals) -> dict[str, Any]:
    """The content of `metrics.json`; a figure that there is not (a class without objects) is None."""
    truth = measured.ground_truth
    return {
        "protocol": PROTOCOL,
        "num_images": len(truth.images),
        "num_ground_truths": len(measured.counted),
        "num_ignored": int(truth.ignored.sum()),
        "num_classes": len(truth.classes),
        "num_classes_with_ground_truth": len(np.unique(measured.labels)),
        "failed_images": list(measured.failed),
        "images_of_other_size": list(measured.other_size),
        "num_unused_files": measured.unused,
        "budgets": {budget_name(budget): _figures(measured, budget) for budget in measured.asked},
        "recall_against_iou": {
            "iou": list(THRESHOLDS),
            **{budget_name(budget): _rounded(recall(measured.at(budget), THRESHOLDS)) for budget in measured.asked},
        },
        "against_n": _against_n(measured),
        "per_class": _per_class(measured),
    }


def table(measured: MeasuredProposals) -> str:
    """For people: what was measured, and one line for each budget."""
    truth, figures = measured.ground_truth, {budget: _figures(measured, budget) for budget in measured.asked}
    covered = f"{len(np.unique(measured.labels))} of {len(truth.classes)} classes"
    lines = [
        f"{len(truth.images)} images with {len(measured.counted)} objects of {covered}",
        *textwrap.wrap(f"{PROTOCOL[0].upper()}{PROTOCOL[1:]}.", 100),
        "coverage: share at IoU >= 0.5; ABO: mean IoU; MABO: mean over those classes of their ABO;",
        "AR: mean share over IoU 0.5 to 1; N: the first N boxes of each image",
        "",
        f"{'N':>5} {'boxes/image':>12} {'coverage':>9} {'IoU>=0.7':>9} {'ABO':>7} {'MABO':>7} {'AR':>7}",
    ]
    for budget, row in figures.items():
        shown = "".join(
            f" {_shown(row[name]):>{width}}"
            for name, width in (("coverage", 9), ("recall_at_0.7", 9), ("ABO", 7), ("MABO", 7), ("AR", 7))
        )
        lines.append(f"{budget_name(budget):>5} {row['boxes_per_image']:>12.1f}{shown}")
    return "\n".join([*lines, *_remarks(measured)])


def per_class_csv(measured: MeasuredProposals) -> str:
    """A line for each class with objects: their number, ABO and coverage at each budget."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    names = [budget_name(budget) for budget in measured.asked]
    head = ["label", "wnid", "name", "num_ground_truths"]
    writer.writerow([*head, *(f"ABO@{name}" for name in names), *(f"coverage@{name}" for name in names)])
    for row in _per_class(measured):
        if row["num_ground_truths"]:
            figures = [row[metric][name] for metric in ("ABO", "coverage") for name in names]
            writer.writerow([*(row[column] for column in head), *figures])
    return file.getvalue()


def _figures(measured: MeasuredProposals, budget: Budget) -> dict[str, float | None]:
    overlaps, classes = measured.at(budget), len(measured.ground_truth.classes)
    return {
        "boxes_per_image": round(measured.mean_boxes(budget), 2),
        "coverage": _number(recall(overlaps, 0.5)),
        "recall_at_0.7": _number(recall(overlaps, 0.7)),
        "ABO": _number(average_best_overlap(overlaps)),
        "MABO": _number(mean_average_best_overlap(overlaps, measured.labels, classes)),
        "AR": _number(average_recall(overlaps)),
    }


def _overlaps(measured: MeasuredProposals, budgets: Sequence[Budget]) -> NDArray[np.float64]:
    """(len(budgets), M'), also without budgets."""
    rows = [measured.at(budget) for budget in budgets]
    return np.array(rows, np.float64).reshape(len(rows), len(measured.counted))


def _against_n(measured: MeasuredProposals) -> dict[str, list[Any]]:
    budgets = sorted(budget for budget in measured.budgets if budget is not None)
    overlaps = _overlaps(measured, budgets)
    return {
        "n": budgets,
        "recall_at_0.5": _rounded(recall(overlaps, 0.5)),
        "recall_at_0.7": _rounded(recall(overlaps, 0.7)),
        "AR": _rounded(average_recall(overlaps)),
    }


def _per_class(measured: MeasuredProposals) -> list[dict[str, Any]]:
    classes, labels = measured.ground_truth.classes, measured.labels
    overlaps = _overlaps(measured, measured.asked)
    names = [budget_name(budget) for budget in measured.asked]
    abo = class_average_best_overlap(overlaps, labels, len(classes))
    coverage = class_average_best_overlap((overlaps >= 0.5).astype(np.float64), labels, len(classes))
    counts = np.bincount(labels, minlength=len(classes))
    det_ids = {one.wnid: position for position, one in enumerate(ilsvrc_detection_classes(), start=1)}
    return [
        {
            "label": label,
            "det_id": det_ids.get(one.wnid),
            "wnid": one.wnid,
            "name": one.name,
            "num_ground_truths": int(counts[label]),
            "ABO": dict(zip(names, _rounded(abo[:, label]), strict=True)),
            "coverage": dict(zip(names, _rounded(coverage[:, label]), strict=True)),
        }
        for label, one in enumerate(classes)
    ]


def _remarks(measured: MeasuredProposals) -> list[str]:
    truth, failed, other = measured.ground_truth, measured.failed, measured.other_size
    ignored = int(truth.ignored.sum())
    remarks = [
        (ignored, f"{ignored} difficult or crowd objects left out."),
        (len(failed), f"{len(failed)} images could not be searched and count as having no proposals: {_some(failed)}."),
        (len(other), f"{len(other)} images have another size than the ground truth says: {_some(other)}."),
        (measured.unused, f"{measured.unused} other files were not used."),
    ]
    said = [sentence for count, sentence in remarks if count]
    return ["", *said] if said else []


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _number(value: NDArray[np.float64]) -> float | None:
    return None if math.isnan(value) else round(float(value), 6)


def _rounded(values: NDArray[np.float64]) -> list[float | None]:
    return [_number(value) for value in values]
