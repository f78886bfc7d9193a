"""Felzenszwalb and Huttenlocher's algorithm 1 the slow way: sets of pixels, one edge at a time."""

from __future__ import annotations

import math

import numpy as np


def all_edges(image: np.ndarray) -> list[tuple[int, int, int]]:
    """(weight in 1/128 grey level, pixel, pixel), lightest first; ties in pixel, then direction order."""
    height, width, channels = image.shape
    factor = np.float32(128 * math.sqrt(3 / channels))
    edges = []
    for y in range(height):
        for x in range(width):
            for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
                if y + dy < height and 0 <= x + dx < width:
                    square = np.float32(0)
                    for c in range(channels):
                        square += (image[y, x, c] - image[y + dy, x + dx, c]) ** 2
                    weight = int(np.sqrt(square) * factor + np.float32(0.5))
                    edges.append((weight, y * width + x, (y + dy) * width + x + dx))
    return sorted(edges, key=lambda edge: edge[0])


def superpixels(image: np.ndarray, k: float, min_size: int) -> np.ndarray:
    """(H, W) labels in order of first appearance."""
    edges = all_edges(image)
    component = {pixel: {pixel} for pixel in range(image.shape[0] * image.shape[1])}
    heaviest = dict.fromkeys(component, 0)  # Int(C), kept for every pixel of C

    def join(a: int, b: int, weight: int) -> None:
        joined = component[a] | component[b]
        for pixel in joined:
            component[pixel] = joined
            heaviest[pixel] = weight

    for weight, a, b in edges:
        if component[a] is not component[b]:
            limits = [heaviest[p] + int(128 * k) // len(component[p]) for p in (a, b)]
            if weight <= min(limits):
                join(a, b, weight)
    for weight, a, b in edges:
        if component[a] is not component[b] and min(len(component[a]), len(component[b])) < min_size:
            join(a, b, weight)
    numbers: dict[int, int] = {}
    labels = [numbers.setdefault(id(component[pixel]), len(numbers)) for pixel in sorted(component)]
    return np.array(labels, np.int32).reshape(image.shape[:2])
