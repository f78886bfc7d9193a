"""What `train backbone` runs: every setting of a training run, with its unit and the papers' values."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from configs.ranges import check_choice, check_least, check_range
from configs.training import OptimisationConfig
from configs.training_checks import check_run

LABELLED_KINDS = ("folders", "ilsvrc_loc", "cifar10")
INTERPOLATIONS = ("nearest", "linear", "cubic", "area")
BATCH_NORMS = ("auto", "batch", "stored")


@dataclass(frozen=True)
class LabelledDataConfig:
    """Images with a class each.

    Attributes:
        kind: folders (a folder for each class), ilsvrc_loc (a tree with Data/CLS-LOC) or cifar10 (its binary version).
        path: the folder, the tree, or CIFAR-10's archive or unpacked folder; relative ones are below `data_root`.
        split: train, or val (of cifar10 test); of folders, a folder below `path` with a folder for each class. None: of
            folders `path` itself, of the others train.
    """

    kind: str
    path: str
    split: str | None = None

    def __post_init__(self) -> None:
        check_choice("data.kind", self.kind, LABELLED_KINDS)


@dataclass(frozen=True)
class BackboneHeadConfig:
    """What comes after the features, and beside them in training.

    Attributes:
        auxiliary: weight of each auxiliary classifier's loss (GoogLeNet: 0.3); 0: none are built. nin has none.
        dropout: fraction of the features dropped before the classifier. GoogLeNet: 0.4.
        auxiliary_dropout: the same in the auxiliary classifiers. GoogLeNet: 0.7.
    """

    auxiliary: float = 0.3
    dropout: float = 0.4
    auxiliary_dropout: float = 0.7

    def __post_init__(self) -> None:
        check_range("head.auxiliary", self.auxiliary, least=0.0)
        check_range("head.dropout", self.dropout, least=0.0, most=0.99)
        check_range("head.auxiliary_dropout", self.auxiliary_dropout, least=0.0, most=0.99)


@dataclass(frozen=True)
class ViewConfig:
    """How images are looked at.

    Attributes:
        images_per_batch: of the global batch, all processes together.
        crop_area: low and high end of a crop's part of the image's area. GoogLeNet: 0.08 to 1.
        crop_aspect: low and high end of a crop's width : height. GoogLeNet: 3/4 to 4/3.
        interpolations: of which one is drawn for each view, with equal probabilities. GoogLeNet: all four.
        flip: mirror at random.
        photometric: largest change of brightness, contrast and saturation; hue changes by a tenth of it. 0: none.
            GoogLeNet names Howard 2013, whose largest change is a half.
    """

    images_per_batch: int = 32
    crop_area: tuple[float, float] = (0.08, 1.0)
    crop_aspect: tuple[float, float] = (3 / 4, 4 / 3)
    interpolations: tuple[str, ...] = INTERPOLATIONS
    flip: bool = True
    photometric: float = 0.4

    def __post_init__(self) -> None:
        check_least("sampling.images_per_batch", self.images_per_batch, 1)
        check_range("sampling.photometric", self.photometric, least=0.0, most=1.0)
        low, high = self.crop_area
        if not 0 < low <= high <= 1:
            raise ValueError(f"sampling.crop_area: expected 0 < low <= high <= 1, got {low}, {high}")
        low, high = self.crop_aspect
        if not 0 < low <= high < math.inf:
            raise ValueError(f"sampling.crop_aspect: expected 0 < low <= high, got {low}, {high}")
        if not self.interpolations:
            raise ValueError("sampling.interpolations: expected at least one, got none")
        for one in self.interpolations:
            check_choice("sampling.interpolations", one, INTERPOLATIONS)


@dataclass(frozen=True)
class BackboneValidationConfig:
    """Top-1 and top-5 accuracy of the averaged weights, by one centre crop, on images that are not trained on.

    Attributes:
        held_back: fraction of the training images kept for validation, chosen by the hash of their content; without
            effect where `data` is given.
        data: a data set for validation alone; an image that is also trained on is refused. None: what is held back.
        every: steps between validations; None: at the start and the end only; 0: never.
        images: at most this many, chosen by hash; None: all.
    """

    held_back: float = 0.1
    data: LabelledDataConfig | None = None
    every: int | None = None
    images: int | None = None

    def __post_init__(self) -> None:
        check_range("validation.held_back", self.held_back, least=0.0, most=0.9)
        check_least("validation.every", self.every, 0)
        check_least("validation.images", self.images, 1)


def _googlenet_optimisation() -> OptimisationConfig:
    """GoogLeNet, section 6, where it says; else what BVLC's replication was trained with.

    Neither clips gradients. Those of Inception v2 begin at a norm of a thousand and fall within some tens of steps; a
    clip of 10, the other trainings', would hold it where it is.
    """
    return OptimisationConfig(
        steps=10_000,
        learning_rate=0.01,
        weight_decay=2e-4,
        schedule="googlenet",
        warm_up=100,
        clip=100.0,
        averaging=0.999,
    )


@dataclass(frozen=True)
class BackboneTrainingConfig:
    """A training run of a classification network.

    Attributes:
        data: what is trained on.
        data_root: where relative paths of data sets begin.
        backbone: architecture of the network: googlenet, googlenet_naive, googlenet_bn, nin, inception_v2 or
            inception_v3. None: the model's; without a model, googlenet.
        model: what training starts from, name or file; None: random weights. Of a model of other classes all but the
            classifier is taken.
        size: a side of the network's input in pixels. GoogLeNet: 224.
        batch_norm: how layers of batch normalisation, of architectures that have them, see a batch in training: batch
            (by its own mean and variance, of each process its share's; the running ones are stored) or stored (by the
            stored ones, which stay as they are). auto: batch from random weights, stored from a model.
        head: what comes after the features, and beside them in training.
        sampling: how images are looked at.
        optimisation: how weights change. GoogLeNet: momentum 0.9, the schedule googlenet, Polyak averaging.
        validation: on images that are not trained on.
        device: auto, cpu or cuda.
        devices: processes of this machine, GPUs where there are, that share each batch.
        workers: threads that decode and crop ahead, in each process.
        checkpoint_every: steps from one checkpoint to the next.
        seed: of everything random.
        name: of the model that is written; None: the output folder's.
    """

    data: LabelledDataConfig
    data_root: str = "."
    backbone: str | None = None
    model: str | None = None
    size: int = 224
    batch_norm: str = "auto"
    head: BackboneHeadConfig = field(default_factory=BackboneHeadConfig)
    sampling: ViewConfig = field(default_factory=ViewConfig)
    optimisation: OptimisationConfig = field(default_factory=_googlenet_optimisation)
    validation: BackboneValidationConfig = field(default_factory=BackboneValidationConfig)
    device: str = "auto"
    devices: int = 1
    workers: int = 1
    checkpoint_every: int = 100
    seed: int = 0
    name: str | None = None

    def __post_init__(self) -> None:
        check_run(self)
        check_least("size", self.size, 1)
        check_choice("batch_norm", self.batch_norm, BATCH_NORMS)

    @property
    def images_per_batch(self) -> int:
        """Of the global batch."""
        return self.sampling.images_per_batch

    @property
    def validate_every(self) -> int | None:
        """Steps; None: at the start and the end."""
        return self.validation.every
