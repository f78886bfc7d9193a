"""Convolution, batch normalisation, ReLU: the unit that Inception v2 and v3 are made of."""

from __future__ import annotations

from torch import nn

EPSILON = 1e-3  # as in torchvision's Inception v3; torch's own is 1e-5


class ConvBNReLU(nn.Sequential):
    """A convolution without bias, batch normalisation (Ioffe and Szegedy 2015), ReLU.

    (N, C, H, W) → (N, out_channels, h, w); at stride 2, h = ⌈H / 2⌉ with "same", ⌈(H − k + 1) / 2⌉ with "valid".

    Args:
        kernel: side, or (height, width).
        padding: "same" keeps height and width at stride 1 (of odd kernels); "valid" pads nothing.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int | tuple[int, int],
        *,
        stride: int = 1,
        padding: str = "same",
    ) -> None:
        if padding not in ("same", "valid"):
            raise ValueError(f"padding: expected same or valid, got {padding!r}")
        height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
        around = (height // 2, width // 2) if padding == "same" else (0, 0)
        super().__init__(
            nn.Conv2d(in_channels, out_channels, (height, width), stride=stride, padding=around, bias=False),
            nn.BatchNorm2d(out_channels, eps=EPSILON),
            nn.ReLU(inplace=True),
        )
