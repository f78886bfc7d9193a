"""Batches of squashed views: against one plain view at a time, boxes and flags beside them, and nothing at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sampled_photos import random_boxes

from detect.input_format import BVLC_INPUT, TORCHVISION_INPUT, InputFormat
from detect.training.distortion import distort
from detect.training.multibox_samples import MultiBoxBatch, MultiBoxSample
from detect.training.multibox_upload import upload_multibox
from detect.training.region_samples import Distortion, TrainingBatch

SIZE = 16


def view(slot: int, objects: int, distortion: Distortion | None = None, negatives: float = 1.0) -> MultiBoxSample:
    rng = np.random.default_rng(slot)
    image = torch.from_numpy(rng.integers(0, 256, (3, SIZE, SIZE), dtype=np.uint8))
    boxes = random_boxes(objects, (1, 1), rng, smallest=0.1)
    return MultiBoxSample(7, slot, Path(f"{slot}.jpg"), image, boxes, negatives, distortion or Distortion())


def on(device: str, *samples: MultiBoxSample, input_format: InputFormat = BVLC_INPUT) -> MultiBoxBatch:
    return upload_multibox(TrainingBatch(0, 0, samples), input_format=input_format, device=device, size=SIZE)


SAMPLES = (
    view(0, 3),
    view(1, 0, Distortion(1.2, 0.9, 1.1, 0.02)),
    view(3, 1, Distortion(hue=-0.01), negatives=0.1),
)


def test_pixels_by_hand() -> None:
    """One red: BVLC's order is B, G, R, less 104, 117, 123."""
    image = torch.zeros((3, SIZE, SIZE), dtype=torch.uint8)
    image[0] = 200
    red = MultiBoxSample(0, 0, Path("red.png"), image, np.zeros((0, 4), np.float32), 1.0)
    assert on("cpu", red).images[0, :, 5, 9].tolist() == [-104, -117, 77]


@pytest.mark.parametrize("input_format", [BVLC_INPUT, TORCHVISION_INPUT])
def test_against_one_view_at_a_time(input_format: InputFormat) -> None:
    batch = on("cpu", *SAMPLES, input_format=input_format)
    for row, sample in enumerate(SAMPLES):
        expected = input_format.normalise(distort(sample.image, sample.distortion)[None])[0]
        torch.testing.assert_close(batch.images[row], expected, atol=1e-4, rtol=0)
        np.testing.assert_array_equal(batch.boxes[row], sample.boxes)
    assert [len(boxes) for boxes in batch.boxes] == [3, 0, 1]
    torch.testing.assert_close(batch.negatives, torch.tensor([1.0, 1.0, 0.1]))


def test_undistorted_views_keep_every_bit_beside_distorted_ones() -> None:
    expected = BVLC_INPUT.normalise(SAMPLES[0].image[None])
    assert torch.equal(on("cpu", *SAMPLES).images[:1], expected)
    assert torch.equal(on("cpu", SAMPLES[0]).images, expected)


def test_types_and_layout() -> None:
    batch = on("cpu", *SAMPLES)
    assert batch.images.shape == (3, 3, SIZE, SIZE)
    assert batch.images.is_contiguous(memory_format=torch.channels_last)
    assert (batch.images.dtype, batch.negatives.dtype) == (torch.float32, torch.float32)
    assert {(boxes.dtype, boxes.shape[1]) for boxes in batch.boxes} == {(torch.float32, 4)}


def test_nothing() -> None:
    batch = on("cpu")
    assert batch.images.shape == (0, 3, SIZE, SIZE)
    assert batch.boxes == ()
    assert (batch.negatives.shape, batch.negatives.dtype) == ((0,), torch.float32)


def test_inputs_are_left_alone_and_not_shared() -> None:
    before = [(sample.image.clone(), sample.boxes.copy()) for sample in SAMPLES]
    batch = on("cpu", *SAMPLES)
    batch.images.zero_()
    for boxes in batch.boxes:
        boxes.zero_()
    for sample, (image, boxes) in zip(SAMPLES, before, strict=True):
        assert torch.equal(sample.image, image)
        np.testing.assert_array_equal(sample.boxes, boxes)


def test_a_view_of_another_size_or_type_is_refused() -> None:
    with pytest.raises(ValueError, match=r"0\.jpg: expected uint8 \(3, 224, 224\), got torch\.uint8 \(3, 16, 16\)"):
        upload_multibox(TrainingBatch(0, 0, SAMPLES), input_format=BVLC_INPUT, device="cpu")
    floats = MultiBoxSample(0, 0, Path("f.jpg"), SAMPLES[0].image.float(), SAMPLES[0].boxes, 1.0)
    with pytest.raises(ValueError, match=r"f\.jpg: expected uint8 \(3, 16, 16\), got torch\.float32 \(3, 16, 16\)"):
        on("cpu", floats)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_gpu_gives_the_cpu_s_batch() -> None:
    batch, expected = on("cuda", *SAMPLES), on("cpu", *SAMPLES)
    torch.testing.assert_close(batch.images.cpu(), expected.images, atol=0.05, rtol=0)
    assert batch.negatives.tolist() == expected.negatives.tolist()
    for boxes, other in zip(batch.boxes, expected.boxes, strict=True):
        assert torch.equal(boxes.cpu(), other)
