"""What training starts from: a classification network or an earlier detector, with the outputs the new head needs."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from detect.backbones.backbone import Backbone
from detect.backbones.registry import backbone_named
from detect.class_tables import DetectionClass, ilsvrc_detection_classes
from detect.classification_classes import has_own_classes
from detect.model_file import Model, build_network
from detect.model_info import SHORT_SIDES, ModelInfo, ProposalSetting, Provenance

DEVIATION = 0.01  # of the weights of outputs that start at random, as in Fast R-CNN


def start_network(
    model: Model | None,
    classes: Sequence[DetectionClass],
    *,
    head: str,
    start: str,
    background_logit: float,
    auxiliary: bool,
    box_regression: str,
    fit: bool = False,
    seed: int,
    name: str,
    context: int,
    proposals: ProposalSetting,
    architecture: str = "googlenet",
    regions: str = "warp",
    short_sides: tuple[int, ...] = SHORT_SIDES,
) -> tuple[ModelInfo, Backbone]:
    """A network to train, and the description of the model file it will become.

    Everything below the classifier is the model's. Head "marginal": the model's outputs and one of background behind
    them. Head "softmax": an output a class, and one of background behind them. From "classes":

    - marginal, of a zero-shot model: the same outputs, and background with no weights and the bias
      `background_logit`: exactly the probabilities of the zero-shot detector with that background logit. Of a
      marginal model: all its outputs as they are, background too.
    - softmax: a class starts as the mean of its members' outputs plus log n, n being their number: the sum of their
      softmax if they agreed, and less where they differ, as they do for a class of many members; a class without
      members as an output at random. Background as above. Of a softmax model, or a classification network of other
      classes than ILSVRC's: a class takes over the output of the class with its WordNet id and name, if there is one.

    From "random" the outputs have small random weights and no bias. A box regressor for all classes is always taken
    over from a model that has the same kind, the one per class where the classes are the same; others start at zero: no
    box moves. How well they fit is taken over from a model that knows it of boxes from the same kind of
    regressor; else any fits as likely as not.
    Auxiliary classifiers start at random, as no model file holds them, with outputs so small that they do not outweigh
    a network that is trained already.

    Args:
        model: None: a network of random weights, of `architecture`, see `Backbone.start_weights`.
        classes: K, with the classification outputs at or below them as members. A class of a data set that has no
            members takes those of the ILSVRC detection class of its name, if there is one.
        seed: of what starts at random.
        name, context, proposals, regions, short_sides: of the description; `regions` is the way that it is trained for.
    Returns:
        The description, whose members are outputs of the new network, and the network: float32, on the CPU,
        channels_last, in training mode.
    Raises:
        ValueError: if the head, the start or the box regression is another, or the head is marginal and a class has
            no members, or the model is a softmax detector or of classes of its own, or the architecture has no
            auxiliary classifiers.
    """
    if start not in ("classes", "random"):
        raise ValueError(f"start: expected classes or random, got {start!r}")
    chosen = with_members(classes)
    info = _description(model, chosen, head, box_regression, name, context, proposals, architecture)
    info = dataclasses.replace(info, regions=(regions,), short_sides=short_sides, fit=fit)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build_network(info, auxiliary=auxiliary)
        for part in (network, *map(network.auxiliary_on, network.auxiliary_channels)):
            if part is not None:
                draw_outputs(part.classifier)
        network.start_weights()
    if model is not None:
        take_over_features(network, model.network)
        _take_over_boxes(network, model, info)
        _take_over_fit(network, model, info)
        if start == "classes":
            _take_over_outputs(network.classifier, model, info, chosen, background_logit)
    return info, network.to(memory_format=torch.channels_last).train()


def draw_outputs(layer: nn.Linear) -> None:
    """Outputs that start at random: small weights, no bias."""
    nn.init.normal_(layer.weight, std=DEVIATION)
    nn.init.zeros_(layer.bias)


def with_members(classes: Sequence[DetectionClass]) -> tuple[DetectionClass, ...]:
    """The classes; one without members gets those of the ILSVRC detection class of its name, if there is one."""
    known = {one.name.lower(): one.members for one in ilsvrc_detection_classes()}
    return tuple(
        one if one.members else dataclasses.replace(one, members=known.get(one.name.lower(), ())) for one in classes
    )


def _description(
    model: Model | None,
    classes: tuple[DetectionClass, ...],
    head: str,
    box_regression: str,
    name: str,
    context: int,
    proposals: ProposalSetting,
    architecture: str,
) -> ModelInfo:
    """What the file of the trained model will say; `config` and `commit` of its provenance are the caller's."""
    if head == "marginal":
        outputs = _marginal_outputs(model, classes)
    elif head == "softmax":
        outputs = len(classes) + 1
        classes = tuple(dataclasses.replace(one, members=(label,)) for label, one in enumerate(classes))
    else:
        raise ValueError(f"head: expected marginal or softmax, got {head!r}")
    architecture = architecture if model is None else model.info.architecture
    return ModelInfo(
        name=name,
        architecture=architecture,
        num_outputs=outputs,
        input=backbone_named(architecture).input_format if model is None else model.info.input,
        classes=classes,
        provenance=provenance_of(model),
        head=head,
        context=context,
        box_regression=box_regression,
        proposals=proposals,
    )


