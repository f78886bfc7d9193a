"""What validation may count: the ground truth of a training set, as far as its annotations are certain.

Mixed data sets are annotated for different classes, and some objects by a word that several classes share. Nothing
of that may count for or against a detector:

- an object whose target allows one class and nothing else is ground truth;
- a class for which an image is not exhaustively annotated is left out on that image, objects and detections, as
  ILSVRC leaves out the pairs of its blacklist;
- an object whose class is not certain (ambiguous, or ignored: VOC's difficult ones, crowds) is no ground truth, and a
  detection that lies on it rather than on a ground truth of its class counts neither way. This is milder than VOC's
  rule: a training set does not keep the class of an ignored object, so a detection of any class is forgiven there.

An object outside the class space is background: a detection on it is wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detect.ground_truth import GroundTruth
from detect.predictions import Predictions
from detect.training.training_set import IGNORED, TrainingSet

LEAST_OVERLAP = 0.5


@dataclass(frozen=True)
class ValidationTruth:
    """Images with their certain objects, and where nothing is certain.

    Attributes:
        truth: images in the order of the training set, numbered from 1; a name that came before gets " (2)", ….
        exempt: (B, 2) positions of images and labels, by image, then label: the classes for which an image is not
            exhaustively annotated; the scorer takes them as a blacklist.
        uncertain_image: (U,) int64 positions of images, never decreasing.
        uncertain_boxes: (U, 4) float64 objects that are no ground truth and that no detection is blamed for.
        uncertain_labels: (U, K) bool, the classes that each of them may be; all for an ignored object.
        crowds: (U,) bool, ignored objects: a detection is on one also if half of the *detection* is inside.
    """

    truth: GroundTruth
    exempt: NDArray[np.int64]
    uncertain_image: NDArray[np.int64]
    uncertain_boxes: NDArray[np.float64]
    uncertain_labels: NDArray[np.bool_]
    crowds: NDArray[np.bool_]


def ground_truth_of(held_back: TrainingSet) -> ValidationTruth:
    """The certain part of a set's annotations."""
    classes = len(held_back.classes)
    allowed = held_back.allowed
    ignored = held_back.targets == IGNORED
    rows = allowed[held_back.targets]  # of an ignored object: the last row, which is not looked at
    certain = ~ignored & (rows.sum(axis=1) == 1) & ~rows[:, -1]
    uncertain = ignored | (~certain & rows[:, :-1].any(axis=1))
    boxes = held_back.boxes.astype(np.float64)
    truth = GroundTruth(
        images=unique_names(held_back.names),
        numbers=np.arange(1, len(held_back) + 1, dtype=np.int64),
        sizes=np.zeros((len(held_back), 2), np.int32),
        classes=held_back.classes,
        image_of=held_back.image_of[certain],
        boxes=boxes[certain],
        labels=rows[certain].argmax(axis=1).astype(np.int64).reshape(-1),
        ignored=np.zeros(int(certain.sum()), np.bool_),
    )
    exempt = np.argwhere(allowed[held_back.background][:, :classes]).astype(np.int64)
    return ValidationTruth(
        truth=truth,
        exempt=exempt.reshape(-1, 2),
        uncertain_image=held_back.image_of[uncertain],
        uncertain_boxes=boxes[uncertain],
        uncertain_labels=(rows[:, :-1] | ignored[:, None])[uncertain],
        crowds=ignored[uncertain],
    )


def unique_names(names: Sequence[str]) -> tuple[str, ...]:
    """Names as given, but that the second of a name is `name (2)`, and so on; a name made so may not be taken."""
    taken: set[str] = set(names)
    seen: Counter[str] = Counter()
    result = []
    for name in names:
        seen[name] += 1
        one = name
        while seen[name] > 1 and (one := f"{name} ({seen[name]})") in taken:
            seen[name] += 1
        taken.add(one)
        result.append(one)
    return tuple(result)


def without_uncertain(predictions: Predictions, where: ValidationTruth) -> Predictions:
    """Predictions without the detections on uncertain objects.

    A detection goes if it overlaps an uncertain object that may be of its class by at least 0.5, as IoU or, for an
    ignored object, as the share of the detection inside it; unless it overlaps a ground truth of its class by an IoU
    that is as large as that with the uncertain object, or by 0.5 where it only lies inside an ignored one.
    """
    truth = where.truth

    def with_uncertain(crowds: NDArray[np.bool_]) -> NDArray[np.float64]:
        return _best_overlaps(
            predictions,
            where.uncertain_image,
            where.uncertain_boxes,
            lambda labels, objects: where.uncertain_labels[objects][:, labels].T,
            crowds,
        )

    nowhere = np.zeros(len(where.crowds), np.bool_)
    inside, uncertain = with_uncertain(where.crowds), with_uncertain(nowhere)
    own = _best_overlaps(
        predictions,
        truth.image_of,
        truth.boxes,
        lambda labels, objects: labels[:, None] == truth.labels[objects],
        np.zeros(len(truth.labels), np.bool_),
    )
    better = uncertain <= own
    kept = np.where(uncertain < LEAST_OVERLAP, (inside < LEAST_OVERLAP) | (own >= LEAST_OVERLAP), better)
    return Predictions(
        image_of=predictions.image_of[kept],
        labels=predictions.labels[kept],
        scores=predictions.scores[kept],
        boxes=predictions.boxes[kept],
        notes=predictions.notes,
    )


def overlaps(
    boxes: NDArray[np.float64], objects: NDArray[np.float64], crowds: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """(n, m) IoU of detections with objects; with a crowd, intersection over the detection's area. 0 for no area."""
    corner = np.minimum(boxes[:, None, 2:], objects[None, :, 2:]) - np.maximum(boxes[:, None, :2], objects[None, :, :2])
    common = np.maximum(corner, 0.0).prod(axis=2)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)[:, None]
    whole = areas + (objects[:, 2:] - objects[:, :2]).prod(axis=1)[None] - common
    denominator = np.where(crowds[None], areas, whole)
    result: NDArray[np.float64] = np.divide(common, denominator, out=np.zeros_like(common), where=denominator > 0)
    return result


def _best_overlaps(
    predictions: Predictions,
    image_of: NDArray[np.int64],
    boxes: NDArray[np.float64],
    may_be: Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.bool_]],
    crowds: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """(N,) each detection's largest overlap with the objects on its image that may be of its class; 0: none.

    Args:
        may_be: labels (n,), positions of objects (m,) → (n, m).
    """
    best = np.zeros(len(predictions), np.float64)
    order = np.argsort(predictions.image_of, kind="stable")
    for image in np.unique(image_of):
        objects = np.arange(*np.searchsorted(image_of, [image, image + 1]))
        rows = order[slice(*np.searchsorted(predictions.image_of[order], [image, image + 1]))]
        found = overlaps(predictions.boxes[rows], boxes[objects], crowds[objects])
        best[rows] = np.where(may_be(predictions.labels[rows], objects), found, 0.0).max(axis=1, initial=0.0)
    return best
