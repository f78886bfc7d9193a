"""Ground truth of some of the images."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

import numpy as np

from detect.ground_truth import GroundTruth


def restrict(ground_truth: GroundTruth, names: Collection[str]) -> GroundTruth:
    """The images of these names with their objects, in the order of the data set, under their numbers.

    Raises:
        ValueError: naming one that is not in the data set.
    """
    wanted = set(names)
    if unknown := wanted.difference(ground_truth.images):
        raise ValueError(f"names: expected images of the data set, got {min(unknown)}")
    keep = np.array([name in wanted for name in ground_truth.images], dtype=np.bool_)
    objects = keep[ground_truth.image_of]
    position = np.cumsum(keep) - 1
    return dataclasses.replace(
        ground_truth,
        images=tuple(name for name in ground_truth.images if name in wanted),
        numbers=ground_truth.numbers[keep],
        sizes=ground_truth.sizes[keep],
        image_of=position[ground_truth.image_of[objects]].astype(np.int64),
        boxes=ground_truth.boxes[objects],
        labels=ground_truth.labels[objects],
        ignored=ground_truth.ignored[objects],
    )
