"""What a box is worth by its rank, from photos."""

from __future__ import annotations

import re

import numpy as np
import pytest

from proposals.merge_calibration import (
    COUNTS,
    FirstRanks,
    first_ranks,
    fit,
    fit_rank_value,
    left_and_covered,
    mean_coverage,
)
from proposals.merged_proposals import UNCALIBRATED, MergeCalibration, RankValue


def ranks(*pairs: tuple[int, int]) -> FirstRanks:
    """Of (first, length) of each object."""
    found = np.array(pairs, np.int64).reshape(-1, 2)
    return FirstRanks(found[:, 0], found[:, 1])


def drawn(value: RankValue, objects: int, length: int, seed: int) -> FirstRanks:
    """Objects that a list covers by these very chances."""
    covers = np.random.default_rng(seed).random((objects, length)) < value.values(length)
    return FirstRanks(np.where(covers.any(axis=1), covers.argmax(axis=1) + 1, 0), np.full(objects, length))


def likelihood(value: RankValue, found: FirstRanks) -> float:
    """The slow obvious way: every object by itself, box after box; its logarithm."""
    total = 0.0
    for first, length in zip(found.first.tolist(), found.lengths.tolist(), strict=True):
        for rank in range(1, (first or length) + 1):
            chance = value.a * (rank + value.b) ** -value.c
            total += np.log(chance if rank == first else 1 - chance)
    return float(total)


# First ranks


def test_first_ranks_by_hand() -> None:
    """IoU of the first object with the boxes: 0, 1/2, 1; the second is covered by none, the third by the first box."""
    truth = np.array([[0, 0, 10, 10], [40, 40, 90, 90], [20, 0, 30, 10]], np.float64)
    boxes = np.array([[20, 0, 30, 10], [0, 0, 10, 5], [0, 0, 10, 10]], np.float32)
    found = first_ranks(truth, boxes)
    assert (found.first.tolist(), found.lengths.tolist()) == ([2, 0, 1], [3, 3, 3])
    assert first_ranks(truth, boxes, iou=0.6).first.tolist() == [3, 0, 1]
    assert found.first.dtype == found.lengths.dtype == np.int64


def test_first_ranks_of_nothing() -> None:
    none, some = np.zeros((0, 4), np.float32), np.array([[0, 0, 1, 1]], np.float32)
    assert first_ranks(none, some).first.shape == (0,)
    assert (first_ranks(some, none).first.tolist(), first_ranks(some, none).lengths.tolist()) == ([0], [0])


def test_several_photos() -> None:
    joined = FirstRanks.join([ranks((1, 5)), ranks(), ranks((0, 3), (2, 3))])
    assert (joined.first.tolist(), joined.lengths.tolist()) == ([1, 0, 2], [5, 3, 3])
    assert FirstRanks.join([]).first.shape == (0,)


