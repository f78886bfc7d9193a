"""R-CNN in one class: propose, warp, classify, correct the boxes, suppress."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from detect.box_coding import clip_boxes, decode_boxes
from detect.detections import Detections
from detect.model_file import load_model
from detect.model_info import ModelInfo
from detect.model_zoo import find_model_file
from detect.proposers import build_proposer
from detect.region_batches import Batch, plan_batches
from detect.region_classifier import ClassifiedRegions, RegionClassifier
from detect.region_warp import RegionWarper, WarpSettings
from detect.shared_regions import SharedRegions, SharedSettings
from detect.suppression import suppress
from proposals.proposals import Proposer


@dataclass(frozen=True)
class DetectorSettings:
    """What comes after the network.

    Attributes:
        min_score: detections below it are dropped.
        nms_iou: overlap above which the worse of two detections of a class goes (R-CNN on ILSVRC: 0.3).
        max_detections: kept per image, best first, all classes together.
        batch_size: regions in one pass of the network; None: 16 on a CPU (what fits its caches), 128 on a GPU; of
            shared regions, whose pass is shorter, 64 and 512.
    """

    min_score: float = 0.5
    nms_iou: float = 0.3
    max_detections: int = 100
    batch_size: int | None = None

    def __post_init__(self) -> None:
        for name, value in (("min_score", self.min_score), ("nms_iou", self.nms_iou)):
            if not 0 <= value <= 1:
                raise ValueError(f"{name}: expected a number in [0, 1], got {value}")
        if self.max_detections < 1:
            raise ValueError(f"max_detections: expected at least 1, got {self.max_detections}")
        if self.batch_size is not None and self.batch_size < 1:
            raise ValueError(f"batch_size: expected at least 1, got {self.batch_size}")


class RegionReader(Protocol):
    """An image that is ready to be read region by region."""

    def regions(self, boxes: NDArray[np.float32]) -> Tensor:
        """Boxes (N, 4) in pixels of the image → what the classifier takes of them, in their order."""
        ...


_BATCH_SIZES = {(False, False): 16, (False, True): 64, (True, False): 128, (True, True): 512}  # by GPU, shared


class Detector:
    """Finds objects in images.

    Args:
        classifier: regions → probabilities.
        proposer: image → proposals.
        settings: thresholds and batch size.
        shared: read regions from shared maps, in this way; None: warp each (R-CNN).
    """

    def __init__(
        self,
        *,
        classifier: RegionClassifier,
        proposer: Proposer,
        settings: DetectorSettings | None = None,
        shared: SharedSettings | None = None,
    ) -> None:
        self.classifier = classifier
        self.proposer = proposer
        self.settings = settings or DetectorSettings()
        self.shared = shared
        self.batch_size = self.settings.batch_size or _BATCH_SIZES[classifier.device.type == "cuda", shared is not None]
        self.warp = WarpSettings(context=classifier.info.context)
        self._classify = classifier.classify if shared is None else classifier.classify_maps

    @classmethod
    def load(
        cls,
        model: str | Path,
        *,
        device: str = "auto",
        precision: str = "auto",
        settings: DetectorSettings | None = None,
        proposals: Mapping[str, Any] | None = None,
        seed: int = 0,
        box_regression: bool = True,
        regions: str | None = None,
        short_sides: tuple[int, ...] | None = None,
    ) -> Detector:
        """A detector from a model's name (fetched if it is not here) or file.

        Args:
            box_regression: correct the boxes if the model was trained to; False: leave the proposals as they are.
            proposals: fields of `ProposalSetting` to use instead of what the model file says.
            regions: "warp" or "shared"; None: the first that the model was trained for.
            short_sides: of the images that shared regions are read from, see `SharedSettings`; None: the model's.
        Raises:
            ModelFileError, DownloadError, ValueError: one sentence that says what to do.
        """
        loaded = load_model(find_model_file(str(model)))
        classifier = RegionClassifier(loaded, device=device, precision=precision, box_regression=box_regression)
        setting = dataclasses.replace(loaded.info.proposals, **(proposals or {}))
        proposer = build_proposer(setting, seed=seed, device=device, precision=precision)
        shared = shared_settings(loaded.info, regions=regions, short_sides=short_sides)
        return cls(classifier=classifier, proposer=proposer, settings=settings, shared=shared)

    @property
    def info(self) -> ModelInfo:
        """The model's description; `info.classes[label]` is a detection's class."""
        return self.classifier.info

    def __call__(self, image: NDArray[np.uint8]) -> Detections:
        """Objects in one uint8 RGB (H, W, 3) image, best first.

        Raises:
            ValueError: if the image is of another type or shape.
        """
        return next(iter(self.detect([(image, self.proposer(image).boxes)]))).detections

    def detect(
        self, images: Iterable[tuple[NDArray[np.uint8], NDArray[np.float32]]], *, batch_size: int | None = None
    ) -> Iterator[Classified]:
        """Classify the given boxes of images, regions of several images sharing a batch.

        Args:
            images: image and its proposals (N, 4), read as they are needed; N may be 0.
            batch_size: instead of the detector's own.
        Yields:
            Each image's detections in the given order, as soon as its last batch is through,
            and the seconds they took.
        """
        open_images: dict[int, _OpenImage] = {}

        def opened() -> Iterator[tuple[int, int]]:
            for index, (image, boxes) in enumerate(images):
                started = time.perf_counter()
                reader = self._reader(image)
                seconds = time.perf_counter() - started
                open_images[index] = _OpenImage(reader, boxes, (image.shape[0], image.shape[1]), [], seconds)
                yield index, len(boxes)

        for batch in plan_batches(opened(), batch_size or self.batch_size):
            self._classify_batch(batch, open_images)
            for index in batch.finished:
                yield self._finish(open_images.pop(index))

    def _reader(self, image: NDArray[np.uint8]) -> RegionReader:
        device = self.classifier.device
        if self.shared is None:
            return RegionWarper(image, self.info.input, settings=self.warp, device=device)
        return SharedRegions(image, self.classifier.stem, self.info.input, settings=self.shared, device=device)

    def _classify_batch(self, batch: Batch, images: dict[int, _OpenImage]) -> None:
        """Warp and classify the regions of one batch; each image gets the answers to its own."""
        if not batch.pieces:
            return
        started = time.perf_counter()
        regions = [images[p.image].reader.regions(images[p.image].boxes[p.start : p.stop]) for p in batch.pieces]
        answers = self._classify(regions[0] if len(regions) == 1 else torch.cat(regions))
        for piece, part in zip(batch.pieces, _split(answers, [len(r) for r in regions]), strict=True):
            images[piece.image].answers.append(part)
        seconds_a_region = (time.perf_counter() - started) / len(answers.probs)
        for piece in batch.pieces:
            images[piece.image].seconds += seconds_a_region * (piece.stop - piece.start)

    def _finish(self, image: _OpenImage) -> Classified:
        started = time.perf_counter()
        boxes, probs = self._boxes_and_probs(image)
        settings = self.settings
        detections = suppress(
            boxes,
            probs,
            min_score=settings.min_score,
            nms_iou=settings.nms_iou,
            max_detections=settings.max_detections,
        )
        return Classified(detections, image.seconds + time.perf_counter() - started)

    def _boxes_and_probs(self, image: _OpenImage) -> tuple[Tensor, Tensor]:
        """Boxes (N, 4), or (N, K, 4) of regression per class, and probabilities (N, K) of an image's regions."""
        device = self.classifier.device
        boxes = torch.from_numpy(np.ascontiguousarray(image.boxes)).to(device)
        if not image.answers:
            return boxes, torch.zeros(0, len(self.info.classes), device=device)
        probs = torch.cat([answer.probs for answer in image.answers])
        deltas = [answer.deltas for answer in image.answers if answer.deltas is not None]
        if not deltas:
            return boxes, probs
        return corrected(boxes, probs, torch.cat(deltas), image.size)


