"""MultiBox's loss: the paper's sums by hand and by loop, its gradient, and what each option changes."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from proposals.multibox_loss import SUMS, MultiBoxLoss
from proposals.multibox_network import MultiBoxOutputs

PRIORS = torch.tensor([[0.0, 0.0, 0.5, 0.5], [0.5, 0.5, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]])
LOG3 = math.log(3)
BOTH = torch.tensor([1.0])


def random_batch(seed: int, counts: Sequence[int], priors: int) -> tuple[MultiBoxOutputs, Tensor, list[Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    low = torch.rand(priors, 2, generator=generator) * 0.5
    anchors = torch.cat([low, low + 0.2 + 0.3 * torch.rand(priors, 2, generator=generator)], dim=1)
    logits = torch.randn(len(counts), priors, generator=generator) * 2
    offsets = torch.randn(len(counts), priors, 4, generator=generator) * 0.1
    boxes = [torch.rand(m, 4, generator=generator) for m in counts]
    return MultiBoxOutputs(logits, offsets), anchors, boxes


def named(sums: Tensor) -> dict[str, float]:
    assert sums.dtype == torch.float64
    assert not sums.requires_grad
    return dict(zip(SUMS, sums.tolist(), strict=True))


def test_one_object_by_hand() -> None:
    # Confidences 3/4, 1/2, 1/4. The object is prior 0, but the prediction there ends 0.1 too far right and down.
    outputs = MultiBoxOutputs(torch.tensor([[LOG3, 0.0, -LOG3]]), torch.zeros(1, 3, 4))
    outputs.offsets[0, 0] = torch.tensor([0.0, 0.0, 0.1, 0.1])
    loss, sums = MultiBoxLoss()(outputs, PRIORS, [PRIORS[:1]], BOTH)
    location = (0.1**2 + 0.1**2) / 2  # 0.01
    confidence = -math.log(3 / 4) - math.log(1 / 2) - math.log(3 / 4)
    assert loss.item() == pytest.approx(0.3 * location + confidence, rel=1e-6)
    assert named(sums) == pytest.approx(
        {"location_loss": 0.01, "confidence_loss": confidence, "objects": 1, "matched_probability": 0.75, "images": 1},
        rel=1e-6,
    )


def test_two_images_by_hand() -> None:
    # Image 0 has two objects, at priors 2 and 1; image 1 none. All confidences are 1/2 but one of 1/4.
    logits = torch.zeros(2, 3)
    logits[1, 0] = -LOG3
    boxes = [PRIORS[[2, 1]], torch.zeros(0, 4)]
    loss, sums = MultiBoxLoss()(MultiBoxOutputs(logits, torch.zeros(2, 3, 4)), PRIORS, boxes, torch.ones(2))
    expected = 3 * math.log(2) + (-math.log(3 / 4) + 2 * math.log(2))
    assert loss.item() == pytest.approx(expected, rel=1e-6)
    assert named(sums) == pytest.approx(
        {"location_loss": 0, "confidence_loss": expected, "objects": 2, "matched_probability": 1, "images": 2},
        rel=1e-6,
    )


def test_an_image_that_teaches_no_negatives_by_hand() -> None:
    logits = torch.tensor([[LOG3, 0.0, -LOG3]] * 2)
    boxes, outputs = [PRIORS[:1]] * 2, MultiBoxOutputs(logits, torch.zeros(2, 3, 4))
    loss, sums = MultiBoxLoss()(outputs, PRIORS, boxes, torch.tensor([0.0, 1.0]))
    # The first image has −log ¾ for its match alone.
    expected = -math.log(3 / 4) + (-math.log(3 / 4) - math.log(1 / 2) - math.log(3 / 4))
    assert loss.item() == pytest.approx(expected, rel=1e-6)
    assert named(sums)["objects"] == 2
    nothing, sums = MultiBoxLoss()(outputs, PRIORS, [torch.zeros(0, 4)] * 2, torch.tensor([0.0, 0.0]))
    assert nothing.item() == 0
    assert named(sums) == {**dict.fromkeys(SUMS, 0.0), "images": 2}


def test_an_image_whose_negatives_count_a_tenth_by_hand() -> None:
    outputs = MultiBoxOutputs(torch.tensor([[LOG3, 0.0, -LOG3]]), torch.zeros(1, 3, 4))
    loss, _ = MultiBoxLoss()(outputs, PRIORS, [PRIORS[:1]], torch.tensor([0.1]))
    assert loss.item() == pytest.approx(-math.log(3 / 4) + 0.1 * (-math.log(1 / 2) - math.log(3 / 4)), rel=1e-6)


def test_near_an_object_every_image_teaches_negatives_by_hand() -> None:
    """Prior 2 is the whole image, of which the object, prior 0, is a quarter; prior 1 is apart from it."""
    logits = torch.tensor([[LOG3, 0.0, -LOG3], [0.0, 0.0, 0.0]])
    outputs, boxes = MultiBoxOutputs(logits, torch.zeros(2, 3, 4)), [PRIORS[:1], torch.zeros(0, 4)]
    match, far, near = -math.log(3 / 4), -math.log(1 / 2), -math.log(3 / 4)
    for near_iou, weight, expected in (
        (None, 0.0, match),
        (0.26, 0.0, match),
        (0.25, 0.0, match + near),
        (0.25, 0.1, match + near + 0.1 * far + 3 * 0.1 * far),
    ):
        loss, _ = MultiBoxLoss(near_iou=near_iou)(outputs, PRIORS, boxes, torch.full((2,), weight))
        assert loss.item() == pytest.approx(expected, rel=1e-6)


def test_near_an_object_the_matching_knows_what_an_unmatched_prediction_costs_by_hand() -> None:
    # One object. Prediction 0: logit 6, all corners off by 0.5, its prior apart from the object; 1: logit 3, on it.
    priors = torch.tensor([[0.5, 0.5, 1.0, 1.0], [0.0, 0.0, 0.5, 0.5]])
    outputs = MultiBoxOutputs(torch.tensor([[6.0, 3.0]]), torch.zeros(1, 2, 4))
    first = 0.15 + math.log(1 + math.exp(-6)) + math.log(1 + math.exp(3))  # 1 is unmatched, and near
    second = math.log(1 + math.exp(-3))  # 0 is unmatched, and costs nothing
    assert second < first
    loss, _ = MultiBoxLoss(near_iou=0.5)(outputs, priors, [priors[1:]], torch.zeros(1))
    assert loss.item() == pytest.approx(second)


def test_without_negatives_the_matching_minimises_what_counts_by_hand() -> None:
    # One object. Prediction 0: logit 6, every corner off by 0.5; prediction 1: logit 3, exactly there.
    priors = torch.tensor([[0.5, 0.5, 1.0, 1.0], [0.0, 0.0, 0.5, 0.5]])
    outputs = MultiBoxOutputs(torch.tensor([[6.0, 3.0]]), torch.zeros(1, 2, 4))
    loss, sums = MultiBoxLoss()(outputs, priors, [priors[1:]], torch.tensor([0.0]))
    assert loss.item() == pytest.approx(math.log(1 + math.exp(-3)))  # 0.049; the other would cost 0.15 + 0.002
    assert named(sums)["location_loss"] == 0
    loss, _ = MultiBoxLoss()(outputs, priors, [priors[1:]], BOTH)
    assert loss.item() == pytest.approx(0.15 + math.log(1 + math.exp(-6)) + math.log(1 + math.exp(3)))


def test_units_of_the_prior_by_hand() -> None:
    # 0.1 of a prior 0.5 wide is 0.2 of it.
    outputs = MultiBoxOutputs(torch.zeros(1, 3), torch.zeros(1, 3, 4))
    outputs.offsets[0, 0, 2] = 0.1
    for units, expected in (("image", 0.1**2 / 2), ("prior", 0.2**2 / 2)):
        _, sums = MultiBoxLoss(units=units)(outputs, PRIORS, [PRIORS[:1]], BOTH)  # type: ignore[arg-type]
        assert named(sums)["location_loss"] == pytest.approx(expected, rel=1e-5)


def test_more_objects_than_predictions_by_hand() -> None:
    # One prediction, at the second object: the others go without, and are still counted.
    outputs = MultiBoxOutputs(torch.zeros(1, 1), torch.zeros(1, 1, 4))
    loss, sums = MultiBoxLoss()(outputs, PRIORS[1:2], [PRIORS], BOTH)
    assert loss.item() == pytest.approx(math.log(2))
    assert named(sums) == pytest.approx(
        {"location_loss": 0, "confidence_loss": math.log(2), "objects": 3, "matched_probability": 0.5, "images": 1}
    )


def test_extra_matches_by_hand() -> None:
    # Prior 2 is the whole image, of which the object, prior 0, is a quarter: IoU 0.25.
    outputs = MultiBoxOutputs(torch.tensor([[LOG3, 0.0, -LOG3]]), torch.zeros(1, 3, 4))
    loss, sums = MultiBoxLoss(extra_iou=0.25)(outputs, PRIORS, [PRIORS[:1]], BOTH)
    location = (0.5**2 + 0.5**2) / 2  # its location misses the object by half the image, twice
    confidence = -math.log(3 / 4) - math.log(1 / 2) - math.log(1 / 4)  # it should have been sure now
    assert loss.item() == pytest.approx(0.3 * location + confidence, rel=1e-6)
    assert named(sums)["location_loss"] == pytest.approx(location)
    assert named(sums)["matched_probability"] == pytest.approx(0.75), "of the object's own prediction"
    other, _ = MultiBoxLoss(extra_iou=0.26)(outputs, PRIORS, [PRIORS[:1]], BOTH)
    assert other.item() == pytest.approx(-math.log(3 / 4) - math.log(1 / 2) - math.log(3 / 4), rel=1e-6)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("negatives", [(1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (0.0, 1.0, 0.3)])
def test_the_smallest_of_all_matchings(seed: int, negatives: tuple[float, ...]) -> None:
    """What counts of the paper's F for every matching of every image; the loss is the sum of the minima."""
    counts, alpha = (2, 0, 3), 4.0
    outputs, priors, boxes = random_batch(seed, counts, 5)
    before = outputs.logits.clone(), outputs.offsets.clone(), priors.clone(), [one.clone() for one in boxes]
    expected = 0.0
    for logits, offsets, ours, wrong_elsewhere in zip(outputs.logits, outputs.offsets, boxes, negatives, strict=True):
        locations = priors + offsets
        ways = itertools.permutations(range(5), len(ours))
        expected += min(counted_loss(logits, locations, ours, alpha, way, wrong_elsewhere) for way in ways)
    loss, _ = MultiBoxLoss(alpha=alpha)(outputs, priors, boxes, torch.tensor(negatives))
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    assert torch.equal(outputs.logits, before[0])
    assert torch.equal(outputs.offsets, before[1])
    assert torch.equal(priors, before[2])
    assert all(torch.equal(one, other) for one, other in zip(boxes, before[3], strict=True))


