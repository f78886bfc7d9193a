"""What a finished run of classification training leaves to look at: curves, accuracies before and after, by class."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from detect.class_tables import DetectionClass
from detect.training.training_report import Summary, write_curves
from detect.whole_files import write_whole

HEADER = ("label", "wnid", "name", "training_images", "validation_images", "top1_before", "top1_after", "change")


def accuracy_by_class(
    classes: Sequence[DetectionClass], trained: Sequence[int], before: Summary | None, after: Summary
) -> str:
    """`classes.csv`: label, wnid, name, images trained on and validated on, top-1 before, after, change.

    Cells are empty where nothing was validated.

    Args:
        classes: K, in label order.
        trained: K, images that were trained on.
        before: None where nothing was validated at the start.
    """
    first, last = (
        {} if one is None else {entry["label"]: entry for entry in one["per_class"]} for one in (before, after)
    )
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(HEADER)
    for label, (one, images) in enumerate(zip(classes, trained, strict=True)):
        was, now = (found[label]["top1"] if label in found else None for found in (first, last))
        change = None if was is None or now is None else now - was
        judged = last[label]["num_images"] if label in last else 0
        cells = ("" if value is None else f"{value:.4f}" for value in (was, now, change))
        writer.writerow((label, one.wnid, one.name, images, judged, *cells))
    return file.getvalue()


def write_backbone_report(
    folder: Path,
    *,
    metrics: Path,
    classes: Sequence[DetectionClass],
    trained: Sequence[int],
    before: Summary | None,
    after: Summary | None,
) -> None:
    """Write `curves.png`, and where there was a validation `before.json`, `after.json` and `classes.csv`, each whole.

    Args:
        metrics: the run's CSV log (`training_logs`).
        classes, trained: see `accuracy_by_class`.
    Raises:
        OutputError: if the disk is full or the folder cannot be written.
    """
    write_curves(folder, metrics=metrics, before=before, after=after)
    if after is not None:
        write_whole(folder / "classes.csv", accuracy_by_class(classes, trained, before, after).encode())


def backbone_figures(before: Summary | None, after: Summary | None) -> dict[str, Any]:
    """For `run.json`: top-1 and top-5 before and after, and how many images they are of."""
    summaries = {"before": before, "after": after}
    figures = {
        f"{name}_{when}": None if summary is None else summary[name]
        for name in ("top1", "top5")
        for when, summary in summaries.items()
    }
    return {**figures, "num_images": (after or before or {}).get("num_images")}
