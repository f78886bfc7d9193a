"""What a data set says is in its images; readers of the formats are `ground_truth_*.py`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detect.class_tables import DetectionClass


@dataclass(frozen=True)
class GroundTruth:
    """I images with M annotated objects of K classes, in flat arrays.

    Attributes:
        images: I unique names with / between folders and without the file's ending, in the order of the data set.
        numbers: (I,) int64, the number by which the data set knows each image, unique: ILSVRC's index from 1,
            COCO's image id; where a data set has none, the position from 1.
        sizes: (I, 2) int32 height and width in pixels; 0, 0 where nobody says.
        classes: K, in label order.
        image_of: (M,) int64, each object's position in `images`, never decreasing; objects keep the file's order.
        boxes: (M, 4) float64 xyxy pixels with continuous edges (what inclusive pixels lo..hi cover is lo..hi + 1).
        labels: (M,) int64, 0..K-1.
        ignored: (M,) bool, objects that count neither way: VOC's "difficult", COCO's crowds. ILSVRC has none.
    Raises:
        ValueError: if a shape or type is not as above, or a position or label is out of range.
    """

    images: tuple[str, ...]
    numbers: NDArray[np.int64]
    sizes: NDArray[np.int32]
    classes: tuple[DetectionClass, ...]
    image_of: NDArray[np.int64]
    boxes: NDArray[np.float64]
    labels: NDArray[np.int64]
    ignored: NDArray[np.bool_]

    def __post_init__(self) -> None:
        images, objects = len(self.images), len(self.labels)
        _check("numbers", self.numbers, np.int64, (images,))
        _check("sizes", self.sizes, np.int32, (images, 2))
        _check("image_of", self.image_of, np.int64, (objects,))
        _check("boxes", self.boxes, np.float64, (objects, 4))
        _check("labels", self.labels, np.int64, (objects,))
        _check("ignored", self.ignored, np.bool_, (objects,))
        if len(set(self.images)) != images or len(np.unique(self.numbers)) != images:
            raise ValueError("images and numbers: expected each once, got repeats")
        if np.any(np.diff(self.image_of) < 0) or np.any((self.image_of < 0) | (self.image_of >= images)):
            raise ValueError(f"image_of: expected positions in 0..{images - 1} that never decrease")
        if np.any((self.labels < 0) | (self.labels >= len(self.classes))):
            raise ValueError(f"labels: expected 0..{len(self.classes) - 1}, got others")


def _check(name: str, array: NDArray[np.generic], dtype: type[np.generic], shape: tuple[int, ...]) -> None:
    if array.dtype != dtype or array.shape != shape:
        raise ValueError(f"{name}: expected {np.dtype(dtype)} {shape}, got {array.dtype} {array.shape}")
