"""Step 4 of selective search: what grouping needs to know of each superpixel.

All of it is whole numbers that add up when two regions merge: a merged histogram, normalised, is the
size-weighted mean of the two (IJCV section 3.2), without rounding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from proposals.compiled import kernel
from proposals.texture import AXES, BINS

COLOUR_BINS = 25  # per channel, IJCV section 3.2


@dataclass(frozen=True)
class Regions:
    """The n superpixels of one picture in one colour space with C channels.

    Attributes:
        sizes: (n,) int32 pixels.
        boxes: (n, 4) int32 x1, y1, x2, y2 of the first and the last pixel (inclusive).
        colours: (n, C * 25) int32 pixels per bin; each channel's bins sum to the size.
        textures: (n, C * 80) int32 pixels per bin, C x 8 orientations (45 degrees apart) x 10 bins; each
            orientation's bins sum to the size.
        pairs: (P, 2) int32, the regions that touch (8-connected), smaller label first, sorted, each once.
        image_area: pixels of the picture.
    """

    sizes: NDArray[np.int32]
    boxes: NDArray[np.int32]
    colours: NDArray[np.int32]
    textures: NDArray[np.int32]
    pairs: NDArray[np.int32]
    image_area: int


def describe_regions(
    labels: NDArray[np.int32], count: int, colours: NDArray[np.uint8], textures: NDArray[np.uint8]
) -> Regions:
    """Measure every superpixel.

    Args:
        labels: (H, W) int32, every one of 0..count-1 present.
        count: n.
        colours: (H, W, C) uint8 from `colour_image`.
        textures: (H, W, C * 4) uint8 from `texture_bins`.
    """
    sizes, boxes = _extents(labels, count)
    return Regions(
        sizes,
        boxes,
        _colour_counts(labels, count, colours),
        _texture_counts(labels, sizes, textures, AXES, BINS),
        touching_pairs(labels, count),
        labels.size,
    )


def touching_pairs(labels: NDArray[np.int32], count: int) -> NDArray[np.int32]:
    """(P, 2) int32 labels that are 8-neighbours somewhere, a < b, rising; (0, 2) for a single label."""
    codes = np.unique(_pair_codes(labels, count))
    return np.stack((codes // count, codes % count), axis=1).astype(np.int32)


@kernel
def _extents(labels: NDArray[np.int32], count: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    height, width = labels.shape
    sizes = np.zeros(count, np.int32)
    boxes = np.empty((count, 4), np.int32)
    boxes[:, 0], boxes[:, 1], boxes[:, 2], boxes[:, 3] = width, height, -1, -1
    for y in range(height):
        for x in range(width):
            label = labels[y, x]
            sizes[label] += 1
            boxes[label, 0] = min(boxes[label, 0], x)
            boxes[label, 1] = min(boxes[label, 1], y)
            boxes[label, 2] = max(boxes[label, 2], x)
            boxes[label, 3] = y
    return sizes, boxes


@kernel
def _colour_counts(labels: NDArray[np.int32], count: int, colours: NDArray[np.uint8]) -> NDArray[np.int32]:
    height, width, channels = colours.shape
    counts = np.zeros((count, channels * COLOUR_BINS), np.int32)
    for y in range(height):
        for x in range(width):
            for c in range(channels):
                counts[labels[y, x], c * COLOUR_BINS + ((colours[y, x, c] * COLOUR_BINS) >> 8)] += 1
    return counts


@kernel
def _texture_counts(
    labels: NDArray[np.int32], sizes: NDArray[np.int32], textures: NDArray[np.uint8], axes: int, bins: int
) -> NDArray[np.int32]:
    height, width, all_axes = textures.shape
    signed = np.zeros((sizes.size, all_axes, 2 * bins - 1), np.int32)
    for y in range(height):
        for x in range(width):
            for axis in range(all_axes):
                signed[labels[y, x], axis, textures[y, x, axis]] += 1
    counts = np.zeros((sizes.size, all_axes * 2 * bins), np.int32)
    for region in range(sizes.size):
        for axis in range(all_axes):
            forward = (axis // axes * 2 * axes + axis % axes) * bins
            backward = forward + axes * bins
            counts[region, forward] = counts[region, backward] = sizes[region]
            for step in range(1, bins):
                ahead, behind = signed[region, axis, bins - 1 + step], signed[region, axis, bins - 1 - step]
                counts[region, forward + step], counts[region, backward + step] = ahead, behind
                counts[region, forward] -= ahead
                counts[region, backward] -= behind
    return counts


@kernel
def _pair_codes(labels: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    """smaller * count + larger for each edge of the pixel grid between two labels, with repeats."""
    height, width = labels.shape
    codes = np.empty(4 * height * width, np.int64)
    found = 0
    for y in range(height):
        for x in range(width):
            a = np.int64(labels[y, x])
            for below, beside in ((0, 1), (1, 0), (1, 1), (1, -1)):
                if y + below < height and 0 <= x + beside < width:
                    b = np.int64(labels[y + below, x + beside])
                    if a != b:
                        code = min(a, b) * count + max(a, b)
                        if found == 0 or codes[found - 1] != code:
                            codes[found] = code
                            found += 1
    unrepeated: NDArray[np.int64] = codes[:found].copy()
    return unrepeated
