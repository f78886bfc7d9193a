"""Precision, recall, and the area under their curve: the ways in which it is taken."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def precision_recall(
    hits: NDArray[np.bool_], misses: NDArray[np.bool_], num_truths: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Precision and recall after each detection, best first.

    Args:
        hits, misses: (n,) true and false positives; a detection can be neither.
        num_truths: objects that count.
    Returns:
        precision: (n,) hits / (hits + misses); 0 while there are neither (the devkits have NaN there, which their
            max() passes over).
        recall: (n,) hits / num_truths; 0 if there are none.
    """
    found, wrong = np.cumsum(hits), np.cumsum(misses)
    return found / np.maximum(found + wrong, 1), found / max(num_truths, 1)


def envelope(precision: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each precision raised to the best that follows, so that it never increases."""
    return np.maximum.accumulate(precision[::-1])[::-1]


def area(precision: NDArray[np.float64], recall: NDArray[np.float64]) -> float:
    """Area under the envelope (ILSVRC, VOC from 2010 on); 0 without detections."""
    return float(np.sum(np.diff(recall, prepend=0.0) * envelope(precision)))


def eleven_points(precision: NDArray[np.float64], hits: NDArray[np.bool_], num_truths: int) -> float:
    """Mean of the best precision at recall of at least 0, 0.1, ..., 1 (VOC up to 2009); 0 without detections.

    Levels are compared in whole numbers: 3 of 10 objects reach recall 0.3. The devkit adds up 0.1 in floating point,
    and there 3 of 10 fall short of 0.30000000000000004.
    """
    found = 10 * np.cumsum(hits)
    at = np.searchsorted(found, np.arange(11) * num_truths)
    raised = np.concatenate((envelope(precision), [0.0]))
    return float(raised[at].mean())


def hundred_and_one_points(precision: NDArray[np.float64], recall: NDArray[np.float64]) -> float:
    """Mean of the best precision at recall of at least 0, 0.01, ..., 1 (COCO); 0 without detections."""
    at = np.searchsorted(recall, np.linspace(0.0, 1.0, 101))
    raised = np.concatenate((envelope(precision), [0.0]))
    return float(raised[at].mean())
