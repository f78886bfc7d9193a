"""What a training step minimises, and what it counts on the way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from detect.class_tables import DetectionClass
from detect.training.distillation import distillation_loss, trusted_weights
from detect.training.losses import (
    box_loss,
    fit_loss,
    log_weights,
    memberships,
    outcome_loss,
    right_outcomes,
    single_classes,
    weighted_loss,
)
from detect.training.region_samples import RegionBatch

LOSSES = ("class_loss", "auxiliary_loss", "box_loss", "distillation_loss", "fit_loss")
SUMS = (*LOSSES, "right", "foreground", "regions")


class Outputs(Protocol):
    """What the network says of N regions; `detect.training.network_pass.TrainingOutputs` is one."""

    @property
    def logits(self) -> Tensor: ...
    @property
    def auxiliary(self) -> tuple[Tensor, ...]: ...
    @property
    def deltas(self) -> Tensor | None: ...
    @property
    def fit(self) -> Tensor | None: ...
    @property
    def corrections(self) -> Tensor | None: ...


class Objective(nn.Module):
    """The loss of a batch: of classes, plus weighted, of the auxiliary classifiers and of boxes (GoogLeNet, section 5).

    That of how well boxes fit has no weight: its gradients go no further than there.

    Args:
        allowed: (T, K + 1) bool, `TrainingSet.allowed`.
        classes: K, whose members are outputs of this network.
        num_outputs: of the network.
        per_class: whether the network regresses a box for each class, (N, 4K); only regions whose target is a single
            class then teach boxes.
        auxiliary: weight of each auxiliary classifier's loss.
        box_weight: of the box loss.
        background, unannotated, common: see `log_weights`.
        distillation: weight of `distillation_loss`, where regions have answers.
        trust: see `trusted_weights`.
    """

    weights: Tensor
    members: Tensor
    allowed: Tensor
    labels: Tensor

    def __init__(
        self,
        *,
        allowed: NDArray[np.bool_],
        classes: Sequence[DetectionClass],
        num_outputs: int,
        per_class: bool,
        auxiliary: float,
        box_weight: float,
        background: Sequence[int] = (),
        unannotated: float = 1.0,
        common: Sequence[int] = (),
        distillation: float = 0.0,
        trust: float = 0.0,
    ) -> None:
        super().__init__()
        self.per_class, self.auxiliary, self.box_weight = per_class, auxiliary, box_weight
        self.distillation, self.trust = distillation, trust
        weights = log_weights(
            allowed, classes, num_outputs, background=background, unannotated=unannotated, common=common
        )
        self.register_buffer("weights", weights, persistent=False)
        self.register_buffer("members", memberships(classes, num_outputs), persistent=False)
        self.register_buffer("allowed", torch.from_numpy(allowed), persistent=False)
        self.register_buffer("labels", torch.from_numpy(single_classes(allowed)), persistent=False)

    def forward(self, outputs: Outputs, regions: RegionBatch[Any]) -> tuple[Tensor, Tensor]:
        """The loss, summed over the regions, and `SUMS`: its terms unweighted, and counts.

        right: of the foreground regions, those whose most probable outcome their target allows.

        Returns:
            A number to differentiate, and detached (8,) float64.
        """
        logits, targets = outputs.logits, regions.targets
        nothing = logits.new_zeros((), dtype=torch.float32)
        weights = self.weights[targets]
        if regions.answers is not None:
            weights = trusted_weights(weights, regions.answers, self.members, self.trust)
        classes = weighted_loss(logits, weights).sum()
        auxiliary = sum((outcome_loss(one, self.weights, targets).sum() for one in outputs.auxiliary), nothing)
        boxes = nothing
        if outputs.deltas is not None:
            labels = self.labels[targets] if self.per_class else None
            boxes = box_loss(outputs.deltas, regions.deltas, regions.regress, labels).sum()
        taught = nothing
        if regions.answers is not None:
            taught = distillation_loss(logits, regions.answers).sum()
        fits = nothing
        if outputs.fit is not None:
            fits = fit_loss(outputs.fit, outputs.corrections, regions.deltas, regions.near).sum()
        foreground = ~self.allowed[targets, -1]
        right = right_outcomes(logits, self.members, self.allowed, targets) & foreground
        # Filled there: a number sent from the host would make the host wait.
        counts = (right.sum(), foreground.sum(), torch.full_like(classes, len(targets)))
        sums = torch.stack([one.detach().double() for one in (classes, auxiliary, boxes, taught, fits, *counts)])
        loss = classes + self.auxiliary * auxiliary + self.box_weight * boxes + self.distillation * taught + fits
        return loss, sums
