"""Batches of labelled views on the device: the pixels are `upload_views`' (see MultiBox's), and what is beside them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from detect.input_format import BVLC_INPUT
from detect.training.backbone_samples import ClassBatch, ClassSample
from detect.training.backbone_upload import upload_classes
from detect.training.distortion import distort
from detect.training.region_samples import Distortion, TrainingBatch

SIZE = 8


def on_cpu(*samples: ClassSample) -> ClassBatch:
    return upload_classes(TrainingBatch(0, 0, samples), input_format=BVLC_INPUT, device=torch.device("cpu"), size=SIZE)


def test_images_labels_and_slots_in_order() -> None:
    rng = np.random.default_rng(0)
    samples = [
        ClassSample(
            index=9,
            slot=slot,
            path=Path("x.png"),
            image=torch.from_numpy(rng.integers(0, 256, (3, SIZE, SIZE), dtype=np.uint8)),
            label=label,
            distortion=Distortion(brightness),
        )
        for slot, label, brightness in ((1, 4, 1.0), (3, 0, 0.8))
    ]
    batch = on_cpu(*samples)
    assert (batch.labels.tolist(), batch.slots.tolist()) == ([4, 0], [1, 3])
    assert batch.images.is_contiguous(memory_format=torch.channels_last)
    for row, sample in zip(batch.images, samples, strict=True):
        expected = BVLC_INPUT.normalise(distort(sample.image, sample.distortion)[None])[0]
        torch.testing.assert_close(row, expected, atol=1e-4, rtol=0)


def test_nothing() -> None:
    batch = on_cpu()
    assert batch.images.shape == (0, 3, SIZE, SIZE)
    assert (batch.labels.dtype, batch.labels.shape, batch.slots.shape) == (torch.int64, (0,), (0,))
