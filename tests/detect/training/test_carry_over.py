from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from detect.class_tables import DetectionClass
from detect.training.carry_over import carry_over, outputs_of, untaught_classes
from detect.training.training_set import IGNORED, TrainingSet


def random_case(seed: int, outputs: int = 9, width: int = 4) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    start, change = (torch.randn(outputs, width, generator=generator) for _ in range(2))
    start_bias, bias_change = (torch.randn(outputs, generator=generator) for _ in range(2))
    has_boxes = torch.rand(outputs, generator=generator) < 0.5
    has_boxes[-1] = True
    return start, start_bias, start + change, start_bias + bias_change, has_boxes


def one_by_one(
    start: Tensor, start_bias: Tensor, trained: Tensor, trained_bias: Tensor, has_boxes: Tensor, nearest: int
) -> tuple[Tensor, Tensor]:
    """Hoffman et al. 2014, equations of section 3, output after output."""
    rows = [[v / math.sqrt(sum(w * w for w in row)) for v in row] for row in start.double().tolist()]
    weight, bias = trained.clone(), trained_bias.clone()
    taught = [o for o in range(len(rows) - 1) if has_boxes[o]]
    for output in range(len(rows) - 1):
        if has_boxes[output]:
            continue
        closest = sorted(taught, key=lambda o: (math.dist(rows[o], rows[output]), o))[:nearest]
        if closest:
            weight[output] = start[output] + sum(trained[o] - start[o] for o in closest) / len(closest)
            bias[output] = start_bias[output] + sum(trained_bias[o] - start_bias[o] for o in closest) / len(closest)
    return weight, bias


def test_by_hand() -> None:
    # Outputs: right (boxes), up (boxes), nearly right (none), background. The nearest of "nearly right" is right.
    start = torch.tensor([[2.0, 0], [0, 1], [0.9, 0.1], [0, 0]])
    trained = torch.tensor([[3.0, 1], [0, 5], [7, 7], [-1, -1]])
    start_bias, trained_bias = torch.tensor([0.0, 0, 1, 12]), torch.tensor([0.5, 2, 9, 11])
    has_boxes = torch.tensor([True, True, False, False])
    given_to = (start, start_bias, trained, trained_bias, has_boxes)
    before = [one.clone() for one in given_to]
    weight, bias = carry_over(*given_to, 1)
    # (.9, .1) + ((3, 1) − (2, 0)); 1 + .5; all others as trained, background too
    torch.testing.assert_close(weight, torch.tensor([[3.0, 1], [0, 5], [1.9, 1.1], [-1, -1]]))
    assert bias.tolist() == [0.5, 2, 1.5, 11]
    weight, bias = carry_over(*given_to, 2)
    # the mean of (1, 1) and (0, 4) is (.5, 2.5), of .5 and 2 it is 1.25
    torch.testing.assert_close(weight[2], torch.tensor([1.4, 2.6]))
    assert bias[2] == 2.25
    assert all(torch.equal(one, other) for one, other in zip(given_to, before, strict=True))


def test_background_is_no_neighbour_even_where_it_is_the_nearest() -> None:
    start = torch.tensor([[1.0, 0], [0, 1], [0, 1]])
    trained = start + torch.tensor([[1.0, 1], [0, 0], [5, 5]])
    zeros = torch.zeros(3)
    weight, _ = carry_over(start, zeros, trained, zeros, torch.tensor([True, False, True]), 1)
    assert weight[1].tolist() == [1, 2], "the change of output 0, not of background, whose row is its own"


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("nearest", [1, 3, 100])
def test_one_by_one(seed: int, nearest: int) -> None:
    case = random_case(seed)
    for got, expected in zip(carry_over(*case, nearest), one_by_one(*case, nearest), strict=True):
        torch.testing.assert_close(got, expected)


def test_ties_go_to_the_lower_index() -> None:
    start = torch.tensor([[0.0, 1], [0, 1], [0, -1], [1, 0], [0, 0]])
    trained = start + torch.tensor([[1.0], [2], [4], [0], [0]])
    has_boxes = torch.tensor([True, True, True, False, True])
    zeros = torch.zeros(5)
    assert carry_over(start, zeros, trained, zeros, has_boxes, 1)[0][3].tolist() == [2, 1]
    assert carry_over(start, zeros, trained, zeros, has_boxes, 2)[0][3].tolist() == [2.5, 1.5]


