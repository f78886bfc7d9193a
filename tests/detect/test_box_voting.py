"""Boxes moved by votes: by hand, against a loop, and what must not change."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torchvision.ops import box_iou

from detect import box_voting
from detect.box_voting import overlaps, voted_boxes


def random_case(seed: int, n: int, k: int, *, per_class: bool = False) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Detected boxes of n regions' most probable classes, their labels, and all boxes and probabilities."""
    generator = torch.Generator().manual_seed(seed)
    shape = (n, k, 2) if per_class else (n, 2)
    corners = torch.rand(shape, generator=generator) * 60
    boxes = torch.cat([corners, corners + 5 + torch.rand(shape, generator=generator) * 50], dim=-1)
    probs = torch.rand(n, k, generator=generator)
    labels = probs.argmax(dim=1)
    detected = boxes[torch.arange(n), labels] if per_class else boxes
    return detected, labels, boxes, probs


def one_after_the_other(detected: Tensor, labels: Tensor, boxes: Tensor, probs: Tensor, vote_iou: float) -> Tensor:
    """Gidaris and Komodakis, equation 5, word for word."""
    moved = []
    for box, label in zip(detected.double(), labels.tolist(), strict=True):
        total, weights = torch.zeros(4, dtype=torch.float64), 0.0
        for row in range(len(probs)):
            voter = (boxes[row] if boxes.ndim == 2 else boxes[row, label]).double()
            if box_iou(box[None], voter[None]).item() >= vote_iou:
                total += voter * probs[row, label].item()
                weights += probs[row, label].item()
        moved.append(total / weights)
    return torch.stack(moved).float()


def test_by_hand() -> None:
    """The second overlaps the first by 80 / 100 and has half of its probability; the third by nothing."""
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 8], [20, 0, 30, 10]])
    probs = torch.tensor([[0.8, 0.1], [0.4, 0.9], [0.7, 0.3]])
    moved = voted_boxes(boxes[:1], torch.tensor([0]), boxes, probs, 0.8)
    # (0.8 · 10 + 0.4 · 8) / 1.2
    torch.testing.assert_close(moved, torch.tensor([[0.0, 0, 10, 11.2 / 1.2]]))
    moved = voted_boxes(boxes[:1], torch.tensor([1]), boxes, probs, 0.8)  # of the other class, with its votes
    torch.testing.assert_close(moved, torch.tensor([[0.0, 0, 10, 8.2]]))
    assert torch.equal(voted_boxes(boxes[:1], torch.tensor([0]), boxes, probs, 0.81), boxes[:1])


@pytest.mark.parametrize("per_class", [False, True])
@pytest.mark.parametrize("vote_iou", [0.0, 0.3, 0.5, 0.9])
def test_against_a_loop(vote_iou: float, per_class: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(3):
        case = random_case(seed, 25, 3, per_class=per_class)
        before = [one.clone() for one in case]
        expected = one_after_the_other(*case, vote_iou)
        torch.testing.assert_close(voted_boxes(*case, vote_iou), expected)
        assert all(torch.equal(a, b) for a, b in zip(case, before, strict=True)), "inputs stay"
        monkeypatch.setattr(box_voting, "AT_ONCE", 7)
        torch.testing.assert_close(voted_boxes(*case, vote_iou), expected)
        monkeypatch.undo()


def test_edges() -> None:
    detected, labels, boxes, probs = random_case(0, 5, 2)
    none = voted_boxes(detected[:0], labels[:0], boxes, probs, 0.5)
    assert none.shape == (0, 4)
    same = voted_boxes(detected, labels, boxes, probs, 1.0)
    assert torch.equal(same, detected)
    assert same.data_ptr() != detected.data_ptr()
    silent = torch.zeros_like(probs)
    torch.testing.assert_close(voted_boxes(detected, labels, boxes, silent, 0.5), detected)
    off_image = torch.full_like(probs, -1.0)  # what box regression says of a box with nothing on the image
    torch.testing.assert_close(voted_boxes(detected, labels, boxes, off_image, 0.5), detected)


def test_boxes_stay_among_those_that_vote() -> None:
    detected, labels, boxes, probs = random_case(1, 40, 2)
    moved = voted_boxes(detected, labels, boxes, probs, 0.2)
    assert (moved[:, :2] >= boxes[:, :2].min(dim=0).values).all()
    assert (moved[:, 2:] <= boxes[:, 2:].max(dim=0).values).all()
    shuffled = torch.randperm(40, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(voted_boxes(detected, labels, boxes[shuffled], probs[shuffled], 0.2), moved)


def test_overlaps_are_torchvision_s() -> None:
    detected, _, boxes, _ = random_case(2, 30, 2)
    torch.testing.assert_close(overlaps(detected[:, None], boxes[None]), box_iou(detected, boxes))
    flat = torch.tensor([[1.0, 1, 1, 5]])
    assert overlaps(flat, flat).item() == 0.0  # torchvision's is not a number
