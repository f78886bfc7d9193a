"""Which prediction answers for which object: the bipartite matching inside MultiBox's loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torchvision.ops import box_iou

from proposals.device_copy import on_device

Matching = Literal["predictions", "priors"]
MATCHINGS = ("predictions", "priors")


@dataclass(frozen=True)
class Matches:
    """Pairs of a prediction and the object that it answers for, on one device.

    A prediction is in one pair at most. Each image's bipartite pairs come in the order of its objects, images in
    order; then all extra pairs, by image and prior.

    Attributes:
        images: (T,) int64, place in the batch.
        priors: (T,) int64, which of the K predictions.
        objects: (T,) int64, row of the batch's objects one after the other.
        num_bipartite: how many pairs, from the first on, are of the bipartite matching.
    """

    images: Tensor
    priors: Tensor
    objects: Tensor
    num_bipartite: int


def assign(costs: NDArray[np.floating] | Tensor) -> NDArray[np.int64]:
    """The cheapest way to give each object a prior of its own (MultiBox).

    Args:
        costs: (M, K), finite.
    Returns:
        (M,) the prior of each object, no two alike; −1 where M > K and the object got none. Among several ways of
        the same cost, always the same one.
    Raises:
        ValueError: if the costs are not (M, K), or not finite.
    """
    values = np.asarray(costs.detach().cpu() if isinstance(costs, Tensor) else costs, np.float64)
    if values.ndim != 2:
        raise ValueError(f"costs: expected (M, K), got {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError("costs: expected finite numbers, got NaN or infinity")
    objects, priors = linear_sum_assignment(values)
    chosen = np.full(len(values), -1, np.int64)
    chosen[objects] = priors
    return chosen


def matching_costs(
    logits: Tensor,
    locations: Tensor,
    boxes: Tensor,
    alpha: float,
    *,
    scales: Tensor | None = None,
    negatives: Tensor | None = None,
) -> Tensor:
    """What it adds to the loss to match a prediction with an object instead of with none.

    α ½ ||l − g||² − log c + w log (1 − c) (MultiBox, where w is 1): what all predictions cost as unmatched ones is
    the same however they are matched, and less is saved where an unmatched one costs less.

    Args:
        logits: (K,), or (M, K) where every object has predictions of its own (a batch of images).
        locations: (K, 4) or (M, K, 4), the predictions' boxes.
        boxes: (M, 4).
        alpha: weight of the location.
        scales: (K, 4) units that each prediction's corners are measured in; None: those of the image.
        negatives: w, (M, K), or (M, 1) where all predictions for an object have the same; None, the paper: 1.
    Returns:
        (M, K).
    """
    # −log c + log (1 − c) is −z, and −log (1 − c) is softplus(z): nothing overflows.
    unsure = -logits if negatives is None else -logits + (1 - negatives) * F.softplus(logits)
    return alpha * location_costs(locations, boxes[:, None], scales) + unsure


def location_costs(locations: Tensor, boxes: Tensor, scales: Tensor | None = None) -> Tensor:
    """½ ||l − g||² over the last axis: two (..., 4) that fit one another → (...)."""
    differences = locations - boxes if scales is None else (locations - boxes) / scales
    return differences.square().sum(dim=-1) / 2


def assign_batch(
    logits: Tensor,
    locations: Tensor,
    priors: Tensor,
    boxes: Sequence[Tensor],
    *,
    alpha: float,
    matching: Matching = "predictions",
    extra_iou: float | None = None,
    scales: Tensor | None = None,
    negatives: Tensor | None = None,
) -> Matches:
    """Match the predictions of a batch with its objects; the host waits for the device once.

    A prediction whose cost is not finite is matched before all others, so that the loss is not finite either: it is
    the training loop's to stop there, in all processes, and to say which files were in the batch.

    Args:
        logits: (N, K). locations: (N, K, 4) predicted boxes. priors: (K, 4).
        boxes: N tensors (m, 4) of objects, m may be 0; where m > K, some object goes without.
        alpha: see `matching_costs`.
        matching: predictions: by `matching_costs`, the minimum of the loss that counts; priors: by ½ ||p − g||²
            alone, whatever is predicted (the paper's alternative).
        extra_iou: besides, every prior that overlaps an object by at least this answers for the object that it
            overlaps most (the first of equals), if it does not answer for another already. None, the paper: no extra.
        scales: see `matching_costs`.
        negatives: (N, K) or (N, 1) on the device, what each costs unmatched, see `matching_costs`; None: 1.
    Raises:
        ValueError: if boxes are not N.
    """
    if len(boxes) != len(logits):
        raise ValueError(f"boxes: expected {len(logits)} tensors, one for each image, got {len(boxes)}")
    counts = [len(one) for one in boxes]
    objects = torch.cat([priors.new_zeros(0, 4), *boxes]).to(priors)
    images = on_device(torch.from_numpy(np.repeat(np.arange(len(counts)), counts)), logits.device)
    with torch.no_grad(), torch.autocast(logits.device.type, enabled=False):
        if matching == "priors":
            costs = location_costs(priors, objects[:, None], scales)
        else:
            chosen = logits.float()[images], locations.float()[images]
            count = None if negatives is None else negatives[images]
            costs = matching_costs(*chosen, objects, alpha, scales=scales, negatives=count)
        wanted = [costs] if extra_iou is None else [costs, box_iou(objects, priors)]
        tables = torch.stack(wanted).cpu().numpy()  # here the host waits
    np.nan_to_num(tables[0], copy=False, nan=-_FIRST, posinf=-_FIRST, neginf=-_FIRST)
    parts = np.split(tables, np.cumsum(counts)[:-1], axis=1)
    bipartite, extra = _pairs([assign(part[0]) for part in parts]), _NO_PAIRS
    if extra_iou is not None:
        extra = _extra_pairs([part[1] for part in parts], bipartite, extra_iou)
    pairs = on_device(torch.from_numpy(np.concatenate([bipartite, extra], axis=1)), logits.device)
    return Matches(pairs[0], pairs[1], pairs[2], bipartite.shape[1])


_NO_PAIRS = np.zeros((3, 0), np.int64)
_FIRST = 1e30  # above any cost


def _pairs(chosen: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """(3, T) images, priors and objects of what each image's objects got."""
    priors = np.concatenate([np.zeros(0, np.int64), *chosen])
    images = np.repeat(np.arange(len(chosen)), [len(one) for one in chosen])
    return np.stack([images, priors, np.arange(len(priors))])[:, priors >= 0]


def _extra_pairs(
    overlaps: Sequence[NDArray[np.floating]], bipartite: NDArray[np.int64], extra_iou: float
) -> NDArray[np.int64]:
    """(3, T) as `_pairs`, of the priors that no object got and that overlap one enough."""
    found = [_NO_PAIRS]
    first = 0
    for image, table in enumerate(overlaps):
        if len(table):
            free = table.max(axis=0) >= extra_iou
            free[bipartite[1, bipartite[0] == image]] = False
            priors = np.flatnonzero(free)
            found.append(np.stack([np.full_like(priors, image), priors, first + table[:, priors].argmax(axis=0)]))
        first += len(table)
    return np.concatenate(found, axis=1)
