"""What the sampler hands to a classification network: one view of an image with its class, and a batch of such."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from detect.training.random_crops import Crop
from detect.training.region_samples import Distortion


@dataclass(frozen=True)
class ClassView:
    """How an image is looked at.

    Attributes:
        crop: the part that is seen, in whole pixels of the image.
        interpolation: how it becomes a square: nearest, linear, cubic or area.
        flipped: whether it is mirrored.
    """

    crop: Crop
    interpolation: str = "linear"
    flipped: bool = False
    distortion: Distortion = field(default_factory=Distortion)


@dataclass(frozen=True)
class ClassSample:
    """One view of a batch, on the CPU.

    Attributes:
        index: in the training set.
        slot: its place in the global batch, 0 … images_per_batch − 1, the same whatever the number of processes.
        image: (3, S, S) uint8 RGB: cropped, resized and flipped, not yet distorted.
        label: its class.
    """

    index: int
    slot: int
    path: Path
    image: Tensor
    label: int
    distortion: Distortion = field(default_factory=Distortion)


@dataclass(frozen=True)
class ClassBatch:
    """A `TrainingBatch` of `ClassSample` on the device: N images, distorted and normalised.

    Attributes:
        images: (N, 3, S, S) float32, channels_last.
        labels: (N,) int64.
        slots: (N,) int64 on the CPU, where what is random about a slot, as dropout, is drawn.
    """

    images: Tensor
    labels: Tensor
    slots: Tensor
