"""How well ranked boxes cover the objects that are there: coverage, ABO, MABO, AR.

Every figure is made of one number per object: the intersection over union (IoU) with its best proposal among the first
N of its image. A proposal may be the best of several objects, as in ABO (IJCV, section 5.1) and in the definition of AR
(Hosang et al., What makes for effective detection proposals, 2015). The code of Hosang et al. gives each proposal to
one object only, greedily by IoU; their figures can therefore be lower, and differ where objects nearly coincide.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Budget = int | None  # the first so many proposals of each image; None: all
BUDGETS: tuple[Budget, ...] = (10, 100, 300, 1000, 2000, None)


def box_overlaps(boxes: NDArray[np.floating], others: NDArray[np.floating]) -> NDArray[np.float64]:
    """IoU of every pair, computed in float64.

    Args:
        boxes: (M, 4) xyxy with continuous edges.
        others: (N, 4).
    Returns:
        (M, N) in [0, 1]. A box without area, or reversed, overlaps with nothing, itself included.
    Raises:
        ValueError: if either is not (·, 4).
    """
    for name, array in (("boxes", boxes), ("others", others)):
        if array.ndim != 2 or array.shape[1] != 4:
            raise ValueError(f"{name}: expected (N, 4), got {array.shape}")
    x1, y1, x2, y2 = np.asarray(boxes, np.float64).T[:, :, None]
    u1, v1, u2, v2 = np.asarray(others, np.float64).T[:, None, :]
    shared = _length(np.maximum(x1, u1), np.minimum(x2, u2)) * _length(np.maximum(y1, v1), np.minimum(y2, v2))
    union = _length(x1, x2) * _length(y1, y2) + _length(u1, u2) * _length(v1, v2) - shared
    overlaps: NDArray[np.float64] = np.divide(shared, union, out=np.zeros_like(shared), where=shared > 0)
    return np.minimum(overlaps, 1.0, out=overlaps)


def best_overlaps(
    truth_boxes: NDArray[np.floating], boxes: NDArray[np.floating], budgets: Sequence[Budget] = BUDGETS
) -> NDArray[np.float64]:
    """Each object's IoU with its best proposal among the first N of one image.

    Args:
        truth_boxes: (M, 4) xyxy with continuous edges.
        boxes: (N, 4), best first.
        budgets: at least 1 each, in any order; None, and more than there are, mean all.
    Returns:
        (len(budgets), M); 0 where there are no boxes.
    Raises:
        ValueError: if a shape is another, or a budget below 1.
    """
    if any(budget is not None and budget < 1 for budget in budgets):
        raise ValueError(f"budgets: expected at least 1 each, got {list(budgets)}")
    overlaps = box_overlaps(truth_boxes, boxes)
    if not len(boxes):
        return np.zeros((len(budgets), len(truth_boxes)))
    best: NDArray[np.float64] = np.maximum.accumulate(overlaps, axis=1)
    last = [len(boxes) - 1 if budget is None else min(budget, len(boxes)) - 1 for budget in budgets]
    chosen: NDArray[np.float64] = best[:, last].T
    return chosen


def recall(overlaps: NDArray[np.float64], iou: ArrayLike) -> NDArray[np.float64]:
    """Share of objects whose best overlap is at least `iou`; at 0.5 this is called coverage.

    Args:
        overlaps: (..., M) from `best_overlaps`.
        iou: a threshold, or (T,) thresholds.
    Returns:
        (...) or (..., T); NaN without objects.
    """
    shares = [_mean((overlaps >= one).astype(np.float64), axis=-1) for one in np.atleast_1d(iou)]
    return np.stack(shares, axis=-1) if np.ndim(iou) else shares[0]


def average_best_overlap(overlaps: NDArray[np.float64]) -> NDArray[np.float64]:
    """ABO over all objects alike: (..., M) → (...); NaN without objects."""
    return _mean(overlaps, axis=-1)


def class_average_best_overlap(
    overlaps: NDArray[np.float64], labels: NDArray[np.int64], num_classes: int
) -> NDArray[np.float64]:
    """ABO of each class: (..., M) and labels (M,) → (..., K); NaN for a class without objects."""
    return np.stack([_mean(overlaps[..., labels == label], axis=-1) for label in range(num_classes)], axis=-1)


def mean_average_best_overlap(
    overlaps: NDArray[np.float64], labels: NDArray[np.int64], num_classes: int
) -> NDArray[np.float64]:
    """MABO: the plain mean of the classes' ABO over those that have objects; (...), NaN where none has."""
    per_class = class_average_best_overlap(overlaps, labels, num_classes)
    return _mean(per_class[..., np.unique(labels)], axis=-1)


def average_recall(overlaps: NDArray[np.float64]) -> NDArray[np.float64]:
    """AR: twice the area under recall against IoU from 0.5 to 1: (..., M) → (...); NaN without objects.

    Recall at o is the mean over objects of [overlap >= o], whose integral from 0.5 to 1 is overlap - 0.5, or 0. So the
    area is exact and no thresholds are sampled, as Hosang et al. note: AR = 2/M · sum of max(overlap - 0.5, 0).
    """
    return 2 * _mean(np.maximum(overlaps - 0.5, 0.0), axis=-1)


def _length(low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.float64]:
    length: NDArray[np.float64] = np.maximum(high - low, 0.0)
    return length


def _mean(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """NaN, without numpy's warning, over nothing."""
    count = values.shape[axis]
    return np.sum(values, axis=axis) / count if count else np.full(np.sum(values, axis=axis).shape, np.nan)
