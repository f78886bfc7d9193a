"""Local response normalisation on a CPU: one pass over the memory, and a power without square roots."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from proposals.compiled import kernel

DTYPES = (torch.bfloat16, torch.float32)
# Of the first guess at x ** -0.75 from the bits of x: 1.75 · 127 · 2 ** 23, less what makes errors to both sides alike.
_GUESS = np.int32(1863600000)
BLOCK = 16  # pixels at a time, whose numbers stay in the nearest cache


def normalise_channels_last(features: Tensor, alpha: float, k: float) -> Tensor:
    """`local_response_norm` over 5 channels with beta 0.75, for maps in memory; no gradients.

    Squares, sums and powers are float32; the power has a relative error below 4e-7, and what is bfloat16 is rounded
    once. A pixel's numbers do not depend on the others.

    Args:
        features: (N, C, H, W) of one of `DTYPES`; channels last in memory is read without a copy; N may be 0.
        alpha: divided by 5. k: above 0.
    Returns:
        New tensor of the same shape and type, channels last.
    """
    pixels = features.contiguous(memory_format=torch.channels_last).permute(0, 2, 3, 1).reshape(-1, features.shape[1])
    normed = torch.empty_like(pixels)
    factor, offset = np.float32(alpha / 5), np.float32(k)
    if features.dtype == torch.bfloat16:
        _normalise_bfloat16(_bits(pixels), factor, offset, _bits(normed))
    else:
        _normalise(pixels.numpy(), factor, offset, normed.numpy())
    count, channels, height, width = features.shape
    return normed.view(count, height, width, channels).permute(0, 3, 1, 2)


def _bits(values: Tensor) -> NDArray[Any]:
    return values.view(torch.int16).numpy().view(np.uint16)


@kernel
def _normalise(pixels: NDArray[np.float32], factor: float, k: float, normed: NDArray[np.float32]) -> None:
    channels = pixels.shape[1]
    values = np.zeros((BLOCK, channels + 4), np.float32)
    scratch = np.zeros((3, values.size), np.float32)
    for first in range(0, len(pixels), BLOCK):
        count = min(BLOCK, len(pixels) - first)
        for n in range(count):
            values[n, 2 : 2 + channels] = pixels[first + n]
        results = _normalise_block(values.reshape(-1), factor, k, scratch).reshape(values.shape)
        for n in range(count):
            normed[first + n] = results[n, 2 : 2 + channels]


@kernel
def _normalise_bfloat16(pixels: NDArray[np.uint16], factor: float, k: float, normed: NDArray[np.uint16]) -> None:
    channels = pixels.shape[1]
    values = np.zeros((BLOCK, channels + 4), np.float32)
    scratch = np.zeros((3, values.size), np.float32)
    bits = values.view(np.uint32)
    for first in range(0, len(pixels), BLOCK):
        count = min(BLOCK, len(pixels) - first)
        for n in range(count):
            source, target = pixels[first + n], bits[n, 2 : 2 + channels]
            for i in range(channels):
                target[i] = np.uint32(source[i]) << np.uint32(16)
        results = _normalise_block(values.reshape(-1), factor, k, scratch).view(np.uint32).reshape(bits.shape)
        for n in range(count):
            rounded, stored = results[n, 2 : 2 + channels], normed[first + n]
            for i in range(channels):  # to the nearest, ties to even
                up = np.uint32(0x7FFF) + ((rounded[i] >> np.uint32(16)) & np.uint32(1))
                stored[i] = (rounded[i] + up) >> np.uint32(16)


@kernel
def _normalise_block(
    values: NDArray[np.float32], factor: float, k: float, scratch: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Pixels one after the other, each between zeros, so that the window's sum needs no ends: long loops without
    branches, for the vector unit. Of the results, those in the zeros' places mean nothing.
    """
    size = len(values) - 4
    squares, bases, powers = scratch[0], scratch[1, 2 : 2 + size], scratch[2, 2 : 2 + size]
    for i in range(len(values)):
        squares[i] = values[i] * values[i]
    # slices of their own, so that numba sees no negative index
    windows = squares[:size], squares[1 : 1 + size], squares[2 : 2 + size], squares[3 : 3 + size], squares[4:]
    _bases_and_guesses(windows, factor, k, bases, bases.view(np.int32), powers.view(np.int32))
    inner = values[2 : 2 + size]
    for i in range(size):
        powers[i] = inner[i] * _nearer(bases[i], _nearer(bases[i], _nearer(bases[i], powers[i])))
    normed: NDArray[np.float32] = scratch[2]
    return normed


@kernel
def _bases_and_guesses(
    windows: tuple[NDArray[np.float32], ...],
    factor: float,
    k: float,
    bases: NDArray[np.float32],
    base_bits: NDArray[np.int32],
    guess_bits: NDArray[np.int32],
) -> None:
    a, b, c, d, e = windows
    for i in range(len(bases)):
        bases[i] = k + factor * (a[i] + b[i] + c[i] + d[i] + e[i])
    for i in range(len(bases)):
        guess_bits[i] = _GUESS - (base_bits[i] - (base_bits[i] >> np.int32(2)))


@kernel
def _nearer(base: np.float32, power: np.float32) -> np.float32:
    """Newton's step for power ** -4 = base ** 3, factors grouped so that none overflows where the base is finite."""
    near_one = (base * power) * (base * power) * (base * (power * power))
    nearer: np.float32 = power * (np.float32(1.25) - np.float32(0.25) * near_one)
    return nearer
