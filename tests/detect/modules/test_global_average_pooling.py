from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from detect.modules.global_average_pooling import GlobalAveragePooling


def test_by_hand() -> None:
    maps = torch.tensor([[[[1.0, 2.0], [3.0, 6.0]], [[0.0, 0.0], [-4.0, 0.0]]]])
    assert GlobalAveragePooling()(maps).tolist() == [[3.0, -1.0]]


@pytest.mark.parametrize("size", [(1, 1), (6, 6), (7, 5)])
@pytest.mark.parametrize("images", [0, 3])
def test_any_size(size: tuple[int, int], images: int) -> None:
    maps = torch.randn(images, 10, *size, generator=torch.Generator().manual_seed(0))
    found = GlobalAveragePooling()(maps)
    torch.testing.assert_close(found, F.adaptive_avg_pool2d(maps, 1).flatten(1))


@pytest.mark.parametrize("seed", range(3))
def test_class_maps_then_the_mean_is_the_mean_then_a_linear_layer(seed: int) -> None:
    """Why a linear classifier after it is Network-in-Network's last layer."""
    generator = torch.Generator().manual_seed(seed)
    maps, weight, bias = (torch.randn(*shape, generator=generator) for shape in ((2, 8, 6, 6), (5, 8), (5,)))
    pool = GlobalAveragePooling()
    class_maps = F.conv2d(maps, weight[:, :, None, None], bias)
    torch.testing.assert_close(pool(class_maps), F.linear(pool(maps), weight, bias))


def test_means_of_bfloat16_are_float32() -> None:
    """1 + 1 / 64 over 10,000 cells: no partial sum of bfloat16 could hold it."""
    maps = torch.full((1, 1, 100, 100), 1 + 1 / 64, dtype=torch.bfloat16)
    found = GlobalAveragePooling()(maps)
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(1 + 1 / 64, rel=1e-5)
    assert GlobalAveragePooling()(maps.double()).dtype == torch.float64
