from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import GoogLeNet as TorchvisionGoogLeNet

from detect.googlenet import STAGES
from detect.googlenet_bn import GoogLeNetBN, googlenet_bn_state_from_torchvision, looks_like_googlenet_bn
from detect.input_format import TORCHVISION_INPUT

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)


@pytest.fixture(scope="module")
def torchvisions() -> TorchvisionGoogLeNet:
    """torchvision's own network as its builder makes it with weights, and random weights that keep numbers large."""
    torch.manual_seed(0)
    network = TorchvisionGoogLeNet(num_classes=30, aux_logits=True, transform_input=True, init_weights=False)
    generator = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor, low in ((module.weight, 0.5), (module.running_var, 0.5), (module.bias, -0.5)):
                nn.init.uniform_(tensor, low, low + 1, generator=generator)
            nn.init.uniform_(module.running_mean, -0.3, 0.3, generator=generator)
        elif isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, generator=generator)
    return network.eval()


@pytest.fixture(scope="module")
def ours(torchvisions: TorchvisionGoogLeNet) -> GoogLeNetBN:
    network = GoogLeNetBN(30)
    network.load_state_dict(googlenet_bn_state_from_torchvision(torchvisions.state_dict()))
    return network.eval()


def photos(seed: int, *shape: int) -> Tensor:
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


def normalised_by_imagenet(images: Tensor) -> Tensor:
    """As torchvision's own preset does."""
    mean, deviation = (torch.tensor(v).view(3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_DEVIATION))
    return (images / 255 - mean) / deviation


def relative_error(got: Tensor, expected: Tensor) -> float:
    return ((got - expected).abs().max() / expected.abs().max()).item()


@pytest.mark.parametrize(("seed", "height", "width"), [(0, 64, 64), (1, 64, 100), (2, 97, 47)])
def test_torchvisions_own_logits(
    torchvisions: TorchvisionGoogLeNet, ours: GoogLeNetBN, seed: int, height: int, width: int
) -> None:
    images = photos(seed, 2, 3, height, width)
    with torch.inference_mode():
        expected = torchvisions(normalised_by_imagenet(images))
        logits = ours(TORCHVISION_INPUT.normalise(images))
    assert (expected[0] - expected[1]).abs().max() > 0.01 * expected.abs().max(), "the image matters"
    assert relative_error(logits, expected) < 1e-4


def test_the_trap_of_transform_input(torchvisions: TorchvisionGoogLeNet, ours: GoogLeNetBN) -> None:
    """Our network on torchvision's input, the mistake to make, is another function."""
    images = photos(0, 1, 3, 64, 64)
    with torch.inference_mode():
        wrong = ours(normalised_by_imagenet(images))
        assert relative_error(wrong, torchvisions(normalised_by_imagenet(images))) > 0.01


def test_halves_and_map_sizes(ours: GoogLeNetBN) -> None:
    images = TORCHVISION_INPUT.normalise(photos(0, 1, 3, 224, 224))
    before = images.clone()
    with torch.inference_mode():
        features = ours.stem_to_4e(images)
        assert features.shape == (1, 832, 14, 14)
        pooled = ours.tail(features)
        assert pooled.shape == (1, 1024)
        assert torch.equal(ours(images), ours.classifier(pooled))
    assert torch.equal(images, before)


@pytest.mark.parametrize("side", [15, 31, 32, 47, 227])
def test_map_sizes_of_other_images(ours: GoogLeNetBN, side: int) -> None:
    with torch.inference_mode():
        features = ours.stem_to_4e(torch.zeros(1, 3, side, 34))
        assert features.shape == (1, 832, (side + 1) // 16, 35 // 16)
        assert ours.tail(features).shape == (1, 1024)


def test_no_images(ours: GoogLeNetBN) -> None:
    with torch.inference_mode():
        assert ours(torch.zeros(0, 3, 224, 224)).shape == (0, 30)


def test_channels_last_and_bfloat16(ours: GoogLeNetBN) -> None:
    images = TORCHVISION_INPUT.normalise(photos(0, 2, 3, 64, 64))
    half = copy.deepcopy(ours).to(torch.bfloat16).to(memory_format=torch.channels_last)
    half.classifier.float()
    with torch.inference_mode():
        exact = ours.stem_to_4e(images)
        features = half.stem_to_4e(images.to(torch.bfloat16, memory_format=torch.channels_last))
        assert features.is_contiguous(memory_format=torch.channels_last)
        assert features.dtype == torch.bfloat16
        logits = half(images.to(torch.bfloat16, memory_format=torch.channels_last))
        assert logits.dtype == torch.float32
        assert 0 < relative_error(features.float(), exact) < 0.1
        assert relative_error(logits, ours(images)) < 0.05


def test_stages_in_turn_are_the_stem(ours: GoogLeNetBN) -> None:
    images = TORCHVISION_INPUT.normalise(photos(0, 1, 3, 64, 64))
    with torch.inference_mode():
        features, shapes = images, []
        for name in STAGES:
            features = ours.stage(name, features)
            shapes.append(tuple(features.shape[1:]))
        assert torch.equal(features, ours.stem_to_4e(images))
    # the second pooling is the beginning of 3a
    assert shapes[:5] == [(64, 16, 16), (192, 16, 16), (256, 8, 8), (480, 8, 8), (512, 4, 4)]
    of_stages = {id(p) for name in STAGES for m in ours.stage_modules(name) for p in m.parameters()}
    others = {name.split(".")[1] for name, p in ours.named_parameters() if id(p) not in of_stages}
    assert others == {"inception5a", "inception5b", "fc"}


def test_dropout_is_40_percent(ours: GoogLeNetBN) -> None:
    assert ours.network.dropout.p == 0.4  # torchvision's default is 0.2; GoogLeNet, section 5: 40 %


def test_the_classifier_is_the_last_layer(ours: GoogLeNetBN) -> None:
    assert ours.classifier is ours.network.fc
    assert (ours.classifier.in_features, ours.classifier.out_features) == (1024, 30)


def test_auxiliary_classifiers_are_left_out(torchvisions: TorchvisionGoogLeNet, ours: GoogLeNetBN) -> None:
    state = torchvisions.state_dict()
    assert [name for name in state if name.startswith("aux")]
    renamed = googlenet_bn_state_from_torchvision(state)
    assert renamed.keys() == ours.state_dict().keys()
    assert len(state) == len(torchvisions.state_dict()), "the input is as it was"


@pytest.mark.parametrize("lost", ["conv1.bn.running_mean", "inception5b.branch4.1.conv.weight"])
def test_it_is_known_by_its_parameters(torchvisions: TorchvisionGoogLeNet, lost: str) -> None:
    state = torchvisions.state_dict()
    assert looks_like_googlenet_bn(state)
    assert not looks_like_googlenet_bn({name: value for name, value in state.items() if name != lost})