def counted_loss(
    logits: Tensor, locations: Tensor, boxes: Tensor, alpha: float, chosen: tuple[int, ...], negatives: float
) -> float:
    confidences = [1 / (1 + math.exp(-logit)) for logit in logits.tolist()]
    location = sum(((locations[i] - boxes[j]) ** 2).sum().item() / 2 for j, i in enumerate(chosen))
    matched = sum(-math.log(confidences[i]) for i in chosen)
    others = sum(-math.log(1 - c) for i, c in enumerate(confidences) if i not in chosen)
    return alpha * location + matched + negatives * others


OPTIONS: list[dict[str, Any]] = [
    {},
    {"units": "prior"},
    {"matching": "priors"},
    {"extra_iou": 0.3},
    {"near_iou": 0.2},
    {"alpha": 5.0, "extra_iou": 0.2, "matching": "priors", "units": "prior", "near_iou": 0.1},
]


@pytest.mark.parametrize("options", OPTIONS)
def test_the_gradient_is_the_slope(options: dict[str, Any]) -> None:
    """By small steps of every output, which change no matching."""
    outputs, priors, boxes = random_batch(1, (2, 0, 7), 5)
    logits, offsets = outputs.logits.requires_grad_(), outputs.offsets.requires_grad_()
    criterion, negatives = MultiBoxLoss(**options), torch.tensor([1.0, 1.0, 0.0])
    loss, _ = criterion(MultiBoxOutputs(logits, offsets), priors, boxes, negatives)
    slopes = torch.autograd.grad(loss, (logits, offsets))
    for values, gradient in zip((logits, offsets), slopes, strict=True):
        flat = values.detach().flatten()
        for place in range(0, len(flat), 3):
            ends = []
            for step in (0.01, -0.01):
                moved = flat.clone()
                moved[place] += step
                both = [moved.view_as(values) if one is values else one.detach() for one in (logits, offsets)]
                ends.append(criterion(MultiBoxOutputs(*both), priors, boxes, negatives)[0].item())
            assert gradient.flatten()[place].item() == pytest.approx((ends[0] - ends[1]) / 0.02, abs=2e-3, rel=2e-3)


