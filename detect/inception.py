"""The Inception module of GoogLeNet, and the auxiliary classifier that hangs on it in training."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from detect.max_pooling import MaxPool3x3


@dataclass(frozen=True)
class InceptionWidths:
    """Output channels of one module: a row of GoogLeNet's Table 1, in the table's order."""

    conv1x1: int
    reduce3x3: int
    conv3x3: int
    reduce5x5: int
    conv5x5: int
    pool_proj: int

    @property
    def output(self) -> int:
        """Channels of the four branches side by side."""
        return self.conv1x1 + self.conv3x3 + self.conv5x5 + self.pool_proj


class Inception(nn.Module):
    """Four parallel branches whose outputs are concatenated (GoogLeNet, figure 2b).

    1×1; 1×1 then 3×3; 1×1 then 5×5; 3×3 max pooling then 1×1. Every convolution is followed by a ReLU and
    every branch keeps the height and width.
    """

    def __init__(self, in_channels: int, widths: InceptionWidths) -> None:
        super().__init__()
        self.conv1x1 = nn.Conv2d(in_channels, widths.conv1x1, 1)
        self.reduce3x3 = nn.Conv2d(in_channels, widths.reduce3x3, 1)
        self.conv3x3 = nn.Conv2d(widths.reduce3x3, widths.conv3x3, 3, padding=1)
        self.reduce5x5 = nn.Conv2d(in_channels, widths.reduce5x5, 1)
        self.conv5x5 = nn.Conv2d(widths.reduce5x5, widths.conv5x5, 5, padding=2)
        self.pool = MaxPool3x3(stride=1)
        self.pool_proj = nn.Conv2d(in_channels, widths.pool_proj, 1)

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, H, W) → (N, widths.output, H, W)."""
        branches = [
            self.conv1x1(features),
            self.conv3x3(F.relu(self.reduce3x3(features), inplace=True)),
            self.conv5x5(F.relu(self.reduce5x5(features), inplace=True)),
            self.pool_proj(self.pool(features)),
        ]
        return F.relu(torch.cat(branches, dim=1), inplace=True)


class AuxiliaryClassifier(nn.Module):
    """The side classifier on 4a and 4d; its loss counts 0.3 in training, and it is dropped afterwards.

    5×5 average pooling with stride 3, 1×1 convolution to 128, fully connected 1024, dropout 70 %, classes
    (GoogLeNet, section 5).

    Args:
        cells: a side of the map that it expects; GoogLeNet's, of a 224×224 image: 14, which become 4. A map of less
            than 5, as of a 64×64 image, is averaged as a whole: 1.
    """

    def __init__(self, in_channels: int, num_classes: int, *, cells: int = 14) -> None:
        super().__init__()
        self.window = min(5, cells)
        pooled = (cells - self.window) // 3 + 1
        self.conv = nn.Conv2d(in_channels, 128, 1)
        self.fc = nn.Linear(128 * pooled * pooled, 1024)
        self.dropout = nn.Dropout(0.7)
        self.classifier = nn.Linear(1024, num_classes)

    def hidden(self, features: Tensor) -> Tensor:
        """(N, C, cells, cells) → (N, 1024), what dropout and the linear layer see."""
        pooled = F.avg_pool2d(features, self.window, stride=3)
        return F.relu(self.fc(F.relu(self.conv(pooled)).flatten(1)))

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, cells, cells) → logits (N, num_classes)."""
        logits: Tensor = self.classifier(self.dropout(self.hidden(features)))
        return logits
