"""The learning rate over a run, as a factor on the configured one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Protocol

START = 0.1  # of the rate, at the first step of a warm-up
GOOGLENET_DECAY, GOOGLENET_EPOCHS = 0.96, 8  # GoogLeNet, section 6: 4 % less every 8 epochs


class ScheduleSettings(Protocol):
    """What a schedule needs to know; `configs.training.OptimisationConfig` is one."""

    @property
    def steps(self) -> int: ...
    @property
    def schedule(self) -> str: ...
    @property
    def drops(self) -> Sequence[float]: ...
    @property
    def warm_up(self) -> int: ...


def schedule(settings: ScheduleSettings, steps_per_epoch: float) -> Callable[[int], float]:
    """The factor of each step, from 0 on: a linear warm-up from a tenth, times what the schedule says.

    constant: 1. step: a tenth for each fraction of `drops` that has passed. googlenet: 0.96 for every 8 whole
    epochs. cosine: from 1 at the end of the warm-up down to 0 after the last step.

    Args:
        steps_per_epoch: mean; for googlenet.
    Raises:
        ValueError: for an unknown name, or no steps an epoch.
    """
    try:
        after = _SCHEDULES[settings.schedule]
    except KeyError:
        raise ValueError(f"schedule: expected {', '.join(_SCHEDULES)}, got {settings.schedule!r}") from None
    if not steps_per_epoch > 0:
        raise ValueError(f"steps_per_epoch: expected a number above 0, got {steps_per_epoch}")

    def factor(step: int) -> float:
        warm = START + (1 - START) * step / settings.warm_up if step < settings.warm_up else 1.0
        return warm * after(step, settings, steps_per_epoch)

    return factor


def _constant(step: int, settings: ScheduleSettings, steps_per_epoch: float) -> float:
    return 1.0


def _step(step: int, settings: ScheduleSettings, steps_per_epoch: float) -> float:
    return float(10.0 ** -sum(step >= drop * settings.steps for drop in settings.drops))


def _googlenet(step: int, settings: ScheduleSettings, steps_per_epoch: float) -> float:
    return float(GOOGLENET_DECAY ** (int(step / steps_per_epoch) // GOOGLENET_EPOCHS))


def _cosine(step: int, settings: ScheduleSettings, steps_per_epoch: float) -> float:
    warm_up = min(settings.warm_up, settings.steps - 1)
    passed = (step - warm_up) / (settings.steps - warm_up)
    return (1 + math.cos(math.pi * min(max(passed, 0.0), 1.0))) / 2


_SCHEDULES = {"constant": _constant, "step": _step, "googlenet": _googlenet, "cosine": _cosine}
