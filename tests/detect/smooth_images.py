"""An image that changes slowly, so that regions of it can be compared whatever read them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from detect.input_format import InputFormat

PLAIN = InputFormat("rgb", (0.0, 0.0, 0.0))


def smooth_image(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """Large blobs of colour, which survive resizing."""
    small = torch.rand(1, 3, 5, 7, generator=torch.Generator().manual_seed(seed)) * 255
    image = torch.nn.functional.interpolate(small, (height, width), mode="bicubic").clamp(0, 255)
    return image[0].permute(1, 2, 0).to(torch.uint8).numpy()
