"""The Inception module in which an n×n convolution is a 1×n and an n×1 after each other."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from detect.modules.conv_bn_relu import ConvBNReLU
from detect.modules.pool_projection import PoolProjection


@dataclass(frozen=True)
class AsymmetricWidths:
    """Output channels of the four branches, and of what is inside those that have n×n convolutions.

    Attributes:
        conv1x1, once, twice, pool_proj: of the branches: 1×1; one n×n; two of them; pool projection.
        inner: of all other convolutions of `once` and `twice`.
    """

    conv1x1: int
    inner: int
    once: int
    twice: int
    pool_proj: int

    @property
    def output(self) -> int:
        """Channels of the four branches side by side."""
        return self.conv1x1 + self.once + self.twice + self.pool_proj


class AsymmetricInception(nn.Module):
    """Rethinking the Inception Architecture, section 3.2 and figure 6.

    1×n then n×1 sees what n×n sees, at 2 / n of the cost. It is for grids of 12 to 20 cells, n = 7 on that of 17 × 17:
    on larger ones it did not work well. Four branches, all of the input's height and width.

    Args:
        n: odd.
    """

    def __init__(self, in_channels: int, widths: AsymmetricWidths, *, n: int = 7) -> None:
        super().__init__()
        inner = widths.inner
        self.conv1x1 = ConvBNReLU(in_channels, widths.conv1x1, 1)
        self.once = nn.Sequential(
            ConvBNReLU(in_channels, inner, 1),
            ConvBNReLU(inner, inner, (1, n)),
            ConvBNReLU(inner, widths.once, (n, 1)),
        )
        self.twice = nn.Sequential(
            ConvBNReLU(in_channels, inner, 1),
            ConvBNReLU(inner, inner, (1, n)),
            ConvBNReLU(inner, inner, (n, 1)),
            ConvBNReLU(inner, inner, (1, n)),
            ConvBNReLU(inner, widths.twice, (n, 1)),
        )
        self.pool = PoolProjection(in_channels, widths.pool_proj)

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, H, W) → (N, widths.output, H, W)."""
        branches = [self.conv1x1(features), self.once(features), self.twice(features), self.pool(features)]
        return torch.cat(branches, dim=1)
