"""From region probabilities to detections: threshold, per-class non-maximum suppression, votes, the best of an image.

Suppression is always the CPU's, so that a device changes nothing in it; `Detector` hands over what is on the CPU
already. Of tensors on a GPU the host would wait twice: for how many pass the threshold, and for one copy of these
(docs/decisions/0019-waits-on-a-gpu.md).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.ops import nms

from detect.box_voting import voted_boxes
from detect.detections import Detections
from detect.nested_boxes import is_nested


def suppress(
    boxes: Tensor,
    probs: Tensor,
    *,
    min_score: float,
    nms_iou: float = 0.3,
    vote_iou: float = 1.0,
    nested_factor: float = 1.0,
    max_detections: int = 100,
) -> Detections:
    """Greedy suppression within each class (R-CNN, section 2.2), then the best `max_detections` of all classes.

    A region may be kept for several classes. A box goes if a better one of its class, kept before it, overlaps it
    by more than `nms_iou`. Ties: the lower row, then the lower label first. The boxes that are kept are then moved, and
    what was nested before or is after that is believed less, by which it may fall below the threshold: votes can move
    what overlapped too little onto the same object.

    Args:
        boxes: (N, 4) xyxy pixels, or (N, K, 4) where a region has a box of its own for each class; N may be 0.
        probs: (N, K) on the same device.
        min_score: detections below it are dropped.
        vote_iou: see `detect.box_voting`; 1: boxes stay as they are.
        nested_factor: of the score of a detection that is nested, see `detect.nested_boxes`; 1: it stays.
        max_detections: kept of an image; 0 keeps none.
    Returns:
        Detections, best first.
    Raises:
        ValueError: if the shapes do not fit, a threshold is outside [0, 1] or max_detections is negative.
    """
    of_classes = boxes.ndim == 3 and boxes.shape[:2] == probs.shape
    of_regions = boxes.ndim == 2 and probs.ndim == 2 and len(probs) == len(boxes)
    if not (of_classes or of_regions) or boxes.shape[-1] != 4:
        raise ValueError(f"suppress: expected (N, 4) and (N, K), got {tuple(boxes.shape)} and {tuple(probs.shape)}")
    for name, value in (
        ("min_score", min_score),
        ("nms_iou", nms_iou),
        ("vote_iou", vote_iou),
        ("nested_factor", nested_factor),
    ):
        if not 0 <= value <= 1:
            raise ValueError(f"suppress: expected {name} in [0, 1], got {value}")
    if max_detections < 0:
        raise ValueError(f"suppress: expected max_detections of at least 0, got {max_detections}")
    passed = above(boxes, probs, min_score)
    passed = passed[torch.argsort(passed[:, 4], descending=True, stable=True)]
    candidates, labels = passed[:, :4], passed[:, 5].long()
    kept = _nms_per_class(candidates, labels, nms_iou)
    candidates, labels, scores = candidates[kept], labels[kept], passed[kept, 4]
    moved = voted_boxes(candidates, labels, boxes, probs, vote_iou)
    if nested_factor < 1:
        nested = is_nested(candidates, labels) | is_nested(moved, labels)
        scores = torch.where(nested, scores * nested_factor, scores)
    order = torch.argsort(scores, descending=True, stable=True)
    best = order[scores[order] >= min_score][:max_detections]
    return Detections(moved[best].numpy(), scores[best].numpy(), labels[best].numpy())


def above(boxes: Tensor, probs: Tensor, min_score: float) -> Tensor:
    """What passes the threshold, copied from the device in one piece.

    Args:
        boxes: (N, 4), or (N, K, 4). probs: (N, K), K below 2²⁴.
    Returns:
        (C, 6) float32 on the CPU: box, score, label; by row, then by label.
    """
    rows, labels = torch.nonzero(probs >= min_score, as_tuple=True)  # here the host waits
    candidates = (boxes[rows, labels] if boxes.ndim == 3 else boxes[rows]).float()
    columns = probs[rows, labels].float()[:, None], labels.float()[:, None]
    return torch.cat([candidates, *columns], dim=1).cpu()  # and here


def _nms_per_class(boxes: Tensor, labels: Tensor, nms_iou: float) -> Tensor:
    """Rows kept, in the order given (best first).

    Each class by itself: the cost is quadratic only in the boxes of a class. Overlaps are computed in float64: in
    float32 an overlap of exactly 3 / 10 is more than 0.3.
    """
    ranks = torch.arange(len(labels), 0, -1, device=labels.device, dtype=torch.float64)
    by_class = torch.argsort(labels, stable=True)
    groups = torch.split(by_class, torch.bincount(labels).tolist())
    kept = [group[nms(boxes[group].double(), ranks[group], nms_iou)] for group in groups if len(group)]
    return torch.cat(kept).sort().values if kept else by_class
