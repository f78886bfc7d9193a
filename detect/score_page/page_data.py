"""What the page's script is given: every class with its curve, its errors and its examples, as plain json values."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detect.score_page.curve_points import BestF1, best_f1, curve_points
from detect.score_page.scored_data import ScoredData
from detect.score_page.visible_text import visible
from detect.scoring.analysis_results import CLASSIFICATION, Analysis
from detect.scoring.results import HIT, IGNORED, MISS, ClassScore

CONFUSED_WITH = 6  # classes named on the sheet of a class, each way
_IN_SCRIPT = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}


class ClassFacts:
    """Describes the classes of one evaluation."""

    def __init__(self, data: ScoredData) -> None:
        self._predictions, self._evaluation, self._analysis = data.predictions, data.evaluation, data.analysis
        predictions, truth, analysis = data.predictions, data.truth, data.analysis
        confused = np.flatnonzero(analysis.errors.types == CLASSIFICATION) if analysis else np.empty(0, np.int64)
        objects = analysis.errors.objects[confused] if analysis else confused
        self._confused = _count_pairs(predictions.labels[confused], truth.labels[objects], len(truth.classes))

    def of(self, score: ClassScore) -> dict[str, Any]:
        """Everything about a class but its examples; numbers are rounded for the eye."""
        outcomes = np.bincount(self._evaluation.outcomes[score.detections], minlength=3).tolist()
        scores = self._scores(score)
        best = best_f1(score.precision, score.recall, scores)
        label = score.label
        return {
            "name": visible(score.detection_class.name),
            "wnid": visible(score.detection_class.wnid),
            "ap": rounded(score.average_precision, 6),
            "objects": score.num_ground_truths,
            "detections": score.num_detections,
            "hits": outcomes[HIT],
            "wrong": outcomes[MISS],
            "ignored": outcomes[IGNORED],
            "f1": _f1(best),
            "curve": self._curve(score, scores),
            "confused": most_frequent(self._confused[label]),
            "taken": most_frequent(self._confused[:, label]),
            **_reasons(self._analysis, label),
            "counts": {"hit": outcomes[HIT], "wrong": outcomes[MISS], "missed": self._missed(score)},
            "examples": {"hit": [], "wrong": [], "missed": []},
        }

    def _scores(self, score: ClassScore) -> NDArray[np.float64] | None:
        """Along the curve; None where that does not go by detections."""
        along = self._evaluation.protocol != "coco"
        return self._predictions.scores[score.detections] if along else None

    def _curve(self, score: ClassScore, scores: NDArray[np.float64] | None) -> dict[str, Any]:
        if not score.num_ground_truths:
            return {"recall": [], "precision": [], "score": None}
        kept = curve_points(score.precision, score.recall)
        return {
            "recall": np.round(score.recall[kept], 4).tolist(),
            "precision": np.round(score.precision[kept], 4).tolist(),
            "score": None if scores is None else [short(one) for one in scores[kept]],
        }

    def _missed(self, score: ClassScore) -> int:
        return score.num_ground_truths - int(np.sum(self._evaluation.outcomes[score.detections] == HIT))


def short(score: float | np.floating[Any]) -> float:
    """A score, which can be of any size, to four digits."""
    return float(f"{score:.4g}")


def script_json(value: object) -> str:
    """json in ASCII that can stand inside a `<script>` element: no <, > or & is left in it."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return re.sub("[<>&]", lambda match: _IN_SCRIPT[match[0]], text)


def rounded(value: float | np.floating[Any] | None, digits: int) -> float | None:
    """A plain number, or None for none or NaN."""
    return None if value is None or np.isnan(value) else round(float(value), digits)


def most_frequent(counts: NDArray[np.int64], most: int = CONFUSED_WITH) -> list[list[int]]:
    """[[label, count], ...] by falling count, then by label; labels that never occur are left out."""
    order = np.argsort(-counts, kind="stable")[:most]
    return [[int(label), int(counts[label])] for label in order if counts[label]]


def _reasons(analysis: Analysis | None, label: int) -> dict[str, Any]:
    if analysis is None:
        return {"errors": [], "sizes": [], "coverage": None}
    coverage, bins = analysis.coverage, analysis.sizes[0].bins if analysis.sizes else ()
    covered = None if coverage is None else coverage.coverage[coverage.budgets.index(None), label]
    return {
        "errors": [[int(one.counts[label]), rounded(one.costs[label], 5)] for one in analysis.errors.costs],
        "sizes": [[int(one.counts[label]), rounded(one.average_precisions[label], 5)] for one in bins],
        "coverage": rounded(covered, 5),
    }


def _f1(best: BestF1 | None) -> dict[str, float | None] | None:
    if best is None:
        return None
    numbers = {name: rounded(getattr(best, name), 5) for name in ("f1", "precision", "recall")}
    return {**numbers, "score": None if best.score is None else short(best.score)}


def _count_pairs(rows: NDArray[np.int64], columns: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    counts: NDArray[np.int64] = np.bincount(rows * size + columns, minlength=size * size).reshape(size, size)
    return counts
