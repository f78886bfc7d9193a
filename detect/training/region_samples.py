"""What the sampler hands to the network: chosen regions of an image, and a batch of such images."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class SampledRegions:
    """R regions of one image; R may be 0.

    Attributes:
        boxes: (R, 4) float32 xyxy pixels of the image.
        targets: (R,) int64 rows of `TrainingSet.allowed`.
        matched: (R, 4) float32, the object's box that a region overlaps best; its own box where neither `regress` nor
            `near` is True.
        regress: (R,) bool, whether it takes part in box regression (IoU above the threshold with its object).
        near: (R,) bool, whether it teaches how well boxes fit (IoU of a lower threshold or more).
    """

    boxes: NDArray[np.float32]
    targets: NDArray[np.int64]
    matched: NDArray[np.float32]
    regress: NDArray[np.bool_]
    near: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.boxes)


@dataclass(frozen=True)
class Distortion:
    """Photometric distortion of an image; the defaults change nothing.

    Attributes:
        brightness, contrast, saturation: factors. hue: turn of the colour circle, in [−0.5, 0.5].
    """

    brightness: float = 1.0
    contrast: float = 1.0
    saturation: float = 1.0
    hue: float = 0.0


@dataclass(frozen=True)
class ImageSample:
    """One image of a batch with its regions.

    Attributes:
        index: in the training set.
        slot: its place in the global batch, 0 … images_per_batch − 1, the same whatever the number of processes.
        image: uint8 RGB (H, W, 3).
        flipped: (R,) bool, regions that are learnt from mirrored; of shared ones, all of an image or none.
    """

    index: int
    slot: int
    path: Path
    image: NDArray[np.uint8]
    regions: SampledRegions
    flipped: NDArray[np.bool_]
    distortion: Distortion = field(default_factory=Distortion)


class BatchSample(Protocol):
    """What a batch is made of: an image, and what is learnt from it."""

    @property
    def path(self) -> Path: ...
    @property
    def slot(self) -> int: ...


Sample = TypeVar("Sample", bound=BatchSample)


@dataclass(frozen=True)
class TrainingBatch(Generic[Sample]):
    """This process's share of one step's batch, on the CPU.

    Attributes:
        step: from 0. epoch: from 0.
        samples: readable images, in the order of their slots.
        unreadable: (file, reason) of images that could not be read; they are missing from the batch.
    """

    step: int
    epoch: int
    samples: tuple[Sample, ...]
    unreadable: tuple[tuple[Path, str], ...] = ()


Regions = TypeVar("Regions")


@dataclass(frozen=True)
class Answers:
    """What another network says of n regions of a batch; n may be 0.

    Attributes:
        rows: (n,) int64 on the device, the regions' places among the batch's.
        probs: (n, C) float32 of its outputs.
        temperature: that its logits were divided by, and that those of who learns are to be.
    Raises:
        ValueError: if there are not as many rows as answers, or the temperature is not above 0.
    """

    rows: Tensor
    probs: Tensor
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if self.probs.ndim != 2 or self.rows.shape != self.probs.shape[:1]:
            raise ValueError(f"answers: expected one for each row, got {self.rows.shape} and {self.probs.shape}")
        if not 0 < self.temperature < math.inf:
            raise ValueError(f"temperature: expected a number above 0, got {self.temperature}")


@dataclass(frozen=True)
class RegionBatch(Generic[Regions]):
    """A `TrainingBatch` on the device: N regions, normalised and flipped, and what is learnt from them.

    Attributes:
        regions: what the network reads: of warped regions (N, 3, S, S) float32, channels_last; of shared ones a
            `detect.training.shared_upload.PlacedRegions` an image.
        targets: (N,) int64 rows of `TrainingSet.allowed`.
        deltas: (N, 4) float32, encoded boxes of the matched objects (`detect.box_coding`), flips taken into account;
            0 where neither `regress` nor `near` is True.
        regress, near: (N,) bool, see `SampledRegions`.
        slots: (N,) int64, each region's place in the global batch: image slot · regions_per_image + position. What is
            random about a region (dropout) depends on it, and so not on the number of processes. On the CPU, where
            that is drawn.
        answers: of a teacher, see `detect.training.distillation`; None: there is none.
    """

    regions: Regions
    targets: Tensor
    deltas: Tensor
    regress: Tensor
    near: Tensor
    slots: Tensor
    answers: Answers | None = None


class Upload(Protocol):
    """`region_upload.upload`, or `shared_upload.upload_shared`, with its settings bound."""

    def __call__(self, batch: TrainingBatch[ImageSample], *, device: torch.device) -> RegionBatch[Any]: ...
