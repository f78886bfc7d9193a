"""From squares of pixels to a batch on the device, distorted and normalised."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from detect.input_format import InputFormat
from detect.training.distortion import distort_batch
from detect.training.region_samples import Distortion
from proposals.device_copy import on_device


class View(Protocol):
    """A square of an image, on the CPU, and how its colours are to be changed."""

    @property
    def path(self) -> Path: ...
    @property
    def image(self) -> Tensor: ...
    @property
    def distortion(self) -> Distortion: ...


def upload_views(views: Sequence[View], *, input_format: InputFormat, device: torch.device, size: int) -> Tensor:
    """Upload views in one piece, distort them there, and normalise.

    Args:
        views: N, which may be 0.
        size: a side of each.
    Returns:
        (N, 3, size, size) float32, channels_last, in the order of the views.
    Raises:
        ValueError: if one is not uint8 (3, size, size).
    """
    pixels = torch.empty((len(views), 3, size, size), dtype=torch.uint8)
    for row, view in zip(pixels, views, strict=True):
        if view.image.shape != row.shape or view.image.dtype != torch.uint8:
            got = f"{view.image.dtype} {tuple(view.image.shape)}"
            raise ValueError(f"{view.path}: expected uint8 {tuple(row.shape)}, got {got}")
        row.copy_(view.image)
    images = distort_batch(on_device(pixels, device), [view.distortion for view in views])
    return input_format.normalise(images).contiguous(memory_format=torch.channels_last)
