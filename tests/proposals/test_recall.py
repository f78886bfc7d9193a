"""Coverage, ABO, MABO and AR, against loops that follow the papers' words."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision.ops import box_iou

from proposals.recall import (
    BUDGETS,
    average_best_overlap,
    average_recall,
    best_overlaps,
    box_overlaps,
    class_average_best_overlap,
    mean_average_best_overlap,
    recall,
)

NOTHING = np.zeros((0, 4))


def random_boxes(rng: np.random.Generator, count: int, *, integers: bool = False) -> np.ndarray:
    corners = rng.integers(0, 12, (count, 2, 2)) if integers else rng.uniform(0, 100, (count, 2, 2))
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1).astype(np.float64)


def iou(one: np.ndarray, other: np.ndarray) -> float:
    """Pascal's words: area of intersection over area of union."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return width * height / (areas[0] + areas[1] - width * height)


def test_overlaps_by_hand() -> None:
    boxes = np.array([[0, 0, 10, 10], [5, 5, 5, 9], [8, 8, 2, 2]], np.float64)  # no width; reversed
    others = np.array([[0, 0, 10, 10], [0, 0, 10, 5], [5, 5, 15, 15], [10, 0, 20, 10]], np.float64)
    # 50 of 100; 25 of 100 + 100 - 25; edges that touch share nothing.
    assert box_overlaps(boxes, others).tolist() == [[1, 0.5, 25 / 175, 0], [0] * 4, [0] * 4]


@pytest.mark.parametrize("seed", range(5))
def test_overlaps_against_a_loop_and_torchvision(seed: int) -> None:
    rng = np.random.default_rng(seed)
    boxes, others = random_boxes(rng, 7), random_boxes(rng, 30)
    before = boxes.copy(), others.copy()
    found = box_overlaps(boxes, others)
    assert np.allclose(found, [[iou(one, other) for other in others] for one in boxes], rtol=1e-12)
    assert np.allclose(found, box_iou(torch.tensor(boxes), torch.tensor(others)).numpy(), rtol=1e-12)
    assert np.array_equal(boxes, before[0])
    assert np.array_equal(others, before[1])


@pytest.mark.parametrize("seed", range(5))
def test_best_overlaps_against_a_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = random_boxes(rng, 5, integers=True)
    boxes = random_boxes(rng, 40, integers=True).astype(np.float32)
    budgets = (100, 1, 3, None, 39, 40)
    found = best_overlaps(truth, boxes, budgets)
    assert found.shape == (6, 5)
    for row, budget in zip(found, budgets, strict=True):
        first = boxes[: 40 if budget is None else budget]
        expected = [max(iou(one, other) for other in first) for one in truth]
        assert np.allclose(row, expected, rtol=1e-12)


def test_no_boxes_and_no_objects() -> None:
    one = np.array([[0, 0, 4, 4]], np.float32)
    assert best_overlaps(one, NOTHING).tolist() == [[0.0]] * len(BUDGETS)
    assert best_overlaps(NOTHING, one).shape == (len(BUDGETS), 0)
    assert best_overlaps(NOTHING, NOTHING).shape == (len(BUDGETS), 0)


def test_shapes_and_budgets_that_are_wrong() -> None:
    with pytest.raises(ValueError, match=r"boxes: expected \(N, 4\), got \(4,\)"):
        box_overlaps(np.zeros(4), NOTHING)
    with pytest.raises(ValueError, match=r"others: expected \(N, 4\), got \(2, 5\)"):
        box_overlaps(NOTHING, np.zeros((2, 5)))
    with pytest.raises(ValueError, match=r"budgets: expected at least 1 each, got \[10, 0\]"):
        best_overlaps(NOTHING, NOTHING, (10, 0))


# Four objects: two cats (0), one dog (1), one bat (3); nothing is of class 2.
OVERLAPS = np.array([[0.5, 1.0, 0.25, 0.7], [0.0, 0.0, 0.0, 0.0]])
LABELS = np.array([0, 0, 1, 3])


