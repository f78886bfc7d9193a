"""Which regions a classifier learns from, and which ones `detect` proposes for it afterwards."""

from __future__ import annotations

from dataclasses import dataclass

from configs.proposing import METHODS
from configs.ranges import check_choice, check_least, check_range


@dataclass(frozen=True)
class SamplingConfig:
    """Which regions are learnt from.

    Attributes:
        images_per_batch: of the global batch, all processes together. R-CNN draws from all images; images in groups
            share their decoding.
        foreground: regions a batch that are on an object; each image gives its equal share, and what lacks of one kind
            is filled with the other. R-CNN: 32.
        background: regions a batch that are on none. R-CNN: 96.
        foreground_iou: from it on, a region is the object it overlaps best (R-CNN: 0.5).
        background_iou: low and high end, [low, high), of the overlap of background regions (R-CNN: 0 to 0.5).
        regression_iou: above it, a region takes part in box regression (R-CNN: 0.6). Below foreground_iou, regions that
            are drawn as background take part too, but for box_regression per_class, to which they are of no class.
        fit_iou: from it on, and above 0, a region teaches how well its box fits its object (`head.fit`); of others
            nobody knows.
        jittered: additional candidates for each object, made from its box by moving and scaling it at random.
        jitter: largest shift, in box sides, and largest change of a side's logarithm.
        flip: mirror regions at random; of shared regions, whole images.
        photometric: largest change of brightness, contrast and saturation; hue changes by a tenth of it. 0: none.
    """

    images_per_batch: int = 16
    foreground: int = 32
    background: int = 96
    foreground_iou: float = 0.5
    background_iou: tuple[float, float] = (0.0, 0.5)
    regression_iou: float = 0.6
    fit_iou: float = 0.2
    jittered: int = 4
    jitter: float = 0.2
    flip: bool = True
    photometric: float = 0.3

    def __post_init__(self) -> None:
        check_least("sampling.images_per_batch", self.images_per_batch, 1)
        check_least("sampling.foreground", self.foreground, 0)
        check_least("sampling.background", self.background, 0)
        check_least("sampling.jittered", self.jittered, 0)
        if self.foreground + self.background < 1:
            raise ValueError("sampling: expected at least one region a batch, got foreground 0 and background 0")
        for name in ("foreground", "background"):
            if getattr(self, name) % self.images_per_batch:
                raise ValueError(
                    f"sampling.{name}: expected a multiple of images_per_batch ({self.images_per_batch}), "
                    f"got {getattr(self, name)}"
                )
        low, high = self.background_iou
        if not 0 <= low < high <= self.foreground_iou <= 1:
            raise ValueError(
                f"sampling: expected 0 <= background_iou low < high <= foreground_iou <= 1, "
                f"got {low}, {high}, {self.foreground_iou}"
            )
        check_range("sampling.regression_iou", self.regression_iou, least=0.0, most=1.0)
        check_range("sampling.fit_iou", self.fit_iou, least=0.0, most=1.0)
        check_range("sampling.jitter", self.jitter, least=0.0, most=1.0)
        check_range("sampling.photometric", self.photometric, least=0.0, most=1.0)

    @property
    def regions_per_image(self) -> int:
        """Regions that an image gives to a batch."""
        return (self.foreground + self.background) // self.images_per_batch


@dataclass(frozen=True)
class TrainProposalConfig:
    """Where the training regions come from.

    Attributes:
        store: folder of proposals that runs may share: keyed by image content and setting, filled where it lacks;
            None: OUT/proposals.
        mode: of selective search: single, fast, balanced, quality.
        superpixel_scale: of selective search. GoogLeNet: 2.
        limit: boxes an image, best first; None: all.
    """

    store: str | None = None
    mode: str = "balanced"
    superpixel_scale: float = 2.0
    limit: int | None = 2000

    def __post_init__(self) -> None:
        check_least("proposals.limit", self.limit, 1)
        check_range("proposals.superpixel_scale", self.superpixel_scale, above=0.0)


@dataclass(frozen=True)
class DetectionDefaultsConfig:
    """What the model file tells `detect`, and training does not depend on.

    Attributes:
        method: of proposals, in the mode and at the superpixel scale of training: selective_search, multibox or both
            in one list. GoogLeNet: both.
        limit: boxes an image, best first; None: as in training.
        kindred: a detection class sums the probability of a few classification classes too that are not below it in
            WordNet, but look like it to anyone: espresso is a cup, a locomotive a train. Of a marginal head alone.
    """

    method: str = "selective_search"
    limit: int | None = None
    kindred: bool = False

    def __post_init__(self) -> None:
        check_choice("detection.method", self.method, METHODS)
        check_least("detection.limit", self.limit, 1)
