"""What a training run learns from: images, objects, and what a region of each may be called."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detect.class_tables import DetectionClass

IGNORED = -1


@dataclass(frozen=True)
class TrainingSet:
    """I images with M annotated objects, in flat arrays, for a detector of K classes.

    There are K + 1 outcomes: the classes, and background as number K. A *target* says which outcomes are right for a
    region; the loss is −log of their summed probability. An object of class c allows {c}; a VOC bottle, which may be
    any of several classes, allows each of them and background; an object outside the class space allows
    {background}. A region that overlaps no object allows background and every class for which its image is **not**
    exhaustively annotated: nobody has said that such an object is not there.

    Attributes:
        name: for people: the data set, or several joined by " + ".
        images: files, each once.
        names: (I,) the images' names without ending, as the data set has them; for messages and reports.
        weights: (I,) float64 above 0, how often an image is seen in an epoch on average.
        classes: K, in label order.
        allowed: (T, K + 1) bool, one row a target; every row allows something.
        image_of: (M,) int64, each object's position in `images`, never decreasing.
        boxes: (M, 4) float32 xyxy pixels, continuous edges, inside the image where its size is known, of an area
            above 0.
        targets: (M,) int64, the row of `allowed` for a region on this object; `IGNORED` (−1) for objects that count
            neither way (crowds, VOC's difficult ones).
        background: (I,) int64, the row of `allowed` for a region of this image that overlaps no object.
    Raises:
        ValueError: if a shape, type or range is not as above.
    """

    name: str
    images: tuple[Path, ...]
    names: tuple[str, ...]
    weights: NDArray[np.float64]
    classes: tuple[DetectionClass, ...]
    allowed: NDArray[np.bool_]
    image_of: NDArray[np.int64]
    boxes: NDArray[np.float32]
    targets: NDArray[np.int64]
    background: NDArray[np.int64]

    def __post_init__(self) -> None:
        images, objects, rows = len(self.images), len(self.targets), len(self.allowed)
        _check("weights", self.weights, np.float64, (images,))
        _check("allowed", self.allowed, np.bool_, (rows, len(self.classes) + 1))
        _check("image_of", self.image_of, np.int64, (objects,))
        _check("boxes", self.boxes, np.float32, (objects, 4))
        _check("targets", self.targets, np.int64, (objects,))
        _check("background", self.background, np.int64, (images,))
        if len(self.names) != images:
            raise ValueError(f"names: expected {images}, got {len(self.names)}")
        if np.any(~(self.weights > 0)) or np.any(np.isinf(self.weights)):
            raise ValueError("weights: expected finite numbers above 0")
        if not self.allowed.any(axis=1).all():
            raise ValueError("allowed: expected every row to allow something")
        if np.any(np.diff(self.image_of) < 0) or np.any((self.image_of < 0) | (self.image_of >= images)):
            raise ValueError(f"image_of: expected positions in 0..{images - 1} that never decrease")
        if np.any((self.targets < IGNORED) | (self.targets >= rows)):
            raise ValueError(f"targets: expected {IGNORED}..{rows - 1}, got others")
        if np.any((self.background < 0) | (self.background >= rows)):
            raise ValueError(f"background: expected 0..{rows - 1}, got others")
        if not np.isfinite(self.boxes).all() or np.any(self.boxes[:, 2:] <= self.boxes[:, :2]):
            raise ValueError("boxes: expected finite corners and areas above 0")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def is_foreground(self) -> NDArray[np.bool_]:
        """(T,) bool: the targets that do not allow background."""
        foreground: NDArray[np.bool_] = ~self.allowed[:, -1]
        return foreground

    @property
    def teaches(self) -> NDArray[np.bool_]:
        """(T,) bool: the targets that do not allow everything, so that there is something to learn from them."""
        teaching: NDArray[np.bool_] = self.allowed.sum(axis=1) < self.allowed.shape[1]
        return teaching

    def objects(self, image: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The boxes (m, 4) and targets (m,) of one image."""
        start, stop = np.searchsorted(self.image_of, [image, image + 1])
        return self.boxes[start:stop], self.targets[start:stop]


def _check(name: str, array: NDArray[np.generic], dtype: type[np.generic], shape: tuple[int, ...]) -> None:
    if array.dtype != dtype or array.shape != shape:
        raise ValueError(f"{name}: expected {np.dtype(dtype)} {shape}, got {array.dtype} {array.shape}")
