"""What heads that read a region's cells have in common: a reduction of the cells, a hidden layer, outputs."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

REDUCED = 32
# pool4's numbers have a root mean square near 8; layers learn at the rate of others from numbers near 1.
SCALE = 0.1


class CellHead(nn.Module):
    """A 1×1 convolution, ReLU, a hidden layer on all its cells, ReLU, outputs that start at zero.

    The convolution works in the type of its weights, or autocast's; what follows in float32. What starts at random is
    drawn apart, so that a network's other weights start the same with it and without.

    Args:
        channels, side: of the cells, `Backbone.cell_channels` and `cell_side`.
        features: how many other numbers of a region the hidden layer sees beside its cells.
        hidden, outputs: widths of the two layers.
    """

    def __init__(self, channels: int, side: int, *, features: int = 0, hidden: int, outputs: int) -> None:
        super().__init__()
        self.channels, self.side, self.features = channels, side, features
        with torch.random.fork_rng(devices=[]):
            self.reduce = nn.Conv2d(channels, REDUCED, 1)
            self.hidden = nn.Linear(REDUCED * side * side + features, hidden)
            self.output = nn.Linear(hidden, outputs)
            for name, parameter in self.named_parameters():
                if name in ("reduce.weight", "hidden.weight"):
                    nn.init.kaiming_normal_(parameter, nonlinearity="relu")
                else:
                    nn.init.zeros_(parameter)

    def _hidden_of(self, cells: Tensor, *features: Tensor) -> Tensor:
        """(N, channels, side, side), and (N, features) if there are any → float32 (N, hidden)."""
        reduced = F.relu(self.reduce(cells * SCALE)).flatten(1)
        with torch.autocast(cells.device.type, enabled=False):
            read = torch.cat([one.float() for one in (reduced, *features)], dim=1)
            hidden: Tensor = F.relu(self.hidden(read))
        return hidden

    def _outputs_of(self, hidden: Tensor) -> Tensor:
        """float32 (N, hidden) → float32 (N, outputs)."""
        with torch.autocast(hidden.device.type, enabled=False):
            outputs: Tensor = self.output(hidden)
        return outputs