def test_the_gradient_by_hand() -> None:
    # Matched: α (l − g) = 0.3 · 0.1 and c − 1 = −1/4; unmatched: 0 and c = 1/2, 1/4.
    logits = torch.tensor([[LOG3, 0.0, -LOG3]], requires_grad=True)
    offsets = torch.zeros(1, 3, 4)
    offsets[0, 0, 2] = 0.1
    offsets.requires_grad_()
    MultiBoxLoss()(MultiBoxOutputs(logits, offsets), PRIORS, [PRIORS[:1]], BOTH)[0].backward()
    assert logits.grad is not None
    assert offsets.grad is not None
    torch.testing.assert_close(logits.grad, torch.tensor([[-0.25, 0.5, 0.25]]))
    expected = torch.zeros(1, 3, 4)
    expected[0, 0, 2] = 0.03
    torch.testing.assert_close(offsets.grad, expected)


@pytest.mark.parametrize("options", OPTIONS)
def test_images_add_up_and_objects_may_be_shuffled(options: dict[str, Any]) -> None:
    outputs, priors, boxes = random_batch(0, (3, 0, 4, 1), 6)
    criterion, negatives = MultiBoxLoss(**options), torch.tensor([1.0, 0.0, 0.0, 1.0])
    loss, sums = criterion(outputs, priors, boxes, negatives)
    parts = [
        criterion(MultiBoxOutputs(outputs.logits[[i]], outputs.offsets[[i]]), priors, [boxes[i]], negatives[[i]])
        for i in range(4)
    ]
    torch.testing.assert_close(loss, torch.stack([part[0] for part in parts]).sum())
    torch.testing.assert_close(sums, torch.stack([part[1] for part in parts]).sum(dim=0), rtol=1e-5, atol=1e-6)
    turned = [one.flip(0) for one in boxes]
    torch.testing.assert_close(criterion(outputs, priors, turned, negatives)[0], loss)


