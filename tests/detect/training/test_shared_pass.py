"""The network in training on shared regions: against the detector, and against one region at a time."""

from __future__ import annotations

import copy
import dataclasses
import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from shared_samples import SETTINGS, mirrored_by_hand, picture
from torch import Tensor
from torchvision.ops import roi_align

from detect import region_classifier
from detect.class_tables import DetectionClass
from detect.googlenet import GoogLeNet
from detect.googlenet_bn import GoogLeNetBN
from detect.input_format import BVLC_INPUT, TORCHVISION_INPUT
from detect.model_file import Model, bvlc_info, torchvision_info
from detect.model_info import ModelInfo
from detect.region_classifier import RegionClassifier
from detect.shared_regions import LevelImages, SharedRegions
from detect.training.network_pass import TrainingOutputs, freeze
from detect.training.region_samples import ImageSample, TrainingBatch
from detect.training.shared_pass import shared_outputs
from detect.training.shared_upload import PlacedRegions, upload_shared

Network = GoogLeNet | GoogLeNetBN
OUTPUTS = 6


@pytest.fixture(scope="module", params=["googlenet", "googlenet_bn"])
def first_network(request: pytest.FixtureRequest) -> Network:
    torch.manual_seed(0)
    network = (GoogLeNet if request.param == "googlenet" else GoogLeNetBN)(OUTPUTS, box_outputs=4)
    assert network.box_regressor is not None
    torch.nn.init.normal_(network.box_regressor.weight)
    if isinstance(network, GoogLeNetBN):  # as torchvision starts it, nothing of the image reaches the end
        for module in network.modules():
            if isinstance(module, torch.nn.Conv2d):
                torch.nn.init.kaiming_normal_(module.weight)
    return network.to(memory_format=torch.channels_last).train()


@pytest.fixture
def network(first_network: Network) -> Network:
    return copy.deepcopy(first_network)


def info_of(network: Network) -> ModelInfo:
    """With classes of one output each, and a background."""
    info = bvlc_info() if isinstance(network, GoogLeNet) else torchvision_info()
    classes = tuple(DetectionClass("", f"class {label}", (label,)) for label in range(OUTPUTS))
    changes: dict[str, Any] = {"num_outputs": OUTPUTS, "classes": classes, "box_regression": "agnostic"}
    return dataclasses.replace(info, **changes)


def placed(network: Network, *samples: ImageSample) -> tuple[PlacedRegions, ...]:
    input_format = BVLC_INPUT if isinstance(network, GoogLeNet) else TORCHVISION_INPUT
    batch = TrainingBatch(0, 0, samples)
    return upload_shared(batch, input_format=input_format, settings=SETTINGS, device="cpu", regions_per_image=8).regions


def run(network: Network, images: tuple[PlacedRegions, ...], **options: Any) -> TrainingOutputs:
    count = sum(len(one.places) for one in images)
    given: dict[str, Any] = {"frozen": "none", "slots": torch.arange(count), "generator_seed": 5, "total_slots": 16}
    return shared_outputs(network, images, **{**given, "dropout": 0.0, **options})


def everything(outputs: TrainingOutputs) -> Tensor:
    assert outputs.deltas is not None
    return torch.cat([outputs.logits, outputs.deltas], dim=1)


