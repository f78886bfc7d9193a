"""RoIAlign as two matrix products: squares of cells read from one feature map, on any device, differentiable.

On a CPU they are read cell by cell instead (`shared_map_cpu`), two to five times as fast.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from detect.shared_map_cpu import DTYPES, align_regions_cpu
from proposals.device_copy import on_device

BOXES_AT_ONCE = 128  # what is between the two products is 1.3 MB for each, of a map of 54 cells across


def align_regions(features: Tensor, boxes: Tensor, size: int) -> Tensor:
    """Read a size × size square of each box from a map: what torchvision's `roi_align` gives (Mask R-CNN, section 3).

    A box is divided into size × size bins; in each, features are interpolated bilinearly at an even grid of points, one
    for every cell that the bin is wide and high, rounded up, and averaged. Both directions are weights of their own,
    so all boxes are two matrix products. The numbers are those of `roi_align(sampling_ratio=-1, aligned=True)`.

    Args:
        features: (C, h, w) of one image, any float type; channels last in memory is read without a copy.
        boxes: (N, 4) float32 xyxy in cells, continuous edges: the first cell is from 0 to 1; N may be 0. Points up to
            half a cell outside the map take the outermost cells' value, those farther away 0. Boxes on the CPU make
            no GPU wait.
    Returns:
        (N, C, size, size) of the map's type, channels last in memory.
    Raises:
        ValueError: if a shape is not as above, or size is below 1.
    """
    if features.ndim != 3 or boxes.ndim != 2 or boxes.shape[1] != 4 or size < 1:
        raise ValueError(
            f"expected features (C, h, w), boxes (N, 4) and a size of at least 1, "
            f"got {tuple(features.shape)}, {tuple(boxes.shape)} and {size}"
        )
    if features.device.type == "cpu" and features.dtype in DTYPES:
        read: Tensor = _CellByCell.apply(features, boxes, size)
        return read
    return dense_regions(features, boxes, size)


def dense_regions(features: Tensor, boxes: Tensor, size: int) -> Tensor:
    """`align_regions` by matrix products, on any device and of any float type."""
    channels, height, width = features.shape
    across, down = _weights(features, boxes, size)
    rows = features.permute(1, 2, 0).reshape(height, width * channels)
    parts = []
    for few_down, few_across in zip(torch.split(down, BOXES_AT_ONCE), torch.split(across, BOXES_AT_ONCE), strict=True):
        lines = (few_down.reshape(-1, height) @ rows).view(-1, size, width, channels)
        parts.append(few_across[:, None] @ lines)
    return (parts[0] if len(parts) == 1 else torch.cat(parts)).permute(0, 3, 1, 2)


class _CellByCell(torch.autograd.Function):
    """Read by `align_regions_cpu`; the gradient, which reaches all cells of the map, by matrix products."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, boxes: Tensor, size: int) -> Tensor:
        ctx.save_for_backward(features, boxes)
        ctx.size = size
        return align_regions_cpu(features, boxes, size)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        features, boxes = ctx.saved_tensors
        channels, height, width = features.shape
        across, down = _weights(features, boxes, ctx.size)
        lines = across.mT[:, None] @ gradients[0].permute(0, 2, 3, 1)
        flat = lines.reshape(len(boxes) * ctx.size, width * channels)
        rows = down.reshape(len(boxes) * ctx.size, height).T @ flat
        return rows.view(height, width, channels).permute(2, 0, 1), None, None


def _weights(features: Tensor, boxes: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """(N, size, w) across and (N, size, h) down, of the map's type on its device."""
    _, height, width = features.shape
    there, most = on_device(boxes, features.device), most_points(boxes, size)
    across = bin_weights(there[:, 0], there[:, 2], width, size, most=most)
    down = bin_weights(there[:, 1], there[:, 3], height, size, most=most)
    return across.to(features.dtype), down.to(features.dtype)


def most_points(boxes: Tensor, bins: int) -> int:
    """Of a bin in one direction, at most; 0 without boxes. Of boxes on the CPU, no GPU waits for it."""
    sides = boxes[:, 2:] - boxes[:, :2]
    return max(0, int((sides.max() / bins).ceil())) if len(boxes) else 0


def bin_weights(low: Tensor, high: Tensor, cells: int, bins: int, *, most: int | None = None) -> Tensor:
    """How much each cell of a line counts in each bin of an interval; see `align_regions`.

    Args:
        low, high: (N,) float32 ends of the intervals, in cells; N may be 0.
        most: points of a bin, at least as many as the longest interval needs, see `most_points`; None: found here, for
            which a GPU is waited.
    Returns:
        (N, bins, cells) float32; a bin's weights are at least 0 and sum to 1 where it lies inside. An interval without
        length has none.
    """
    width = (high - low) / bins
    counts = width.ceil().clamp(min=0)
    if most is None:
        most = int(counts.max()) if len(counts) else 0
    if not most:
        return low.new_zeros(len(low), bins, cells)
    sample = torch.arange(most, device=low.device)
    start = low[:, None] - 0.5 + torch.arange(bins, device=low.device) * width[:, None]  # in indices of cells
    step = width / counts.clamp(min=1)
    points = start[:, :, None] + (sample + 0.5) * step[:, None, None]  # (N, bins, samples)
    near = (points >= -1) & (points <= cells) & (sample < counts[:, None, None])
    distances = (points.clamp(0, cells - 1)[..., None] - torch.arange(cells, device=low.device)).abs()
    weights = (1 - distances).clamp(min=0) * near[..., None]
    return weights.sum(dim=2) / counts.clamp(min=1)[:, None, None]
