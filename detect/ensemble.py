"""Several networks as one: what each says of the same regions (GoogLeNet, section 8: six networks)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from detect.class_tables import DetectionClass
from detect.model_file import Model, load_model
from detect.model_info import ModelInfo
from detect.model_zoo import find_model_file
from detect.region_classifier import ClassifiedRegions, RegionClassifier
from detect.region_views import Boxes, Image, Readers, RegionViews, SharedViews, WarpedViews
from detect.shared_regions import SharedSettings


@dataclass(frozen=True)
class Member:
    """A network of an ensemble.

    Attributes:
        shared: how it reads regions from shared maps; None: each is warped (R-CNN).
    """

    classifier: RegionClassifier
    shared: SharedSettings | None = None


class Ensemble:
    """Networks that look at the same regions; of one, what it says.

    Args:
        members: at least one.
        flip: each looks at every region mirrored left to right too.
    Raises:
        ValueError: if the members have other classes, or are on other devices.
    """

    def __init__(self, members: Sequence[Member], *, flip: bool = False) -> None:
        check_same_classes([(one.classifier.info.name, one.classifier.info) for one in members])
        devices = dict.fromkeys(one.classifier.device for one in members)
        if len(devices) != 1:
            raise ValueError(f"ensemble: expected all networks on one device, got {', '.join(map(str, devices))}")
        self._groups = [_views_of(group, flip=flip) for group in _reading_alike(members)]

    def open(self, image: Image) -> list[Readers]:
        """An image as `classify` takes it, uploaded once for all that read it alike."""
        return [group.open(image) for group in self._groups]

    def classify(self, pieces: Sequence[tuple[list[Readers], Boxes]]) -> list[list[ClassifiedRegions]]:
        """What every view says of some regions of opened images, in one pass of each.

        Args:
            pieces: an opened image and boxes (N, 4) in its pixels; N at least 1; at least one piece.
        Returns:
            For each piece, what each view says, in the same order for all pieces.
        """
        sizes = [len(boxes) for _, boxes in pieces]
        answers: list[list[ClassifiedRegions]] = [[] for _ in pieces]
        for position, group in enumerate(self._groups):
            for answer in group.classify([(readers[position], boxes) for readers, boxes in pieces]):
                for own, part in zip(answers, _split(answer, sizes), strict=True):
                    own.append(part)
        return answers


def load_members(names: Sequence[str]) -> list[Model]:
    """The models of an ensemble, by name (fetched if they are not here) or file.

    Raises:
        ValueError: if there is none, one comes twice, or two have other classes; and as `find_model_file`.
        ModelFileError: as `load_model`.
    """
    if not names:
        raise ValueError("model: expected at least one, got none")
    models = [load_model(find_model_file(name)) for name in names]
    seen: dict[str, str] = {}
    for name, model in zip(names, models, strict=True):
        if model.sha256 in seen:
            raise ValueError(
                f"models {seen[model.sha256]} and {name}: expected each model once, got the same file twice, "
                "which takes time and changes nothing"
            )
        seen[model.sha256] = name
    check_same_classes([(name, model.info) for name, model in zip(names, models, strict=True)])
    return models


def check_same_classes(models: Sequence[tuple[str, ModelInfo]]) -> None:
    """Make sure that a label means the same class to all models.

    Which outputs of a network are of a class may differ.

    Args:
        models: what to call each, and its description.
    Raises:
        ValueError: naming two models and the first difference.
    """
    for name, info in models[1:]:
        first_name, first = models[0]
        ours, theirs = ([_called(one) for one in model.classes] for model in (first, info))
        for label, (one, other) in enumerate(zip(ours, theirs, strict=False)):
            if one != other:
                raise ValueError(
                    f"models {first_name} and {name}: expected the same classes in the same order, "
                    f"got {one} and {other} for label {label}"
                )
        if len(ours) != len(theirs):
            raise ValueError(
                f"models {first_name} and {name}: expected the same classes in the same order, "
                f"got {len(ours)} and {len(theirs)} of them"
            )


def _called(one: DetectionClass) -> str:
    return f"{one.name!r} ({one.wnid})" if one.wnid else repr(one.name)


def _split(answers: ClassifiedRegions, sizes: list[int]) -> list[ClassifiedRegions]:
    nothing: list[Tensor | None] = [None] * len(sizes)
    probs = torch.split(answers.probs, sizes)
    deltas = nothing if answers.deltas is None else torch.split(answers.deltas, sizes)
    fits = nothing if answers.fit is None else torch.split(answers.fit, sizes)
    return [ClassifiedRegions(*one) for one in zip(probs, deltas, fits, strict=True)]


def _reading_alike(members: Sequence[Member]) -> list[list[Member]]:
    """Members in groups that can be given the same pixels, in the order of each group's first."""
    groups: dict[object, list[Member]] = {}
    for one in members:
        info = one.classifier.info
        groups.setdefault((info.input, one.shared or info.context), []).append(one)
    return list(groups.values())


def _views_of(group: Sequence[Member], *, flip: bool) -> RegionViews:
    classifiers, shared = [one.classifier for one in group], group[0].shared
    return WarpedViews(classifiers, flip=flip) if shared is None else SharedViews(classifiers, shared, flip=flip)
