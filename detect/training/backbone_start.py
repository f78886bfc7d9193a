"""What classification training starts from: random weights, or a model whose classifier may be another's."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence

import torch
from torch import nn

from detect.backbones.backbone import Backbone
from detect.backbones.registry import backbone_named
from detect.class_tables import DetectionClass, ilsvrc_classification_classes, ilsvrc_detection_classes
from detect.classification_classes import classification_classes
from detect.inception import AuxiliaryClassifier
from detect.model_file import Model, build_network
from detect.model_info import ModelInfo
from detect.training.network_start import draw_outputs, provenance_of, take_over_features


def start_backbone(
    model: Model | None,
    classes: Sequence[DetectionClass],
    *,
    architecture: str,
    size: int,
    auxiliary: bool,
    seed: int,
    name: str,
) -> tuple[ModelInfo, Backbone]:
    """A network to train, and the description of the model file it will become.

    From a model everything below the classifier is the model's, and the classifier too where it is of the same classes.
    Random weights are those of `Backbone.start_weights`, of outputs small ones. Auxiliary classifiers, which no model
    file holds, always start at random (He et al. 2015), and are drawn last: a network starts the same without them.

    Args:
        model: None: random weights.
        classes: K, in label order.
        architecture: the model's, if there is one.
        size: a side of the images; auxiliary classifiers fit its maps.
        seed: of what starts at random.
        name: of the description.
    Returns:
        The description, see `classification_info`, and the network: float32, on the CPU, channels_last, in training
        mode.
    Raises:
        ValueError: if the size is below the least that the network takes, or the architecture has no auxiliary
            classifiers and they are wanted.
    """
    check_input(architecture, size)
    info = classification_info(model, classes, architecture, name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build_network(info)
        draw_outputs(network.classifier)
        network.start_weights()
        if auxiliary:
            network.add_auxiliary(len(classes), True, cells=_map_side(network, size))
            for head in map(network.auxiliary_on, network.auxiliary_channels):
                assert head is not None
                _draw(head)
    if model is not None:
        take_over_features(network, model.network)
        _take_over_classifier(network.classifier, model, classes)
    return info, network.to(memory_format=torch.channels_last).train()


def check_input(architecture: str, size: int) -> None:
    """Raises ValueError if there is no such architecture, or if it does not take images of size × size pixels."""
    kind = backbone_named(architecture)
    try:
        kind.check_size(size, size)
    except ValueError as error:
        raise ValueError(f"size: {error}") from error


def classification_info(
    model: Model | None, classes: Sequence[DetectionClass], architecture: str, name: str
) -> ModelInfo:
    """What the file of a classification network says: an output for each class, and none for background.

    One of ILSVRC's 1000 classes is described as the published ones are, as a zero-shot detector of the 200 detection
    classes. Of other classes `detect` says which one a region shows most, never that it shows none.
    """
    own = tuple(dataclasses.replace(one, members=(label,)) for label, one in enumerate(classes))
    return ModelInfo(
        name=name,
        architecture=architecture,
        num_outputs=len(own),
        input=backbone_named(architecture).input_format if model is None else model.info.input,
        classes=ilsvrc_detection_classes() if own == ilsvrc_classification_classes() else own,
        provenance=provenance_of(model),
    )


@torch.no_grad()
def _take_over_classifier(layer: nn.Linear, model: Model, classes: Sequence[DetectionClass]) -> None:
    """The outputs of a model of the same classes in the same order, but for one of background."""
    try:
        known = classification_classes(model.info)
    except ValueError:  # its outputs stand for no classes
        return
    if [(one.wnid, one.name) for one in known] == [(one.wnid, one.name) for one in classes]:
        layer.weight.copy_(model.network.classifier.weight[: len(known)])
        layer.bias.copy_(model.network.classifier.bias[: len(known)])


def _map_side(network: Backbone, size: int) -> int:
    """Cells on a side of the stem's map of an image, which are those of all maps that auxiliary classifiers read."""
    with torch.no_grad():
        hollow = copy.deepcopy(network).to("meta").eval()
        return hollow.stem(torch.empty(1, 3, size, size, device="meta")).shape[-1]


def _draw(head: AuxiliaryClassifier) -> None:
    for layer in (head.conv, head.fc):
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        assert layer.bias is not None
        nn.init.zeros_(layer.bias)
    draw_outputs(head.classifier)
