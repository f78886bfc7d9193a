"""Training sets joined, cut down and split."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from detect.training.content_hashes import held_back_by_hash
from detect.training.training_set import TrainingSet


def join_sets(sets: Sequence[TrainingSet]) -> TrainingSet:
    """All images of several sets, in their order; equal rows of `allowed` become one.

    Raises:
        ValueError: without any set; if their classes are not the same, in the same order; if a file stands in two.
    """
    if not sets:
        raise ValueError("sets: expected at least one, got none")
    first = sets[0]
    for one in sets[1:]:
        if [(c.wnid, c.name) for c in one.classes] != [(c.wnid, c.name) for c in first.classes]:
            raise ValueError(f"sets: {first.name} and {one.name} are not about the same classes in the same order")
    images = [path for one in sets for path in one.images]
    path, count = Counter(images).most_common(1)[0] if images else (None, 1)
    if count > 1:
        raise ValueError(f"sets: expected every image once, got {path} {count} times")

    allowed, rows = np.unique(np.concatenate([one.allowed for one in sets]), axis=0, return_inverse=True)
    rows = rows.reshape(-1).astype(np.int64)
    row_starts = np.cumsum([0, *(len(one.allowed) for one in sets)])
    image_starts = np.cumsum([0, *(len(one) for one in sets)])
    return TrainingSet(
        name=" + ".join(one.name for one in sets),
        images=tuple(images),
        names=tuple(name for one in sets for name in one.names),
        weights=np.concatenate([one.weights for one in sets]),
        classes=first.classes,
        allowed=allowed,
        image_of=np.concatenate([one.image_of + start for one, start in zip(sets, image_starts, strict=False)]),
        boxes=np.concatenate([one.boxes for one in sets]),
        targets=np.concatenate(
            [_moved(one.targets, rows, start) for one, start in zip(sets, row_starts, strict=False)]
        ),
        background=np.concatenate([rows[one.background + start] for one, start in zip(sets, row_starts, strict=False)]),
    )


def subset(training_set: TrainingSet, indices: Sequence[int] | NDArray[np.int64]) -> TrainingSet:
    """Some of the images, in the order of the indices, with their objects; `allowed` stays whole.

    Raises:
        ValueError: if an index is out of range or stands twice.
    """
    chosen = np.asarray(indices, dtype=np.int64).reshape(-1)
    if np.any((chosen < 0) | (chosen >= len(training_set))) or len(np.unique(chosen)) < len(chosen):
        raise ValueError(f"indices: expected numbers in 0..{len(training_set) - 1}, each once")
    starts = np.searchsorted(training_set.image_of, chosen)
    counts = np.searchsorted(training_set.image_of, chosen + 1) - starts
    before = np.concatenate([[0], np.cumsum(counts)[:-1]]) if len(chosen) else np.zeros(0)
    objects = (np.repeat(starts - before, counts) + np.arange(counts.sum())).astype(np.int64)
    return dataclasses.replace(
        training_set,
        images=tuple(training_set.images[i] for i in chosen),
        names=tuple(training_set.names[i] for i in chosen),
        weights=training_set.weights[chosen],
        image_of=np.repeat(np.arange(len(chosen), dtype=np.int64), counts),
        boxes=training_set.boxes[objects],
        targets=training_set.targets[objects],
        background=training_set.background[chosen],
    )


def split_held_back(
    training_set: TrainingSet, hashes: Sequence[str | None], fraction: float
) -> tuple[TrainingSet, TrainingSet]:
    """Images to train on, and images held back, both in the set's order.

    See `held_back_by_hash`.

    Raises:
        ValueError: if the hashes are not one an image, or the fraction is not in [0, 1].
    """
    if len(hashes) != len(training_set):
        raise ValueError(f"hashes: expected {len(training_set)}, got {len(hashes)}")
    held = held_back_by_hash(hashes, fraction)
    return subset(training_set, np.flatnonzero(~held)), subset(training_set, np.flatnonzero(held))


def keep_most_per_class(training_set: TrainingSet, n: int, seed: int) -> TrainingSet:
    """At most about n images of each class, in the set's order.

    Images are looked at in an order drawn by seed. One is kept if, of any class that it has an object of, fewer than n
    were kept before; common classes that stand beside rare ones can therefore have more than n. Objects of which the
    class is not certain do not count; images without any that does are a class of their own.

    Raises:
        ValueError: if n is below 1.
    """
    if n < 1:
        raise ValueError(f"n: expected at least 1, got {n}")
    kept_of = np.zeros(len(training_set.classes) + 1, dtype=np.int64)
    kept = []
    for image in np.random.default_rng(seed).permutation(len(training_set)).tolist():
        classes = _certain_classes(training_set, image)
        if np.any(kept_of[classes] < n):
            kept_of[classes] += 1
            kept.append(image)
    return subset(training_set, sorted(kept))


def _certain_classes(training_set: TrainingSet, image: int) -> NDArray[np.int64]:
    """Labels of the image's objects, each once; K for an image without any."""
    _, targets = training_set.objects(image)
    rows = training_set.allowed[targets[targets >= 0]]
    certain = rows[(rows.sum(axis=1) == 1) & ~rows[:, -1]]
    labels = np.flatnonzero(certain.any(axis=0))
    return labels if len(labels) else np.array([len(training_set.classes)])


def _moved(targets: NDArray[np.int64], rows: NDArray[np.int64], start: int) -> NDArray[np.int64]:
    """Targets as positions in the joined rows; ignored ones stay so."""
    return np.where(targets < 0, targets, rows[np.maximum(targets, 0) + start])