def shared_settings(
    info: ModelInfo, *, regions: str | None = None, short_sides: tuple[int, ...] | None = None
) -> SharedSettings | None:
    """How a model's regions are read from shared maps; None: each is warped.

    Args:
        regions: "warp" or "shared"; None: the first that the model was trained for.
        short_sides: None: the model's.
    Raises:
        ValueError: if a short side is out of range.
    """
    if (regions or info.regions[0]) != "shared":
        return None
    return SharedSettings(short_sides=info.short_sides if short_sides is None else short_sides, context=info.context)


@dataclass(frozen=True)
class Classified:
    """One image's detections and the seconds that uploading it, and its share of the batches, took.

    On a GPU the work is asynchronous: the seconds are those the host spent or waited, and may count for a neighbour.
    """

    detections: Detections
    seconds: float


@dataclass
class _OpenImage:
    """An image whose regions are not all classified yet."""

    reader: RegionReader
    boxes: NDArray[np.float32]
    size: tuple[int, int]
    answers: list[ClassifiedRegions]
    seconds: float = 0.0


def _split(answers: ClassifiedRegions, sizes: list[int]) -> list[ClassifiedRegions]:
    probs = torch.split(answers.probs, sizes)
    if answers.deltas is None:
        return [ClassifiedRegions(one, None) for one in probs]
    return [ClassifiedRegions(*both) for both in zip(probs, torch.split(answers.deltas, sizes), strict=True)]


def corrected(boxes: Tensor, probs: Tensor, deltas: Tensor, image_size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Boxes after box regression, clipped to the image (R-CNN, appendix C), and the probabilities.

    Args:
        boxes: (N, 4) xyxy pixels.
        probs: (N, K).
        deltas: (N, 4), or (N, 4 K) of regression per class.
    Returns:
        Boxes (N, 4) or (N, K, 4), and probabilities (N, K): −1 where nothing of the box is on the image.
    """
    moved = clip_boxes(decode_boxes(boxes, deltas), image_size)
    nothing = (moved[..., 2:] <= moved[..., :2]).any(dim=-1)
    return moved, probs.masked_fill(nothing if nothing.ndim == 2 else nothing[:, None], -1.0)
