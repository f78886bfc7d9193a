"""Detections that lie inside a better one of their class, or around it: mostly the same object once more.

The head of a dog beside the dog, two people in one box around both: overlaps of these are small, so that suppression
by IoU leaves them. Sometimes they are a second object in front of the first, so that they are only believed less
(docs/decisions/0026-votes-and-nested-boxes.md).
"""

from __future__ import annotations

import torch
from torch import Tensor

from detect.box_voting import area, common_area

NESTED = 0.8  # part of the smaller box that lies in the other


def is_nested(boxes: Tensor, labels: Tensor) -> Tensor:
    """Whether `NESTED` of a detection lies in a better one of its class, or as much of that one in it.

    Args:
        boxes: (M, 4) xyxy pixels, best first; M may be 0.
        labels: (M,) int64.
    Returns:
        (M,) bool. The best of a class is never nested; one is that lies in a nested one. Boxes without area are not.
    """
    nested = torch.zeros(len(boxes), dtype=torch.bool)
    by_class = torch.argsort(labels, stable=True)
    for rows in torch.split(by_class, torch.bincount(labels).tolist()):
        if len(rows) < 2:
            continue
        own = boxes[rows].double()
        areas = area(own)
        smaller = torch.minimum(areas[:, None], areas)
        inside = (common_area(own[:, None], own) >= NESTED * smaller) & (smaller > 0)
        nested[rows] = inside.tril(diagonal=-1).any(dim=1)  # by those before it
    return nested
