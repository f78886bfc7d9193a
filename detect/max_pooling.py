"""GoogLeNet's 3×3 max pooling, with a faster way for the CPU when no gradient is wanted."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class MaxPool3x3(nn.Module):
    """`max_pool_3x3` as a layer."""

    def __init__(self, *, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, features: Tensor) -> Tensor:
        return max_pool_3x3(features, stride=self.stride)


def max_pool_3x3(features: Tensor, *, stride: int) -> Tensor:
    """The greatest of each 3×3 window; exactly `torch.nn.functional.max_pool2d`, whichever way it is computed.

    torch's also notes where each maximum was. Without gradients, on a CPU, the maxima are taken along columns and
    then along rows, of shifted slices.

    Args:
        features: (N, C, H, W); N may be 0.
        stride: 1: the size is kept, windows are cut off at the edge. 2: sizes are rounded up, as in Caffe.
    Raises:
        ValueError: if the stride is another.
        RuntimeError: if nothing is left of a map, as torch says it.
    """
    if stride not in (1, 2):
        raise ValueError(f"stride: expected 1 or 2, got {stride}")
    wants_gradient = torch.is_grad_enabled() and features.requires_grad
    tiny = features.numel() == 0 or min(features.shape[2:]) < 3
    if wants_gradient or tiny or features.device.type != "cpu":
        return _of_torch(features, stride)
    along = _every if stride == 1 else _every_second
    return along(along(features, 2), 3)


def _of_torch(features: Tensor, stride: int) -> Tensor:
    if stride == 1:
        return F.max_pool2d(features, 3, stride=1, padding=1)
    return F.max_pool2d(features, 3, stride=2, ceil_mode=True)


def _every(features: Tensor, axis: int) -> Tensor:
    """Maxima of three neighbours along an axis of at least 3; of two at its ends."""
    size = features.shape[axis]
    pairs = torch.maximum(features.narrow(axis, 0, size - 1), features.narrow(axis, 1, size - 1))
    maxima = torch.empty_like(features)
    inner = maxima.narrow(axis, 1, size - 2)
    torch.maximum(pairs.narrow(axis, 0, size - 2), pairs.narrow(axis, 1, size - 2), out=inner)
    maxima.narrow(axis, 0, 1).copy_(pairs.narrow(axis, 0, 1))
    maxima.narrow(axis, size - 1, 1).copy_(pairs.narrow(axis, size - 2, 1))
    return maxima


def _every_second(features: Tensor, axis: int) -> Tensor:
    """Maxima of 0 1 2, 2 3 4, … along an axis of at least 3; the last may lack its third."""
    size = features.shape[axis]
    windows = size // 2
    first, second, third = (features[(slice(None),) * axis + (slice(start, None, 2),)] for start in range(3))
    maxima = torch.maximum(first.narrow(axis, 0, windows), second.narrow(axis, 0, windows))
    whole = maxima.narrow(axis, 0, min(windows, third.shape[axis]))
    torch.maximum(whole, third.narrow(axis, 0, whole.shape[axis]), out=whole)
    return maxima
