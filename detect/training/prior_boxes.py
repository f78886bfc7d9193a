"""The boxes that MultiBox's priors are made of: those of the training objects, each in its whole image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detect.image_decoding import ImageError, read_image_size
from detect.training.training_set import IGNORED, TrainingSet

MOST = 100_000  # objects; K-means of more takes minutes and gives the same priors


def normalised_objects(training_set: TrainingSet, seed: int) -> NDArray[np.float32]:
    """Corners of objects in units of their images' sides, ignored ones left out (Erhan et al. 2014, section 3).

    Args:
        seed: which `MOST` of more objects are taken.
    Returns:
        (M, 4) in [0, 1], areas above 0; M may be 0. Images whose header cannot be read give none.
    """
    chosen = np.flatnonzero(training_set.targets != IGNORED)
    if len(chosen) > MOST:
        chosen = np.sort(np.random.default_rng(seed).choice(chosen, MOST, replace=False))
    parts = []
    for image in np.unique(training_set.image_of[chosen]).tolist():
        try:
            height, width = read_image_size(training_set.images[image])
        except ImageError:  # the run records it where it meets it
            continue
        first, last = np.searchsorted(training_set.image_of[chosen], [image, image + 1])
        parts.append(training_set.boxes[chosen[first:last]].astype(np.float64) / np.array([width, height] * 2))
    whole = np.concatenate([np.zeros((0, 4)), *parts]).clip(0, 1).astype(np.float32)
    return whole[(whole[:, 2:] > whole[:, :2]).all(axis=1)]


def with_mirrored(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """(2 M, 4): boxes of whole images, and behind them the same mirrored, as images are in training."""
    x1, y1, x2, y2 = boxes.T
    return np.concatenate([boxes, np.stack([1 - x2, y1, 1 - x1, y2], axis=1)])
