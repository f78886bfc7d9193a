"""What `train classifier` runs: every setting of a training run, with its unit and the papers' values."""

from __future__ import annotations

from dataclasses import dataclass, field

from configs.data_config import DataConfig
from configs.frozen_heads import check_frozen
from configs.ranges import check_choice, check_least, check_range
from configs.region_reading import REGIONS, check_short_sides
from configs.training_checks import check_training
from configs.training_regions import DetectionDefaultsConfig, SamplingConfig, TrainProposalConfig

OPTIMISERS = ("sgd", "adamw")
SCHEDULES = ("constant", "step", "googlenet", "cosine")


@dataclass(frozen=True)
class HeadConfig:
    """What comes after the features, of which GoogLeNet has 1024.

    Attributes:
        kind: marginal (softmax over the classification classes and background; a detection class is the sum over its
            descendants) or softmax (the papers' K + 1 outputs).
        start: classes (the classification network's own weights) or random.
        background_logit: of the start from classes: the bias of the background output, its weights being 0.
        auxiliary: weight of each auxiliary classifier's loss (GoogLeNet: 0.3); 0: none are built.
        dropout: fraction of the features dropped before the classifier. GoogLeNet: 0.4.
        auxiliary_dropout: the same in the auxiliary classifiers. GoogLeNet: 0.7.
        box_regression: none; agnostic or per_class, from the averaged features; or cells: agnostic, from cells, of
            GoogLeNet the 7 × 7 of pool4, as R-CNN's from those of pool5.
        box_weight: of the box loss beside the classification loss.
        fit: learn how well a region's corrected box fits, whatever its class, by which `detect` then multiplies
            probabilities. Its gradients go nowhere else in the network, though they count in `optimisation.clip`. It is
            learnt in any run, or by itself after one, with `optimisation.frozen` all or classifier. A run
            without it writes a model without it, from whatever it starts. Not with box_regression per_class.
        carry_over: after LSDA: number of nearest outputs with boxes whose change is carried to each output of a class
            that the data say nothing about; 0: off.
        kindred: classes learn with a few classification classes among their members that are not below them in
            WordNet: those of `detection.kindred`, and for a person what people wear. Of a marginal head alone.
        unannotated: a background region may be of a class that its image is not annotated for, but seldom is: weight of
            these classes' probability beside background's. 1: it may be any of them; 0: it is background. Papers on
            data annotated for all classes have no such thing.
        common: names of classes that photos often show beside what they are annotated for, such as person: there a
            background region may well be one of them, and their weight is 1.
    """

    kind: str = "marginal"
    start: str = "classes"
    background_logit: float = 12.0
    auxiliary: float = 0.3
    dropout: float = 0.4
    auxiliary_dropout: float = 0.7
    box_regression: str = "agnostic"
    box_weight: float = 1.0
    fit: bool = False
    carry_over: int = 5
    kindred: bool = False
    unannotated: float = 0.1
    common: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_choice("head.kind", self.kind, ("marginal", "softmax"))
        check_choice("head.start", self.start, ("classes", "random"))
        check_choice("head.box_regression", self.box_regression, ("none", "agnostic", "per_class", "cells"))
        if self.fit and self.box_regression == "per_class":
            raise ValueError("head.fit: expected false with box_regression per_class, as a region has no one box then")
        check_least("head.carry_over", self.carry_over, 0)
        check_range("head.auxiliary", self.auxiliary, least=0.0)
        check_range("head.box_weight", self.box_weight, least=0.0)
        check_range("head.unannotated", self.unannotated, least=0.0, most=1.0)
        check_range("head.dropout", self.dropout, least=0.0, most=0.99)
        check_range("head.auxiliary_dropout", self.auxiliary_dropout, least=0.0, most=0.99)


@dataclass(frozen=True)
class DistillationConfig:
    """A classification network's answers, as targets for regions that are on no object of a single class.

    After Li and Hoiem, Learning without forgetting (2016). Classes without boxes are so kept what they are.

    Attributes:
        weight: of the divergence from these answers, beside a region's classification loss; 0: none are asked for.
        regions: of each image, at most, that are answered for. Each is warped and goes through the whole of that
            network.
        temperature: that logits are divided by, of both networks (Hinton et al. 2015).
        trust: where the answers are that a background region is of a class for which its image is not annotated, it is
            pushed towards background less: this times their probability is the class's weight, if it is above
            `head.unannotated`. 0: never.
        teacher: name or file of the network that answers, of the same outputs and trained for warped regions; None:
            what training starts from.
    """

    weight: float = 0.0
    regions: int = 16
    temperature: float = 2.0
    trust: float = 0.0
    teacher: str | None = None

    def __post_init__(self) -> None:
        check_range("distillation.weight", self.weight, least=0.0)
        check_least("distillation.regions", self.regions, 1)
        check_range("distillation.temperature", self.temperature, above=0.0)
        check_range("distillation.trust", self.trust, least=0.0, most=1.0)
        if self.teacher is not None and not self.weight:
            raise ValueError(f"distillation.teacher: expected a weight above 0 with it, got {self.weight}")


