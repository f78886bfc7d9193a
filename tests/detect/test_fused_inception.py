"""The joined Inception module against the plain one."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from detect.fused_inception import FusedInception, fuse_inceptions
from detect.googlenet import TABLE_1, GoogLeNet
from detect.googlenet_bn import GoogLeNetBN
from detect.inception import Inception, InceptionWidths


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_four_branches_by_hand() -> None:
    """As in test_inception: all weights 1, biases 0."""
    module = Inception(1, InceptionWidths(1, 1, 1, 1, 1, 1))
    for name, parameter in module.named_parameters():
        torch.nn.init.constant_(parameter, 0.0 if name.endswith("bias") else 1.0)
    features = torch.tensor([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]])[None, None]
    output = FusedInception(module)(features)[0]
    assert output[0].tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert output[1].tolist() == [[12, 21, 16], [27, 45, 33], [24, 39, 28]]
    assert output[2].tolist() == [[45] * 3] * 3
    assert output[3].tolist() == [[5, 6, 6], [8, 9, 9], [8, 9, 9]]


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("shape", [(2, 7, 7), (1, 9, 14), (3, 1, 1), (0, 7, 7)])
def test_equal_to_the_plain_module(shape: tuple[int, int, int], memory_format: torch.memory_format) -> None:
    module = Inception(24, InceptionWidths(8, 6, 10, 4, 5, 7)).requires_grad_(False)
    features = random(shape[0], 24, *shape[1:]).to(memory_format=memory_format)
    before, weights = features.clone(), copy.deepcopy(module.state_dict())
    output = FusedInception(module)(features)
    torch.testing.assert_close(output, module(features), rtol=1e-5, atol=1e-5)
    assert output.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(features, before)
    assert all(torch.equal(value, weights[name]) for name, value in module.state_dict().items())


def test_weights_are_copies() -> None:
    module = Inception(3, InceptionWidths(2, 2, 2, 2, 2, 2))
    fused, features = FusedInception(module), random(1, 3, 5, 5)
    before = fused(features)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
    assert torch.equal(fused(features), before)


def test_every_module_of_googlenet_is_replaced_and_it_answers_the_same() -> None:
    torch.manual_seed(0)
    network = GoogLeNet(10).eval().requires_grad_(False)
    images = random(2, 3, 64, 96) * 50
    expected = network(images)
    fuse_inceptions(network)
    assert all(isinstance(network.inception(name), FusedInception) for name in TABLE_1)
    assert not any(parameter.requires_grad for parameter in network.parameters())
    torch.testing.assert_close(network(images), expected, rtol=1e-4, atol=1e-4)
    assert network.stage_modules("4a") == (network.inception("4a"),)


def test_another_network_stays_as_it_is() -> None:
    network = GoogLeNetBN(10)
    before = list(network.state_dict())
    fuse_inceptions(network)
    assert list(network.state_dict()) == before
