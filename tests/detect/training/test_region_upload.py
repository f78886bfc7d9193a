"""Batches of regions: against one plain region at a time, flips against a flipped photo, slots, and nothing at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sampled_photos import random_boxes

from detect.box_coding import decode_boxes
from detect.input_format import BVLC_INPUT
from detect.region_warp import RegionWarper, WarpSettings
from detect.training.distortion import distort
from detect.training.region_samples import Distortion, ImageSample, RegionBatch, SampledRegions, TrainingBatch
from detect.training.region_upload import upload

WARP = WarpSettings(size=32, context=4)


def photo(slot: int, regions: int, seed: int, distortion: Distortion | None = None) -> ImageSample:
    rng = np.random.default_rng(seed)
    size = (int(rng.integers(30, 90)), int(rng.integers(30, 90)))
    image = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    image.flags.writeable = False
    boxes, regress = random_boxes(regions, size, rng, smallest=8), rng.random(regions) < 0.5
    near = regress | (rng.random(regions) < 0.5)
    matched = np.where(near[:, None], random_boxes(regions, size, rng, smallest=8), boxes)
    sampled = SampledRegions(boxes, rng.integers(0, 4, regions), matched, regress, near)
    flipped = rng.random(regions) < 0.5
    return ImageSample(seed, slot, Path(f"{seed}.jpg"), image, sampled, flipped, distortion or Distortion())


def on_cpu(*samples: ImageSample, regions_per_image: int = 8) -> RegionBatch:
    batch = TrainingBatch(0, 0, samples)
    return upload(batch, input_format=BVLC_INPUT, warp=WARP, device="cpu", regions_per_image=regions_per_image)


def test_against_one_region_at_a_time() -> None:
    samples = (
        photo(0, 5, 0),
        photo(2, 8, 1, Distortion(1.2, 0.9, 1.1, 0.02)),
        photo(3, 0, 2),
        photo(5, 1, 3, Distortion(hue=-0.01)),
    )
    batch = on_cpu(*samples)
    row = 0
    for sample in samples:
        pixels = distort(torch.tensor(sample.image).permute(2, 0, 1), sample.distortion)
        warper = RegionWarper(pixels, BVLC_INPUT, settings=WARP)
        for number, flipped in enumerate(sample.flipped):
            region = warper.regions(sample.regions.boxes[number : number + 1])
            assert torch.equal(batch.regions[row : row + 1], region.flip(3) if flipped else region)
            assert batch.slots[row] == sample.slot * 8 + number
            assert batch.targets[row] == sample.regions.targets[number]
            assert batch.regress[row] == sample.regions.regress[number]
            assert batch.near[row] == sample.regions.near[number]
            row += 1
    assert len(batch.regions) == len(batch.deltas) == row == 14
    assert (batch.near & ~batch.regress).any()
    assert torch.equal(batch.deltas.any(dim=1), batch.near), "also of regions that are too far off to be regressed"


def test_without_distortion_these_are_the_detector_s_regions() -> None:
    sample = photo(0, 6, 0)
    plain = RegionWarper(sample.image, BVLC_INPUT, settings=WARP).regions(sample.regions.boxes)
    assert torch.equal(on_cpu(replace(sample, flipped=np.zeros(6, bool))).regions, plain)


def test_delta_by_hand() -> None:
    # The object's centre (30, 30) lies 0.5 widths right of the region's (20, 30) and on its height: tx = 0.5 / 0.1 = 5,
    # ty = 0; it is as wide, and twice as high: log(2) / 0.2. Mirrored, it lies as far to the left.
    boxes, matched = np.array([[10, 20, 30, 40]], np.float32), np.array([[20, 10, 40, 50]], np.float32)
    regions = SampledRegions(boxes, np.zeros(1, np.int64), matched, np.ones(1, bool), np.ones(1, bool))
    sample = replace(photo(0, 1, 0), regions=regions, flipped=np.zeros(1, bool))
    expected = [5.0, 0.0, 0.0, np.log(2) / 0.2]
    assert on_cpu(sample).deltas[0].tolist() == pytest.approx(expected)
    mirrored = on_cpu(replace(sample, flipped=np.ones(1, bool)))
    assert mirrored.deltas[0].tolist() == pytest.approx([-5.0, *expected[1:]])


def test_a_flipped_region_is_the_region_of_the_flipped_photo() -> None:
    """Mirroring photo, boxes and objects gives what mirroring the regions does: pixels and deltas."""
    sample = replace(photo(0, 8, 4), flipped=np.ones(8, bool))
    width = sample.image.shape[1]

    def mirror(boxes: np.ndarray) -> np.ndarray:
        return np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], axis=1)

    regions = replace(sample.regions, boxes=mirror(sample.regions.boxes), matched=mirror(sample.regions.matched))
    mirrored = replace(
        sample, image=np.ascontiguousarray(sample.image[:, ::-1]), regions=regions, flipped=np.zeros(8, bool)
    )
    one, other = on_cpu(sample), on_cpu(mirrored)
    torch.testing.assert_close(one.regions, other.regions, atol=0.05, rtol=0)
    torch.testing.assert_close(one.deltas, other.deltas, atol=1e-4, rtol=0)


def test_deltas_lead_to_the_matched_object() -> None:
    sample = replace(photo(0, 8, 5), flipped=np.zeros(8, bool))
    batch = on_cpu(sample)
    decoded = decode_boxes(torch.from_numpy(sample.regions.boxes), batch.deltas)
    torch.testing.assert_close(decoded, torch.from_numpy(sample.regions.matched), atol=1e-3, rtol=0)
    assert torch.all(batch.deltas[~batch.near] == 0)


def test_types_and_layout() -> None:
    batch = on_cpu(photo(0, 3, 0), photo(1, 2, 1))
    assert batch.regions.shape == (5, 3, 32, 32)
    assert batch.regions.is_contiguous(memory_format=torch.channels_last)
    types = (batch.regions.dtype, batch.targets.dtype, batch.deltas.dtype, batch.regress.dtype, batch.slots.dtype)
    assert types == (torch.float32, torch.int64, torch.float32, torch.bool, torch.int64)


@pytest.mark.parametrize("samples", [(), (photo(0, 0, 0),)])
def test_nothing(samples: tuple[ImageSample, ...]) -> None:
    batch = on_cpu(*samples)
    assert batch.regions.shape == (0, 3, 32, 32)
    assert batch.deltas.shape == (0, 4)
    assert batch.slots.shape == batch.targets.shape == batch.regress.shape == (0,)


def test_inputs_are_left_alone() -> None:
    sample = photo(0, 4, 0, Distortion(1.3, 1.2, 0.7, 0.03))
    before = sample.image.copy(), sample.regions.boxes.copy(), sample.regions.matched.copy()
    on_cpu(sample)
    for array, copy in zip((sample.image, sample.regions.boxes, sample.regions.matched), before, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_too_many_regions_are_refused() -> None:
    with pytest.raises(ValueError, match=r"0\.jpg: expected at most 3 regions, got 4"):
        on_cpu(photo(0, 4, 0), regions_per_image=3)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_gpu_gives_the_cpu_s_batch() -> None:
    samples = (photo(0, 5, 0), photo(1, 8, 1, Distortion(1.2, 0.9, 1.1, 0.02)))
    expected = on_cpu(*samples)
    batch = upload(TrainingBatch(0, 0, samples), input_format=BVLC_INPUT, warp=WARP, device="cuda", regions_per_image=8)
    torch.testing.assert_close(batch.regions.cpu(), expected.regions, atol=0.05, rtol=0)
    for name in ("targets", "deltas", "regress", "near", "slots"):
        assert torch.equal(getattr(batch, name).cpu(), getattr(expected, name))
