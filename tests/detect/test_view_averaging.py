"""The mean of what views say: by hand, any mixture of box regression, and one view to the bit."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
import torch
from torch import Tensor

from detect.box_coding import clip_boxes, decode_boxes
from detect.region_classifier import ClassifiedRegions
from detect.view_averaging import average, joined

SIZE = (10, 20)  # of the image, (height, width)
BOXES = torch.tensor([[0.0, 0, 4, 4], [10, 2, 20, 10]])
K = 3


def view(seed: int, outputs: int | None, *, fit: bool = False) -> ClassifiedRegions:
    """Made-up answers on BOXES, with so many outputs of box regression."""
    generator = torch.Generator().manual_seed(seed)
    deltas = None if outputs is None else torch.randn(len(BOXES), outputs, generator=generator)
    probs = torch.rand(len(BOXES), K, generator=generator)
    return ClassifiedRegions(probs, deltas, torch.rand(len(BOXES), generator=generator) if fit else None)


def by_loops(answers: list[ClassifiedRegions]) -> tuple[list[list[list[float]]], list[list[float]]]:
    """Boxes of each region and class, and probabilities: one number after the other."""
    boxes, probs = [], []
    for n in range(len(BOXES)):
        probs.append([sum(float(one.probs[n, k]) for one in answers) / len(answers) for k in range(K)])
        of_classes = []
        for k in range(K):
            decoded = [box_of(one.deltas, n, k) for one in answers if one.deltas is not None]
            of_classes.append([sum(corner) / len(decoded) for corner in zip(*decoded, strict=True)])
        boxes.append(of_classes)
    return boxes, probs


def box_of(deltas: Tensor, region: int, label: int) -> list[float]:
    own = deltas[region : region + 1]
    four = own if own.shape[1] == 4 else own[:, 4 * label : 4 * label + 4]
    box: list[float] = clip_boxes(decode_boxes(BOXES[region : region + 1], four), SIZE)[0].tolist()
    return box


def test_two_views_by_hand() -> None:
    """One moves the box by half its width to the right, the other leaves it: together by a quarter."""
    one = ClassifiedRegions(torch.tensor([[0.2, 0.4]]), torch.tensor([[5.0, 0, 0, 0]]))
    other = ClassifiedRegions(torch.tensor([[0.6, 0.0]]), torch.tensor([[0.0, 0, 0, 0]]))
    boxes, probs = average(torch.tensor([[0.0, 0, 4, 4]]), [one, other], SIZE)
    torch.testing.assert_close(boxes, torch.tensor([[1.0, 0, 5, 4]]))
    torch.testing.assert_close(probs, torch.tensor([[0.4, 0.2]]))


@pytest.mark.parametrize("outputs", [None, 4])
def test_how_well_a_box_fits_is_asked_of_those_who_know(outputs: int | None) -> None:
    """By hand: the mean of two of three views, times the mean probability of all three."""
    answers = [view(0, outputs, fit=True), view(1, outputs), view(2, outputs, fit=True)]
    boxes, scores = average(BOXES, answers, SIZE)
    plain_boxes, probs = average(BOXES, [dataclasses.replace(one, fit=None) for one in answers], SIZE)
    assert torch.equal(boxes, plain_boxes)
    first, _, third = (one.fit for one in answers)
    assert first is not None
    assert third is not None
    for n in range(len(BOXES)):
        fit = (float(first[n]) + float(third[n])) / 2
        wanted = probs[n] if probs[n].min() < 0 else probs[n] * fit  # −1: nothing of the box is on the image
        torch.testing.assert_close(scores[n], wanted)


def test_one_view_that_knows_it_is_the_product() -> None:
    one = view(0, None, fit=True)
    assert one.fit is not None
    assert torch.equal(average(BOXES, [one], SIZE)[1], one.probs * one.fit[:, None])


@pytest.mark.parametrize("outputs", list(itertools.product([None, 4, 4 * K], repeat=2)), ids=str)
@pytest.mark.parametrize("seed", range(3))
def test_any_mixture_of_box_regression_is_that_of_loops(outputs: tuple[int | None, ...], seed: int) -> None:
    answers = [view(seed + 10 * i, one) for i, one in enumerate(outputs)]
    boxes, probs = average(BOXES, answers, SIZE)
    if outputs == (None, None):
        assert boxes is BOXES
        torch.testing.assert_close(probs, (answers[0].probs + answers[1].probs) / 2)
        return
    wanted_boxes, wanted_probs = by_loops(answers)
    assert boxes.ndim == (3 if 4 * K in outputs else 2)
    each = boxes if boxes.ndim == 3 else boxes[:, None].expand(-1, K, -1)
    torch.testing.assert_close(each, torch.tensor(wanted_boxes), atol=1e-4, rtol=0)
    on_image = (each[..., 2:] > each[..., :2]).all(dim=-1)
    torch.testing.assert_close(probs, torch.where(on_image, torch.tensor(wanted_probs), -1.0))


def test_a_view_that_does_not_regress_takes_no_part_in_the_boxes() -> None:
    regresses = view(0, 4)
    alone, _ = average(BOXES, [regresses], SIZE)
    together, _ = average(BOXES, [view(1, None), regresses, view(2, None)], SIZE)
    assert torch.equal(alone, together)


def test_one_view_is_what_it_says_to_the_bit() -> None:
    answer = view(0, 4 * K)
    assert answer.deltas is not None
    boxes, probs = average(BOXES, [answer], SIZE)
    assert torch.equal(boxes, clip_boxes(decode_boxes(BOXES, answer.deltas), SIZE))
    on_image = (boxes[..., 2:] > boxes[..., :2]).all(dim=-1)
    assert torch.equal(probs[on_image], answer.probs[on_image])


def test_a_box_that_one_view_takes_off_the_image_stays_with_the_other_s() -> None:
    away = ClassifiedRegions(torch.ones(1, 1), torch.tensor([[-100.0, 0, 0, 0]]))  # by ten widths to the left
    here = ClassifiedRegions(torch.ones(1, 1), torch.zeros(1, 4))
    box = torch.tensor([[8.0, 0, 12, 4]])
    _, gone = average(box, [away, away], SIZE)
    assert gone.tolist() == [[-1]]
    boxes, probs = average(box, [away, here], SIZE)
    assert boxes.tolist() == [[4, 0, 6, 4]]  # the mean of [0, 0, 0, 4], where the first was clipped, and the box
    assert probs.tolist() == [[1]]


def test_the_order_of_views_does_not_matter_and_inputs_are_unchanged() -> None:
    answers = [view(0, 4), view(1, None), view(2, 4 * K)]
    before = [one.probs.clone() for one in answers]
    boxes, probs = average(BOXES, answers, SIZE)
    again, other = average(BOXES, answers[::-1], SIZE)
    torch.testing.assert_close(boxes, again)
    torch.testing.assert_close(probs, other)
    assert all(torch.equal(one.probs, old) for one, old in zip(answers, before, strict=True))


def test_no_regions() -> None:
    nothing = ClassifiedRegions(torch.zeros(0, K), torch.zeros(0, 4))
    boxes, probs = average(BOXES[:0], [nothing, nothing], SIZE)
    assert (boxes.shape, probs.shape) == ((0, 4), (0, K))


@pytest.mark.parametrize("outputs", [None, 4])
def test_answers_one_after_the_other(outputs: int | None) -> None:
    one, other = view(0, outputs, fit=True), view(1, outputs, fit=True)
    both = joined([one, other])
    assert one.fit is not None
    assert other.fit is not None
    assert both.fit is not None
    assert torch.equal(both.fit, torch.cat([one.fit, other.fit]))
    assert joined([view(0, outputs), view(1, outputs)]).fit is None
    assert torch.equal(both.probs, torch.cat([one.probs, other.probs]))
    if outputs is None:
        assert both.deltas is None
    else:
        assert one.deltas is not None
        assert both.deltas is not None
        assert torch.equal(both.deltas[:2], one.deltas)
