"""What a finished run of MultiBox leaves to look at: how much its boxes cover, before and after."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from detect.training.multibox_validation import CoverageResult
from detect.training.training_curves import GREY, png
from detect.training.training_report import AFTER, BEFORE, Summary, write_curves
from detect.whole_files import write_whole


def coverage_summary(result: CoverageResult, prior_coverage: float) -> Summary:
    """What a validation said, ready for JSON.

    Args:
        prior_coverage: share of the training objects that the priors alone cover.
    Returns:
        Figures of no objects are None.
    """
    metrics = result.metrics
    columns = zip(result.budgets, result.coverage, result.mean_average_best_overlap, result.average_recall, strict=True)
    return {
        "metric": "share of held-back objects that the best boxes of their image cover at IoU 0.5; MABO; AR (0.5 to 1)",
        "coverage": _number(float(result.coverage[-1])),
        "num_images": len(result.num_boxes),
        "num_objects": len(result.labels),
        "boxes_per_image": metrics["boxes"],
        "prior_coverage": prior_coverage,
        "budgets": [
            {"boxes": budget, "coverage": _number(covered), "MABO": _number(overlap), "AR": _number(recalled)}
            for budget, covered, overlap, recalled in columns
        ],
        "unreadable": [f"{path}: {reason}" for path, reason in result.unreadable],
    }


def draw_coverage(before: Summary | None, after: Summary) -> bytes:
    """A PNG: coverage, MABO and AR over the number of boxes, before and after."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 4), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, 3)
    for panel, name in zip(panels, ("coverage", "MABO", "AR"), strict=True):
        for summary, colour, label in ((before, BEFORE, "before"), (after, AFTER, "after")):
            if summary is not None:
                rows = [row for row in summary["budgets"] if row[name] is not None]
                panel.plot([row["boxes"] for row in rows], [row[name] for row in rows], "o-", color=colour, label=label)
        panel.set_title(name, fontsize=10)
        panel.set_xlabel("boxes an image, best first")
        panel.set_ylim(0, 1)
        panel.grid(color=GREY, linewidth=0.5)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].legend(frameon=False, fontsize=9)
    return png(figure)


def write_coverage_report(folder: Path, *, metrics: Path, before: Summary | None, after: Summary | None) -> None:
    """Write `curves.png`, and where there was a validation `before.json`, `after.json`, `coverage.png`, each whole.

    Args:
        metrics: the run's CSV log (`training_logs`).
    Raises:
        OutputError: if the disk is full or the folder cannot be written.
    """
    write_curves(folder, metrics=metrics, before=before, after=after)
    if after is not None:
        write_whole(folder / "coverage.png", draw_coverage(before, after))


def coverage_figures(before: Summary | None, after: Summary | None) -> dict[str, Any]:
    """For `run.json`: coverage before and after, and what it is of."""
    covered = after or before or {}
    return {
        "coverage_before": None if before is None else before["coverage"],
        "coverage_after": None if after is None else after["coverage"],
        **{name: covered.get(name) for name in ("num_objects", "num_images", "boxes_per_image", "prior_coverage")},
    }


def _number(value: float) -> float | None:
    """None for NaN, which JSON does not have."""
    return float(value) if value == value else None
