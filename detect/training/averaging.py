"""Polyak averaging: the mean of the weights over the last steps, smoother than the weights themselves.

And the mean with those at the start, which keeps some of what was known there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor


class Average:
    """Exponential moving average of named parameters, in float32, which starts at their values.

    The decay of update t (from 0) is min(`decay`, (1 + t) / (10 + t)), so that the start is soon forgotten.

    Args:
        decay: at least 0, below 1; 0 keeps the newest values.
        parameters: (name, value); not changed.
    Raises:
        ValueError: if the decay is out of range.
    """

    def __init__(self, decay: float, parameters: Iterable[tuple[str, Tensor]]) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"averaging: expected a decay from 0 to below 1, got {decay}")
        self.decay = decay
        self.updates = 0
        self.values = {name: value.detach().float().clone() for name, value in parameters}

    @torch.no_grad()
    def update(self, parameters: Iterable[tuple[str, Tensor]]) -> None:
        """Take in the parameters after a step; their names and shapes are those of the start."""
        weight = 1 - min(self.decay, (1 + self.updates) / (10 + self.updates))
        for name, value in parameters:
            self.values[name].lerp_(value.detach().float(), weight)
        self.updates += 1

    def to(self, device: torch.device) -> None:
        """Move the averages to where the parameters are."""
        self.values = {name: value.to(device) for name, value in self.values.items()}

    def over(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """A new state dict: copies of `state`, the averaged entries replaced, in its types and on its devices."""
        return {
            name: (self.values[name].to(value) if name in self.values else value.detach()).clone()
            for name, value in state.items()
        }

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"updates": self.updates, "values": self.values}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint.

        Raises:
            ValueError: if it averages other parameters.
        """
        if {name: value.shape for name, value in state["values"].items()} != {
            name: value.shape for name, value in self.values.items()
        }:
            raise ValueError("averaging: expected the averages of the same parameters in the checkpoint, got others")
        self.updates = int(state["updates"])
        self.values = {name: value.clone() for name, value in state["values"].items()}


def with_start(state: Mapping[str, Tensor], start: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """Between the weights that training came to and those it started from.

    After Wortsman et al., Robust fine-tuning of zero-shot models (2022), section 3: on a straight line between the two,
    what was learnt is largely there, and what was known before largely still.

    Args:
        state, start: of one network.
        share: of the start, in [0, 1].
    Returns:
        New tensors; what is no floating point number, as counts of batches, is as in `state`.
    """
    return {
        name: torch.lerp(value, start[name].to(value), share) if value.is_floating_point() else value.clone()
        for name, value in state.items()
    }
