from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from detect.modules.mlpconv import MlpConv


def test_by_hand_of_one_pixel() -> None:
    """Weights 1 but for the last layer's: (2 + 1) → ReLU → twice → minus: every layer has its ReLU."""
    block = MlpConv(1, (1, 1, 1), 1)
    convolutions = [module for module in block if isinstance(module, nn.Conv2d)]
    for convolution, weight, bias in zip(convolutions, (1.0, 2.0, -1.0), (1.0, 0.0, 7.0), strict=True):
        nn.init.constant_(convolution.weight, weight)
        assert convolution.bias is not None
        nn.init.constant_(convolution.bias, bias)
    pixels = torch.tensor([2.0, -3.0, 9.0]).view(1, 1, 1, 3)
    # 2 + 1 = 3, 6, 7 − 6 = 1; −3 + 1 → 0, 0, 7; 10, 20, 7 − 20 → 0
    assert block(pixels).flatten().tolist() == [1.0, 7.0, 0.0]


@pytest.mark.parametrize("seed", [0, 1])
def test_it_is_a_perceptron_at_every_place(seed: int) -> None:
    torch.manual_seed(seed)
    block = MlpConv(3, (5, 4, 6), 3)
    images = torch.randn(2, 3, 7, 6)
    before = images.clone()
    first, second, third = (module for module in block if isinstance(module, nn.Conv2d))
    patches = F.unfold(images, 3, padding=1).transpose(1, 2)  # (N, places, 27)
    hidden = F.relu(F.linear(patches, first.weight.flatten(1), first.bias))
    hidden = F.relu(F.linear(hidden, second.weight.flatten(1), second.bias))
    outputs = F.relu(F.linear(hidden, third.weight.flatten(1), third.bias))
    torch.testing.assert_close(block(images), outputs.transpose(1, 2).reshape(2, 6, 7, 6))
    assert torch.equal(images, before)


@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("size", [(7, 7), (8, 8), (5, 6)])
def test_height_and_width_are_kept(kernel: int, size: tuple[int, int]) -> None:
    assert MlpConv(2, (3, 3, 4), kernel)(torch.zeros(1, 2, *size)).shape == (1, 4, *size)


@pytest.mark.parametrize(("side", "found"), [(224, 54), (227, 55), (11, 1)])
def test_the_strided_first_layer_of_the_imagenet_network(side: int, found: int) -> None:
    assert MlpConv(3, (2, 2, 2), 11, stride=4, padding=0)(torch.zeros(1, 3, side, side)).shape == (1, 2, found, found)


def test_no_images() -> None:
    assert MlpConv(2, (3, 3, 4), 3)(torch.zeros(0, 2, 5, 5)).shape == (0, 4, 5, 5)
