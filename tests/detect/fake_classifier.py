"""A network of a few weights that tells left from right, and counts what it is asked."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from detect.class_tables import DetectionClass
from detect.model_file import bvlc_info
from detect.region_classifier import ClassifiedRegions

CLASSES = tuple(DetectionClass("", name, (label,)) for label, name in enumerate("abcd"))
CHANNELS = 4


class FakeClassifier:
    """Random filters and a random layer over all cells of a region; the same seed gives the same.

    Args:
        box_outputs: 0, 4, or 4 for each of the four classes.
        fit: it says how well a region's box fits.
        changes: of its description.
    """

    def __init__(self, seed: int = 0, *, box_outputs: int = 0, fit: bool = False, **changes: Any) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.device = torch.device("cpu")
        self.info = dataclasses.replace(bvlc_info(), **{"name": f"fake {seed}", "classes": CLASSES, **changes})
        self.stems: list[tuple[int, ...]] = []  # shapes of the images
        self.passes: list[int] = []  # numbers of regions
        self._filters = torch.randn(CHANNELS, 3, 15, 15, generator=generator) / 3000
        cells = CHANNELS * 14 * 14
        self._layer = torch.randn(cells, len(CLASSES), generator=generator) / cells**0.5
        self._boxes = torch.randn(cells, box_outputs, generator=generator) / cells**0.5
        self._fit = torch.randn(cells, generator=generator) / cells**0.5 if fit else None

    def stem(self, images: Tensor) -> Tensor:
        self.stems.append(tuple(images.shape))
        return self._maps(images)

    def classify(self, regions: Tensor) -> ClassifiedRegions:
        return self.classify_maps(self._maps(regions))

    def classify_maps(self, maps: Tensor) -> ClassifiedRegions:
        self.passes.append(len(maps))
        features = maps.reshape(len(maps), -1)
        deltas = features @ self._boxes if self._boxes.shape[1] else None
        fit = None if self._fit is None else torch.sigmoid(features @ self._fit)
        return ClassifiedRegions(torch.softmax(features @ self._layer, dim=1), deltas, fit)

    def _maps(self, images: Tensor) -> Tensor:
        return F.conv2d(images.float().contiguous(), self._filters, stride=16)
