"""From a training configuration to the parts that a run is made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs.training import ClassifierTrainingConfig
from configs.training_data import TrainingData

if TYPE_CHECKING:  # torch takes seconds to import; `--help` must not
    import torch

    from detect.model_file import Model, Network
    from detect.model_info import ModelInfo
    from detect.training.proposal_store import ProposalStore
    from detect.training.region_samples import ImageSample, TrainingBatch
    from detect.training.region_training import RegionTraining

    Stream = Callable[[int, int, int], AbstractContextManager[Iterator[TrainingBatch[ImageSample]]]]

PROPOSALS = "proposals"  # folder below OUT, unless the configuration names another


def load_start(config: ClassifierTrainingConfig) -> Model | None:
    """The model that training starts from; None: random weights.

    Raises:
        ModelFileError, DownloadError, ValueError: one sentence that says what to do.
    """
    from detect.model_file import load_model
    from detect.model_zoo import find_model_file

    return None if config.model is None else load_model(find_model_file(config.model))


def build_start(config: ClassifierTrainingConfig, model: Model | None, data: TrainingData) -> tuple[ModelInfo, Network]:
    """The network as it is before the first step, and the description of what it will become.

    Raises:
        ValueError: if the head does not fit the classes.
    """
    from detect.model_info import ProposalSetting
    from detect.training.network_start import start_network

    head, proposals = config.head, config.proposals
    return start_network(
        model,
        data.train.classes,
        head=head.kind,
        start=head.start,
        background_logit=head.background_logit,
        auxiliary=head.auxiliary > 0,
        box_regression=head.box_regression,
        seed=config.seed,
        name=config.name or "trained",
        context=config.context,
        proposals=ProposalSetting(
            mode=proposals.mode, superpixel_scale=proposals.superpixel_scale, limit=proposals.limit
        ),
    )


def build_module(
    config: ClassifierTrainingConfig, info: ModelInfo, network: Network, data: TrainingData
) -> RegionTraining:
    """What Lightning trains."""
    from detect.region_warp import WarpSettings
    from detect.training.network_pass import freeze, training_outputs
    from detect.training.objective import Objective
    from detect.training.region_training import RegionTraining
    from detect.training.region_upload import upload

    head, sampling = config.head, config.sampling
    freeze(network, config.optimisation.frozen)
    return RegionTraining(
        network=network,
        network_pass=partial(
            training_outputs,
            frozen=config.optimisation.frozen,
            dropout=head.dropout,
            auxiliary_dropout=head.auxiliary_dropout,
        ),
        upload=partial(
            upload,
            input_format=info.input,
            warp=WarpSettings(context=config.context),
            regions_per_image=sampling.regions_per_image,
        ),
        objective=Objective(
            allowed=data.train.allowed,
            classes=info.classes,
            num_outputs=info.num_outputs,
            per_class=head.box_regression == "per_class",
            auxiliary=head.auxiliary,
            box_weight=head.box_weight,
            background=data.train.background.tolist(),
            unannotated=head.unannotated,
        ),
        settings=config.optimisation,
        steps_per_epoch=_plan(config, data).steps_per_epoch,
        regions_per_batch=sampling.regions_per_image * sampling.images_per_batch,
        seed=config.seed,
    )


def build_stream(config: ClassifierTrainingConfig, data: TrainingData, store: ProposalStore) -> Stream:
    """(first step, process, processes) → the batches of that process, to the end of the run."""
    from detect.training.batch_stream import batches

    plan = _plan(config, data)
    hashes = data.hashes_of(data.train)

    def stream(first_step: int, rank: int, world: int) -> AbstractContextManager[Iterator[TrainingBatch[ImageSample]]]:
        return batches(
            data.train,
            lambda index: store.boxes(hashes[index]),
            plan,
            config.sampling,
            seed=config.seed,
            first_step=first_step,
            last_step=config.optimisation.steps,
            rank=rank,
            world=world,
            workers=config.workers,
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
    start: tuple[torch.Tensor, torch.Tensor],
    state: dict[str, torch.Tensor],
) -> dict[str, torch.Tensor]:
    """The state dict as it is validated and saved.

    What training changed is carried over to the classes that it taught nothing, and all is rounded to the float16 of a
    model file.

    Args:
        start: weight and bias of the classifier before the first step.
    """
    from detect.training.carry_over import carry_over, outputs_of, untaught_classes
    from detect.training.training_report import objects_per_class

    with_boxes, untaught = objects_per_class(data.train) > 0, untaught_classes(data.train)
    if not (config.head.carry_over and with_boxes.any() and untaught.any()):
        return _rounded(state)
    layer = "network.fc" if info.architecture == "googlenet_bn" else "classifier"
    weight, bias = carry_over(
        *start,
        state[f"{layer}.weight"],
        state[f"{layer}.bias"],
        outputs_of(info.classes, with_boxes.tolist(), info.num_outputs),
        config.head.carry_over,
        adapted=outputs_of(info.classes, untaught.tolist(), info.num_outputs),
    )
    return _rounded({**state, f"{layer}.weight": weight, f"{layer}.bias": bias})


def run_settings(config: ClassifierTrainingConfig, data: TrainingData, model: Model | None) -> dict[str, Any]:
    """The configuration, the model by its content and the data by theirs: what decides the course of training."""
    settings = dataclasses.asdict(config)
    for name in ("data", "data_root", "model"):
        del settings[name]
    return {**settings, "start": None if model is None else model.sha256, "data": data.fingerprint()}


def _rounded(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: one.half().float() if one.is_floating_point() else one for name, one in state.items()}


def _plan(config: ClassifierTrainingConfig, data: TrainingData) -> Any:
    from detect.training.batch_plan import BatchPlan

    return BatchPlan(data.train.weights, config.sampling.images_per_batch, config.seed)
