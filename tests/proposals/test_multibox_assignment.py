"""The matching inside MultiBox's loss, against every way of matching."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from proposals.multibox_assignment import Matches, assign, assign_batch, location_costs, matching_costs

PRIORS = torch.tensor([[0.0, 0.0, 0.5, 0.5], [0.5, 0.5, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]])


def random_case(seed: int, objects: int, priors: int) -> tuple[Tensor, Tensor, Tensor]:
    """Logits (K,), locations (K, 4) and boxes (M, 4)."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(priors, generator=generator) * 2
    return logits, torch.rand(priors, 4, generator=generator), torch.rand(objects, 4, generator=generator)


def counted_loss(
    logits: Tensor, locations: Tensor, boxes: Tensor, alpha: float, chosen: tuple[int, ...], negatives: float
) -> float:
    """F(x, l, c) as the paper writes it, for one matching: object j has prediction chosen[j].

    `negatives` is what an unmatched prediction costs, of the paper's cost.
    """
    confidences = [1 / (1 + math.exp(-logit)) for logit in logits.tolist()]
    location = sum(((locations[i] - boxes[j]) ** 2).sum().item() / 2 for j, i in enumerate(chosen))
    matched = sum(-math.log(confidences[i]) for i in chosen)
    others = sum(-math.log(1 - c) for i, c in enumerate(confidences) if i not in chosen)
    return alpha * location + matched + negatives * others


def as_lists(matches: Matches) -> list[tuple[int, int, int]]:
    columns = (matches.images, matches.priors, matches.objects)
    return [(i, p, o) for i, p, o in zip(*(one.tolist() for one in columns), strict=True)]


def test_by_hand() -> None:
    costs = np.array([[1.0, 2.0, 9.0], [1.0, 4.0, 9.0]])
    # Object 0's favourite is 0, but 2 + 1 = 3 is less than 1 + 4 = 5.
    before = costs.copy()
    found = assign(costs)
    assert found.tolist() == [1, 0]
    assert found.dtype == np.int64
    assert np.array_equal(costs, before)
    assert assign(torch.from_numpy(costs)).tolist() == [1, 0]


def test_more_objects_than_priors_by_hand() -> None:
    # One prior, three objects: the cheapest gets it.
    assert assign(np.array([[3.0], [-1.0], [2.0]])).tolist() == [-1, 0, -1]
    # Two priors: 1 + 1, objects 0 and 2; object 1 would cost 5 more.
    assert assign(np.array([[1.0, 9.0], [6.0, 6.0], [9.0, 1.0]])).tolist() == [0, -1, 1]


@pytest.mark.parametrize("shape", [(0, 5), (0, 0), (3, 0)])
def test_nothing_to_assign(shape: tuple[int, int]) -> None:
    found = assign(np.zeros(shape))
    assert found.tolist() == [-1] * shape[0]
    assert found.dtype == np.int64


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("objects", "priors"), [(1, 6), (3, 6), (4, 4), (2, 7), (5, 3), (3, 1)])
def test_against_every_way(seed: int, objects: int, priors: int) -> None:
    costs = np.random.default_rng(seed).normal(size=(objects, priors))
    found = assign(costs)
    given = [j for j in range(objects) if found[j] >= 0]
    assert len(given) == min(objects, priors)
    assert len(set(found[given])) == len(given)
    if objects <= priors:
        ways = itertools.permutations(range(priors), objects)
        best = min(sum(costs[j, way[j]] for j in range(objects)) for way in ways)
    else:
        ways = itertools.permutations(range(objects), priors)
        best = min(sum(costs[way[i], i] for i in range(priors)) for way in ways)
    assert sum(costs[j, found[j]] for j in given) == pytest.approx(best, abs=1e-12)


def test_equal_costs_always_go_the_same_way() -> None:
    found = assign(np.zeros((3, 6)))
    assert len(set(found.tolist())) == 3
    assert np.array_equal(assign(np.zeros((3, 6))), found)


def test_costs_that_are_none() -> None:
    with pytest.raises(ValueError, match="costs: expected finite numbers, got NaN or infinity"):
        assign(np.array([[0.0, np.nan]]))
    with pytest.raises(ValueError, match="costs: expected finite numbers"):
        assign(np.array([[0.0, np.inf]]))
    with pytest.raises(ValueError, match=r"costs: expected \(M, K\), got \(3,\)"):
        assign(np.zeros(3))


