"""Where an object is, by all regions that see it: a detection's box is their mean, weighted by how sure each is.

After Gidaris and Komodakis, Object detection via a multi-region and semantic segmentation-aware CNN model (2015),
section 5: the box of the best region is one guess among many, each wrong by itself.
"""

from __future__ import annotations

import torch
from torch import Tensor

AT_ONCE = 256  # detections; of 2,000 regions, overlaps then take some 30 MB


def voted_boxes(detected: Tensor, labels: Tensor, boxes: Tensor, probs: Tensor, vote_iou: float) -> Tensor:
    """Each detection's box, moved to the mean of all regions' boxes that overlap it, by their probability of its class.

    Regions below the score threshold vote too, and so do those that suppression dropped: where a box is shown does not
    depend on which others are.

    Args:
        detected: (M, 4) xyxy pixels; M may be 0.
        labels: (M,) int64.
        boxes: (N, 4) of all regions, or (N, K, 4) where a region has a box of its own for each class.
        probs: (N, K); a probability below 0 has no vote.
        vote_iou: a region votes from this IoU with the detection on. From 1 on boxes stay as they are.
    Returns:
        New (M, 4) float32. A box without votes stays.
    """
    if vote_iou >= 1 or not len(detected):
        return detected.clone()
    parts = zip(torch.split(detected.double(), AT_ONCE), torch.split(labels, AT_ONCE), strict=True)
    return torch.cat([_voted(some, of, boxes.double(), probs.double(), vote_iou) for some, of in parts]).float()


def _voted(detected: Tensor, labels: Tensor, boxes: Tensor, probs: Tensor, vote_iou: float) -> Tensor:
    """`voted_boxes` of a few, in float64."""
    voters = boxes[None] if boxes.ndim == 2 else boxes.transpose(0, 1)[labels]  # (1 or M, N, 4)
    near = overlaps(detected[:, None], voters) >= vote_iou
    votes = probs.T[labels].clamp(min=0) * near  # (M, N)
    total = votes.sum(dim=1, keepdim=True)
    mean = (votes[:, None] @ voters.expand(len(detected), -1, -1))[:, 0] / total
    return torch.where(total > 0, mean, detected)


def overlaps(one: Tensor, other: Tensor) -> Tensor:
    """IoU of boxes (…, 4) with boxes (…, 4), broadcast against each other; 0 where neither has an area."""
    common = common_area(one, other)
    union = area(one) + area(other) - common
    return torch.where(union > 0, common / union, torch.zeros_like(union))


def common_area(one: Tensor, other: Tensor) -> Tensor:
    """Of the part that boxes (…, 4) have in common, broadcast against each other."""
    sides = torch.minimum(one[..., 2:], other[..., 2:]) - torch.maximum(one[..., :2], other[..., :2])
    return sides.clamp(min=0).prod(dim=-1)


def area(boxes: Tensor) -> Tensor:
    """Of boxes (…, 4)."""
    return (boxes[..., 2:] - boxes[..., :2]).prod(dim=-1)
