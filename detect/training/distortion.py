"""Photometric distortion of an image on the device, as one affine map of its colours.

Brightness, contrast and saturation are those of torchvision's `adjust_*`, and linear. Hue there goes by way of HSV,
which takes ten times as long as everything else; here it is a turn about the gray axis of the RGB cube, linear too, and
equal to HSV's at each third of the circle. So the four become one 3 × 3 matrix and a shift, and values are cut off
once, at the end.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from detect.training.region_samples import Distortion

GRAY = np.array([0.2989, 0.587, 0.114])  # torchvision's gray of R, G, B


def distort(pixels: Tensor, distortion: Distortion) -> Tensor:
    """Change brightness, then contrast (about the mean gray of the image), saturation and hue.

    Args:
        pixels: (3, H, W) RGB, 0 … 255, uint8 or float32; not changed.
        distortion: the default changes nothing at all.
    Returns:
        (3, H, W) float32, 0 … 255, not rounded.
    """
    colours = pixels.permute(1, 2, 0).float()
    if distortion == Distortion():
        return colours.permute(2, 0, 1)
    contrast, rest = distortion.contrast, saturation_matrix(distortion.saturation)
    rest = hue_matrix(distortion.hue) @ rest
    matrix = _on(colours.device, rest * (contrast * distortion.brightness))
    # contrast c: x → c · x + (1 − c) · m, and m, the mean gray, is linear in the mean colour
    shift = _on(colours.device, np.outer(rest.sum(axis=1), GRAY) * ((1 - contrast) * distortion.brightness))
    mean = colours.mean(dim=(0, 1))
    changed = torch.matmul(colours, matrix.T) + shift @ mean
    return changed.clamp_(0, 255).permute(2, 0, 1)


def saturation_matrix(saturation: float) -> NDArray[np.float64]:
    """(3, 3): a colour → `saturation` parts of it and 1 − `saturation` of its gray."""
    return saturation * np.eye(3) + (1 - saturation) * np.outer(np.ones(3), GRAY)


def hue_matrix(hue: float) -> NDArray[np.float64]:
    """(3, 3): a colour → the same sum of R, G and B, turned by `hue` of a circle from red by way of yellow to green."""
    cosine, sine = math.cos(2 * math.pi * hue), math.sin(2 * math.pi * hue)
    axis = np.ones(3) / math.sqrt(3)
    crossed = np.cross(axis, np.eye(3)).T  # colour → axis × colour
    turned: NDArray[np.float64] = cosine * np.eye(3) + sine * crossed + (1 - cosine) * np.outer(axis, axis)
    return turned  # Rodrigues' formula


def _on(device: torch.device, matrix: NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(matrix.astype(np.float32)).to(device)
