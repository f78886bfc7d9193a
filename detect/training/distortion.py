"""Photometric distortion of an image on the device, as one affine map of its colours.

Brightness, contrast and saturation are those of torchvision's `adjust_*`, and linear. Hue there goes by way of HSV,
which takes ten times as long as everything else; here it is a turn about the gray axis of the RGB cube, linear too, and
equal to HSV's at each third of the circle. So the four become one 3 × 3 matrix and a shift, and values are cut off
once, at the end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from detect.training.region_samples import Distortion
from proposals.device_copy import on_device

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
    matrix, shift = on_device(torch.from_numpy(_affine(distortion)), colours.device).unbind()
    mean = colours.mean(dim=(0, 1))
    changed = torch.matmul(colours, matrix.T) + shift @ mean
    return changed.clamp_(0, 255).permute(2, 0, 1)


def distort_batch(pixels: Tensor, distortions: Sequence[Distortion]) -> Tensor:
    """`distort` for N images of one size, all at once.

    Args:
        pixels: (N, 3, H, W) RGB, 0 … 255, uint8 or float32; not changed.
        distortions: N; the default leaves its image as it is, to the last bit.
    Returns:
        New (N, 3, H, W) float32, 0 … 255, not rounded.
    Raises:
        ValueError: if the distortions are not N.
    """
    if len(distortions) != len(pixels):
        raise ValueError(f"distortions: expected {len(pixels)}, one for each image, got {len(distortions)}")
    affine = np.concatenate([np.empty((0, 2, 3, 3), np.float32), *(_affine(one)[None] for one in distortions)])
    matrices, shifts = on_device(torch.from_numpy(affine), pixels.device).unbind(dim=1)
    colours = pixels.flatten(2).float()
    changed = torch.baddbmm(shifts @ colours.mean(dim=2, keepdim=True), matrices, colours)
    return changed.clamp_(0, 255).view(pixels.shape)


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


def _affine(distortion: Distortion) -> NDArray[np.float32]:
    """(2, 3, 3): what a colour and what the image's mean colour is multiplied by; a distorted colour is their sum."""
    contrast, brightness = distortion.contrast, distortion.brightness
    rest = hue_matrix(distortion.hue) @ saturation_matrix(distortion.saturation)
    # contrast c: x → c · x + (1 − c) · m, and m, the mean gray, is linear in the mean colour
    shift = np.outer(rest.sum(axis=1), GRAY) * ((1 - contrast) * brightness)
    return np.stack([rest * (contrast * brightness), shift]).astype(np.float32)
