"""R-CNN in one class: propose, read regions, classify, correct the boxes, suppress."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from detect.detections import Detections
from detect.ensemble import Ensemble, Member, load_members
from detect.model_info import ModelInfo
from detect.proposers import build_proposer
from detect.region_batches import Batch, plan_batches
from detect.region_choice import shared_settings
from detect.region_classifier import ClassifiedRegions, RegionClassifier
from detect.region_views import Readers
from detect.region_warp import WarpSettings
from detect.shared_regions import SharedSettings
from detect.suppression import suppress
from detect.view_averaging import average, joined
from proposals.device_copy import HostCopy, on_device
from proposals.proposals import Proposer


@dataclass(frozen=True)
class DetectorSettings:
    """What comes after the network.

    Attributes:
        min_score: detections below it are dropped.
        nms_iou: overlap above which the worse of two detections of a class goes (R-CNN on ILSVRC: 0.3).
        vote_iou: overlap from which on a region has a vote on where a detection's box is; 1: boxes stay.
        nested_factor: of the score of a detection that lies in a better one of its class, or around it; 1: it stays.
        max_detections: kept per image, best first, all classes together.
        batch_size: regions in one pass of the network; None: 16 on a CPU (what fits its caches), 128 on a GPU; of
            shared regions, whose pass is shorter, 64 and 512.
    """

    min_score: float = 0.4
    nms_iou: float = 0.3
    vote_iou: float = 0.4
    nested_factor: float = 0.5
    max_detections: int = 100
    batch_size: int | None = None

    def __post_init__(self) -> None:
        for name in ("min_score", "nms_iou", "vote_iou", "nested_factor"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ValueError(f"{name}: expected a number in [0, 1], got {value}")
        if self.max_detections < 1:
            raise ValueError(f"max_detections: expected at least 1, got {self.max_detections}")
        if self.batch_size is not None and self.batch_size < 1:
            raise ValueError(f"batch_size: expected at least 1, got {self.batch_size}")

    def suppressed(self, boxes: Tensor, probs: Tensor) -> Detections:
        """What `suppress` makes of an image's regions with these settings."""
        return suppress(
            boxes,
            probs,
            min_score=self.min_score,
            nms_iou=self.nms_iou,
            vote_iou=self.vote_iou,
            nested_factor=self.nested_factor,
            max_detections=self.max_detections,
        )


_BATCH_SIZES = {(False, False): 16, (False, True): 64, (True, False): 128, (True, True): 512}  # by GPU, shared


