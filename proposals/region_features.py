"""Step 4 of selective search: what grouping needs to know of each superpixel.

All of it is whole numbers that add up when two regions merge: a merged histogram, normalised, is the
size-weighted mean of the two (IJCV section 3.2), without rounding. For the same reason one look at the pixels does
for all scales k: the pieces that no scale cuts up are measured, and each scale adds up its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from proposals.compiled import kernel
from proposals.texture import AXES, BINS

COLOUR_BINS = 25  # per channel, IJCV section 3.2
SIGNED_BINS = 19  # 2 * BINS - 1; written out because numba's cache looks at this file only
assert SIGNED_BINS == 2 * BINS - 1


@dataclass(frozen=True)
class Measures:
    """What is measured of n disjoint regions of one picture in one colour space with C channels.

    Attributes:
        sizes: (n,) int32 pixels.
        boxes: (n, 4) int32 x1, y1, x2, y2 of the first and the last pixel (inclusive).
        colours: (n, C * 25) int32 pixels per bin; each channel's bins sum to the size.
        slopes: (n, C * 4 * 19) int32 pixels per signed bin of each axis, as `texture_bins` numbers them; each
            axis's bins sum to the size.
    """

    sizes: NDArray[np.int32]
    boxes: NDArray[np.int32]
    colours: NDArray[np.int32]
    slopes: NDArray[np.int32]


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


def common_pieces(labellings: Sequence[NDArray[np.int32]]) -> tuple[NDArray[np.int32], int]:
    """The largest pieces that none of several labellings of the same elements cuts up.

    Args:
        labellings: at least one, each (elements,) int32 from 0 up.
    Returns:
        (elements,) int32 pieces 0..n-1, and n: two elements share a piece if all labellings agree on them.
    """
    pieces = np.zeros_like(labellings[0])
    count = 1
    for labels in labellings:
        pieces, count = _cut(pieces, count, labels, int(labels.max(initial=0)) + 1)
    return pieces, count


def measure(labels: NDArray[np.int32], count: int, colours: NDArray[np.uint8], textures: NDArray[np.uint8]) -> Measures:
    """Look at every pixel once.

    Args:
        labels: (H, W) int32, every one of 0..count-1 present.
        count: n.
        colours: (H, W, C) uint8 from `colour_image`.
        textures: (4, H, W, C) uint8 from `texture_bins`.
    """
    sizes, boxes = _extents(labels, count)
    return Measures(sizes, boxes, _colour_counts(labels, count, colours), _slope_counts(labels, count, textures))


def added_up(measures: Measures, labels: NDArray[np.int32], count: int) -> Measures:
    """The measures of regions made of others: labels[i] in 0..count-1, each present, is what i is part of."""
    low, high = _joint_boxes(measures.boxes, labels, count)
    return Measures(
        _sums(measures.sizes[:, None], labels, count)[:, 0],
        np.concatenate((low, high), axis=1),
        _sums(measures.colours, labels, count),
        _sums(measures.slopes, labels, count),
    )


def make_regions(measures: Measures, pairs: NDArray[np.int32]) -> Regions:
    """Superpixels that cover a picture, with the pairs that touch."""
    area = int(measures.sizes.sum())
    textures = _both_ways(measures.slopes, measures.sizes, AXES, BINS)
    return Regions(measures.sizes, measures.boxes, measures.colours, textures, pairs, area)


@kernel
def _cut(
    pieces: NDArray[np.int32], count: int, labels: NDArray[np.int32], label_count: int
) -> tuple[NDArray[np.int32], int]:
    """Pieces that agree in `pieces` and in `labels`: label after label, each piece met there gets a new number."""
    slots = np.zeros(label_count + 1, np.int64)
    for element in range(labels.size):
        slots[labels[element] + 1] += 1
    for slot in range(label_count):
        slots[slot + 1] += slots[slot]
    by_label = np.empty(labels.size, np.int32)
    for element in range(labels.size):
        by_label[slots[labels[element]]] = element
        slots[labels[element]] += 1
    met_at, number = np.full(count, -1, np.int32), np.empty(count, np.int32)
    cut = np.empty(labels.size, np.int32)
    found = 0
    for position in range(labels.size):
        element = by_label[position]
        piece, label = pieces[element], labels[element]
        if met_at[piece] != label:
            met_at[piece], number[piece] = label, found
            found += 1
        cut[element] = number[piece]
    return cut, found


@kernel
def _sums(rows: NDArray[np.int32], labels: NDArray[np.int32], count: int) -> NDArray[np.int32]:
    """(count, F) sums of the rows with each label."""
    sums = np.zeros((count, rows.shape[1]), np.int32)
    for row in range(rows.shape[0]):
        label = labels[row]
        for f in range(rows.shape[1]):
            sums[label, f] += rows[row, f]
    return sums


@kernel
def _joint_boxes(
    boxes: NDArray[np.int32], labels: NDArray[np.int32], count: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """(count, 2) least x1, y1 and (count, 2) greatest x2, y2 of the boxes with each label."""
    low, high = np.full((count, 2), 2147483647, np.int32), np.full((count, 2), -1, np.int32)
    for row in range(boxes.shape[0]):
        label = labels[row]
        for side in range(2):
            low[label, side] = min(low[label, side], boxes[row, side])
            high[label, side] = max(high[label, side], boxes[row, side + 2])
    return low, high


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
    counts = np.zeros(count * channels * COLOUR_BINS, np.int32)
    for y in range(height):
        row = colours[y]
        for x in range(width):
            start = int(labels[y, x]) * channels * COLOUR_BINS
            for c in range(channels):
                counts[start + ((row[x, c] * COLOUR_BINS) >> 8)] += 1
                start += COLOUR_BINS
    return counts.reshape(count, channels * COLOUR_BINS)


@kernel
def _slope_counts(labels: NDArray[np.int32], count: int, textures: NDArray[np.uint8]) -> NDArray[np.int32]:
    """The four axes are written out, because a loop over them is much slower."""
    _, height, width, channels = textures.shape
    counts = np.zeros(count * channels * 4 * SIGNED_BINS, np.int32)
    for y in range(height):
        right, right_down, down, left_down = textures[0, y], textures[1, y], textures[2, y], textures[3, y]
        for x in range(width):
            start = int(labels[y, x]) * channels * 4 * SIGNED_BINS
            for c in range(channels):
                counts[start + right[x, c]] += 1
                counts[start + SIGNED_BINS + right_down[x, c]] += 1
                counts[start + 2 * SIGNED_BINS + down[x, c]] += 1
                counts[start + 3 * SIGNED_BINS + left_down[x, c]] += 1
                start += 4 * SIGNED_BINS
    return counts.reshape(count, channels * 4 * SIGNED_BINS)


@kernel
def _both_ways(slopes: NDArray[np.int32], sizes: NDArray[np.int32], axes: int, bins: int) -> NDArray[np.int32]:
    """From signed bins of each axis to bins of the two orientations along it."""
    all_axes = slopes.shape[1] // SIGNED_BINS
    counts = np.zeros((sizes.size, all_axes * 2 * bins), np.int32)
    for region in range(sizes.size):
        for axis in range(all_axes):
            forward = (axis // axes * 2 * axes + axis % axes) * bins
            backward = forward + axes * bins
            middle = axis * SIGNED_BINS + bins - 1
            counts[region, forward] = counts[region, backward] = sizes[region]
            for step in range(1, bins):
                ahead, behind = slopes[region, middle + step], slopes[region, middle - step]
                counts[region, forward + step], counts[region, backward + step] = ahead, behind
                counts[region, forward] -= ahead
                counts[region, backward] -= behind
    return counts
