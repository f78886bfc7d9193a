"""Training as if nobody had annotated some of the classes, to measure what becomes of classes without boxes."""

from __future__ import annotations

import dataclasses

import numpy as np
from pooled_features import CachedRegions

from detect.training.losses import single_classes
from detect.training.training_report import objects_per_class
from detect.training.training_set import IGNORED, TrainingSet


def hidden_classes(train: TrainingSet) -> np.ndarray:
    """(K,) bool: every third of the classes that have boxes, from the second most frequent on."""
    counts = objects_per_class(train)
    order = np.argsort(-counts, kind="stable")[: int((counts > 0).sum())]
    hidden = np.zeros(len(counts), np.bool_)
    hidden[order[1::3]] = True
    return hidden


def hide(train: TrainingSet, hidden: np.ndarray) -> TrainingSet:
    """The same photos as if nobody had annotated some classes: objects are gone, and background may be one of them."""
    rows = train.allowed[train.background].copy()
    rows[:, :-1] |= hidden
    distinct, background = np.unique(rows, axis=0, return_inverse=True)
    allowed = np.concatenate([train.allowed, distinct])
    labels = single_classes(train.allowed)[train.targets]
    gone = (train.targets != IGNORED) & (labels >= 0) & hidden[labels]
    return dataclasses.replace(
        train,
        allowed=allowed,
        background=background.reshape(-1).astype(np.int64) + len(train.allowed),
        image_of=train.image_of[~gone],
        boxes=train.boxes[~gone],
        targets=train.targets[~gone],
    )


def retargeted(full: TrainingSet, train: TrainingSet, regions: CachedRegions) -> tuple[np.ndarray, np.ndarray]:
    """Targets and `regress` of cached regions of `full` in a set that hides classes of it (or is the same set).

    A region on an object that is gone overlaps nothing that anyone has annotated: it is its photo's background.
    """
    image, target, regress = (regions.table[name] for name in ("image", "target", "regress"))
    if train is full:
        return target, regress
    shown = np.zeros(len(full.allowed) + 1, np.bool_)
    shown[train.targets] = True  # the end stands for ignored objects
    labels = single_classes(full.allowed)[target]
    gone = (target == full.background[image]) | ((labels >= 0) & ~shown[target])
    return np.where(gone, train.background[image], target), regress & ~gone
