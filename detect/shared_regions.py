"""Regions read from one feature map of the whole image, instead of each going through the network's stem by itself.

After SPPnet and Fast R-CNN; the tail after it (pool4, 5a, 5b) is still computed for each region, from 14 × 14 cells, as
in "Object detection networks on convolutional feature maps" (Ren et al. 2015): average-pooled features alone are poor.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from detect.input_format import InputFormat
from detect.region_warp import WarpSettings, add_context
from detect.shared_map import align_regions
from proposals.device_copy import on_device

CELLS = 14  # a side of what the tail reads; 4e's map of a warped region
STRIDE = 16
# Cell l of 4e's map is centred on pixel 16 l + 14, whose middle is at 16 l + 14.5: the pools round up and do not pad.
FIRST_CENTRE = 14.5


@dataclass(frozen=True)
class SharedSettings:
    """How an image becomes a map.

    Attributes:
        short_sides: pixels that an image's shorter side is resized to; of several, a region reads the map where its
            side is nearest 224. Fast R-CNN: 600.
        long_side: pixels that the longer one has at most. Fast R-CNN: 1000.
        context: pixels of surroundings on each side of a region, of 224, as in `WarpSettings`.
        margin: pixels of mean around the resized image, so that regions at its edge have surroundings too.
    """

    short_sides: tuple[int, ...] = (600,)
    long_side: int = 1000
    context: int = 16
    margin: int = 32

    def __post_init__(self) -> None:
        if not self.short_sides or min(self.short_sides) < STRIDE or self.long_side < max(self.short_sides):
            raise ValueError(
                f"short_sides: expected some, of {STRIDE} to {self.long_side} pixels, got {self.short_sides}"
            )
        if self.margin < 0 or self.margin % STRIDE:
            raise ValueError(f"margin: expected a multiple of {STRIDE} pixels, got {self.margin}")
        WarpSettings(context=self.context)


class SharedRegions:
    """One image's maps on the device, from which regions are read.

    A region's cells are where those of the same region, warped, would be: the first 14.5 / 224 of its width from its
    left edge. Of an image of 224 × 224 pixels at its own size, without context and margin, the whole image is exactly
    what the stem makes of it.

    Args:
        image: uint8 RGB (H, W, 3).
        stem: (1, 3, H, W) normalised images → (1, C, h, w), h = ⌊(H + 1) / 16⌋: `RegionClassifier.stem`.
        input_format: channel order, mean and scale of the network.
    """

    def __init__(
        self,
        image: NDArray[np.uint8],
        stem: Callable[[Tensor], Tensor],
        input_format: InputFormat,
        *,
        settings: SharedSettings | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.settings = settings or SharedSettings()
        pixels = torch.tensor(image).permute(2, 0, 1).to(device)
        self._device, self._stem = pixels.device, stem
        self._pixels = input_format.normalise(pixels[None])
        self._sizes = resized_sizes((image.shape[0], image.shape[1]), self.settings)
        self._maps: dict[int, Tensor] = {}

    def regions(self, boxes: NDArray[np.float32]) -> Tensor:
        """Read regions, in the order of the boxes.

        Args:
            boxes: (N, 4) xyxy pixels of the image; N may be 0.
        Returns:
            (N, C, 14, 14) on the device, of the stem's type, channels last.
        Raises:
            ValueError: if boxes is not (N, 4) or not finite.
        """
        if boxes.ndim != 2 or boxes.shape[1] != 4:
            raise ValueError(f"boxes: expected (N, 4), got {boxes.shape}")
        if not np.isfinite(boxes).all():
            raise ValueError("boxes: expected finite coordinates, got NaN or infinity")
        warp = WarpSettings(context=self.settings.context)
        grown = add_context(boxes, warp).astype(np.float64)
        if not len(boxes):
            return align_regions(self._map(0)[0], torch.zeros(0, 4), CELLS)
        chosen = nearest_scale(grown, self._scales(), warp.size)
        parts, order = [], []
        for level in np.unique(chosen).tolist():
            rows = np.flatnonzero(chosen == level)
            cells = in_cells(grown[rows], self._scales()[level], self.settings.margin, warp.size)
            parts.append(align_regions(self._map(level)[0], torch.from_numpy(cells.astype(np.float32)), CELLS))
            order.append(rows)
        if len(parts) == 1:
            return parts[0]
        back = on_device(torch.from_numpy(np.argsort(np.concatenate(order), kind="stable")), self._device)
        return torch.cat(parts)[back].contiguous(memory_format=torch.channels_last)

    def _scales(self) -> NDArray[np.float64]:
        """(S, 2) what x and y are multiplied by; both nearly the same."""
        height, width = self._pixels.shape[2:]
        return np.array([(w / width, h / height) for h, w in self._sizes])

    def _map(self, level: int) -> Tensor:
        if level not in self._maps:
            height, width = self._sizes[level]
            resized = F.interpolate(self._pixels, (height, width), mode="bilinear", antialias=True)
            around = self.settings.margin
            self._maps[level] = self._stem(F.pad(resized, (around, around, around, around)))
        return self._maps[level]


def resized_sizes(size: tuple[int, int], settings: SharedSettings) -> list[tuple[int, int]]:
    """(height, width) at each of `short_sides`, as far as the longer side stays in its limit; each at least 16."""
    shorter, longer = min(size), max(size)
    found = []
    for side in settings.short_sides:
        scale = min(side / shorter, settings.long_side / longer)
        found.append((max(STRIDE, round(size[0] * scale)), max(STRIDE, round(size[1] * scale))))
    return found


def nearest_scale(boxes: NDArray[np.float64], scales: NDArray[np.float64], size: int) -> NDArray[np.int64]:
    """(N,) the scale at which a box's side, the root of its area, is nearest `size` by their ratio; ties: the first.

    Args:
        boxes: (N, 4) xyxy pixels of an area above 0. scales: (S, 2).
    """
    sides = np.sqrt((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
    resized = sides[:, None] * np.sqrt(scales.prod(axis=1))
    best: NDArray[np.int64] = np.abs(np.log(resized / size)).argmin(axis=1)
    return best


def in_cells(
    boxes: NDArray[np.float64], scale: Sequence[float] | NDArray[np.float64], margin: int, size: int
) -> NDArray[np.float64]:
    """Where to read boxes in a map, so that each cell read is where that of the warped region would be.

    Args:
        boxes: (N, 4) xyxy pixels of the image, with context. scale: of x and y.
        margin: pixels around the resized image.
    Returns:
        (N, 4) in cells, continuous edges, for `align_regions`.
    """
    factors = np.array([scale[0], scale[1]] * 2)
    resized = boxes * factors + margin
    off_centre = FIRST_CENTRE - STRIDE / 2  # of a cell, from where an even division of the pixels would have it
    sides = np.tile(resized[:, 2:] - resized[:, :2], 2)
    shifted: NDArray[np.float64] = (resized + sides * (off_centre / size) - off_centre) / STRIDE
    return shifted


def crops_equivalent(size: tuple[int, int], settings: SharedSettings) -> float:
    """How many warped regions' stems the maps of an image cost: their pixels over 224²."""
    pixels = ((h + 2 * settings.margin) * (w + 2 * settings.margin) for h, w in resized_sizes(size, settings))
    return math.fsum(pixels) / 224**2
