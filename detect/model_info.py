"""What a model file says about itself: everything `detect` needs besides the weights."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any

from detect.backbones.registry import backbone_named
from detect.class_tables import DetectionClass
from detect.file_header import read_header, write_header
from detect.input_format import InputFormat
from detect.shared_regions import SharedSettings
from proposals.diversity import MODES

HEADS = ("zero_shot", "marginal", "softmax")
BOX_REGRESSION = ("none", "agnostic", "per_class", "cells")
REGIONS = ("warp", "shared")
METHODS = ("selective_search", "multibox", "both")
SHORT_SIDES: tuple[int, ...] = (600,)  # what a file that says nothing of them means


@dataclass(frozen=True)
class ProposalSetting:
    """Which boxes the model was made for; `detect` uses these unless told otherwise.

    Attributes:
        method: selective_search, multibox, or both in one list. GoogLeNet: both.
        mode: of selective search.
        superpixel_scale: of selective search. GoogLeNet, section 8: superpixels enlarged by 2.
        limit: boxes an image, best first; None: all.
        multibox: the MultiBox model: the name of the one in the package, or a file.
        multibox_limit: boxes of MultiBox an image. GoogLeNet: 200.
    """

    method: str = "selective_search"
    mode: str = "fast"
    superpixel_scale: float = 2.0
    limit: int | None = None
    multibox: str = "multibox"
    multibox_limit: int = 200

    def __post_init__(self) -> None:
        _check_choice("proposals.method", self.method, METHODS)
        _check_choice("proposals.mode", self.mode, tuple(MODES))
        if not 0 < self.superpixel_scale < math.inf:
            raise ValueError(f"proposals.superpixel_scale: expected a number above 0, got {self.superpixel_scale}")
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"proposals.limit: expected at least 1, got {self.limit}")
        if not isinstance(self.multibox_limit, int) or self.multibox_limit < 1:
            raise ValueError(f"proposals.multibox_limit: expected at least 1, got {self.multibox_limit}")


@dataclass(frozen=True)
class Provenance:
    """Where the weights came from."""

    source: str
    data: str
    licence: str
    config: str = ""
    commit: str = ""


@dataclass(frozen=True)
class ModelInfo:
    """The header of a model file.

    Attributes:
        name: for people and `run.json`.
        architecture: one of `detect.backbones.registry.BACKBONES`.
        num_outputs: outputs of the network's classifier.
        input: channel order, mean and scale.
        classes: the K classes it detects, in label order.
        head: how outputs become the probabilities of these classes, each the sum of the softmax over its members:
            "zero_shot" (a classification network's outputs), "marginal" (those, trained, and background as the last
            one) or "softmax" (an output a class, and background as the last one).
        background_logit: one more output of the zero-shot head, the same for every region; None: none.
        regions: the ways of reading regions that it was trained for, best first.
        short_sides: of shared regions: pixels of the shorter side of the images that it was trained on, see
            `detect.shared_regions.SharedSettings`; what else it may be used with is untried.
        context: pixels of context around a region, of 224.
        box_regression: "none", "agnostic" (a box a region), "per_class" (a box a region and class), both from the
            averaged features; or "cells" (a box a region, from pool4's cells).
        fit: whether it says how well a region's corrected box fits, see `detect.region_fit`; probabilities are then
            multiplied by that (of several models, by the mean of those that say it).
    """

    name: str
    architecture: str
    num_outputs: int
    input: InputFormat
    classes: tuple[DetectionClass, ...]
    provenance: Provenance
    head: str = "zero_shot"
    background_logit: float | None = None
    regions: tuple[str, ...] = ("warp",)
    short_sides: tuple[int, ...] = SHORT_SIDES
    context: int = 16
    box_regression: str = "none"
    fit: bool = False
    proposals: ProposalSetting = field(default_factory=ProposalSetting)

    def __post_init__(self) -> None:
        backbone_named(self.architecture)
        _check_choice("head", self.head, HEADS)
        _check_choice("box_regression", self.box_regression, BOX_REGRESSION)
        if not isinstance(self.fit, bool):
            raise ValueError(f"fit: expected true or false, got {self.fit!r}")
        if self.fit and self.box_regression == "per_class":
            raise ValueError("fit: expected false with box_regression per_class, as a region then has no one box")
        if not self.classes:
            raise ValueError("classes: expected at least one, got none")
        if not self.regions:
            raise ValueError("regions: expected at least one, got none")
        for way in self.regions:
            _check_choice("regions", way, REGIONS)
        SharedSettings(short_sides=self.short_sides)
        if not isinstance(self.num_outputs, int) or self.num_outputs < 1:
            raise ValueError(f"num_outputs: expected a whole number from 1 on, got {self.num_outputs!r}")
        if not isinstance(self.context, int) or self.context < 0:
            raise ValueError(f"context: expected a whole number of pixels, got {self.context!r}")
        if self.background_logit is not None and not math.isfinite(self.background_logit):
            raise ValueError(f"background_logit: expected a finite number, got {self.background_logit}")
        outside = [m for c in self.classes for m in c.members if not 0 <= m < self.num_outputs]
        if outside:
            raise ValueError(f"classes: expected members below {self.num_outputs}, got {outside[0]}")
        if self.head != "zero_shot":
            self._check_trained_head()

    @property
    def box_outputs(self) -> int:
        """Outputs of the box regressor; 0: there is none."""
        return {"none": 0, "agnostic": 4, "cells": 4, "per_class": 4 * len(self.classes)}[self.box_regression]

    def _check_trained_head(self) -> None:
        if self.background_logit is not None:
            raise ValueError(
                f"background_logit: expected null with a {self.head} head, which learns its own background, "
                f"got {self.background_logit}"
            )
        if any(self.num_outputs - 1 in one.members for one in self.classes):
            raise ValueError(f"classes: expected the last output of a {self.head} head, background, to be no member")
        alone = all(one.members == (label,) for label, one in enumerate(self.classes))
        if self.head == "softmax" and not (alone and self.num_outputs == len(self.classes) + 1):
            raise ValueError(
                f"classes: expected of a softmax head that class k has output k and background the last of "
                f"{len(self.classes) + 1}, got {self.num_outputs} outputs or other members"
            )

    def to_json(self) -> str:
        """One line of JSON, for the file's header.

        A model of warped regions alone says nothing of short sides, nor one without fit of that: its header is what it
        was before there were any, so that runs of `detect` with it from before can be resumed.
        """
        fields = dataclasses.asdict(self)
        if not self.fit:
            del fields["fit"]
        if "shared" not in self.regions and self.short_sides == SHORT_SIDES:
            del fields["short_sides"]
        return write_header(fields)

    @staticmethod
    def from_json(text: str) -> ModelInfo:
        """Inverse of `to_json`.

        Raises:
            ValueError: if it is not such JSON, a newer format, or a field is missing, unknown or wrong.
        """
        return read_header(text, _info_from_fields, expected="a model description")


def _info_from_fields(fields: dict[str, Any]) -> ModelInfo:
    image = fields.pop("input")
    classes = tuple(DetectionClass(**c | {"members": tuple(c["members"])}) for c in fields.pop("classes"))
    return ModelInfo(
        input=InputFormat(**image | {"mean": tuple(image["mean"]), "scale": tuple(image["scale"])}),
        classes=classes,
        provenance=Provenance(**fields.pop("provenance")),
        proposals=ProposalSetting(**fields.pop("proposals")),
        regions=tuple(fields.pop("regions")),
        short_sides=tuple(fields.pop("short_sides", SHORT_SIDES)),
        **fields,
    )


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name}: expected {' or '.join(choices)}, got {value!r}")
