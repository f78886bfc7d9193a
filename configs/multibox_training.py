"""What `train multibox` runs: every setting of a training run, with its unit and the papers' values."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from configs.data_config import DataConfig
from configs.ranges import check_choice, check_least, check_range
from configs.training import OptimisationConfig
from configs.training_checks import check_training

HEAD_KINDS = ("fully_connected", "convolutional")
MATCHINGS = ("predictions", "priors")
UNITS = ("image", "prior")
GRIDS = (14, 7, 5, 3, 2, 1)  # that a convolutional head can have, in this order


@dataclass(frozen=True)
class MultiBoxHeadConfig:
    """What predicts boxes from GoogLeNet's maps.

    Attributes:
        kind: fully_connected (Erhan et al. 2014: each prediction sees the whole image) or convolutional (MSC-MultiBox:
            each cell of several grids predicts the boxes around it).
        priors: number of predictions of a fully connected head, the centres of the training set's boxes by K-means.
            Erhan et al.: 100 and 200 on VOC. A convolutional head has the number that its grids make.
        channels: that the maps are reduced to before the predictions. Each takes 49 · 5 · priors weights of a fully
            connected head.
        grids: cells on a side of a convolutional head's grids; the other kind has none. MSC-MultiBox: 8, 6, 4, 3, 2,
            1; here those that follow from GoogLeNet's maps of a 224 × 224 image.
    """

    kind: str = "fully_connected"
    priors: int = 800
    channels: int = 8
    grids: tuple[int, ...] = (7, 5, 3, 2, 1)

    def __post_init__(self) -> None:
        check_choice("head.kind", self.kind, HEAD_KINDS)
        check_least("head.priors", self.priors, 1)
        check_least("head.channels", self.channels, 1)
        if tuple(one for one in GRIDS if one in self.grids) != tuple(self.grids) or 7 not in self.grids:
            raise ValueError(f"head.grids: expected 7 and any of {GRIDS}, in this order, got {tuple(self.grids)}")


@dataclass(frozen=True)
class MultiBoxSamplingConfig:
    """How images are looked at.

    Attributes:
        images_per_batch: of the global batch, all processes together.
        crops: probability that a part of an image is taken; else the whole image, as at detection.
        crop_area: low and high end of a crop's part of the image's area. GoogLeNet, for classification: 0.08 to 1.
        crop_aspect: low and high end of a crop's width : height, as a multiple of the image's. GoogLeNet, of the crop
            itself: 3/4 to 4/3.
        flip: mirror at random.
        photometric: largest change of brightness, contrast and saturation; hue changes by a tenth of it. 0: none.
    """

    images_per_batch: int = 32
    crops: float = 0.7
    crop_area: tuple[float, float] = (0.3, 1.0)
    crop_aspect: tuple[float, float] = (3 / 4, 4 / 3)
    flip: bool = True
    photometric: float = 0.3

    def __post_init__(self) -> None:
        check_least("sampling.images_per_batch", self.images_per_batch, 1)
        check_range("sampling.crops", self.crops, least=0.0, most=1.0)
        check_range("sampling.photometric", self.photometric, least=0.0, most=1.0)
        low, high = self.crop_area
        if not 0 < low <= high <= 1:
            raise ValueError(f"sampling.crop_area: expected 0 < low <= high <= 1, got {low}, {high}")
        low, high = self.crop_aspect
        if not 0 < low <= 1 <= high < math.inf:
            raise ValueError(f"sampling.crop_aspect: expected 0 < low <= 1 <= high, got {low}, {high}")


@dataclass(frozen=True)
class MultiBoxLossConfig:
    """What is asked of predictions.

    Attributes:
        alpha: weight of the location loss beside the confidence loss. Erhan et al.: 0.3.
        matching: which prediction is to find which object: the one of the least loss (predictions, Erhan et al.'s F)
            or of the nearest prior (priors, their prior matching).
        extra_iou: besides the match, every prior with this overlap with an object is to find it; None: none, as Erhan
            et al.
        units: of the location loss: the image's sides (image, Erhan et al.) or the prior's (prior).
        unannotated: what an unmatched prediction costs, as a part of the usual, in an image that is not annotated for
            all classes but for two or more (for one or none: nothing): it may be on an object without a box. Erhan et
            al., on data annotated for all classes: 1.
        near_iou: where a prior overlaps an annotated object by this, an unmatched prediction costs the usual in every
            image; None: no exception.
    """

    alpha: float = 0.3
    matching: str = "predictions"
    extra_iou: float | None = None
    units: str = "image"
    unannotated: float = 1.0
    near_iou: float | None = None

    def __post_init__(self) -> None:
        check_range("loss.alpha", self.alpha, above=0.0)
        check_choice("loss.matching", self.matching, MATCHINGS)
        check_choice("loss.units", self.units, UNITS)
        check_range("loss.unannotated", self.unannotated, least=0.0, most=1.0)
        for name, iou in (("extra_iou", self.extra_iou), ("near_iou", self.near_iou)):
            if iou is not None:
                check_range(f"loss.{name}", iou, above=0.0, most=1.0)


@dataclass(frozen=True)
class MultiBoxValidationConfig:
    """Coverage of objects on images that are not trained on.

    Attributes:
        held_back: fraction of every training set's images kept for validation, chosen by the hash of their content.
        data: further data sets, for validation alone; an image that is also trained on is refused.
        every: steps between validations; None: at the start and the end only; 0: never.
        images: at most this many, chosen by hash; None: all.
    """

    held_back: float = 0.1
    data: tuple[DataConfig, ...] = ()
    every: int | None = None
    images: int | None = 500

    def __post_init__(self) -> None:
        check_range("validation.held_back", self.held_back, least=0.0, most=0.9)
        check_least("validation.every", self.every, 0)
        check_least("validation.images", self.images, 1)


@dataclass(frozen=True)
class MultiBoxTrainingConfig:
    """A training run of MultiBox.

    Attributes:
        data: at least one data set.
        data_root: where relative paths of data sets begin.
        class_space: det (the 200 ILSVRC detection classes) or own (those of the only data set). MultiBox predicts no
            classes; but which places without a box are no object, and the mean over classes in validation, depend on
            it.
        model: the network that the trunk is taken from, name or file; None: random weights.
        head: what predicts boxes from the trunk's maps.
        sampling: how images are looked at.
        loss: what is asked of predictions.
        optimisation: how weights change.
        validation: coverage on images that are not trained on.
        device: auto, cpu or cuda.
        devices: processes of this machine, GPUs where there are, that share each batch.
        workers: threads that decode, crop and squash ahead, in each process.
        checkpoint_every: steps from one checkpoint to the next.
        seed: of everything random.
        name: of the model that is written; None: the output folder's.
    """

    data: tuple[DataConfig, ...]
    data_root: str = "."
    class_space: str = "det"
    model: str | None = "bvlc_googlenet"
    head: MultiBoxHeadConfig = field(default_factory=MultiBoxHeadConfig)
    sampling: MultiBoxSamplingConfig = field(default_factory=MultiBoxSamplingConfig)
    loss: MultiBoxLossConfig = field(default_factory=MultiBoxLossConfig)
    optimisation: OptimisationConfig = field(default_factory=OptimisationConfig)
    validation: MultiBoxValidationConfig = field(default_factory=MultiBoxValidationConfig)
    device: str = "auto"
    devices: int = 1
    workers: int = 1
    checkpoint_every: int = 100
    seed: int = 0
    name: str | None = None

    def __post_init__(self) -> None:
        check_training(self)

    @property
    def images_per_batch(self) -> int:
        """Of the global batch."""
        return self.sampling.images_per_batch

    @property
    def validate_every(self) -> int | None:
        """Steps; None: at the start and the end."""
        return self.validation.every
