"""Which regions touch: each pair once, from the many pixel edges between them, in linear time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from proposals.compiled import kernel


@kernel
def first_of_each_pair(first: NDArray[np.int32], second: NDArray[np.int32], count: int) -> NDArray[np.int32]:
    """Rising positions, of equal pairs the first: the positions are gathered by `first`, then looked through."""
    slots = np.zeros(count + 1, np.int64)
    for position in range(first.size):
        slots[first[position] + 1] += 1
    for a in range(count):
        slots[a + 1] += slots[a]
    gathered = np.empty(first.size, np.int32)
    for position in range(first.size):
        gathered[slots[first[position]]] = position
        slots[first[position]] += 1
    met_by = np.full(count, -1, np.int32)
    is_first = np.empty(first.size, np.bool_)
    for slot in range(first.size):
        position = gathered[slot]
        is_first[position] = met_by[second[position]] != first[position]  # without a branch: it would be a coin toss
        met_by[second[position]] = first[position]
    positions: NDArray[np.int32] = np.flatnonzero(is_first).astype(np.int32)
    return positions


@kernel
def touching_pairs(
    first: NDArray[np.int32],
    second: NDArray[np.int32],
    edges: NDArray[np.int32],
    of_fragment: NDArray[np.int32],
    count: int,
) -> NDArray[np.int32]:
    """(P, 2) superpixels at the two ends of these edges, a < b, sorted, each pair once: bucket by b, then by a."""
    by_second = np.empty((edges.size, 2), np.int32)
    by_first = np.empty((edges.size, 2), np.int32)
    pairs = np.empty((edges.size, 2), np.int32)
    ends_first, ends_second = np.zeros(count + 1, np.int64), np.zeros(count + 1, np.int64)
    number = 0
    for position in edges:
        a, b = of_fragment[first[position]], of_fragment[second[position]]
        if a != b:
            pairs[number, 0], pairs[number, 1] = min(a, b), max(a, b)
            ends_first[min(a, b) + 1] += 1
            ends_second[max(a, b) + 1] += 1
            number += 1
    for label in range(count):
        ends_first[label + 1] += ends_first[label]
        ends_second[label + 1] += ends_second[label]
    for i in range(number):
        slot = ends_second[pairs[i, 1]]
        by_second[slot, 0], by_second[slot, 1] = pairs[i, 0], pairs[i, 1]
        ends_second[pairs[i, 1]] += 1
    for i in range(number):
        slot = ends_first[by_second[i, 0]]
        by_first[slot, 0], by_first[slot, 1] = by_second[i, 0], by_second[i, 1]
        ends_first[by_second[i, 0]] += 1
    unique = 0
    for i in range(number):
        if i == 0 or by_first[i, 0] != by_first[i - 1, 0] or by_first[i, 1] != by_first[i - 1, 1]:
            pairs[unique, 0], pairs[unique, 1] = by_first[i, 0], by_first[i, 1]
            unique += 1
    unrepeated: NDArray[np.int32] = pairs[:unique].copy()
    return unrepeated