class Detector:
    """Finds objects in images.

    Args:
        classifier: regions → probabilities.
        proposer: image → proposals.
        settings: thresholds and batch size.
        shared: read regions from shared maps, in this way; None: warp each (R-CNN).
        others: further networks of the same classes; probabilities are the mean of all (GoogLeNet, section 8: six).
        flip: look at every region mirrored left to right too, and take the mean.
    Raises:
        ValueError: if a network has other classes, or is on another device.
    """

    def __init__(
        self,
        *,
        classifier: RegionClassifier,
        proposer: Proposer,
        settings: DetectorSettings | None = None,
        shared: SharedSettings | None = None,
        others: Sequence[Member] = (),
        flip: bool = False,
    ) -> None:
        self.classifier = classifier
        self.proposer = proposer
        self.settings = settings or DetectorSettings()
        self.shared = shared
        self.others = tuple(others)
        self.flip = flip
        members = (Member(classifier, shared), *self.others)
        self._ensemble = Ensemble(members, flip=flip)
        reading = classifier.device.type == "cuda", all(one.shared is not None for one in members)
        self.batch_size = self.settings.batch_size or _BATCH_SIZES[reading]
        self.warp = WarpSettings(context=classifier.info.context)

    @classmethod
    def load(
        cls,
        model: str | Path | Sequence[str | Path],
        *,
        device: str = "auto",
        precision: str = "auto",
        settings: DetectorSettings | None = None,
        proposals: Mapping[str, Any] | None = None,
        seed: int = 0,
        box_regression: bool = True,
        regions: str | None = None,
        short_sides: tuple[int, ...] | None = None,
        flip: bool = False,
    ) -> Detector:
        """A detector from a model's name (fetched if it is not here) or file, or of several together.

        Args:
            model: of several, the first says which boxes are proposed.
            box_regression: correct the boxes if the model was trained to; False: leave the proposals as they are.
            proposals: fields of `ProposalSetting` to use instead of what the model file says.
            regions: "warp" or "shared"; None: for each model the first that it was trained for.
            short_sides: of the images that shared regions are read from, see `SharedSettings`; None: each model's.
                Regions that are warped have none.
            flip: look at every region mirrored too; takes twice the time.
        Raises:
            ModelFileError, DownloadError, ValueError: one sentence that says what to do.
        """
        names = [str(model)] if isinstance(model, str | Path) else [str(one) for one in model]
        first, *others = (
            Member(
                RegionClassifier(loaded, device=device, precision=precision, box_regression=box_regression),
                shared_settings(loaded.info, regions=regions, short_sides=short_sides),
            )
            for loaded in load_members(names)
        )
        default, wanted = first.classifier.info.proposals, proposals or {}
        unknown = wanted.keys() - {field.name for field in dataclasses.fields(default)}
        if unknown:
            raise ValueError(f"proposals: expected settings of proposals, got {', '.join(sorted(unknown))}")
        setting = dataclasses.replace(default, **wanted)
        proposer = build_proposer(setting, seed=seed, device=device, precision=precision)
        return cls(
            classifier=first.classifier,
            proposer=proposer,
            settings=settings,
            shared=first.shared,
            others=others,
            flip=flip,
        )

    @property
    def info(self) -> ModelInfo:
        """The first model's description; `info.classes[label]` is a detection's class."""
        return self.classifier.info

    def __call__(self, image: NDArray[np.uint8]) -> Detections:
        """Objects in one uint8 RGB (H, W, 3) image, best first.

        Raises:
            ValueError: if the image is of another type or shape.
        """
        return next(iter(self.detect([(image, self.proposer(image).boxes)]))).detections

    def detect(
        self,
        images: Iterable[tuple[NDArray[np.uint8], NDArray[np.float32]] | None],
        *,
        batch_size: int | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> Iterator[Classified]:
        """Classify the given boxes of images, regions of several images sharing a batch.

        Args:
            images: image and its proposals (N, 4), read as they are needed; N may be 0. None: images after it share no
                batch with those before.
            batch_size: instead of the detector's own.
            stopped: asked before each batch; once it says yes, nothing more is classified or given.
        Yields:
            Each image's detections in the given order, and the seconds they took; one batch late: the copy of an
            image's answers is queued before the next batch, so that a GPU works on that while the host waits for the
            copy alone, and suppresses.
        """
        open_images: dict[int, _OpenImage] = {}

        def opened() -> Iterator[tuple[int, int] | None]:
            for index, one in enumerate(images):
                if one is None:
                    yield None
                    continue
                image, boxes = one
                started = time.perf_counter()
                views = self._ensemble.open(image)
                seconds = time.perf_counter() - started
                open_images[index] = _OpenImage(views, boxes, (image.shape[0], image.shape[1]), [], seconds)
                yield index, len(boxes)

        late: tuple[int, ...] = ()
        for batch in plan_batches(opened(), batch_size or self.batch_size):
            if stopped():
                return
            self._classify_batch(batch, open_images)
            for index in late:
                yield self._finish(open_images.pop(index))
            late = batch.finished
            for index in late:
                self._hand_back(open_images[index])
        for index in late:
            yield self._finish(open_images.pop(index))

    def _classify_batch(self, batch: Batch, images: dict[int, _OpenImage]) -> None:
        """Read and classify the regions of one batch; each image gets the answers to its own."""
        if not batch.pieces:
            return
        started = time.perf_counter()
        pieces = [(images[p.image].views, images[p.image].boxes[p.start : p.stop]) for p in batch.pieces]
        for piece, answers in zip(batch.pieces, self._ensemble.classify(pieces), strict=True):
            images[piece.image].answers.append(answers)
        seconds_a_region = (time.perf_counter() - started) / sum(len(boxes) for _, boxes in pieces)
        for piece in batch.pieces:
            images[piece.image].seconds += seconds_a_region * (piece.stop - piece.start)

    def _hand_back(self, image: _OpenImage) -> None:
        """Queue what is left to do on the device for an image whose last batch is queued, and the copy to the host."""
        started = time.perf_counter()
        image.result = [HostCopy(values) for values in self._boxes_and_probs(image)]
        image.answers, image.views = [], []
        image.seconds += time.perf_counter() - started

    def _finish(self, image: _OpenImage) -> Classified:
        started = time.perf_counter()
        boxes, probs = (copy.wait() for copy in image.result)
        detections = self.settings.suppressed(boxes, probs)
        return Classified(detections, image.seconds + time.perf_counter() - started)

    def _boxes_and_probs(self, image: _OpenImage) -> tuple[Tensor, Tensor]:
        """Boxes (N, 4), or (N, K, 4) of regression per class, and probabilities (N, K) of an image's regions."""
        device = self.classifier.device
        boxes = on_device(torch.from_numpy(np.ascontiguousarray(image.boxes)), device)
        if not image.answers:
            return boxes, torch.zeros(0, len(self.info.classes), device=device)
        return average(boxes, [joined(view) for view in zip(*image.answers, strict=True)], image.size)


@dataclass(frozen=True)
class Classified:
    """One image's detections and the seconds that uploading it, and its share of the batches, took.

    On a GPU the work is asynchronous: the seconds are those the host spent or waited, and may count for a neighbour.
    """

    detections: Detections
    seconds: float


@dataclass
class _OpenImage:
    """An image whose regions are not all classified yet; `answers` has those of each view, batch by batch."""

    views: list[Readers]
    boxes: NDArray[np.float32]
    size: tuple[int, int]
    answers: list[list[ClassifiedRegions]]
    seconds: float = 0.0
    result: list[HostCopy] = dataclasses.field(default_factory=list)
