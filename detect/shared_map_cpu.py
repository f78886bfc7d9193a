"""RoIAlign on a feature map on a CPU, one axis at a time: `dense_regions` without its zeros.

Two dense matrix products multiply mostly zeros, and write 80 MB between them for 64 regions of a 600 × 800 picture.
Here each bin reads the cells it covers, and what is between the two axes is one line of cells, which stays in the
cache.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from detect.region_warp_cpu import read_cells, read_cells_bfloat16

DTYPES = (torch.bfloat16, torch.float32)


def align_regions_cpu(features: Tensor, boxes: Tensor, size: int) -> Tensor:
    """`detect.shared_map.align_regions` for a map in memory of one of `DTYPES`; no gradients go through it.

    Sums are float32, rounded once at the end. A region's numbers do not depend on the others.

    Args:
        features: (C, h, w); channels last in memory is read without a copy.
        boxes: (N, 4) float32 xyxy in cells; N may be 0.
    Returns:
        (N, C, size, size) of the map's type, channels last in memory.
    """
    cells = features.detach().permute(1, 2, 0).contiguous()
    corners = boxes.detach().numpy()
    if features.dtype == torch.bfloat16:
        bits = cells.view(torch.int16).numpy().view(np.uint16)
        regions = torch.from_numpy(read_cells_bfloat16(bits, corners, size)).view(torch.bfloat16)
    else:
        regions = torch.from_numpy(read_cells(cells.numpy(), corners, size))
    return regions.permute(0, 3, 1, 2)