@dataclass(frozen=True)
class OptimisationConfig:
    """How weights change.

    Attributes:
        steps: batches, all in all.
        optimiser: sgd (with momentum, as R-CNN and GoogLeNet) or adamw, whose rates are some fortieth of sgd's.
        learning_rate: R-CNN, of sgd: 1e-3.
        momentum: R-CNN, GoogLeNet: 0.9. Of adamw the decay of its mean of gradients.
        weight_decay: of weights, not of biases. R-CNN: 5e-4. Of adamw apart from the gradient: some hundred
            times as much.
        schedule: constant; step (a tenth at each of `drops`); googlenet (−4 % every 8 epochs); cosine.
        drops: fractions of `steps` at which `step` drops, R-CNN: once, here 2/3 and 8/9.
        warm_up: steps over which the rate rises linearly from a tenth of it.
        head_rate: the head's rate as a multiple of learning_rate (classifier, box regression, fit, auxiliary ones; all
            that MultiBox has beyond its trunk).
        rates: of single modules, as multiples of learning_rate: {inception_4a: 0.1}, of MultiBox
            {trunk.network.inception_4a: 0.1}; what a parameter's name begins with, the longest that fits.
        frozen: stages up to and including this one of the network do not change and are not differentiated; none, or of
            GoogLeNet conv1, conv2, 3a … 4e. An error names those of others. Of `train classifier` too: classifier,
            nothing changes but box regression and `head.fit`; all, nothing but `head.fit`.
        clip: largest norm of the gradient; None: none.
        averaging: decay of the Polyak average that is saved; 0: none. It rises to it as (1 + t) / (10 + t).
        precision: auto, fp32 or bf16 (autocast).
    """

    steps: int = 1000
    optimiser: str = "sgd"
    learning_rate: float = 1e-3
    momentum: float = 0.9
    weight_decay: float = 5e-4
    schedule: str = "cosine"
    drops: tuple[float, ...] = (2 / 3, 8 / 9)
    warm_up: int = 20
    head_rate: float = 1.0
    rates: dict[str, float] = field(default_factory=dict)
    frozen: str = "none"
    clip: float | None = 10.0
    averaging: float = 0.99
    precision: str = "auto"

    def __post_init__(self) -> None:
        check_least("optimisation.steps", self.steps, 1)
        check_least("optimisation.warm_up", self.warm_up, 0)
        check_choice("optimisation.optimiser", self.optimiser, OPTIMISERS)
        check_choice("optimisation.schedule", self.schedule, SCHEDULES)
        check_choice("optimisation.precision", self.precision, ("auto", "fp32", "bf16"))
        check_range("optimisation.learning_rate", self.learning_rate, above=0.0)
        check_range("optimisation.head_rate", self.head_rate, least=0.0)
        for name, rate in self.rates.items():
            check_range(f"optimisation.rates.{name}", rate, least=0.0)
        check_range("optimisation.momentum", self.momentum, least=0.0, most=0.9999)
        check_range("optimisation.weight_decay", self.weight_decay, least=0.0)
        check_range("optimisation.averaging", self.averaging, least=0.0, most=0.99999)
        if self.clip is not None:
            check_range("optimisation.clip", self.clip, above=0.0)
        if not all(0 < drop < 1 for drop in self.drops) or sorted(self.drops) != list(self.drops):
            raise ValueError(f"optimisation.drops: expected rising fractions between 0 and 1, got {self.drops}")


@dataclass(frozen=True)
class ValidationConfig:
    """Detection on images that are not trained on, by the project's scorer.

    Attributes:
        held_back: fraction of every training set's images kept for validation, chosen by the hash of their content.
        data: further data sets, for validation alone; an image that is also trained on is refused.
        every: steps between validations; None: at the start and the end only; 0: never.
        images: at most this many, chosen by hash; None: all.
        limit: proposals an image; None: all.
    """

    held_back: float = 0.1
    data: tuple[DataConfig, ...] = ()
    every: int | None = None
    images: int | None = 100
    limit: int | None = 200

    def __post_init__(self) -> None:
        check_range("validation.held_back", self.held_back, least=0.0, most=0.9)
        check_least("validation.every", self.every, 0)
        check_least("validation.images", self.images, 1)
        check_least("validation.limit", self.limit, 1)


