"""Views of labelled images: by hand where nothing is random, in range over many draws, the same for any workers."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from labelled_photos import labelled_photos

from configs.backbone_training import INTERPOLATIONS, ViewConfig
from detect.training.backbone_samples import ClassSample, ClassView
from detect.training.backbone_stream import backbone_batches, draw_view, sample_class_view, view_pixels
from detect.training.batch_plan import BatchPlan, PlannedImage
from detect.training.labelled_set import LabelledSet
from detect.training.planned_stream import Share
from detect.training.region_samples import Distortion, TrainingBatch

SETTINGS = ViewConfig(images_per_batch=4)
PLAIN = ViewConfig(
    4, crop_area=(1.0, 1.0), crop_aspect=(4 / 3, 4 / 3), interpolations=("linear",), flip=False, photometric=0.0
)
SIZE = 16


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> LabelledSet:
    return labelled_photos(tmp_path_factory.mktemp("photos"), 2)


def stream(
    photos: LabelledSet, steps: tuple[int, int] = (0, 5), settings: ViewConfig = SETTINGS, seed: int = 0, **how: int
) -> list[TrainingBatch[ClassSample]]:
    plan = BatchPlan(np.ones(len(photos)), settings.images_per_batch, seed)
    with backbone_batches(photos, plan, settings, Share(*steps, **how), size=SIZE, seed=seed) as found:
        return list(found)


def same(first: ClassSample, second: ClassSample) -> bool:
    told = [(one.index, one.slot, one.path, one.label, one.distortion) for one in (first, second)]
    return told[0] == told[1] and torch.equal(first.image, second.image)


def test_a_whole_image_by_hand(photos: LabelledSet) -> None:
    """36 × 48 is 4 : 3, so that the only crop of the whole area is the image."""
    image = photos.reader.decode(photos.images[3])
    sample = sample_class_view(photos, PlannedImage(3, 0, 0), 2, PLAIN, seed=0, size=SIZE)
    assert isinstance(sample, ClassSample)
    expected = cv2.resize(image, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(sample.image.permute(1, 2, 0), expected)
    assert (sample.index, sample.slot, sample.label, sample.distortion) == (3, 2, 1, Distortion())


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_pixels_of_a_crop_and_its_mirror_image(interpolation: str) -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (40, 60, 3), dtype=np.uint8)
    before = image.copy()
    view = ClassView((5, 3, 21, 19), interpolation)
    pixels = view_pixels(image, view, 16)
    np.testing.assert_array_equal(pixels.permute(1, 2, 0), image[3:19, 5:21], "16 × 16 stay as they are")
    assert torch.equal(view_pixels(image, replace(view, flipped=True), 16), pixels.flip(2))
    assert view_pixels(image, replace(view, crop=(5, 3, 6, 4)), 16).unique().numel() <= 3, "one pixel, enlarged"
    np.testing.assert_array_equal(image, before)


def test_interpolations_differ() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    found = [view_pixels(image, ClassView((0, 0, 60, 40), one), 16) for one in INTERPOLATIONS]
    assert not any(torch.equal(one, other) for i, one in enumerate(found) for other in found[:i])


def test_what_is_drawn_is_in_range_and_even() -> None:
    rng = np.random.default_rng(0)
    views = [draw_view((500, 500), SETTINGS, rng) for _ in range(2000)]
    areas = np.array([(x2 - x1) * (y2 - y1) / 500**2 for x1, y1, x2, y2 in (one.crop for one in views)])
    aspects = np.array([(x2 - x1) / (y2 - y1) for x1, y1, x2, y2 in (one.crop for one in views)])
    assert np.all((areas > 0.078) & (areas < 1.001))
    assert np.all((aspects > 0.74) & (aspects < 1.345))
    assert abs(areas.mean() - 0.54) < 0.03
    assert abs(sum(one.flipped for one in views) - 1000) < 5 * np.sqrt(500)
    counts = Counter(one.interpolation for one in views)
    assert all(abs(counts[one] - 500) < 5 * np.sqrt(375) for one in INTERPOLATIONS)
    for name in ("brightness", "contrast", "saturation"):
        factors = np.array([getattr(one.distortion, name) for one in views])
        assert np.all(np.abs(factors - 1) <= 0.4)
        assert factors.max() > 1.35
        assert factors.min() < 0.65


def test_flip_and_distortion_do_not_depend_on_crops() -> None:
    first = draw_view((100, 100), SETTINGS, np.random.default_rng(5))
    other = draw_view((80, 30), replace(SETTINGS, crop_area=(0.5, 0.6)), np.random.default_rng(5))
    assert replace(first, crop=other.crop) == other


@pytest.mark.parametrize("how", [{"workers": 3}, {}])
def test_the_same_bits_whatever_the_workers_and_the_start(photos: LabelledSet, how: dict[str, Any]) -> None:
    whole, other = stream(photos), [*stream(photos, (0, 2), **how), *stream(photos, (2, 5), **how)]
    assert [(one.step, one.epoch) for one in whole] == [(one.step, one.epoch) for one in other]
    for mine, theirs in zip(whole, other, strict=True):
        assert len(mine.samples) == 4
        assert all(same(*pair) for pair in zip(mine.samples, theirs.samples, strict=True))


def test_processes_share_a_batch(photos: LabelledSet) -> None:
    shares = [stream(photos, rank=rank, world=2) for rank in range(2)]
    for whole, *parts in zip(stream(photos), *shares, strict=True):
        joined = [sample for part in parts for sample in part.samples]
        assert all(same(*pair) for pair in zip(whole.samples, joined, strict=True))


def test_another_epoch_or_seed_is_another_view(photos: LabelledSet) -> None:
    views = [
        sample_class_view(photos, PlannedImage(0, copy, epoch), 0, SETTINGS, seed=seed, size=SIZE)
        for seed, epoch, copy in ((0, 0, 0), (0, 1, 0), (0, 0, 1), (1, 0, 0))
    ]
    assert all(isinstance(one, ClassSample) for one in views)
    assert len({one.image.numpy().tobytes() for one in views if isinstance(one, ClassSample)}) == 4


def test_an_image_that_cannot_be_read_is_told(photos: LabelledSet, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"nothing")
    images = (broken, *photos.images[1:])
    batches = stream(replace(photos, images=images), (0, 3))
    told = [one for batch in batches for one in batch.unreadable]
    assert {path for path, _ in told} == {broken}
    assert len(told) == 2, "12 places are two epochs of 6"
    assert sum(len(batch.samples) for batch in batches) == 10


def test_the_plan_s_batches_are_the_settings(photos: LabelledSet) -> None:
    plan = BatchPlan(np.ones(len(photos)), 3, 0)
    with pytest.raises(ValueError, match="images_per_batch: expected the plan's 3, got 4"):
        backbone_batches(photos, plan, SETTINGS, Share(0, 1), size=SIZE, seed=0)
