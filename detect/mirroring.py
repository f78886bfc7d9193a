"""Left and right exchanged: where boxes go, and what box regression says of a mirrored region."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


def mirrored_boxes(boxes: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    """Where boxes (N, 4), xyxy pixels of an image of that width, are once it is mirrored left to right; N may be 0."""
    return np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], axis=1)


def mirrored_deltas(deltas: Tensor) -> Tensor:
    """Box regression of mirrored regions, as it is for the regions themselves: what moved right moves left.

    Decoding these from the regions gives the mirror images of the boxes that the others give from the mirrored ones.

    Args:
        deltas: (N, 4), or (N, 4 K) of regression per class, see `detect.box_coding`; N may be 0.
    Returns:
        New tensor of that shape.
    """
    mirrored = deltas.clone()
    mirrored[:, 0::4] = -deltas[:, 0::4]
    return mirrored
