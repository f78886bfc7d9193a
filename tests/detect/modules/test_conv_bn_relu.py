from __future__ import annotations

import pytest
import torch
from torch import nn

from detect.modules.conv_bn_relu import EPSILON, ConvBNReLU


def test_by_hand() -> None:
    """2 · 2 less the mean 2 is 2, over the deviation 2 is 1, times 3 less 1 is 2; the other pixel ends below 0."""
    unit = ConvBNReLU(1, 1, 1).eval()
    convolution, norm = unit[0], unit[1]
    assert isinstance(convolution, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    assert convolution.bias is None
    assert norm.running_mean is not None
    assert norm.running_var is not None
    for tensor, value in (
        (convolution.weight, 2.0),
        (norm.running_mean, 2.0),
        (norm.running_var, 4.0 - EPSILON),
        (norm.weight, 3.0),
        (norm.bias, -1.0),
    ):
        nn.init.constant_(tensor, value)
    found = unit(torch.tensor([2.0, 0.0]).view(1, 1, 1, 2)).flatten()
    torch.testing.assert_close(found, torch.tensor([2.0, 0.0]))


@pytest.mark.parametrize("kernel", [1, 3, (1, 7), (7, 1), (1, 3), (3, 1)])
@pytest.mark.parametrize("size", [(7, 7), (8, 8), (5, 6)])
def test_same_keeps_the_size(kernel: int | tuple[int, int], size: tuple[int, int]) -> None:
    assert ConvBNReLU(2, 3, kernel)(torch.zeros(2, 2, *size)).shape == (2, 3, *size)


@pytest.mark.parametrize(("side", "same", "valid"), [(35, 18, 17), (36, 18, 17), (17, 9, 8), (299, 150, 149)])
def test_strided(side: int, same: int, valid: int) -> None:
    images = torch.zeros(2, 1, side, side)
    assert ConvBNReLU(1, 1, 3, stride=2)(images).shape[2:] == (same, same)
    assert ConvBNReLU(1, 1, 3, stride=2, padding="valid")(images).shape[2:] == (valid, valid)


def test_other_padding() -> None:
    with pytest.raises(ValueError, match="padding: expected same or valid, got 'full'"):
        ConvBNReLU(1, 1, 3, padding="full")
