from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from detect.backbones.backbone import Backbone
from detect.class_tables import DetectionClass, ilsvrc_detection_classes
from detect.googlenet import GoogLeNet
from detect.input_format import BVLC_INPUT, TORCHVISION_INPUT
from detect.model_file import Model, load_model, save_model
from detect.model_info import ModelInfo, ProposalSetting, Provenance
from detect.training.network_start import start_network, with_members
from detect.zero_shot_head import ZeroShotHead

PETS = (DetectionClass("n1", "cat", (0, 2)), DetectionClass("n2", "hound", (3,)))
ZERO_SHOT = ModelInfo(
    name="pets",
    architecture="googlenet",
    num_outputs=5,
    input=BVLC_INPUT,
    classes=PETS,
    provenance=Provenance("here", "photos", "MIT"),
    background_logit=2.0,
)
OPTIONS: dict[str, Any] = {
    "head": "marginal",
    "start": "classes",
    "background_logit": 2.0,
    "auxiliary": False,
    "box_regression": "none",
    "seed": 0,
    "name": "trained",
    "context": 8,
    "proposals": ProposalSetting(mode="single", limit=7),
}


@pytest.fixture(scope="module")
def model() -> Model:
    torch.manual_seed(3)
    network = GoogLeNet(5).eval()
    torch.nn.init.normal_(network.classifier.bias)
    return Model(ZERO_SHOT, network, "")


def start(
    model: Model | None, classes: tuple[DetectionClass, ...] = PETS, **options: Any
) -> tuple[ModelInfo, Backbone]:
    return start_network(model, classes, **{**OPTIONS, **options})


def probs(info: ModelInfo, network: Backbone, features: Tensor) -> Tensor:
    with torch.no_grad():
        logits = network.classifier(features)
        result: Tensor = ZeroShotHead(info.classes, info.num_outputs, background_logit=info.background_logit)(logits)
    return result


def features(n: int = 20) -> Tensor:
    return torch.randn(n, 1024, generator=torch.Generator().manual_seed(0)).relu()


def test_marginal_starts_exactly_at_the_zero_shot_detector(model: Model) -> None:
    info, network = start(model)
    assert (info.head, info.num_outputs, info.background_logit) == ("marginal", 6, None)
    assert info.classes == PETS
    assert torch.equal(network.classifier.weight[:5], model.network.classifier.weight)
    assert torch.equal(network.classifier.bias[:5], model.network.classifier.bias)
    assert not network.classifier.weight[5].any()
    assert network.classifier.bias[5] == 2
    expected = probs(ZERO_SHOT, model.network, features())
    torch.testing.assert_close(probs(info, network, features()), expected, rtol=1e-5, atol=1e-8)


def test_what_the_description_says(model: Model) -> None:
    info, network = start(model, box_regression="per_class", auxiliary=True)
    assert (info.name, info.context, info.proposals) == ("trained", 8, ProposalSetting(mode="single", limit=7))
    assert (info.input, info.architecture, info.box_regression) == (BVLC_INPUT, "googlenet", "per_class")
    assert info.provenance == Provenance("fine-tuned from pets: here", "photos", "MIT")
    assert network.box_regressor is not None
    assert network.box_regressor.out_features == 8
    assert not any(p.any() for p in network.box_regressor.parameters()), "no box moves at first"
    assert network.auxiliary_4a is not None
    assert network.auxiliary_4a.classifier.out_features == 6
    assert network.training
    assert network.get_submodule("conv1").weight.is_contiguous(memory_format=torch.channels_last)  # type: ignore[operator, union-attr]
    assert all(p.requires_grad for p in network.parameters())


def test_the_description_says_which_regions_it_will_be_trained_for(model: Model) -> None:
    info, _ = start(model)
    assert (info.regions, info.short_sides) == (("warp",), (600,))
    info, _ = start(model, regions="shared", short_sides=(300, 900))
    assert (info.regions, info.short_sides) == (("shared",), (300, 900))
    with pytest.raises(ValueError, match="regions: expected warp or shared, got 'tiles'"):
        start(model, regions="tiles")


def test_everything_below_is_taken_over_and_copied(model: Model) -> None:
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    for head in ("marginal", "softmax"):
        _, network = start(model, head=head, start="random")
        state = network.state_dict()
        assert all(torch.equal(state[name], before[name]) for name in before if not name.startswith("classifier"))
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.zero_()
    assert all(torch.equal(value, before[name]) for name, value in model.network.state_dict().items())


