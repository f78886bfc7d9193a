"""The pooling branch of Inception v2's modules: an average, then a 1×1 convolution."""

from __future__ import annotations

from torch import nn

from detect.modules.conv_bn_relu import ConvBNReLU


class PoolProjection(nn.Sequential):
    """3×3 pooling with stride 1, then 1×1 (Rethinking the Inception Architecture, figures 5 to 7).

    (N, C, H, W) → (N, out_channels, H, W).

    The figures do not say which pooling; the networks that were published average. At the edge the average is over the
    cells that are there.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False), ConvBNReLU(in_channels, out_channels, 1)
        )
