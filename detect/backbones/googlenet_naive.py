"""GoogLeNet of naive Inception modules, at GoogLeNet's cost: what it would be without 1×1 reductions."""

from __future__ import annotations

from typing import ClassVar

from torch import nn

from detect.googlenet import STEM_CHANNELS, TABLE_1, GoogLeNet
from detect.modules.naive_inception import NaiveInception

SHARE = 4  # of the filters of Table 1


def _channels() -> dict[str, int]:
    """Of each module's output: its filters and, as the pool keeps them all, its input's."""
    channels, found = STEM_CHANNELS, {}
    for name, widths in TABLE_1.items():
        channels += (widths.conv1x1 + widths.conv3x3 + widths.conv5x5) // SHARE
        found[name] = channels
    return found


CHANNELS = _channels()


class GoogLeNetNaive(GoogLeNet):
    """GoogLeNet with the modules of figure 2a in the place of those of figure 2b, for comparison; nobody published it.

    With the filters of Table 1 it would take 7.9 times GoogLeNet's multiply-adds: the pools pass all channels on, so
    maps grow from module to module ("a computational blow-up within a few stages", section 4). A quarter of these
    filters, of every size, brings it within 1 % of GoogLeNet's multiply-adds for an image of 224 × 224. All else, the
    stem, the auxiliary classifiers and the starting weights, is GoogLeNet's.
    """

    name = "googlenet_naive"
    auxiliary_channels: ClassVar = {name: CHANNELS[name] for name in GoogLeNet.auxiliary_channels}
    map_channels = cell_channels = CHANNELS["4e"]
    num_features = CHANNELS["5b"]

    def new_module(self, name: str, in_channels: int) -> tuple[nn.Module, int]:
        """The module called `name` in Table 1, and the channels of its output."""
        widths = TABLE_1[name]
        module = NaiveInception(
            in_channels,
            conv1x1=widths.conv1x1 // SHARE,
            conv3x3=widths.conv3x3 // SHARE,
            conv5x5=widths.conv5x5 // SHARE,
        )
        return module, module.out_channels
