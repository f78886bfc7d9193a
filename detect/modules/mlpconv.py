"""Network-in-Network's mlpconv: a small perceptron slides over the image in the place of a linear filter."""

from __future__ import annotations

from torch import nn


class MlpConv(nn.Sequential):
    """A k×k convolution and two 1×1 convolutions, a ReLU after each.

    (N, C, H, W) → (N, widths[2], h, w), h = ⌊(H + 2 · padding − k) / stride⌋ + 1 and w alike.

    The perceptron has two hidden layers and is shared by all places; 1×1 convolutions are its layers beyond the first
    (Network in Network, section 3.1).

    Args:
        widths: channels of the three layers.
        kernel: k, odd where `padding` is not given.
        stride: of the k×k convolution.
        padding: None: k // 2, which keeps height and width at stride 1.
    """

    def __init__(
        self,
        in_channels: int,
        widths: tuple[int, int, int],
        kernel: int,
        *,
        stride: int = 1,
        padding: int | None = None,
    ) -> None:
        first, second, third = widths
        super().__init__(
            nn.Conv2d(in_channels, first, kernel, stride=stride, padding=kernel // 2 if padding is None else padding),
            nn.ReLU(inplace=True),
            nn.Conv2d(first, second, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(second, third, 1),
            nn.ReLU(inplace=True),
        )
