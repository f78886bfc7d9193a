"""Suppression with votes and nested boxes: by hand, and what a threshold or a limit may not change."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from test_box_voting import random_case

from detect.suppression import suppress


def test_votes_and_nested_boxes_by_hand() -> None:
    boxes = torch.tensor(
        [
            [0.0, 0, 40, 40],
            [0, 0, 40, 30],  # overlaps the first by 3 / 4: is dropped, and has a vote
            [0, 0, 10, 10],  # lies in the first
            [60, 0, 70, 10],
        ]
    )
    probs = torch.tensor([[0.9], [0.45], [0.8], [0.5]])
    plain = suppress(boxes, probs, min_score=0.3)
    assert plain.boxes.tolist() == boxes[[0, 2, 3]].tolist()
    found = suppress(boxes, probs, min_score=0.3, vote_iou=0.5, nested_factor=0.5)
    # (0.9 · 40 + 0.45 · 30) / 1.35; half of 0.8 is less than 0.5
    np.testing.assert_allclose(found.boxes, [[0, 0, 40, 49.5 / 1.35], [60, 0, 70, 10], [0, 0, 10, 10]], rtol=1e-6)
    np.testing.assert_allclose(found.scores, [0.9, 0.5, 0.4], rtol=1e-6)
    shown = suppress(boxes, probs, min_score=0.5, vote_iou=0.5, nested_factor=0.5)
    np.testing.assert_array_equal(shown.boxes, found.boxes[:2])  # with the vote of a region below the threshold
    np.testing.assert_array_equal(shown.scores, found.scores[:2])


def test_two_that_votes_move_onto_one_object_are_nested() -> None:
    """By hand: the second overlaps the first by 18 / 62, and votes with the region between them."""
    boxes = torch.tensor([[0.0, 0, 40, 40], [6, 0, 46, 40], [22, 0, 62, 40]])
    probs = torch.tensor([[0.9], [0.85], [0.35]])
    apart = suppress(boxes, probs, min_score=0.1, nested_factor=0.5)
    np.testing.assert_allclose(apart.scores, [0.9, 0.35], rtol=1e-6)
    found = suppress(boxes, probs, min_score=0.1, vote_iou=0.4, nested_factor=0.5)
    first, second = 0.85 * 6 / 1.75, (0.85 * 6 + 0.35 * 22) / 1.2  # 32.2 of the second's 40 lie in the first
    np.testing.assert_allclose(found.boxes, [[first, 0, first + 40, 40], [second, 0, second + 40, 40]], rtol=1e-6)
    np.testing.assert_allclose(found.scores, [0.9, 0.175], rtol=1e-6)


def test_one_that_votes_move_out_of_another_stays_nested() -> None:
    """By hand: the second lies in the first, and votes with the region beside it."""
    boxes = torch.tensor([[0.0, 0, 100, 40], [72, 0, 100, 40], [80, 0, 120, 40]])
    probs = torch.tensor([[0.9], [0.8], [0.7]])
    found = suppress(boxes, probs, min_score=0.1, vote_iou=0.4, nested_factor=0.5)
    left, right = (0.8 * 72 + 0.7 * 80) / 1.5, (0.8 * 100 + 0.7 * 120) / 1.5  # 24.3 of 33.6 still lie in the first
    np.testing.assert_allclose(found.boxes, [[0, 0, 100, 40], [left, 0, right, 40]], rtol=1e-6)
    np.testing.assert_allclose(found.scores, [0.9, 0.4], rtol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_a_higher_threshold_shows_the_same_but_fewer(seed: int) -> None:
    """And so does a lower limit."""
    _, _, boxes, probs = random_case(seed, n=40, k=3)
    before = boxes.clone(), probs.clone()
    every = suppress(boxes, probs, min_score=0.0, vote_iou=0.4, nested_factor=0.5, max_detections=1000)
    assert torch.equal(boxes, before[0])
    assert torch.equal(probs, before[1])
    for least in (0.2, 0.5, 0.9):
        some = suppress(boxes, probs, min_score=least, vote_iou=0.4, nested_factor=0.5, max_detections=1000)
        kept = every.scores >= np.float32(least)
        np.testing.assert_array_equal(some.boxes, every.boxes[kept])
        np.testing.assert_array_equal(some.scores, every.scores[kept])
        np.testing.assert_array_equal(some.labels, every.labels[kept])
    few = suppress(boxes, probs, min_score=0.0, vote_iou=0.4, nested_factor=0.5, max_detections=5)
    np.testing.assert_array_equal(few.boxes, every.boxes[:5])
    np.testing.assert_array_equal(few.scores, every.scores[:5])
