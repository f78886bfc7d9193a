"""What a region costs: −log of the probability of every outcome that is right for it, and the offset of its box."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from detect.box_coding import decode_boxes
from detect.box_voting import overlaps
from detect.class_tables import DetectionClass
from detect.region_fit import FIT_IOU
from proposals.device_copy import on_device


def memberships(classes: Sequence[DetectionClass], num_outputs: int) -> Tensor:
    """(num_outputs, K + 1) bool: which outputs of the network make up each outcome.

    A class has its members; background, in the last column, has the outputs that no class has.

    Raises:
        ValueError: if a class has no member, or one that is not an output.
    """
    table = torch.zeros(num_outputs, len(classes) + 1, dtype=torch.bool)
    for label, one in enumerate(classes):
        if not one.members or min(one.members) < 0 or max(one.members) >= num_outputs:
            raise ValueError(
                f"classes: expected members of {one.name} among 0..{num_outputs - 1}, at least one, got {one.members}"
            )
        table[list(one.members), label] = True
    table[:, -1] = ~table.any(dim=1)
    return table


def allowed_outputs(allowed: NDArray[np.bool_], classes: Sequence[DetectionClass], num_outputs: int) -> Tensor:
    """The network's outputs that are right for each target.

    Args:
        allowed: (T, K + 1), `TrainingSet.allowed`.
    Returns:
        (T, num_outputs) bool: the members of the allowed outcomes.
    Raises:
        ValueError: if a shape does not fit, or a target allows no output (background alone, where every output
            belongs to a class).
    """
    if allowed.ndim != 2 or allowed.shape[1] != len(classes) + 1:
        raise ValueError(f"allowed: expected (T, {len(classes) + 1}), got {allowed.shape}")
    table = torch.from_numpy(allowed.astype(np.float32)) @ memberships(classes, num_outputs).float().T > 0
    if not table.any(dim=1).all():
        row = int((~table.any(dim=1)).nonzero()[0, 0])
        raise ValueError(f"allowed: expected an output for every target, got none of {num_outputs} for target {row}")
    return table


def single_classes(allowed: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(T,) the label of targets that allow one class and nothing else; −1 for the others."""
    single = (allowed.sum(axis=1) == 1) & ~allowed[:, -1]
    return np.where(single, allowed.argmax(axis=1), -1).astype(np.int64)


def log_weights(
    allowed: NDArray[np.bool_],
    classes: Sequence[DetectionClass],
    num_outputs: int,
    *,
    background: Sequence[int] = (),
    unannotated: float = 1.0,
    common: Sequence[int] = (),
) -> Tensor:
    """How right each output of the network is for each target, as a logarithm.

    Args:
        allowed: (T, K + 1), `TrainingSet.allowed`.
        background: the targets of regions on no object (`TrainingSet.background`). The classes that they allow are
            those for which their images are not annotated: such a region is seldom one of them.
        unannotated: weight of these classes' probability beside background's, in [0, 1]. 1: the region may be any of
            them; 0: it is background.
        common: labels of classes that photos show so often, whoever annotates them or not, that such a region may well
            be one of them: their weight is 1.
    Returns:
        (T, num_outputs) float32: 0 for the outputs of `allowed_outputs`, log `unannotated` for those of classes that a
        background target allows and that are not common, −inf for the others.
    Raises:
        ValueError: as `allowed_outputs`, or if unannotated is out of range.
    """
    if not 0 <= unannotated <= 1:
        raise ValueError(f"unannotated: expected a number in [0, 1], got {unannotated}")
    right = allowed_outputs(allowed, classes, num_outputs)
    weights = torch.zeros(right.shape).masked_fill(~right, -torch.inf)
    rows = torch.zeros(len(allowed), dtype=torch.bool)
    rows[torch.as_tensor(np.unique(np.asarray(background, np.int64)))] = True
    members = memberships(classes, num_outputs)
    seldom = rows[:, None] & right & ~members[:, [len(classes), *common]].any(dim=1)
    return weights.masked_fill(seldom, math.log(unannotated) if unannotated else -torch.inf)


