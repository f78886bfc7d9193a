"""The runs that `training_ablations.py` compares: each differs from the reference in one thing."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from configs.training import HeadConfig

REFERENCE = HeadConfig(unannotated=1.0)


@dataclass(frozen=True)
class Variant:
    """One training run.

    Attributes:
        meaning: for the table.
        head: how the network starts and what it learns.
        head_rate: the heads' learning rate, as a multiple.
        rates: of single modules, as multiples.
        hide: a third of the classes is trained without its boxes: as if nobody had annotated them.
    """

    meaning: str
    head: HeadConfig = REFERENCE
    head_rate: float = 1.0
    rates: dict[str, float] = field(default_factory=dict)
    hide: bool = False


def _head(**changes: Any) -> HeadConfig:
    return dataclasses.replace(REFERENCE, **changes)


VARIANTS = {
    "reference": Variant("marginal head from the classification classes, masked background, boxes agnostic, averaged"),
    "random": Variant("marginal head from random weights", _head(start="random")),
    "random_x10": Variant("the same, its heads' rate 10 times as high", _head(start="random"), head_rate=10.0),
    "tenth": Variant("background may be an unannotated class, at a tenth of the weight", _head(unannotated=0.1)),
    "hundredth": Variant("the same, at a hundredth", _head(unannotated=0.01)),
    "unmasked": Variant("background is background, annotated or not", _head(unannotated=0.0)),
    "softmax": Variant("K + 1 outputs, from the mean of their classes", _head(kind="softmax")),
    "softmax_random_x10": Variant(
        "K + 1 outputs from random weights, heads' rate x 10", _head(kind="softmax", start="random"), head_rate=10.0
    ),
    "no_boxes": Variant("no box regression", _head(box_regression="none")),
    "boxes_x10": Variant("boxes regressed at 10 times the rate", rates={"box_regressor": 10.0}),
    "per_class": Variant("box regression per class", _head(box_regression="per_class")),
    "hidden": Variant("a third of the classes has no boxes in training", hide=True),
    "hidden_tenth": Variant("the same, unannotated classes at a tenth", _head(unannotated=0.1), hide=True),
    "hidden_hundredth": Variant("the same, unannotated classes at a hundredth", _head(unannotated=0.01), hide=True),
    "hidden_unmasked": Variant("the same, background is background", _head(unannotated=0.0), hide=True),
}

EXTRA = {
    "no_averaging": "the reference's last weights instead of their average",
    "reference_carried": "the reference, its change carried over to classes without boxes",
    "hidden_carried": "the same, the change carried over to the hidden third (LSDA, 5 nearest)",
    "hidden_tenth_carried": "the same, carried over",
    "hidden_hundredth_carried": "the same, carried over",
    "hidden_unmasked_carried": "the same, carried over",
}
