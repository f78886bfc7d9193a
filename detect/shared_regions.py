"""Regions read from one feature map of the whole image, instead of each going through the network's stem by itself.

After SPPnet and Fast R-CNN; the tail after it (GoogLeNet's pool4, 5a, 5b) is still computed for each region, from as
many cells as the map of a warped one has, 14 × 14, as in "Object detection networks on convolutional feature maps"
(Ren et al. 2015): average-pooled features alone are poor.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from detect.backbones.map_grid import GOOGLENET_GRID, STRIDE, MapGrid, in_cells
from detect.input_format import InputFormat
from detect.region_warp import WarpSettings, add_context, check_boxes
from detect.shared_map import align_regions
from proposals.device_copy import on_device


@dataclass(frozen=True)
class SharedSettings:
    """How an image becomes a map.

    Attributes:
        short_sides: pixels that an image's shorter side is resized to; of several, a region reads the map where its
            side is nearest 224. Fast R-CNN: 600.
        long_side: pixels that the longer one has at most. Fast R-CNN: 1000.
        context: pixels of surroundings on each side of a region, of 224, as in `WarpSettings`.
        margin: pixels of mean around the resized image, so that regions at its edge have surroundings too.
        multiple: pixels; more mean on the right and below makes both sides multiples of it. Images of all sizes and
            orientations then have some 25 sizes at a short side of 600: libraries plan a convolution anew for each
            size, which takes time, and keep the plan, which takes memory.
        grid: where the cells of the network's map are.
    """

    short_sides: tuple[int, ...] = (600,)
    long_side: int = 1000
    context: int = 16
    margin: int = 32
    multiple: int = 32
    grid: MapGrid = GOOGLENET_GRID

    def __post_init__(self) -> None:
        whole = all(isinstance(side, int) for side in self.short_sides)
        if not (self.short_sides and whole and all(STRIDE <= side <= self.long_side for side in self.short_sides)):
            raise ValueError(
                f"short_sides: expected some, of {STRIDE} to {self.long_side} pixels, got {self.short_sides}"
            )
        if self.margin < 0 or self.margin % STRIDE:
            raise ValueError(f"margin: expected a multiple of {STRIDE} pixels, got {self.margin}")
        if self.multiple < 1:
            raise ValueError(f"multiple: expected at least 1 pixel, got {self.multiple}")
        WarpSettings(context=self.context)


@dataclass(frozen=True)
class RegionPlaces:
    """Where N regions of an image are read from its maps.

    Attributes:
        levels: positions in `short_sides` of the maps that are read, ascending; of no regions, the first.
        cells: for each of these, (n, 4) float32 xyxy in cells of its map, for `align_regions`; on the CPU.
        order: (N,) int64, each region's place among those of all levels one after the other; on the CPU.
        side: cells that are read in each direction.
    """

    levels: tuple[int, ...]
    cells: tuple[Tensor, ...]
    order: Tensor
    side: int

    def __len__(self) -> int:
        return len(self.order)


class LevelImages:
    """One image on the device as stems see it: each level is resized when it is first asked for, once for all who ask.

    Args:
        image: uint8 RGB (H, W, 3).
        input_format: channel order, mean and scale of the network.
    """

    def __init__(
        self,
        image: NDArray[np.uint8],
        input_format: InputFormat,
        *,
        settings: SharedSettings | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.settings = settings or SharedSettings()
        self.size = image.shape[0], image.shape[1]
        copied = torch.tensor(np.ascontiguousarray(image))  # decoded arrays may be read-only
        self._pixels = on_device(copied, torch.device(device)).permute(2, 0, 1)[None]
        self._format = input_format
        self._resized: dict[int, Tensor] = {}
        self._framed: dict[int, Tensor] = {}
        self._turned = False

    def __call__(self, level: int) -> Tensor:
        """(1, 3, h, w) float32, channels last: see `at_level`; not to be changed."""
        if level not in self._resized:
            self._resized[level] = self._resize(level)
        if level not in self._framed:
            resized = self._resized[level]
            self._framed[level] = framed(resized.flip(3) if self._turned else resized, self.settings)
        return self._framed[level]

    def _resize(self, level: int) -> Tensor:
        """Channel by channel, which changes no bit: a photo of 20 megapixels as float32 is 240 MB."""
        planes = (self._format.normalise_one(self._pixels, channel) for channel in range(3))
        return torch.cat([resized_to(one, level, self.settings) for one in planes], dim=1)

    def mirrored(self) -> LevelImages:
        """The image turned left to right, resized no second time: resizing knows no left and right."""
        turned = copy.copy(self)
        turned._framed, turned._turned = {}, not self._turned
        return turned


class SharedRegions:
    """One image's maps on the device, from which regions are read.

    A region's cells are where those of the same region, warped, would be: of GoogLeNet, the first 14.5 / 224 of its
    width from its left edge. Of an image of 224 × 224 pixels at its own size, without context and margin, the whole
    image is exactly what the stem makes of it. Training reads by the same functions, but lets gradients through
    (`detect.training.shared_pass`).

    Args:
        images: which several networks may share.
        stem: (1, 3, H, W) normalised images → (1, C, h, w), whose cells are where `SharedSettings.grid` says:
            `RegionClassifier.stem`.
    """

    def __init__(self, images: LevelImages, stem: Callable[[Tensor], Tensor]) -> None:
        self._images = images
        self._stem = stem
        self._maps: dict[int, Tensor] = {}

    def regions(self, boxes: NDArray[np.float32]) -> Tensor:
        """Read regions, in the order of the boxes.

        Args:
            boxes: (N, 4) xyxy pixels of the image; N may be 0.
        Returns:
            (N, C, c, c) on the device, c = `SharedSettings.grid.cells`, of the stem's type, channels last.
        Raises:
            ValueError: if boxes is not (N, 4) or not finite.
        """
        return read_regions(region_places(boxes, self._images.size, self._images.settings), self._map)

    def make_maps(self, boxes: NDArray[np.float32]) -> None:
        """Make the maps that regions of these boxes are read from; `regions` makes what is not there yet.

        Raises:
            ValueError: as `regions`.
        """
        for level in region_places(boxes, self._images.size, self._images.settings).levels:
            self._map(level)

    def _map(self, level: int) -> Tensor:
        if level not in self._maps:
            self._maps[level] = self._stem(self._images(level))
        return self._maps[level]


def region_places(boxes: NDArray[np.float32], image_size: tuple[int, int], settings: SharedSettings) -> RegionPlaces:
    """Choose the map that each region is read from, and the part of it.

    Args:
        boxes: (N, 4) xyxy pixels of the image; N may be 0.
        image_size: (height, width) in pixels.
    Raises:
        ValueError: if boxes is not (N, 4) or not finite.
    """
    check_boxes(boxes)
    warp = WarpSettings(context=settings.context)
    grown = add_context(boxes, warp).astype(np.float64)
    height, width = image_size
    # what x and y are multiplied by at each level; both nearly the same
    scales = np.array([(w / width, h / height) for h, w in resized_sizes(image_size, settings)])
    chosen = nearest_scale(grown, scales, warp.size)
    levels: list[int] = np.unique(chosen).tolist() or [0]
    rows = [np.flatnonzero(chosen == level) for level in levels]
    cells = [
        in_cells(grown[own], scales[level], settings.margin, warp.size, settings.grid)
        for level, own in zip(levels, rows, strict=True)
    ]
    return RegionPlaces(
        levels=tuple(levels),
        cells=tuple(torch.from_numpy(one.astype(np.float32)) for one in cells),
        order=torch.from_numpy(np.argsort(np.concatenate(rows), kind="stable")),
        side=settings.grid.cells,
    )


def read_regions(places: RegionPlaces, map_of: Callable[[int], Tensor]) -> Tensor:
    """Read regions from the maps of their image; differentiable, and without a wait on a GPU.

    Args:
        map_of: a level → (1, C, h, w), the stem's answer to the image `at_level`; asked once for each of the levels.
    Returns:
        (N, C, side, side) of the maps' type, channels last, in the order of the boxes.
    """
    parts = [
        align_regions(map_of(level)[0], cells, places.side)
        for level, cells in zip(places.levels, places.cells, strict=True)
    ]
    if len(parts) == 1:
        return parts[0]
    back = on_device(places.order, parts[0].device)
    return torch.cat(parts)[back].contiguous(memory_format=torch.channels_last)


def at_level(pixels: Tensor, level: int, settings: SharedSettings) -> Tensor:
    """An image as the stem sees it: resized to one of `short_sides`, with a margin of mean, see `SharedSettings`.

    Args:
        pixels: (1, 3, H, W) normalised.
        level: position in `short_sides`.
    Returns:
        New (1, 3, h, w) float32, channels last.
    """
    return framed(resized_to(pixels, level, settings), settings)


def resized_to(pixels: Tensor, level: int, settings: SharedSettings) -> Tensor:
    """(1, C, H, W) → new (1, C, h, w), as `resized_sizes` says."""
    size = resized_sizes((pixels.shape[2], pixels.shape[3]), settings)[level]
    return F.interpolate(pixels, size, mode="bilinear", antialias=True)


def framed(resized: Tensor, settings: SharedSettings) -> Tensor:
    """(1, 3, h, w) between zeros, of the size that `padded_size` says, channels last; the margin is left and above."""
    height, width = resized.shape[2], resized.shape[3]
    all_down, all_across = padded_size((height, width), settings)
    margin = settings.margin
    padded = F.pad(resized, (margin, all_across - width - margin, margin, all_down - height - margin))
    return padded.contiguous(memory_format=torch.channels_last)


def padded_size(resized: tuple[int, int], settings: SharedSettings) -> tuple[int, int]:
    """(height, width) of a resized image with its margin, in whole multiples."""
    multiple = settings.multiple
    height, width = (-(-(side + 2 * settings.margin) // multiple) * multiple for side in resized)
    return height, width


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


def crops_equivalent(size: tuple[int, int], settings: SharedSettings) -> float:
    """How many warped regions' stems the maps of an image cost: their pixels over 224²."""
    return math.fsum(math.prod(padded_size(one, settings)) for one in resized_sizes(size, settings)) / 224**2
