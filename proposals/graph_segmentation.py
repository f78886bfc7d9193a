"""Step 2 of selective search: Felzenszwalb and Huttenlocher's superpixels.

Pixels are joined along edges of growing colour difference, as long as the edge is not much heavier than what
either side already contains (FH section 3). The edges are sorted once for a picture, whatever the scales k.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from proposals.compiled import kernel

LEVELS = 128  # steps per grey level that an edge weight is rounded to
ABSENT = 65535  # weight of an edge that would leave the picture; real ones end at 255 * sqrt(3) * LEVELS = 56533


@dataclass(frozen=True)
class SortedEdges:
    """The edges of a picture's 8-connected pixel grid, lightest first.

    Attributes:
        edges: (M,) int32, 4 * pixel + direction; pixel = row * width + column; directions 0 right, 1 below,
            2 below right, 3 below left. Equal weights stay in this order.
        weights: (M,) uint16, Euclidean distance of the two colours, in steps of 1/128 grey level.
        size: (height, width) of the picture in pixels.
    """

    edges: NDArray[np.int32]
    weights: NDArray[np.uint16]
    size: tuple[int, int]


def sort_edges(image: NDArray[np.float32]) -> SortedEdges:
    """Weigh and sort all edges of a picture (a counting sort, stable).

    Args:
        image: (H, W, C) float32, C-contiguous, values in 0..255, C = 1 or 3. A one-channel picture stands
            for three equal channels, so that k means the same for both.
    Returns:
        H(W-1) + W(H-1) + 2(H-1)(W-1) edges; none for a single pixel.
    """
    height, width, channels = image.shape
    weights, counts = _edge_weights(image, np.float32(LEVELS * math.sqrt(3 / channels)))
    edges, sorted_weights = _counting_sort(weights, counts)
    present = edges.size - int(counts[ABSENT])
    return SortedEdges(edges[:present], sorted_weights[:present], (height, width))


def segment(sorted_edges: SortedEdges, k: float, min_size: int) -> tuple[NDArray[np.int32], int]:
    """Superpixels at scale k (FH section 3.1, algorithm 1, with the threshold function k / |C|).

    Args:
        sorted_edges: from `sort_edges`.
        k: scale of observation in grey levels times pixels; larger gives larger superpixels.
        min_size: then superpixels of fewer pixels are joined to a neighbour, along the lightest edges first.
    Returns:
        (H, W) int32 labels 0..n-1, numbered as they first appear row by row, and n >= 1. Every superpixel is
        8-connected.
    """
    height, width = sorted_edges.size
    parents = _join_pixels(sorted_edges.edges, sorted_edges.weights, height * width, width, k, min_size)
    labels, count = _number_roots(parents)
    return labels.reshape(height, width), count


@kernel
def _edge_weights(image: NDArray[np.float32], factor: np.float32) -> tuple[NDArray[np.uint16], NDArray[np.int32]]:
    """(4HW,) weights, ABSENT outside the picture, and how many there are of each (65536,)."""
    height, width, channels = image.shape
    weights = np.full(4 * height * width, ABSENT, np.uint16)
    for y in range(height):
        for x in range(width):
            for direction in range(4):
                below = y if direction == 0 else y + 1
                beside = x if direction == 1 else (x - 1 if direction == 3 else x + 1)
                if below < height and 0 <= beside < width:
                    square = np.float32(0)
                    for c in range(channels):
                        step = image[y, x, c] - image[below, beside, c]
                        square += step * step
                    weights[4 * (y * width + x) + direction] = np.uint16(np.sqrt(square) * factor + np.float32(0.5))
    counts = np.zeros(65536, np.int32)
    for weight in weights:
        counts[weight] += 1
    return weights, counts


@kernel
def _counting_sort(
    weights: NDArray[np.uint16], counts: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.uint16]]:
    """Positions of the weights in rising order, ties by position, and the sorted weights."""
    slots = np.zeros(65536, np.int32)
    for weight in range(1, 65536):
        slots[weight] = slots[weight - 1] + counts[weight - 1]
    order = np.empty(weights.size, np.int32)
    ordered = np.empty(weights.size, np.uint16)
    for position in range(weights.size):
        weight = weights[position]
        slot = slots[weight]
        order[slot] = position
        ordered[slot] = weight
        slots[weight] = slot + 1
    return order, ordered


@kernel
def _join_pixels(
    edges: NDArray[np.int32], weights: NDArray[np.uint16], pixels: int, width: int, k: float, min_size: int
) -> NDArray[np.int32]:
    """(pixels,) union-find forest: a pixel's parent, or minus the size of the tree whose root it is."""
    offsets = np.array([1, width, width + 1, width - 1], np.int32)
    parents = np.full(pixels, -1, np.int32)
    scale = k * LEVELS
    limits = np.full(pixels, scale, np.float32)  # per root: heaviest edge inside + k / size
    refused = np.empty(edges.size, np.int32)
    refusals = 0
    for position in range(edges.size):
        edge = edges[position]
        a = _root(parents, edge >> 2)
        b = _root(parents, (edge >> 2) + offsets[edge & 3])
        if a == b:
            continue
        weight = weights[position]
        if weight <= limits[a] and weight <= limits[b]:
            root = _join(parents, a, b)
            limits[root] = weight - scale / parents[root]
        else:
            refused[refusals] = edge
            refusals += 1
    # An edge inside a superpixel stays inside, so only the refused ones can join anything from here on.
    for edge in refused[:refusals]:
        a = _root(parents, edge >> 2)
        b = _root(parents, (edge >> 2) + offsets[edge & 3])
        if a != b and (-parents[a] < min_size or -parents[b] < min_size):
            _join(parents, a, b)
    return parents


@kernel
def _root(parents: NDArray[np.int32], pixel: int) -> int:
    """The root of the pixel's tree; halves the path on the way."""
    parent = parents[pixel]
    while parent >= 0:
        grandparent = parents[parent]
        if grandparent < 0:
            return int(parent)
        parents[pixel] = grandparent
        pixel = grandparent
        parent = parents[pixel]
    return int(pixel)


@kernel
def _join(parents: NDArray[np.int32], a: int, b: int) -> int:
    """Hang the smaller of two trees under the larger; returns the root."""
    if parents[a] > parents[b]:
        a, b = b, a
    parents[a] += parents[b]
    parents[b] = a
    return a


@kernel
def _number_roots(parents: NDArray[np.int32]) -> tuple[NDArray[np.int32], int]:
    """(pixels,) labels in order of first appearance, and their number."""
    label_of_root = np.full(parents.size, -1, np.int32)
    labels = np.empty(parents.size, np.int32)
    count = 0
    for pixel in range(parents.size):
        root = _root(parents, pixel)
        if label_of_root[root] < 0:
            label_of_root[root] = count
            count += 1
        labels[pixel] = label_of_root[root]
    return labels, count