def test_softmax_rows_by_hand(model: Model) -> None:
    info, network = start(model, head="softmax")
    weight, bias = model.network.classifier.weight, model.network.classifier.bias
    assert (info.head, info.num_outputs) == ("softmax", 3)
    assert [one.members for one in info.classes] == [(0,), (1,)]
    torch.testing.assert_close(network.classifier.weight[0], (weight[0] + weight[2]) / 2)
    torch.testing.assert_close(network.classifier.bias[0], (bias[0] + bias[2]) / 2 + math.log(2))
    assert torch.equal(network.classifier.weight[1], weight[3])
    assert network.classifier.bias[1] == bias[3]
    assert not network.classifier.weight[2].any()
    assert network.classifier.bias[2] == 2


def test_softmax_is_the_sum_where_the_members_agree(model: Model) -> None:
    """Equal rows: log Σ exp = the row + log n, so the odds between classes and background are the zero-shot ones."""
    with torch.no_grad():
        layer = GoogLeNet(5).classifier
        layer.weight[2] = layer.weight[0]
    twin = Model(ZERO_SHOT, GoogLeNet(5), "")
    twin.network.classifier.load_state_dict(layer.state_dict())
    info, network = start(twin, head="softmax")
    odds = [
        p / p.sum(1, keepdim=True)
        for p in (probs(ZERO_SHOT, twin.network, features()), probs(info, network, features()))
    ]
    torch.testing.assert_close(odds[1], odds[0])


@pytest.mark.parametrize("head", ["marginal", "softmax"])
def test_random_starts(model: Model, head: str) -> None:
    layers = [start(model, head=head, start="random", seed=seed)[1].classifier for seed in (1, 1, 2)]
    assert torch.equal(layers[0].weight, layers[1].weight)
    assert not torch.equal(layers[0].weight, layers[2].weight)
    assert layers[0].weight.std().item() == pytest.approx(0.01, rel=0.1)
    assert not layers[0].bias.any()


def test_the_global_generator_is_left_alone(model: Model) -> None:
    before = torch.random.get_rng_state()
    start(model, auxiliary=True)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_random_weights_without_a_model() -> None:
    shapes = (DetectionClass("", "disc"), DetectionClass("", "ring"), DetectionClass("", "cross"))
    for architecture, image in (("googlenet", BVLC_INPUT), ("googlenet_bn", TORCHVISION_INPUT)):
        info, network = start(None, shapes, head="softmax", architecture=architecture, box_regression="agnostic")
        again = start(None, shapes, head="softmax", architecture=architecture, box_regression="agnostic")[1]
        assert (info.num_outputs, info.architecture, info.input) == (4, architecture, image)
        assert info.provenance.source == "random weights"
        assert all(torch.equal(a, b) for a, b in zip(network.parameters(), again.parameters(), strict=True))
    info, _ = start(None, ilsvrc_detection_classes())
    assert (info.head, info.num_outputs) == ("marginal", 1001)


def trained(model: Model, path: Path, classes: tuple[DetectionClass, ...] = PETS, **options: Any) -> Model:
    """As if training had changed everything in the heads, saved and loaded."""
    info, network = start(model, classes, **options)
    torch.manual_seed(8)
    torch.nn.init.normal_(network.classifier.weight)
    torch.nn.init.normal_(network.classifier.bias)
    if network.box_regressor is not None:
        for parameter in network.box_regressor.parameters():
            torch.nn.init.normal_(parameter)
    if network.region_fit is not None:
        torch.nn.init.normal_(network.region_fit.output.weight)
    save_model(path, info, network.state_dict())
    return load_model(path)


@pytest.mark.parametrize("head", ["marginal", "softmax"])
@pytest.mark.parametrize("box_regression", ["none", "agnostic", "per_class", "cells"])
def test_training_on_from_a_trained_detector(model: Model, tmp_path: Path, head: str, box_regression: str) -> None:
    first = trained(model, tmp_path / "x.safetensors", head=head, box_regression=box_regression, auxiliary=True)
    info, network = start(first, head=head, box_regression=box_regression, auxiliary=True)
    state, before = network.state_dict(), first.network.state_dict()
    assert all(torch.equal(state[name], before[name]) for name in before)
    assert dataclasses.replace(info, provenance=first.info.provenance) == first.info