@given(st.integers(0, 10**6), st.integers(1, 4), st.floats(0.1, 10))
def test_laws(seed: int, nearest: int, length: float) -> None:
    start, start_bias, trained, trained_bias, has_boxes = random_case(seed)
    weight, bias = carry_over(start, start_bias, trained, trained_bias, has_boxes, nearest)
    assert torch.equal(weight[has_boxes], trained[has_boxes])
    assert torch.equal(bias[has_boxes], trained_bias[has_boxes])
    # no change, nothing carried; the size of the rows does not decide who is near
    same = carry_over(start, start_bias, start, start_bias, has_boxes, nearest)
    torch.testing.assert_close(same[0], start)
    longer = start.clone()
    longer[0] *= length
    change = trained - start
    scaled, _ = carry_over(longer, start_bias, longer + change, trained_bias, has_boxes, nearest)
    torch.testing.assert_close(scaled - longer, weight - start, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("has_boxes", [[True] * 3, [False] * 3, [False, False, True]])
def test_nobody_to_learn_from_or_to_teach(has_boxes: list[bool]) -> None:
    start, start_bias, trained, trained_bias, _ = random_case(0, outputs=3)
    weight, bias = carry_over(start, start_bias, trained, trained_bias, torch.tensor(has_boxes), 2)
    assert torch.equal(weight, trained)
    assert torch.equal(bias, trained_bias)
    assert weight.data_ptr() != trained.data_ptr()


def test_no_neighbours_and_chosen_outputs() -> None:
    start, start_bias, trained, trained_bias, _ = random_case(1, outputs=4)
    has_boxes = torch.tensor([True, False, False, True])
    assert torch.equal(carry_over(start, start_bias, trained, trained_bias, has_boxes, 0)[0], trained)
    only = torch.tensor([False, False, True, False])
    weight, _ = carry_over(start, start_bias, trained, trained_bias, has_boxes, 1, adapted=only)
    assert torch.equal(weight[1], trained[1]), "was trained as background, and stays"
    torch.testing.assert_close(weight[2], start[2] + trained[0] - start[0])


def test_outputs_of_classes() -> None:
    classes = (DetectionClass("", "cat", (0, 3)), DetectionClass("", "dog", (2,)), DetectionClass("", "elf"))
    assert outputs_of(classes, [True, False, True], 5).tolist() == [True, False, False, True, False]
    with pytest.raises(ValueError, match="zip"):
        outputs_of(classes, [True], 5)


def test_untaught_classes() -> None:
    # Three classes and a background column; image 1 is annotated for the first class only.
    allowed = np.array([[1, 0, 0, 0], [0, 1, 0, 1], [0, 1, 1, 1], [1, 1, 1, 1], [1, 0, 1, 1]], bool)

    def untaught(targets: list[int], background: list[int]) -> list[bool]:
        one = TrainingSet(
            name="case",
            images=tuple(Path(f"{number}.png") for number in range(len(background))),
            names=tuple(str(number) for number in range(len(background))),
            weights=np.ones(len(background)),
            classes=tuple(DetectionClass("", name, (label,)) for label, name in enumerate("abc")),
            allowed=allowed,
            image_of=np.zeros(len(targets), np.int64),
            boxes=np.tile(np.array([[0, 0, 9, 9]], np.float32), (len(targets), 1)),
            targets=np.array(targets, np.int64),
            background=np.array(background, np.int64),
        )
        return untaught_classes(one).tolist()

    assert untaught([], [3]) == [True, True, True]
    assert untaught([0], [3]) == [False, True, True]  # an object of a
    assert untaught([1], [3]) == [True, False, True]  # an object that may be b
    assert untaught([3, IGNORED], [3]) == [
        True,
        True,
        True,
    ]  # one that may be anything, and one that counts neither way
    assert untaught([], [3, 2]) == [False, True, True]  # image 1: background is not a
    assert untaught([], [4, 3]) == [True, False, True]


def test_errors() -> None:
    start, start_bias, trained, trained_bias, has_boxes = random_case(0)
    with pytest.raises(ValueError, match=r"expected weights \(9, D\), got \(9, 4\) and \(8, 4\)"):
        carry_over(start, start_bias, trained[:8], trained_bias, has_boxes, 1)
    with pytest.raises(ValueError, match=r"expected weights \(8, D\), got \(9, 4\) and \(9, 4\)"):
        carry_over(start, start_bias, trained, trained_bias, has_boxes[:8], 1)
    with pytest.raises(ValueError, match=r"expected biases and has_boxes \(9,\).*got \(9,\), \(8,\) and torch.bool"):
        carry_over(start, start_bias, trained, trained_bias[:8], has_boxes, 1)
    with pytest.raises(ValueError, match=r"torch.int64"):
        carry_over(start, start_bias, trained, trained_bias, has_boxes.long(), 1)
    with pytest.raises(ValueError, match="nearest: expected 0 or more, got -1"):
        carry_over(start, start_bias, trained, trained_bias, has_boxes, -1)
