"""A data set of some size, generated, and detections on it, as files."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from annotation_trees import write_ilsvrc_tree
from scoring_cases import Case

from detect.class_tables import ilsvrc_detection_classes

CLASSES = ilsvrc_detection_classes()


def generated_case(images: int = 60, rows: int = 3000) -> Case:
    """Whole pixels, images numbered from 11 (as `write_ilsvrc_tree` does), a few classes frequent, scores that tie."""
    rng = random.Random(14)

    def box() -> tuple[int, int, int, int]:
        x, y = rng.randrange(400), rng.randrange(300)
        return x, y, x + int(2 ** rng.uniform(0, 7)), y + int(2 ** rng.uniform(0, 7))

    numbers = range(11, 11 + images)
    objects = [(rng.choice(numbers), int(200 * rng.random() ** 3), box(), False) for _ in range(3 * images)]
    found = []
    for _ in range(rows):
        number, label, corners, _ = rng.choice(objects)
        if rng.random() < 0.1:
            near = tuple(edge + rng.choice((0, 0, 0, 1, -1, 3, -5)) for edge in corners)
            found.append((number, label, round(rng.random() ** 0.5, 2), near))
        else:
            found.append((rng.choice(numbers), label, round(rng.random() ** 1.5, 2), box()))
    blacklist = frozenset({(number, label) for number, label, _, _ in objects if rng.random() < 0.03})
    return Case(numbers, objects, found, blacklist, classes=200)


def write_truth(folder: Path, case: Case) -> Path:
    """An ILSVRC tree."""
    images: dict[str, list[Any]] = {f"image{number}": [] for number in case.numbers}
    for number, label, box, _ in case.objects:
        images[f"image{number}"].append((CLASSES[label].wnid, box))
    return write_ilsvrc_tree(folder, images)


def submission(case: Case) -> str:
    """ILSVRC text, in the order of the rows."""
    rows = ((number, label + 1, score, *box) for number, label, score, box in case.rows)
    return "".join(" ".join(map(str, row)) + "\n" for row in rows)


def records(case: Case) -> list[dict[str, Any]]:
    """What `googlenet-rcnn detect` would write."""
    by_image: dict[int, list[dict[str, Any]]] = {number: [] for number in case.numbers}
    for number, label, score, (x1, y1, x2, y2) in case.rows:
        one = CLASSES[label]
        found = {"label": label, "det_id": label + 1, "wnid": one.wnid, "name": one.name, "score": score}
        by_image[number].append({**found, "box": [x1, y1, x2 + 1, y2 + 1]})
    sized = {"width": 600, "height": 500}
    return [{"image": f"sub/image{n}.jpg", **sized, "detections": found} for n, found in by_image.items()]