def test_how_well_boxes_fit_is_taken_over_or_begins_without_an_opinion(model: Model, tmp_path: Path) -> None:
    info, network = start(model, box_regression="cells", fit=True)
    assert info.fit
    assert network.region_fit is not None
    assert not network.region_fit.output.weight.any()
    first = trained(model, tmp_path / "x.safetensors", box_regression="cells", fit=True)
    info, network = start(first, box_regression="cells", fit=True)
    assert network.region_fit is not None
    assert first.network.region_fit is not None
    for ours, theirs in zip(network.region_fit.parameters(), first.network.region_fit.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    info, network = start(first, box_regression="none", fit=True)
    assert network.region_fit is not None
    assert not network.region_fit.output.weight.any(), "what it knows is of other boxes"
    info, network = start(first, box_regression="cells")
    assert not info.fit, "only where it is asked for"
    assert network.region_fit is None


def test_other_classes_take_over_what_they_share(model: Model, tmp_path: Path) -> None:
    first = trained(model, tmp_path / "x.safetensors", head="softmax", box_regression="per_class")
    others = (DetectionClass("n9", "rabbit", (4,)), PETS[1])
    _, network = start(first, others, head="softmax", box_regression="per_class")
    old = first.network.classifier
    assert torch.equal(network.classifier.weight[1], old.weight[1])
    assert torch.equal(network.classifier.weight[2], old.weight[2]), "background"
    assert network.classifier.weight[0].abs().max() < 0.1, "at random"
    assert network.box_regressor is not None
    assert not network.box_regressor.weight.any(), "another order of classes"


def test_softmax_from_marginal(model: Model, tmp_path: Path) -> None:
    first = trained(model, tmp_path / "x.safetensors")
    _, network = start(first, head="softmax", background_logit=99.0)
    old = first.network.classifier
    torch.testing.assert_close(network.classifier.weight[0], (old.weight[0] + old.weight[2]) / 2)
    assert torch.equal(network.classifier.bias[2], old.bias[5]), "its own background, not the setting's"


def test_members_by_name() -> None:
    det = {one.name: one.members for one in ilsvrc_detection_classes()}
    classes = (DetectionClass("", "Dog"), DetectionClass("", "disc"), DetectionClass("", "cat", (7,)))
    found = with_members(classes)
    assert [one.members for one in found] == [det["dog"], (), (7,)]
    assert [one.name for one in found] == ["Dog", "disc", "cat"]


def test_errors(model: Model, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^start: expected classes or random, got 'zero'"):
        start(model, start="zero")
    with pytest.raises(ValueError, match=r"^head: expected marginal or softmax, got 'zero_shot'"):
        start(model, head="zero_shot")
    with pytest.raises(ValueError, match=r"^box_regression: expected none or .* or cells, got 'all'"):
        start(model, box_regression="all")
    with pytest.raises(ValueError, match="marginal needs classification classes below every class, and elf has none"):
        start(model, (*PETS, DetectionClass("", "elf")))
    softmax = trained(model, tmp_path / "x.safetensors", head="softmax")
    with pytest.raises(ValueError, match="marginal cannot start from the softmax detector trained; use softmax"):
        start(softmax)


@pytest.mark.shared
def test_the_published_network_keeps_its_probabilities(shared_folder: Path) -> None:
    model = load_model(shared_folder / "weights" / "bvlc_googlenet.safetensors")
    info, network = start(model, ilsvrc_detection_classes(), background_logit=12.0)
    images = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0)) * 60
    with torch.inference_mode():
        seen = model.network.tail(model.network.stem_to_4e(images))
    expected = probs(dataclasses.replace(model.info, background_logit=12.0), model.network, seen)
    torch.testing.assert_close(probs(info, network, seen), expected, rtol=1e-5, atol=1e-9)


def test_boxes_from_cells_leave_the_random_start_of_others_alone(model: Model) -> None:
    """One seed, one classifier and auxiliary ones, whatever regresses boxes."""
    without, cells = (
        start(model, PETS, head="softmax", start="random", auxiliary=True, box_regression=one)[1].state_dict()
        for one in ("none", "cells")
    )
    assert set(cells) > set(without)
    assert all(torch.equal(cells[name], without[name]) for name in without)


def test_a_network_of_other_classes_lends_outputs_by_name() -> None:
    own = (DetectionClass("", "ant", (0,)), DetectionClass("", "bee", (1,)))
    described = dataclasses.replace(ZERO_SHOT, name="insects", num_outputs=2, classes=own, background_logit=None)
    insects = Model(described, GoogLeNet(2).eval(), "")
    wanted = (DetectionClass("", "bee", (900,)), DetectionClass("", "cow", (901,)))
    _, network = start(insects, wanted, head="softmax")
    assert torch.equal(network.classifier.weight[0], insects.network.classifier.weight[1])
    assert not torch.equal(network.classifier.weight[1], insects.network.classifier.weight[0])
    assert network.classifier.bias[2].item() == 2.0, "background"
    with pytest.raises(ValueError, match=r"marginal needs a network of ILSVRC's .* and insects has 2 of its own"):
        start(insects, wanted)
