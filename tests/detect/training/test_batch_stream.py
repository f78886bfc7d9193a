"""The stream of batches: the same whatever the threads, the processes and the step that it begins at."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sampled_photos import Settings, write_photos

from detect.image_decoding import decode_image
from detect.training.batch_plan import BatchPlan
from detect.training.batch_stream import Flips, batches, flip_images, flip_regions, random_distortion
from detect.training.planned_stream import Share
from detect.training.region_samples import Distortion, ImageSample, TrainingBatch
from detect.training.training_set import TrainingSet

SETTINGS = Settings(images_per_batch=4, foreground=8, background=24, jittered=2)
Photos = tuple[TrainingSet, list[NDArray[np.float32]]]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Photos:
    return write_photos(tmp_path_factory.mktemp("photos"), 7)


def stream(
    photos: Photos,
    steps: tuple[int, int] = (0, 6),
    settings: Settings = SETTINGS,
    seed: int = 0,
    flips: Flips = flip_regions,
    **how: int,
) -> list[TrainingBatch]:
    training_set, proposals = photos
    plan = BatchPlan(training_set.weights, settings.images_per_batch, seed)
    with batches(
        training_set,
        proposals.__getitem__,
        plan,
        settings,
        Share(*steps, **how),
        seed=seed,
        flips=flips,
    ) as stream:
        return list(stream)


def assert_same_sample(one: ImageSample, other: ImageSample) -> None:
    assert (one.index, one.slot, one.path, one.distortion) == (other.index, other.slot, other.path, other.distortion)
    for name in ("boxes", "targets", "matched", "regress", "near"):
        np.testing.assert_array_equal(getattr(one.regions, name), getattr(other.regions, name))
    np.testing.assert_array_equal(one.image, other.image)
    np.testing.assert_array_equal(one.flipped, other.flipped)


def assert_same(one: list[TrainingBatch], other: list[TrainingBatch]) -> None:
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        assert (a.step, a.epoch, a.unreadable) == (b.step, b.epoch, b.unreadable)
        assert len(a.samples) == len(b.samples)
        for pair in zip(a.samples, b.samples, strict=True):
            assert_same_sample(*pair)


def test_batches_follow_the_plan(photos: Photos) -> None:
    training_set, _ = photos
    plan = BatchPlan(training_set.weights, 4, 0)
    found = stream(photos)
    assert [batch.step for batch in found] == [0, 1, 2, 3, 4, 5]
    for batch in found:
        epoch, planned = plan.entries(batch.step)
        assert batch.epoch == epoch
        assert [(sample.index, sample.slot) for sample in batch.samples] == [
            (image.index, slot) for slot, image in enumerate(planned)
        ]
        for sample in batch.samples:
            np.testing.assert_array_equal(sample.image, decode_image(training_set.images[sample.index]))
            assert len(sample.regions) == len(sample.flipped) == 8


@pytest.mark.parametrize("workers", [2, 5])
def test_threads_change_nothing(photos: Photos, workers: int) -> None:
    assert_same(stream(photos, workers=workers), stream(photos))


@pytest.mark.parametrize("first", [1, 3, 6])
def test_beginning_late_changes_nothing(photos: Photos, first: int) -> None:
    assert_same(stream(photos, (first, 6)), stream(photos)[first:])


@pytest.mark.parametrize("world", [2, 4])
def test_the_shares_of_all_processes_are_the_whole_batch(photos: Photos, world: int) -> None:
    shares = [stream(photos, rank=rank, world=world) for rank in range(world)]
    whole = stream(photos)
    for step, batch in enumerate(whole):
        joined = [sample for share in shares for sample in share[step].samples]
        assert [share[step].epoch for share in shares] == [batch.epoch] * world
        for pair in zip(joined, batch.samples, strict=True):
            assert_same_sample(*pair)


def test_an_image_is_sampled_anew_each_epoch_and_seed(photos: Photos) -> None:
    seen = [sample for batch in stream(photos, (0, 14)) for sample in batch.samples if sample.index == 3]
    seen += [sample for batch in stream(photos, (0, 2), seed=1) for sample in batch.samples if sample.index == 3]
    assert len(seen) > 7
    assert len({sample.regions.boxes.tobytes() for sample in seen}) == len(seen)
    assert len({sample.distortion for sample in seen}) == len(seen)


def test_an_image_seen_twice_in_an_epoch_is_sampled_twice(photos: Photos) -> None:
    training_set, proposals = photos
    double = (replace(training_set, weights=np.full(7, 2.0)), proposals)
    seen = [sample for batch in stream(double, (0, 3)) for sample in batch.samples]
    drawn = {(sample.index, sample.regions.boxes.tobytes()) for sample in seen}
    assert len({sample.index for sample in seen}) < len(drawn) == len(seen)


def test_switches(photos: Photos) -> None:
    plain = stream(photos, settings=replace(SETTINGS, flip=False, photometric=0.0))
    for batch, usual in zip(plain, stream(photos), strict=True):
        for sample, other in zip(batch.samples, usual.samples, strict=True):
            assert not sample.flipped.any()
            assert sample.distortion == Distortion()
            np.testing.assert_array_equal(sample.regions.boxes, other.regions.boxes)
    flips = np.concatenate([sample.flipped for batch in stream(photos, (0, 20)) for sample in batch.samples])
    assert abs(flips.mean() - 0.5) < 5 * 0.5 / np.sqrt(len(flips))


def test_whole_images_are_flipped_on_demand(photos: Photos) -> None:
    """Half of them, by seed and step alone; nothing else of a batch is another."""
    whole = stream(photos, (0, 20), flips=flip_images)
    for batch, usual in zip(whole, stream(photos, (0, 20)), strict=True):
        for sample, other in zip(batch.samples, usual.samples, strict=True):
            assert sample.flipped.shape == (8,)
            np.testing.assert_array_equal(sample.regions.boxes, other.regions.boxes)
    flips = np.concatenate([sample.flipped[:1] for batch in whole for sample in batch.samples])
    assert all(sample.flipped.all() == sample.flipped.any() for batch in whole for sample in batch.samples)
    assert abs(flips.mean() - 0.5) < 5 * 0.5 / np.sqrt(len(flips))
    assert_same(stream(photos, (3, 6), flips=flip_images, workers=2), whole[3:6])
    shares = [stream(photos, (0, 1), flips=flip_images, rank=rank, world=2)[0].samples for rank in (0, 1)]
    for pair in zip([*shares[0], *shares[1]], whole[0].samples, strict=True):
        assert_same_sample(*pair)
    still = stream(photos, (0, 20), settings=replace(SETTINGS, flip=False), flips=flip_images)
    assert not any(sample.flipped.any() for batch in still for sample in batch.samples)


@pytest.mark.parametrize("flips", [flip_images, flip_regions])
def test_flips_of_no_regions(flips: Flips) -> None:
    assert flips(0, np.random.default_rng(0)).shape == (0,)
    assert flips(3, np.random.default_rng(0)).dtype == np.bool_


def test_distortion_stays_in_range() -> None:
    rng = np.random.default_rng(0)
    drawn = [random_distortion(0.3, rng) for _ in range(300)]
    for name in ("brightness", "contrast", "saturation"):
        values = [getattr(one, name) for one in drawn]
        assert 0.7 <= min(values) < 0.75
        assert 1.25 < max(values) <= 1.3
    assert 0.025 < max(abs(one.hue) for one in drawn) <= 0.03


def test_an_unreadable_image_is_recorded_and_its_batch_goes_on(photos: Photos, tmp_path: Path) -> None:
    training_set, proposals = photos
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0 and no more")
    paths = (training_set.images[0], tmp_path / "gone.jpg", broken, *training_set.images[3:])
    damaged = (replace(training_set, images=paths), proposals)
    found, whole = stream(damaged, (0, 7)), stream(photos, (0, 7))
    missed = [missing for batch in found for missing in batch.unreadable]
    assert {path.name: reason for path, reason in missed}["gone.jpg"] == "no such file"
    assert {path for path, _ in missed} == {tmp_path / "gone.jpg", broken}
    assert len(missed) == 8  # 7 batches of 4 are 4 epochs of 7
    for batch, usual in zip(found, whole, strict=True):
        readable = [sample for sample in usual.samples if sample.index not in (1, 2)]
        for pair in zip(batch.samples, readable, strict=True):
            assert_same_sample(*pair)


def test_an_image_without_proposals_is_recorded(photos: Photos) -> None:
    training_set, proposals = photos

    def boxes_of(index: int) -> NDArray[np.float32]:
        if index == 2:
            raise ValueError("2.npz: cannot be read")
        return proposals[index]

    plan = BatchPlan(training_set.weights, 4, 0)
    with batches(training_set, boxes_of, plan, SETTINGS, Share(0, 7), seed=0) as stream:
        missed = [missing for batch in stream for missing in batch.unreadable]
    assert missed == [(training_set.images[2], "2.npz: cannot be read")] * 4


def test_every_image_unreadable_gives_empty_batches(photos: Photos, tmp_path: Path) -> None:
    training_set, proposals = photos
    gone = replace(training_set, images=tuple(tmp_path / f"{index}.jpg" for index in range(7)))
    (batch,) = stream((gone, proposals), (0, 1))
    assert batch.samples == ()
    assert len(batch.unreadable) == 4


def test_leaving_early_leaves_no_threads(photos: Photos) -> None:
    before = threading.active_count()
    training_set, proposals = photos
    plan = BatchPlan(training_set.weights, 4, 0)
    with batches(training_set, proposals.__getitem__, plan, SETTINGS, Share(0, 10**9, workers=3), seed=0) as stream:
        assert next(stream).step == 0
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"world": 3}, r"world: expected a divisor of images_per_batch \(4\), got 3"),
        ({"world": 0}, "world: expected a divisor"),
        ({"rank": 2, "world": 2}, r"rank: expected 0\.\.1, got 2"),
        ({"workers": 0}, "workers: expected at least 1, got 0"),
    ],
)
def test_impossible_shares_are_refused(photos: Photos, how: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        stream(photos, **how)


def test_impossible_steps_and_plans_are_refused(photos: Photos) -> None:
    with pytest.raises(ValueError, match="expected 0 <= first_step <= last_step, got 3, 2"):
        stream(photos, (3, 2))
    training_set, proposals = photos
    with (
        pytest.raises(ValueError, match="images_per_batch: expected the plan's 2, got 4"),
        batches(
            training_set,
            proposals.__getitem__,
            BatchPlan(np.ones(7), 2, 0),
            SETTINGS,
            Share(0, 1),
            seed=0,
        ),
    ):
        pass
