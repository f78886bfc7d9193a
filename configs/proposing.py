"""What `propose` runs: every setting of a proposal run, with its unit and the papers' values."""

from __future__ import annotations

import inspect
import math
from dataclasses import dataclass, fields
from functools import partial
from typing import TYPE_CHECKING

from configs.ranges import check_choice, check_least, check_range

if TYPE_CHECKING:  # numba takes most of a second to import, and torch seconds; `--help` must not
    from detect.multibox_file import MultiBoxInfo
    from proposals.merged_proposals import MergeCalibration
    from proposals.proposals import Proposer

METHODS = ("selective_search", "multibox", "both")
MODES = ("single", "fast", "balanced", "quality")  # of selective search
PRECISIONS = ("auto", "fp32", "bf16")
CROPS = (1, 5)  # of MultiBox
_OF_MULTIBOX = ("multibox", "multibox_limit", "multibox_nms_iou", "multibox_crops")


@dataclass(frozen=True)
class ProposeConfig:
    """A proposal run; the command line's flags have the same names.

    Attributes:
        method: selective_search, multibox, or both in one list, near duplicates once. GoogLeNet: both.
        mode: of selective search; None: its own default. IJCV: fast has 8 hierarchies, quality 80;
            ours, balanced, 12.
        superpixel_scale: of selective search; None: 2 beside MultiBox, 1 alone. GoogLeNet: 2; the authors of
            selective search: 1.
        limit: boxes an image, best first; None: all. R-CNN: all, 2403 an image on ILSVRC.
        seed: of the ranking of selective search.
        search_width: pixels that an image is resized to before the search, R-CNN: 500; None: searched as it is.
        min_side: pixels at the searched size that a box of the search is wide and high at least, R-CNN: 20.
        multibox: the MultiBox model: "multibox", which comes with the package, or a file.
        multibox_limit: boxes of MultiBox an image, GoogLeNet: 200.
        multibox_nms_iou: a box of MultiBox that overlaps a better one of it by more than this is dropped.
        multibox_crops: 1: MultiBox sees the whole image; 5: also its four corners, at five times the cost.
        device: of MultiBox: auto, cpu, cuda.
        precision: of MultiBox: auto, fp32, bf16.
        workers: threads over images; where there are fewer, the search has workers // images in each; None: one per
            core, at most 16. The result does not depend on it.
    Raises:
        ValueError: naming the flag that is out of range, or that would do nothing because MultiBox takes no part.
    """

    method: str = "selective_search"
    mode: str | None = None
    superpixel_scale: float | None = None
    limit: int | None = None
    seed: int = 0
    search_width: int | None = 500
    min_side: int = 20
    multibox: str = "multibox"
    multibox_limit: int = 200
    multibox_nms_iou: float = 0.8
    multibox_crops: int = 1
    device: str = "auto"
    precision: str = "auto"
    workers: int | None = None

    def __post_init__(self) -> None:
        check_choice("method", self.method, METHODS)
        if self.mode is not None:
            check_choice("mode", self.mode, MODES)
        scale = self.superpixel_scale
        if scale is not None and not (math.isfinite(scale) and scale > 0):
            raise ValueError(f"--superpixel-scale: expected a finite number above 0, got {scale}")
        check_least("limit", self.limit, 1)
        check_least("seed", self.seed, 0)
        check_least("search-width", self.search_width, 1)
        check_least("min-side", self.min_side, 1)
        check_least("multibox-limit", self.multibox_limit, 1)
        check_range("--multibox-nms-iou", self.multibox_nms_iou, least=0, most=1)
        if self.multibox_crops not in CROPS:
            raise ValueError(f"--multibox-crops: expected {' or '.join(map(str, CROPS))}, got {self.multibox_crops}")
        check_choice("precision", self.precision, PRECISIONS)
        check_least("workers", self.workers, 1)
        for field in fields(self):
            if not self.learned and field.name in _OF_MULTIBOX and getattr(self, field.name) != field.default:
                raise ValueError(f"--{field.name.replace('_', '-')}: expected --method multibox or both with it")

    @property
    def searches(self) -> bool:
        """Whether selective search takes part."""
        return self.method != "multibox"

    @property
    def learned(self) -> bool:
        """Whether MultiBox takes part."""
        return self.method != "selective_search"


@dataclass(frozen=True)
class MultiBoxPart:
    """MultiBox, ready to propose, and what a run says of it.

    Attributes:
        file: where it was read from. sha256: of it.
        proposer: shared by all threads.
        device, precision: what "auto" came to, as torch names them.
    """

    info: MultiBoxInfo
    file: str
    sha256: str
    proposer: Proposer
    device: str
    precision: str

    @property
    def calibration(self) -> MergeCalibration:
        """How its boxes and those of selective search are put in one order."""
        from proposals.merged_proposals import UNCALIBRATED

        return self.info.merge or UNCALIBRATED


def search_mode(config: ProposeConfig) -> str:
    """The mode that is searched in: the configuration's, or else the default of selective search."""
    from proposals import selective_search

    return config.mode or str(inspect.signature(selective_search).parameters["mode"].default)


def search_scale(config: ProposeConfig) -> float:
    """The superpixel scale that is searched at."""
    return config.superpixel_scale or (2.0 if config.method == "both" else 1.0)


def load_multibox_part(config: ProposeConfig) -> MultiBoxPart | None:
    """The MultiBox model of a configuration, read and put on its device; None where it takes no part.

    Raises:
        ModelFileError, ValueError: one sentence that says what to do.
    """
    if not config.learned:
        return None
    from detect.devices import resolve_device, resolve_precision
    from detect.model_file import ModelFileError
    from detect.multibox_file import build_multibox, find_multibox_file, load_multibox
    from detect.torch_threads import heeding_torch_threads
    from proposals.multibox import MultiBoxSettings

    device = resolve_device(config.device)
    try:
        file = find_multibox_file(config.multibox)
        model = load_multibox(file)
    except ModelFileError as error:
        raise ValueError(f"--multibox: {error}") from error
    settings = MultiBoxSettings(
        limit=config.multibox_limit, nms_iou=config.multibox_nms_iou, crops=config.multibox_crops
    )
    multibox = build_multibox(model, device=config.device, precision=config.precision, settings=settings)
    return MultiBoxPart(
        info=model.info,
        file=config.multibox,
        sha256=model.sha256,
        proposer=heeding_torch_threads(multibox),
        device=device.type,
        precision=str(resolve_precision(config.precision, device)).removeprefix("torch."),
    )


def build_image_proposer(config: ProposeConfig, workers: int = 1, *, multibox: MultiBoxPart | None = None) -> Proposer:
    """Image → its best proposals.

    Args:
        workers: threads inside the search of one image.
        multibox: of `load_multibox_part`; where it takes no part, None.
    """
    if multibox is None:
        search = _search(config, workers)
        return lambda image: search(image).best(config.limit)
    proposer = multibox.proposer
    if not config.searches:
        return lambda image: proposer(image).best(config.limit)
    from proposals.merged_proposals import merge

    search, calibration = _search(config, workers), multibox.calibration
    return lambda image: merge(search(image), proposer(image), calibration).best(config.limit)


def _search(config: ProposeConfig, workers: int) -> Proposer:
    from proposals import selective_search

    return partial(
        selective_search,
        mode=search_mode(config),
        superpixel_scale=search_scale(config),
        seed=config.seed,
        search_width=config.search_width,
        min_side=config.min_side,
        workers=workers,
    )
