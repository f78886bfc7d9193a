"""Pictures that lie among photos and show none of the 200 classes: drawn, so that anyone has them."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def document(rng: np.random.Generator) -> NDArray[np.uint8]:
    """A scanned letter: gray paper, lines of text, a ruled table."""
    page = np.full((1754, 1240, 3), 246, np.uint8)
    for line in range(40):
        words = " ".join("".join(chr(97 + int(one)) for one in rng.integers(0, 26, 6)) for _ in range(11))
        cv2.putText(page, words, (120, 150 + 32 * line), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (40, 40, 40), 1, cv2.LINE_AA)
    for row in range(6):
        cv2.line(page, (120, 1480 + 40 * row), (1120, 1480 + 40 * row), (60, 60, 60), 2)
    noise = rng.normal(0, 3, page.shape)
    return np.clip(page + noise, 0, 255).astype(np.uint8)


def drawing(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Crayon lines on white paper."""
    paper = np.full((700, 900, 3), 255, np.uint8)
    for _ in range(14):
        points = rng.integers(50, 650, (7, 1, 2)).astype(np.int32)
        colour = tuple(int(one) for one in rng.integers(0, 200, 3))
        cv2.polylines(paper, [points], False, colour, 4, cv2.LINE_AA)
    return paper


def night(rng: np.random.Generator) -> NDArray[np.uint8]:
    """A dark street with lights: a gradient, noise and blurred dots."""
    scene = np.linspace(4, 22, 600)[:, None, None] * np.ones((1, 800, 3))
    for _ in range(9):
        x, y = rng.integers(0, 800), rng.integers(0, 300)
        scene += 160 * np.exp(-((np.arange(800) - x)[None] ** 2 + (np.arange(600) - y)[:, None] ** 2) / 60)[..., None]
    return np.clip(scene + rng.normal(0, 5, scene.shape), 0, 255).astype(np.uint8)