def test_no_images() -> None:
    loss, sums = MultiBoxLoss()(MultiBoxOutputs(torch.zeros(0, 3), torch.zeros(0, 3, 4)), PRIORS, [], torch.zeros(0))
    assert loss.item() == 0
    assert sums.tolist() == [0] * 5


def test_no_objects_still_reach_every_output() -> None:
    """As distributed training wants it: a gradient for offsets too, though zero."""
    outputs = MultiBoxOutputs(torch.zeros(1, 3, requires_grad=True), torch.zeros(1, 3, 4, requires_grad=True))
    MultiBoxLoss()(outputs, PRIORS, [torch.zeros(0, 4)], BOTH)[0].backward()
    assert outputs.logits.grad is not None
    assert outputs.offsets.grad is not None
    assert outputs.logits.grad.tolist() == [[0.5] * 3]
    assert not outputs.offsets.grad.any()


@pytest.mark.parametrize("size", [1e-6, 80.0, 1e4])
def test_finite_however_sure(size: float) -> None:
    logits = torch.tensor([[size, -size, size]], requires_grad=True)
    loss, sums = MultiBoxLoss()(MultiBoxOutputs(logits, torch.zeros(1, 3, 4)), PRIORS, [PRIORS[1:2]], BOTH)
    loss.backward()
    assert logits.grad is not None
    assert torch.isfinite(loss)
    assert torch.isfinite(sums).all()
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("where", ["logits", "offsets"])
@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("negatives", [1.0, 0.1, 0.0])
def test_an_output_that_is_not_finite_shows_in_the_loss(where: str, value: float, negatives: float) -> None:
    outputs = MultiBoxOutputs(torch.tensor([[5.0, 5.0, -5.0]]), torch.zeros(1, 3, 4))
    getattr(outputs, where)[0, 2] = value
    loss, sums = MultiBoxLoss()(outputs, PRIORS, [PRIORS[:1]], torch.tensor([negatives]))
    assert not torch.isfinite(loss)
    assert not torch.isfinite(sums).all()


def test_float32_inside_autocast_and_from_bfloat16() -> None:
    outputs, priors, boxes = random_batch(2, (3, 1), 8)
    rounded = MultiBoxOutputs(outputs.logits.bfloat16(), outputs.offsets.bfloat16())
    exact = MultiBoxOutputs(rounded.logits.float(), rounded.offsets.float())
    negatives = torch.tensor([1.0, 1.0])
    expected = MultiBoxLoss()(exact, priors, boxes, negatives)
    with torch.autocast("cpu", torch.bfloat16):
        found = MultiBoxLoss()(rounded, priors, boxes, negatives)
    assert found[0].dtype == torch.float32
    assert torch.equal(found[0], expected[0])
    assert torch.equal(found[1], expected[1])


