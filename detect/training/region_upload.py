"""From decoded images and chosen boxes to a batch of regions on the device."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from detect.box_coding import encode_boxes
from detect.input_format import InputFormat
from detect.region_warp import RegionWarper, WarpSettings
from detect.training.distortion import distort
from detect.training.region_samples import Distortion, ImageSample, RegionBatch, TrainingBatch
from proposals.device_copy import on_device


def upload(
    batch: TrainingBatch[ImageSample],
    *,
    input_format: InputFormat,
    warp: WarpSettings,
    device: torch.device | str,
    regions_per_image: int,
) -> RegionBatch:
    """Upload each image once, distort it there, and cut, normalise and flip all its regions.

    Args:
        batch: which may be empty.
        regions_per_image: the most that an image may have; it numbers the slots.
    Returns:
        Regions in the order of the samples and of the boxes in each. The horizontal shift of a flipped region's
        delta changes its sign: the object lies on the other side.
    Raises:
        ValueError: if an image has more regions than that.
    """
    for sample in batch.samples:
        if len(sample.regions) > regions_per_image:
            raise ValueError(f"{sample.path}: expected at most {regions_per_image} regions, got {len(sample.regions)}")
    device = torch.device(device)
    slots = [sample.slot * regions_per_image + np.arange(len(sample.regions)) for sample in batch.samples]
    return RegionBatch(
        regions=_regions(batch.samples, input_format, warp, device),
        targets=on_device(_joined([sample.regions.targets for sample in batch.samples], np.int64), device),
        deltas=on_device(_deltas(batch.samples), device),
        regress=on_device(_joined([sample.regions.regress for sample in batch.samples], np.bool_), device),
        slots=on_device(_joined(slots, np.int64), device),
    )


def _regions(
    samples: Sequence[ImageSample], input_format: InputFormat, warp: WarpSettings, device: torch.device
) -> Tensor:
    shape = (sum(len(sample.regions) for sample in samples), 3, warp.size, warp.size)
    regions = torch.empty(shape, device=device, memory_format=torch.channels_last)
    start = 0
    for sample in samples:
        pixels = on_device(torch.tensor(sample.image), device).permute(2, 0, 1)
        if sample.distortion != Distortion():
            pixels = distort(pixels, sample.distortion)
        cut = RegionWarper(pixels, input_format, settings=warp, device=device).regions(sample.regions.boxes)
        regions[start : start + len(cut)] = cut
        flipped = on_device(torch.from_numpy(np.flatnonzero(sample.flipped)), device)
        regions[start + flipped] = cut[flipped].flip(3)
        start += len(cut)
    return regions


def _deltas(samples: Sequence[ImageSample]) -> Tensor:
    """On the CPU, where the check of the boxes makes nothing wait."""
    boxes = _joined([sample.regions.boxes for sample in samples], np.float32, 4)
    matched = _joined([sample.regions.matched for sample in samples], np.float32, 4)
    regress = _joined([sample.regions.regress for sample in samples], np.bool_)
    flipped = _joined([sample.flipped for sample in samples], np.bool_)
    deltas = encode_boxes(boxes, matched)
    mirrored = deltas * torch.tensor([-1.0, 1.0, 1.0, 1.0])
    return torch.where(regress[:, None], torch.where(flipped[:, None], mirrored, deltas), torch.zeros_like(deltas))


def _joined(parts: Sequence[NDArray[np.generic]], dtype: type[np.generic], *columns: int) -> Tensor:
    """One tensor of the arrays one after the other; there may be none."""
    return torch.from_numpy(np.concatenate([np.empty((0, *columns), dtype), *parts]).astype(dtype))
