"""`curves.png`: the losses, the learning rate and the validation scores of a run, from its `metrics.csv`."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detect.training.training_logs import read_metrics

COLOURS = ("#1f5fa8", "#d1742c", "#3a8f4d", "#8a4fa3", "#a33b3b", "#5c5c5c")
GREY = "#cccccc"
SCORES = ("mAP", "accuracy", "coverage", "confidence")  # what the names of figures between 0 and 1 hold
SMOOTHED = 50  # points of a curve: its moving mean is over a fiftieth of them


@dataclass(frozen=True)
class Curve:
    """One figure over the run.

    Attributes:
        steps: (n,) int64, rising.
        values: (n,) float64, finite.
    """

    steps: NDArray[np.int64]
    values: NDArray[np.float64]


def read_curves(path: Path) -> dict[str, Curve]:
    """All figures of a `metrics.csv`, by column, names in alphabetical order; those that are not finite are left out.

    Returns:
        Empty where there is no such file.
    """
    points: dict[str, dict[int, float]] = {}
    for row in read_metrics(path):
        for name, value in row.items():
            if name not in ("step", "epoch") and math.isfinite(value):
                points.setdefault(name, {})[int(row["step"])] = value
    return {name: _curve(points[name]) for name in sorted(points)}


def draw_curves(curves: Mapping[str, Curve]) -> bytes:
    """A PNG of three panels: losses (logarithmic), learning rate, and scores between 0 and 1.

    Columns are told by their names: `loss` in it; `learning_rate`; one of `SCORES`. Others, and losses that are 0
    throughout, are not drawn.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    losses, rates, scores = figure.subplots(1, 3)
    shown = {name: curve for name, curve in curves.items() if "loss" in name and curve.values.any()}
    _draw(losses, "loss", shown)
    _draw(rates, "learning rate", {name: curve for name, curve in curves.items() if "learning_rate" in name})
    wanted = {name: curve for name, curve in curves.items() if name not in shown and _is_score(name)}
    _draw(scores, "validation scores, training accuracy", wanted)
    if all((curve.values > 0).all() for curve in shown.values()):
        losses.set_yscale("log")
    scores.set_ylim(0, 1)
    return png(figure)


def _is_score(name: str) -> bool:
    return any(part in name for part in SCORES)


def moving_mean(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """(n,) mean over a window of `width` values around each, shorter at the ends; `width` is odd, 1 changes nothing."""
    half = width // 2
    sums = np.concatenate([[0.0], np.cumsum(values)])
    places = np.arange(len(values))
    first, last = np.maximum(places - half, 0), np.minimum(places + half + 1, len(values))
    means: NDArray[np.float64] = (sums[last] - sums[first]) / (last - first)
    return means


def png(figure: Any) -> bytes:
    """A matplotlib figure as the bytes of a picture: the same figure gives the same bytes."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110, metadata={"Software": None})
    return file.getvalue()


def _draw(panel: Any, title: str, curves: Mapping[str, Curve]) -> None:
    for position, (name, curve) in enumerate(curves.items()):
        colour = COLOURS[position % len(COLOURS)]
        width = max(1, len(curve.values) // SMOOTHED) | 1
        if width > 1:
            panel.plot(curve.steps, curve.values, color=colour, alpha=0.2, linewidth=0.7)
        marker = "o" if len(curve.steps) <= 20 else None
        smooth = moving_mean(curve.values, width)
        panel.plot(curve.steps, smooth, color=colour, label=name, marker=marker, markersize=4)
    panel.set_title(title, fontsize=10)
    panel.set_xlabel("step")
    panel.grid(color=GREY, linewidth=0.5)
    panel.spines[["top", "right"]].set_visible(False)
    if curves:
        panel.legend(frameon=False, fontsize=8)


def _curve(points: Mapping[int, float]) -> Curve:
    steps = sorted(points)
    return Curve(np.array(steps, np.int64), np.array([points[step] for step in steps], np.float64))
