"""From squashed views to a batch on the device."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from detect.input_format import InputFormat
from detect.training.distortion import distort_batch
from detect.training.multibox_samples import SIZE, MultiBoxBatch, MultiBoxSample
from detect.training.region_samples import TrainingBatch
from proposals.device_copy import on_device


def upload_multibox(
    batch: TrainingBatch[MultiBoxSample], *, input_format: InputFormat, device: torch.device | str, size: int = SIZE
) -> MultiBoxBatch:
    """Upload a batch's views in one piece, distort them there, and normalise.

    Args:
        batch: which may be empty.
        size: of the views.
    Returns:
        Images, boxes and negatives in the order of the samples.
    Raises:
        ValueError: if a view is not uint8 (3, size, size).
    """
    device = torch.device(device)
    pixels = torch.empty((len(batch.samples), 3, size, size), dtype=torch.uint8)
    for row, sample in zip(pixels, batch.samples, strict=True):
        if sample.image.shape != row.shape or sample.image.dtype != torch.uint8:
            got = f"{sample.image.dtype} {tuple(sample.image.shape)}"
            raise ValueError(f"{sample.path}: expected uint8 {tuple(row.shape)}, got {got}")
        row.copy_(sample.image)
    images = distort_batch(on_device(pixels, device), [sample.distortion for sample in batch.samples])
    negatives = torch.tensor([sample.negatives for sample in batch.samples], dtype=torch.float32)
    return MultiBoxBatch(
        images=input_format.normalise(images).contiguous(memory_format=torch.channels_last),
        boxes=_boxes(batch.samples, device),
        negatives=on_device(negatives, device),
    )


def _boxes(samples: Sequence[MultiBoxSample], device: torch.device) -> tuple[Tensor, ...]:
    """Of each sample, (m, 4); all go to the device together."""
    joined = np.concatenate([np.empty((0, 4), np.float32), *(sample.boxes for sample in samples)])
    there = on_device(torch.from_numpy(joined), device)
    ends = np.cumsum([len(sample.boxes) for sample in samples], dtype=np.int64).tolist()
    return tuple(there[end - len(sample.boxes) : end] for sample, end in zip(samples, ends, strict=True))
