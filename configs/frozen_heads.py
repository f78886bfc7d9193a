"""What goes with `optimisation.frozen` classifier and all, which let only what says something of boxes learn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from detect.class_tables import DetectionClass

if TYPE_CHECKING:
    from configs.training import ClassifierTrainingConfig
    from detect.model_info import ModelInfo

HEADS_FROZEN = ("classifier", "all")  # in the place of a stage: no stage learns, and not all of what is after them


def check_frozen(config: ClassifierTrainingConfig) -> None:
    """Raises ValueError if nothing would learn, or what does not learn would start anew or be taught."""
    frozen, head = config.optimisation.frozen, config.head
    if frozen not in HEADS_FROZEN:
        return
    boxes = head.box_regression
    learns = head.fit or (frozen == "classifier" and boxes != "none")
    if not (learns and config.model and head.start == "classes"):
        wanted = "head.fit, which alone learns then" if frozen == "all" else "head.fit or head.box_regression"
        raise ValueError(
            f"optimisation.frozen: expected with {frozen} {wanted}, a model to start from and head.start classes, "
            f"got fit {head.fit}, boxes {boxes}, model {config.model} and start {head.start}"
        )
    if frozen == "classifier" and boxes != "none" and not head.box_weight:
        raise ValueError(
            "head.box_weight: expected above 0 with optimisation.frozen classifier (all: boxes stay), got 0"
        )
    if config.distillation.weight:
        raise ValueError(
            f"distillation.weight: expected 0 with optimisation.frozen {frozen}, as the classifier does not learn, "
            f"got {config.distillation.weight}"
        )


def check_same_heads(config: ClassifierTrainingConfig, info: ModelInfo, classes: Sequence[DetectionClass]) -> None:
    """Raises ValueError if a head would start anew that does not learn.

    Args:
        info: of the model that training starts from.
        classes: of the data.
    """
    frozen, head = config.optimisation.frozen, config.head
    if frozen not in HEADS_FROZEN:
        return
    kind = "marginal" if info.head == "zero_shot" else info.head
    if head.kind != kind:
        raise ValueError(f"optimisation.frozen: expected with {frozen} head.kind {kind}, as the model, got {head.kind}")
    data, model = ([(one.wnid, one.name) for one in every] for every in (classes, info.classes))
    if kind == "softmax" and data != model:
        raise ValueError(f"optimisation.frozen: expected with {frozen} the model's classes, got data of others")
    if frozen == "all" and head.box_regression != info.box_regression:
        raise ValueError(
            f"optimisation.frozen: expected with all head.box_regression {info.box_regression}, as the model, which "
            f"does not learn, got {head.box_regression}"
        )
