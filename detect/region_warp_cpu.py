"""RoIAlign's sampling rule for one image, or one feature map, on a CPU, one axis at a time.

torchvision's `roi_align` sums every output pixel over a two-dimensional grid of bilinear samples. The grid is even
and bilinear weights are products, so the sum over rows and the sum over columns separate: first each output row is
a weighted sum of image rows, long and contiguous, then each output pixel is a weighted sum of a few neighbours in
it. Same numbers as `roi_align` to rounding, at about a tenth of its cost.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.extending import overload
from numpy.typing import NDArray

from proposals.compiled import kernel


def cut_regions(image: NDArray[np.float32], boxes: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Resample boxes of an image to squares, as `roi_align(sampling_ratio=-1, aligned=True)` does.

    Args:
        image: (H, W, 3), C-contiguous.
        boxes: (N, 4) xyxy pixels; N may be 0; what lies outside the image is 0.
        size: side of the squares.
    Returns:
        (N, size, size, 3).
    """
    regions = np.empty((len(boxes), size, size, 3), np.float32)
    _cut_regions(image, boxes.astype(np.float64), size, regions)
    return regions


def read_cells(cells: NDArray[np.float32], boxes: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """The same of a feature map, with any number of channels.

    Args:
        cells: (h, w, C), C-contiguous.
        boxes: (N, 4) xyxy in cells; N may be 0.
        size: bins on a side.
    Returns:
        (N, size, size, C).
    """
    regions = np.empty((len(boxes), size, size, cells.shape[2]), np.float32)
    _read_regions(cells, boxes.astype(np.float64), regions)
    return regions


def read_cells_bfloat16(cells: NDArray[np.uint16], boxes: NDArray[np.float32], size: int) -> NDArray[np.uint16]:
    """`read_cells` of the bits of bfloat16; sums are float32, each rounded once, to the nearest, ties to even."""
    regions = np.empty((len(boxes), size, size, cells.shape[2]), np.uint16)
    _read_regions_bfloat16(cells, boxes.astype(np.float64), regions)
    return regions


@kernel
def _cut_regions(
    image: NDArray[np.float32], boxes: NDArray[np.float64], size: int, regions: NDArray[np.float32]
) -> None:
    height, width, channels = image.shape
    line = np.empty(width * channels, np.float32)
    for n in range(len(boxes)):
        x_first, x_weights = _axis_weights(boxes[n, 0], boxes[n, 2], size, width)
        y_first, y_weights = _axis_weights(boxes[n, 1], boxes[n, 3], size, height)
        left = x_first.min()
        right = min(width, (x_first + x_weights.shape[1]).max())
        for y in range(size):
            _combine_rows(image, y_first[y], y_weights[y], left, right, line)
            _combine_columns(line, x_first, x_weights, width, regions[n, y])


@kernel
def _axis_weights(low: float, high: float, size: int, length: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """For each of `size` output positions: the first pixel it reads, and the weights of that and the following.

    Samples beyond −1 … length count nothing; between −1 and 0, and past the last centre, they take the edge pixel.
    """
    extent = high - low
    samples = max(1, int(np.ceil(extent / size)))
    step = extent / size
    reach = int(np.ceil(step)) + 2
    first = np.empty(size, np.int64)
    weights = np.zeros((size, reach), np.float32)
    for position in range(size):
        start = low - 0.5 + position * step
        begin = min(max(int(np.floor(start + 0.5 * step / samples)), 0), length - 1)
        first[position] = begin
        for sample in range(samples):
            at = start + (sample + 0.5) * step / samples
            if at < -1.0 or at > length:
                continue
            at = max(at, 0.0)
            below = min(int(at), length - 1)
            fraction = at - below if below < length - 1 else 0.0
            weights[position, below - begin] += (1.0 - fraction) / samples
            if fraction > 0.0:
                weights[position, below + 1 - begin] += fraction / samples
    return first, weights


@kernel
def _combine_rows(
    image: NDArray[np.float32],
    first: int,
    weights: NDArray[np.float32],
    left: int,
    right: int,
    line: NDArray[np.float32],
) -> None:
    """line[left:right] ← Σ weights · image rows, all channels; rows past the end have weight 0."""
    channels = image.shape[2]
    rows = image.reshape(image.shape[0], -1)
    target = line[left * channels : right * channels]
    target[:] = 0.0
    for tap in range(len(weights)):
        weight = weights[tap]
        if weight != 0.0:
            source = rows[first + tap, left * channels : right * channels]
            for i in range(len(target)):  # from 0, so that numba sees no negative index and uses the vector unit
                target[i] += weight * source[i]


@kernel
def _combine_columns(
    line: NDArray[np.float32],
    first: NDArray[np.int64],
    weights: NDArray[np.float32],
    width: int,
    output: NDArray[np.float32],
) -> None:
    """output[x] ← Σ weights · pixels of the line, three channels."""
    for x in range(len(first)):
        taps = min(weights.shape[1], width - first[x])
        pixels = line[first[x] * 3 : (first[x] + taps) * 3]
        a = b = c = np.float32(0.0)
        for tap in range(taps):
            weight = weights[x, tap]
            a += weight * pixels[3 * tap]
            b += weight * pixels[3 * tap + 1]
            c += weight * pixels[3 * tap + 2]
        output[x, 0] = a
        output[x, 1] = b
        output[x, 2] = c


@kernel
def _read_regions(cells: NDArray[np.float32], boxes: NDArray[np.float64], regions: NDArray[np.float32]) -> None:
    height, width, channels = cells.shape
    line = np.empty((width, channels), np.float32)
    for n in range(len(boxes)):
        size, region = len(regions[n]), regions[n]
        if not (boxes[n, 0] < boxes[n, 2] and boxes[n, 1] < boxes[n, 3]):  # no extent has no points
            region[:] = 0.0
            continue
        x_first, x_weights = _axis_weights(boxes[n, 0], boxes[n, 2], size, width)
        y_first, y_weights = _axis_weights(boxes[n, 1], boxes[n, 3], size, height)
        for y in range(size):
            _mix_rows(cells, y_first[y], y_weights[y], x_first, x_weights.shape[1], line)
            for x in range(size):
                _mix(line, x_first[x], x_weights[x], 0, region[y, x])


@kernel
def _read_regions_bfloat16(cells: NDArray[np.uint16], boxes: NDArray[np.float64], regions: NDArray[np.uint16]) -> None:
    height, width, channels = cells.shape
    line = np.empty((width, channels), np.float32)
    sums = np.empty(channels, np.float32)
    bits = sums.view(np.uint32)
    for n in range(len(boxes)):
        size, region = len(regions[n]), regions[n]
        if not (boxes[n, 0] < boxes[n, 2] and boxes[n, 1] < boxes[n, 3]):
            region[:] = 0
            continue
        x_first, x_weights = _axis_weights(boxes[n, 0], boxes[n, 2], size, width)
        y_first, y_weights = _axis_weights(boxes[n, 1], boxes[n, 3], size, height)
        for y in range(size):
            _mix_rows(cells, y_first[y], y_weights[y], x_first, x_weights.shape[1], line)
            for x in range(size):
                _mix(line, x_first[x], x_weights[x], 0, sums)
                rounded = region[y, x]
                for i in range(channels):  # to the nearest, ties to even
                    up = np.uint32(0x7FFF) + ((bits[i] >> np.uint32(16)) & np.uint32(1))
                    rounded[i] = (bits[i] + up) >> np.uint32(16)


@kernel
def _mix_rows(
    cells: NDArray[Any],
    first: int,
    weights: NDArray[np.float32],
    x_first: NDArray[np.int64],
    reach: int,
    line: NDArray[np.float32],
) -> None:
    """line (w, C) ← Σ weights · rows of cells (h, w, C), in the columns that `reach` ones from `x_first` on are."""
    height, width, channels = cells.shape
    left, right = x_first.min(), min(width, x_first.max() + reach)
    _mix(cells.reshape(height, -1), first, weights, left * channels, line[left:right].reshape(-1))


@kernel
def _mix(lines: NDArray[Any], first: int, weights: NDArray[np.float32], start: int, mixed: NDArray[np.float32]) -> None:
    """mixed (m,) ← Σ weights · lines[first …, start …], three lines at a time.

    Lines of weight 0 are not looked at: they may be past the end, or hold anything.
    """
    stop = start + len(mixed)
    mixed[:] = np.float32(0.0)
    for tap in range(0, len(weights), 3):
        a = weights[tap]
        b = weights[tap + 1] if tap + 1 < len(weights) else np.float32(0.0)
        c = weights[tap + 2] if tap + 2 < len(weights) else np.float32(0.0)
        if a == 0.0 and b == 0.0 and c == 0.0:
            continue
        at = first + tap
        some = at if a != 0.0 else (at + 1 if b != 0.0 else at + 2)  # stands in for a line of weight 0
        second, third = at + 1 if b != 0.0 else some, at + 2 if c != 0.0 else some
        _add(lines[some, start:stop], lines[second, start:stop], lines[third, start:stop], a, b, c, mixed)


@kernel
def _add(
    first: NDArray[Any],
    second: NDArray[Any],
    third: NDArray[Any],
    a: float,
    b: float,
    c: float,
    target: NDArray[np.float32],
) -> None:
    for i in range(len(target)):
        target[i] = target[i] + a * number(first[i]) + b * number(second[i]) + c * number(third[i])


def number(value: Any) -> Any:
    """A float32 itself; of the bits of a bfloat16, the float32 that they are."""
    raise NotImplementedError("only compiled, see below")


@overload(number, strict=False)
def _compiled_number(value: Any) -> Any:
    if isinstance(value, types.Integer):
        return lambda value: np.uint32(np.uint32(value) << np.uint32(16)).view(np.float32)
    return lambda value: value
