"""The network in training: frozen stages without gradients, dropout that follows the region, auxiliary classifiers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from detect.backbones.backbone import Backbone
from detect.cell_box_regressor import HIDDEN, CellBoxRegressor
from detect.region_fit import HIDDEN as FIT_HIDDEN
from proposals.device_copy import on_device

CLASSIFIER = "classifier"  # in the place of a stage: these, and the classifier after them
ALL = "all"  # these, and all after them but how well boxes fit


@dataclass(frozen=True)
class TrainingOutputs:
    """What the losses are computed from; all float32.

    Attributes:
        logits: (N, O).
        auxiliary: (N, O) of each auxiliary classifier in use, 4a's first.
        deltas: (N, 4) or (N, 4 K) of the box regressor; None without one.
        fit: (N,) log-odds of `detect.region_fit`; None without it.
        corrections: (N, 4) what the box regressor says in detection, without dropout and to teach nothing: whose fit it
            is; None without fit, or without a regressor.
    """

    logits: Tensor
    auxiliary: tuple[Tensor, ...]
    deltas: Tensor | None
    fit: Tensor | None = None
    corrections: Tensor | None = None


def training_outputs(
    network: Backbone,
    images: Tensor,
    *,
    frozen: str,
    slots: Tensor,
    generator_seed: int,
    total_slots: int,
    dropout: float,
    auxiliary_dropout: float,
) -> TrainingOutputs:
    """One pass of the network over warped regions.

    The classifiers and what says something of boxes work in float32 also under autocast, as they do in detection.
    Dropout is before the classifiers, and before the outputs of a box regressor that reads cells and of the fit; a
    regressor beside the classifier sees all features. How well boxes fit is learnt from what the network computes, into
    which its gradients do not go. An auxiliary classifier on a frozen stage is left out: there is nothing below it to
    teach.

    Args:
        images: (N, 3, 224, 224) normalised regions; N may be 0.
        frozen: stages up to and including this one run without gradients; "none": none, "classifier" and "all": all.
        slots: (N,) places of the regions in the global batch; a region's dropout depends on its place alone. On the
            CPU, where they are checked and the masks are drawn: a GPU would be waited for.
        generator_seed: of the dropout masks; from 0 on, another one each step (`step_seed`).
        total_slots: places in the global batch.
        dropout, auxiliary_dropout: fractions of features that are dropped; 0: none.
    Raises:
        ValueError: if there is no such stage, or a slot is not below total_slots.
    """
    check_slots(slots, len(images), total_slots)
    auxiliary: list[Tensor] = []
    x = frozen_part(network, images, frozen)
    for name in learning_stages(network, frozen):
        x = network.stage(name, x)
        head = network.auxiliary_on(name)
        if head is not None:
            hidden = head.hidden(x)
            mask = dropout_mask(slots, total_slots, hidden.shape[1], auxiliary_dropout, generator_seed, name)
            auxiliary.append(_in_float32(head.classifier, _dropped(hidden, mask)))
    return tail_outputs(
        network,
        x,
        auxiliary=tuple(auxiliary),
        slots=slots,
        generator_seed=generator_seed,
        total_slots=total_slots,
        dropout=dropout,
    )


def tail_outputs(
    network: Backbone,
    maps: Tensor,
    *,
    auxiliary: tuple[Tensor, ...] = (),
    slots: Tensor,
    generator_seed: int,
    total_slots: int,
    dropout: float,
) -> TrainingOutputs:
    """The second half of a pass, from the stem's maps on, with the classifier's dropout; see `training_outputs`.

    Args:
        maps: of `Backbone.stem`, one of each region; N may be 0.
        auxiliary: what the auxiliary classifiers said in the first half.
    """
    cells = network.cells(maps)
    features = network.features(cells)
    mask = dropout_mask(slots, total_slots, features.shape[1], dropout, generator_seed, "tail")
    logits = _in_float32(network.classifier, _dropped(features, mask))
    regressor = network.box_regressor
    if isinstance(regressor, CellBoxRegressor):
        hidden = regressor.hidden_of(cells)
        mask = dropout_mask(slots, total_slots, HIDDEN, dropout, generator_seed, "boxes")
        deltas: Tensor | None = _in_float32(regressor.output, _dropped(hidden, mask))
        corrections: Tensor | None = _in_float32(regressor.output, hidden.detach()).detach()
    else:
        deltas = None if regressor is None else _in_float32(regressor, features)
        corrections = None if deltas is None else deltas.detach()
    fit = network.region_fit
    if fit is None:
        return TrainingOutputs(logits, auxiliary, deltas)
    mask = dropout_mask(slots, total_slots, FIT_HIDDEN, dropout, generator_seed, "fit")
    odds = _in_float32(fit.output, _dropped(fit.hidden_of(cells.detach(), features.detach()), mask))
    return TrainingOutputs(logits, auxiliary, deltas, odds[:, 0], corrections)


@torch.no_grad()
def frozen_part(network: Backbone, images: Tensor, frozen: str) -> Tensor:
    """What the stages up to and including `frozen` make of normalised images (N, 3, H, W), without gradients."""
    features = images
    for name in frozen_stages(network, frozen):
        features = network.stage(name, features)
    return features


def freeze(network: Backbone, frozen: str) -> None:
    """Let the stages up to and including `frozen` keep their weights, and all else learn.

    An auxiliary classifier on a frozen stage is frozen too, so that every weight that learns takes part in every
    pass of `training_outputs`. With "classifier" only what says something of boxes learns, box regression and how well
    boxes fit; with "all" the latter alone.

    Raises:
        ValueError: if there is no such stage, or nothing would learn.
    """
    if frozen in (CLASSIFIER, ALL):
        of_boxes = [network.region_fit] if frozen == ALL else [network.region_fit, network.box_regressor]
        learning = [one for one in of_boxes if one is not None]
        if not learning:
            left = "head.fit" if frozen == ALL else "head.fit and head.box_regression"
            raise ValueError(
                f"frozen: expected none or {' or '.join(network.stages)} with {network.name}, got {frozen}, which "
                f"leaves nothing to learn but {left} of train classifier"
            )
        network.requires_grad_(False)
        for one in learning:
            one.requires_grad_(True)
        return
    stages = frozen_stages(network, frozen)
    network.requires_grad_(True)
    for name in stages:
        for module in network.stage_modules(name):
            module.requires_grad_(False)
        head = network.auxiliary_on(name)
        if head is not None:
            head.requires_grad_(False)


def frozen_stages(network: Backbone, frozen: str) -> tuple[str, ...]:
    """The stages up to and including `frozen`, in order; none for "none", each of them for "classifier" and "all".

    Raises:
        ValueError: if there is no such stage.
    """
    if frozen == "none":
        return ()
    if frozen in (CLASSIFIER, ALL):
        return network.stages
    if frozen not in network.stages:
        raise ValueError(f"frozen: expected none or {' or '.join(network.stages)} with {network.name}, got {frozen!r}")
    return network.stages[: network.stages.index(frozen) + 1]


def learning_stages(network: Backbone, frozen: str) -> tuple[str, ...]:
    """The stages after `frozen`, in order.

    Raises:
        ValueError: if there is no such stage.
    """
    return network.stages[len(frozen_stages(network, frozen)) :]


def check_slots(slots: Tensor, regions: int, total_slots: int) -> None:
    """Raises ValueError if there is not one slot for each region, all of them below `total_slots`."""
    if len(slots) != regions or (len(slots) and int(slots.max()) >= total_slots):
        raise ValueError(f"slots: expected {regions} places below {total_slots}, got {slots.tolist()}")


def step_seed(seed: int, step: int) -> int:
    """One number for each step of a run: what `training_outputs` takes as `generator_seed`."""
    return int(np.random.SeedSequence((seed, step)).generate_state(1, np.uint64)[0])


def dropout_mask(
    slots: Tensor, total_slots: int, width: int, probability: float, generator_seed: int, layer: str
) -> Tensor | None:
    """(N, width) float32: 0 where a feature is dropped, else 1 / (1 − probability); None if nothing is dropped.

    Drawn on the CPU for the whole global batch, of which the rows at `slots` are taken: the same whatever the device
    and however the batch is split between processes. It stays there.
    """
    if probability == 0:
        return None
    entropy = (generator_seed, *layer.encode())
    seed = int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0]) >> 1
    drawn = torch.rand(total_slots, width, generator=torch.Generator().manual_seed(seed))
    kept = (drawn >= probability).float() / (1 - probability)
    return kept[slots.cpu()]


def _dropped(features: Tensor, mask: Tensor | None) -> Tensor:
    return features.float() if mask is None else features.float() * on_device(mask, features.device)


def _in_float32(layer: nn.Linear, features: Tensor) -> Tensor:
    with torch.autocast(features.device.type, enabled=False):
        outputs: Tensor = layer(features.float())
    return outputs
