"""What joins a picture's pixels: the edges of its 8-connected grid, weighed by colour difference and sorted."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from proposals.compiled import kernel

LEVELS = (
    128  # steps per grey level that an edge weight is rounded to; black to white weighs 255 * sqrt(3) * 128 = 56533
)


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
    planes = np.stack(cv2.split(image)).astype(np.float32, copy=False).reshape(channels, height, width)
    weights = _edge_weights(planes, np.float32(LEVELS * math.sqrt(3 / channels)))
    edges, sorted_weights = _counting_sort(weights, height, width)
    return SortedEdges(edges, sorted_weights, (height, width))


@kernel
def _edge_weights(planes: NDArray[np.float32], factor: np.float32) -> NDArray[np.uint16]:
    """(M,) weights: row by row, in each row those to the right, below, below right and below left.

    Each kind of edge is a run of neighbours in a plane of one channel, so that the vector unit can do eight at once.
    """
    _, height, width = planes.shape
    weights = np.empty(height * (width - 1) + width * (height - 1) + 2 * (height - 1) * (width - 1), np.uint16)
    start = 0
    for y in range(height):
        start = _weigh_row(planes, y, y, 0, 1, factor, weights, start, width - 1)
        if y + 1 < height:
            start = _weigh_row(planes, y, y + 1, 0, 0, factor, weights, start, width)
            start = _weigh_row(planes, y, y + 1, 0, 1, factor, weights, start, width - 1)
            start = _weigh_row(planes, y, y + 1, 1, 0, factor, weights, start, width - 1)
    return weights


@kernel
def _weigh_row(
    planes: NDArray[np.float32],
    y: int,
    below: int,
    x: int,
    beside: int,
    factor: np.float32,
    weights: NDArray[np.uint16],
    start: int,
    number: int,
) -> int:
    """Weigh `number` edges from (y, x) to (below, beside) onwards into weights[start:]; returns where they end."""
    squares = np.zeros(number, np.float32)
    for channel in range(planes.shape[0]):
        here, there = planes[channel, y, x : x + number], planes[channel, below, beside : beside + number]
        for i in range(number):
            step = here[i] - there[i]
            squares[i] += step * step
    row = weights[start : start + number]
    for i in range(number):
        row[i] = np.int32(np.sqrt(squares[i]) * factor + np.float32(0.5))
    return start + number


@kernel
def _counting_sort(
    weights: NDArray[np.uint16], height: int, width: int
) -> tuple[NDArray[np.int32], NDArray[np.uint16]]:
    """Edge numbers by rising weight, ties by number, and the sorted weights."""
    slots = np.zeros(65537, np.int32)
    for weight in weights:
        slots[np.int64(weight) + 1] += 1
    for weight in range(65536):
        slots[weight + 1] += slots[weight]
    edges = np.empty(weights.size, np.int32)
    across = 0
    for y in range(height):
        below = across + width - 1
        right, left = below + width, below + 2 * width - 1
        for x in range(width):
            edge = 4 * (y * width + x)
            if x + 1 < width:
                _place(edges, slots, weights[across + x], edge)
            if y + 1 < height:
                _place(edges, slots, weights[below + x], edge + 1)
                if x + 1 < width:
                    _place(edges, slots, weights[right + x], edge + 2)
                if x > 0:
                    _place(edges, slots, weights[left + x - 1], edge + 3)
        across = left + width - 1
    return edges, _expanded(slots, weights.size)


@kernel
def _place(edges: NDArray[np.int32], slots: NDArray[np.int32], weight: np.uint16, edge: int) -> None:
    slot = np.uint32(slots[weight])
    edges[slot] = edge
    slots[weight] = slot + 1


@kernel
def _expanded(ends: NDArray[np.int32], number: int) -> NDArray[np.uint16]:
    """The sorted weights, from where each weight's edges end: written in order, which is cheap."""
    weights = np.empty(number, np.uint16)
    position = 0
    for weight in range(65536):
        while position < ends[weight]:
            weights[position] = weight
            position += 1
    return weights
