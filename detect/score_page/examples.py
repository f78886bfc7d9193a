"""Which detections and objects a page shows of each class: best hits, worst false positives, misses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from detect.score_page.scored_data import ScoredData
from detect.scoring.results import HIT, MISS, ClassScore
from proposals.recall import box_overlaps

Kind = Literal["hit", "wrong", "missed"]
KINDS: tuple[Kind, ...] = ("hit", "wrong", "missed")
NEAR = 0.1  # IoU from which a box is worth drawing beside another


@dataclass(frozen=True)
class Example:
    """One case.

    Attributes:
        image: its position in `GroundTruth.images`.
        detection: position in the `Predictions`; of a missed object the detection of its class nearest to it, or -1.
        object: position in the objects of the `GroundTruth`: found by the hit, missed, or what the false positive is
            about (if that is nothing, the object it overlaps most, of any class); -1: none.
        overlap: IoU of the two; 0 without either.
    """

    kind: Kind
    label: int
    image: int
    detection: int
    object: int
    overlap: float


class ExampleChooser:
    """Examples of every class of an evaluation.

    Args:
        shown: (I,) bool, images that examples may come from.
        most: of each kind and class. An image gives one of each at most, so that one bad photo does not fill a page.
    """

    def __init__(self, data: ScoredData, shown: NDArray[np.bool_], most: int) -> None:
        truth, predictions, evaluation = data.truth, data.predictions, data.evaluation
        self._truth, self._predictions, self._evaluation = truth, predictions, evaluation
        self._errors = data.analysis.errors if data.analysis else None
        self._shown, self._most = shown, most
        self._by_image = np.argsort(predictions.image_of, kind="stable")
        self._detection_ends = _ends(predictions.image_of, len(truth.images))
        self._object_ends = _ends(truth.image_of, len(truth.images))
        found = np.zeros(len(truth.labels), np.bool_)
        found[evaluation.matched[evaluation.matched >= 0]] = True
        self._not_found = ~found & ~evaluation.truths_left_out

    def of_class(self, score: ClassScore) -> dict[Kind, list[Example]]:
        """Hits and false positives by falling score, misses from the largest object down; equal ones by position."""
        detections = score.detections[np.argsort(-self._predictions.scores[score.detections], kind="stable")]
        outcomes, images = self._evaluation.outcomes[detections], self._predictions.image_of
        hits = self._first_of_each_image(detections[outcomes == HIT], images)
        wrong = self._first_of_each_image(detections[outcomes == MISS], images)
        missed = self._first_of_each_image(self._largest_missed(score.label), self._truth.image_of)
        return {
            "hit": [self._hit(one) for one in hits],
            "wrong": [self._wrong(one) for one in wrong],
            "missed": [self._missed(one) for one in missed],
        }

    def _largest_missed(self, label: int) -> NDArray[np.int64]:
        objects = np.flatnonzero(self._not_found & (self._truth.labels == label))
        return objects[np.argsort(-_areas(self._truth.boxes[objects]), kind="stable")]

    def _first_of_each_image(self, candidates: NDArray[np.int64], image_of: NDArray[np.int64]) -> list[int]:
        images = image_of[candidates]
        firsts = np.sort(np.unique(images, return_index=True)[1])
        return [int(one) for one in candidates[firsts[self._shown[images[firsts]]]][: self._most]]

    def _hit(self, detection: int) -> Example:
        return self._example("hit", detection, int(self._evaluation.matched[detection]))

    def _wrong(self, detection: int) -> Example:
        object_ = int(self._errors.objects[detection]) if self._errors else -1
        if object_ < 0:
            image = int(self._predictions.image_of[detection])
            objects = np.arange(self._object_ends[image], self._object_ends[image + 1])
            object_ = _nearest(self._predictions.boxes[detection], self._truth.boxes, objects)
        return self._example("wrong", detection, object_)

    def _missed(self, object_: int) -> Example:
        image, label = int(self._truth.image_of[object_]), self._truth.labels[object_]
        detections = self._by_image[self._detection_ends[image] : self._detection_ends[image + 1]]
        detections = detections[self._predictions.labels[detections] == label]
        return self._example(
            "missed", _nearest(self._truth.boxes[object_], self._predictions.boxes, detections), object_
        )

    def _example(self, kind: Kind, detection: int, object_: int) -> Example:
        overlap = 0.0
        if detection >= 0 and object_ >= 0:
            overlap = float(_overlaps(self._predictions.boxes[detection], self._truth.boxes[[object_]])[0])
        if kind == "missed":
            label, image = self._truth.labels[object_], self._truth.image_of[object_]
        else:
            label, image = self._predictions.labels[detection], self._predictions.image_of[detection]
        return Example(kind, int(label), int(image), detection, object_, overlap)


def ranked(examples: Iterable[dict[Kind, list[Example]]]) -> Iterator[list[Example]]:
    """The first of every kind and class, then the second of each, and so on."""
    lists = [one[kind] for one in examples for kind in KINDS]
    for rank in range(max(map(len, lists), default=0)):
        yield [one[rank] for one in lists if rank < len(one)]


def _nearest(box: NDArray[np.float64], boxes: NDArray[np.float64], among: NDArray[np.int64]) -> int:
    """Which of some boxes overlaps a box most, the first of equal ones; -1 if none by `NEAR`."""
    overlaps = _overlaps(box, boxes[among])
    if not len(overlaps) or overlaps.max() < NEAR:
        return -1
    return int(among[np.argmax(overlaps)])


def _overlaps(box: NDArray[np.float64], boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) IoU of a box with others."""
    overlaps: NDArray[np.float64] = box_overlaps(box[None], boxes)[0]
    return overlaps


def _areas(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    areas: NDArray[np.float64] = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return areas


def _ends(values: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    return np.concatenate(([0], np.cumsum(np.bincount(values, minlength=count))))
