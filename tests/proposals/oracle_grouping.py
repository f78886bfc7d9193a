"""Regions and their hierarchical grouping the slow way: a region is a list of pixels, nothing is updated."""

from __future__ import annotations

from itertools import combinations

import numpy as np

ONE = 2**23


def colour_histogram(colours: np.ndarray, pixels: list[tuple[int, int]]) -> list[int]:
    """Counts, 25 bins for each channel."""
    counts = []
    for c in range(colours.shape[2]):
        bins = [int(colours[y, x, c]) * 25 // 256 for y, x in pixels]
        counts += [bins.count(b) for b in range(25)]
    return counts


def texture_histogram(signed: np.ndarray, pixels: list[tuple[int, int]]) -> list[int]:
    """Counts, 10 bins for each of 8 orientations of each channel, from signed bins (H, W, C, 4) in -9..9."""
    counts = []
    for c in range(signed.shape[2]):
        for orientation in range(8):
            sign = 1 if orientation < 4 else -1
            bins = [max(0, sign * int(signed[y, x, c, orientation % 4])) for y, x in pixels]
            counts += [bins.count(b) for b in range(10)]
    return counts


def bounding_box(pixels: list[tuple[int, int]]) -> tuple[int, int, int, int]:
    rows, columns = [y for y, _ in pixels], [x for _, x in pixels]
    return min(columns), min(rows), max(columns), max(rows)


def touch(a: list[tuple[int, int]], b: list[tuple[int, int]]) -> bool:
    grown = {(y + dy, x + dx) for y, x in a for dy in (-1, 0, 1) for dx in (-1, 0, 1)}
    return not grown.isdisjoint(b)


def intersection(a: list[int], b: list[int], size_a: int, size_b: int, total: int) -> float:
    shares = ((int(p * (ONE / size_a)), int(q * (ONE / size_b))) for p, q in zip(a, b, strict=True))
    return sum(min(pair) for pair in shares) / (total * ONE)


def similarity(
    a: list[tuple[int, int]], b: list[tuple[int, int]], colours: np.ndarray, signed: np.ndarray, strategy: str
) -> float:
    height, width, channels = colours.shape
    area, joined, total = height * width, a + b, 0.0
    if "C" in strategy:
        histograms = colour_histogram(colours, a), colour_histogram(colours, b)
        total += intersection(*histograms, len(a), len(b), channels)
    if "T" in strategy:
        histograms = texture_histogram(signed, a), texture_histogram(signed, b)
        total += intersection(*histograms, len(a), len(b), 8 * channels)
    if "S" in strategy:
        total += 1 - len(joined) / area
    if "F" in strategy:
        x1, y1, x2, y2 = bounding_box(joined)
        total += 1 - ((x2 - x1 + 1) * (y2 - y1 + 1) - len(joined)) / area
    return total


def hierarchy(
    labels: np.ndarray, colours: np.ndarray, signed: np.ndarray, strategy: str
) -> tuple[list[tuple[int, int, int, int]], list[tuple[int, int]]]:
    """Boxes of leaves and merged regions, and the pairs merged (IJCV algorithm 1)."""
    regions = {label: [(int(y), int(x)) for y, x in np.argwhere(labels == label)] for label in range(labels.max() + 1)}
    boxes, merges = [bounding_box(pixels) for pixels in regions.values()], []

    def score(i: int, j: int) -> float:
        return similarity(regions[i], regions[j], colours, signed, strategy)

    similarities = {(i, j): score(i, j) for i, j in combinations(regions, 2) if touch(regions[i], regions[j])}
    while similarities:
        i, j = min(similarities, key=lambda pair: (-similarities[pair], pair))
        node = len(boxes)
        regions[node] = regions[i] + regions[j]
        boxes.append(bounding_box(regions[node]))
        merges.append((i, j))
        beside = sorted({p for pair in similarities for p in pair if {i, j} & set(pair)} - {i, j})
        similarities = {pair: s for pair, s in similarities.items() if not {i, j} & set(pair)}
        similarities.update({(other, node): score(other, node) for other in beside})
    return boxes, merges
