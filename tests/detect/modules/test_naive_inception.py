from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from detect.modules.naive_inception import NaiveInception


@pytest.mark.parametrize("size", [(7, 7), (8, 8), (5, 6), (1, 2)])
def test_four_branches_side_by_side_of_the_same_size(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    module = NaiveInception(3, conv1x1=2, conv3x3=4, conv5x5=5)
    images = torch.randn(2, 3, *size)
    before = images.clone()
    found = module(images)
    assert found.shape == (2, 14, *size)
    assert module.out_channels == 14
    branches = [
        F.relu(F.conv2d(images, module.conv1x1.weight, module.conv1x1.bias)),
        F.relu(F.conv2d(images, module.conv3x3.weight, module.conv3x3.bias, padding=1)),
        F.relu(F.conv2d(images, module.conv5x5.weight, module.conv5x5.bias, padding=2)),
        F.max_pool2d(images, 3, stride=1, padding=1),
    ]
    torch.testing.assert_close(found, torch.cat(branches, dim=1))
    assert torch.equal(images, before)


def test_outputs_grow_from_module_to_module() -> None:
    """What figure 2b's projection after the pool is for: 192 → 320 → 448 channels for the same filters."""
    first = NaiveInception(192, conv1x1=64, conv3x3=32, conv5x5=32)
    second = NaiveInception(first.out_channels, conv1x1=64, conv3x3=32, conv5x5=32)
    assert (first.out_channels, second.out_channels) == (320, 448)


def test_no_images() -> None:
    assert NaiveInception(3, conv1x1=1, conv3x3=1, conv5x5=1)(torch.zeros(0, 3, 4, 4)).shape == (0, 6, 4, 4)
