"""Two ranked lists as one."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from proposals import Proposals
from proposals.merged_proposals import UNCALIBRATED, MergeCalibration, RankValue, merge
from proposals.recall import box_overlaps


def ranked(*rows: tuple[float, ...]) -> Proposals:
    """Scores of no meaning beyond their order."""
    return Proposals(np.array(rows, np.float32).reshape(-1, 4), np.arange(0, -len(rows), -1).astype(np.float32))


def column(x: float) -> tuple[float, ...]:
    """Boxes of different x do not touch."""
    return (10 * x, 0, 10 * x + 8, 8)


def random_list(generator: np.random.Generator, count: int) -> Proposals:
    corners = generator.integers(0, 40, (count, 2))
    found = np.concatenate([corners, corners + generator.integers(15, 60, (count, 2))], axis=1)
    return ranked(*found.tolist())


# Values


def test_values_by_hand() -> None:
    """3 · (r + 2)^(−1): 3 / 3, 3 / 4, 3 / 5."""
    assert RankValue(3, 2, 1).values(3) == pytest.approx([1, 0.75, 0.6])
    assert RankValue(0.5, 0, 0).values(2).tolist() == [0.5, 0.5]
    assert RankValue(1, 0, 1).values(0).shape == (0,)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((0, 0, 1), "a: expected a finite number above 0, got 0"),
        ((1, -0.1, 1), "b: expected a finite number from 0 on, got -0.1"),
        ((1, 0, -1), "c: expected a finite number from 0 on, got -1"),
        ((3.1, 2, 1), "a: expected a first value of at most 1, a chance, got 1.03333"),
        ((float("inf"), 0, 1), "a: expected a finite number above 0, got inf"),
        ((1, 0, float("nan")), "c: expected a finite number from 0 on, got nan"),
    ],
)
def test_values_out_of_range(values: tuple[float, float, float], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        RankValue(*values)


# Merging


def test_by_hand() -> None:
    """Search 1/2, 1/4, 1/6; MultiBox 1.6 / 4 = .4, 1.6 / 5 = .32, 1.6 / 6 = .267, which go before the search's 1/4."""
    search, multibox = ranked(column(0), column(1), column(2)), ranked(column(5), column(6), column(7))
    calibration = MergeCalibration(search=RankValue(0.5, 0, 1), multibox=RankValue(1.6, 3, 1))
    found = merge(search, multibox, calibration)
    assert found.boxes[:, 0].tolist() == [0, 50, 60, 70, 10, 20]
    assert found.scores == pytest.approx([0.5, 0.4, 0.32, 1.6 / 6, 0.25, 0.5 / 3])


def test_a_box_of_both_stays_where_it_is_worth_more() -> None:
    """50 columns and 51 are near duplicates. MultiBox's is worth 1, the search's 0.1; then the other way round."""
    search, multibox = ranked((0, 0, 50, 50), column(9)), ranked((0, 0, 51, 50), column(8))
    low, high = RankValue(0.1, 0, 1), RankValue(1.0, 0, 1)
    found = merge(search, multibox, MergeCalibration(search=low, multibox=high))
    assert found.boxes.tolist() == [[0, 0, 51, 50], list(column(8)), list(column(9))]
    found = merge(search, multibox, MergeCalibration(search=high, multibox=low))
    assert found.boxes.tolist() == [[0, 0, 50, 50], list(column(9)), list(column(8))]
    apart = merge(search, multibox, MergeCalibration(search=high, multibox=low), duplicate_iou=0.99)
    assert len(apart) == 4


def test_near_duplicates_within_a_list_go_too() -> None:
    assert len(merge(ranked((0, 0, 50, 50), (0, 0, 50, 49)), ranked(), UNCALIBRATED)) == 1


