"""The mean of what several views say of an image's regions: their scores, and their corrected boxes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from detect.box_coding import clip_boxes, decode_boxes
from detect.region_classifier import ClassifiedRegions


def average(boxes: Tensor, answers: Sequence[ClassifiedRegions], image_size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """The mean of what views say of an image's regions; it stays on their device.

    Boxes are the mean over the views that regress them, where there is one, else the proposals. Scores are the mean
    probability of a class; times the mean probability that the box fits, over the views that know it, where there is
    one.

    Args:
        boxes: (N, 4) xyxy pixels.
        answers: of each view, at least one, on the N regions; deltas may be (N, 4), (N, 4 K) or None in any mixture,
            and fit too.
        image_size: (height, width) in pixels.
    Returns:
        Boxes (N, 4), or (N, K, 4) where a view has a box for each class; scores (N, K).
    """
    probs = _mean([answer.probs for answer in answers])
    fits = [answer.fit for answer in answers if answer.fit is not None]
    if fits:
        probs = probs * _mean(fits)[:, None]
    deltas = [answer.deltas for answer in answers if answer.deltas is not None]
    return corrected(boxes, probs, deltas, image_size) if deltas else (boxes, probs)


def corrected(
    boxes: Tensor, probs: Tensor, deltas: Sequence[Tensor], image_size: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Boxes after box regression, clipped to the image (R-CNN, appendix C), and the probabilities.

    Args:
        boxes: (N, 4) xyxy pixels.
        probs: (N, K).
        deltas: of each view that regresses boxes, at least one: (N, 4), or (N, 4 K) of regression per class. Each
            view's boxes are clipped, then their mean is taken, so that a wild one does not carry it off the image.
    Returns:
        Boxes (N, 4) or (N, K, 4), and probabilities (N, K): −1 where nothing of the box is on the image.
    """
    decoded = [clip_boxes(decode_boxes(boxes, one), image_size) for one in deltas]
    if len({one.ndim for one in decoded}) > 1:  # a box for all classes counts for each of them
        decoded = [one if one.ndim == 3 else one[:, None] for one in decoded]
    moved = _mean(decoded)
    nothing = (moved[..., 2:] <= moved[..., :2]).any(dim=-1)
    return moved, probs.masked_fill(nothing if nothing.ndim == 2 else nothing[:, None], -1.0)


def joined(answers: Sequence[ClassifiedRegions]) -> ClassifiedRegions:
    """One view's answers on regions one after the other; all have deltas, or none, and fit likewise."""
    deltas = [answer.deltas for answer in answers if answer.deltas is not None]
    fits = [answer.fit for answer in answers if answer.fit is not None]
    return ClassifiedRegions(
        torch.cat([answer.probs for answer in answers]),
        torch.cat(deltas) if deltas else None,
        torch.cat(fits) if fits else None,
    )


def _mean(values: Sequence[Tensor]) -> Tensor:
    """Of one value, that value to the bit."""
    total = values[0]
    for value in values[1:]:
        total = total + value
    return total / len(values)
