from __future__ import annotations

import itertools

import numpy as np
import pytest

from detect.score_page.curve_points import COLUMNS, TOLERANCE, BestF1, best_f1, curve_points
from detect.scoring.average_precision import area, envelope, precision_recall


def curve(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    hits = rng.random(count) < np.linspace(0.95, 0.02, count)
    return precision_recall(hits, ~hits, int(hits.sum()) + 5)


def distance(point: np.ndarray, line: np.ndarray) -> float:
    """The slow way: to each stretch in turn."""
    best = np.inf
    for a, b in itertools.pairwise(line):
        along = b - a
        share = np.clip((point - a) @ along / max(along @ along, 1e-30), 0, 1)
        best = min(best, float(np.linalg.norm(point - a - share * along)))
    return best


@pytest.mark.parametrize(("seed", "count"), [(0, 2), (1, 10), (2, 300), (3, 2000)])
def test_every_point_lies_on_the_line_that_is_drawn(seed: int, count: int) -> None:
    precision, recall = curve(seed, count)
    kept = curve_points(precision, recall)
    assert kept[0] == 0
    assert kept[-1] == count - 1
    assert np.all(np.diff(kept) > 0)
    points = np.column_stack((recall, precision))
    assert max(distance(point, points[kept]) for point in points[:: max(1, count // 300)]) <= TOLERANCE + 1 / COLUMNS


@pytest.mark.parametrize("seed", range(4))
def test_a_long_curve_becomes_short_and_keeps_its_area(seed: int) -> None:
    precision, recall = curve(seed, 60_000)
    kept = curve_points(precision, recall)
    assert len(kept) < 400
    levels = np.linspace(0, recall[-1], 20_001)
    drawn = envelope(np.interp(levels, recall[kept], precision[kept]))
    assert float(drawn.mean() * recall[-1]) == pytest.approx(area(precision, recall), abs=0.002)


def test_a_curve_by_hand() -> None:
    """Ten hits in a row are one straight line; so are the misses that follow, straight down."""
    precision = np.array([*[1.0] * 10, *[10 / n for n in range(11, 21)]])
    recall = np.array([*np.arange(1, 11) / 10, *[1.0] * 10])
    assert curve_points(precision, recall).tolist() == [0, 9, 19]


def test_nothing_and_one_point() -> None:
    assert curve_points(np.empty(0), np.empty(0)).tolist() == []
    assert curve_points(np.array([0.5]), np.array([0.25])).tolist() == [0]
    assert curve_points(np.zeros(3), np.zeros(3)).tolist() == [0, 2]


def test_best_f1_by_hand() -> None:
    """Hit, miss, hit of 4 objects: P 1, 1/2, 2/3; R 1/4, 1/4, 1/2; F1 2/5, 1/3, 4/7."""
    precision, recall = np.array([1, 1 / 2, 2 / 3]), np.array([1 / 4, 1 / 4, 1 / 2])
    best = best_f1(precision, recall, np.array([0.9, 0.8, 0.7]))
    assert best == BestF1(pytest.approx(4 / 7), pytest.approx(2 / 3), 0.5, 0.7)


def test_a_threshold_takes_all_of_the_same_score() -> None:
    """The first of two detections with score 0.9 would be best alone, which no threshold can do."""
    precision, recall = np.array([1.0, 0.5]), np.array([1.0, 1.0])
    best = best_f1(precision, recall, np.array([0.9, 0.9]))
    assert best is not None
    assert (best.f1, best.precision) == (pytest.approx(2 / 3), 0.5)
    alone = best_f1(precision, recall, None)
    assert alone is not None
    assert (alone.f1, alone.score) == (1.0, None)


@pytest.mark.parametrize("scores", [None, np.array([0.5, 0.4])])
def test_no_f1_where_nothing_is_found(scores: np.ndarray | None) -> None:
    assert best_f1(np.zeros(2), np.zeros(2), scores) is None
    assert best_f1(np.empty(0), np.empty(0), scores if scores is None else scores[:0]) is None
