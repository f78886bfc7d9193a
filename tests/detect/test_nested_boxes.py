"""Detections inside better ones of their class."""

from __future__ import annotations

import pytest
import torch

from detect.nested_boxes import NESTED, is_nested


def test_by_hand() -> None:
    boxes = torch.tensor(
        [
            [0.0, 0, 100, 100],
            [10, 10, 30, 30],  # in the first
            [10, 10, 30, 30],  # of another class
            [80, 0, 180, 100],  # a fifth of each lies in the other
            [-50, -50, 150, 150],  # around the first
            [0, 0, 20, 20],  # in the first and in the one around it
            [300, 300, 310, 310],
        ]
    )
    labels = torch.tensor([0, 0, 1, 0, 0, 0, 0])
    assert is_nested(boxes, labels).tolist() == [False, True, False, False, True, True, False]


@pytest.mark.parametrize(("inside", "nested"), [(79, False), (80, True), (81, True)])
def test_either_side_of_the_threshold(inside: int, nested: bool) -> None:
    """Of the smaller box, 10 x 100, so many columns of ten lie in the larger one."""
    assert NESTED == 0.8
    larger, smaller = [0.0, 0, 100, 100], [100.0 - inside, 0, 200.0 - inside, 10]
    for boxes in ([larger, smaller], [smaller, larger]):
        assert is_nested(torch.tensor(boxes), torch.tensor([3, 3])).tolist() == [False, nested]


def test_edges() -> None:
    assert is_nested(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64)).tolist() == []
    assert is_nested(torch.tensor([[0.0, 0, 9, 9]] * 2), torch.tensor([0, 0])).tolist() == [False, True]
    flat = torch.tensor([[0.0, 0, 9, 9], [1, 1, 1, 5]])
    assert is_nested(flat, torch.tensor([0, 0])).tolist() == [False, False]


@pytest.mark.parametrize("seed", range(5))
def test_against_pairs(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(40, 2, generator=generator) * 50
    boxes = torch.cat([corners, corners + 1 + torch.rand(40, 2, generator=generator) * 60], dim=1)
    labels = torch.randint(0, 3, (40,), generator=generator)
    before = boxes.clone()
    expected = []
    for row, (x1, y1, x2, y2) in enumerate(boxes.double().tolist()):
        found = False
        for other, (u1, v1, u2, v2) in enumerate(boxes[:row].double().tolist()):
            common = max(0.0, min(x2, u2) - max(x1, u1)) * max(0.0, min(y2, v2) - max(y1, v1))
            smaller = min((x2 - x1) * (y2 - y1), (u2 - u1) * (v2 - v1))
            found |= bool(labels[other] == labels[row]) and common >= NESTED * smaller
        expected.append(found)
    assert is_nested(boxes, labels).tolist() == expected
    assert torch.equal(boxes, before)
    assert any(expected)
    assert not all(expected)
