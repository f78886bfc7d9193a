"""The loss of a batch and what is counted: by hand, and which way the mask pushes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from tiny_training import OUTPUTS, TinyOutputs, tiny_objective
from torch import Tensor

from detect.training.objective import SUMS
from detect.training.region_samples import RegionBatch


def region_batch(
    targets: list[int], deltas: float = 0.0, regress: list[bool] | None = None, near: list[bool] | None = None
) -> RegionBatch:
    count = len(targets)
    return RegionBatch(
        regions=torch.zeros(count, 3, 6, 6),
        targets=torch.tensor(targets, dtype=torch.int64),
        deltas=torch.full((count, 4), deltas),
        regress=torch.tensor(regress or [False] * count, dtype=torch.bool),
        near=torch.tensor(near or [False] * count, dtype=torch.bool),
        slots=torch.arange(count),
    )


def flat(count: int) -> Tensor:
    return torch.zeros(count, OUTPUTS)  # left 2/5, right 1/5, background 2/5


def test_terms_weights_and_counts_by_hand() -> None:
    outputs = TinyOutputs(flat(3), (flat(3), flat(3)), torch.ones(3, 4))
    objective = tiny_objective(auxiliary=0.3, box_weight=2.0)
    loss, sums = objective(outputs, region_batch([0, 1, 2], regress=[True, False, False]))
    classes = math.log(5 / 2) + math.log(5) + math.log(5 / 2)
    boxes = 4 * 0.5
    found = dict(zip(SUMS, sums.tolist(), strict=True))
    expected = {
        "class_loss": classes,
        "auxiliary_loss": 2 * classes,
        "box_loss": boxes,
        "distillation_loss": 0,
        "fit_loss": 0,
    }
    expected |= {"right": 1, "foreground": 2, "regions": 3}  # a tie of left and background is left's
    assert found == pytest.approx(expected)
    assert loss.item() == pytest.approx(classes + 0.3 * 2 * classes + 2 * boxes)
    assert not sums.requires_grad
    assert sums.dtype == torch.float64


def test_without_auxiliary_classifiers_and_boxes() -> None:
    loss, sums = tiny_objective()(TinyOutputs(flat(1), (), None), region_batch([1]))
    assert loss.item() == pytest.approx(math.log(5))
    assert sums[1:4].tolist() == [0, 0, 0]


def test_boxes_of_a_class_learn_from_regions_of_that_class_alone() -> None:
    deltas = torch.zeros(3, 8, requires_grad=True)
    outputs = TinyOutputs(flat(3), (), deltas)
    loss, _ = tiny_objective(per_class=True)(outputs, region_batch([1, 2, 3], deltas=0.5, regress=[True] * 3))
    loss.backward()
    assert deltas.grad is not None
    assert deltas.grad.tolist() == [[0, 0, 0, 0, -0.5, -0.5, -0.5, -0.5], [0] * 8, [0] * 8]


def test_a_masked_background_region_does_not_push_down_what_may_be_there() -> None:
    logits = flat(1).requires_grad_()
    for target, sign in ((2, 1), (3, -1)):  # background alone; background or left
        loss, _ = tiny_objective()(TinyOutputs(logits, (), None), region_batch([target]))
        (gradient,) = torch.autograd.grad(loss, logits)
        assert np.sign(gradient[0, 0].item()) == sign  # an output of left
        assert gradient[0, 2] > 0  # right is not there


def test_no_regions() -> None:
    loss, sums = tiny_objective()(TinyOutputs(flat(0), (flat(0),), torch.zeros(0, 4)), region_batch([]))
    assert loss.item() == 0
    assert sums.tolist() == [0] * len(SUMS)


def test_fit_counts_near_regions_and_the_corrections() -> None:
    """A region that is its object, one whose correction spoils it, one that is regressed but not near."""
    corrections = torch.tensor([[0.0, 0, 0, 0], [8, 0, 0, 0], [0, 0, 0, 0]])  # by 0.8 of its width: IoU 1 / 9
    odds = torch.full((3,), math.log(3))
    outputs = TinyOutputs(flat(3), (), torch.zeros(3, 4), odds, corrections)
    batch = region_batch([0, 1, 2], regress=[False, False, True], near=[True, True, False])
    loss, sums = tiny_objective()(outputs, batch)
    expected = -math.log(0.75) - math.log(0.25)
    found = dict(zip(SUMS, sums.tolist(), strict=True))
    assert found["fit_loss"] == pytest.approx(expected)
    assert float(loss) == pytest.approx(found["class_loss"] + expected)
    none = TinyOutputs(flat(0), (), None, torch.zeros(0), None)
    assert tiny_objective()(none, region_batch([]))[1].tolist() == [0] * len(SUMS)
