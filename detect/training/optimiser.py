"""Which weights learn, how fast, and which of them decay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import nn

from detect.training.schedules import ScheduleSettings

# How the names of a network's head modules begin; network.fc is the classifier of torchvision's form, head. MultiBox's.
HEADS = ("classifier", "network.fc", "box_regressor", "region_fit", "auxiliary", "head.")
OPTIMISERS = ("sgd", "adamw")
SECOND_DECAY = 0.999  # of AdamW's mean of squared gradients; its authors'


class OptimiserSettings(ScheduleSettings, Protocol):
    """What the optimiser needs to know; `configs.training.OptimisationConfig` is one."""

    @property
    def optimiser(self) -> str: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def momentum(self) -> float: ...
    @property
    def weight_decay(self) -> float: ...
    @property
    def head_rate(self) -> float: ...
    @property
    def rates(self) -> Mapping[str, float]: ...
    @property
    def averaging(self) -> float: ...


def parameter_groups(network: nn.Module, settings: OptimiserSettings) -> list[dict[str, Any]]:
    """The optimiser's groups: one for each rate, split into weights, which decay, and vectors, which do not.

    Vectors are biases and the scales of batch normalisation. Frozen parameters are in no group; empty groups are
    left out.

    Raises:
        ValueError: if nothing learns, or a name in `settings.rates` is none of the network's.
    """
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            groups.setdefault((rate_of(name, settings), parameter.ndim > 1), []).append(parameter)
    if not groups:
        raise ValueError("network: expected parameters that learn, got none that require a gradient")
    names = [name for name, _ in network.named_parameters()]
    for beginning in settings.rates:
        if not any(name.startswith(beginning) for name in names):
            raise ValueError(f"rates: expected beginnings of parameters' names such as {names[0]}, got {beginning!r}")
    return [
        {
            "params": groups[rate, decays],
            "lr": settings.learning_rate * rate,
            "weight_decay": settings.weight_decay if decays else 0.0,
        }
        for rate, decays in sorted(groups)
    ]


def rate_of(name: str, settings: OptimiserSettings) -> float:
    """A parameter's rate as a multiple of the learning rate.

    That of the longest entry of `settings.rates` with which its name begins; else `head_rate` in a head, 1 elsewhere.
    """
    beginnings = [beginning for beginning in settings.rates if name.startswith(beginning)]
    if beginnings:
        return settings.rates[max(beginnings, key=len)]
    return settings.head_rate if name.startswith(HEADS) else 1.0


def optimiser(network: nn.Module, settings: OptimiserSettings) -> torch.optim.Optimizer:
    """What changes the weights of `parameter_groups`: `settings.optimiser` is one of `OPTIMISERS`.

    "sgd": with momentum, as R-CNN and GoogLeNet. "adamw" (Loshchilov and Hutter 2019): each weight at a rate of its
    own, `settings.momentum` the first of its two decays; `weight_decay` is a share of the weight itself then, and not
    part of its gradient.

    Raises:
        ValueError: as `parameter_groups`, or if it is none of them.
    """
    groups = parameter_groups(network, settings)
    if settings.optimiser == "sgd":
        return torch.optim.SGD(groups, lr=settings.learning_rate, momentum=settings.momentum)
    if settings.optimiser == "adamw":
        return torch.optim.AdamW(groups, lr=settings.learning_rate, betas=(settings.momentum, SECOND_DECAY))
    raise ValueError(f"optimiser: expected {' or '.join(OPTIMISERS)}, got {settings.optimiser!r}")
