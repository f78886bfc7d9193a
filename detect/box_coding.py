"""How box regression writes a box down: as four numbers relative to the region it starts from.

Decoding and clipping make no GPU wait; encoding checks its boxes, and is for a CPU.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from proposals.device_copy import on_device

# Fast R-CNN's and Faster R-CNN's published code divides the targets by these so that all four vary about as much.
DEVIATIONS = (0.1, 0.1, 0.2, 0.2)
# A region may grow to 1000 / 16 of its side: far beyond any image, and exp() of a wild output stays finite.
LARGEST_LOG_RATIO = math.log(1000 / 16)


def encode_boxes(boxes: Tensor, matched: Tensor) -> Tensor:
    """The four numbers that turn each region into the object matched to it (R-CNN, appendix C).

    tx = (centre of the object − centre of the region) / width of the region, ty alike with heights, tw = log (width
    of the object / width of the region), th alike; then each divided by `DEVIATIONS`. R-CNN does not divide.

    Args:
        boxes: (N, 4) xyxy pixels, areas above 0; N may be 0.
        matched: (N, 4) alike.
    Returns:
        New (N, 4) tensor (tx, ty, tw, th) of the floating type of `boxes`.
    Raises:
        ValueError: if a shape is not (N, 4), or a side is not above 0.
    """
    _check(boxes, matched)
    for name, value in (("boxes", boxes), ("matched", matched)):
        if not (value[:, 2:] > value[:, :2]).all():
            raise ValueError(f"{name}: expected sides above 0, got a box without area")
    sides, centres = _sides_and_centres(boxes)
    wanted_sides, wanted_centres = _sides_and_centres(matched)
    deltas = torch.cat([(wanted_centres - centres) / sides, (wanted_sides / sides).log()], dim=-1)
    return deltas / deltas.new_tensor(DEVIATIONS)


def decode_boxes(boxes: Tensor, deltas: Tensor) -> Tensor:
    """Inverse of `encode_boxes`; not clipped to any image.

    Args:
        boxes: (N, 4) xyxy pixels; N may be 0.
        deltas: (N, 4), or (N, 4 K) for a box a class: the four numbers of class 0, then those of class 1, …
    Returns:
        New tensor, (N, 4) or (N, K, 4). A change of a side's logarithm above `LARGEST_LOG_RATIO` counts as that.
    Raises:
        ValueError: if a shape is not as above.
    """
    if deltas.ndim != 2 or deltas.shape[1] % 4 or deltas.shape[1] == 0 or len(deltas) != len(boxes):
        raise ValueError(f"deltas: expected ({len(boxes)}, 4 K), got {tuple(deltas.shape)}")
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"boxes: expected (N, 4), got {tuple(boxes.shape)}")
    sides, centres = (value[:, None] for value in _sides_and_centres(boxes))
    changes = deltas.view(len(deltas), deltas.shape[1] // 4, 4) * _there(DEVIATIONS, deltas)
    new_centres = centres + changes[..., :2] * sides
    new_sides = sides * changes[..., 2:].clamp(max=LARGEST_LOG_RATIO).exp()
    decoded = torch.cat([new_centres - new_sides / 2, new_centres + new_sides / 2], dim=-1)
    return decoded[:, 0] if deltas.shape[1] == 4 else decoded


def clip_boxes(boxes: Tensor, image_size: tuple[int, int]) -> Tensor:
    """Pull box corners back onto the image.

    Args:
        boxes: (..., 4) xyxy pixels.
        image_size: (height, width) in pixels.
    Returns:
        New tensor; a box wholly outside collapses to zero area.
    """
    height, width = image_size
    return boxes.clamp(min=0).minimum(_there((width, height, width, height), boxes))


def _there(values: tuple[float, ...], like: Tensor) -> Tensor:
    """Numbers as a tensor of another's type on its device; `new_tensor` would have the host wait for a GPU."""
    return on_device(torch.tensor(values, dtype=like.dtype), like.device)


def _sides_and_centres(boxes: Tensor) -> tuple[Tensor, Tensor]:
    sides = boxes[:, 2:] - boxes[:, :2]
    return sides, boxes[:, :2] + sides / 2


def _check(boxes: Tensor, matched: Tensor) -> None:
    if boxes.ndim != 2 or boxes.shape[1] != 4 or matched.shape != boxes.shape:
        raise ValueError(
            f"boxes and matched: expected (N, 4) of the same N, got {tuple(boxes.shape)} and {tuple(matched.shape)}"
        )
