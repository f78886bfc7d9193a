"""The Inception module in which two 3×3 convolutions stand for a 5×5."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from detect.modules.conv_bn_relu import ConvBNReLU
from detect.modules.pool_projection import PoolProjection


@dataclass(frozen=True)
class Two3x3Widths:
    """Output channels: 1×1; 1×1 then 3×3; 1×1 then 3×3 twice, both of the same width; pool projection."""

    conv1x1: int
    reduce3x3: int
    conv3x3: int
    reduce_twice: int
    conv_twice: int
    pool_proj: int

    @property
    def output(self) -> int:
        """Channels of the four branches side by side."""
        return self.conv1x1 + self.conv3x3 + self.conv_twice + self.pool_proj


class Two3x3Inception(nn.Module):
    """Rethinking the Inception Architecture, section 3.1 and figure 5.

    Two 3×3 filters after each other see what a 5×5 sees, at 18 / 25 of the cost. Four branches, all of the
    input's height and width; batch normalisation and ReLU after each convolution, between the two as well.
    """

    def __init__(self, in_channels: int, widths: Two3x3Widths) -> None:
        super().__init__()
        self.conv1x1 = ConvBNReLU(in_channels, widths.conv1x1, 1)
        self.once = nn.Sequential(
            ConvBNReLU(in_channels, widths.reduce3x3, 1), ConvBNReLU(widths.reduce3x3, widths.conv3x3, 3)
        )
        self.twice = nn.Sequential(
            ConvBNReLU(in_channels, widths.reduce_twice, 1),
            ConvBNReLU(widths.reduce_twice, widths.conv_twice, 3),
            ConvBNReLU(widths.conv_twice, widths.conv_twice, 3),
        )
        self.pool = PoolProjection(in_channels, widths.pool_proj)

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, H, W) → (N, widths.output, H, W)."""
        branches = [self.conv1x1(features), self.once(features), self.twice(features), self.pool(features)]
        return torch.cat(branches, dim=1)
