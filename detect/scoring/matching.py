"""Which object each detection has found, by the rules of ILSVRC and of VOC, or lies on: compiled.

Detections come in the order in which they are judged. Objects are those of the same class, image after image, and
`first`, `last` say for each detection which of them are on its image. Boxes have continuous edges; since inclusive
pixels lo..hi cover lo..hi + 1, the official "+ 1" is in the width already.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from proposals.compiled import kernel


@kernel
def match_best_unmatched(
    boxes: NDArray[np.float64],
    first: NDArray[np.int64],
    last: NDArray[np.int64],
    truths: NDArray[np.float64],
    thresholds: NDArray[np.float64],
) -> NDArray[np.int64]:
    """ILSVRC: the unmatched object of highest IoU among those whose own threshold it reaches; the first wins a tie.

    Args:
        boxes: (n, 4) detections.
        first, last: (n,) ranges in `truths`.
        truths: (m, 4) objects.
        thresholds: (m,) least IoU, itself enough.
    Returns:
        (n,) the object, or -1.
    """
    matched = np.full(boxes.shape[0], -1, np.int64)
    taken = np.zeros(truths.shape[0], np.bool_)
    for detection in range(boxes.shape[0]):
        best = 0.0
        for truth in range(first[detection], last[detection]):
            if taken[truth]:
                continue
            overlap = _overlap(boxes[detection], truths[truth])
            if overlap > best and overlap >= thresholds[truth]:
                best = overlap
                matched[detection] = truth
        if matched[detection] >= 0:
            taken[matched[detection]] = True
    return matched


@kernel
def match_most_overlapping(
    boxes: NDArray[np.float64], first: NDArray[np.int64], last: NDArray[np.int64], truths: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """VOC: the object of highest IoU, matched before or not; the first wins a tie.

    Args as above. Returns the (n,) objects, -1 where nothing overlaps, and the (n,) IoUs.
    """
    nearest = np.full(boxes.shape[0], -1, np.int64)
    overlaps = np.zeros(boxes.shape[0], np.float64)
    for detection in range(boxes.shape[0]):
        for truth in range(first[detection], last[detection]):
            overlap = _overlap(boxes[detection], truths[truth])
            if overlap > overlaps[detection]:
                overlaps[detection] = overlap
                nearest[detection] = truth
    return nearest, overlaps


@kernel
def look_around(
    boxes: NDArray[np.float64],
    labels: NDArray[np.int64],
    first: NDArray[np.int64],
    last: NDArray[np.int64],
    truths: NDArray[np.float64],
    truth_labels: NDArray[np.int64],
    thresholds: NDArray[np.float64],
    near: float,
) -> NDArray[np.int64]:
    """What each detection lies on, whatever the class; of several objects that of highest IoU, the first in a tie.

    Args as above, but that detections and objects are of all classes; also
        labels, truth_labels: (n,) and (m,).
        near: least IoU, itself enough.
    Returns:
        (n, 4) objects, -1 where there is none: the one of the same class that is reached (its own threshold), the one
        of another class that is reached, the one of the same class that is near, and the one of any class that is
        near.
    """
    found = np.full((boxes.shape[0], 4), -1, np.int64)
    for detection in range(boxes.shape[0]):
        same_reached = other_reached = same_near = any_near = 0.0
        for truth in range(first[detection], last[detection]):
            overlap = _overlap(boxes[detection], truths[truth])
            if overlap <= 0.0:
                continue
            same = labels[detection] == truth_labels[truth]
            if overlap >= thresholds[truth]:
                if same and overlap > same_reached:
                    same_reached = overlap
                    found[detection, 0] = truth
                if not same and overlap > other_reached:
                    other_reached = overlap
                    found[detection, 1] = truth
            if overlap >= near:
                if same and overlap > same_near:
                    same_near = overlap
                    found[detection, 2] = truth
                if overlap > any_near:
                    any_near = overlap
                    found[detection, 3] = truth
    return found


@kernel
def _overlap(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Intersection over union; 0 where they share no area, reversed boxes included."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if not (width > 0.0 and height > 0.0):
        return 0.0
    shared = width * height
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return float(shared / union)
