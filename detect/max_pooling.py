"""GoogLeNet's 3×3 max pooling, with a faster way for the CPU when no gradient is wanted."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from detect.max_pooling_cpu import DTYPES, max_pool_channels_last


class MaxPool3x3(nn.Module):
    """`max_pool_3x3` as a layer."""

    def __init__(self, *, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, features: Tensor) -> Tensor:
        return max_pool_3x3(features, stride=self.stride)


def max_pool_3x3(features: Tensor, *, stride: int) -> Tensor:
    """The greatest of each 3×3 window; exactly `torch.nn.functional.max_pool2d`, whichever way it is computed.

    torch's also notes where each maximum was. Without gradients, on a CPU, channels last, our kernel does not.

    Args:
        features: (N, C, H, W); N may be 0.
        stride: 1: the size is kept, windows are cut off at the edge. 2: sizes are rounded up, as in Caffe.
    Raises:
        ValueError: if the stride is another.
        RuntimeError: if nothing is left of a map, as torch says it.
    """
    if stride not in (1, 2):
        raise ValueError(f"stride: expected 1 or 2, got {stride}")
    in_order = features.is_contiguous(memory_format=torch.channels_last) and features.dtype in DTYPES
    wants_gradient = torch.is_grad_enabled() and features.requires_grad
    tiny = features.numel() == 0 or min(features.shape[2:]) < 3
    if wants_gradient or tiny or features.device.type != "cpu" or not in_order:
        return _of_torch(features, stride)
    return max_pool_channels_last(features, stride=stride)


def _of_torch(features: Tensor, stride: int) -> Tensor:
    if stride == 1:
        return F.max_pool2d(features, 3, stride=1, padding=1)
    return F.max_pool2d(features, 3, stride=2, ceil_mode=True)
