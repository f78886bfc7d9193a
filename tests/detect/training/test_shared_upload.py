"""Images and places of shared regions: what the detector reads, mirrored and distorted as whole images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from shared_samples import SETTINGS, every_16th, mirrored_by_hand, picture
from torch import Tensor

from detect.box_coding import decode_boxes
from detect.input_format import BVLC_INPUT
from detect.mirroring import mirrored_boxes
from detect.region_warp import WarpSettings
from detect.shared_regions import LevelImages, SharedRegions, SharedSettings, read_regions
from detect.training.region_samples import Distortion, ImageSample, RegionBatch, TrainingBatch
from detect.training.region_upload import upload
from detect.training.shared_upload import PlacedRegions, upload_shared

Batch = RegionBatch[tuple[PlacedRegions, ...]]


def on_cpu(*samples: ImageSample, regions_per_image: int = 8, settings: SharedSettings = SETTINGS) -> Batch:
    batch = TrainingBatch(0, 0, samples)
    return upload_shared(
        batch, input_format=BVLC_INPUT, settings=settings, device="cpu", regions_per_image=regions_per_image
    )


def read(batch: Batch) -> list[Tensor]:
    """The regions of each image, with a stem that has no weights."""
    return [read_regions(one.places, lambda level, one=one: every_16th(one.images[level])) for one in batch.regions]


@pytest.mark.parametrize("mirrored", [False, True])
def test_these_are_the_detector_s_regions(mirrored: bool) -> None:
    """Of a mirrored image: those of the mirrored array, at the mirrored boxes."""
    samples = (picture(0, 5, mirrored=mirrored), picture(2, 1, mirrored=mirrored), picture(3, 8, mirrored=mirrored))
    batch = on_cpu(*samples)
    assert [one.places.levels for one in batch.regions] == [(0, 1), (0,), (0, 1)]
    for found, sample in zip(read(batch), samples, strict=True):
        image, boxes = sample.image, sample.regions.boxes
        if mirrored:
            image, boxes = np.ascontiguousarray(image[:, ::-1]), mirrored_by_hand(boxes, image.shape[1])
        expected = SharedRegions(LevelImages(image, BVLC_INPUT, settings=SETTINGS), every_16th).regions(boxes)
        assert expected.any()
        assert torch.equal(found, expected)


def test_only_the_sizes_that_a_region_needs_are_made() -> None:
    large, both = on_cpu(picture(0, 1), picture(1, 3)).regions
    assert {level: image.shape for level, image in large.images.items()} == {0: (1, 3, 128 + 64, 171 + 64 + 21)}
    assert list(both.images) == [0, 1]
    assert both.images[1].shape == (1, 3, 256 + 64, 341 + 64 + 11)
    for image in both.images.values():
        assert image.dtype == torch.float32
        assert image.is_contiguous(memory_format=torch.channels_last)


def test_what_is_learnt_is_that_of_warped_regions() -> None:
    samples = (picture(0, 5, mirrored=True), picture(1, 0), picture(4, 3), picture(5, 8, mirrored=True))
    batch = on_cpu(*samples)
    warped = upload(
        TrainingBatch(0, 0, samples),
        input_format=BVLC_INPUT,
        warp=WarpSettings(size=32, context=2),
        device="cpu",
        regions_per_image=8,
    )
    for name in ("targets", "deltas", "regress", "near", "slots"):
        assert torch.equal(getattr(batch, name), getattr(warped, name)), name
    assert [len(one.places) for one in batch.regions] == [5, 3, 8]
    assert batch.slots.tolist() == [*range(5), *range(32, 35), *range(40, 48)]


def test_deltas_of_a_mirrored_image_lead_to_the_mirrored_object() -> None:
    sample = picture(0, 8, mirrored=True)
    boxes, width = sample.regions.boxes, sample.image.shape[1]
    decoded = decode_boxes(torch.from_numpy(mirrored_boxes(boxes, width)), on_cpu(sample).deltas)
    expected = torch.from_numpy(mirrored_by_hand(sample.regions.matched, width))
    torch.testing.assert_close(decoded, expected, atol=1e-2, rtol=0)


def test_the_image_is_distorted_as_a_whole() -> None:
    """At half the brightness: the regions of the image at half its values."""
    sample = picture(0, 4)
    even = replace(sample, image=sample.image // 2 * 2)
    darker = replace(sample, image=sample.image // 2)
    for mirrored in (False, True):
        flipped = np.full(4, mirrored)
        found = on_cpu(replace(even, distortion=Distortion(brightness=0.5), flipped=flipped))
        torch.testing.assert_close(read(found)[0], read(on_cpu(replace(darker, flipped=flipped)))[0])


def test_odd_images() -> None:
    for size in ((1, 1), (1, 300), (40, 3)):
        batch = on_cpu(picture(0, 3, size=size, mirrored=True))
        (regions,) = read(batch)
        assert regions.shape == (3, 3, 14, 14)
        assert regions.isfinite().all()


@pytest.mark.parametrize("samples", [(), (picture(0, 0),)])
def test_nothing(samples: tuple[ImageSample, ...]) -> None:
    batch = on_cpu(*samples)
    assert batch.regions == ()
    assert batch.deltas.shape == (0, 4)
    assert batch.slots.shape == batch.targets.shape == batch.regress.shape == (0,)


def test_inputs_are_left_alone() -> None:
    sample = picture(0, 4, mirrored=True, distortion=Distortion(1.3, 1.2, 0.7, 0.03))
    before = sample.image.copy(), sample.regions.boxes.copy(), sample.regions.matched.copy()
    on_cpu(sample)
    for array, copy in zip((sample.image, sample.regions.boxes, sample.regions.matched), before, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match=r"0\.png: expected at most 3 regions, got 4"):
        on_cpu(picture(0, 4), regions_per_image=3)
    some = replace(picture(0, 4), flipped=np.array([True, False, True, True]))
    with pytest.raises(ValueError, match=r"0\.png: expected all of its shared regions mirrored or none, got 3 of 4"):
        on_cpu(some)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_gpu_gives_the_cpu_s_batch() -> None:
    samples = (picture(0, 5, mirrored=True), picture(1, 8, distortion=Distortion(1.2, 0.9, 1.1, 0.02)))
    expected = on_cpu(*samples)
    batch = upload_shared(
        TrainingBatch(0, 0, samples), input_format=BVLC_INPUT, settings=SETTINGS, device="cuda", regions_per_image=8
    )
    for found, wanted in zip(read(batch), read(expected), strict=True):
        torch.testing.assert_close(found.cpu(), wanted, atol=0.05, rtol=0)
    for name in ("targets", "deltas", "regress", "near", "slots"):
        assert torch.equal(getattr(batch, name).cpu(), getattr(expected, name))
