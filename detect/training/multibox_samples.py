"""What the sampler hands to MultiBox: squashed views of images with the objects in them, and a batch of such views."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from detect.training.region_samples import Distortion

SIZE = 224  # of the squashed image; what GoogLeNet sees


@dataclass(frozen=True)
class View:
    """How an image is looked at.

    Attributes:
        crop: x1, y1, x2, y2 in whole pixels of the image; at least one pixel.
        flipped: whether the crop is mirrored.
    """

    crop: tuple[int, int, int, int]
    flipped: bool = False
    distortion: Distortion = field(default_factory=Distortion)


@dataclass(frozen=True)
class MultiBoxSample:
    """One view of a batch, on the CPU; its length is 1, it being one image.

    Attributes:
        index: in the training set.
        slot: its place in the global batch, 0 … images_per_batch − 1, the same whatever the number of processes.
        image: (3, S, S) uint8 RGB: the crop, squashed and flipped, not yet distorted.
        boxes: (m, 4) float32 corners in units of the crop's sides, in [0, 1], of an area above 0; m may be 0.
        negatives: how wrong a prediction on none of them is, from 0 (not at all) to 1, see `negative_weights`.
    """

    index: int
    slot: int
    path: Path
    image: Tensor
    boxes: NDArray[np.float32]
    negatives: float
    distortion: Distortion = field(default_factory=Distortion)

    def __len__(self) -> int:
        return 1


@dataclass(frozen=True)
class MultiBoxBatch:
    """A `TrainingBatch` of `MultiBoxSample` on the device: N images, distorted and normalised.

    Attributes:
        images: (N, 3, S, S) float32, channels_last; N may be 0.
        boxes: of each image, (m, 4) float32 corners in [0, 1].
        negatives: (N,) float32, of each image.
    """

    images: Tensor
    boxes: tuple[Tensor, ...]
    negatives: Tensor
