"""Validation of a proposer: how well its best boxes cover the objects of held-back images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detect.image_decoding import ImageError, decode_image
from detect.prepared_images import work_ahead
from detect.training.training_set import IGNORED, TrainingSet
from proposals.proposals import Proposals
from proposals.recall import (
    average_best_overlap,
    average_recall,
    best_overlaps,
    mean_average_best_overlap,
    recall,
)

COVERAGE_BUDGETS = (10, 50, 100, 200)
UNCERTAIN = -1  # the label of an object that may be of several classes, or of none

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class CoverageResult:
    """The best overlap of every object of held-back images, at every budget.

    Attributes:
        budgets: numbers of boxes an image, the best ones.
        overlaps: (len(budgets), M) IoU of each object with the best of these; 0 on an image that could not be read.
        labels: (M,) of each object, or `UNCERTAIN`.
        num_classes: K.
        num_boxes: (I,) proposals of each image; 0 for one that could not be read.
        unreadable: (file, reason).
    """

    budgets: tuple[int, ...]
    overlaps: NDArray[np.float64]
    labels: NDArray[np.int64]
    num_classes: int
    num_boxes: NDArray[np.int64]
    unreadable: tuple[tuple[Path, str], ...] = ()

    @property
    def coverage(self) -> NDArray[np.float64]:
        """(len(budgets),) recall at IoU 0.5; NaN without objects."""
        return recall(self.overlaps, 0.5)

    @property
    def average_recall(self) -> NDArray[np.float64]:
        """(len(budgets),) AR; NaN without objects."""
        return average_recall(self.overlaps)

    @property
    def mean_average_best_overlap(self) -> NDArray[np.float64]:
        """(len(budgets),) MABO over the classes of the certain objects; where there is none, ABO over all objects."""
        certain = self.labels != UNCERTAIN
        if not certain.any():
            return average_best_overlap(self.overlaps)
        return mean_average_best_overlap(self.overlaps[:, certain], self.labels[certain], self.num_classes)

    @property
    def metrics(self) -> dict[str, float]:
        """For logs: `coverage_N`, `MABO_N`, `AR_N` of each budget (0 without objects), `objects`, `boxes` an image."""
        kinds = {"coverage": self.coverage, "MABO": self.mean_average_best_overlap, "AR": self.average_recall}
        figures = {
            f"{name}_{budget}": value if len(self.labels) else 0.0
            for name, values in kinds.items()
            for budget, value in zip(self.budgets, values.tolist(), strict=True)
        }
        boxes = float(self.num_boxes.mean()) if len(self.num_boxes) else 0.0
        return {**figures, "objects": float(len(self.labels)), "boxes": boxes}


def coverage(
    propose: Callable[[Iterator[Image]], Iterator[Proposals]],
    held_back: TrainingSet,
    budgets: Sequence[int] = COVERAGE_BUDGETS,
    *,
    workers: int = 1,
) -> CoverageResult:
    """Propose boxes for every image of a set and compare them with its objects, but ignored ones.

    Objects outside the class space count: a proposer knows no classes. Those of images that cannot be read count as
    not covered.

    Args:
        propose: images → the boxes of each, in the same order; `MultiBox.propose`, or a `map` of any proposer.
        budgets: at least 1 each.
        workers: threads that decode ahead; the result does not depend on it.
    Raises:
        ValueError: if a budget is below 1, or boxes come for more or fewer images than were given.
    """
    counted = np.flatnonzero(held_back.targets != IGNORED)
    first = np.searchsorted(held_back.image_of[counted], np.arange(len(held_back) + 1))
    overlaps = np.zeros((len(budgets), len(counted)))
    num_boxes = np.zeros(len(held_back), np.int64)
    unreadable: list[tuple[Path, str]] = []
    for image, proposals in _proposed(propose, held_back, unreadable, workers):
        here = slice(first[image], first[image + 1])
        overlaps[:, here] = best_overlaps(held_back.boxes[counted[here]], proposals.boxes, budgets)
        num_boxes[image] = len(proposals)
    return CoverageResult(
        budgets=tuple(budgets),
        overlaps=overlaps,
        labels=certain_labels(held_back)[counted],
        num_classes=len(held_back.classes),
        num_boxes=num_boxes,
        unreadable=tuple(unreadable),
    )


def certain_labels(training_set: TrainingSet) -> NDArray[np.int64]:
    """(M,) the class of each object whose target allows that class and nothing else, or `UNCERTAIN`."""
    rows = training_set.allowed[training_set.targets]  # of an ignored object: the last row, which is not looked at
    certain = (training_set.targets != IGNORED) & (rows.sum(axis=1) == 1) & ~rows[:, -1]
    return np.where(certain, rows.argmax(axis=1), UNCERTAIN).astype(np.int64)


def _proposed(
    propose: Callable[[Iterator[Image]], Iterator[Proposals]],
    held_back: TrainingSet,
    unreadable: list[tuple[Path, str]],
    workers: int,
) -> Iterator[tuple[int, Proposals]]:
    """Position and boxes of each image that can be read; the others are added to `unreadable`."""
    readable: list[int] = []

    def decoded(index: int) -> Image | str:
        try:
            return decode_image(held_back.images[index])
        except ImageError as error:
            return str(error)

    def images(results: Iterator[Image | str]) -> Iterator[Image]:
        for index, image in enumerate(results):
            if isinstance(image, str):
                unreadable.append((held_back.images[index], image))
            else:
                readable.append(index)
                yield image

    with work_ahead(decoded, range(len(held_back)), workers=workers) as results:
        proposed = list(propose(images(results)))
    wanted = len(held_back) - len(unreadable)
    if len(proposed) != wanted:
        raise ValueError(f"propose: expected the boxes of {wanted} images, got those of {len(proposed)}")
    return zip(readable, proposed, strict=True)
