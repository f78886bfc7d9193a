"""An evaluation as json and as a table with one row per class."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from detect.class_tables import ilsvrc_detection_classes
from detect.predictions import ReadingNotes
from detect.scoring.results import HIT, IGNORED, MISS, ClassScore, Evaluation

COLUMNS = (
    "det_id",
    "wnid",
    "name",
    "AP",
    "num_ground_truths",
    "num_detections",
    "num_true_positives",
    "num_false_positives",
    "num_ignored",
)


def metrics(evaluation: Evaluation, notes: ReadingNotes) -> dict[str, Any]:
    """The content of `metrics.json`; AP and means are null where there is no ground truth."""
    return {
        "protocol": evaluation.protocol,
        "mAP": evaluation.mean_average_precision,
        "median_AP": evaluation.median_average_precision,
        **evaluation.more,
        "num_classes": len(evaluation.per_class),
        "num_classes_in_mean": evaluation.num_classes,
        "num_images": evaluation.num_images,
        "num_ground_truths": evaluation.num_ground_truths,
        "num_ground_truths_left_out": int(evaluation.truths_left_out.sum()),
        "num_detections": evaluation.num_detections,
        "num_ignored": int(np.sum(evaluation.outcomes == IGNORED)),
        "predictions": dataclasses.asdict(notes),
        "per_class": list(class_rows(evaluation)),
    }


def class_rows(evaluation: Evaluation) -> Iterator[dict[str, Any]]:
    """One object per class in label order, named as in COLUMNS; det_id is None outside the 200 ILSVRC classes."""
    det_ids = {one.wnid: label + 1 for label, one in enumerate(ilsvrc_detection_classes())}
    for one in evaluation.per_class:
        tally = np.bincount(evaluation.outcomes[one.detections], minlength=3)
        known = one.detection_class
        values = (
            det_ids.get(known.wnid),
            known.wnid,
            known.name,
            one.average_precision,
            one.num_ground_truths,
            one.num_detections,
            int(tally[HIT]),
            int(tally[MISS]),
            int(tally[IGNORED]),
        )
        yield dict(zip(COLUMNS, values, strict=True))


def csv_text(rows: Iterable[dict[str, Any]]) -> str:
    """Rows as a spreadsheet reads them; nothing where there is no value. Numbers keep all their digits."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def summary(evaluation: Evaluation) -> str:
    """Protocol, images, counts, and the means with the number of classes that they cover."""
    left_out = int(evaluation.truths_left_out.sum())
    lines = [
        f"protocol {evaluation.protocol}: {evaluation.num_images:,} images, {evaluation.num_ground_truths:,} objects"
        + (f" (and {left_out:,} that do not count)" if left_out else "")
        + f", {evaluation.num_detections:,} detections"
    ]
    covered = f"over {evaluation.num_classes} of {len(evaluation.per_class)} classes"
    mean, median = evaluation.mean_average_precision, evaluation.median_average_precision
    if mean is None or median is None:
        lines.append("no class has ground truth, so there is no average precision")
    else:
        more = "".join(f", {name} {value:.6f}" for name, value in evaluation.more.items())
        lines.append(f"mean AP {mean:.6f}, median {median:.6f}{more}, {covered}")
    return "\n".join(lines)


def class_table(scores: Iterable[ClassScore]) -> str:
    """Some classes, as text."""
    lines = [f"{'class':28}{'AP':>8}{'objects':>9}{'detections':>12}"]
    for one in scores:
        value = "-" if one.average_precision is None else f"{one.average_precision:.4f}"
        lines.append(f"{one.detection_class.name:28}{value:>8}{one.num_ground_truths:>9}{one.num_detections:>12}")
    return "\n".join(lines)


def best_first(evaluation: Evaluation) -> list[ClassScore]:
    """Classes with an average precision, best first; equal ones in label order."""
    scored = [one for one in evaluation.per_class if one.average_precision is not None]
    return sorted(scored, key=lambda one: -(one.average_precision or 0.0))
