"""What MultiBox reads of GoogLeNet."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from detect.backbones.nin import NIN
from detect.googlenet import STAGES, GoogLeNet
from detect.googlenet_bn import GoogLeNetBN
from detect.multibox_trunk import GoogLeNetTrunk, Network

NETWORKS = [GoogLeNet, GoogLeNetBN]


@pytest.fixture(scope="module", params=NETWORKS)
def network(request: pytest.FixtureRequest) -> Network:
    """With all heads, as after training a detector."""
    torch.manual_seed(0)
    built: Network = request.param(5, auxiliary=True, box_outputs=4)
    return built.eval()


@torch.inference_mode()
def test_the_maps_are_those_of_the_network(network: Network) -> None:
    images = torch.randn(2, 3, 224, 224)
    map16, map32 = GoogLeNetTrunk(network).eval()(images)
    assert (map16.shape, map32.shape) == ((2, 832, 14, 14), (2, 1024, 7, 7))
    assert torch.equal(map16, network.stem_to_4e(images))
    torch.testing.assert_close(map32.mean(dim=(2, 3)), network.tail(network.stem_to_4e(images)))


@torch.inference_mode()
def test_the_batch_makes_no_difference(network: Network) -> None:
    trunk, images = GoogLeNetTrunk(network).eval(), torch.randn(2, 3, 64, 96)
    for whole, part in zip(trunk(images), trunk(images[1:]), strict=True):
        torch.testing.assert_close(whole[1:], part, rtol=1e-4, atol=1e-4)
    assert [tuple(one.shape) for one in trunk(images[:0])] == [(0, 832, 4, 6), (0, 1024, 2, 3)]


def test_the_heads_are_left_out_and_the_network_is_not_changed(network: Network) -> None:
    before = list(network.state_dict())
    trunk = GoogLeNetTrunk(network)
    names = list(trunk.state_dict())
    assert not [name for name in names if "classifier" in name or "auxiliary" in name or "box" in name or "fc" in name]
    assert {name.removeprefix("network.") for name in names} < set(before)
    with torch.no_grad():
        for parameter in trunk.parameters():
            parameter.zero_()
    assert list(network.state_dict()) == before
    assert all(bool(p.any()) for p in network.parameters() if p.ndim == 4), "its weights are its own"
    assert all(p.requires_grad for p in network.parameters())


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_trunk_takes_the_weights_of_another(kind: type[Network]) -> None:
    one, other = GoogLeNetTrunk(kind(1)), GoogLeNetTrunk(kind(7, auxiliary=True))
    one.load_state_dict(other.state_dict())


@pytest.mark.parametrize("frozen", ["none", "conv1", "4e"])
def test_frozen_stages_do_not_learn_and_all_else_does(network: Network, frozen: str) -> None:
    trunk = GoogLeNetTrunk(network, frozen=frozen)
    with torch.no_grad():
        expected = GoogLeNetTrunk(network)(torch.ones(1, 3, 64, 64))
    map16, map32 = trunk(torch.ones(1, 3, 64, 64))
    for map_of, wanted in zip((map16, map32), expected, strict=True):
        torch.testing.assert_close(map_of.detach(), wanted)
    (map16.sum() + map32.sum()).backward()
    stages = 0 if frozen == "none" else STAGES.index(frozen) + 1
    fixed = [p for name in STAGES[:stages] for module in trunk.network.stage_modules(name) for p in module.parameters()]
    assert all(p.grad is None and not p.requires_grad for p in fixed)
    learns = set(trunk.parameters()) - set(fixed)
    assert all(p.requires_grad and p.grad is not None for p in learns), "nothing that learns is left out of a pass"
    assert len(learns) + len(fixed) == len(list(trunk.parameters()))


def test_frozen_stages_can_thaw(network: Network) -> None:
    trunk = GoogLeNetTrunk(network, frozen="4e")
    trunk.freeze("none")
    assert trunk.frozen == "none"
    assert all(p.requires_grad for p in trunk.parameters())


def test_another_stage(network: Network) -> None:
    with pytest.raises(ValueError, match=r"frozen: expected none or conv1 or .* 4e with .*, got '5a'"):
        GoogLeNetTrunk(network, frozen="5a")
    for of_train_classifier in ("classifier", "all"):
        with pytest.raises(ValueError, match=f"got {of_train_classifier}, which leaves nothing to learn"):
            GoogLeNetTrunk(network, frozen=of_train_classifier)


def test_batch_statistics_stay_in_training() -> None:
    trunk = GoogLeNetTrunk(GoogLeNetBN(1)).train()
    assert not any(module.training for module in trunk.modules() if isinstance(module, nn.BatchNorm2d))


def test_other_architectures_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^MultiBox: expected a network of googlenet or googlenet_bn, got nin$"):
        GoogLeNetTrunk(NIN(1))
