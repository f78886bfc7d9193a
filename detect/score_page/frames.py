"""What part of a picture an example shows: its boxes with some of what is around them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CONTEXT = 0.35  # of the boxes' width and height, added on either side
SLIMMEST = 0.6  # the shorter side of a frame, as a share of the longer
FARTHEST = 1e9  # pixels from the picture's corner: a detector may say anything, and a frame has whole numbers
SMALLEST = 64  # pixels of a side: a box of 10 pixels says nothing without what is around it


@dataclass(frozen=True)
class Frame:
    """A rectangle of whole pixels: x1 <= x < x2, y1 <= y < y2."""

    x1: int
    y1: int
    x2: int
    y2: int

    @property
    def width(self) -> int:
        return self.x2 - self.x1

    @property
    def height(self) -> int:
        return self.y2 - self.y1


def frame_around(boxes: NDArray[np.float64], size: tuple[int, int] | None) -> Frame:
    """A frame with all boxes in it, with context, not too slim, and inside the picture as far as they are.

    Args:
        boxes: (n, 4) xyxy, n at least 1; reversed ones are turned, and those beyond `FARTHEST` cut off there.
        size: height and width of the picture; None: unknown, and the frame can be anywhere.
    """
    corners = np.clip(boxes.reshape(-1, 2), -FARTHEST, FARTHEST)
    low, high = corners.min(axis=0), corners.max(axis=0)
    side = np.maximum((high - low) * (1 + 2 * CONTEXT), SMALLEST)
    side = np.maximum(side, side.max() * SLIMMEST)
    middle = (low + high) / 2
    whole = None if size is None else (float(size[1]), float(size[0]))
    (x1, x2), (y1, y2) = (_span(middle[i] - side[i] / 2, side[i], whole[i] if whole else None) for i in (0, 1))
    return Frame(x1, y1, x2, y2)


def _span(start: float, length: float, whole: float | None) -> tuple[int, int]:
    """Whole numbers around a stretch, which is pushed into 0..whole, and cut where it is longer."""
    if whole is not None:
        length = min(length, whole)
        start = min(max(start, 0.0), whole - length)
    first = int(np.floor(start))
    last = int(np.ceil(start + length))
    if whole is not None:
        last = min(last, int(whole))
    return first, max(last, first + 1)
