"""Polyak averages: two updates by hand, a loop, and what a checkpoint keeps."""

from __future__ import annotations

import pytest
import torch

from detect.training.averaging import Average, with_start


def test_two_updates_by_hand() -> None:
    average = Average(0.99, [("w", torch.zeros(1))])
    ten = torch.full((1,), 10.0)
    average.update([("w", ten)])  # decay 1/10: 0 · 0.1 + 10 · 0.9
    assert average.values["w"].item() == pytest.approx(9)
    average.update([("w", ten)])  # decay 2/11: 9 · 2/11 + 10 · 9/11 = 108/11
    assert average.values["w"].item() == pytest.approx(108 / 11)
    assert ten.item() == 10


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.99])
def test_against_a_loop(decay: float) -> None:
    values = torch.randn(30, 4, generator=torch.Generator().manual_seed(0))
    average, expected = Average(decay, [("w", values[0])]), values[0].double()
    for t, value in enumerate(values[1:]):
        now = min(decay, (1 + t) / (10 + t))
        expected = now * expected + (1 - now) * value.double()
        average.update([("w", value)])
    torch.testing.assert_close(average.values["w"].double(), expected, rtol=1e-5, atol=1e-6)


def test_no_decay_keeps_the_newest_and_what_does_not_change_stays() -> None:
    value = torch.tensor([0.1, 1 / 3, 7e5])
    newest, constant = Average(0.0, [("w", torch.zeros(3))]), Average(0.9, [("w", value)])
    for _ in range(20):
        newest.update([("w", value)])
        constant.update([("w", value)])
    assert torch.equal(newest.values["w"], value)
    assert torch.equal(constant.values["w"], value)


def test_the_averaged_state_has_the_types_of_the_network() -> None:
    state = {"w": torch.ones(2, dtype=torch.bfloat16), "seen": torch.tensor(3)}
    average = Average(0.5, [("w", state["w"])])
    average.update([("w", torch.full((2,), 1.5, dtype=torch.bfloat16))])
    over = average.over(state)
    assert average.values["w"].dtype == torch.float32
    assert over["w"].dtype == torch.bfloat16
    assert over["w"].tolist() == pytest.approx([1.45, 1.45], rel=0.01)
    over["seen"] += 1
    assert state["seen"] == 3  # copies
    assert state["w"].tolist() == [1, 1]


def test_it_goes_on_from_a_checkpoint() -> None:
    one = Average(0.99, [("w", torch.zeros(2))])
    one.update([("w", torch.ones(2))])
    other = Average(0.99, [("w", torch.full((2,), 5.0))])
    other.load_state_dict(one.state_dict())
    for average in (one, other):
        average.update([("w", torch.full((2,), 3.0))])
    assert torch.equal(one.values["w"], other.values["w"])
    assert other.updates == 2


def test_other_parameters_and_impossible_decays_are_refused() -> None:
    average = Average(0.5, [("w", torch.zeros(2))])
    with pytest.raises(ValueError, match="averages of the same parameters"):
        average.load_state_dict(Average(0.5, [("w", torch.zeros(3))]).state_dict())
    for decay in (-0.1, 1.0, float("nan")):
        with pytest.raises(ValueError, match="averaging: expected a decay from 0 to below 1"):
            Average(decay, [])


def test_between_start_and_end_by_hand() -> None:
    start = {"weight": torch.tensor([0.0, 4.0]), "count": torch.tensor(1)}
    state = {"weight": torch.tensor([8.0, 0.0]), "count": torch.tensor(9)}
    before = {name: value.clone() for name, value in state.items()}
    mixed = with_start(state, start, 0.25)
    assert mixed["weight"].tolist() == [6.0, 1.0]  # 3/4 of the end, 1/4 of the start
    assert mixed["count"].item() == 9
    for share, expected in ((0.0, state), (1.0, {**start, "count": state["count"]})):
        assert all(torch.equal(with_start(state, start, share)[name], expected[name]) for name in state)
    assert all(torch.equal(state[name], before[name]) for name in state)
    assert with_start(state, start, 0.0)["count"].data_ptr() != state["count"].data_ptr()
