"""Step 2 of selective search: Felzenszwalb and Huttenlocher's superpixels, at several scales k at once.

Pixels are joined along edges of growing colour difference, as long as the edge is not much heavier than what
either side already contains (FH section 3). Most of that is the same at every scale: while the smallest k lets
two regions join, all larger ones do too. So the work is split, without changing the outcome:

- `grow_fragments`, once for all scales: join as the smallest k would, but stop at a region's first refusal. From
  then on its fate depends on k; it and, one by one, the regions that it meets are closed, and their remaining
  edges are put off. Regions with no edge put off have made no decision that another k would not have made.
- `join_fragments`, once for each k: the edges put off, by the rule for that k. Of several edges between the same
  two fragments only the lightest can join them: where it is refused, one side has reached its limit for good. In a
  photo that leaves a small part of all edges.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from proposals.compiled import kernel
from proposals.pixel_edges import LEVELS, SortedEdges
from proposals.region_pairs import first_of_each_pair, touching_pairs


@dataclass(frozen=True)
class Fragments:
    """The n pieces that the superpixels of every scale from k on are put together from.

    Attributes:
        labels: (H, W) int32, 0..n-1, numbered as they first appear row by row; n >= 1. Every fragment is 8-connected.
        sizes: (n,) int32 pixels.
        heaviest: (n,) int32 weight of the heaviest edge that joined it (FH: Int(C)), in steps of `LEVELS`; 0 for
            a single pixel.
        first, second: (E,) int32, the fragments that touch, each two once, smaller first.
        weights: (E,) uint16 of the lightest edge between them, never decreasing.
        k: the smallest scale.
    """

    labels: NDArray[np.int32]
    sizes: NDArray[np.int32]
    heaviest: NDArray[np.int32]
    first: NDArray[np.int32]
    second: NDArray[np.int32]
    weights: NDArray[np.uint16]
    k: float


@dataclass(frozen=True)
class Superpixels:
    """The n superpixels at one scale.

    Attributes:
        of_fragment: (fragments,) int32 superpixel 0..n-1 of each fragment, numbered as they first appear.
        count: n >= 1.
        pairs: (P, 2) int32, the superpixels that touch (8-connected), smaller first, sorted, each pair once.
    """

    of_fragment: NDArray[np.int32]
    count: int
    pairs: NDArray[np.int32]


def segment(sorted_edges: SortedEdges, k: float, min_size: int) -> tuple[NDArray[np.int32], int]:
    """Superpixels at one scale k (FH section 3.1, algorithm 1, with the threshold function k / |C|).

    Args:
        sorted_edges: from `sort_edges`.
        k: scale of observation in grey levels times pixels; larger gives larger superpixels.
        min_size: then superpixels of fewer pixels are joined to a neighbour, along the lightest edges first.
    Returns:
        (H, W) int32 labels 0..n-1, numbered as they first appear row by row, and n >= 1. Every superpixel is
        8-connected.
    """
    fragments = grow_fragments(sorted_edges, k)
    superpixels = join_fragments(fragments, k, min_size)
    return superpixels.of_fragment[fragments.labels], superpixels.count


def grow_fragments(sorted_edges: SortedEdges, k: float) -> Fragments:
    """What the superpixels of all scales from k on have in common.

    Raises:
        ValueError: unless k is above 0.
    """
    if not k > 0:
        raise ValueError(f"k: expected a number above 0, got {k}")
    height, width = sorted_edges.size
    allowance = _allowance(k)
    forest, put_off, weights = _grow(sorted_edges.edges, sorted_edges.weights, height * width, width, allowance)
    labels, count = _number_roots(forest)
    sizes, heaviest = _describe_roots(forest, labels, count, allowance)
    first, second = _ends(put_off, labels, width)
    lightest = first_of_each_pair(first, second, count)
    ends = first[lightest], second[lightest]
    return Fragments(labels.reshape(height, width), sizes, heaviest, *ends, weights[lightest], k)


def join_fragments(fragments: Fragments, k: float, min_size: int) -> Superpixels:
    """The superpixels at scale k (see `segment`).

    Raises:
        ValueError: if k is below the scale of the fragments.
    """
    if not k >= fragments.k:
        raise ValueError(f"k: expected at least the fragments' {fragments.k}, got {k}")
    allowance = _allowance(k)
    ends = fragments.first, fragments.second
    forest, refused = _join(*ends, fragments.weights, fragments.sizes, fragments.heaviest, allowance, min_size)
    of_fragment, count = _number_roots(forest)
    return Superpixels(of_fragment, count, touching_pairs(*ends, refused, of_fragment, count))


def _allowance(k: float) -> int:
    """k in the steps of edge weights, rounded down; at most 2^30, so that limits fit 32 bits (k = 8,388,608)."""
    return int(min(k * LEVELS, float(1 << 30)))


@kernel
def _grow(
    edges: NDArray[np.int32], weights: NDArray[np.uint16], pixels: int, width: int, allowance: int
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.uint16]]:
    """The forest of pixels, the edges put off (which no fragment contains), and their weights.

    A forest is (n, 2): a node's parent, or minus the pixels of the tree whose root it is; and a root's limit, side by
    side because they are read together. The limit is the heaviest edge inside + allowance / size, rounded down: what
    an edge may weigh. Of a region that is closed it is -1 - heaviest edge inside, below every weight.
    """
    offsets = np.array([1, width, width + 1, width - 1], np.int64)
    forest = np.empty((pixels, 2), np.int32)
    for pixel in range(pixels):
        forest[pixel, 0], forest[pixel, 1] = -1, allowance
    put_off, put_off_weights = np.empty(edges.size, np.int32), np.empty(edges.size, np.uint16)
    number = 0
    for position in range(edges.size):
        edge = edges[position]
        a = _root(forest, edge >> 2)
        b = _root(forest, (edge >> 2) + offsets[edge & 3])
        if a == b:
            continue
        weight = weights[position]
        if weight <= forest[a, 1] and weight <= forest[b, 1]:
            root = _hang(forest, a, b)
            forest[root, 1] = _limit(weight, allowance, -forest[root, 0])
        else:
            forest[a, 1] = _closed(forest[a, 1], allowance, -forest[a, 0])
            forest[b, 1] = _closed(forest[b, 1], allowance, -forest[b, 0])
            put_off[number], put_off_weights[number] = edge, weight
            number += 1
    return forest, put_off[:number].copy(), put_off_weights[:number].copy()


@kernel
def _limit(heaviest: int, allowance: int, size: int) -> int:
    """What an edge may weigh that joins a region; float64 division is exact enough for whole numbers below 2^31."""
    return heaviest + int(allowance / size)


@kernel
def _closed(limit: int, allowance: int, size: int) -> int:
    return limit if limit < 0 else -1 - _heaviest(limit, allowance, size)


@kernel
def _heaviest(limit: int, allowance: int, size: int) -> int:
    """The heaviest edge inside a region, from its limit."""
    if limit < 0:
        return -1 - limit
    return limit - int(allowance / size)


@kernel
def _describe_roots(
    forest: NDArray[np.int32], labels: NDArray[np.int32], count: int, allowance: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """(count,) sizes and heaviest edges of the labelled trees."""
    sizes, heaviest = np.empty(count, np.int32), np.empty(count, np.int32)
    for node in range(labels.size):
        if forest[node, 0] < 0:
            sizes[labels[node]] = -forest[node, 0]
            heaviest[labels[node]] = _heaviest(forest[node, 1], allowance, -forest[node, 0])
    return sizes, heaviest


@kernel
def _ends(
    edges: NDArray[np.int32], labels: NDArray[np.int32], width: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    offsets = np.array([1, width, width + 1, width - 1], np.int64)
    first, second = np.empty(edges.size, np.int32), np.empty(edges.size, np.int32)
    for position in range(edges.size):
        edge = edges[position]
        here, there = labels[edge >> 2], labels[(edge >> 2) + offsets[edge & 3]]
        first[position], second[position] = min(here, there), max(here, there)
    return first, second


@kernel
def _join(
    first: NDArray[np.int32],
    second: NDArray[np.int32],
    weights: NDArray[np.uint16],
    sizes: NDArray[np.int32],
    heaviest: NDArray[np.int32],
    allowance: int,
    min_size: int,
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The forest of fragments, and the positions of the edges that joined nothing."""
    forest = np.empty((sizes.size, 2), np.int32)
    for fragment in range(sizes.size):
        forest[fragment, 0] = -sizes[fragment]
        forest[fragment, 1] = _limit(heaviest[fragment], allowance, sizes[fragment])
    refused = np.empty(first.size, np.int32)
    number = 0
    for position in range(first.size):
        a, b = _root(forest, first[position]), _root(forest, second[position])
        if a == b:
            continue
        weight = weights[position]
        if weight <= forest[a, 1] and weight <= forest[b, 1]:
            root = _hang(forest, a, b)
            forest[root, 1] = _limit(weight, allowance, -forest[root, 0])
        else:
            refused[number] = position
            number += 1
    # An edge inside a superpixel stays inside, so only the refused ones can join anything from here on.
    left = 0
    for position in refused[:number]:
        a, b = _root(forest, first[position]), _root(forest, second[position])
        if a == b:
            continue
        if -forest[a, 0] < min_size or -forest[b, 0] < min_size:
            _hang(forest, a, b)
        else:
            refused[left] = position
            left += 1
    return forest, refused[:left].copy()


@kernel
def _root(forest: NDArray[np.int32], node: int) -> int:
    """The root of the node's tree; halves the path on the way."""
    parent = forest[node, 0]
    while parent >= 0:
        grandparent = forest[parent, 0]
        if grandparent < 0:
            return int(parent)
        forest[node, 0] = grandparent
        node = grandparent
        parent = forest[node, 0]
    return int(node)


@kernel
def _hang(forest: NDArray[np.int32], a: int, b: int) -> int:
    """Hang the smaller of two trees under the larger; returns the root."""
    if forest[a, 0] > forest[b, 0]:
        a, b = b, a
    forest[a, 0] += forest[b, 0]
    forest[b, 0] = a
    return a


@kernel
def _number_roots(forest: NDArray[np.int32]) -> tuple[NDArray[np.int32], int]:
    """Every node's tree, numbered in order of first appearance, and the number of trees."""
    label_of_root = np.full(forest.shape[0], -1, np.int32)
    labels = np.empty(forest.shape[0], np.int32)
    count = 0
    for node in range(labels.size):
        root = _root(forest, node)
        if label_of_root[root] < 0:
            label_of_root[root] = count
            count += 1
        labels[node] = label_of_root[root]
    return labels, count
