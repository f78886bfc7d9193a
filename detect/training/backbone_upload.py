"""From views of images with their classes to a batch on the device."""

from __future__ import annotations

import torch

from detect.input_format import InputFormat
from detect.training.backbone_samples import ClassBatch, ClassSample
from detect.training.region_samples import TrainingBatch
from detect.training.view_upload import upload_views
from proposals.device_copy import on_device


def upload_classes(
    batch: TrainingBatch[ClassSample], *, input_format: InputFormat, device: torch.device, size: int
) -> ClassBatch:
    """`upload_views` of a batch, which may be empty, and the labels.

    Raises:
        ValueError: if a view is not uint8 (3, size, size).
    """
    return ClassBatch(
        images=upload_views(batch.samples, input_format=input_format, device=device, size=size),
        labels=on_device(torch.tensor([one.label for one in batch.samples], dtype=torch.int64), device),
        slots=torch.tensor([one.slot for one in batch.samples], dtype=torch.int64),
    )
