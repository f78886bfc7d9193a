"""Step 6 of selective search: the boxes of all hierarchies in one order, large ones first, with some luck."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def rank(
    hierarchies: Sequence[NDArray[np.int32]], min_side: int, generator: np.random.Generator
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Order the boxes of several hierarchies (IJCV section 4.2).

    In each hierarchy the last box (the whole image) has position 1, the one merged before it 2, and so on
    back to the first superpixel. A box's priority is its position times a random number in [0, 1); the
    smallest priority goes first, ties in the order given. Then boxes that are narrower or lower than min_side
    are dropped, and of equal boxes all but the first. Numbers are drawn for all boxes, hierarchy after
    hierarchy, before any is dropped: the ranking of the others does not depend on min_side.

    Args:
        hierarchies: each (n, 4) int32 inclusive pixel boxes as `group` returns them; may be none.
        min_side: pixels; width = x2 - x1 + 1.
        generator: consumed by as many draws as there are boxes.
    Returns:
        (N, 4) int32 inclusive boxes, best first, no two alike, N may be 0; and their (N,) priorities, rising.
    """
    if not hierarchies:
        return np.zeros((0, 4), np.int32), np.zeros(0)
    boxes = np.concatenate(hierarchies)
    positions = np.concatenate([np.arange(len(boxes), 0, -1) for boxes in hierarchies])
    priorities = positions * generator.random(len(positions))
    order = np.argsort(priorities, kind="stable")
    sides = boxes[order, 2:] - boxes[order, :2] + 1
    order = order[sides.min(axis=1) >= min_side]
    _, first = np.unique(_codes(boxes[order]), return_index=True)
    order = order[np.sort(first)]
    return boxes[order], priorities[order]


def _codes(boxes: NDArray[np.int32]) -> NDArray[np.int64]:
    """(N,) a number for each box, equal for equal boxes only: each corner's place in a grid, of less than 2^31."""
    across = np.int64(boxes[:, 2].max(initial=0)) + 1
    x1, y1, x2, y2 = boxes.astype(np.int64).T
    codes: NDArray[np.int64] = (y1 * across + x1) << 32 | (y2 * across + x2)
    return codes
