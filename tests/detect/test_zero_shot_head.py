from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from detect.class_tables import DetectionClass, ilsvrc_detection_classes
from detect.zero_shot_head import ZeroShotHead

PETS = (DetectionClass("n1", "cat", (0, 2)), DetectionClass("n2", "dog", (3,)), DetectionClass("n3", "unicorn"))


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * 5


def test_sums_by_hand() -> None:
    # Logits ln 1, ln 2, ln 3, ln 4: a softmax of .1, .2, .3, .4. Cat .1 + .3, dog .4, unicorn nothing, .2 is left.
    logits = torch.tensor([[1.0, 2, 3, 4], [4, 4, 1, 1]]).log()
    before = logits.clone()
    probs = ZeroShotHead(PETS, 4)(logits)
    torch.testing.assert_close(probs, torch.tensor([[0.4, 0.4, 0.0], [0.5, 0.1, 0.0]]))
    assert probs[:, 2].tolist() == [0, 0]
    assert torch.equal(logits, before)


def test_a_background_output_by_hand() -> None:
    # One more output of ln 10: each softmax is over 1 + 2 + 3 + 4 + 10 = 20, so half of what it was.
    logits = torch.tensor([[1.0, 2, 3, 4]]).log()
    probs = ZeroShotHead(PETS, 4, background_logit=math.log(10))(logits)
    torch.testing.assert_close(probs, torch.tensor([[0.2, 0.2, 0.0]]))


def test_a_background_output_makes_flat_regions_background() -> None:
    head = ZeroShotHead(PETS, 4, background_logit=10.0)
    assert head(torch.zeros(1, 4)).max() < 1e-3
    assert head(torch.tensor([[20.0, 0, 0, 0]]))[0, 0] > 0.99


@pytest.mark.parametrize("background", [None, 0.0, 3.0])
@pytest.mark.parametrize("seed", range(3))
def test_class_by_class(seed: int, background: float | None) -> None:
    classes = ilsvrc_detection_classes()
    logits = random(4, 1000, seed=seed)
    probs = ZeroShotHead(classes, 1000, background_logit=background)(logits)
    for row, values in zip(probs.tolist(), logits.double().tolist(), strict=True):
        total = sum(math.exp(value) for value in values) + (0 if background is None else math.exp(background))
        expected = [sum(math.exp(values[m]) for m in one.members) / total for one in classes]
        assert row == pytest.approx(expected, rel=1e-4, abs=1e-9)


@settings(max_examples=50)
@given(st.integers(0, 10**6), st.sampled_from([None, -3.0, 10.0]))
def test_laws(seed: int, background: float | None) -> None:
    head = ZeroShotHead(PETS, 6, background_logit=background)
    logits = random(5, 6, seed=seed)
    probs = head(logits)
    assert probs.shape == (5, 3)
    assert (probs >= 0).all()
    assert (probs.sum(1) <= 1 + 1e-6).all()
    # a softmax does not see a constant added to all its inputs, the background among them
    shifted = ZeroShotHead(PETS, 6, background_logit=None if background is None else background + 2)
    torch.testing.assert_close(shifted(logits + 2), probs, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(head(logits.flip(0)), probs.flip(0))
    assert torch.equal(head(torch.tensor([[1e4, 0, 0, 0, 0, 0]])), torch.tensor([[1.0, 0, 0]])), "no overflow"


def test_classes_that_cover_all_outputs_share_one() -> None:
    head = ZeroShotHead((DetectionClass("", "even", (0, 2)), DetectionClass("", "odd", (1, 3))), 4)
    torch.testing.assert_close(head(random(7, 4)).sum(1), torch.ones(7))


def test_edges() -> None:
    head = ZeroShotHead(PETS, 4, background_logit=1.0)
    assert head(torch.zeros(0, 4)).shape == (0, 3)
    half = head(random(2, 4).to(torch.bfloat16))
    assert half.dtype == torch.float32
    assert torch.equal(half, head(random(2, 4).to(torch.bfloat16).float()))
    assert head.state_dict() == {}, "nothing trained, so nothing to store"


@pytest.mark.parametrize("background", [None, 1.0])
@pytest.mark.parametrize("outputs", [3, 5])
def test_logits_of_another_network_are_refused(outputs: int, background: float | None) -> None:
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        ZeroShotHead(PETS, 4, background_logit=background)(torch.zeros(1, outputs))
