"""Of boxes that nearly coincide, the best one: two hierarchies, or two proposers, often find the same."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from proposals.compiled import kernel


def first_of_near_duplicates(boxes: NDArray[np.floating], iou: float, *, most: int | None = None) -> NDArray[np.int64]:
    """Rows of the boxes that stay: each but those that a box which stays, further up, overlaps by `iou` or more.

    Args:
        boxes: (N, 4) xyxy with continuous edges, best first; N may be 0.
        iou: above 0, at most 1; at 1 only equal boxes are duplicates.
        most: no further rows are looked at once so many stay; None: all.
    Returns:
        Rising. A box without area, or reversed, overlaps with nothing, so it stays.
    Raises:
        ValueError: if boxes is not (N, 4) or iou is outside its range.
    """
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"boxes: expected (N, 4), got {boxes.shape}")
    if not 0 < iou <= 1:
        raise ValueError(f"iou: expected a number above 0, at most 1, got {iou}")
    limit = len(boxes) if most is None else most
    kept: NDArray[np.int64] = np.flatnonzero(_kept(np.ascontiguousarray(boxes, np.float64), float(iou), limit))
    return kept


@kernel
def _kept(boxes: NDArray[np.float64], iou: float, most: int) -> NDArray[np.bool_]:
    """A box is compared with those kept before it only. IoU is at most the ratio of the areas, which rules out most
    pairs by one product; the rest have their IoU by the very arithmetic of `box_overlaps`."""
    count = len(boxes)
    kept = np.zeros(count, np.bool_)
    areas = np.empty(count)
    rows = np.empty(count, np.int64)  # of those kept
    stay = 0
    for i in range(count):
        if stay >= most:
            break
        areas[i] = max(boxes[i, 2] - boxes[i, 0], 0.0) * max(boxes[i, 3] - boxes[i, 1], 0.0)
        low, high = 0.999999 * iou * areas[i], areas[i]
        for k in range(stay):
            j = rows[k]
            if areas[j] < low or 0.999999 * iou * areas[j] > high:
                continue
            width = min(boxes[i, 2], boxes[j, 2]) - max(boxes[i, 0], boxes[j, 0])
            height = min(boxes[i, 3], boxes[j, 3]) - max(boxes[i, 1], boxes[j, 1])
            shared = max(width, 0.0) * max(height, 0.0)
            if shared > 0.0 and shared / (areas[i] + areas[j] - shared) >= iou:
                break
        else:
            kept[i] = True
            rows[stay] = i
            stay += 1
    return kept
