"""Box changes read from pool4's cells, which know where in a region things are.

R-CNN (appendix C) regresses boxes from pool5's 6 × 6 cells. GoogLeNet ends in an average over 7 × 7, after which little
is left of where an object's edges were; pool4 is the last of its layers before two more modules blur them.
"""

from __future__ import annotations

from torch import Tensor

from detect.cell_head import CellHead

CELLS, CHANNELS = 7, 832  # of pool4: a side of its output for a region, and its depth
HIDDEN = 256


class CellBoxRegressor(CellHead):
    """The same four numbers for a region whatever its class; see `detect.box_coding`. No box moves until it is trained.

    Args:
        channels: of the cells. side: number of them in a row. Those of other networks than GoogLeNet are its own
            `Backbone.cells`.
    """

    def __init__(self, channels: int = CHANNELS, side: int = CELLS) -> None:
        super().__init__(channels, side, hidden=HIDDEN, outputs=4)

    def hidden_of(self, pooled: Tensor) -> Tensor:
        """(N, channels, side, side) → float32 (N, 256).

        Raises:
            ValueError: if there are more or fewer cells.
        """
        side = self.side
        if pooled.shape[1:] != (self.channels, side, side):
            raise ValueError(f"pooled: expected (N, {self.channels}, {side}, {side}), got {tuple(pooled.shape)}")
        return self._hidden_of(pooled)

    def forward(self, pooled: Tensor) -> Tensor:
        """(N, channels, side, side) → float32 (N, 4)."""
        return self._outputs_of(self.hidden_of(pooled))
