"""Annotated images as a `TrainingSet`: what a region of each may be called, in the class space of the detector."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np

from detect.class_tables import DetectionClass, ilsvrc_detection_classes
from detect.training.class_maps import Outcomes, classes_covered_by_leaf, covered_classes, outcomes_of
from detect.training.data_sets_found import FoundImage, FoundObject, Problem, clip
from detect.training.training_set import IGNORED, TrainingSet


@dataclass(frozen=True)
class ClassSpace:
    """What a detector can answer, and what the names of a data set mean by it.

    Attributes:
        classes: in label order.
        outcomes: what an object of a name may be called; None: nobody maps the name.
        covered: labels of which every object is annotated, where every object of these names is.
    """

    classes: tuple[DetectionClass, ...]
    outcomes: Callable[[str], Outcomes | None]
    covered: Callable[[Collection[str]], tuple[int, ...]]


def detection_space(kind: str) -> ClassSpace:
    """The 200 ILSVRC detection classes, for a data set of kind voc, coco, ilsvrc_det, ilsvrc_loc or empty."""

    def covered(names: Collection[str]) -> tuple[int, ...]:
        if kind == "ilsvrc_loc":
            return tuple(sorted({label for name in names for label in classes_covered_by_leaf(name)}))
        if kind in ("ilsvrc_det", "empty"):  # by WordNet id
            found = (outcomes_of(name, "ilsvrc_det") for name in names)
            return tuple(sorted(one.labels[0] for one in found if one is not None))
        return covered_classes(kind, names)

    return ClassSpace(ilsvrc_detection_classes(), lambda name: outcomes_of(name, kind), covered)


def own_space(classes: tuple[DetectionClass, ...], names: Sequence[str]) -> ClassSpace:
    """The data set's own classes; `names`: as its annotations write them, in label order."""
    labels = {name: label for label, name in enumerate(names)}

    def outcomes(name: str) -> Outcomes | None:
        return Outcomes((labels[name],), False) if name in labels else None

    return ClassSpace(classes, outcomes, lambda known: tuple(sorted(labels[one] for one in known if one in labels)))


class _Rows:
    """The rows of `allowed`, each once, in the order of their first use."""

    def __init__(self, num_classes: int) -> None:
        self.background = num_classes
        self.positions: dict[frozenset[int], int] = {}

    def of_object(self, outcomes: Outcomes) -> int:
        """The row of an object."""
        return self._position({*outcomes.labels, *([self.background] if outcomes.may_be_background else [])})

    def of_background(self, covered: Collection[int]) -> int:
        """Background, and every class that nobody has looked for."""
        return self._position(set(range(self.background + 1)) - set(covered))

    def _position(self, allowed: Collection[int]) -> int:
        return self.positions.setdefault(frozenset(allowed), len(self.positions))

    def table(self) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
        """(T, K + 1) bool."""
        table = np.zeros((len(self.positions), self.background + 1), dtype=np.bool_)
        for row, allowed in enumerate(self.positions):
            table[row, list(allowed)] = True
        return table


def build_training_set(
    name: str, images: Sequence[FoundImage], space: ClassSpace, *, weight: float
) -> tuple[TrainingSet, list[Problem]]:
    """Turn names into targets and boxes into float32 inside their images.

    Objects of a name that nobody maps are kept as `IGNORED`, so that nothing is learnt from the place. Objects whose
    box has no area, or none inside the image, are left out.
    """
    rows = _Rows(len(space.classes))
    covered: dict[frozenset[str], int] = {}
    backgrounds, image_of, boxes, targets = [], [], [], []
    problems: list[Problem] = []
    for position, image in enumerate(images):
        if image.annotated_for not in covered:
            covered[image.annotated_for] = rows.of_background(space.covered(image.annotated_for))
        backgrounds.append(covered[image.annotated_for])
        for number, one in enumerate(image.objects, start=1):
            where = f"{image.name}, object {number} ({one.name[:60]})"
            box, problem = _fitted(one, image, where)
            problems += [] if problem is None else [problem]
            if box is None:
                continue
            outcomes = space.outcomes(one.name)
            if outcomes is None:
                problems.append(Problem(image.source, f"{where}: nobody maps the name, not counted", "unmapped"))
            image_of.append(position)
            boxes.append(box)
            targets.append(IGNORED if one.ignored or outcomes is None else rows.of_object(outcomes))
    return (
        TrainingSet(
            name=name,
            images=tuple(image.file for image in images),
            names=tuple(image.name for image in images),
            weights=np.full(len(images), weight, dtype=np.float64),
            classes=space.classes,
            allowed=rows.table(),
            image_of=np.array(image_of, dtype=np.int64),
            boxes=np.array(boxes, dtype=np.float32).reshape(-1, 4),
            targets=np.array(targets, dtype=np.int64),
            background=np.array(backgrounds, dtype=np.int64),
        ),
        problems,
    )


def _fitted(
    one: FoundObject, image: FoundImage, where: str
) -> tuple[np.ndarray[tuple[int], np.dtype[np.float32]] | None, Problem | None]:
    """The box inside its image, and what was wrong with it."""
    box, kind = clip(one.box, image.size)
    corners = None if box is None else np.array(box, dtype=np.float32)
    if corners is not None and np.any(corners[2:] <= corners[:2]):  # only float64 tells them apart
        corners, kind = None, "zero area"
    if kind is None:
        return corners, None
    got = " ".join(f"{value:g}" for value in one.box)
    if kind == "zero area":
        what = f"box of no area ({got}), left out"
    else:
        remains = "left out" if corners is None else "clipped"
        what = f"box {got} reaches beyond the image of {image.size[1]} x {image.size[0]}, {remains}"
    return corners, Problem(image.source, f"{where}: {what}", kind)
