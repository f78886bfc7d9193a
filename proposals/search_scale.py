"""The size at which selective search looks at a picture, and the way back."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

TALLEST = 4  # times as high as wide: the most that is searched at the full search width
MOST_PIXELS = 1 << 29  # the number of an edge (4 per pixel) must fit 31 bits


def search_size(size: tuple[int, int], search_width: int | None) -> tuple[int, int]:
    """The size to search at: as wide as asked, same shape (R-CNN section 2.2: width 500).

    A picture more than four times as high as wide gets a smaller scale, so that no more than
    4 * search_width^2 pixels are searched, but for rounding: 3 x 2000 pixels at width 500 would be 333,333 high.

    Args:
        size: (height, width) of the picture.
        search_width: pixels; None keeps the size.
    Returns:
        (height, width), each at least 1.
    """
    height, width = size
    if search_width is None:
        return size
    scale = min(search_width / width, math.sqrt(TALLEST * search_width**2 / (height * width)))
    return max(1, round(height * scale)), max(1, round(width * scale))


def resized(image_rgb: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """The picture at another (height, width): pixel areas averaged when it shrinks, else bilinear.

    Returns:
        A C-contiguous array, which may share memory with `image_rgb` when nothing changes.
    """
    height, width = size
    contiguous = np.ascontiguousarray(image_rgb)
    if contiguous.shape[:2] == (height, width):
        return contiguous
    shrinks = height * width < contiguous.shape[0] * contiguous.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(contiguous, (width, height), interpolation=how), dtype=np.uint8)


def boxes_at_size(
    boxes: NDArray[np.int32], searched_size: tuple[int, int], size: tuple[int, int]
) -> NDArray[np.float32]:
    """Inclusive pixel boxes at the searched size as continuous boxes at the picture's own size.

    Args:
        boxes: (N, 4) x1, y1, x2, y2 of the first and last pixel; N may be 0.
        searched_size, size: (height, width).
    Returns:
        (N, 4) float32 xyxy within the picture; x2 and y2 are the far edges of the last pixel.
    """
    edges = boxes.astype(np.float64)
    edges[:, 2:] += 1
    own = np.array([size[1], size[0]] * 2, np.float64)
    searched = np.array([searched_size[1], searched_size[0]] * 2, np.float64)
    return np.clip(edges * own / searched, 0, own).astype(np.float32)
