"""What fine-tuning taught the classes with boxes, carried over to classes without (LSDA)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from detect.class_tables import DetectionClass
from detect.training.training_set import IGNORED, TrainingSet


def carry_over(
    start_weight: Tensor,
    start_bias: Tensor,
    trained_weight: Tensor,
    trained_bias: Tensor,
    has_boxes: Tensor,
    nearest: int,
    *,
    adapted: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Give outputs that had no boxes the mean change of the nearest ones that had (Hoffman et al. 2014, section 3).

    Near means a small euclidean distance between the rows of `start_weight`, each of length 1; ties go to the lower
    index. An adapted output becomes its start plus the mean of (trained − start) of its neighbours, weights and bias.
    All other outputs, and the last one, which is background, stay as trained; background is no neighbour.

    Boxes that are regressed per class are not carried over: those of a class without boxes do not move.

    Args:
        start_weight, trained_weight: (O, D) before and after training.
        start_bias, trained_bias: (O,).
        has_boxes: (O,) bool, outputs that were taught by boxes: the neighbours.
        nearest: number of neighbours; where fewer had boxes, all of these. 0: nothing is carried over.
        adapted: (O,) bool, outputs to change; those with boxes stay anyway. None: all without boxes.
    Returns:
        New weight (O, D) and bias (O,).
    Raises:
        ValueError: if the shapes do not fit or `nearest` is negative.
    """
    _check(start_weight, start_bias, trained_weight, trained_bias, has_boxes, nearest)
    weight, bias = trained_weight.clone(), trained_bias.clone()
    background = len(has_boxes) - 1
    taught = has_boxes.nonzero().flatten()
    taught = taught[taught != background]
    wanted = ~has_boxes if adapted is None else adapted & ~has_boxes
    changed = wanted.nonzero().flatten()
    changed = changed[changed != background]
    if not (len(taught) and len(changed) and nearest):
        return weight, bias
    rows = torch.nn.functional.normalize(start_weight.double(), dim=1)
    distances = torch.cdist(rows[changed], rows[taught], compute_mode="donot_use_mm_for_euclid_dist")
    chosen = taught[distances.argsort(dim=1, stable=True)[:, :nearest]]  # (outputs to change, neighbours)
    weight[changed] = start_weight[changed] + (trained_weight - start_weight)[chosen].mean(dim=1)
    bias[changed] = start_bias[changed] + (trained_bias - start_bias)[chosen].mean(dim=1)
    return weight, bias


def untaught_classes(training_set: TrainingSet) -> NDArray[np.bool_]:
    """(K,) bool: the classes that no object and no image of a set says anything about.

    A class is taught by an object that is or may be of it, and by an image that is annotated for it exhaustively,
    whose background is then known not to be of it. What these have taught is not to be replaced by neighbours' changes.
    """
    targets = training_set.targets[training_set.targets != IGNORED]
    # A row that allows everything tells no classes apart.
    objects = training_set.allowed[targets]
    named = objects[~objects.all(axis=1), :-1].any(axis=0)
    excluded = ~training_set.allowed[training_set.background, :-1].all(axis=0)
    untaught: NDArray[np.bool_] = ~(named | excluded)
    return untaught


def outputs_of(classes: Sequence[DetectionClass], chosen: Sequence[bool], num_outputs: int) -> Tensor:
    """(num_outputs,) bool: the members of the classes for which `chosen` is true.

    For `carry_over` of a marginal head: `has_boxes` are the outputs of the classes with boxes, `adapted` those of
    `untaught_classes`; outputs that belong to no class were trained as background, and stay.
    """
    outputs = torch.zeros(num_outputs, dtype=torch.bool)
    for one, wanted in zip(classes, chosen, strict=True):
        if wanted:
            outputs[list(one.members)] = True
    return outputs


def _check(
    start_weight: Tensor,
    start_bias: Tensor,
    trained_weight: Tensor,
    trained_bias: Tensor,
    has_boxes: Tensor,
    nearest: int,
) -> None:
    outputs = (len(has_boxes),)
    if start_weight.ndim != 2 or start_weight.shape != trained_weight.shape or start_weight.shape[:1] != outputs:
        raise ValueError(
            f"carry_over: expected weights ({outputs[0]}, D), got {tuple(start_weight.shape)} and "
            f"{tuple(trained_weight.shape)}"
        )
    if start_bias.shape != outputs or trained_bias.shape != outputs or has_boxes.dtype != torch.bool:
        raise ValueError(
            f"carry_over: expected biases and has_boxes ({outputs[0]},), the latter bool, got "
            f"{tuple(start_bias.shape)}, {tuple(trained_bias.shape)} and {has_boxes.dtype}"
        )
    if nearest < 0:
        raise ValueError(f"nearest: expected 0 or more, got {nearest}")
