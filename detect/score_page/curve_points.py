"""A precision-recall curve in few points, and the point of it where F1 is highest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

COLUMNS = 1000  # of recall; far more than a curve on a page is wide
TOLERANCE = 1 / 800  # of either axis: half a pixel where the curve is drawn 400 pixels wide


@dataclass(frozen=True)
class BestF1:
    """Where F1 = 2 P R / (P + R) is highest.

    Attributes:
        score: all detections with at least this score are taken; None: the protocol's curve has no scores.
    """

    f1: float
    precision: float
    recall: float
    score: float | None


def curve_points(precision: NDArray[np.float64], recall: NDArray[np.float64]) -> NDArray[np.int64]:
    """Which points of a curve draw it to within `TOLERANCE`, in order, the first and last among them.

    Of each of `COLUMNS` columns of recall its first, last, lowest and highest points stay, which draws the same picture
    as all of them do; of those, what the straight line between its neighbours shows anyway goes (Douglas and Peucker).

    Args:
        precision, recall: (n,); recall never decreases.
    Returns:
        (k,) int64 ascending positions; none of an empty curve.
    """
    kept = _extremes(precision, np.floor(recall * COLUMNS).astype(np.int64))
    return kept[_corners(np.column_stack((recall[kept], precision[kept])))]


def best_f1(
    precision: NDArray[np.float64], recall: NDArray[np.float64], scores: NDArray[np.float64] | None
) -> BestF1 | None:
    """The highest F1 that a threshold on the score can give; the highest threshold of several equal ones.

    Args:
        scores: (n,) of the detections, best first: what has the same score is taken together. None: every point of
            the curve counts.
    Returns:
        None if no threshold finds an object.
    """
    ends = np.arange(len(precision))
    if scores is not None and len(scores):
        ends = np.flatnonzero(np.append(scores[1:] != scores[:-1], True))
    p, r = precision[ends], recall[ends]
    f1 = 2 * p * r / np.maximum(p + r, np.finfo(np.float64).tiny)
    if not len(f1) or f1.max() <= 0:
        return None
    at = int(np.argmax(f1))
    score = None if scores is None else float(scores[ends[at]])
    return BestF1(float(f1[at]), float(p[at]), float(r[at]), score)


def _extremes(values: NDArray[np.float64], columns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of each run of equal columns, the positions of its first, last, lowest and highest value."""
    if not len(values):
        return np.empty(0, np.int64)
    starts = np.flatnonzero(np.append(True, columns[1:] != columns[:-1]))
    ends = np.append(starts[1:], len(values))
    column = np.repeat(np.arange(len(starts)), ends - starts)
    rising = np.lexsort((values, column))  # column by column, each from its lowest value to its highest
    return np.unique(np.concatenate((starts, ends - 1, rising[starts], rising[ends - 1])))


def _corners(points: NDArray[np.float64]) -> NDArray[np.int64]:
    """Positions of the points without which the line through them would move by more than `TOLERANCE`."""
    kept = np.zeros(len(points), np.bool_)
    if len(points):
        kept[[0, -1]] = True
    spans = [(0, len(points) - 1)]
    while spans:
        first, last = spans.pop()
        if last - first < 2:
            continue
        distances = _distances(points[first + 1 : last], points[first], points[last])
        farthest = int(np.argmax(distances))
        if distances[farthest] > TOLERANCE:
            middle = first + 1 + farthest
            kept[middle] = True
            spans += [(first, middle), (middle, last)]
    return np.flatnonzero(kept)


def _distances(
    points: NDArray[np.float64], start: NDArray[np.float64], end: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(k,) from each point to the stretch between two others."""
    along = end - start
    length = float(along @ along)
    share = np.clip((points - start) @ along / length, 0, 1) if length else np.zeros(len(points))
    distances: NDArray[np.float64] = np.linalg.norm(points - start - share[:, None] * along, axis=1)
    return distances
