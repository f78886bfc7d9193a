"""`recall.png`: recall against the number of proposals, and against IoU."""

from __future__ import annotations

import io
from typing import Any

BLUE, ORANGE, GREEN, GREY = "#1f5fa8", "#d1742c", "#3a8f4d", "#cccccc"


def draw_recall(report: dict[str, Any]) -> bytes:
    """A PNG of two panels.

    Args:
        report: of `recall_report.report`.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    against_n, against_iou = figure.subplots(1, 2)
    _draw_against_n(against_n, report)
    _draw_against_iou(against_iou, report)
    for panel in (against_n, against_iou):
        panel.set_ylim(0, 1)
        panel.grid(color=GREY, linewidth=0.5)
        panel.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"{report['num_ground_truths']} objects on {report['num_images']} images", fontsize=11)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=120, metadata={"Software": None})
    return file.getvalue()


def _draw_against_n(panel: Any, report: dict[str, Any]) -> None:
    curves = report["against_n"]
    for name, label, colour in (
        ("recall_at_0.5", "recall at IoU 0.5 (coverage)", BLUE),
        ("recall_at_0.7", "recall at IoU 0.7", ORANGE),
        ("AR", "average recall, IoU 0.5 to 1", GREEN),
    ):
        panel.plot(curves["n"], curves[name], color=colour, label=label, marker=".", markersize=4)
    panel.set_xscale("log")
    panel.xaxis.set_major_formatter(lambda n, _: f"{n:,.0f}" if n >= 1 else "")
    panel.set_xlabel("N, best proposals of each image")
    panel.legend(loc="upper left", frameon=False, fontsize=9)


def _draw_against_iou(panel: Any, report: dict[str, Any]) -> None:
    from matplotlib import colormaps

    curves = report["recall_against_iou"]
    shades = colormaps["viridis"]
    names = [name for name in curves if name != "iou"]
    for position, name in enumerate(names):
        boxes = report["budgets"][name]["boxes_per_image"]
        label = f"all ({boxes:.0f} an image)" if name == "all" else f"N = {name}"
        panel.plot(curves["iou"], curves[name], color=shades(0.9 * (1 - position / len(names))), label=label)
    panel.set_xlim(0.5, 1)
    panel.set_xlabel("IoU with the best proposal, at least")
    panel.set_ylabel("recall")
    panel.legend(loc="upper right", frameon=False, fontsize=9)
