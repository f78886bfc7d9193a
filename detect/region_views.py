"""Views of regions: each network that reads them one way looks at them as they are and, if asked to, mirrored.

What networks have in common is made once: the warped pixels of a region, the resized image that stems see.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from detect.mirroring import mirrored_boxes, mirrored_deltas
from detect.region_classifier import ClassifiedRegions, RegionClassifier
from detect.region_warp import RegionWarper, WarpSettings
from detect.shared_regions import LevelImages, SharedRegions, SharedSettings

Image = NDArray[np.uint8]  # RGB (H, W, 3)
Boxes = NDArray[np.float32]  # (N, 4) xyxy pixels of an image


class RegionReader(Protocol):
    """An image that is ready to be read region by region."""

    def regions(self, boxes: Boxes) -> Tensor:
        """Boxes (N, 4) in pixels of the image → what a classifier takes of them, in their order."""
        ...


Readers = tuple[RegionReader, ...]  # of one image


class RegionViews(Protocol):
    """Views that read regions alike."""

    def open(self, image: Image) -> Readers:
        """Upload an image; nothing else is done before regions are read."""
        ...

    def classify(self, pieces: Sequence[tuple[Readers, Boxes]]) -> list[ClassifiedRegions]:
        """What each view says of the regions of all pieces, one after the other; there is at least one region.

        Deltas are those of regions that are not mirrored.
        """
        ...


class WarpedViews:
    """Regions warped to squares once (R-CNN), for networks of one input format and context.

    Args:
        classifiers: at least one, of the same `info.input` and `info.context`.
        flip: each looks at the mirrored squares too.
    """

    def __init__(self, classifiers: Sequence[RegionClassifier], *, flip: bool) -> None:
        self.classifiers = tuple(classifiers)
        self.flip = flip

    def open(self, image: Image) -> Readers:
        first = self.classifiers[0]
        settings = WarpSettings(context=first.info.context)
        return (RegionWarper(image, first.info.input, settings=settings, device=first.device),)

    def classify(self, pieces: Sequence[tuple[Readers, Boxes]]) -> list[ClassifiedRegions]:
        regions = _joined([reader.regions(boxes) for (reader,), boxes in pieces])
        answers = [classifier.classify(regions) for classifier in self.classifiers]
        if not self.flip:
            return answers
        regions = regions.flip(3)
        return answers + [_mirrored_back(classifier.classify(regions)) for classifier in self.classifiers]


class SharedViews:
    """Regions read from one map a view (`detect.shared_regions`), for networks that see the same resized image.

    A mirrored view makes its own map, of the mirrored image: the mirror image of the map is no answer of the network,
    whose filters tell left from right.

    Args:
        classifiers: at least one, of the same `info.input`.
        flip: each makes a map of the mirrored image too.
    """

    def __init__(self, classifiers: Sequence[RegionClassifier], settings: SharedSettings, *, flip: bool) -> None:
        self.classifiers = tuple(classifiers)
        self.settings = settings
        self.flip = flip

    def open(self, image: Image) -> Readers:
        first = self.classifiers[0]
        images = LevelImages(image, first.info.input, settings=self.settings, device=first.device)
        readers: Readers = tuple(SharedRegions(images, one.stem) for one in self.classifiers)
        if not self.flip:
            return readers
        turned = images.mirrored()
        return readers + tuple(_MirroredRegions(turned, one.stem) for one in self.classifiers)

    def classify(self, pieces: Sequence[tuple[Readers, Boxes]]) -> list[ClassifiedRegions]:
        count = len(self.classifiers)
        # One view after the other: the cells of all views together would be many times the memory of one network.
        return [
            self._answer(view, _joined([readers[view].regions(boxes) for readers, boxes in pieces]))
            for view in range(2 * count if self.flip else count)
        ]

    def _answer(self, view: int, maps: Tensor) -> ClassifiedRegions:
        turn, position = divmod(view, len(self.classifiers))
        answer = self.classifiers[position].classify_maps(maps)
        return _mirrored_back(answer) if turn else answer


class _MirroredRegions:
    """`SharedRegions` of the mirrored image (`LevelImages.mirrored`), asked for boxes of the image as it is."""

    def __init__(self, images: LevelImages, stem: Callable[[Tensor], Tensor]) -> None:
        self._width = images.size[1]
        self._mirrored = SharedRegions(images, stem)

    def regions(self, boxes: Boxes) -> Tensor:
        return self._mirrored.regions(mirrored_boxes(boxes, self._width))


def _joined(regions: list[Tensor]) -> Tensor:
    return regions[0] if len(regions) == 1 else torch.cat(regions)


def _mirrored_back(answer: ClassifiedRegions) -> ClassifiedRegions:
    if answer.deltas is None:
        return answer
    return dataclasses.replace(answer, deltas=mirrored_deltas(answer.deltas))