def test_costs_by_hand() -> None:
    logits = torch.tensor([0.0, math.log(3)])  # confidences 1/2 and 3/4
    locations = torch.tensor([[0.0, 0.0, 0.5, 0.5], [0.0, 0.0, 1.0, 1.0]])
    boxes = torch.tensor([[0.0, 0.0, 1.0, 0.5]])
    # ½ (0.5²) = 0.125 either way; −log ½ + log ½ = 0, −log ¾ + log ¼ = −log 3.
    found = matching_costs(logits, locations, boxes, 0.3)
    torch.testing.assert_close(found, torch.tensor([[0.3 * 0.125, 0.3 * 0.125 - math.log(3)]]))
    # In units of sides (0.5, 1): the first misses x2 by 0.5 / 0.5 = 1, the second y2 by 0.5 / 1.
    scales = torch.tensor([[0.5, 1.0, 0.5, 1.0], [0.5, 1.0, 0.5, 1.0]])
    assert location_costs(locations, boxes[:, None], scales).tolist() == [[0.5, 0.125]]


@pytest.mark.parametrize("negatives", [1.0, 0.2, 0.0])
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("objects", "priors", "alpha"), [(1, 5, 0.3), (3, 5, 0.3), (3, 5, 30.0), (4, 4, 5.0)])
def test_the_matching_minimises_the_loss_that_counts(
    seed: int, objects: int, priors: int, alpha: float, negatives: float
) -> None:
    logits, locations, boxes = random_case(seed, objects, priors)
    before = [one.clone() for one in (logits, locations, boxes)]
    costs = matching_costs(logits, locations, boxes, alpha, negatives=torch.full((objects, 1), negatives))
    if negatives == 1:
        assert torch.equal(costs, matching_costs(logits, locations, boxes, alpha))
    found = tuple(assign(costs).tolist())
    ways = itertools.permutations(range(priors), objects)
    losses = {way: counted_loss(logits, locations, boxes, alpha, way, negatives) for way in ways}
    assert losses[found] == pytest.approx(min(losses.values()), rel=1e-6)
    assert all(torch.equal(one, other) for one, other in zip(before, (logits, locations, boxes), strict=True))


def test_an_extreme_confidence_costs_a_finite_amount() -> None:
    costs = matching_costs(torch.tensor([-300.0, 300.0]), torch.zeros(2, 4), torch.zeros(1, 4), 0.3)
    assert costs.tolist() == [[300.0, -300.0]]
    both = torch.tensor([-300.0, 300.0]), torch.zeros(2, 4), torch.zeros(1, 4)
    assert matching_costs(*both, 0.3, negatives=torch.zeros(1, 1)).tolist() == [[300.0, 0.0]]


def test_where_nothing_else_counts_the_one_on_the_object_is_matched_by_hand() -> None:
    logits, box = torch.tensor([[6.0, 3.0]]), torch.tensor([[0.0, 0.0, 0.5, 0.5]])
    locations = torch.stack([box + 0.5, box], dim=1)  # all corners of the first are off by 0.5: ½ · 4 · 0.25 = 0.5
    # 0.3 · 0.5 − 6 = −5.85 against −3; without negatives 0.15 + log (1 + e^−6) = 0.1525, log (1 + e^−3) = 0.0486.
    for negatives, costs, expected in ((1.0, [-5.85, -3.0], 0), (0.0, [0.152476, 0.048587], 1)):
        flag = torch.tensor([[negatives]])
        found = matching_costs(logits[0], locations[0], box, 0.3, negatives=flag)
        torch.testing.assert_close(found, torch.tensor([costs]), atol=1e-6, rtol=0)
        matches = assign_batch(logits, locations, locations[0], [box], alpha=0.3, negatives=flag)
        assert as_lists(matches) == [(0, expected, 0)]


def test_each_image_of_a_batch_is_matched_by_what_counts_in_it() -> None:
    """The image above, with and without negatives; one without objects between them."""
    box = torch.tensor([[0.0, 0.0, 0.5, 0.5]])
    logits, locations = torch.tensor([[6.0, 3.0]] * 4), torch.stack([box + 0.5, box], dim=1).expand(4, -1, -1)
    boxes, negatives = [box, torch.zeros(0, 4), box, box], torch.tensor([[0.0], [1.0], [1.0], [0.0]])
    matches = assign_batch(logits, locations, locations[0], boxes, alpha=0.3, negatives=negatives)
    assert as_lists(matches) == [(0, 1, 0), (2, 0, 1), (3, 1, 2)]
    by_prior = [
        assign_batch(logits, locations, locations[0], boxes, alpha=0.3, matching="priors", negatives=one)
        for one in (negatives, None)
    ]
    assert as_lists(by_prior[0]) == as_lists(by_prior[1]), "no confidence takes part"