def test_a_few_steps_find_the_object() -> None:
    logits = torch.full((1, 3), -4.6, requires_grad=True)
    offsets = torch.zeros(1, 3, 4, requires_grad=True)
    box = torch.tensor([[0.1, 0.2, 0.6, 0.9]])
    optimiser = torch.optim.Adam([logits, offsets], 0.05)
    for _ in range(300):
        optimiser.zero_grad()
        loss, sums = MultiBoxLoss()(MultiBoxOutputs(logits, offsets), PRIORS, [box], BOTH)
        loss.backward()
        optimiser.step()
    best = int(logits.argmax())
    torch.testing.assert_close((PRIORS + offsets[0])[[best]], box, atol=0.02, rtol=0)
    assert named(sums)["matched_probability"] > 0.9
    assert (logits.sigmoid() > 0.5).sum() == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": 0.0}, "alpha: expected a finite number above 0, got 0.0"),
        ({"alpha": math.nan}, "alpha: expected a finite number above 0, got nan"),
        ({"matching": "boxes"}, "matching: expected one of predictions, priors, got 'boxes'"),
        ({"extra_iou": 0.0}, "extra_iou: expected a number above 0, at most 1, or None, got 0.0"),
        ({"extra_iou": 1.1}, "extra_iou: expected a number above 0"),
        ({"near_iou": 0.0}, "near_iou: expected a number above 0, at most 1, or None, got 0.0"),
        ({"units": "pixels"}, "units: expected one of image, prior, got 'pixels'"),
    ],
)
def test_settings_that_are_none(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MultiBoxLoss(**options)


@pytest.mark.parametrize(
    ("shapes", "boxes", "negatives", "message"),
    [
        (((1, 2), (1, 3, 4)), [(1, 4)], torch.tensor([1.0]), r"outputs: expected .* got \(1, 2\), \(1, 3, 4\) and"),
        (((1, 3), (1, 3)), [(1, 4)], torch.tensor([1.0]), r"outputs: expected logits \(N, K\), offsets \(N, K, 4\)"),
        (((3,), (3, 4)), [(1, 4)], torch.tensor([1.0]), "outputs: expected logits"),
        (((1, 3), (1, 3, 4)), [], torch.tensor([1.0]), r"boxes: expected 1 tensors \(m, 4\), got \[\]"),
        (((1, 3), (1, 3, 4)), [(4,)], torch.tensor([1.0]), r"boxes: expected 1 tensors \(m, 4\), got \[\(4,\)\]"),
        (
            ((1, 3), (1, 3, 4)),
            [(1, 4)],
            torch.tensor([True]),
            r"negatives: expected float32 \(1,\), got torch.bool \(1,\)",
        ),
        (((1, 3), (1, 3, 4)), [(1, 4)], torch.ones(2), r"negatives: expected float32 \(1,\), got torch.float32 \(2,\)"),
    ],
)
def test_shapes_that_do_not_fit(
    shapes: tuple[tuple[int, ...], ...], boxes: list[tuple[int, ...]], negatives: Tensor, message: str
) -> None:
    outputs = MultiBoxOutputs(*(torch.zeros(shape) for shape in shapes))
    with pytest.raises(ValueError, match=message):
        MultiBoxLoss()(outputs, PRIORS, [torch.zeros(shape) for shape in boxes], negatives)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("options", OPTIONS)
def test_on_a_gpu_the_host_waits_once_and_the_numbers_are_the_same(options: dict[str, Any]) -> None:
    outputs, priors, boxes = random_batch(0, (3, 0, 4, 1), 6)
    criterion, negatives = MultiBoxLoss(**options), torch.tensor([1.0, 0.0, 0.0, 1.0])
    expected = criterion(outputs, priors, boxes, negatives)
    there = MultiBoxOutputs(outputs.logits.cuda(), outputs.offsets.cuda())
    arguments = there, priors.cuda(), [one.cuda() for one in boxes], negatives.cuda()
    criterion(*arguments)  # the first call loads kernels
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as waits:
            warnings.simplefilter("always")
            found = criterion(*arguments)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert len([one for one in waits if "synchroniz" in str(one.message)]) == 1
    torch.testing.assert_close(found[0].cpu(), expected[0])
    torch.testing.assert_close(found[1].cpu(), expected[1])
