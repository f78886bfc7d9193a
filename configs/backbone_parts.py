"""From a configuration of classification training to the parts that a run is made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING, Any

from configs.backbone_choice import architecture_of, load_start
from configs.backbone_data import BackboneData
from configs.backbone_training import BackboneTrainingConfig

if TYPE_CHECKING:  # torch takes seconds to import; `--help` must not
    from detect.backbones.backbone import Backbone
    from detect.model_file import Model
    from detect.model_info import ModelInfo
    from detect.training.backbone_samples import ClassSample
    from detect.training.backbone_training import BackboneTraining
    from detect.training.batch_plan import BatchPlan
    from detect.training.region_samples import TrainingBatch

    Stream = Callable[[int, int, int], AbstractContextManager[Iterator[TrainingBatch[ClassSample]]]]


def load_model_to_start(config: BackboneTrainingConfig) -> Model | None:
    """The model that training starts from; None: random weights.

    Raises:
        ModelFileError, DownloadError, ValueError: as `load_start`, or if the network takes no images of the size.
    """
    from detect.training.backbone_start import check_input

    model = load_start(config)
    check_input(architecture_of(config, model), config.size)
    return model


def build_start(config: BackboneTrainingConfig, model: Model | None, data: BackboneData) -> tuple[ModelInfo, Backbone]:
    """The network as it is before the first step, and the description of what it will become."""
    from detect.training.backbone_start import start_backbone

    return start_backbone(
        model,
        data.train.classes,
        architecture=architecture_of(config, model),
        size=config.size,
        auxiliary=config.head.auxiliary > 0,
        seed=config.seed,
        name=config.name or "trained",
    )


def build_module(
    config: BackboneTrainingConfig, info: ModelInfo, network: Backbone, data: BackboneData
) -> BackboneTraining:
    """What Lightning trains."""
    from detect.training.backbone_training import BackboneTraining
    from detect.training.backbone_upload import upload_classes
    from detect.training.network_pass import freeze

    head, frozen = config.head, config.optimisation.frozen
    freeze(network, frozen)
    return BackboneTraining(
        network=network,
        upload=partial(upload_classes, input_format=info.input, size=config.size),
        settings=config.optimisation,
        steps_per_epoch=_plan(config, data).steps_per_epoch,
        images_per_batch=config.images_per_batch,
        auxiliary=head.auxiliary,
        dropout=head.dropout,
        auxiliary_dropout=head.auxiliary_dropout,
        batch_statistics=_by_batch(config),
        frozen=frozen,
        seed=config.seed,
    )


def build_stream(config: BackboneTrainingConfig, data: BackboneData) -> Stream:
    """(first step, process, processes) → the batches of that process, to the end of the run."""
    from detect.training.backbone_stream import backbone_batches
    from detect.training.planned_stream import Share

    plan = _plan(config, data)

    def stream(first_step: int, rank: int, world: int) -> AbstractContextManager[Iterator[TrainingBatch[ClassSample]]]:
        return backbone_batches(
            data.train,
            plan,
            config.sampling,
            Share(first_step, config.optimisation.steps, rank, world, config.workers),
            size=config.size,
            seed=config.seed,
        )

    return stream


def run_settings(
    config: BackboneTrainingConfig, data: BackboneData, model: Model | None, network: Backbone
) -> dict[str, Any]:
    """What decides the course of training: the configuration, and by their content model and data; no folders.

    The number of processes is among it where each normalises by its own share of a batch.
    """
    from detect.backbones.backbone import has_batch_norm
    from detect.training.processes import process_count

    settings = dataclasses.asdict(config)
    for name in ("data", "data_root", "model"):
        del settings[name]
    del settings["validation"]["data"]
    settings["backbone"] = architecture_of(config, model)
    settings["batch_norm"] = "batch" if _by_batch(config) else "stored"
    if _by_batch(config) and has_batch_norm(network):
        settings["batch_norm_processes"] = process_count(config.devices)
    return {**settings, "start": None if model is None else model.sha256, "data": data.fingerprint()}


def _by_batch(config: BackboneTrainingConfig) -> bool:
    return config.batch_norm == "batch" or (config.batch_norm == "auto" and config.model is None)


def _plan(config: BackboneTrainingConfig, data: BackboneData) -> BatchPlan:
    """Every image once an epoch."""
    import numpy as np

    from detect.training.batch_plan import BatchPlan

    return BatchPlan(np.ones(len(data.train)), config.images_per_batch, config.seed)
