"""3×3 max pooling of maps in memory, one pass, bfloat16 compared as integers."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from proposals.compiled import kernel

DTYPES = (torch.bfloat16, torch.float32)
INFINITY = np.int16(0x7F80)  # as bfloat16


def max_pool_channels_last(features: Tensor, *, stride: int) -> Tensor:
    """`detect.max_pooling.max_pool_3x3` for maps in memory; no gradients.

    Args:
        features: (N, C, H, W) of one of `DTYPES`, each at least 1; channels last in memory is read without a copy.
        stride: 1 or 2.
    Returns:
        New tensor of the same type, channels last.
    """
    maps = features.contiguous(memory_format=torch.channels_last).permute(0, 2, 3, 1)
    count, height, width, channels = maps.shape
    # Caffe's rounding up: a window may hang over the end, but begins inside
    size = (height, width) if stride == 1 else (-(-(height - 3) // 2) + 1, -(-(width - 3) // 2) + 1)
    pooled = maps.new_empty(count, *size, channels)
    kernel_of_type = _pool_bfloat16 if features.dtype == torch.bfloat16 else _pool
    kernel_of_type(_numbers(maps), stride, _numbers(pooled))
    return pooled.permute(0, 3, 1, 2)


def _numbers(values: Tensor) -> NDArray[Any]:
    return values.view(torch.int16).numpy() if values.dtype == torch.bfloat16 else values.numpy()


@kernel
def _pool(maps: NDArray[np.float32], stride: int, pooled: NDArray[np.float32]) -> None:
    count, height, width, channels = maps.shape
    lines = np.empty((width, channels), np.float32)
    for n in range(count):
        for y in range(pooled.shape[1]):
            a, b, c = _window(y, stride, height)
            _greatest(maps[n, a].reshape(-1), maps[n, b].reshape(-1), maps[n, c].reshape(-1), lines.reshape(-1))
            for x in range(pooled.shape[2]):
                a, b, c = _window(x, stride, width)
                _greatest(lines[a], lines[b], lines[c], pooled[n, y, x])


@kernel
def _pool_bfloat16(maps: NDArray[np.int16], stride: int, pooled: NDArray[np.int16]) -> None:
    """The bits of bfloat16: as integers they are in the order of the numbers, once those below 0 are turned round."""
    count, height, width, channels = maps.shape
    lines = np.empty((width, channels), np.int16)
    line = lines.reshape(-1)
    for n in range(count):
        for y in range(pooled.shape[1]):
            a, b, c = _window(y, stride, height)
            _greatest_turned(maps[n, a].reshape(-1), maps[n, b].reshape(-1), maps[n, c].reshape(-1), line)
            for x in range(pooled.shape[2]):
                a, b, c = _window(x, stride, width)
                _greatest(lines[a], lines[b], lines[c], pooled[n, y, x])
            row = pooled[n, y].reshape(-1)
            for i in range(len(row)):
                row[i] = _turned_back(row[i])


@kernel
def _window(position: int, stride: int, length: int) -> tuple[int, int, int]:
    """Three cells; at an end one of them twice. At stride 1 they are centred, at 2 they begin at even cells."""
    start = position - 1 if stride == 1 else 2 * position
    return max(0, start), min(length - 1, start + 1), min(length - 1, start + 2)


@kernel
def _greatest(first: NDArray[Any], second: NDArray[Any], third: NDArray[Any], greatest: NDArray[Any]) -> None:
    """A NaN counts as the greatest."""
    for i in range(len(greatest)):
        a, b, c = first[i], second[i], third[i]
        value = a if a > b or a != a else b
        greatest[i] = value if value > c or value != value else c


@kernel
def _greatest_turned(
    first: NDArray[np.int16], second: NDArray[np.int16], third: NDArray[np.int16], greatest: NDArray[np.int16]
) -> None:
    for i in range(len(greatest)):
        a, b, c = _turned(first[i]), _turned(second[i]), _turned(third[i])
        value = a if a > b else b
        greatest[i] = value if value > c else c


@kernel
def _turned(bits: np.int16) -> np.int16:
    """A NaN loses its sign, so that it is the greatest."""
    magnitude = np.int16(bits & np.int16(0x7FFF))
    turned: np.int16 = magnitude if magnitude > INFINITY else _turned_back(bits)
    return turned


@kernel
def _turned_back(bits: np.int16) -> np.int16:
    turned: np.int16 = np.int16(bits ^ (np.int16(bits >> np.int16(15)) & np.int16(0x7FFF)))
    return turned
