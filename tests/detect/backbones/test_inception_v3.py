from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import Inception3 as TorchvisionInception3

from detect.backbones.inception_v3 import (
    InceptionV3,
    inception_v3_state_from_torchvision,
    looks_like_inception_v3,
)
from detect.input_format import TORCHVISION_INPUT


@pytest.fixture(scope="module")
def torchvisions() -> TorchvisionInception3:
    """torchvision's own network as its builder makes it with weights, and random weights that keep numbers large."""
    torch.manual_seed(0)
    network = TorchvisionInception3(num_classes=10, aux_logits=True, transform_input=True, init_weights=False)
    generator = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.1, 0.1, generator=generator)
            nn.init.uniform_(module.running_var, 0.5, 1.5, generator=generator)
        elif isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, generator=generator)
    return network.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def ours(torchvisions: TorchvisionInception3) -> InceptionV3:
    network = InceptionV3(10)
    network.load_state_dict(inception_v3_state_from_torchvision(torchvisions.state_dict()))
    return network.eval()


def normalised_by_imagenet(images: Tensor) -> Tensor:
    """As torchvision's own preset does."""
    mean = torch.tensor((0.485, 0.456, 0.406)).view(3, 1, 1)
    deviation = torch.tensor((0.229, 0.224, 0.225)).view(3, 1, 1)
    return (images / 255 - mean) / deviation


@pytest.mark.parametrize(("seed", "height", "width"), [(0, 80, 80), (1, 75, 131), (2, 224, 160)])
def test_torchvisions_own_logits(
    torchvisions: TorchvisionInception3, ours: InceptionV3, seed: int, height: int, width: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (2, 3, height, width), generator=generator, dtype=torch.uint8)
    with torch.inference_mode():
        expected = torchvisions(normalised_by_imagenet(images))
        logits = ours(TORCHVISION_INPUT.normalise(images))
        wrong = ours(normalised_by_imagenet(images))
    scale = expected.abs().max()
    assert (expected[0] - expected[1]).abs().max() > 0.01 * scale, "the image matters"
    assert (logits - expected).abs().max() < 1e-4 * scale
    assert (wrong - expected).abs().max() > 0.01 * scale, "the trap of transform_input"


def test_the_same_numbers_as_torchvisions_module_on_the_same_input(
    torchvisions: TorchvisionInception3, ours: InceptionV3
) -> None:
    images = torch.randn(1, 3, 128, 128, generator=torch.Generator().manual_seed(3))
    torchvisions.transform_input = False
    with torch.inference_mode():
        assert torch.equal(torchvisions(images), ours(images))
    torchvisions.transform_input = True


def test_the_auxiliary_classifier_of_the_checkpoint_is_left_out(
    torchvisions: TorchvisionInception3, ours: InceptionV3
) -> None:
    state = torchvisions.state_dict()
    assert any(name.startswith("AuxLogits") for name in state)
    assert inception_v3_state_from_torchvision(state).keys() == ours.state_dict().keys()
    assert looks_like_inception_v3(state)
    assert not looks_like_inception_v3(ours.state_dict())
