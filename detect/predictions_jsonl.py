"""Detections from our own `detections.jsonl`."""

from __future__ import annotations

from array import array
from pathlib import Path
from typing import Any

import numpy as np

from detect.detection_records import Record, numbered_records
from detect.json_numbers import checked_box, checked_score
from detect.prediction_classes import ClassLookup
from detect.prediction_images import PASSED_OVER, UNKNOWN, PredictionImages
from detect.predictions import Predictions, ReadingNotes


def read_detection_records(path: Path, images: PredictionImages) -> Predictions:
    """Read what `googlenet-rcnn detect` writes. Classes are found by WordNet id, or else by name.

    Images of the ground truth that have no record, or one of a failure, have no detections; notes say how many, and how
    many were of another size when they were searched.

    Raises:
        ValueError: naming file and line, if a line is no record, its image is unknown or stands twice, or a detection
            is not complete: a score and four corners, finite, x1 <= x2, y1 <= y2; or if none of the classes is one of
            the ground truth's.
        OSError: if the file cannot be read.
    """
    lookup = ClassLookup(images.truth.classes)
    rows = _Rows()
    lines: dict[int, int] = {}  # position of an image -> line of its record
    failed = passed_over = 0
    other_sizes: list[str] = []
    for line, record in numbered_records(path):
        where = f"{path}, line {line}"
        position = images.of_name(record["image"])
        if position == UNKNOWN:
            raise ValueError(f"{where}: expected an image of the ground truth, got {record['image'][:200]!r}")
        if position in lines:
            raise ValueError(f"{where}: {record['image'][:200]!r} stands twice, first on line {lines[position]}")
        if position == PASSED_OVER:
            passed_over += len(_detections(record, where))
            continue
        lines[position] = line
        failed += "error" in record
        if not _fits(record, *images.truth.sizes[position].tolist()):
            other_sizes.append(images.truth.images[position])
        for number, found in enumerate(_detections(record, where), start=1):
            rows.add(position, found, lookup, f"{where}, detection {number}")
    if rows.other_classes and not rows.labels:
        raise ValueError(f"{path}: expected classes of the ground truth, found none of them among the detections'")
    silent = len(images.truth.images) - len(lines)
    notes = ReadingNotes(
        passed_over,
        rows.other_classes,
        failed_images=failed,
        silent_images=silent,
        other_sizes=len(other_sizes),
        first_other_size=other_sizes[0] if other_sizes else "",
    )
    return rows.predictions(notes)


class _Rows:
    """Detections so far, eight bytes a number."""

    def __init__(self) -> None:
        self.image_of, self.labels = array("q"), array("q")
        self.scores, self.boxes = array("d"), array("d")
        self.other_classes = 0

    def add(self, position: int, found: Any, lookup: ClassLookup, where: str) -> None:
        """Check and take one; a class that the ground truth does not know is counted only."""
        if not isinstance(found, dict):
            raise ValueError(f"{where}: expected an object, got {str(found)[:60]!r}")
        wnid, name = found.get("wnid"), found.get("name")
        if not (isinstance(wnid, str) and isinstance(name, str)):
            raise ValueError(f"{where}: expected texts as 'wnid' and 'name', got {wnid!r} and {name!r}"[:300])
        score, box = checked_score(found.get("score"), where), _ordered_box(found.get("box"), where)
        label = lookup.label(wnid, name)
        if label is None:
            self.other_classes += 1
            return
        self.image_of.append(position)
        self.labels.append(label)
        self.scores.append(score)
        self.boxes.extend(box)

    def predictions(self, notes: ReadingNotes) -> Predictions:
        return Predictions(
            np.array(self.image_of, np.int64),
            np.array(self.labels, np.int64),
            np.array(self.scores, np.float64),
            np.array(self.boxes, np.float64).reshape(-1, 4),
            notes,
        )


def _ordered_box(value: object, where: str) -> list[float]:
    box = checked_box(value, "box", where)
    if box[2] < box[0] or box[3] < box[1]:
        raise ValueError(f"{where}: expected a box x1 <= x2, y1 <= y2, got {box}")
    return box


def _fits(record: Record, height: int, width: int) -> bool:
    """Whether it is of an image of this size, as far as record and ground truth say."""
    said = record.get("height"), record.get("width")
    return said == (height, width) or None in said or not (height and width)


def _detections(record: Record, where: str) -> list[Any]:
    found = [] if "error" in record else record.get("detections")
    if not isinstance(found, list):
        raise ValueError(f"{where}: expected a list of detections or an error, got neither")
    return found
