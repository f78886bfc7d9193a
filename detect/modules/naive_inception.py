"""The naive Inception module: filters of three sizes and a pool side by side, nothing reduced before them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from detect.max_pooling import MaxPool3x3


class NaiveInception(nn.Module):
    """1×1, 3×3 and 5×5 convolutions and 3×3 max pooling in parallel, concatenated (GoogLeNet, figure 2a).

    A ReLU follows each convolution. The pool keeps all channels of the input, so outputs grow from module to module:
    why GoogLeNet puts 1×1 reductions before the large filters (figure 2b, `detect.inception`).

    Args:
        conv1x1, conv3x3, conv5x5: channels of each convolution.
    """

    def __init__(self, in_channels: int, *, conv1x1: int, conv3x3: int, conv5x5: int) -> None:
        super().__init__()
        self.conv1x1 = nn.Conv2d(in_channels, conv1x1, 1)
        self.conv3x3 = nn.Conv2d(in_channels, conv3x3, 3, padding=1)
        self.conv5x5 = nn.Conv2d(in_channels, conv5x5, 5, padding=2)
        self.pool = MaxPool3x3(stride=1)
        self.out_channels = conv1x1 + conv3x3 + conv5x5 + in_channels

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, H, W) → (N, conv1x1 + conv3x3 + conv5x5 + C, H, W)."""
        convolved = torch.cat([self.conv1x1(features), self.conv3x3(features), self.conv5x5(features)], dim=1)
        return torch.cat([F.relu(convolved, inplace=True), self.pool(features)], dim=1)
