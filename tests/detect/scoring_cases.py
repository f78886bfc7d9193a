"""Small ground truths and detections, by hand and at random, and slow obvious scorers that go one box at a time.

The scorers are written from the official MATLAB code (ILSVRC's eval_detection.m, VOC's VOCevaldet.m), in inclusive
pixels as there, and share nothing with the code they test.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from detect.class_tables import ilsvrc_detection_classes
from detect.ground_truth import GroundTruth
from detect.predictions import Predictions

Corners = tuple[float, float, float, float]  # xmin, ymin, xmax, ymax, both ends included
Object = tuple[int, int, Corners, bool]  # number of the image, label, box, difficult
Row = tuple[int, int, float, Corners]  # number of the image, label, score, box


@dataclass(frozen=True)
class Case:
    """Numbers of the images in the data set's order; what is in them; what was found."""

    numbers: Sequence[int]
    objects: Sequence[Object] = ()
    rows: Sequence[Row] = ()
    blacklist: frozenset[tuple[int, int]] = field(default_factory=frozenset)  # number of the image, label
    classes: int = 3

    def truth(self) -> GroundTruth:
        position = {number: i for i, number in enumerate(self.numbers)}
        objects = sorted(self.objects, key=lambda one: position[one[0]])
        return GroundTruth(
            images=tuple(f"val/image{number}" for number in self.numbers),
            numbers=np.array(self.numbers, np.int64),
            sizes=np.zeros((len(self.numbers), 2), np.int32),
            classes=ilsvrc_detection_classes()[: self.classes],
            image_of=np.array([position[one[0]] for one in objects], np.int64),
            boxes=continuous([one[2] for one in objects]),
            labels=np.array([one[1] for one in objects], np.int64),
            ignored=np.array([one[3] for one in objects], np.bool_),
        )

    def predictions(self) -> Predictions:
        position = {number: i for i, number in enumerate(self.numbers)}
        return Predictions(
            image_of=np.array([position[row[0]] for row in self.rows], np.int64),
            labels=np.array([row[1] for row in self.rows], np.int64),
            scores=np.array([row[2] for row in self.rows], np.float64),
            boxes=continuous([row[3] for row in self.rows]),
        )

    def blacklisted(self) -> np.ndarray:
        position = {number: i for i, number in enumerate(self.numbers)}
        pairs = [(position[number], label) for number, label in sorted(self.blacklist)]
        return np.array(pairs, np.int64).reshape(-1, 2)


def continuous(boxes: Sequence[Corners]) -> np.ndarray:
    return np.array(boxes, np.float64).reshape(-1, 4) + np.array([0, 0, 1, 1])


def overlap(a: Corners, b: Corners) -> float:
    """IoU of inclusive boxes as in the devkits; -inf where they do not meet."""
    width = min(a[2], b[2]) - max(a[0], b[0]) + 1
    height = min(a[3], b[3]) - max(a[1], b[1]) + 1
    if width <= 0 or height <= 0:
        return -math.inf
    union = (a[2] - a[0] + 1) * (a[3] - a[1] + 1) + (b[2] - b[0] + 1) * (b[3] - b[1] + 1) - width * height
    return width * height / union


def oracle_ilsvrc(case: Case) -> tuple[list[str], list[float]]:
    """Outcome of each row ("hit", "miss", "ignored"), and per class the average precision (NaN: no ground truth)."""
    outcomes = [""] * len(case.rows)
    judged: list[int] = []  # rows, image after image
    for number in sorted(case.numbers):
        objects = [one for one in case.objects if one[0] == number]
        found = [False] * len(objects)
        rows = [i for i, row in enumerate(case.rows) if row[0] == number]
        for i in sorted(rows, key=lambda i: -case.rows[i][2]):  # Python's sort is stable, as MATLAB's
            judged.append(i)
            _, label, _, box = case.rows[i]
            if (number, label) in case.blacklist:
                outcomes[i] = "ignored"
                continue
            best, best_object = -math.inf, -1
            for k, (_, object_label, object_box, _) in enumerate(objects):
                if object_label != label or found[k]:
                    continue
                width, height = object_box[2] - object_box[0] + 1, object_box[3] - object_box[1] + 1
                threshold = min(0.5, (width * height) / ((width + 10) * (height + 10)))
                iou = overlap(box, object_box)
                if iou >= threshold and iou > best:
                    best, best_object = iou, k
            outcomes[i] = "hit" if best_object >= 0 else "miss"
            if best_object >= 0:
                found[best_object] = True
    averages = []
    for label in range(case.classes):
        total = sum(1 for o in case.objects if o[1] == label and (o[0], label) not in case.blacklist)
        rows = sorted((i for i in judged if case.rows[i][1] == label), key=lambda i: -case.rows[i][2])
        averages.append(voc_ap(*curve([outcomes[i] for i in rows], total)) if total else math.nan)
    return outcomes, averages


