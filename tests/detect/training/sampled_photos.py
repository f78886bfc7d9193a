"""A training set of small photos on disk, and the boxes of each, for the tests of what is sampled from them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from detect.class_tables import DetectionClass
from detect.training.training_set import IGNORED, TrainingSet

CLASSES = (DetectionClass("n00000001", "one"), DetectionClass("n00000002", "two"))
# Rows of `allowed`: each class, background, and the second class or background.
ALLOWED = np.array([[True, False, False], [False, True, False], [False, False, True], [False, True, True]])


@dataclass(frozen=True)
class Settings:
    """`configs.training_regions.SamplingConfig` by its attributes, without its checks."""

    images_per_batch: int = 1
    foreground: int = 2
    background: int = 6
    foreground_iou: float = 0.5
    background_iou: tuple[float, float] = (0.0, 0.5)
    regression_iou: float = 0.6
    fit_iou: float = 0.2
    jittered: int = 0
    jitter: float = 0.2
    flip: bool = True
    photometric: float = 0.3


def random_boxes(
    count: int, size: tuple[int, int], rng: np.random.Generator, smallest: float = 4
) -> NDArray[np.float32]:
    """Boxes inside an image of (height, width)."""
    corners = rng.uniform(0, 1, (count, 2)) * (size[1] - smallest, size[0] - smallest)
    sides = smallest + rng.uniform(0, 1, (count, 2)) * ((size[1], size[0]) - corners - smallest)
    return np.concatenate([corners, corners + sides], axis=1).astype(np.float32)


def write_photos(folder: Path, count: int) -> tuple[TrainingSet, list[NDArray[np.float32]]]:
    """Photos of noise with 0 … 3 objects each, some ignored; and 30 proposals each."""
    rng = np.random.default_rng(0)
    paths, proposals, boxes, image_of = [], [], [], []
    for image in range(count):
        size = (int(rng.integers(40, 60)), int(rng.integers(40, 60)))
        path = folder / f"{image}.png"
        cv2.imwrite(str(path), rng.integers(0, 256, (*size, 3), dtype=np.uint8))
        paths.append(path)
        proposals.append(random_boxes(30, size, rng))
        boxes.append(random_boxes(image % 4, size, rng))
        image_of += [image] * (image % 4)
    objects = np.concatenate(boxes)
    training_set = TrainingSet(
        name="photos",
        images=tuple(paths),
        names=tuple(path.stem for path in paths),
        weights=np.ones(count),
        classes=CLASSES,
        allowed=ALLOWED,
        image_of=np.array(image_of, np.int64),
        boxes=objects,
        targets=rng.integers(IGNORED, 4, len(objects)),
        background=np.full(count, 2),
    )
    return training_set, proposals
