"""The cost of a region: cases worked by hand, slow oracles, laws, and the ends of the number range."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_training import ALLOWED, CLASSES, OUTPUTS
from torch import Tensor

from detect.class_tables import DetectionClass, ilsvrc_detection_classes
from detect.training.losses import (
    allowed_outputs,
    box_loss,
    log_weights,
    memberships,
    outcome_loss,
    right_outcomes,
    single_classes,
)


def slow_outcome_loss(logits: Tensor, allowed: Tensor, targets: Tensor) -> list[float]:
    losses = []
    for row, target in zip(logits.double().tolist(), targets.tolist(), strict=True):
        exponents = [math.exp(one - max(row)) for one in row]
        right = sum(one for one, is_right in zip(exponents, allowed[target].tolist(), strict=True) if is_right)
        losses.append(-math.log(right / sum(exponents)))
    return losses


def as_weights(allowed: Tensor) -> Tensor:
    """What is right counts in full, the rest not at all."""
    return torch.zeros(allowed.shape).masked_fill(~allowed, -torch.inf)


def random_case(seed: int, regions: int = 7, outputs: int = 6, targets: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    allowed = torch.rand(targets, outputs, generator=generator) < 0.5
    allowed[:, seed % outputs] = True
    logits = 3 * torch.randn(regions, outputs, generator=generator)
    return logits, allowed, torch.randint(0, targets, (regions,), generator=generator)


def test_the_loss_of_a_region_by_hand() -> None:
    logits = torch.tensor([[0.0, math.log(2), math.log(3)]])  # probabilities 1/6, 2/6, 3/6
    allowed = torch.tensor([[True, False, True], [False, True, False]])
    assert outcome_loss(logits, as_weights(allowed), torch.tensor([0])).item() == pytest.approx(math.log(6 / 4))
    assert outcome_loss(logits, as_weights(allowed), torch.tensor([1])).item() == pytest.approx(math.log(6 / 2))


@pytest.mark.parametrize("seed", range(5))
def test_the_loss_against_the_slow_sum(seed: int) -> None:
    logits, allowed, targets = random_case(seed)
    before = logits.clone()
    loss = outcome_loss(logits, as_weights(allowed), targets)
    torch.testing.assert_close(loss, torch.tensor(slow_outcome_loss(logits, allowed, targets)), rtol=1e-5, atol=1e-6)
    assert torch.equal(logits, before)


@pytest.mark.parametrize("seed", range(5))
def test_the_gradient_is_the_softmax_minus_the_softmax_of_what_is_right(seed: int) -> None:
    logits, allowed, targets = random_case(seed)
    logits.requires_grad_()
    outcome_loss(logits, as_weights(allowed), targets).sum().backward()
    with torch.no_grad():
        right = torch.softmax(logits.masked_fill(~allowed[targets], -torch.inf), dim=1)
        torch.testing.assert_close(logits.grad, torch.softmax(logits, dim=1) - right)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), shift=st.floats(-20, 20))
def test_laws_of_the_loss(seed: int, shift: float) -> None:
    logits, allowed, targets = random_case(seed)
    loss = outcome_loss(logits, as_weights(allowed), targets)
    torch.testing.assert_close(outcome_loss(logits + shift, as_weights(allowed), targets), loss, rtol=1e-4, atol=1e-4)
    order = torch.randperm(logits.shape[1], generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(outcome_loss(logits[:, order], as_weights(allowed[:, order]), targets), loss)
    more = allowed.clone()
    more[:, 0] = True
    assert (
        outcome_loss(logits, as_weights(more), targets) <= loss + 1e-6
    ).all()  # what is not held against it costs nothing


def test_where_everything_is_right_nothing_is_lost() -> None:
    logits = torch.randn(3, 4, generator=torch.Generator().manual_seed(0), requires_grad=True)
    loss = outcome_loss(logits, torch.zeros(1, 4), torch.zeros(3, dtype=torch.int64))
    loss.sum().backward()
    assert loss.tolist() == [0, 0, 0]
    assert logits.grad is not None
    assert not logits.grad.any()


def test_a_probability_too_small_for_a_float_has_a_finite_gradient() -> None:
    logits = torch.tensor([[1000.0, 0.0]], requires_grad=True)
    loss = outcome_loss(logits, as_weights(torch.tensor([[False, True]])), torch.tensor([0]))
    loss.sum().backward()
    assert loss.item() == 1000
    assert logits.grad is not None
    assert logits.grad.tolist() == [[1, -1]]


def test_no_regions_cost_nothing() -> None:
    empty = torch.zeros(0, dtype=torch.int64)
    assert outcome_loss(torch.zeros(0, 3), torch.zeros(1, 3), empty).shape == (0,)
    assert box_loss(torch.zeros(0, 4), torch.zeros(0, 4), empty.bool()).shape == (0,)


def test_losses_are_float32_under_autocast() -> None:
    logits, allowed, targets = random_case(0)
    with torch.autocast("cpu", torch.bfloat16):
        loss = outcome_loss(logits.bfloat16(), as_weights(allowed), targets)
        boxes = box_loss(torch.ones(2, 4).bfloat16(), torch.zeros(2, 4), torch.ones(2, dtype=torch.bool))
    assert loss.dtype == boxes.dtype == torch.float32
    torch.testing.assert_close(loss, outcome_loss(logits.bfloat16().float(), as_weights(allowed), targets))


def test_outputs_of_no_class_are_background() -> None:
    assert memberships(CLASSES, OUTPUTS).int().tolist() == [[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1]]


def test_background_of_the_200_classes_is_the_505_others_and_one_output() -> None:
    table = memberships(ilsvrc_detection_classes(), 1001)
    assert table[:, -1].sum() == 506
    assert table[1000, -1]


def test_allowed_outputs_are_the_members_of_the_allowed_outcomes() -> None:
    table = allowed_outputs(ALLOWED, CLASSES, OUTPUTS)
    members = memberships(CLASSES, OUTPUTS)
    for target, row in enumerate(ALLOWED):
        for output in range(OUTPUTS):
            assert table[target, output] == any(row[one] and members[output, one] for one in range(3))
    assert table[3].tolist() == [True, True, False, True, True]


def test_classes_whose_members_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"members of dog among 0\.\.3, at least one, got \(4,\)"):
        memberships([DetectionClass("", "dog", (4,))], 4)
    with pytest.raises(ValueError, match=r"members of dog .* got \(\)"):
        memberships([DetectionClass("", "dog")], 4)
    with pytest.raises(ValueError, match=r"allowed: expected \(T, 3\), got \(4, 2\)"):
        allowed_outputs(ALLOWED[:, :2], CLASSES, OUTPUTS)
    with pytest.raises(ValueError, match="an output for every target, got none of 3 for target 2"):
        allowed_outputs(ALLOWED, CLASSES, 3)  # no output is left for background


def test_single_classes() -> None:
    assert single_classes(ALLOWED).tolist() == [0, 1, -1, -1]


def test_the_loss_of_boxes_by_hand() -> None:
    # |d| below 1: d² / 2, else |d| − 1/2: 0.5² / 2 + (2 − 0.5) + 0.5 + 0 = 2.125
    deltas = torch.tensor([[0.5, -2.0, 1.0, 0.0]] * 2)
    loss = box_loss(deltas, torch.zeros(2, 4), torch.tensor([True, False]))
    assert loss.tolist() == [2.125, 0]


def test_only_the_four_of_the_targets_class_count() -> None:
    deltas = torch.arange(16.0).view(2, 8).requires_grad_()
    labels = torch.tensor([1, -1])
    loss = box_loss(deltas, torch.full((2, 4), 4.0), torch.tensor([True, True]), labels)
    assert loss.tolist() == [0 + 0.5 + 1.5 + 2.5, 0]
    loss.sum().backward()
    assert deltas.grad is not None
    assert deltas.grad.tolist() == [[0, 0, 0, 0, 0, 1, 1, 1], [0] * 8]


@pytest.mark.parametrize("seed", range(3))
def test_the_loss_of_boxes_against_a_loop(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    deltas, wanted = 2 * torch.randn(6, 12, generator=generator), torch.randn(6, 4, generator=generator)
    regress, labels = torch.rand(6, generator=generator) < 0.7, torch.randint(-1, 3, (6,), generator=generator)
    for region, cost in enumerate(box_loss(deltas, wanted, regress, labels).tolist()):
        label, expected = int(labels[region]), 0.0
        for side in range(4 if regress[region] and label >= 0 else 0):
            gap = abs(float(deltas[region, 4 * label + side] - wanted[region, side]))
            expected += gap**2 / 2 if gap < 1 else gap - 0.5
        assert cost == pytest.approx(expected, rel=1e-5)


def test_deltas_of_another_shape_are_refused() -> None:
    regress = torch.ones(2, dtype=torch.bool)
    for deltas, wanted in ((torch.zeros(2, 8), torch.zeros(2, 4)), (torch.zeros(2, 4), torch.zeros(3, 4))):
        with pytest.raises(ValueError, match=r"deltas: expected \(N, 4\), or \(N, 4K\) with labels"):
            box_loss(deltas, wanted, regress)


def test_the_most_probable_outcome_sums_over_members() -> None:
    # left: 0.3 + 0.3, right: 0.4: no single output of left beats right's, their sum does
    logits = torch.tensor([[0.3, 0.3, 0.4, 1e-9, 1e-9]] * 4).log()
    right = right_outcomes(logits, memberships(CLASSES, OUTPUTS), torch.from_numpy(ALLOWED), torch.arange(4))
    assert right.tolist() == [True, False, False, True]


def test_what_background_may_be_weighs_less() -> None:
    background = [2, 3]  # row 2: background alone; row 3: background, or left, which has outputs 0 and 1
    weights = log_weights(ALLOWED, CLASSES, OUTPUTS, background=background, unannotated=0.1)
    tenth = math.log(0.1)
    assert weights.tolist() == [
        [0, 0, -math.inf, -math.inf, -math.inf],
        [-math.inf, -math.inf, 0, -math.inf, -math.inf],
        [-math.inf, -math.inf, -math.inf, 0, 0],
        [pytest.approx(tenth), pytest.approx(tenth), -math.inf, 0, 0],
    ]
    logits = torch.tensor([[0.3, 0.2, 0.1, 0.25, 0.15]]).log()
    loss = outcome_loss(logits, weights, torch.tensor([3]))
    assert loss.item() == pytest.approx(-math.log(0.1 * 0.5 + 0.4))


def test_a_region_on_nothing_may_well_be_of_a_common_class() -> None:
    weights = log_weights(ALLOWED, CLASSES, OUTPUTS, background=[2, 3], unannotated=0.1, common=[0])
    full = as_weights(allowed_outputs(ALLOWED, CLASSES, OUTPUTS))
    assert torch.equal(weights, full), "left in full where it may be, and not where its image is annotated for it"
    other = log_weights(ALLOWED, CLASSES, OUTPUTS, background=[2, 3], unannotated=0.1, common=[1])
    assert torch.equal(other, log_weights(ALLOWED, CLASSES, OUTPUTS, background=[2, 3], unannotated=0.1))


def test_the_ends_of_the_weight() -> None:
    full = log_weights(ALLOWED, CLASSES, OUTPUTS, background=[2, 3], unannotated=1.0)
    assert torch.equal(full, as_weights(allowed_outputs(ALLOWED, CLASSES, OUTPUTS)))
    none = log_weights(ALLOWED, CLASSES, OUTPUTS, background=[2, 3], unannotated=0.0)
    assert torch.equal(none[3], none[2])  # background, whatever the image is annotated for
    assert torch.equal(none[:3], full[:3])  # objects stay what they are
    unused = log_weights(ALLOWED, CLASSES, OUTPUTS, unannotated=0.0)
    assert torch.equal(unused, full)
    with pytest.raises(ValueError, match=r"unannotated: expected a number in \[0, 1\], got 1.5"):
        log_weights(ALLOWED, CLASSES, OUTPUTS, unannotated=1.5)
