"""What MultiBox's training minimises: where the matched predictions are, and how sure all of them are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import box_iou

from proposals.multibox_assignment import MATCHINGS, Matches, Matching, assign_batch, location_costs
from proposals.multibox_boxes import decode
from proposals.multibox_network import MultiBoxOutputs

Units = Literal["image", "prior"]
UNITS = ("image", "prior")
SUMS = ("location_loss", "confidence_loss", "objects", "matched_probability", "images")


@dataclass(frozen=True)
class MultiBoxLoss:
    """F(x, l, c) of MultiBox at the matching x that minimises it.

    α ½ Σ_ij x_ij ||l_i − g_j||² − Σ_ij x_ij log c_i − Σ_i w_i (1 − Σ_j x_ij) log (1 − c_i), where w is 1 in the paper
    and less (ours) where an unmatched prediction may be on an object that nobody has annotated.

    Attributes:
        alpha: weight of the location; the paper: 0.3.
        matching: predictions (the paper's F) or priors, see `assign_batch`.
        extra_iou: see `assign_batch`; None is the paper's.
        units: of the location's differences: image, its width and height (the paper's), or prior, the width and
            height of the prediction's own prior, so that a small object counts as much as a large one (ours).
        near_iou: w is 1 where a prior overlaps an annotated object by at least this, whatever the image: there the
            object is known, and a prediction that does not answer for it is wrong (ours); None: no such exception.
    Raises:
        ValueError: if an attribute is not as above.
    """

    alpha: float = 0.3
    matching: Matching = "predictions"
    extra_iou: float | None = None
    units: Units = "image"
    near_iou: float | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.alpha) and self.alpha > 0):
            raise ValueError(f"alpha: expected a finite number above 0, got {self.alpha}")
        if self.matching not in MATCHINGS:
            raise ValueError(f"matching: expected one of {', '.join(MATCHINGS)}, got {self.matching!r}")
        for name, iou in (("extra_iou", self.extra_iou), ("near_iou", self.near_iou)):
            if iou is not None and not 0 < iou <= 1:
                raise ValueError(f"{name}: expected a number above 0, at most 1, or None, got {iou}")
        if self.units not in UNITS:
            raise ValueError(f"units: expected one of {', '.join(UNITS)}, got {self.units!r}")

    def __call__(
        self, outputs: MultiBoxOutputs, priors: Tensor, boxes: Sequence[Tensor], negatives: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The loss, summed over the images, and `SUMS`; computed in float32 also under autocast.

        The host waits for the device once, for the matching.

        Args:
            outputs: of N images.
            priors: (K, 4).
            boxes: N tensors (m, 4) of objects, normalised; m may be 0, and more than K.
            negatives: (N,) float32 in [0, 1], w of each image; 0: its unmatched predictions cost nothing, because
                not all of its objects are annotated.
        Returns:
            A number to differentiate (by outputs; the matching is taken as given), and detached (5,) float64: the
            location term without α, the confidence term, the number of objects, the sum of the confidences of the
            bipartite matches, the number of images. Not finite if an output that counts is not.
        Raises:
            ValueError: if the shapes do not fit.
        """
        _check(outputs, priors, boxes, negatives)
        with torch.autocast(outputs.logits.device.type, enabled=False):
            logits, offsets = outputs.logits.float(), outputs.offsets.float()
            locations = decode(priors, offsets)
            scales = _sides(priors) if self.units == "prior" else None
            weights = self._weights(negatives, priors, boxes)
            matches = assign_batch(
                logits,
                locations,
                priors,
                boxes,
                alpha=self.alpha,
                matching=self.matching,
                extra_iou=self.extra_iou,
                scales=scales,
                negatives=weights,
            )
            location = _location_loss(locations, boxes, matches, scales)
            confidence = _confidence_loss(logits, matches, weights)
            sure = logits.detach()[matches.images, matches.priors][: matches.num_bipartite].sigmoid().sum()
        # Filled there: a number sent from the host would make the host wait.
        objects, images = (torch.full_like(sure, count) for count in (sum(map(len, boxes)), len(boxes)))
        sums = torch.stack([one.detach().double() for one in (location, confidence, objects, sure, images)])
        return self.alpha * location + confidence, sums

    def _weights(self, negatives: Tensor, priors: Tensor, boxes: Sequence[Tensor]) -> Tensor:
        """(N, 1) or (N, K): w of each prediction."""
        weights = negatives[:, None]
        if self.near_iou is None:
            return weights
        overlaps = [box_iou(one.to(priors), priors) for one in boxes]
        near = [F.pad(one, (0, 0, 0, 1)).amax(dim=0) >= self.near_iou for one in overlaps]  # of no objects: nowhere
        return torch.where(torch.stack(near), 1.0, weights)


def _location_loss(locations: Tensor, boxes: Sequence[Tensor], matches: Matches, scales: Tensor | None) -> Tensor:
    """½ Σ ||l − g||² over the matches."""
    wanted = torch.cat([locations.new_zeros(0, 4), *boxes]).to(locations)[matches.objects]
    units = None if scales is None else scales[matches.priors]
    return location_costs(locations[matches.images, matches.priors], wanted, units).sum()


def _confidence_loss(logits: Tensor, matches: Matches, weights: Tensor) -> Tensor:
    """− Σ log c over the matched predictions, − Σ w log (1 − c) over the others."""
    matched = torch.zeros_like(logits, dtype=torch.bool)
    matched.index_put_((matches.images, matches.priors), torch.ones_like(matches.priors, dtype=torch.bool))
    unmatched = ~matched * weights
    # −log of the logistic of z is softplus(−z), and that of the rest softplus(z): finite however sure z is.
    return F.softplus(-logits[matches.images, matches.priors]).sum() + (F.softplus(logits) * unmatched).sum()


def _sides(priors: Tensor) -> Tensor:
    """(K, 4) width, height, width, height."""
    return (priors[:, 2:] - priors[:, :2]).repeat(1, 2)


def _check(outputs: MultiBoxOutputs, priors: Tensor, boxes: Sequence[Tensor], negatives: Tensor) -> None:
    shape = tuple(outputs.logits.shape)
    if len(shape) != 2 or outputs.offsets.shape != (*shape, 4) or priors.shape != (shape[1], 4):
        raise ValueError(
            f"outputs: expected logits (N, K), offsets (N, K, 4) and priors (K, 4), "
            f"got {shape}, {tuple(outputs.offsets.shape)} and {tuple(priors.shape)}"
        )
    if len(boxes) != shape[0] or any(one.ndim != 2 or one.shape[1] != 4 for one in boxes):
        raise ValueError(f"boxes: expected {shape[0]} tensors (m, 4), got {[tuple(one.shape) for one in boxes]}")
    if negatives.shape != (shape[0],) or negatives.dtype != torch.float32:
        raise ValueError(f"negatives: expected float32 ({shape[0]},), got {negatives.dtype} {tuple(negatives.shape)}")