@pytest.mark.slow
@pytest.mark.parametrize("joined", [False, True])
def test_without_dropout_it_is_exactly_the_detector(
    network: Network, joined: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the bit, once the detector's 1×1 convolutions are not joined, which is all that it does otherwise."""
    if not joined:
        monkeypatch.setattr(region_classifier, "fuse_inceptions", lambda network: None)
    samples = (picture(0, 5), picture(1, 1))
    info = info_of(network)
    classifier = RegionClassifier(Model(info, network, ""), device="cpu", precision="fp32")
    readers = [SharedRegions(LevelImages(one.image, info.input, settings=SETTINGS), classifier.stem) for one in samples]
    maps = [reader.regions(one.regions.boxes) for reader, one in zip(readers, samples, strict=True)]
    answers = classifier.classify_maps(torch.cat(maps))
    for frozen in ("none", "3b", "4e"):
        outputs = run(network, placed(network, *samples), frozen=frozen)
        assert outputs.logits.requires_grad
        assert outputs.deltas is not None
        assert answers.deltas is not None
        for ours, theirs in ((classifier.head(outputs.logits), answers.probs), (outputs.deltas, answers.deltas)):
            if joined:
                torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
            else:
                assert torch.equal(ours, theirs), frozen


def one_region_at_a_time(network: Network, sample: ImageSample) -> Tensor:
    """Logits and deltas (N, O + 4): a copy of the image, a pass of the stem and torchvision's RoIAlign for each region.

    Cell l of 4e is centred on pixel 16 l + 14.5, in a map as in a warped region of 224 pixels, of which 16 on each side
    are context; all in float64 and without the functions that the detector uses.
    """
    input_format = BVLC_INPUT if isinstance(network, GoogLeNet) else TORCHVISION_INPUT
    height, width = sample.image.shape[:2]
    image, boxes = sample.image, sample.regions.boxes
    if sample.flipped.any():
        image, boxes = image[:, ::-1].copy(), mirrored_by_hand(boxes, width)
    answers = []
    for x1, y1, x2, y2 in boxes.tolist():
        grow_x, grow_y = (x2 - x1) * 16 / 192, (y2 - y1) * 16 / 192
        grown = (x1 - grow_x, y1 - grow_y, x2 + grow_x, y2 + grow_y)
        side = math.sqrt((grown[2] - grown[0]) * (grown[3] - grown[1]))
        short = min(SETTINGS.short_sides, key=lambda short: abs(math.log(side * short / min(height, width) / 224)))
        size = (round(height * short / min(height, width)), round(width * short / min(height, width)))
        pixels = input_format.normalise(torch.tensor(image).permute(2, 0, 1)[None])
        resized = F.interpolate(pixels, size, mode="bilinear", antialias=True)
        more_across, more_down = -size[1] % 32, -size[0] % 32  # the sides are multiples of 32
        features = network.stem_to_4e(F.pad(resized, (32, 32 + more_across, 32, 32 + more_down)))
        ends = []
        for low, high, scale in ((grown[0], grown[2], size[1] / width), (grown[1], grown[3], size[0] / height)):
            start, length = low * scale + 32, (high - low) * scale
            first = (start + length * 14.5 / 224 - 14.5) / 16 + 0.5  # middle of the first cell that is read
            ends.append((first - length / 448, first - length / 448 + length / 16))
        roi = torch.tensor([[ends[0][0], ends[1][0], ends[0][1], ends[1][1]]], dtype=torch.float32)
        cells = roi_align(features, [roi], 14, 1.0, -1, True)
        vector = network.tail(cells)
        assert network.box_regressor is not None
        answers.append(torch.cat([network.classifier(vector), network.box_regressor(vector)], dim=1))
    return torch.cat(answers)


@pytest.mark.slow
def test_values_and_gradients_against_one_region_at_a_time(network: Network) -> None:
    samples = (picture(0, 3), picture(1, 3, mirrored=True))
    fast, slow = copy.deepcopy(network), network
    found = everything(run(fast, placed(fast, *samples)))
    wanted = torch.cat([one_region_at_a_time(slow, one) for one in samples])
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-3 * float(wanted.detach().abs().max()))
    mix = torch.randn(found.shape, generator=torch.Generator().manual_seed(1))
    (found * mix).sum().backward()
    (wanted * mix).sum().backward()
    expected = dict(slow.named_parameters())
    for name, parameter in fast.named_parameters():
        gradient, other = parameter.grad, expected[name].grad
        assert gradient is not None
        assert other is not None
        assert (gradient - other).norm() <= 1e-2 * other.norm() + 1e-6, name
    conv1, stage_4e = (next(module.parameters()) for name in ("conv1", "4e") for module in fast.stage_modules(name)[:1])
    assert conv1.grad is not None
    assert conv1.grad.any()
    assert stage_4e.grad is not None
    assert stage_4e.grad.any()


