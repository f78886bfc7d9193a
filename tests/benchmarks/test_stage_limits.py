"""The arithmetic of the stages against Table 1 worked out by hand, and the limits that follow from it."""

from __future__ import annotations

import pytest
import torch
from stage_limits import (
    Rates,
    Work,
    _operations,
    copy_rate,
    fastest,
    gemm_rate,
    measure_rates,
    multibox_flops,
    multibox_operations,
    multibox_work,
    read_by_products,
    read_operations,
    region_flops,
    stage_limits,
    stage_work,
    stem_flops,
    stem_operations,
    stem_weights,
    tail_flops,
    tail_operations,
    tail_weights,
)
from torch.utils.flop_counter import FlopCounterMode

from detect.googlenet import TABLE_1, GoogLeNet
from detect.shared_map import dense_regions
from detect.shared_regions import SharedSettings
from detect.torch_threads import torch_threads

PHOTO = (375, 500)  # at a shorter side of 600: 600 × 800, with the margin 664 × 864
RATES = Rates(threads=1, flops={"fp32": 1e11, "bf16": 1e12}, bandwidth=1e10)


def products(inputs: int, name: str) -> int:
    """Multiplications of an Inception module for one cell."""
    one = TABLE_1[name]
    return (
        inputs * (one.conv1x1 + one.reduce3x3 + one.reduce5x5 + one.pool_proj)
        + 9 * one.reduce3x3 * one.conv3x3
        + 25 * one.reduce5x5 * one.conv5x5
    )


def stem_by_hand(after_conv1: int, after_pool1: int, cells_3: int, cells_4: int) -> int:
    """Operations of the stem, whose maps have so many cells."""
    beginning = after_conv1 * 3 * 64 * 49 + after_pool1 * (64 * 64 + 64 * 192 * 9)
    threes = products(192, "3a") + products(256, "3b")
    inputs = {"4a": 480, "4b": 512, "4c": 512, "4d": 512, "4e": 528}
    fours = sum(products(count, name) for name, count in inputs.items())
    return 2 * (beginning + cells_3 * threes + cells_4 * fours)


def test_the_stem_by_hand() -> None:
    assert products(192, "3a") == 192 * (64 + 96 + 16 + 32) + 9 * 96 * 128 + 25 * 16 * 32 == 163_328
    assert stem_flops((224, 224)) == stem_by_hand(112**2, 56**2, 28**2, 14**2)
    # conv1 halves n, a pool makes ⌈(n − 3) / 2⌉ + 1 of it: 332 × 432, 166 × 216, 83 × 108, 41 × 54
    assert stem_flops((664, 864)) == stem_by_hand(332 * 432, 166 * 216, 83 * 108, 41 * 54)
    assert stem_flops((664, 864)) == pytest.approx(33.2e9, rel=1e-2)


def test_the_tail_by_hand() -> None:
    # 5a reads 832 channels, 5b too, at 7 × 7 cells; then 1024 × 1000
    by_hand = 2 * (49 * (products(832, "5a") + products(832, "5b")) + 1024 * 1000)
    assert tail_flops() == by_hand == pytest.approx(0.246e9, rel=1e-2)
    assert region_flops() == stem_flops((224, 224)) + by_hand
    # GoogLeNet, section 1: "1.5 billion multiply-adds"
    assert region_flops() / 2 == pytest.approx(1.58e9, rel=1e-2)


def test_multibox_by_hand() -> None:
    trunk = stem_flops((224, 224)) + tail_flops() - 2 * 1024 * 1000
    hidden = 14**2 * 832 * 128 + 7**2 * 1024 * 128 + 9 * 128 * 128 * (5**2 + 3**2 + 2**2 + 1)
    outputs = 128 * 55 * (14**2 + 7**2 + 5**2 + 3**2 + 2**2) + 128 * 5
    assert multibox_flops() == trunk + 2 * (hidden + outputs)


def test_weights_are_the_network_s() -> None:
    with torch.device("meta"):
        network = GoogLeNet(1000)
    assert stem_weights() + tail_weights() == sum(parameter.numel() for parameter in network.parameters())
    assert tail_weights() == sum(products(832, name) + biases(name) for name in ("5a", "5b")) + 1025 * 1000


def biases(name: str) -> int:
    one = TABLE_1[name]
    return one.output + one.reduce3x3 + one.reduce5x5