def oracle_voc(case: Case, *, eleven: bool) -> tuple[list[str], list[float]]:
    """As `oracle_ilsvrc`, by VOC's rule."""
    outcomes = [""] * len(case.rows)
    averages = []
    for label in range(case.classes):
        found: set[int] = set()
        rows = sorted((i for i, row in enumerate(case.rows) if row[1] == label), key=lambda i: -case.rows[i][2])
        for i in rows:
            best, nearest = -math.inf, -1
            for k, (number, object_label, box, _) in enumerate(case.objects):
                iou = overlap(case.rows[i][3], box)
                if number == case.rows[i][0] and object_label == label and iou > best:
                    best, nearest = iou, k
            if best < 0.5:
                outcomes[i] = "miss"
            elif case.objects[nearest][3]:
                outcomes[i] = "ignored"
            else:
                outcomes[i] = "miss" if nearest in found else "hit"
                found.add(nearest)
        total = sum(1 for o in case.objects if o[1] == label and not o[3])
        precision, recall = curve([outcomes[i] for i in rows], total)
        if not total:
            averages.append(math.nan)
        elif eleven:
            levels = [[p for p, r in zip(precision, recall, strict=True) if r >= t - 1e-12] for t in np.arange(11) / 10]
            averages.append(sum(max((p for p in level if p == p), default=0) for level in levels) / 11)
        else:
            averages.append(voc_ap(precision, recall))
    return outcomes, averages


def curve(outcomes: Sequence[str], total: int) -> tuple[list[float], list[float]]:
    """Precision (NaN for 0/0) and recall after each."""
    precision, recall = [], []
    for end in range(1, len(outcomes) + 1):
        hits, misses = outcomes[:end].count("hit"), outcomes[:end].count("miss")
        precision.append(hits / (hits + misses) if hits + misses else math.nan)
        recall.append(hits / total if total else math.nan)
    return precision, recall


def voc_ap(precision: Sequence[float], recall: Sequence[float]) -> float:
    """VOCap.m line by line; MATLAB's max() passes over NaN."""
    mrec, mpre = [0.0, *recall, 1.0], [0.0, *precision, 0.0]
    for i in range(len(mpre) - 2, -1, -1):
        mpre[i] = mpre[i + 1] if math.isnan(mpre[i]) else max(mpre[i], mpre[i + 1])
    return sum((mrec[i] - mrec[i - 1]) * mpre[i] for i in range(1, len(mrec)) if mrec[i] != mrec[i - 1])


def random_case(seed: int, *, difficult: bool = False, blacklist: bool = False) -> Case:
    """Few images with gaps in their numbers, boxes on a coarse grid so that IoUs tie and meet thresholds, scores that
    tie, repeated rows, reversed boxes, classes without objects and images without anything."""
    rng = random.Random(seed)
    numbers = sorted(rng.sample(range(1, 60), rng.randint(1, 5)))
    if rng.random() < 0.3:
        rng.shuffle(numbers)
    step = rng.choice((1, 1, 2, 5, 20))

    def box() -> Corners:
        x, y = rng.randint(0, 6) * step, rng.randint(0, 6) * step
        return x, y, x + rng.randint(1, 6) * step - 1, y + rng.randint(1, 6) * step - 1

    classes = rng.choice((1, 3, 3))
    objects = [
        (rng.choice(numbers), rng.randrange(classes), box(), difficult and rng.random() < 0.3)
        for _ in range(rng.choice((0, 1, 4, 8, 12)))
    ]
    rows: list[Row] = []
    for _ in range(rng.choice((0, 1, 8, 25))):
        kind, score = rng.random(), rng.randint(0, 9) / 10
        if objects and kind < 0.6:
            number, label, (x1, y1, x2, y2), _ = rng.choice(objects)
            shift = [rng.choice((0, 0, 0, 1, -1, 0.5)) * step for _ in range(4)]
            rows.append((number, label, score, (x1 + shift[0], y1 + shift[1], x2 + shift[2], y2 + shift[3])))
        elif rows and kind < 0.7:
            rows.append(rng.choice(rows))
        elif kind < 0.75:
            x1, y1, x2, y2 = box()
            rows.append((rng.choice(numbers), rng.randrange(classes), score, (x2, y1, x1, y2)))
        else:
            rows.append((rng.choice(numbers), rng.randrange(classes), score, box()))
    pairs = frozenset((n, c) for n in numbers for c in range(classes) if blacklist and rng.random() < 0.2)
    return Case(numbers, objects, rows, pairs, classes)
