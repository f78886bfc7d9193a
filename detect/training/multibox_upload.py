"""From squashed views to a batch on the device."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from detect.input_format import InputFormat
from detect.training.multibox_samples import SIZE, MultiBoxBatch, MultiBoxSample
from detect.training.region_samples import TrainingBatch
from detect.training.view_upload import upload_views
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
    images = upload_views(batch.samples, input_format=input_format, device=device, size=size)
    negatives = torch.tensor([sample.negatives for sample in batch.samples], dtype=torch.float32)
    return MultiBoxBatch(
        images=images,
        boxes=_boxes(batch.samples, device),
        negatives=on_device(negatives, device),
    )


def _boxes(samples: Sequence[MultiBoxSample], device: torch.device) -> tuple[Tensor, ...]:
    """Of each sample, (m, 4); all go to the device together."""
    joined = np.concatenate([np.empty((0, 4), np.float32), *(sample.boxes for sample in samples)])
    there = on_device(torch.from_numpy(joined), device)
    ends = np.cumsum([len(sample.boxes) for sample in samples], dtype=np.int64).tolist()
    return tuple(there[end - len(sample.boxes) : end] for sample, end in zip(samples, ends, strict=True))
