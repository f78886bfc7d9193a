"""From a training configuration to the parts that a run is made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs.backbone_choice import WITHOUT_A_MODEL, architecture_of
from configs.frozen_heads import check_same_heads
from configs.training import ClassifierTrainingConfig
from configs.training_data import TrainingData

if TYPE_CHECKING:  # torch takes seconds to import; `--help` must not
    import torch

    from detect.backbones.backbone import Backbone
    from detect.class_tables import DetectionClass
    from detect.model_file import Model
    from detect.model_info import ModelInfo
    from detect.training.proposal_store import ProposalStore
    from detect.training.region_samples import ImageSample, TrainingBatch, Upload
    from detect.training.region_training import NetworkPass, RegionTraining

    Stream = Callable[[int, int, int], AbstractContextManager[Iterator[TrainingBatch[ImageSample]]]]

PROPOSALS = "proposals"  # folder below OUT, unless the configuration names another


def load_teacher(config: ClassifierTrainingConfig, start: Model | None) -> Model | None:
    """The model whose answers are learnt; None: there is none.

    Raises:
        ModelFileError, DownloadError, ValueError: as `load_start`, or if it has other outputs than a teacher needs.
    """
    from detect.model_file import load_model
    from detect.model_zoo import find_model_file
    from detect.training.distillation import check_teacher

    chosen = config.distillation
    if not chosen.weight or start is None:
        return None
    teacher = start if chosen.teacher is None else load_model(find_model_file(chosen.teacher))
    check_teacher(teacher, start)
    return teacher


def build_start(
    config: ClassifierTrainingConfig, model: Model | None, data: TrainingData
) -> tuple[ModelInfo, Backbone]:
    """The network as it is before the first step, and the description of what it will become.

    Raises:
        ValueError: if the head does not fit the classes, or nothing is to learn of a head that the model has not.
    """
    from detect.model_info import SHORT_SIDES, ProposalSetting
    from detect.training.class_maps_cls import with_kindred
    from detect.training.network_start import start_network

    head, proposals = config.head, config.proposals
    if model is not None:
        check_same_heads(config, model.info, data.train.classes)
    classes = with_kindred(data.train.classes, worn=True) if head.kindred else data.train.classes
    return start_network(
        model,
        classes,
        head=head.kind,
        start=head.start,
        background_logit=head.background_logit,
        auxiliary=head.auxiliary > 0,
        box_regression=head.box_regression,
        fit=head.fit,
        seed=config.seed,
        name=config.name or "trained",
        context=config.context,
        proposals=ProposalSetting(
            method=config.detection.method,
            mode=proposals.mode,
            superpixel_scale=proposals.superpixel_scale,
            limit=config.detection.limit or proposals.limit,
        ),
        architecture=architecture_of(config, model),
        regions=config.regions,
        short_sides=config.short_sides if config.regions == "shared" else SHORT_SIDES,
    )


def build_module(
    config: ClassifierTrainingConfig, info: ModelInfo, network: Backbone, data: TrainingData, teacher: Model | None
) -> RegionTraining:
    """What Lightning trains.

    Args:
        teacher: of `load_teacher`.
    """
    from detect.training.network_pass import freeze
    from detect.training.objective import Objective
    from detect.training.region_training import RegionTraining

    head, sampling = config.head, config.sampling
    freeze(network, config.optimisation.frozen)
    return RegionTraining(
        network=network,
        network_pass=_network_pass(config),
        upload=_with_answers(config, data, teacher, _upload(config, info)),
        objective=Objective(
            allowed=data.train.allowed,
            classes=info.classes,
            num_outputs=info.num_outputs,
            per_class=head.box_regression == "per_class",
            auxiliary=head.auxiliary,
            box_weight=head.box_weight,
            background=data.train.background.tolist(),
            unannotated=head.unannotated,
            common=_labels(head.common, info.classes),
            distillation=config.distillation.weight,
            trust=config.distillation.trust,
        ),
        settings=config.optimisation,
        steps_per_epoch=_plan(config, data).steps_per_epoch,
        regions_per_batch=sampling.regions_per_image * sampling.images_per_batch,
        seed=config.seed,
    )


def build_stream(config: ClassifierTrainingConfig, data: TrainingData, store: ProposalStore) -> Stream:
    """(first step, process, processes) → the batches of that process, to the end of the run."""
    from detect.training.batch_stream import batches, flip_images, flip_regions
    from detect.training.planned_stream import Share

    plan = _plan(config, data)
    hashes = data.hashes_of(data.train)

    def stream(first_step: int, rank: int, world: int) -> AbstractContextManager[Iterator[TrainingBatch[ImageSample]]]:
        return batches(
            data.train,
            lambda index: store.boxes(hashes[index]),
            plan,
            config.sampling,
            Share(first_step, config.optimisation.steps, rank, world, config.workers),
            seed=config.seed,
            flips=flip_images if config.regions == "shared" else flip_regions,
        )

    return stream


def build_store(config: ClassifierTrainingConfig, out: Path) -> ProposalStore:
    """The proposals of training and validation images."""
    from detect.training.proposal_store import ProposalStore

    chosen = config.proposals
    folder = out / PROPOSALS if chosen.store is None else Path(chosen.store)
    return ProposalStore(folder, mode=chosen.mode, superpixel_scale=chosen.superpixel_scale, limit=chosen.limit)


def carried_over(
    config: ClassifierTrainingConfig,
    info: ModelInfo,
    data: TrainingData,
    start: dict[str, torch.Tensor],
    state: dict[str, torch.Tensor],
) -> dict[str, torch.Tensor]:
    """The state dict as it is validated and saved.

    It has its share of the start, the state dict before the first step, but for a fit of boxes that began without an
    opinion; what training changed is carried over to the classes that it taught nothing; and all is rounded to the
    float16 of a model file.
    """
    from detect.backbones.registry import backbone_named
    from detect.training.averaging import with_start
    from detect.training.carry_over import carry_over, outputs_of, untaught_classes
    from detect.training.training_report import objects_per_class

    if config.start_share:
        mixed = with_start(state, start, config.start_share)
        began = "region_fit.output.weight" in start and start["region_fit.output.weight"].any()
        state = {**mixed, **{name: one for name, one in state.items() if name.startswith("region_fit.") and not began}}
    with_boxes, untaught = objects_per_class(data.train) > 0, untaught_classes(data.train)
    if not (config.head.carry_over and with_boxes.any() and untaught.any()):
        return _rounded(state)
    layer = backbone_named(info.architecture).classifier_name
    weight, bias = carry_over(
        start[f"{layer}.weight"],
        start[f"{layer}.bias"],
        state[f"{layer}.weight"],
        state[f"{layer}.bias"],
        outputs_of(info.classes, with_boxes.tolist(), info.num_outputs),
        config.head.carry_over,
        adapted=outputs_of(info.classes, untaught.tolist(), info.num_outputs),
    )
    return _rounded({**state, f"{layer}.weight": weight, f"{layer}.bias": bias})


def run_settings(
    config: ClassifierTrainingConfig, data: TrainingData, model: Model | None, teacher: Model | None = None
) -> dict[str, Any]:
    """The configuration, the model by its content and the data by theirs: what decides the course of training.

    Warped regions, which read no map, say nothing of how one is read, and a run without distillation nothing of that,
    nor one without kindred or common classes or fit of these, nor one from a model or of GoogLeNet of its architecture,
    so that runs from before there was any can be resumed. What `detect` will propose changes nothing in training, nor
    does what is saved.
    """
    settings = dataclasses.asdict(config)
    unused = ["detection", "start_share", *(("regions", "short_sides") if config.regions == "warp" else ())]
    if not config.distillation.weight:
        unused.append("distillation")
    for name in ("data", "data_root", "model", *unused):
        del settings[name]
    for name in ("kindred", "common", "fit"):
        if not settings["head"][name]:
            del settings["head"][name]
    if not config.head.fit:
        del settings["sampling"]["fit_iou"]
    if model is not None or config.backbone in (None, WITHOUT_A_MODEL):
        del settings["backbone"]
    if config.distillation.weight:
        if not config.distillation.trust:
            del settings["distillation"]["trust"]
        named = settings["distillation"].pop("teacher")
        if named is not None:
            settings["distillation"]["teacher"] = named if teacher is None else teacher.sha256
    return {**settings, "start": None if model is None else model.sha256, "data": data.fingerprint()}


def _rounded(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: one.half().float() if one.is_floating_point() else one for name, one in state.items()}


def _labels(names: Sequence[str], classes: Sequence[DetectionClass]) -> list[int]:
    """Of classes by name; raises ValueError if there is none of a name."""
    from detect.classification_classes import ClassFinder

    try:
        return [ClassFinder(classes).label(name) for name in names]
    except ValueError as error:
        raise ValueError(f"head.common: {error}") from error


def _upload(config: ClassifierTrainingConfig, info: ModelInfo) -> Upload:
    """How regions get to the device: as the detector will read those of the model."""
    from detect.region_choice import shared_settings
    from detect.region_warp import WarpSettings
    from detect.training.region_upload import upload
    from detect.training.shared_upload import upload_shared

    shared, regions_per_image = shared_settings(info), config.sampling.regions_per_image
    if shared is not None:
        return partial(upload_shared, input_format=info.input, settings=shared, regions_per_image=regions_per_image)
    warp = WarpSettings(context=info.context)
    return partial(upload, input_format=info.input, warp=warp, regions_per_image=regions_per_image)


def _with_answers(config: ClassifierTrainingConfig, data: TrainingData, model: Model | None, upload: Upload) -> Upload:
    """The upload, and the answers of a teacher, if there is one."""
    from detect.training.distillation import Teacher, upload_and_ask
    from detect.training.losses import single_classes

    if model is None:
        return upload
    chosen = config.distillation
    teacher = Teacher(
        model=model,
        asked=single_classes(data.train.allowed) < 0,
        regions=chosen.regions,
        temperature=chosen.temperature,
        precision=config.optimisation.precision,
    )
    return partial(upload_and_ask, upload=upload, teacher=teacher)


def _network_pass(config: ClassifierTrainingConfig) -> NetworkPass:
    """How they go through the network; it takes what `_upload` makes of them."""
    from detect.training.network_pass import training_outputs
    from detect.training.shared_pass import shared_outputs

    frozen, head = config.optimisation.frozen, config.head
    if config.regions == "shared":
        return partial(shared_outputs, frozen=frozen, dropout=head.dropout)
    return partial(training_outputs, frozen=frozen, dropout=head.dropout, auxiliary_dropout=head.auxiliary_dropout)


def _plan(config: ClassifierTrainingConfig, data: TrainingData) -> Any:
    from detect.training.batch_plan import BatchPlan

    return BatchPlan(data.train.weights, config.sampling.images_per_batch, config.seed)
