"""What MultiBox looks at: a picture, or a part of it, squashed to a square."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

CROPS = (1, 5)


def squash(image: NDArray[np.uint8], size: int) -> Tensor:
    """The picture as a square, whatever its shape was (MultiBox); training and inference share this.

    A side that shrinks is averaged over the area of each new pixel, one that grows is interpolated linearly: nothing
    is skipped, also in a picture that shrinks one way and grows the other. OpenCV does it in well under a
    millisecond and without the interpreter's lock; torch's antialiased resize would bring its own threads into
    loading.

    Args:
        image: (H, W, 3) uint8 RGB, at least 1 × 1; any strides.
        size: pixels.
    Returns:
        (3, size, size) uint8 on the CPU, C-contiguous, memory of its own.
    Raises:
        ValueError: if the image is of another type or shape, or the size below 1.
    """
    check_image(image)
    if size < 1:
        raise ValueError(f"size: expected at least 1, got {size}")
    height, width = image.shape[:2]
    shrunk = cv2.resize(
        np.ascontiguousarray(image), (min(width, size), min(height, size)), interpolation=cv2.INTER_AREA
    )
    square = cv2.resize(shrunk, (size, size), interpolation=cv2.INTER_LINEAR)
    return torch.from_numpy(np.array(square.transpose(2, 0, 1), np.uint8, order="C"))


def crop_windows(size: tuple[int, int], crops: int) -> NDArray[np.int64]:
    """Which parts of a picture to look at.

    Args:
        size: (height, width) in pixels.
        crops: 1: the whole picture; 5: also its four corners, each two thirds as high and wide (rounded up).
    Returns:
        (crops, 4) x1, y1, x2, y2 in whole pixels.
    Raises:
        ValueError: for another number of crops.
    """
    if crops not in CROPS:
        raise ValueError(f"crops: expected 1 or 5, got {crops}")
    height, width = size
    rows, columns = -(-2 * height // 3), -(-2 * width // 3)
    windows = [(0, 0, width, height)]
    for top in (0, height - rows):
        windows += [(left, top, left + columns, top + rows) for left in (0, width - columns)]
    return np.array(windows[:crops], np.int64)


def check_image(image: object) -> None:
    """Raises ValueError unless it is a uint8 array (H, W, 3) with something in it."""
    if not isinstance(image, np.ndarray):
        raise ValueError(f"image: expected a uint8 array (H, W, 3), got {type(image).__name__}")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ValueError(f"image: expected uint8 (H, W, 3), got {image.dtype} {image.shape}")
