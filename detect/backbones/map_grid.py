"""Where in an image the cells of a stem's map are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

STRIDE = 16  # pixels from a cell to the next, of every stem


@dataclass(frozen=True)
class MapGrid:
    """The map of a region of 224 × 224 pixels, and where its cells are in any image.

    Attributes:
        cells: a side of that map: what the tail reads of a region.
        first_centre: pixels from the image's edge to the middle of what the first cell sees; that of cell l is
            16 l further. Of layers of kernel k and padding p, each pixel of whose input is j of the image, it is a half
            and the sum of ((k − 1) / 2 − p) · j.
    """

    cells: int
    first_centre: float


# GoogLeNet: cell l of 4e's map is centred on pixel 16 l + 14, whose middle is at 16 l + 14.5: conv1 is padded, and the
# three 3×3 pools before 4e, whose inputs' pixels are 2, 4 and 8 of the image, round up and do not pad.
GOOGLENET_GRID = MapGrid(cells=14, first_centre=14.5)


def in_cells(
    boxes: NDArray[np.float64],
    scale: Sequence[float] | NDArray[np.float64],
    margin: int,
    size: int,
    grid: MapGrid = GOOGLENET_GRID,
) -> NDArray[np.float64]:
    """Where to read boxes in a map, so that each cell read is where that of the warped region would be.

    Args:
        boxes: (N, 4) xyxy pixels of the image, with context. scale: of x and y.
        margin: pixels around the resized image. size: of a warped region.
    Returns:
        (N, 4) in cells, continuous edges, for `align_regions`.
    """
    factors = np.array([scale[0], scale[1]] * 2)
    resized = boxes * factors + margin
    off_centre = grid.first_centre - STRIDE / 2  # of a cell, from where an even division of the pixels would have it
    sides = np.tile(resized[:, 2:] - resized[:, :2], 2)
    resized[:, 2:] -= sides[:, 2:] * (1 - grid.cells * STRIDE / size)  # what is right of and below the last cell
    shifted: NDArray[np.float64] = (resized + sides * (off_centre / size) - off_centre) / STRIDE
    return shifted
