"""The Inception module as it runs when nothing learns: its three 1×1 convolutions of one input as one product."""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from detect.inception import Inception
from detect.max_pooling import MaxPool3x3


class FusedInception(nn.Module):
    """What `Inception` computes, from a copy of its weights.

    The 1×1 convolution and the two reductions read the same features, so they are one matrix product over pixels; the
    projection after the pool is a product too.

    Args:
        module: is not changed.
    """

    def __init__(self, module: Inception) -> None:
        super().__init__()
        readers = (module.conv1x1, module.reduce3x3, module.reduce5x5)
        self.widths = [reader.out_channels for reader in readers]
        self.weight = nn.Parameter(torch.cat([reader.weight.detach().flatten(1) for reader in readers]))
        self.bias = nn.Parameter(torch.cat([_bias(reader) for reader in readers]))
        self.conv3x3, self.conv5x5 = copy.deepcopy(module.conv3x3), copy.deepcopy(module.conv5x5)
        self.pool = MaxPool3x3(stride=1)
        self.projection_weight = nn.Parameter(module.pool_proj.weight.detach().flatten(1).clone())
        self.projection_bias = nn.Parameter(_bias(module.pool_proj).clone())

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, H, W) → (N, widths.output, H, W), channels last."""
        joint = F.relu(F.linear(_pixels(features), self.weight, self.bias), inplace=True)
        direct, for3x3, for5x5 = torch.split(joint, self.widths, dim=3)
        projected = F.linear(_pixels(self.pool(features)), self.projection_weight, self.projection_bias)
        branches = [
            direct,
            _pixels(self.conv3x3(_maps(for3x3))),
            _pixels(self.conv5x5(_maps(for5x5))),
            projected,
        ]
        return _maps(F.relu(torch.cat(branches, dim=3), inplace=True))


def fuse_inceptions(network: nn.Module) -> None:
    """Put a `FusedInception` in the place of every `Inception` in a network, which then can no longer be trained."""
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, Inception):
                setattr(parent, name, FusedInception(child).requires_grad_(False))


def _bias(convolution: nn.Conv2d) -> Tensor:
    assert convolution.bias is not None
    return convolution.bias.detach()


def _pixels(maps: Tensor) -> Tensor:
    """(N, C, H, W) → (N, H, W, C), contiguous; channels last without a copy."""
    return maps.permute(0, 2, 3, 1).contiguous()


def _maps(pixels: Tensor) -> Tensor:
    """(N, H, W, C) → (N, C, H, W), channels last."""
    return pixels.contiguous().permute(0, 3, 1, 2)
