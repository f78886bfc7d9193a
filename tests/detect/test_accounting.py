"""Parameters and multiply-adds: by hand, against torch's own counter, against what the papers say."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models import alexnet

from detect.accounting import Account, account
from detect.backbones.backbone import Backbone
from detect.backbones.registry import BACKBONES


def hollow(name: str) -> Backbone:
    with torch.device("meta"):
        return BACKBONES[name]().eval()


def counted(name: str) -> Account:
    kind = BACKBONES[name]
    return account(hollow(name), (kind.input_side, kind.input_side))


def test_by_hand() -> None:
    """5 × 4 pixels: 3×3 to 2 maps with stride 2 gives 3 × 2 cells, then the mean, then 2 numbers to 7."""
    network = nn.Sequential(
        nn.Conv2d(3, 2, 3, stride=2, padding=1),
        nn.BatchNorm2d(2),
        nn.MaxPool2d(3, stride=1, padding=1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(2, 7),
    )
    found = account(network, (5, 4))
    convolution, norm, pool, linear = found.layers  # what is not in our networks is not listed
    assert (convolution.kind, convolution.kernel, convolution.stride) == ("convolution", (3, 3), 2)
    assert (convolution.output, linear.output) == ((2, 3, 2), (7, 1, 1))
    assert (convolution.weights, convolution.others) == (3 * 3 * 3 * 2, 2)
    assert convolution.multiply_adds == 54 * 3 * 2
    assert (norm.kind, norm.weights, norm.others, norm.multiply_adds) == ("batch norm", 0, 4, 0)
    assert (pool.kind, pool.kernel, pool.stride, pool.multiply_adds) == ("max pool", (3, 3), 1, 0)
    assert (linear.weights, linear.others, linear.multiply_adds, linear.kernel) == (14, 7, 14, None)
    assert (found.weights, found.others, found.multiply_adds) == (54 + 14, 2 + 4 + 7, 324 + 14)
    assert (found.depth, found.depth_with_pools) == (2, 4)
    assert found.outputs[""] == (7, 1, 1)


def test_groups_are_counted_once_each() -> None:
    """Each of 4 outputs sees 2 of the 4 inputs."""
    found = account(nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 3, groups=2, padding=1)), (6, 6))
    assert found.layers[1].multiply_adds == 36 * 4 * 2 * 9


def test_the_textbook_pair_of_a_5x5_with_and_without_a_reduction() -> None:
    """28 × 28 × 192 → 32: 28 · 28 · 32 · 5 · 5 · 192; and with 16 channels between."""
    bare = nn.Sequential(nn.Conv2d(3, 192, 1), nn.Conv2d(192, 32, 5, padding=2))
    reduced = nn.Sequential(nn.Conv2d(3, 192, 1), nn.Conv2d(192, 16, 1), nn.Conv2d(16, 32, 5, padding=2))
    costs = [sum(layer.multiply_adds for layer in account(one, (28, 28)).layers[1:]) for one in (bare, reduced)]
    assert costs == [120_422_400, 12_443_648]


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize("size", [None, (112, 96)])
def test_against_torchs_own_counter(name: str, size: tuple[int, int] | None) -> None:
    """Which counts a multiplication and an addition as two."""
    network = hollow(name)
    size = size or (network.input_side, network.input_side)
    found = account(network, size)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.empty(1, 3, *size, device="meta"))
    assert 2 * found.multiply_adds == counter.get_total_flops()
    assert found.weights + found.others == sum(parameter.numel() for parameter in network.parameters())


def test_googlenet_is_22_layers_deep_and_27_with_pools() -> None:
    found = counted("googlenet")
    assert (found.depth, found.depth_with_pools) == (22, 27)
    assert sum(layer.weights > 0 for layer in found.layers) == 58


def test_depths_of_the_others() -> None:
    """Nine modules of one layer, three below and one above; four times three; 48 of Inception v3, as it is known."""
    depths = {name: counted(name).depth for name in BACKBONES if name != "googlenet"}
    assert depths == {"googlenet_naive": 13, "googlenet_bn": 22, "nin": 12, "inception_v2": 53, "inception_v3": 48}


def test_googlenets_totals_in_the_papers_units() -> None:
    """6.8 M weights, K being 1024 as in Table 1; 1.5 G multiply-adds where its first row counts the 34 M printed."""
    found = counted("googlenet")
    assert found.weights == 6_990_272
    assert found.others == 8_280
    assert round(found.weights / 1024 / 1000, 1) == 6.8
    first = found.layers[0].multiply_adds
    assert first == 112 * 112 * 7 * 7 * 3 * 64
    assert round((found.multiply_adds - first + 34e6) / 1e9, 1) == 1.5
    assert round(found.multiply_adds / 1e9, 2) == 1.58


def test_alexnet_has_nine_times_the_parameters_and_ten_times_without_googlenets_classifier() -> None:
    """The paper says twelve times, which the network of its Table 1 is not: 61.1 M over 12 would be 5.1 M."""
    with torch.device("meta"):
        theirs = account(alexnet(), (224, 224))
    assert theirs.weights + theirs.others == 61_100_840
    ours = counted("googlenet")
    assert theirs.weights / ours.weights == pytest.approx(8.74, abs=0.01)
    assert theirs.weights / (ours.weights - 1024 * 1000) == pytest.approx(10.24, abs=0.01)


def test_the_network_is_left_alone() -> None:
    network = nn.Conv2d(3, 2, 1)
    before = network.weight.clone()
    account(network, (4, 4))
    assert torch.equal(network.weight, before)
    assert network.training
    assert not network._forward_hooks


def test_too_small_an_image() -> None:
    with pytest.raises(ValueError, match="images: expected at least 75 x 75 pixels for inception_v2, got 74 x 80"):
        account(hollow("inception_v2"), (74, 80))