def test_uncalibrated_lists_take_turns_and_multibox_begins() -> None:
    search, multibox = ranked(column(0), column(1), column(2)), ranked(column(5), column(6))
    found = merge(search, multibox, UNCALIBRATED)
    assert found.boxes[:, 0].tolist() == [50, 0, 60, 10, 20]
    assert found.scores == pytest.approx([1, 1, 0.5, 0.5, 1 / 3])


def test_equal_values_keep_the_order_of_the_list() -> None:
    flat = MergeCalibration(RankValue(0.5, 0, 0), RankValue(0.5, 0, 0))
    found = merge(ranked(column(2), column(0)), ranked(column(7), column(5)), flat)
    assert found.boxes[:, 0].tolist() == [70, 50, 20, 0]


@pytest.mark.parametrize(("of_search", "of_multibox"), [(0, 0), (0, 3), (3, 0)])
def test_an_empty_list_leaves_the_other(of_search: int, of_multibox: int) -> None:
    search = ranked(*[column(x) for x in range(of_search)])
    multibox = ranked(*[column(x) for x in range(of_multibox)])
    found = merge(search, multibox, UNCALIBRATED)
    assert found.boxes.tolist() == (search.boxes if of_search else multibox.boxes).tolist()
    assert found.boxes.shape == (max(of_search, of_multibox), 4)


@pytest.mark.parametrize("seed", range(4))
def test_equal_to_the_slow_loop(seed: int) -> None:
    """Again and again the box of the larger value from the head of a list, unless it nearly equals one taken."""
    generator = np.random.default_rng(seed)
    search, multibox = random_list(generator, 150), random_list(generator, 40)
    before = search.boxes.copy(), multibox.boxes.copy()
    calibration = MergeCalibration(RankValue(0.3, 4, 0.8), RankValue(0.9, 2, 1.1))
    heads, taken, values = [0, 0], np.zeros((0, 4)), []
    lists, curves = (multibox, search), (calibration.multibox, calibration.search)
    while heads != [40, 150]:
        next_values = [
            curve.a * (head + 1 + curve.b) ** -curve.c if head < len(one) else -1.0
            for one, curve, head in zip(lists, curves, heads, strict=True)
        ]
        chosen = int(np.argmax(next_values))
        box = lists[chosen].boxes[heads[chosen]]
        heads[chosen] += 1
        if not (box_overlaps(box[None], taken) >= 0.7).any():
            taken = np.concatenate([taken, box[None]])
            values.append(next_values[chosen])
    found = merge(search, multibox, calibration, duplicate_iou=0.7)
    assert found.boxes.tolist() == taken.tolist()
    assert found.scores == pytest.approx(values)
    assert len(found) < 190
    np.testing.assert_array_equal(search.boxes, before[0])
    np.testing.assert_array_equal(multibox.boxes, before[1])


def test_an_iou_out_of_range() -> None:
    with pytest.raises(ValueError, match=r"iou: expected a number above 0, at most 1, got 1\.5"):
        merge(ranked(), ranked(), UNCALIBRATED, duplicate_iou=1.5)


def test_the_order_is_the_best_there_is_where_the_lists_are_independent() -> None:
    """The law behind the values: chances of the objects that are left, so no other order of the lists covers more."""
    calibration = MergeCalibration(RankValue(0.2, 1, 0.9), RankValue(0.6, 0, 1.2))
    count = 7
    left = [np.concatenate([[1.0], np.cumprod(1 - one.values(count))]) for one in _curves(calibration)]
    search, multibox = ranked(*map(column, range(count))), ranked(*map(column, range(20, 20 + count)))
    of_multibox = np.cumsum(merge(search, multibox, calibration).boxes[:, 0] >= 200)
    for first in range(2 * count + 1):
        taken = int(of_multibox[first - 1]) if first else 0
        possible = range(max(0, first - count), min(first, count) + 1)
        uncovered = [left[0][first - m] * left[1][m] for m in possible]
        assert left[0][first - taken] * left[1][taken] == pytest.approx(min(uncovered))


def _curves(calibration: MergeCalibration) -> list[Any]:
    return [calibration.search, calibration.multibox]
