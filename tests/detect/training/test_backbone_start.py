"""What classification training starts from: the same with auxiliary classifiers and without, from models, for sizes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from detect.backbones.backbone import Backbone
from detect.backbones.registry import BACKBONES
from detect.class_tables import DetectionClass, ilsvrc_classification_classes, ilsvrc_detection_classes
from detect.classification_classes import classification_classes
from detect.inception import AuxiliaryClassifier
from detect.model_file import Model, load_model, save_model
from detect.model_info import ModelInfo
from detect.training.backbone_start import start_backbone

PETS = tuple(DetectionClass("", name, (label,)) for label, name in enumerate(("ant", "bee", "cow")))
OPTIONS: dict[str, Any] = {"architecture": "googlenet", "size": 64, "auxiliary": False, "seed": 0, "name": "pets"}


def start(model: Model | None = None, classes: Any = PETS, **options: Any) -> tuple[ModelInfo, Backbone]:
    return start_backbone(model, classes, **OPTIONS | options)


@pytest.fixture(scope="module")
def pets() -> Model:
    info, network = start(seed=7)
    return Model(info, network.eval(), "")


def same(one: Backbone, other: Backbone, without: str) -> bool:
    mine, theirs = one.state_dict(), other.state_dict()
    return all(torch.equal(value, theirs[name]) for name, value in mine.items() if not name.startswith(without))


@pytest.mark.parametrize("architecture", ["googlenet", "inception_v2"])
def test_auxiliary_classifiers_change_nothing_else(architecture: str) -> None:
    how = {"architecture": architecture, "size": 80}
    (info, network), (other_info, other) = start(**how), start(**how, auxiliary=True)
    assert info == other_info
    assert same(network, other, without="auxiliary")
    heads = [other.auxiliary_on(stage) for stage in other.auxiliary_channels]
    assert all(isinstance(one, AuxiliaryClassifier) for one in heads)
    assert same(other, start(**how, auxiliary=True)[1], without="nothing")
    assert not same(network, start(**how, seed=1)[1], without="auxiliary")


@pytest.mark.parametrize(
    ("size", "cells", "pooled"),
    # ⌊(size + 1) / 16⌋ cells; 5×5 windows with stride 3: ⌊(cells − 5) / 3⌋ + 1, or one window over all
    [(224, 14, 4), (128, 8, 2), (96, 6, 1), (64, 4, 1), (31, 2, 1)],
)
def test_auxiliary_classifiers_fit_the_map_of_any_size(size: int, cells: int, pooled: int) -> None:
    _, network = start(size=size, auxiliary=True)
    head = network.auxiliary_on("4d")
    assert head is not None
    assert head.fc.in_features == 128 * pooled**2
    assert head(torch.zeros(2, 528, cells, cells)).shape == (2, 3)


def test_a_small_map_is_averaged_by_hand() -> None:
    head = AuxiliaryClassifier(1, 2, cells=2)
    seen: list[torch.Tensor] = []
    head.conv.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    head(torch.tensor([[[[1.0, 2.0], [3.0, 6.0]]]]))
    assert seen[0].tolist() == [[[[3.0]]]]


def test_the_published_head_is_as_it_was() -> None:
    head = AuxiliaryClassifier(512, 1000)
    assert (head.window, head.conv.out_channels, head.fc.in_features) == (5, 128, 2048)
    assert (head.fc.out_features, head.dropout.p) == (1024, 0.7)


def test_the_description_is_of_a_classification_network(tmp_path: Path) -> None:
    info, network = start(auxiliary=True)
    save_model(tmp_path / "pets.safetensors", info, network.state_dict())
    model = load_model(tmp_path / "pets.safetensors")
    assert model.info == info
    assert classification_classes(model.info) == PETS
    assert (info.num_outputs, info.head, info.background_logit) == (3, "zero_shot", None)
    assert not [name for name in model.network.state_dict() if name.startswith("auxiliary")]


def test_one_of_ilsvrc_s_classes_detects_the_200() -> None:
    info, _ = start(classes=ilsvrc_classification_classes(), architecture="nin", size=39)
    assert (info.num_outputs, info.classes) == (1000, ilsvrc_detection_classes())
    assert classification_classes(info) == ilsvrc_classification_classes()


def test_from_a_model_of_the_same_classes_all_is_taken(pets: Model) -> None:
    info, network = start(pets, auxiliary=True, seed=1)
    assert same(pets.network, network, without="nothing")
    assert info.provenance.source == "fine-tuned from pets: random weights"


def test_from_one_of_other_classes_all_but_the_classifier(pets: Model) -> None:
    others = (*PETS[:2], DetectionClass("", "dog", (2,)))
    info, network = start(pets, others, seed=1)
    assert same(pets.network, network, without="classifier")
    assert not torch.equal(pets.network.classifier.weight, network.classifier.weight)
    assert info.classes == others


def test_background_s_output_is_left_behind(pets: Model) -> None:
    """A trained detector's last output is background; a classification network has none."""
    info, network = start(pets, (*PETS, DetectionClass("", "background", (3,))))
    softmax = ModelInfo(
        name="softmax",
        architecture="googlenet",
        num_outputs=4,
        input=info.input,
        classes=PETS,
        provenance=info.provenance,
        head="softmax",
    )
    _, trained = start(Model(softmax, network, ""), seed=3)
    assert torch.equal(trained.classifier.weight, network.classifier.weight[:3])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": 30}, "size: images: expected at least 31 x 31 pixels for googlenet, got 30 x 30"),
        ({"architecture": "inception_v2", "size": 64}, "expected at least 75 x 75 pixels for inception_v2, got 64 x"),
        ({"architecture": "nin", "auxiliary": True}, "auxiliary: expected none with nin"),
        ({"architecture": "googlenett"}, "got 'googlenett' (did you mean googlenet?)"),
    ],
)
def test_what_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        start(**changes)


@pytest.mark.parametrize("architecture", [name for name, kind in BACKBONES.items() if kind.auxiliary_channels])
def test_every_architecture_s_auxiliary_classifiers_take_the_least_input(architecture: str) -> None:
    side = BACKBONES[architecture].least_side
    _, network = start(architecture=architecture, size=side, auxiliary=True)
    x = torch.zeros(1, 3, side, side)
    for stage in network.stages:
        x = network.stage(stage, x)
        head = network.auxiliary_on(stage)
        assert head is None or head(x).shape == (1, 3)
