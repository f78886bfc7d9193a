"""Areas under curves, by hand and against the devkit's loop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scoring_cases import curve, voc_ap

from detect.scoring.average_precision import area, eleven_points, envelope, hundred_and_one_points, precision_recall


def test_precision_and_recall_by_hand() -> None:
    hits, misses = np.array([False, True, False, True]), np.array([False, False, True, False])
    precision, recall = precision_recall(hits, misses, 4)
    np.testing.assert_allclose(precision, [0, 1, 1 / 2, 2 / 3])  # 0/0 first
    np.testing.assert_allclose(recall, [0, 1 / 4, 1 / 4, 2 / 4])
    np.testing.assert_allclose(envelope(precision), [1, 1, 2 / 3, 2 / 3])
    assert area(precision, recall) == pytest.approx(1 / 4 + 1 / 4 * 2 / 3)


def test_a_hundred_and_one_points_by_hand() -> None:
    """Right, wrong, right of three: best precision 1 up to recall 1/3, 2/3 up to 2/3: 34 and 33 of 101 levels."""
    hits = np.array([True, False, True])
    value = hundred_and_one_points(*precision_recall(hits, ~hits, 3))
    assert value == pytest.approx((34 * 1 + 33 * 2 / 3) / 101, abs=1e-15)
    assert hundred_and_one_points(*precision_recall(hits[:1], ~hits[:1], 1)) == 1


def test_nothing() -> None:
    none = np.array([], np.bool_)
    precision, recall = precision_recall(none, none, 3)
    assert (len(precision), len(recall)) == (0, 0)
    assert area(precision, recall) == 0
    assert eleven_points(precision, none, 3) == 0
    assert hundred_and_one_points(precision, recall) == 0
    assert precision_recall(~none, none, 0)[1].tolist() == []
    assert precision_recall(np.array([False]), np.array([True]), 0)[1].tolist() == [0]


@given(st.lists(st.sampled_from(["hit", "miss", "ignored"]), max_size=30), st.integers(0, 5))
def test_area_is_the_devkits(outcomes: list[str], missed: int) -> None:
    total = outcomes.count("hit") + missed
    if total == 0:
        return
    hits, misses = (np.array([one == kind for one in outcomes], np.bool_) for kind in ("hit", "miss"))
    ours = area(*precision_recall(hits, misses, total))
    assert ours == pytest.approx(voc_ap(*curve(outcomes, total)), abs=1e-12)
    assert 0 <= ours <= 1
