"""Box changes read from pool4's cells, which know where in a region things are.

R-CNN (appendix C) regresses boxes from pool5's 6 × 6 cells. GoogLeNet ends in an average over 7 × 7, after which little
is left of where an object's edges were; pool4 is the last of its layers before two more modules blur them.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CELLS, CHANNELS = 7, 832  # of pool4: a side of its output for a region, and its depth
REDUCED, HIDDEN = 32, 256
# pool4's numbers have a root mean square near 8; layers learn at the rate of others from numbers near 1.
SCALE = 0.1


class CellBoxRegressor(nn.Module):
    """The same four numbers for a region whatever its class; see `detect.box_coding`.

    A 1×1 convolution, ReLU, a hidden layer on all its cells, ReLU, four outputs that start at zero: no box moves until
    it is trained. The convolution works in the type of its weights, or autocast's; what follows in float32. What starts
    at random is drawn apart, so that a network's other weights start the same with it and without.

    Args:
        channels: of the cells. side: number of them in a row. Those of other networks than GoogLeNet are its own
            `Backbone.cells`.
    """

    def __init__(self, channels: int = CHANNELS, side: int = CELLS) -> None:
        super().__init__()
        self.channels, self.side = channels, side
        with torch.random.fork_rng(devices=[]):
            self.reduce = nn.Conv2d(channels, REDUCED, 1)
            self.hidden = nn.Linear(REDUCED * side * side, HIDDEN)
            self.output = nn.Linear(HIDDEN, 4)
            for name, parameter in self.named_parameters():
                if name in ("reduce.weight", "hidden.weight"):
                    nn.init.kaiming_normal_(parameter, nonlinearity="relu")
                else:
                    nn.init.zeros_(parameter)

    def hidden_of(self, pooled: Tensor) -> Tensor:
        """(N, channels, side, side) → float32 (N, 256).

        Raises:
            ValueError: if there are more or fewer cells.
        """
        side = self.side
        if pooled.shape[1:] != (self.channels, side, side):
            raise ValueError(f"pooled: expected (N, {self.channels}, {side}, {side}), got {tuple(pooled.shape)}")
        reduced = F.relu(self.reduce(pooled * SCALE)).flatten(1)
        with torch.autocast(pooled.device.type, enabled=False):
            hidden: Tensor = F.relu(self.hidden(reduced.float()))
        return hidden

    def forward(self, pooled: Tensor) -> Tensor:
        """(N, channels, side, side) → float32 (N, 4)."""
        hidden = self.hidden_of(pooled)
        with torch.autocast(pooled.device.type, enabled=False):
            deltas: Tensor = self.output(hidden)
        return deltas
