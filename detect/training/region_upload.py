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
from detect.training.region_samples import Distortion, ImageSample, RegionBatch, Regions, TrainingBatch
from proposals.device_copy import on_device


def upload(
    batch: TrainingBatch[ImageSample],
    *,
    input_format: InputFormat,
    warp: WarpSettings,
    device: torch.device | str,
    regions_per_image: int,
) -> RegionBatch[Tensor]:
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
    device = torch.device(device)
    regions = _regions(batch.samples, input_format, warp, device)
    return with_targets(regions, batch.samples, device=device, regions_per_image=regions_per_image)


def with_targets(
    regions: Regions, samples: Sequence[ImageSample], *, device: torch.device, regions_per_image: int
) -> RegionBatch[Regions]:
    """Regions that are on the device already, with what is to be learnt from them; see `upload`.

    Raises:
        ValueError: if an image has more regions than that.
    """
    for sample in samples:
        if len(sample.regions) > regions_per_image:
            raise ValueError(f"{sample.path}: expected at most {regions_per_image} regions, got {len(sample.regions)}")
    slots = [sample.slot * regions_per_image + np.arange(len(sample.regions)) for sample in samples]
    return RegionBatch(
        regions=regions,
        targets=on_device(_joined([sample.regions.targets for sample in samples], np.int64), device),
        deltas=on_device(_deltas(samples), device),
        regress=on_device(_joined([sample.regions.regress for sample in samples], np.bool_), device),
        near=on_device(_joined([sample.regions.near for sample in samples], np.bool_), device),
        slots=_joined(slots, np.int64),
    )


def pixels_on_device(sample: ImageSample, device: torch.device) -> Tensor:
    """(3, H, W) RGB, 0 … 255: the image, distorted there in float32, or as it is in uint8; not mirrored."""
    pixels = on_device(torch.tensor(sample.image), device).permute(2, 0, 1)
    return pixels if sample.distortion == Distortion() else distort(pixels, sample.distortion)


def _regions(
    samples: Sequence[ImageSample], input_format: InputFormat, warp: WarpSettings, device: torch.device
) -> Tensor:
    shape = (sum(len(sample.regions) for sample in samples), 3, warp.size, warp.size)
    regions = torch.empty(shape, device=device, memory_format=torch.channels_last)
    start = 0
    for sample in samples:
        pixels = pixels_on_device(sample, device)
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
    known = _joined([sample.regions.regress | sample.regions.near for sample in samples], np.bool_)
    flipped = _joined([sample.flipped for sample in samples], np.bool_)
    deltas = encode_boxes(boxes, matched)
    mirrored = deltas * torch.tensor([-1.0, 1.0, 1.0, 1.0])
    return torch.where(known[:, None], torch.where(flipped[:, None], mirrored, deltas), torch.zeros_like(deltas))


def _joined(parts: Sequence[NDArray[np.generic]], dtype: type[np.generic], *columns: int) -> Tensor:
    """One tensor of the arrays one after the other; there may be none."""
    return torch.from_numpy(np.concatenate([np.empty((0, *columns), dtype), *parts]).astype(dtype))
