"""What a finished run leaves to look at: what validation said, per class before and after, in tables and pictures."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detect.training.training_curves import GREY, draw_curves, png, read_curves
from detect.training.training_set import IGNORED, TrainingSet
from detect.training.validation import ValidationResult
from detect.whole_files import write_whole

BEFORE, AFTER = "#b9b9b9", "#1f5fa8"

Summary = dict[str, Any]  # a `ValidationResult` as plain JSON, which a resumed run reads again


def validation_summary(result: ValidationResult) -> Summary:
    """What a validation said, ready for JSON: the mean, what it covers, and every class in label order."""
    evaluation = result.evaluation
    return {
        "mAP": result.mean_average_precision,
        "metric": "mean AP by ILSVRC's rule (area under the envelope, IoU 0.5) over classes with certain ground truth",
        "num_classes": result.num_classes,
        "num_objects": evaluation.num_ground_truths,
        "num_images": result.num_images,
        "num_detections": evaluation.num_detections,
        "num_exempt_pairs": result.num_exempt,
        "num_detections_on_uncertain_objects": result.num_uncertain,
        "unreadable": [f"{path}: {reason}" for path, reason in result.unreadable],
        "per_class": [
            {
                "wnid": one.detection_class.wnid,
                "name": one.detection_class.name,
                "AP": one.average_precision,
                "objects": one.num_ground_truths,
            }
            for one in evaluation.per_class
        ],
    }


def objects_per_class(training_set: TrainingSet) -> NDArray[np.int64]:
    """(K,) objects whose target allows one class and nothing else: the boxes that a class is learnt from."""
    targets = training_set.targets[training_set.targets != IGNORED]
    rows = training_set.allowed[targets]
    rows = rows[rows.sum(axis=1) == 1]
    counts: NDArray[np.int64] = rows[:, :-1].sum(axis=0).astype(np.int64)
    return counts


def class_table(before: Summary | None, after: Summary, trained: Sequence[int]) -> str:
    """`classes.csv`: label, wnid, name, objects trained on, objects validated on, AP before, after, change.

    Args:
        before: None where nothing was validated at the start; its columns are then empty.
        trained: `objects_per_class` of what the run learnt from.
    Raises:
        ValueError: if the three are not of the same classes.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    header = ("label", "wnid", "name", "training_objects", "validation_objects", "AP_before", "AP_after", "change")
    writer.writerow(header)
    for label, (first, last, objects) in enumerate(_joined(before, after, trained)):
        change = _difference(first, last["AP"])
        figures = (_cell(first), _cell(last["AP"]), _cell(change))
        writer.writerow((label, last["wnid"], last["name"], objects, last["objects"], *figures))
    return file.getvalue()


def draw_classes(before: Summary | None, after: Summary, trained: Sequence[int]) -> bytes:
    """A PNG: a line a class that has ground truth, from its AP before to after, the largest gain on top.

    Classes without a box to learn from are marked with an asterisk.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = [
        (last["name"] + ("" if objects else " *"), first, last["AP"])
        for first, last, objects in _joined(before, after, trained)
        if last["AP"] is not None
    ]
    rows.sort(key=lambda row: (_difference(row[1], row[2]) or 0.0, row[2]))
    figure = Figure(figsize=(7, 1.6 + 0.17 * len(rows)), layout="constrained")
    FigureCanvasAgg(figure)
    panel = figure.subplots()
    places = np.arange(len(rows))
    starts = np.array([np.nan if first is None else first for _, first, _ in rows], np.float64)
    ends = np.array([last for _, _, last in rows], np.float64)
    panel.hlines(places, starts, ends, color=GREY, linewidth=1.5)
    panel.plot(starts, places, "o", color=BEFORE, markersize=4, label=_legend("before", before))
    panel.plot(ends, places, "o", color=AFTER, markersize=4, label=_legend("after", after))
    panel.set_yticks(places, [name for name, _, _ in rows], fontsize=7)
    panel.set_ylim(-1, len(rows))
    panel.set_xlim(-0.02, 1.02)
    panel.set_xlabel("average precision;  * no boxes of this class in training", fontsize=9)
    panel.grid(color=GREY, linewidth=0.5, axis="x")
    panel.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper right", frameon=False, fontsize=9, ncols=2)
    return png(figure)


def write_report(
    folder: Path, *, metrics: Path, before: Summary | None, after: Summary | None, trained: Sequence[int]
) -> None:
    """Write `curves.png`, and where there was a validation `before.json`, `after.json`, `classes.csv`, `classes.png`.

    Each file appears whole.

    Args:
        metrics: the run's CSV log (`training_logs`).
    Raises:
        OutputError: if the disk is full or the folder cannot be written.
    """
    write_curves(folder, metrics=metrics, before=before, after=after)
    if after is not None:
        write_whole(folder / "classes.csv", class_table(before, after, trained).encode())
        write_whole(folder / "classes.png", draw_classes(before, after, trained))


def write_curves(folder: Path, *, metrics: Path, before: Summary | None, after: Summary | None) -> None:
    """Write `curves.png`, and what validation said, `before.json` and `after.json`, each whole.

    Args:
        metrics: the run's CSV log (`training_logs`).
    Raises:
        OutputError: if the disk is full or the folder cannot be written.
    """
    write_whole(folder / "curves.png", draw_curves(read_curves(metrics)))
    for name, summary in (("before.json", before), ("after.json", after)):
        if summary is not None:
            write_whole(folder / name, json.dumps(summary, indent=2).encode() + b"\n")


def figures(before: Summary | None, after: Summary | None) -> dict[str, Any]:
    """For `run.json`: both means, their difference, and how many classes, objects and images they cover."""
    first = None if before is None else before["mAP"]
    last = None if after is None else after["mAP"]
    covered = after or before or {}
    names = ("num_classes", "num_objects", "num_images")
    return {
        "mAP_before": first,
        "mAP_after": last,
        "change": _difference(first, last),
        **{name: covered.get(name) for name in names},
    }


def _joined(
    before: Summary | None, after: Summary, trained: Sequence[int]
) -> list[tuple[float | None, Mapping[str, Any], int]]:
    """Per class: AP before, the entry after, objects trained on."""
    entries = after["per_class"]
    earlier = entries if before is None else before["per_class"]
    if [one["name"] for one in earlier] != [one["name"] for one in entries] or len(trained) != len(entries):
        raise ValueError(
            f"report: expected the same classes before, after and in training, "
            f"got {len(earlier)}, {len(entries)} and {len(trained)} or other names"
        )
    starts = [None if before is None else one["AP"] for one in earlier]
    return list(zip(starts, entries, (int(count) for count in trained), strict=True))


def _difference(first: float | None, last: float | None) -> float | None:
    return None if first is None or last is None else last - first


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _legend(when: str, summary: Summary | None) -> str:
    if summary is None or summary["mAP"] is None:
        return when
    return f"{when}: mAP {summary['mAP']:.3f}"
