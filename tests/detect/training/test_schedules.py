"""Learning rates, worked by hand at the steps where something changes."""

from __future__ import annotations

import math

import pytest
from tiny_training import TinySettings

from detect.training.schedules import schedule


def factors(at: list[int], steps_per_epoch: float = 10.0, **settings: object) -> list[float]:
    factor = schedule(TinySettings(**settings), steps_per_epoch)  # type: ignore[arg-type]
    return [factor(step) for step in at]


def test_the_warm_up_rises_from_a_tenth() -> None:
    got = factors([0, 10, 19, 20, 500], schedule="constant", warm_up=20)
    assert got == pytest.approx([0.1, 0.55, 0.955, 1, 1])


def test_no_warm_up() -> None:
    assert factors([0, 1], schedule="constant", warm_up=0) == [1, 1]


def test_steps_drop_to_a_tenth() -> None:
    got = factors([0, 5, 6, 7, 8], schedule="step", warm_up=0, steps=9, drops=(2 / 3, 8 / 9))
    assert got == pytest.approx([1, 1, 0.1, 0.1, 0.01])


def test_googlenet_loses_four_per_cent_every_eight_epochs() -> None:
    got = factors([0, 79, 80, 159, 160], schedule="googlenet", warm_up=0)
    assert got == pytest.approx([1, 1, 0.96, 0.96, 0.96**2])
    assert factors([19, 20], 2.5, schedule="googlenet", warm_up=0) == pytest.approx([1, 0.96])


def test_the_cosine_starts_after_the_warm_up_and_ends_at_nothing() -> None:
    got = factors([0, 20, 60, 99, 100], schedule="cosine", warm_up=20, steps=100)
    assert got == pytest.approx([0.1, 1, 0.5, (1 + math.cos(math.pi * 79 / 80)) / 2, 0])


def test_it_falls_and_is_never_negative() -> None:
    got = factors(list(range(20, 130)), schedule="cosine", warm_up=20, steps=100)
    assert got == sorted(got, reverse=True)
    assert min(got) >= 0


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_a_warm_up_longer_than_the_run(steps: int) -> None:
    assert factors(list(range(steps)), schedule="cosine", warm_up=10, steps=steps)[0] == pytest.approx(0.1)


def test_unknown_names_and_empty_epochs_are_refused() -> None:
    with pytest.raises(ValueError, match="schedule: expected constant, step, googlenet, cosine, got 'linear'"):
        factors([0], schedule="linear")
    with pytest.raises(ValueError, match="steps_per_epoch: expected a number above 0, got 0"):
        factors([0], 0)
