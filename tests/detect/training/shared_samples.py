"""Pictures with regions that are read from maps, and a stem that makes a map without a network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sampled_photos import random_boxes
from torch import Tensor

from detect.shared_regions import SharedSettings
from detect.training.region_samples import Distortion, ImageSample, SampledRegions

SIZE = (240, 320)
# At 128 and 256 pixels, of SIZE: regions of 255 pixels and more are nearer 224 in the smaller one.
SETTINGS = SharedSettings(short_sides=(128, 256))


def picture(
    slot: int,
    regions: int,
    *,
    size: tuple[int, int] = SIZE,
    mirrored: bool = False,
    distortion: Distortion | None = None,
) -> ImageSample:
    """One of noise; the first of its regions is all of it, the others are small."""
    rng = np.random.default_rng(slot)
    image = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    image.flags.writeable = False
    boxes = random_boxes(regions, (min(size[0], 120), min(size[1], 120)), rng, smallest=1)
    boxes[:1] = [0, 0, size[1], size[0]]
    regress = rng.random(regions) < 0.7
    near = regress | (rng.random(regions) < 0.5)
    matched = np.where(near[:, None], random_boxes(regions, size, rng, smallest=1), boxes)
    sampled = SampledRegions(boxes, rng.integers(0, 4, regions), matched, regress, near)
    flipped = np.full(regions, mirrored)
    return ImageSample(slot, slot, Path(f"{slot}.png"), image, sampled, flipped, distortion or Distortion())


def every_16th(images: Tensor) -> Tensor:
    """(1, 3, H, W) → (1, 3, h, w), as many cells as GoogLeNet's stem makes: the pixel below each one's centre."""
    rows, columns = (torch.arange((side + 1) // 16) * 16 + 14 for side in images.shape[2:])
    return images[:, :, rows][:, :, :, columns]


def mirrored_by_hand(boxes: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    """One box at a time."""
    rows = [[width - x2, y1, width - x1, y2] for x1, y1, x2, y2 in boxes.tolist()]
    return np.array(rows, np.float32).reshape(-1, 4)
