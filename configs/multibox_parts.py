"""From a configuration of MultiBox's training to the parts that a run is made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from configs.multibox_training import MultiBoxTrainingConfig
from configs.training_data import TrainingData

if TYPE_CHECKING:  # torch takes seconds to import; `--help` must not
    from numpy.typing import NDArray

    from detect.model_file import Model
    from detect.multibox_file import MultiBoxInfo
    from detect.training.batch_plan import BatchPlan
    from detect.training.multibox_samples import MultiBoxSample
    from detect.training.multibox_training import MultiBoxTraining
    from detect.training.region_samples import TrainingBatch
    from proposals.multibox_heads import HeadSetting
    from proposals.multibox_network import MultiBoxNetwork

    Stream = Callable[[int, int, int], AbstractContextManager[Iterator[TrainingBatch[MultiBoxSample]]]]


def load_trunk(config: MultiBoxTrainingConfig) -> Model | None:
    """The model that the trunk is taken from; None: random weights.

    Raises:
        ModelFileError, DownloadError, ValueError: one sentence that says what to do.
    """
    from detect.model_file import load_model
    from detect.model_zoo import find_model_file

    return None if config.model is None else load_model(find_model_file(config.model))


def build_network(
    config: MultiBoxTrainingConfig, model: Model | None, objects: NDArray[np.float32]
) -> tuple[MultiBoxInfo, MultiBoxNetwork]:
    """The network as it is before the first step, and the description of what it will become.

    Args:
        objects: (M, 4) normalised boxes of the training objects (`normalised_objects`).
    Raises:
        ValueError: if there are fewer different boxes than priors.
    """
    import torch

    from detect.googlenet import GoogLeNet
    from detect.input_format import BVLC_INPUT
    from detect.multibox_file import MultiBoxInfo, priors_digest
    from detect.multibox_trunk import GoogLeNetTrunk
    from detect.training.network_start import provenance_of
    from proposals.multibox_heads import build_head
    from proposals.multibox_network import MultiBoxNetwork

    setting = head_setting(config)
    priors = build_priors(config, objects)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        whole = GoogLeNet(1) if model is None else model.network
        trunk = GoogLeNetTrunk(whole, frozen=config.optimisation.frozen)
        network = MultiBoxNetwork(trunk=trunk, head=build_head(setting, len(priors)), priors=priors)
    info = MultiBoxInfo(
        name=config.name or "trained",
        architecture="googlenet" if model is None else model.info.architecture,
        input=BVLC_INPUT if model is None else model.info.input,
        head=setting,
        num_priors=len(priors),
        priors_sha256=priors_digest(network.priors),
        provenance=provenance_of(model),
    )
    return info, network.to(memory_format=torch.channels_last).train()


def head_setting(config: MultiBoxTrainingConfig) -> HeadSetting:
    """Of the head that the configuration asks for."""
    from proposals.multibox_heads import HeadSetting

    head = config.head
    grids = tuple(head.grids) if head.kind == "convolutional" else ()
    return HeadSetting(kind=cast(Any, head.kind), channels=head.channels, grids=grids)


def build_priors(config: MultiBoxTrainingConfig, objects: NDArray[np.float32]) -> NDArray[np.float32]:
    """(K, 4) normalised: the centres of the training objects' boxes by K-means, or those of the grids.

    Raises:
        ValueError: if there are fewer different boxes than priors.
    """
    from detect.training.prior_boxes import with_mirrored
    from proposals.multibox_priors import cluster_priors, grid_priors

    if config.head.kind == "convolutional":
        return grid_priors(config.head.grids)
    try:
        boxes = with_mirrored(objects) if config.sampling.flip else objects
        return cluster_priors(boxes, config.head.priors, config.seed)
    except ValueError as error:
        raise ValueError(f"head.priors: {error}") from error


def build_module(
    config: MultiBoxTrainingConfig, info: MultiBoxInfo, network: MultiBoxNetwork, data: TrainingData
) -> MultiBoxTraining:
    """What Lightning trains."""
    from detect.training.multibox_training import MultiBoxTraining
    from detect.training.multibox_upload import upload_multibox
    from proposals.multibox_loss import MultiBoxLoss

    loss = config.loss
    return MultiBoxTraining(
        network=network,
        upload=partial(upload_multibox, input_format=info.input, size=info.size),
        objective=MultiBoxLoss(
            alpha=loss.alpha,
            matching=cast(Any, loss.matching),
            extra_iou=loss.extra_iou,
            units=cast(Any, loss.units),
            near_iou=loss.near_iou,
        ),
        settings=config.optimisation,
        steps_per_epoch=_plan(config, data).steps_per_epoch,
        images_per_batch=config.sampling.images_per_batch,
    )


def build_stream(config: MultiBoxTrainingConfig, data: TrainingData) -> Stream:
    """(first step, process, processes) → the batches of that process, to the end of the run."""
    from detect.training.multibox_stream import multibox_batches
    from detect.training.planned_stream import Share

    plan = _plan(config, data)

    def stream(
        first_step: int, rank: int, world: int
    ) -> AbstractContextManager[Iterator[TrainingBatch[MultiBoxSample]]]:
        return multibox_batches(
            data.train,
            plan,
            config.sampling,
            Share(first_step, config.optimisation.steps, rank, world, config.workers),
            seed=config.seed,
            unannotated=config.loss.unannotated,
        )

    return stream


def run_settings(
    config: MultiBoxTrainingConfig, data: TrainingData, model: Model | None, info: MultiBoxInfo
) -> dict[str, Any]:
    """What decides the course of training: the configuration, and by their content model, data and priors."""
    settings = dataclasses.asdict(config)
    for name in ("data", "data_root", "model"):
        del settings[name]
    start = None if model is None else model.sha256
    return {**settings, "start": start, "data": data.fingerprint(), "priors": info.priors_sha256}


def _plan(config: MultiBoxTrainingConfig, data: TrainingData) -> BatchPlan:
    from detect.training.batch_plan import BatchPlan

    return BatchPlan(data.train.weights, config.sampling.images_per_batch, config.seed)