def test_a_batch_by_hand() -> None:
    boxes = (torch.tensor([[0.0, 0.0, 1.0, 1.0], [0.5, 0.5, 1.0, 1.0]]), torch.zeros(0, 4), PRIORS[:1] + 0.01)
    logits = torch.zeros(3, 3)
    matches = assign_batch(logits, PRIORS.expand(3, -1, -1), PRIORS, boxes, alpha=0.3)
    # Image 0: its objects are priors 2 and 1 themselves; image 1 has none; image 2's is object 2 of the batch.
    assert as_lists(matches) == [(0, 2, 0), (0, 1, 1), (2, 0, 2)]
    assert matches.num_bipartite == 3


@pytest.mark.parametrize("seed", range(5))
def test_a_batch_is_its_images_one_by_one(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    counts = (0, 3, 1, 9, 0, 2)  # 9 objects, 6 priors
    logits, priors = torch.randn(6, 6, generator=generator), torch.rand(6, 4, generator=generator)
    locations = torch.rand(6, 6, 4, generator=generator)
    boxes = [torch.rand(m, 4, generator=generator) for m in counts]
    matches = assign_batch(logits, locations, priors, boxes, alpha=2.0)
    expected = []
    first = 0
    for i, one in enumerate(boxes):
        chosen = assign(matching_costs(logits[i], locations[i], one, 2.0))
        expected += [(i, prior, first + j) for j, prior in enumerate(chosen.tolist()) if prior >= 0]
        first += len(one)
    assert as_lists(matches) == expected
    assert len(expected) == 0 + 3 + 1 + 6 + 0 + 2


def test_matching_by_priors_ignores_what_is_predicted() -> None:
    box = torch.tensor([[0.1, 0.1, 0.5, 0.5]])
    elsewhere = torch.stack([PRIORS[[1, 0, 2]]])  # prior 1 has moved to the object, and is sure
    logits = torch.tensor([[-5.0, 5.0, 0.0]])
    by_prediction = assign_batch(logits, elsewhere, PRIORS, [box], alpha=0.3)
    by_prior = assign_batch(logits, elsewhere, PRIORS, [box], alpha=0.3, matching="priors")
    assert as_lists(by_prediction) == [(0, 1, 0)]
    assert as_lists(by_prior) == [(0, 0, 0)]


def test_scales_change_who_is_nearest() -> None:
    # A box 0.2 wide lies 0.3 off a prior 0.1 wide, and 0.5 off one 1 wide: 3 and 0.5 in their own units.
    priors = torch.tensor([[0.0, 0.0, 0.1, 1.0], [0.0, 0.0, 1.0, 1.0]])
    box = torch.tensor([[0.3, 0.0, 0.5, 1.0]])
    sides = (priors[:, 2:] - priors[:, :2]).repeat(1, 2)
    for scales, expected in ((None, 0), (sides, 1)):
        # ½ (0.3² + 0.4²) = 0.125 and ½ (0.3² + 0.5²) = 0.17; scaled, ½ (3² + 4²) = 12.5 and 0.17.
        matches = assign_batch(
            torch.zeros(1, 2), priors[None], priors, [box], alpha=1.0, matching="priors", scales=scales
        )
        assert as_lists(matches) == [(0, expected, 0)]


# Prior 0 is the object; prior 1 is half of it (IoU exactly 0.5); prior 2 a quarter of it (0.25); prior 3 elsewhere.
EXTRA_PRIORS = torch.tensor([[0, 0, 0.5, 0.5], [0, 0, 0.5, 0.25], [0, 0, 0.25, 0.25], [0.75, 0.75, 1, 1]])
EXTRA_BOX = torch.tensor([[0.0, 0.0, 0.5, 0.5]])


@pytest.mark.parametrize(
    ("extra_iou", "expected"),
    [(None, []), (0.5, [1]), (0.5 + 1e-6, []), (0.25, [1, 2]), (0.25 + 1e-6, [1]), (1.0, [])],
)
def test_extra_matches_either_side_of_the_threshold(extra_iou: float | None, expected: list[int]) -> None:
    matches = assign_batch(
        torch.zeros(1, 4), EXTRA_PRIORS[None], EXTRA_PRIORS, [EXTRA_BOX], alpha=0.3, extra_iou=extra_iou
    )
    assert as_lists(matches) == [(0, 0, 0), *((0, prior, 0) for prior in expected)]
    assert matches.num_bipartite == 1


def test_extra_matches_leave_the_bipartite_ones_alone() -> None:
    """Prior 1, sure and moved onto the object, is its match; prior 0, which is the object, becomes an extra."""
    logits = torch.tensor([[-9.0, 9.0, 0.0, 0.0]])
    matches = assign_batch(logits, EXTRA_BOX.expand(1, 4, 4), EXTRA_PRIORS, [EXTRA_BOX], alpha=0.3, extra_iou=0.5)
    assert as_lists(matches) == [(0, 1, 0), (0, 0, 0)]


def test_an_extra_prior_goes_to_the_object_it_overlaps_most_and_of_equals_to_the_first() -> None:
    boxes = torch.tensor([[0.0, 0, 0.5, 0.3], [0, 0, 0.5, 0.5], [0, 0, 0.5, 0.5]])
    priors = torch.cat([EXTRA_PRIORS[:1], boxes + 0.001])
    logits = torch.tensor([[-9.0, 9.0, 9.0, 9.0]])  # prior 0 is nobody's bipartite match
    matches = assign_batch(logits, priors[None], priors, [boxes[:0], boxes][1:], alpha=9.0, extra_iou=0.5)
    assert as_lists(matches)[3:] == [(0, 0, 1)]


@pytest.mark.parametrize("seed", range(4))
def test_extra_matches_against_a_loop(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    low = torch.rand(12, 2, generator=generator) * 0.5
    priors = torch.cat([low, low + 0.2 + 0.3 * torch.rand(12, 2, generator=generator)], dim=1)
    boxes = [priors[torch.randperm(12, generator=generator)[:m]] + 0.02 for m in (2, 0, 4)]
    logits = torch.randn(3, 12, generator=generator)
    matches = assign_batch(logits, priors.expand(3, -1, -1), priors, boxes, alpha=0.3, extra_iou=0.3)
    taken = {(i, p) for i, p, _ in as_lists(matches)[: matches.num_bipartite]}
    expected = []
    first = 0
    for i, ours in enumerate(boxes):
        for p, prior in enumerate(priors.tolist()):
            overlaps = [iou(prior, box) for box in ours.tolist()]
            if (i, p) not in taken and overlaps and max(overlaps) >= 0.3:
                expected.append((i, p, first + overlaps.index(max(overlaps))))
        first += len(ours)
    assert as_lists(matches)[matches.num_bipartite :] == expected
    assert expected


def iou(one: list[float], other: list[float]) -> float:
    width, height = (min(one[k + 2], other[k + 2]) - max(one[k], other[k]) for k in (0, 1))
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    shared = max(width, 0) * max(height, 0)
    return shared / (areas[0] + areas[1] - shared)


@pytest.mark.parametrize("extra_iou", [None, 0.5])
@pytest.mark.parametrize("images", [0, 1, 3])
def test_no_objects(images: int, extra_iou: float | None) -> None:
    matches = assign_batch(
        torch.zeros(images, 3),
        torch.zeros(images, 3, 4),
        PRIORS,
        [torch.zeros(0, 4)] * images,
        alpha=0.3,
        extra_iou=extra_iou,
    )
    assert as_lists(matches) == []
    assert matches.num_bipartite == 0


def test_one_set_of_boxes_for_each_image() -> None:
    with pytest.raises(ValueError, match="boxes: expected 2 tensors, one for each image, got 1"):
        assign_batch(torch.zeros(2, 3), torch.zeros(2, 3, 4), PRIORS, [PRIORS], alpha=0.3)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("where", ["logits", "locations"])
def test_what_is_not_finite_is_matched_first(value: float, where: str) -> None:
    logits, locations = torch.tensor([[0.0, 0.0, 9.0]]), PRIORS[None].clone()
    (logits if where == "logits" else locations)[0, 1] = value
    assert as_lists(assign_batch(logits, locations, PRIORS, [PRIORS[:1]], alpha=0.3)) == [(0, 1, 0)]
