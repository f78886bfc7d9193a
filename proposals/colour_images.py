"""Step 1 of selective search: the same picture in several colour spaces, 0..255 per channel."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

COLOURS = ("HSV", "Lab", "rgI", "H", "I")
# A Gaussian of sigma 0.8 (FH section 5, kept by the selective search release) in 256ths. A blurred 8-bit value then is
# a whole number of 2^-16 below 2^8, which float32 holds exactly: the same on every processor, whatever its vector unit.
BLUR = np.array([6, 58, 128, 58, 6]) / 256


def colour_image(image_rgb: NDArray[np.uint8], colour: str) -> NDArray[np.uint8]:
    """The picture in another colour space (IJCV section 3.2, table 2).

    Args:
        image_rgb: (H, W, 3) uint8 RGB, C-contiguous.
        colour: "HSV", "Lab" (CIE, from sRGB, D65), "rgI" (the shares of red and green, and intensity),
            "H" (the hue of HSV) or "I" (intensity as luma).
    Returns:
        New (H, W, C) uint8, C = 3, or 1 for "H" and "I". Every channel fills 0..255: hue 0..360 degrees,
        L 0..100, a and b shifted by 128, shares 0..1 (a third each for black).
    Raises:
        ValueError: for another colour.
    """
    if colour == "HSV":
        return _uint8(cv2.cvtColor(image_rgb, cv2.COLOR_RGB2HSV_FULL))
    if colour == "Lab":
        return _uint8(cv2.cvtColor(image_rgb, cv2.COLOR_RGB2LAB))
    if colour == "rgI":
        return _shares_and_intensity(image_rgb)
    if colour == "H":
        return np.ascontiguousarray(_uint8(cv2.cvtColor(image_rgb, cv2.COLOR_RGB2HSV_FULL))[:, :, :1])
    if colour == "I":
        return _uint8(cv2.cvtColor(image_rgb, cv2.COLOR_RGB2GRAY))[:, :, None]
    raise ValueError(f"colour: expected one of {', '.join(COLOURS)}, got {colour!r}")


def smoothed(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Gaussian blur of every channel, sigma 0.8 pixels, edges repeated outwards (FH section 5).

    Args:
        image: (H, W, C) uint8.
    Returns:
        New (H, W, C) float32 in 0..255, exact multiples of 2^-16 by the rounded weights of `BLUR`; within 0.7 of
        the Gaussian itself.
    """
    blurred = cv2.sepFilter2D(image, cv2.CV_32F, BLUR, BLUR, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(blurred, dtype=np.float32).reshape(image.shape)


def _shares_and_intensity(image_rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    values = image_rgb.astype(np.float32)
    total = values.sum(axis=2, keepdims=True)
    shares = np.divide(values, total, out=np.full_like(values, 1 / 3), where=total > 0)
    scaled = np.concatenate((shares[:, :, :2] * 255, total / 3), axis=2)
    return _uint8(np.rint(scaled))


def _uint8(image: object) -> NDArray[np.uint8]:
    return np.asarray(image, dtype=np.uint8)
