"""Which weights learn, how fast, and which of them decay."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import nn

from detect.training.schedules import ScheduleSettings

HEADS = ("classifier", "box_regressor", "auxiliary")  # how the names of a network's head modules begin


class OptimiserSettings(ScheduleSettings, Protocol):
    """What the optimiser needs to know; `configs.training.OptimisationConfig` is one."""

    @property
    def learning_rate(self) -> float: ...
    @property
    def momentum(self) -> float: ...
    @property
    def weight_decay(self) -> float: ...
    @property
    def head_rate(self) -> float: ...
    @property
    def averaging(self) -> float: ...


def parameter_groups(network: nn.Module, settings: OptimiserSettings) -> list[dict[str, Any]]:
    """SGD's groups: body and head, each of them split into weights, which decay, and vectors, which do not.

    Vectors are biases and the scales of batch normalisation. Frozen parameters are in no group; empty groups are
    left out.

    Raises:
        ValueError: if nothing learns.
    """
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            groups.setdefault((name.startswith(HEADS), parameter.ndim > 1), []).append(parameter)
    if not groups:
        raise ValueError("network: expected parameters that learn, got none that require a gradient")
    return [
        {
            "params": groups[head, decays],
            "lr": settings.learning_rate * (settings.head_rate if head else 1.0),
            "weight_decay": settings.weight_decay if decays else 0.0,
        }
        for head, decays in sorted(groups)
    ]


def optimiser(network: nn.Module, settings: OptimiserSettings) -> torch.optim.SGD:
    """SGD with momentum over `parameter_groups`."""
    return torch.optim.SGD(parameter_groups(network, settings), lr=settings.learning_rate, momentum=settings.momentum)
