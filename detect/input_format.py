"""What a network wants to see: channel order, mean and scale."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from proposals.device_copy import on_device


@dataclass(frozen=True)
class InputFormat:
    """Normalisation of pixels: (pixel − mean) · scale, channels in `order`.

    Attributes:
        order: channel order that the first convolution was trained on.
        mean: of each channel, 0 … 255, in that order; what fills the outside of an image.
        scale: of each channel, in that order.
    """

    order: Literal["rgb", "bgr"]
    mean: tuple[float, float, float]
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        if self.order not in ("rgb", "bgr"):
            raise ValueError(f"order: expected rgb or bgr, got {self.order!r}")
        for name, values in (("mean", self.mean), ("scale", self.scale)):
            if len(values) != 3 or not all(map(math.isfinite, values)):
                raise ValueError(f"{name}: expected three numbers, got {values!r}")

    def normalise(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) RGB, 0 … 255, any type → new float32 (N, 3, H, W) in the network's order and range.

        On a GPU nothing waits.
        """
        channels = images.flip(1) if self.order == "bgr" else images
        constants = torch.tensor([self.mean, self.scale], dtype=torch.float32).view(2, 1, 3, 1, 1)
        mean, scale = on_device(constants, images.device).unbind()
        # In place: of a photo of a phone, each array more is hundreds of megabytes.
        return channels.to(torch.float32, copy=True).sub_(mean).mul_(scale)

    def normalise_one(self, images: Tensor, channel: int) -> Tensor:
        """One channel of what `normalise` gives, to the bit: new float32 (N, 1, H, W).

        Args:
            channel: 0, 1 or 2, in the network's order.
        """
        source = 2 - channel if self.order == "bgr" else channel
        plane = images[:, source : source + 1].to(torch.float32, copy=True)
        return plane.sub_(self.mean[channel]).mul_(self.scale[channel])


BVLC_INPUT = InputFormat("bgr", (104.0, 117.0, 123.0))
# torchvision trained with ImageNet's mean and deviation and then, inside the network (`transform_input`), undid them
# to get pixel / 127.5 − 1. Feeding that directly is the same function without the trap.
TORCHVISION_INPUT = InputFormat("rgb", (127.5, 127.5, 127.5), (1 / 127.5, 1 / 127.5, 1 / 127.5))