@dataclass(frozen=True)
class ClassifierTrainingConfig:
    """A training run of the region classifier.

    Attributes:
        model: what training starts from, name or file; None: random weights.
        backbone: architecture of the network: googlenet, googlenet_naive, googlenet_bn, nin, inception_v2 or
            inception_v3. None: the model's; without a model, googlenet. nin has no auxiliary classifiers.
        class_space: det (the 200 ILSVRC detection classes) or own (those of the only data set).
        data: at least one data set.
        data_root: where relative paths of data sets begin.
        regions: warp (R-CNN: each region by itself through the network) or shared (from one map of the image, as
            `detect --regions shared` reads them; pool4 and what follows are still computed for each). The model that
            is written says which. Shared regions need `head.auxiliary` 0, and are mirrored with their whole image.
        short_sides: of shared regions: pixels that an image's shorter side is resized to; of several, each region reads
            the map where it is nearest 224 pixels. Fast R-CNN: 600.
        context: pixels of surroundings on each side of a region, of 224. R-CNN: 16.
        proposals: where the training regions come from.
        sampling: which regions are learnt from.
        head: what comes after the features.
        distillation: what else is learnt from: a classification network's answers.
        optimisation: how weights change.
        validation: detection on images that are not trained on.
        detection: what the model that is written tells `detect`.
        start_share: of the weights that training starts from, in those that are validated and saved; the rest is of
            those that it comes to (Wortsman et al. 2022). 0: none. It changes nothing in training.
        device: auto, cpu or cuda.
        devices: processes of this machine, GPUs where there are, that share each batch.
        workers: threads that decode and sample ahead, in each process.
        checkpoint_every: steps from one checkpoint to the next.
        seed: of everything random.
        name: of the model that is written; None: the output folder's.
    """

    data: tuple[DataConfig, ...]
    data_root: str = "."
    model: str | None = "bvlc_googlenet"
    backbone: str | None = None
    class_space: str = "det"
    regions: str = "warp"
    short_sides: tuple[int, ...] = (600,)
    context: int = 16
    proposals: TrainProposalConfig = field(default_factory=TrainProposalConfig)
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    head: HeadConfig = field(default_factory=HeadConfig)
    distillation: DistillationConfig = field(default_factory=DistillationConfig)
    optimisation: OptimisationConfig = field(default_factory=OptimisationConfig)
    validation: ValidationConfig = field(default_factory=ValidationConfig)
    detection: DetectionDefaultsConfig = field(default_factory=DetectionDefaultsConfig)
    start_share: float = 0.0
    device: str = "auto"
    devices: int = 1
    workers: int = 1
    checkpoint_every: int = 100
    seed: int = 0
    name: str | None = None

    def __post_init__(self) -> None:
        check_training(self)
        check_least("context", self.context, 0)
        check_range("start_share", self.start_share, least=0.0, most=1.0)
        check_choice("regions", self.regions, REGIONS)
        check_short_sides(self.short_sides)
        if self.regions == "shared" and self.head.auxiliary > 0:
            raise ValueError(
                "head.auxiliary: expected 0 with regions shared, as auxiliary classifiers read whole warped regions, "
                f"got {self.head.auxiliary}"
            )
        if self.distillation.weight and (self.model is None or self.head.kind == "softmax"):
            raise ValueError(
                "distillation.weight: expected 0 without a model to start from, or with head.kind softmax, whose "
                f"outputs are not a classification network's, got {self.distillation.weight}"
            )
        check_frozen(self)
        for name, kindred in (("detection", self.detection.kindred), ("head", self.head.kindred)):
            if kindred and (self.head.kind != "marginal" or self.class_space != "det"):
                raise ValueError(
                    f"{name}.kindred: expected false but with head.kind marginal and class_space det, "
                    f"got true with {self.head.kind} and {self.class_space}"
                )

    @property
    def images_per_batch(self) -> int:
        """Of the global batch."""
        return self.sampling.images_per_batch

    @property
    def validate_every(self) -> int | None:
        """Steps; None: at the start and the end."""
        return self.validation.every
