"""Regions straight from a label map, for tests: measured by the package, their pairs found the slow way."""

from __future__ import annotations

import numpy as np

from proposals.region_features import Regions, make_regions, measure


def touching_pairs(labels: np.ndarray) -> np.ndarray:
    """(P, 2) int32 labels that are 8-neighbours somewhere, smaller first, sorted, each pair once."""
    height, width = labels.shape
    pairs = set()
    for y in range(height):
        for x in range(width):
            for b in labels[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2].ravel():
                pairs.add((min(labels[y, x], b), max(labels[y, x], b)))
    return np.array(sorted(pair for pair in pairs if pair[0] != pair[1]), np.int32).reshape(-1, 2)


def labelled_regions(labels: np.ndarray, colours: np.ndarray, textures: np.ndarray) -> Regions:
    return make_regions(measure(labels, labels.max() + 1, colours, textures), touching_pairs(labels))
