"""Detections that cluster on objects as a detector's do: no two have the same score, and no IoU is at a threshold."""

from __future__ import annotations

import random

from scoring_cases import Case, Corners, Row

CLASSES, IMAGES, OBJECTS, ROWS = 5, 30, 107, 500
FOUND = 70  # objects that detections cluster on


def clustered_case(seed: int) -> Case:
    """Every class has objects; no image has 100 detections, beyond which tidecv and COCO stop looking."""
    rng = random.Random(seed)

    def box() -> Corners:
        x, y = rng.uniform(0, 300), rng.uniform(0, 200)
        return x, y, x + 2 ** rng.uniform(3, 8), y + 2 ** rng.uniform(3, 8)

    numbers = range(1, IMAGES + 1)
    objects = [(rng.choice(numbers), i % CLASSES, box(), False) for i in range(OBJECTS)]
    rows: list[Row] = []
    for _ in range(ROWS):
        number, label, (x1, y1, x2, y2), _ = rng.choice(objects[:FOUND])
        if rng.random() < 0.3:
            rows.append((rng.choice(numbers), rng.randrange(CLASSES), rng.random() ** 2, box()))
            continue
        spread = rng.choice((0.03, 0.1, 0.3))
        width, height = spread * (x2 - x1), spread * (y2 - y1)
        near = (
            x1 + rng.gauss(0, width),
            y1 + rng.gauss(0, height),
            x2 + rng.gauss(0, width),
            y2 + rng.gauss(0, height),
        )
        given = label if rng.random() < 0.7 else rng.randrange(CLASSES)
        if near[0] < near[2] and near[1] < near[3]:
            rows.append((number, given, rng.random() * (0.4 if given != label else 1.0), near))
    return Case(numbers, objects, rows, classes=CLASSES)
