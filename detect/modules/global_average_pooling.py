"""Global average pooling: each map becomes one number, in the place of fully connected layers."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class GlobalAveragePooling(nn.Module):
    """The mean of each map over all places (Network in Network, section 3.2); it has no weights to overfit with.

    Of one map a class its outputs are the logits. A linear layer without ReLU may as well come after it: the mean of
    1×1 convolutions is the 1×1 convolution of the mean. GoogLeNet (section 5) does that, "since it is easily adapted".
    """

    def forward(self, maps: Tensor) -> Tensor:
        """(N, K, H, W) of any float type and size → (N, K), float32 at least: sums of bfloat16 lose digits."""
        return maps.mean(dim=(2, 3), dtype=torch.promote_types(maps.dtype, torch.float32))
