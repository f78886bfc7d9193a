"""R-CNN's warp: any box of an image becomes a 224×224 region with context, mean-filled outside the image.

The image goes to the device once; all its regions are cut there in a few calls, for none of which the host waits. A
region is sampled bilinearly where it grows; where it shrinks, every output pixel averages an even grid of samples over
the area that it covers (RoIAlign's rule), and a pyramid of halved images keeps that grid small, so the cost of a region
does not depend on the size of the photo.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from torchvision.ops import roi_align

from detect.input_format import InputFormat
from detect.region_warp_cpu import cut_regions
from proposals.device_copy import on_device


@dataclass(frozen=True)
class WarpSettings:
    """How a region is cut.

    Attributes:
        size: side of the region in pixels (GoogLeNet: 224; R-CNN with AlexNet: 227).
        context: pixels of surroundings on each side, in the region's pixels (R-CNN, appendix A: 16).
    """

    size: int = 224
    context: int = 16

    def __post_init__(self) -> None:
        if self.size < 1 or not 0 <= 2 * self.context < self.size:
            raise ValueError(f"warp: expected 0 <= 2 · context < size, got size {self.size}, context {self.context}")


def check_boxes(boxes: NDArray[np.float32]) -> None:
    """Raises ValueError if boxes is not (N, 4) or not finite."""
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"boxes: expected (N, 4), got {boxes.shape}")
    if not np.isfinite(boxes).all():
        raise ValueError("boxes: expected finite coordinates, got NaN or infinity")


def add_context(boxes: NDArray[np.float32], settings: WarpSettings) -> NDArray[np.float32]:
    """Grow boxes so that, once warped, they leave `context` pixels on each side; a flat box is widened to a pixel.

    Args:
        boxes: (N, 4) xyxy pixels; N may be 0.
    Returns:
        New (N, 4); it may reach beyond the image.
    """
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 1.0)
    half = sides * (settings.size / (settings.size - 2 * settings.context) / 2)
    return np.concatenate([centres - half, centres + half], axis=1).astype(np.float32)


def pyramid_levels(boxes: NDArray[np.float32], size: int) -> NDArray[np.int64]:
    """How many times the image may be halved before a box would have to grow again in either direction.

    Args:
        boxes: (N, 4) xyxy pixels with context.
    Returns:
        (N,) levels, 0 for the full image.
    """
    shrink = np.minimum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]) / size
    levels: NDArray[np.int64] = np.floor(np.log2(np.maximum(shrink, 1.0))).astype(np.int64)
    return levels


class RegionWarper:
    """One image on the device, ready to be cut into regions.

    Args:
        image: uint8 RGB (H, W, 3), as decoded; or, where something was done to it on the device before, a tensor
            (3, H, W) of RGB, 0 … 255, of any type, which is not changed.
        input_format: channel order, mean and scale of the network.
        device: where the regions are made and stay; a tensor is copied there if it is elsewhere.
    """

    def __init__(
        self,
        image: NDArray[np.uint8] | Tensor,
        input_format: InputFormat,
        *,
        settings: WarpSettings | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.settings = settings or WarpSettings()
        # torch.tensor makes a copy: decoded arrays may be read-only
        planes = image if isinstance(image, Tensor) else torch.tensor(np.ascontiguousarray(image)).permute(2, 0, 1)
        pixels = on_device(planes, torch.device(device))
        self._device = pixels.device
        # One layout for the life of the image: each cutter then reads it without a copy a batch.
        layout = torch.channels_last if self._device.type == "cpu" else torch.contiguous_format
        self._levels = [input_format.normalise(pixels[None]).contiguous(memory_format=layout)]

    def regions(self, boxes: NDArray[np.float32]) -> Tensor:
        """Cut regions, in the order of the boxes.

        Args:
            boxes: (N, 4) xyxy pixels of the image; N may be 0; parts outside the image become the mean (zero).
        Returns:
            (N, 3, size, size) float32 on the device, channels_last.
        Raises:
            ValueError: if boxes is not (N, 4) or not finite.
        """
        check_boxes(boxes)
        grown = add_context(boxes, self.settings)
        levels = pyramid_levels(grown, self.settings.size)
        shape = (len(boxes), 3, self.settings.size, self.settings.size)
        regions = torch.empty(shape, device=self._device, memory_format=torch.channels_last)
        for level in np.unique(levels):
            rows = np.flatnonzero(levels == level)
            cut = cut_on_cpu if self._device.type == "cpu" else cut_on_device
            squares = cut(self._level(int(level)), grown[rows] * np.float32(0.5**level), self.settings.size)
            regions[on_device(torch.from_numpy(rows), self._device)] = squares
        return regions

    def _level(self, level: int) -> Tensor:
        while len(self._levels) <= level:
            halved = F.avg_pool2d(self._levels[-1], 2, ceil_mode=True, count_include_pad=False)
            self._levels.append(halved)
        return self._levels[level]


def cut_on_device(image: Tensor, boxes: NDArray[np.float32], size: int) -> Tensor:
    """Resample boxes to squares with torchvision's `roi_align`; any device.

    Args:
        image: (1, 3, H, W) float32.
        boxes: (N, 4) xyxy pixels; N may be 0.
    Returns:
        (N, 3, size, size) float32 on the image's device.
    """
    rois = on_device(torch.from_numpy(boxes), image.device)
    squares: Tensor = roi_align(image, [rois], size, sampling_ratio=-1, aligned=True)
    return squares


def cut_on_cpu(image: Tensor, boxes: NDArray[np.float32], size: int) -> Tensor:
    """`cut_on_device` for a CPU: the same numbers to rounding, several times as fast, in channels_last."""
    pixels = image[0].permute(1, 2, 0).contiguous().numpy()  # no copy if it is channels_last
    return torch.from_numpy(cut_regions(pixels, boxes, size)).permute(0, 3, 1, 2)
