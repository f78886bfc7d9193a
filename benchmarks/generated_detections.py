"""Ground truth of ILSVRC DET val's size and detections that cluster on it, generated."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from detect.class_tables import ilsvrc_detection_classes
from detect.ground_truth import GroundTruth
from detect.predictions import Predictions

IMAGES, OBJECTS = 20_121, 55_502  # as in ILSVRC DET val
WIDTH, HEIGHT = 500, 375
ON_OBJECTS = 0.55  # share of detections that are near an object, on images with any
RIGHT_CLASS = 0.5  # share of those that have its class


def generated_truth(rng: np.random.Generator, images: int = IMAGES, objects: int = OBJECTS) -> GroundTruth:
    """Few frequent classes and many rare ones; few images with many objects; sides from 8 pixels to all."""
    classes = ilsvrc_detection_classes()
    crowding = rng.gamma(0.6, size=images)
    image_of = np.sort(rng.choice(images, objects, p=crowding / crowding.sum()))
    weights = 1 / np.arange(5, 5 + len(classes))
    labels = rng.choice(rng.permutation(len(classes)), objects, p=weights / weights.sum())
    return GroundTruth(
        images=tuple(f"val_{number:08}" for number in range(1, images + 1)),
        numbers=np.arange(1, images + 1),
        sizes=np.tile(np.array([HEIGHT, WIDTH], np.int32), (images, 1)),
        classes=classes,
        image_of=image_of,
        boxes=np.round(random_boxes(rng, objects)),
        labels=labels,
        ignored=np.zeros(objects, np.bool_),
    )


def generated_predictions(rng: np.random.Generator, truth: GroundTruth, count: int) -> Predictions:
    """Detections in image order, best first: the nearer to an object of their class, the better their score."""
    first = np.searchsorted(truth.image_of, np.arange(len(truth.images) + 1))
    image_of = np.sort(rng.integers(len(truth.images), size=count))
    objects = first[image_of + 1] - first[image_of]
    near = (rng.random(count) < ON_OBJECTS) & (objects > 0)
    boxes, labels = random_boxes(rng, count), rng.choice(truth.labels, count)
    target = (first[image_of] + rng.random(count) * objects).astype(np.int64)[near]
    sides = np.tile(truth.boxes[target, 2:] - truth.boxes[target, :2], 2)
    spread = rng.gamma(1.2, 0.08, size=(len(target), 1))
    boxes[near] = truth.boxes[target] + rng.normal(size=(len(target), 4)) * spread * sides
    boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 1)
    right = rng.random(len(target)) < RIGHT_CLASS
    labels[near] = np.where(right, truth.labels[target], labels[near])
    quality = np.zeros(count)
    quality[near] = (1 + 3 * right) * np.exp(-4 * spread[:, 0])
    scores = np.round(1 / (1 + np.exp(4 - quality - rng.normal(size=count))), 6)
    order = np.lexsort((-scores, image_of))
    return Predictions(image_of, labels[order], scores[order], np.round(boxes[order], 2))


def random_boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    """(count, 4) boxes of any size and place on an image."""
    sides = np.exp(rng.uniform(np.log(8), np.log((WIDTH, HEIGHT)), size=(count, 2)))
    corners = rng.random((count, 2)) * ((WIDTH, HEIGHT) - sides)
    return np.hstack((corners, corners + sides))


def write_submission(path: Path, truth: GroundTruth, predictions: Predictions) -> None:
    """ILSVRC text, inclusive pixels."""
    numbers, labels = truth.numbers[predictions.image_of].tolist(), (predictions.labels + 1).tolist()
    boxes = predictions.boxes - (0, 0, 1, 1)
    columns = zip(numbers, labels, predictions.scores.tolist(), *boxes.T.tolist(), strict=True)
    with path.open("w") as file:
        for image, det_id, score, *box in columns:
            file.write(f"{image} {det_id} {score:.6f} {' '.join(f'{edge:.2f}' for edge in box)}\n")