@pytest.mark.slow
@pytest.mark.parametrize("frozen", ["3b", "4e"])
def test_frozen_stages_change_no_output_and_get_no_gradient(network: Network, frozen: str) -> None:
    images = placed(network, picture(0, 2))
    free, held = run(network, images), run(network, images, frozen=frozen)
    assert torch.equal(held.logits, free.logits)
    everything(held).square().sum().backward()  # before freezing: it is the pass that keeps gradients away
    reached = {name for name, p in network.named_parameters() if p.grad is not None}
    freeze(network, frozen)
    assert reached == {name for name, p in network.named_parameters() if p.requires_grad}, "what DDP needs"


def test_the_stem_reads_each_image_once_at_each_size_that_is_needed() -> None:
    network = GoogLeNet(OUTPUTS)
    seen: list[tuple[int, ...]] = []
    network.conv1.register_forward_hook(lambda module, inputs, output: seen.append(tuple(inputs[0].shape)))
    with torch.no_grad():
        outputs = run(network, placed(network, picture(0, 6), picture(1, 1)), frozen="3b")
    assert seen == [(1, 3, 192, 256), (1, 3, 320, 416), (1, 3, 192, 256)]
    assert outputs.logits.shape == (7, OUTPUTS)
    assert outputs.deltas is None


@pytest.mark.slow
def test_a_batch_in_two_processes_is_one_batch(network: Network) -> None:
    """Dropout follows the place in the global batch, not the process or the position in its share."""
    samples, options = (picture(0, 3), picture(1, 2, mirrored=True)), {"dropout": 0.4, "frozen": "3b"}
    slots = torch.tensor([0, 1, 2, 8, 9])
    with torch.no_grad():
        together = everything(run(network, placed(network, *samples), slots=slots, **options))
        shares = [
            everything(run(network, placed(network, one), slots=part, **options))
            for one, part in zip(samples, slots.split([3, 2]), strict=True)
        ]
        another = everything(run(network, placed(network, *samples), slots=slots, **options, generator_seed=6))
    torch.testing.assert_close(torch.cat(shares), together, rtol=1e-3, atol=1e-3)
    assert not torch.allclose(another, together, rtol=1e-2), "another step, another dropout"


@pytest.mark.slow
def test_outputs_are_float32_under_autocast(network: Network) -> None:
    images = placed(network, picture(0, 2), picture(1, 1))
    with torch.autocast("cpu", torch.bfloat16):
        outputs = run(network, images, dropout=0.4, frozen="conv2")
    assert everything(outputs).dtype == torch.float32
    freeze(network, "conv2")
    everything(outputs).sum().backward()
    learning = [p for p in network.parameters() if p.requires_grad]
    assert all(p.grad is not None and p.grad.isfinite().all() for p in learning)
    stage_4e = next(network.stage_modules("4e")[0].parameters())
    assert stage_4e.grad is not None
    assert stage_4e.grad.any()


def test_no_regions() -> None:
    network = GoogLeNet(OUTPUTS, box_outputs=4)
    outputs = run(network, ())
    assert outputs.logits.shape == (0, OUTPUTS)
    assert outputs.auxiliary == ()
    assert outputs.deltas is not None
    assert outputs.deltas.shape == (0, 4)
    everything(outputs).sum().backward()
    assert network.classifier.weight.grad is not None
    assert not network.classifier.weight.grad.any()


def test_an_image_of_one_pixel() -> None:
    network = GoogLeNet(OUTPUTS)
    outputs = run(network, placed(network, picture(0, 2, size=(1, 1))), frozen="4e")
    assert outputs.logits.shape == (2, OUTPUTS)
    assert outputs.logits.isfinite().all()


def test_what_is_refused() -> None:
    network = GoogLeNet(2)
    images = placed(network, picture(0, 1))
    with pytest.raises(ValueError, match=r"slots: expected 1 places below 16, got \[16\]"):
        run(network, images, slots=torch.tensor([16]))
    with pytest.raises(ValueError, match=r"slots: expected 1 places below 16, got \[0, 1\]"):
        run(network, images, slots=torch.tensor([0, 1]))
    with pytest.raises(ValueError, match=r"frozen: expected none or conv1 or .* or 4e with googlenet.*, got '5a'"):
        run(network, images, frozen="5a")