def _marginal_outputs(model: Model | None, classes: Sequence[DetectionClass]) -> int:
    without = [one.name for one in classes if not one.members]
    if without:
        raise ValueError(
            f"head: marginal needs classification classes below every class, and {without[0]} has none; use softmax"
        )
    if model is None:
        return 1000 + 1
    if model.info.head == "softmax":
        raise ValueError(f"head: marginal cannot start from the softmax detector {model.info.name}; use softmax")
    if has_own_classes(model.info):
        raise ValueError(
            f"head: marginal needs a network of ILSVRC's classification classes, and {model.info.name} has "
            f"{len(model.info.classes)} of its own; use softmax"
        )
    return model.info.num_outputs + (model.info.head == "zero_shot")


def provenance_of(model: Model | None) -> Provenance:
    """What the file of a model that starts from this one says of its origin."""
    if model is None:
        return Provenance(source="random weights", data="", licence="")
    origin = model.info.provenance
    return Provenance(
        source=f"fine-tuned from {model.info.name}: {origin.source}", data=origin.data, licence=origin.licence
    )


def take_over_features(network: Backbone, old: Backbone) -> None:
    """All weights but those of the classifier, of what says something of boxes, and of the auxiliary classifiers."""
    heads = (f"{network.classifier_name}.", "box_regressor.", "region_fit.", "auxiliary_")
    state = {name: value for name, value in old.state_dict().items() if not name.startswith(heads)}
    missing, unexpected = network.load_state_dict(state, strict=False)
    assert not unexpected
    assert all(name.startswith(heads) for name in missing)


def _take_over_boxes(network: Backbone, model: Model, info: ModelInfo) -> None:
    """The box regressor, if the model has the same kind, and if it is one per class, for the same classes."""
    old, new = model.network.box_regressor, network.box_regressor
    if old is None or new is None or model.info.box_regression != info.box_regression:
        return
    if info.box_regression == "per_class" and _names(model.info.classes) != _names(info.classes):
        return
    new.load_state_dict(old.state_dict())


def _take_over_fit(network: Backbone, model: Model, info: ModelInfo) -> None:
    """What says how well boxes fit, if the model knows it of boxes that are corrected alike."""
    old, new = model.network.region_fit, network.region_fit
    if old is not None and new is not None and model.info.box_regression == info.box_regression:
        new.load_state_dict(old.state_dict())


@torch.no_grad()
def _take_over_outputs(
    layer: nn.Linear, model: Model, info: ModelInfo, classes: Sequence[DetectionClass], background_logit: float
) -> None:
    """Start the outputs from the model's; see `start_network`. Outputs without a start keep their weights."""
    weight, bias = _with_background(model, background_logit)
    if info.head == "marginal":
        layer.weight.copy_(weight)
        layer.bias.copy_(bias)
        return
    if model.info.head == "softmax" or has_own_classes(model.info):
        known = dict(zip(_names(model.info.classes), (one.members for one in model.info.classes), strict=True))
        members = [known.get(name, ()) for name in _names(classes)]
    else:
        members = [one.members for one in classes]
    for label, chosen in enumerate(members):
        if chosen:
            layer.weight[label] = weight[list(chosen)].mean(dim=0)
            layer.bias[label] = bias[list(chosen)].mean() + math.log(len(chosen))
    layer.weight[-1], layer.bias[-1] = weight[-1], bias[-1]


def _with_background(model: Model, background_logit: float) -> tuple[Tensor, Tensor]:
    """The model's outputs with background as the last one, which zero-shot models do not have."""
    weight, bias = model.network.classifier.weight.detach(), model.network.classifier.bias.detach()
    if model.info.head != "zero_shot":
        return weight, bias
    return torch.cat([weight, torch.zeros_like(weight[:1])]), torch.cat([bias, bias.new_tensor([background_logit])])


def _names(classes: Sequence[DetectionClass]) -> list[tuple[str, str]]:
    return [(one.wnid, one.name) for one in classes]
