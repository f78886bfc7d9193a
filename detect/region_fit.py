"""How well a region's corrected box fits an object, whatever its class: the probability that their IoU is 0.5 or more.

A classifier is taught that regions of IoU 0.5 and more are the object, so that what it says does not tell a box that
fits from one that nearly does; and that those below are background, though box regression brings half of these to 0.5.
After IoU-Net (Jiang et al. 2018), which ranks boxes by a predicted IoU, and OLN (Kim et al. 2021), which found that how
well a box fits is learnt for objects of unseen classes too. Both are of IoU itself; the rule of ILSVRC asks for 0.5,
and of small objects for less, which is left out here.
"""

from __future__ import annotations

from torch import Tensor

from detect.cell_head import CellHead

FIT_IOU = 0.5
HIDDEN = 128


class RegionFit(CellHead):
    """One number for a region, read from its cells, which know where in it things are, and its features.

    Any box is as likely to fit as not until it is trained.

    Args:
        channels, side: of the cells, `Backbone.cell_channels` and `cell_side`.
        features: their number, `Backbone.num_features`.
    """

    def __init__(self, channels: int, side: int, features: int) -> None:
        super().__init__(channels, side, features=features, hidden=HIDDEN, outputs=1)

    def hidden_of(self, cells: Tensor, features: Tensor) -> Tensor:
        """(N, channels, side, side) and (N, features) → float32 (N, 128).

        Raises:
            ValueError: if there are more or fewer of either.
        """
        side = self.side
        if cells.shape[1:] != (self.channels, side, side) or features.shape != (len(cells), self.features):
            raise ValueError(
                f"cells and features: expected (N, {self.channels}, {side}, {side}) and (N, {self.features}), "
                f"got {tuple(cells.shape)} and {tuple(features.shape)}"
            )
        return self._hidden_of(cells, features)

    def forward(self, cells: Tensor, features: Tensor) -> Tensor:
        """(N, channels, side, side) and (N, features) → float32 (N,), the probability's log-odds."""
        return self._outputs_of(self.hidden_of(cells, features))[:, 0]
