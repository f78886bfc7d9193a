"""How well a region's corrected box fits an object, whatever its class: the probability that their IoU is 0.5 or more.

A classifier is taught that regions of IoU 0.5 and more are the object, so that what it says does not tell a box that
fits from one that nearly does; and that those below are background, though box regression brings half of these to 0.5.
After IoU-Net (Jiang et al. 2018), which ranks boxes by a predicted IoU, and OLN (Kim et al. 2021), which found that how
well a box fits is learnt for objects of unseen classes too. Both are of IoU itself; the rule of ILSVRC asks for 0.5,
and of small objects for less, which is left out here.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from detect.cell_box_regressor import SCALE

FIT_IOU = 0.5
REDUCED, HIDDEN = 32, 128


class RegionFit(nn.Module):
    """One number for a region, read from its cells, which know where in it things are, and its features.

    A 1×1 convolution, ReLU, a hidden layer on all its cells and the features, ReLU, one output that starts at zero: any
    box is as likely to fit as not until it is trained. The convolution works in the type of its weights, or autocast's;
    what follows in float32. What starts at random is drawn apart, so that a network's other weights start the same with
    it and without.

    Args:
        channels, side: of the cells, `Backbone.cell_channels` and `cell_side`.
        features: their number, `Backbone.num_features`.
    """

    def __init__(self, channels: int, side: int, features: int) -> None:
        super().__init__()
        self.channels, self.side, self.features = channels, side, features
        with torch.random.fork_rng(devices=[]):
            self.reduce = nn.Conv2d(channels, REDUCED, 1)
            self.hidden = nn.Linear(REDUCED * side * side + features, HIDDEN)
            self.output = nn.Linear(HIDDEN, 1)
            for name, parameter in self.named_parameters():
                if name in ("reduce.weight", "hidden.weight"):
                    nn.init.kaiming_normal_(parameter, nonlinearity="relu")
                else:
                    nn.init.zeros_(parameter)

    def hidden_of(self, cells: Tensor, features: Tensor) -> Tensor:
        """(N, channels, side, side) and (N, features) → float32 (N, 128).

        Raises:
            ValueError: if there are more or fewer of either.
        """
        side = self.side
        if cells.shape[1:] != (self.channels, side, side) or features.shape != (len(cells), self.features):
            raise ValueError(
                f"cells and features: expected (N, {self.channels}, {side}, {side}) and (N, {self.features}), "
                f"got {tuple(cells.shape)} and {tuple(features.shape)}"
            )
        reduced = F.relu(self.reduce(cells * SCALE)).flatten(1)
        with torch.autocast(cells.device.type, enabled=False):
            hidden: Tensor = F.relu(self.hidden(torch.cat([reduced.float(), features.float()], dim=1)))
        return hidden

    def forward(self, cells: Tensor, features: Tensor) -> Tensor:
        """(N, channels, side, side) and (N, features) → float32 (N,), the probability's log-odds."""
        hidden = self.hidden_of(cells, features)
        with torch.autocast(cells.device.type, enabled=False):
            odds: Tensor = self.output(hidden)
        return odds[:, 0]
