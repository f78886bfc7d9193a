"""GoogLeNet without reductions: what it costs, with a quarter of Table 1's filters and with all of them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from detect.accounting import Account, account
from detect.backbones import googlenet_naive
from detect.backbones.googlenet_naive import CHANNELS, GoogLeNetNaive
from detect.googlenet import TABLE_1, GoogLeNet
from detect.modules.naive_inception import NaiveInception
from detect.multibox_trunk import GoogLeNetTrunk


def counted(kind: type[GoogLeNet]) -> Account:
    with torch.device("meta"):
        return account(kind().eval(), (224, 224))


def test_channels_by_hand() -> None:
    """192 and a quarter of 64 + 128 + 32; then of 128 + 192 + 96."""
    assert CHANNELS["3a"] == 192 + 16 + 32 + 8
    assert CHANNELS["3b"] == CHANNELS["3a"] + 32 + 48 + 24
    assert (CHANNELS["4e"], CHANNELS["5b"]) == (GoogLeNetNaive.map_channels, GoogLeNetNaive.num_features)
    assert all(width % 4 == 0 for one in TABLE_1.values() for width in (one.conv1x1, one.conv3x3, one.conv5x5))


def test_it_costs_what_googlenet_costs() -> None:
    assert counted(GoogLeNetNaive).multiply_adds == pytest.approx(counted(GoogLeNet).multiply_adds, rel=0.01)


def test_with_table_1s_filters_it_would_cost_eight_times_as_much() -> None:
    class AllFilters(GoogLeNetNaive):
        num_features = 192 + sum(one.conv1x1 + one.conv3x3 + one.conv5x5 for one in TABLE_1.values())

        def new_module(self, name: str, in_channels: int) -> tuple[nn.Module, int]:
            one = TABLE_1[name]
            module = NaiveInception(in_channels, conv1x1=one.conv1x1, conv3x3=one.conv3x3, conv5x5=one.conv5x5)
            return module, module.out_channels

    ratio = counted(AllFilters).multiply_adds / counted(GoogLeNet).multiply_adds
    assert ratio == pytest.approx(7.9, abs=0.05)


def test_multibox_has_no_heads_for_its_maps() -> None:
    with pytest.raises(ValueError, match=r"MultiBox: expected a network of .*, got googlenet_naive"):
        GoogLeNetTrunk(GoogLeNetNaive(2))


def test_a_share_of_the_filters_is_what_the_class_says() -> None:
    assert googlenet_naive.SHARE == 4
    module = GoogLeNetNaive(2).inception("4b")
    assert isinstance(module, NaiveInception)
    assert (module.conv1x1.out_channels, module.conv3x3.out_channels, module.conv5x5.out_channels) == (40, 56, 16)
