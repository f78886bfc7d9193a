"""Halving a grid without a bottleneck: two strided convolution branches and a pool in parallel."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from detect.modules.conv_bn_relu import ConvBNReLU


@dataclass(frozen=True)
class ReductionWidths:
    """Output channels: 1×1 then 3×3 with stride 2; 1×1 then 3×3 then 3×3 with stride 2. The pool keeps the input's."""

    reduce3x3: int
    conv3x3: int
    reduce_twice: int
    conv_twice: int


class GridReduction(nn.Module):
    """Rethinking the Inception Architecture, section 5 and figure 10.

    Pooling first would squeeze what is known through too few numbers, convolving first would cost four times as much;
    both in parallel widen the map as they halve it. Nothing is padded where the stride is 2.
    """

    def __init__(self, in_channels: int, widths: ReductionWidths) -> None:
        super().__init__()
        self.once = nn.Sequential(
            ConvBNReLU(in_channels, widths.reduce3x3, 1),
            ConvBNReLU(widths.reduce3x3, widths.conv3x3, 3, stride=2, padding="valid"),
        )
        self.twice = nn.Sequential(
            ConvBNReLU(in_channels, widths.reduce_twice, 1),
            ConvBNReLU(widths.reduce_twice, widths.conv_twice, 3),
            ConvBNReLU(widths.conv_twice, widths.conv_twice, 3, stride=2, padding="valid"),
        )
        self.pool = nn.MaxPool2d(3, stride=2)
        self.out_channels = widths.conv3x3 + widths.conv_twice + in_channels

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, H, W) → (N, conv3x3 + conv_twice + C, h, w), h = ⌊(H − 1) / 2⌋ and w alike: 35 → 17, 17 → 8."""
        return torch.cat([self.once(features), self.twice(features), self.pool(features)], dim=1)
