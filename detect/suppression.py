"""From region probabilities to detections: threshold, per-class non-maximum suppression, the best of an image.

Suppression is always the CPU's, so that a device changes nothing in it; `Detector` hands over what is on the CPU
already. Of tensors on a GPU the host would wait twice: for how many pass the threshold, and for one copy of these
(docs/decisions/0019-waits-on-a-gpu.md).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.ops import nms

from detect.detections import Detections


def suppress(
    boxes: Tensor, probs: Tensor, *, min_score: float, nms_iou: float = 0.3, max_detections: int = 100
) -> Detections:
    """Greedy suppression within each class (R-CNN, section 2.2), then the best `max_detections` of all classes.

    A region may be kept for several classes. A box goes if a better one of its class, kept before it, overlaps it
    by more than `nms_iou`. Ties: the lower row, then the lower label first.

    Args:
        boxes: (N, 4) xyxy pixels, or (N, K, 4) where a region has a box of its own for each class; N may be 0.
        probs: (N, K) on the same device.
        min_score: detections below it are dropped.
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
    if not (0 <= nms_iou <= 1 and 0 <= min_score <= 1):
        raise ValueError(f"suppress: expected thresholds in [0, 1], got nms_iou {nms_iou}, min_score {min_score}")
    if max_detections < 0:
        raise ValueError(f"suppress: expected max_detections of at least 0, got {max_detections}")
    passed = above(boxes, probs, min_score)
    passed = passed[torch.argsort(passed[:, 4], descending=True, stable=True)]
    candidates, labels = passed[:, :4], passed[:, 5].long()
    kept = _nms_per_class(candidates, labels, nms_iou)[:max_detections]
    return Detections(candidates[kept].numpy(), passed[kept, 4].numpy(), labels[kept].numpy())


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