@pytest.mark.parametrize(("precision", "number"), [("fp32", 4), ("bf16", 2)])
def test_work_of_shared_regions(precision: str, number: int) -> None:
    work = stage_work(PHOTO, SharedSettings(), 300, precision)
    a_map, regions = number * 832 * 42 * 54, number * 832 * 14 * 14 * 300
    assert work == {
        "map": Work(stem_flops((672, 864)), 3 * 375 * 500 + a_map + number * stem_weights()),
        "read": Work(0, a_map + regions),
        "classify": Work(300 * tail_flops(), regions + number * tail_weights()),
    }


def test_two_maps_are_both_made() -> None:
    one, two = (stage_work(PHOTO, SharedSettings(short_sides=sides), 10, "bf16") for sides in ((600,), (300, 600)))
    assert two["map"].flops == one["map"].flops + stem_flops((384, 480))
    assert two["classify"] == one["classify"]


@pytest.mark.parametrize("regions", [1, 3])
def test_reading_by_products_is_what_torch_counts(regions: int) -> None:
    features, boxes = torch.zeros(832, 42, 54), torch.tensor([[1.0, 1, 20, 30]]).repeat(regions, 1)
    with FlopCounterMode(display=False) as counter:
        dense_regions(features, boxes, 14)
    work = read_by_products(PHOTO, SharedSettings(), regions, "bf16")
    assert work.flops == counter.get_total_flops() == regions * 2 * 14 * 54 * 832 * (42 + 14)
    a_map, read, lines, weights = 832 * 42 * 54, 832 * 14 * 14, 832 * 54 * 14, 14 * (42 + 54)
    assert work.bytes == 2 * (a_map + regions * (read + 2 * lines + weights))


def test_work_of_warped_regions() -> None:
    work = stage_work(PHOTO, None, 300, "bf16")
    pixels = 300 * 3 * 224 * 224 * 4
    assert work["map"] == Work(0, 0)
    assert work["read"] == Work(0, 3 * 375 * 500 + pixels)
    assert work["classify"] == Work(300 * region_flops(), pixels + 2 * (stem_weights() + tail_weights()))


def test_operations_without_views() -> None:
    values = torch.zeros(2, 3)
    assert _operations(lambda: (values.T.reshape(6) + 1).view(2, 3)[0] * 2, "cpu") == 3  # a copy, a sum, a product
    assert _operations(lambda: values + 1) == 0  # not on that device
    # a module: six convolutions, two ReLUs, a pool, a concatenation, a ReLU; besides two modules the tail is a pool, an
    # average and a product, if nothing is fused
    assert 10 <= tail_operations() <= 2 * 11 + 3
    assert stem_operations((664, 864)) == stem_operations((224, 224)) > 3 * tail_operations()
    assert multibox_operations() > stem_operations((224, 224)) + tail_operations()
    assert read_operations() >= 2


def test_a_limit_is_the_slower_of_computing_and_moving() -> None:
    assert RATES.seconds(Work(2e11, 1e9), "fp32") == 2
    assert RATES.seconds(Work(2e11, 1e9), "bf16") == 0.2
    assert RATES.seconds(Work(2e11, 3e10), "bf16") == 3
    limits = stage_limits(PHOTO, SharedSettings(), 1000, RATES, "bf16")
    assert limits["map"] == stem_flops((672, 864)) / 1e12
    assert limits["read"] == pytest.approx((2 * 832 * 42 * 54 + 2 * 832 * 196 * 1000) / 1e10)
    assert limits["classify"] == 1000 * tail_flops() / 1e12
    assert list(limits) == ["map", "read", "classify"]
    assert RATES.seconds(multibox_work("fp32"), "fp32") == multibox_flops() / 1e11


def test_rates_are_measured_on_the_threads_asked_for_and_these_put_back() -> None:
    before = torch.get_num_threads()
    with torch_threads(1):
        assert torch.get_num_threads() == 1
    rates = measure_rates(1, seconds=0, squares=(32, 64))
    assert torch.get_num_threads() == before
    assert rates.threads == 1
    assert set(rates.flops) == {"fp32", "bf16"}
    assert min(*rates.flops.values(), rates.bandwidth, gemm_rate((8, 16, 4), "bf16", 1, seconds=0)) > 0
    assert copy_rate(1, seconds=0, size=2**20) > 0


def test_the_fastest_of_three_runs_at_least() -> None:
    calls = []
    assert fastest(lambda: calls.append(1), 0) >= 0
    assert len(calls) == 4
