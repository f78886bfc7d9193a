"""Step 3 of selective search: which way, and how steeply, each pixel's colour changes."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from proposals.compiled import kernel

# A Gaussian of sigma 1 (IJCV section 3.2) and its slope in 256ths, the slope such that a ramp of one grey level a pixel
# gives 1. Like the blur of `colour_images` they keep every sum within what float32 holds exactly.
SMOOTH = np.array([1, 14, 62, 102, 62, 14, 1]) / 256
SLOPE = np.array([-4, -27, -62, 0, 62, 27, 4]) / 256
AXES = 4  # 0, 45, 90, 135 degrees; with both signs the paper's eight orientations
BINS = 10  # per orientation
# The response to a step of half the range; whatever is steeper shares the last bin. A full step gives twice
# as much, but in photos that is so rare that the upper half of the bins would stay all but empty.
STEEP = 127.5 / math.sqrt(2 * math.pi)


def gradients(image: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Gaussian derivatives along x and y, sigma 1, edges repeated outwards.

    Args:
        image: (H, W, C) uint8.
    Returns:
        Two (H, W, C) float32, in grey levels per pixel, exact multiples of 2^-16 by the rounded weights above;
        positive where the picture gets brighter to the right, and downwards.
    """
    along_x = cv2.sepFilter2D(image, cv2.CV_32F, SLOPE, SMOOTH, borderType=cv2.BORDER_REPLICATE)
    along_y = cv2.sepFilter2D(image, cv2.CV_32F, SMOOTH, SLOPE, borderType=cv2.BORDER_REPLICATE)
    return (
        np.asarray(along_x, np.float32).reshape(image.shape),
        np.asarray(along_y, np.float32).reshape(image.shape),
    )


def texture_bins(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Each pixel's signed, binned derivative along four axes (IJCV section 3.2, "texture").

    The derivative of a Gaussian along 45 degrees is the sum of those along x and y, over sqrt 2. Derivatives
    at an angle and at its opposite differ in sign only, so each of the eight orientations sees the positive
    half of its own derivative: bin 0 for none, or for one that points the other way. One signed number per
    axis therefore says which bins of both are meant.

    Args:
        image: (H, W, C) uint8.
    Returns:
        (4, H, W, C) uint8, the axes 0, 45, 90, 135 degrees (x to the right, y down) outermost: 9 + s, where
        s = -9..9 is the derivative in tenths of `STEEP`, rounded towards 0 and clipped.
    """
    along_x, along_y = gradients(image)
    return _signed_bins(along_x.ravel(), along_y.ravel(), BINS / STEEP).reshape(AXES, *image.shape)


@kernel
def _signed_bins(along_x: NDArray[np.float32], along_y: NDArray[np.float32], per_level: float) -> NDArray[np.uint8]:
    """(4, n) bins of n derivatives along x and y."""
    bins = np.empty((AXES, along_x.size), np.uint8)
    straight = np.float32(per_level)
    diagonal = np.float32(per_level / np.sqrt(2.0))
    right, right_down, down, left_down = bins[0], bins[1], bins[2], bins[3]
    for i in range(along_x.size):
        dx, dy = along_x[i], along_y[i]
        right[i] = _bin(dx * straight)
        right_down[i] = _bin((dx + dy) * diagonal)
        down[i] = _bin(dy * straight)
        left_down[i] = _bin((dy - dx) * diagonal)
    return bins


@kernel
def _bin(tenths: np.float32) -> int:
    clipped = min(max(tenths, np.float32(1 - BINS)), np.float32(BINS - 1))
    return int(np.int32(clipped) + np.int32(BINS - 1))