def outcome_loss(logits: Tensor, weights: Tensor, targets: Tensor) -> Tensor:
    """−log Σ w · softmax over the outputs, w being how right each is for a region's target.

    A difference of two logsumexp, so the gradient is finite however small that probability is.

    Args:
        logits: (N, O) of any float type; N may be 0.
        weights: (T, O) of `log_weights`.
        targets: (N,) int64 rows of `weights`.
    Returns:
        (N,) float32, whatever autocast does; 0 where everything is right.
    """
    return weighted_loss(logits, weights[targets])


def weighted_loss(logits: Tensor, weights: Tensor) -> Tensor:
    """`outcome_loss` with weights (N, O) of each region's own."""
    logits = logits.float()
    return torch.logsumexp(logits, dim=1) - torch.logsumexp(logits + weights, dim=1)


def box_loss(deltas: Tensor, wanted: Tensor, regress: Tensor, labels: Tensor | None = None) -> Tensor:
    """Smooth L1 (Fast R-CNN, equation 3) summed over the four deltas of a region.

    Args:
        deltas: (N, 4), or of a regressor for each class (N, 4K).
        wanted: (N, 4).
        regress: (N,) bool; other regions cost 0.
        labels: for (N, 4K): (N,) the class whose four count; below 0: no single class, costs 0. None for (N, 4).
    Returns:
        (N,) float32.
    Raises:
        ValueError: if the shapes do not fit.
    """
    if wanted.shape != (len(deltas), 4) or deltas.shape[1] % 4 or (labels is None and deltas.shape[1] != 4):
        raise ValueError(
            f"deltas: expected (N, 4), or (N, 4K) with labels, beside wanted (N, 4), "
            f"got {tuple(deltas.shape)} and {tuple(wanted.shape)}"
        )
    if labels is not None:
        regress = regress & (labels >= 0)
        each = deltas.view(len(deltas), -1, 4)
        deltas = each[torch.arange(len(deltas), device=deltas.device), labels.clamp(min=0)]
    costs = F.smooth_l1_loss(deltas.float(), wanted.float(), reduction="none").sum(dim=1)
    return torch.where(regress, costs, torch.zeros_like(costs))


def fit_loss(fit: Tensor, corrections: Tensor | None, wanted: Tensor, near: Tensor) -> Tensor:
    """Binary cross-entropy of whether a region's corrected box fits its object: IoU of `FIT_IOU` or more.

    IoU knows no scale along an axis, so that all regions are taken to be one square. Detection cuts corrected boxes off
    at the image's edge; here they are whole. After IoU-Net (Jiang et al. 2018), which learns the IoU itself.

    Args:
        fit: (N,) log-odds; N may be 0.
        corrections: (N, 4) of the box regressor, which this teaches nothing; None: boxes stay.
        wanted: (N, 4) float32 that would make the box the object's.
        near: (N,) bool, regions near an object; others cost 0.
    Returns:
        (N,) float32.
    """
    square = on_device(torch.tensor([0.0, 0.0, 1.0, 1.0]), wanted.device).expand(len(wanted), 4)
    corrected = square if corrections is None else decode_boxes(square, corrections.detach())
    fits = overlaps(corrected, decode_boxes(square, wanted)) >= FIT_IOU
    costs = F.binary_cross_entropy_with_logits(fit.float(), fits.float(), reduction="none")
    return torch.where(near, costs, torch.zeros_like(costs))


def right_outcomes(logits: Tensor, members: Tensor, allowed: Tensor, targets: Tensor) -> Tensor:
    """Whether a region's most probable outcome is one that its target allows; ties go to the lowest label.

    Args:
        logits: (N, O). members: (O, K + 1) bool, `memberships`. allowed: (T, K + 1) bool. targets: (N,).
    Returns:
        (N,) bool.
    """
    with torch.autocast(logits.device.type, enabled=False):
        best = (torch.softmax(logits.detach().float(), dim=1) @ members.float()).argmax(dim=1)
    return allowed[targets, best]
