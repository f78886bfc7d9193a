"""The network in training on shared regions: the stem once for each image and size, its tail for each region."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from detect.backbones.backbone import Backbone
from detect.shared_regions import read_regions
from detect.training.network_pass import (
    TrainingOutputs,
    check_slots,
    frozen_part,
    learning_stages,
    tail_outputs,
)
from detect.training.shared_upload import PlacedRegions


def shared_outputs(
    network: Backbone,
    images: Sequence[PlacedRegions],
    *,
    frozen: str,
    slots: Tensor,
    generator_seed: int,
    total_slots: int,
    dropout: float,
) -> TrainingOutputs:
    """`training_outputs` for regions that are read from the maps of their images, as the detector reads them.

    The stages that learn are taught by all regions of an image at once, through RoIAlign (Fast R-CNN, section 2.3).
    Auxiliary classifiers are left out: they read whole warped regions.

    Args:
        images: those that have regions; may be none. N is the number of their regions, in this order.
        frozen: stages up to and including this one run without gradients; "none": none, "classifier" and "all": all.
        slots, generator_seed, total_slots, dropout: as of `training_outputs`.
    Raises:
        ValueError: if there is no such stage, or a slot is not below total_slots.
    """
    check_slots(slots, sum(len(one.places) for one in images), total_slots)
    maps = [read_regions(one.places, partial(_stem_map, network, one, frozen)) for one in images]
    if not maps:  # as of a batch of warped regions without any
        cells, device = network.grid.cells, next(network.parameters()).device
        maps = [torch.zeros(0, network.map_channels, cells, cells, device=device)]
    return tail_outputs(
        network,
        torch.cat(maps),
        slots=slots,
        generator_seed=generator_seed,
        total_slots=total_slots,
        dropout=dropout,
    )


def _stem_map(network: Backbone, image: PlacedRegions, frozen: str, level: int) -> Tensor:
    """(1, C, h, w): the stem's map of the image at that level."""
    features = frozen_part(network, image.images[level], frozen)
    for name in learning_stages(network, frozen):
        features = network.stage(name, features)
    return features
