"""Batches as a pure function of seed and step: how often images appear, in what order, and from where one begins."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from detect.training.batch_plan import BatchPlan, PlannedImage

WEIGHTS = np.array([1.0, 2.0, 0.5, 1.25, 0.0])


def images(plan: BatchPlan, steps: int) -> list[PlannedImage]:
    return [image for step in range(steps) for image in plan.entries(step)[1]]


def test_five_images_in_batches_of_two_by_hand() -> None:
    """Epochs of 5 images: the batches 0 … 4 hold two epochs, and batch 2 the end of one and the start of the next."""
    plan = BatchPlan(np.ones(5), 2, seed=0)
    assert plan.steps_per_epoch == 2.5
    assert [plan.entries(step)[0] for step in range(6)] == [0, 0, 0, 1, 1, 2]
    assert [image.epoch for image in images(plan, 5)] == [0] * 5 + [1] * 5
    for epoch in (0, 1):
        seen = [image for image in images(plan, 5) if image.epoch == epoch]
        assert sorted(image.index for image in seen) == [0, 1, 2, 3, 4]
        assert {image.copy for image in seen} == {0}


def test_appearances_follow_the_weights() -> None:
    plan = BatchPlan(WEIGHTS, 1, seed=3)
    by_epoch: dict[int, list[PlannedImage]] = {}
    for image in images(plan, round(400 * WEIGHTS.sum())):
        by_epoch.setdefault(image.epoch, []).append(image)
    counts = [Counter(image.index for image in by_epoch[epoch]) for epoch in range(300)]
    for index, weight in enumerate(WEIGHTS):
        seen = [count[index] for count in counts]
        assert min(seen) >= np.floor(weight)
        assert max(seen) <= np.ceil(weight)
        # Half a binomial's deviation is at most 0.5 · sqrt(300) = 8.7 appearances: four of these.
        assert sum(seen) == pytest.approx(300 * weight, abs=35)
    for epoch in (by_epoch[number] for number in range(300)):  # those that are whole
        copies = sorted((image.index, image.copy) for image in epoch)
        again = Counter(image.index for image in epoch)
        assert copies == [(index, copy) for index in sorted(again) for copy in range(again[index])]


def test_orders_differ_between_epochs_and_seeds() -> None:
    plan = BatchPlan(np.ones(50), 50, seed=0)
    orders = [tuple(image.index for image in plan.entries(step)[1]) for step in range(3)]
    other = tuple(image.index for image in BatchPlan(np.ones(50), 50, seed=1).entries(0)[1])
    assert len({*orders, other}) == 4


def test_every_place_comes_first_as_often() -> None:
    plan = BatchPlan(np.ones(4), 4, seed=0)
    firsts = Counter(plan.entries(step)[1][0].index for step in range(1000))
    assert all(abs(firsts[index] - 250) < 5 * np.sqrt(1000 * 0.25 * 0.75) for index in range(4))


@pytest.mark.parametrize("first", [0, 1, 17, 40])
def test_a_plan_asked_from_anywhere_in_any_order_says_the_same(first: int) -> None:
    forward = [BatchPlan(WEIGHTS, 3, seed=5).entries(step) for step in range(60)]
    late = BatchPlan(WEIGHTS, 3, seed=5)
    assert [late.entries(step) for step in range(first, 60)] == forward[first:]
    assert [late.entries(step) for step in reversed(range(60))] == forward[::-1]


def test_many_threads_ask_at_once() -> None:
    expected = [image.index for image in images(BatchPlan(WEIGHTS, 3, seed=5), 60)]
    plan = BatchPlan(WEIGHTS, 3, seed=5)
    with ThreadPoolExecutor(8) as pool:
        assert [image.index for image in pool.map(plan.at, range(180))] == expected


def test_a_batch_larger_than_several_epochs() -> None:
    epoch, batch = BatchPlan(np.ones(2), 7, seed=0).entries(0)
    assert epoch == 0
    assert [image.epoch for image in batch] == [0, 0, 1, 1, 2, 2, 3]
    assert len({image.seed for image in batch}) == 7


def test_one_image() -> None:
    assert BatchPlan(np.ones(1), 1, seed=0).entries(9) == (9, (PlannedImage(0, 0, 9),))


def test_epochs_may_be_empty() -> None:
    """Ten images of weight 0.1: one epoch in three has none, and the plan goes on to the next that has."""
    seen = images(BatchPlan(np.full(10, 0.1), 1, seed=0), 50)
    epochs = [image.epoch for image in seen]
    assert epochs == sorted(epochs)
    assert len(set(epochs)) < epochs[-1] + 1


def test_weights_are_left_alone_and_copied() -> None:
    weights = np.ones(3)
    plan = BatchPlan(weights, 1, seed=0)
    weights[:] = 5
    assert plan.steps_per_epoch == 3


@pytest.mark.parametrize(
    ("weights", "batch", "message"),
    [
        ([np.nan], 1, r"weights: expected \(I,\) finite numbers of at least 0"),
        ([-1.0, 3.0], 1, r"weights: expected \(I,\) finite numbers of at least 0"),
        ([[1.0]], 1, r"weights: expected \(I,\) finite"),
        ([], 1, "weights: expected a sum of at least 1 image an epoch, got 0"),
        ([0.25, 0.5], 1, "weights: expected a sum of at least 1 image an epoch, got 0.75"),
        ([1.0], 0, "images_per_batch: expected at least 1, got 0"),
    ],
)
def test_impossible_plans_are_refused(weights: list[float], batch: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BatchPlan(np.array(weights, float), batch, seed=0)


def test_a_step_below_0_is_refused() -> None:
    with pytest.raises(ValueError, match="position: expected at least 0, got -2"):
        BatchPlan(np.ones(2), 2, seed=0).entries(-1)
