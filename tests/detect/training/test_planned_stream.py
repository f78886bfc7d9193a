"""A plan's batches of any samples: order, shares, threads, what is missing, and what is refused."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from detect.training.batch_plan import BatchPlan, PlannedImage
from detect.training.planned_stream import Share, check_batch_size, planned_batches
from detect.training.region_samples import TrainingBatch

IMAGES = tuple(Path(f"{index}.jpg") for index in range(5))


@dataclass(frozen=True)
class Sample:
    path: Path
    slot: int
    planned: PlannedImage


def sample(planned: PlannedImage, slot: int) -> Sample | str:
    return "torn in two" if planned.index == 3 else Sample(IMAGES[planned.index], slot, planned)


def plan() -> BatchPlan:
    return BatchPlan(np.ones(5), 4, seed=0)


def stream(steps: tuple[int, int] = (0, 5), **how: int) -> list[TrainingBatch[Sample]]:
    with planned_batches(sample, IMAGES, plan(), Share(*steps, **how)) as found:
        return list(found)


def test_four_epochs_of_five_are_five_batches_of_four() -> None:
    found = stream()
    for step, batch in enumerate(found):
        epoch, planned = plan().entries(step)
        whole = [(image, slot) for slot, image in enumerate(planned)]
        assert (batch.step, batch.epoch) == (step, epoch)
        assert [(one.planned, one.slot) for one in batch.samples] == [one for one in whole if one[0].index != 3]
    assert [missing for batch in found for missing in batch.unreadable] == [(IMAGES[3], "torn in two")] * 4


@pytest.mark.parametrize("workers", [2, 7])
def test_threads_change_nothing(workers: int) -> None:
    assert stream(workers=workers) == stream()


@pytest.mark.parametrize("first", [0, 2, 5])
def test_beginning_late_changes_nothing(first: int) -> None:
    assert stream((first, 5)) == stream()[first:]


@pytest.mark.parametrize("world", [1, 2, 4])
def test_shares_are_the_whole_batch(world: int) -> None:
    shares = [stream(rank=rank, world=world) for rank in range(world)]
    for step, batch in enumerate(stream()):
        assert tuple(one for share in shares for one in share[step].samples) == batch.samples
        assert tuple(one for share in shares for one in share[step].unreadable) == batch.unreadable
        assert {share[step].epoch for share in shares} == {batch.epoch}


def test_an_unforeseen_error_reaches_the_reader_and_leaves_no_threads() -> None:
    def broken(planned: PlannedImage, slot: int) -> Sample | str:
        raise RuntimeError("a bug")

    before = threading.active_count()
    with (
        pytest.raises(RuntimeError, match="a bug"),
        planned_batches(broken, IMAGES, plan(), Share(0, 9, workers=2)) as found,
    ):
        next(found)
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"world": 3}, r"world: expected a divisor of images_per_batch \(4\), got 3"),
        ({"world": 0}, "world: expected a divisor"),
        ({"rank": 2, "world": 2}, r"rank: expected 0\.\.1, got 2"),
        ({"rank": -1}, r"rank: expected 0\.\.0, got -1"),
        ({"workers": 0}, "workers: expected at least 1, got 0"),
        ({"steps": (3, 2)}, "expected 0 <= first_step <= last_step, got 3, 2"),
        ({"steps": (-1, 2)}, "expected 0 <= first_step <= last_step, got -1, 2"),
    ],
)
def test_the_impossible_is_refused(how: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        stream(**how)


def test_batches_of_another_size_are_refused() -> None:
    check_batch_size(plan(), 4)
    with pytest.raises(ValueError, match="images_per_batch: expected the plan's 4, got 3"):
        check_batch_size(plan(), 3)