def test_all_figures_by_hand() -> None:
    assert recall(OVERLAPS, 0.5).tolist() == [3 / 4, 0]  # exactly 0.5 counts
    assert recall(OVERLAPS, np.nextafter(0.5, 1)).tolist() == [2 / 4, 0]
    assert recall(OVERLAPS, [0.0, 0.7, 1.0]).tolist() == [[1, 2 / 4, 1 / 4], [1, 0, 0]]
    assert np.allclose(average_best_overlap(OVERLAPS), [2.45 / 4, 0])
    per_class = class_average_best_overlap(OVERLAPS, LABELS, 4)
    assert np.allclose(per_class[0], [0.75, 0.25, np.nan, 0.7], equal_nan=True)
    assert np.allclose(mean_average_best_overlap(OVERLAPS, LABELS, 4), [(0.75 + 0.25 + 0.7) / 3, 0])
    # 2/4 · (0 + 0.5 + 0 + 0.2)
    assert np.allclose(average_recall(OVERLAPS), [0.35, 0])


@pytest.mark.parametrize("seed", range(5))
def test_average_recall_is_the_area_under_the_curve(seed: int) -> None:
    """Hosang's words, with a fine sum in place of the integral."""
    overlaps = np.random.default_rng(seed).uniform(0, 1, 50)
    steps = 20_000
    middles = 0.5 + (np.arange(steps) + 0.5) * 0.5 / steps
    area = sum(np.mean(overlaps >= one) for one in middles) * 0.5 / steps
    assert average_recall(overlaps) == pytest.approx(2 * area, abs=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_class_means_against_a_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    overlaps, labels = rng.uniform(0, 1, 30), rng.integers(0, 6, 30)
    sums: dict[int, list[float]] = {}
    for overlap, label in zip(overlaps, labels, strict=True):
        sums.setdefault(int(label), []).append(float(overlap))
    means = [sum(values) / len(values) for values in sums.values()]
    assert mean_average_best_overlap(overlaps, labels, 9) == pytest.approx(sum(means) / len(means))


def test_without_objects_there_is_no_figure() -> None:
    empty, labels = np.zeros((2, 0)), np.zeros(0, np.int64)
    for figure in (
        recall(empty, 0.5),
        average_best_overlap(empty),
        average_recall(empty),
        mean_average_best_overlap(empty, labels, 3),
    ):
        assert figure.shape == (2,)
        assert np.isnan(figure).all()
    assert np.isnan(recall(empty, [0.5, 0.7])).all()
    assert class_average_best_overlap(empty, labels, 3).shape == (2, 3)


@given(st.integers(0, 2**32 - 1), st.integers(0, 5), st.integers(0, 12))
def test_laws(seed: int, objects: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    truth, boxes = random_boxes(rng, objects), random_boxes(rng, count)
    budgets = (1, 2, 5, 12, None)
    found = best_overlaps(truth, boxes, budgets)
    assert np.all((found >= 0) & (found <= 1))
    assert np.all(np.diff(found, axis=0) >= 0)  # more boxes never find less
    assert np.array_equal(found[-2], found[-1])
    everything = best_overlaps(truth, rng.permutation(boxes), (None,))[0]
    assert np.array_equal(everything, found[-1])  # the order counts only below a budget
    order = rng.permutation(objects)
    assert np.array_equal(best_overlaps(truth[order], boxes, budgets), found[:, order])
    assert np.allclose(best_overlaps(truth * 3 + 7, boxes * 3 + 7, budgets), found, atol=1e-9)
    with_truth = best_overlaps(truth, np.concatenate([truth, boxes]), (None,))
    assert np.array_equal(with_truth, np.ones((1, objects)))
    if objects:
        assert np.all(recall(found, 0.5) >= average_recall(found))
        assert np.all(np.diff(recall(found, np.linspace(0, 1, 11))) <= 0)
