"""What `detect` runs: every setting of a detection run, with its unit and the paper's value."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from configs.proposing import METHODS, MODES
from configs.ranges import check_choice, check_least
from configs.region_reading import REGIONS, check_short_sides

if TYPE_CHECKING:  # torch takes seconds to import; `--help` must not
    from detect.detector import Detector


PRECISIONS = ("auto", "fp32", "bf16")


@dataclass(frozen=True)
class ProposalConfig:
    """How boxes are proposed; None takes what the model file says.

    Raises:
        ValueError: naming the flag that is out of range.
    """

    method: str | None = None  # selective_search, multibox or both; GoogLeNet: both
    mode: str | None = None  # of selective search
    superpixel_scale: float | None = None  # GoogLeNet: 2; the authors of selective search: 1
    limit: int | None = None  # boxes an image, best first
    multibox: str | None = None  # the MultiBox model: its name, or a file
    multibox_limit: int | None = None  # boxes of MultiBox an image; GoogLeNet: 200
    seed: int = 0  # of the ranking

    def __post_init__(self) -> None:
        scale = self.superpixel_scale
        if self.method is not None:
            check_choice("proposals.method", self.method, METHODS)
        if self.mode is not None:
            check_choice("proposals.mode", self.mode, MODES)
        if scale is not None and not (math.isfinite(scale) and scale > 0):
            raise ValueError(f"--proposals.superpixel_scale: expected a finite number above 0, got {scale}")
        check_least("proposals.limit", self.limit, 1)
        check_least("proposals.multibox_limit", self.multibox_limit, 1)
        check_least("proposals.seed", self.seed, 0)


@dataclass(frozen=True)
class DetectionConfig:
    """A detection run; the command line's flags have the same names.

    Attributes:
        model: name or file; of several, an ensemble, whose probabilities are averaged (GoogLeNet, section 8: six), the
            first says which boxes are proposed.
        device: auto, cpu, cuda.
        precision: auto, fp32, bf16.
        regions: warp (R-CNN: each region by itself through the network) or shared (from one map of the image); None:
            the first that the model was trained for.
        short_sides: pixels that an image's shorter side is resized to for shared regions; of several, each region reads
            the map where it is nearest 224 pixels. None: those that the model was trained for, else 600 (Fast R-CNN).
        flip: look at every region mirrored left to right too, and average.
        box_regression: correct boxes, where the model was trained to; False: leave them as they were proposed. Scores
            are then the classifier's alone, also of a model that knows how well corrected boxes fit.
        min_score: in [0, 1]; 0.4, from which on det200's F1 on held-back photos is highest (`benchmarks/min_score.py`).
            A model that does not know how well boxes fit has higher scores: for det200 before it knew, it was 0.6.
        nms_iou: R-CNN on ILSVRC: 0.3.
        vote_iou: a detection's box is the mean of those of all regions that overlap it by this, weighted by probability
            (Gidaris and Komodakis 2015: 0.5); 1: it is the best region's.
        nested_factor: of the score of a detection that lies in a better one of its class, or around it; 1: none.
        max_detections: per image.
        batch_size: regions a pass; None: 16 on a CPU, 128 on a GPU, of shared regions 64 and 512.
        workers: on a CPU, images at a time, None: one a core; beside a GPU, threads that decode and propose, None: all
            cores but one.
    Raises:
        ValueError: naming the flag that is out of range.
    """

    model: str | tuple[str, ...] = "det200"
    device: str = "auto"
    precision: str = "auto"
    regions: str | None = None
    short_sides: tuple[int, ...] | None = None
    flip: bool = False
    box_regression: bool = True
    min_score: float = 0.4
    nms_iou: float = 0.3
    vote_iou: float = 0.4
    nested_factor: float = 0.5
    max_detections: int = 100
    batch_size: int | None = None
    workers: int | None = None
    proposals: ProposalConfig = field(default_factory=ProposalConfig)

    def __post_init__(self) -> None:
        if not self.model:
            raise ValueError("--model: expected a name or a file, got nothing")
        if self.regions is not None:
            check_choice("regions", self.regions, REGIONS)
        if self.short_sides is not None:
            check_short_sides(self.short_sides)
        check_choice("precision", self.precision, PRECISIONS)
        for name in ("min_score", "nms_iou", "vote_iou", "nested_factor"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ValueError(f"--{name.replace('_', '-')}: expected a number in [0, 1], got {value}")
        check_least("max-detections", self.max_detections, 1)
        check_least("batch-size", self.batch_size, 1)
        check_least("workers", self.workers, 1)


def build_detector(config: DetectionConfig) -> Detector:
    """The detector that a configuration describes.

    Raises:
        ValueError, ModelFileError, DownloadError: one sentence that says what to do.
    """
    from detect.detector import Detector, DetectorSettings

    chosen = {
        name: value
        for name in ("method", "mode", "superpixel_scale", "limit", "multibox", "multibox_limit")
        if (value := getattr(config.proposals, name)) is not None
    }
    settings = DetectorSettings(
        min_score=config.min_score,
        nms_iou=config.nms_iou,
        vote_iou=config.vote_iou,
        nested_factor=config.nested_factor,
        max_detections=config.max_detections,
        batch_size=config.batch_size,
    )
    return Detector.load(
        config.model,
        device=config.device,
        precision=config.precision,
        settings=settings,
        proposals=chosen,
        seed=config.proposals.seed,
        regions=config.regions,
        short_sides=config.short_sides,
        flip=config.flip,
        box_regression=config.box_regression,
    )