@pytest.mark.parametrize(
    ("first", "lengths", "message"),
    [
        ([1], [1, 2], "first: expected as many as lengths, got (1,) and (2,)"),
        ([3], [2], "first: expected ranks from 1 to the length of the list, or 0, got another"),
        ([-1], [2], "first: expected ranks from 1 to the length of the list, or 0, got another"),
    ],
)
def test_ranks_that_cannot_be(first: list[int], lengths: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        FirstRanks(np.array(first), np.array(lengths))


# Fitting


def test_left_and_covered_by_hand() -> None:
    """Rank 1: all five but the one of no boxes; rank 2: not the one covered at 1; rank 3: not the list that ended."""
    found = ranks((1, 4), (3, 3), (0, 2), (3, 4), (0, 0))
    left, covered = left_and_covered(found)
    assert left.tolist() == [4, 3, 2, 0]
    assert covered.tolist() == [1, 0, 2, 0]


def test_one_box_is_its_share() -> None:
    """3 of 4 objects are covered by the only box: the likeliest chance is 3/4."""
    value = fit_rank_value(ranks((1, 1), (1, 1), (0, 1), (1, 1)))
    assert value.values(1) == pytest.approx([0.75], rel=1e-3)


def test_chances_that_a_curve_can_meet_exactly() -> None:
    """Of 12 objects the first box covers 6, the second 2 of the 6 left: 1/2 and 1/3."""
    value = fit_rank_value(ranks(*[(1, 2)] * 6, *[(2, 2)] * 2, *[(0, 2)] * 4))
    assert value.values(2) == pytest.approx([1 / 2, 1 / 3], rel=1e-3)


@pytest.mark.parametrize("true", [RankValue(0.02, 0, 0.6), RankValue(0.5, 5, 0.9), RankValue(3, 20, 1.2)])
def test_the_chances_it_was_drawn_by_are_found_again(true: RankValue) -> None:
    value = fit_rank_value(drawn(true, objects=20_000, length=300, seed=0))
    places = np.array([1, 3, 10, 30, 100]) - 1
    assert value.values(300)[places] == pytest.approx(true.values(300)[places], rel=0.1)


@pytest.mark.parametrize("seed", range(3))
def test_nothing_near_is_likelier(seed: int) -> None:
    found = drawn(RankValue(0.3, 3, 0.9), objects=150, length=40, seed=seed)
    best = fit_rank_value(found)
    for a in (0.9, 1, 1.1):
        for b in (0.8, 1, 1.25):
            for c in (0.95, 1, 1.05):
                other = RankValue(best.a * a, best.b * b, best.c * c)
                assert likelihood(other, found) <= likelihood(best, found) + 1e-3


def test_values_stay_chances_that_never_rise() -> None:
    """All covered at once; each at a later rank than the last; hardly any."""
    hardly_any = [(0, 9)] * 99
    for found in (ranks((1, 3), (1, 3)), ranks((2, 3), (3, 3)), ranks((9, 9), *hardly_any)):
        values = fit_rank_value(found).values(1000)
        assert ((values > 0) & (values < 1)).all()
        assert (np.diff(values) <= 0).all()


# Both lists together


def merged_coverage(search: FirstRanks, multibox: FirstRanks, calibration: MergeCalibration) -> float:
    """The slow obvious way: every object's own two lists merged, box after box."""
    covered = np.zeros(len(COUNTS))
    for s, s_length, m, m_length in zip(*both(search), *both(multibox), strict=True):
        boxes = [(-value, 1, rank) for rank, value in enumerate(calibration.search.values(s_length), start=1)]
        boxes += [(-value, 0, rank) for rank, value in enumerate(calibration.multibox.values(m_length), start=1)]
        order = [(which, rank) for _, which, rank in sorted(boxes)]
        covers = [place for place, box in enumerate(order, start=1) if box in ((1, s), (0, m))]
        covered += min(covers, default=np.inf) <= COUNTS
    return float(covered.mean() / len(search.first))


def both(found: FirstRanks) -> tuple[list[int], list[int]]:
    return found.first.tolist(), found.lengths.tolist()


@pytest.mark.parametrize("seed", range(4))
def test_mean_coverage_against_every_list_merged_by_itself(seed: int) -> None:
    search = drawn(RankValue(0.05, 2, 0.7), objects=30, length=60, seed=seed)
    multibox = drawn(RankValue(0.3, 1, 1), objects=30, length=20, seed=seed + 10)
    shorter = FirstRanks(np.where(multibox.first > 12, 0, multibox.first), np.where(np.arange(30) % 2, 12, 20))
    shorter = FirstRanks(np.minimum(shorter.first, shorter.lengths), shorter.lengths)
    equal = RankValue(0.3, 1, 1)
    for calibration in (UNCALIBRATED, MergeCalibration(RankValue(0.05, 2, 0.7), equal), MergeCalibration(equal, equal)):
        expected = merged_coverage(search, shorter, calibration)
        assert mean_coverage(search, shorter, calibration) == pytest.approx(expected)


def test_mean_coverage_of_nothing() -> None:
    assert np.isnan(mean_coverage(ranks(), ranks(), UNCALIBRATED))
    assert mean_coverage(ranks((0, 3)), ranks((0, 0)), UNCALIBRATED) == 0


def test_independent_lists_lose_nothing_by_being_fitted_together_and_the_same_again() -> None:
    search = drawn(RankValue(0.05, 2, 0.7), objects=500, length=100, seed=1)
    multibox = drawn(RankValue(0.5, 1, 1), objects=500, length=50, seed=2)
    before = search.first.copy()
    calibration, alone = fit(search, multibox), MergeCalibration(fit_rank_value(search), fit_rank_value(multibox))
    assert calibration.search == alone.search
    found, likeliest = (mean_coverage(search, multibox, one) for one in (calibration, alone))
    assert likeliest <= found <= likeliest + 0.02
    assert calibration == fit(search, multibox)
    np.testing.assert_array_equal(search.first, before)


def test_what_both_find_at_once_is_not_counted_twice() -> None:
    """Easy objects: MultiBox's rank 1 … 10, the search's twice that. Hard ones: the search's, or MultiBox's late."""
    rng = np.random.default_rng(0)
    easy = rng.integers(1, 11, 300)
    search = ranks(*[(2 * rank, 500) for rank in easy], *[(rank, 500) for rank in rng.integers(30, 500, 100)])
    multibox = ranks(*[(rank, 200) for rank in easy], *[(0, 200)] * 90, *[(rank, 200) for rank in range(150, 160)])
    alone = MergeCalibration(fit_rank_value(search), fit_rank_value(multibox))
    calibration = fit(search, multibox)
    assert mean_coverage(search, multibox, calibration) > mean_coverage(search, multibox, alone) + 0.01
    values = calibration.multibox.values(200)
    assert values[9] > calibration.search.values(1)[0], "nothing of the search before MultiBox's first ten"
    assert values[-1] < calibration.search.values(100)[-1], "MultiBox's last ones late"


def test_other_objects_in_one_list_are_refused() -> None:
    message = "ranks: expected those of the same objects, got 1 and 2"
    with pytest.raises(ValueError, match=message):
        fit(ranks((1, 2)), ranks((1, 2), (0, 2)))


@pytest.mark.parametrize("found", [ranks(), ranks((0, 3), (0, 0))])
def test_nothing_covered(found: FirstRanks) -> None:
    message = f"ranks: expected at least one object that is covered, got none of {len(found.first)}"
    with pytest.raises(ValueError, match=message):
        fit_rank_value(found)
