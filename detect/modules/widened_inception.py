"""The Inception module of the coarsest grid, whose filter banks are widened rather than deepened."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from detect.modules.conv_bn_relu import ConvBNReLU
from detect.modules.pool_projection import PoolProjection


@dataclass(frozen=True)
class WidenedWidths:
    """Output channels.

    Attributes:
        conv1x1: of the 1×1 branch.
        reduce3x3: of the 1×1 before the branch that is a 3×3 wide.
        reduce_twice: of the 1×1 before the one that is two of them deep.
        bank: of each of the 1×3 and 3×1 side by side in which both end, of both branches, and of the 3×3 before them.
        pool_proj: of the pool projection.
    """

    conv1x1: int
    reduce3x3: int
    reduce_twice: int
    bank: int
    pool_proj: int

    @property
    def output(self) -> int:
        """Channels of all branches side by side."""
        return self.conv1x1 + 4 * self.bank + self.pool_proj


class WidenedInception(nn.Module):
    """Rethinking the Inception Architecture, section 3.2 and figure 7: for the 8 × 8 grid at the end.

    Where a 3×3 would be, a 1×3 and a 3×1 stand side by side and both outputs are kept: many different features are what
    the coarsest grid is for (section 2, principle 2). All branches keep the height and width.
    """

    def __init__(self, in_channels: int, widths: WidenedWidths) -> None:
        super().__init__()
        bank = widths.bank
        self.conv1x1 = ConvBNReLU(in_channels, widths.conv1x1, 1)
        self.once = ConvBNReLU(in_channels, widths.reduce3x3, 1)
        self.once_across = ConvBNReLU(widths.reduce3x3, bank, (1, 3))
        self.once_down = ConvBNReLU(widths.reduce3x3, bank, (3, 1))
        self.twice = nn.Sequential(
            ConvBNReLU(in_channels, widths.reduce_twice, 1), ConvBNReLU(widths.reduce_twice, bank, 3)
        )
        self.twice_across = ConvBNReLU(bank, bank, (1, 3))
        self.twice_down = ConvBNReLU(bank, bank, (3, 1))
        self.pool = PoolProjection(in_channels, widths.pool_proj)

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, H, W) → (N, widths.output, H, W)."""
        once, twice = self.once(features), self.twice(features)
        branches = [
            self.conv1x1(features),
            self.once_across(once),
            self.once_down(once),
            self.twice_across(twice),
            self.twice_down(twice),
            self.pool(features),
        ]
        return torch.cat(branches, dim=1)
