from __future__ import annotations

import numpy as np
import pytest
import small_multibox
import torch
from small_multibox import PixelTrunk, random_network, told_network
from torch import Tensor, nn

from proposals.multibox_heads import FullyConnectedHead
from proposals.multibox_network import MultiBoxNetwork, inference_copy


def images(n: int) -> Tensor:
    return torch.rand(n, 3, 28, 28, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("n", [0, 1, 3])
def test_trunk_then_head(n: int) -> None:
    network = random_network()
    with torch.no_grad():
        outputs = network(images(n))
        logits, offsets = network.head(*network.trunk(images(n)))
    assert torch.equal(outputs.logits, logits)
    assert torch.equal(outputs.offsets, offsets)
    assert outputs.logits.shape == (n, network.num_priors)
    assert outputs.offsets.shape == (n, network.num_priors, 4)


def test_float32_under_autocast_whatever_the_head_gives() -> None:
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        outputs = random_network()(images(2))
    assert outputs.logits.dtype == outputs.offsets.dtype == torch.float32
    network = told_network([[0.0, 0, 1, 1]], [2.0])
    network.head.bfloat16()
    network.head.logits = network.head.logits.bfloat16()  # type: ignore[assignment]
    assert network(images(1)).logits.dtype == torch.float32


def test_priors_are_saved_with_the_weights() -> None:
    network = random_network()
    other = random_network(seed=1)
    other.priors.zero_()
    other.load_state_dict(network.state_dict())
    assert torch.equal(other.priors, network.priors)
    assert "priors" in network.state_dict()
    assert "priors" not in dict(network.named_parameters()), "nothing to learn"


def test_priors_are_copied() -> None:
    priors = np.array([[0, 0, 1, 1]] * 3, np.float64)
    network = MultiBoxNetwork(trunk=PixelTrunk(), head=FullyConnectedHead(3, 1), priors=priors)
    priors[:] = 5
    assert network.priors.tolist() == [[0, 0, 1, 1]] * 3
    assert network.priors.dtype == torch.float32


@pytest.mark.parametrize("shape", [(2, 4), (3, 5), (3,)])
def test_priors_that_do_not_fit_the_head(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"priors: expected \(3, 4\) for this head, got \("):
        MultiBoxNetwork(trunk=PixelTrunk(), head=FullyConnectedHead(3, 1), priors=torch.zeros(shape))


class NormedTrunk(PixelTrunk):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return super().forward(self.norm(images))


def test_inference_copy_in_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small_multibox, "PixelTrunk", NormedTrunk)
    network = random_network().train()
    network.priors += 1e-5  # no bfloat16
    before = {name: value.clone() for name, value in network.state_dict().items()}
    copied = inference_copy(network, device="cpu", dtype=torch.bfloat16)
    assert not copied.training
    assert not any(parameter.requires_grad for parameter in copied.parameters())
    types = {name: value.dtype for name, value in copied.state_dict().items()}
    exact = {name for name in types if name.startswith(("head.outputs", "trunk.norm")) or name == "priors"}
    assert all(types[name] == before[name].dtype for name in exact)
    assert all(torch.equal(copied.state_dict()[name], before[name]) for name in exact)
    assert all(types[name] == torch.bfloat16 for name in types.keys() - exact)
    outputs = copied(images(2).bfloat16())
    assert outputs.logits.dtype == torch.float32
    with torch.no_grad():
        assert 0 < (outputs.logits - network.eval()(images(2)).logits).abs().max() < 0.1
    assert network.trunk.training is False  # by the line above only
    after = network.state_dict()
    assert all(torch.equal(after[name], before[name]) and after[name].dtype == before[name].dtype for name in before)
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_inference_copy_in_float32_gives_the_same() -> None:
    network = random_network()
    with torch.no_grad():
        expected, found = network(images(2)), inference_copy(network, device="cpu", dtype=torch.float32)(images(2))
    torch.testing.assert_close(found.logits, expected.logits, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.offsets, expected.offsets, rtol=1e-4, atol=1e-5)
