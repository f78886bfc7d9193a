"""Detections as COCO results: a json list, or an object with images and categories of its own (our export)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from detect.json_numbers import checked_box, checked_score
from detect.prediction_classes import ClassLookup
from detect.prediction_images import UNKNOWN, PredictionImages
from detect.predictions import Predictions, ReadingNotes

_LARGEST = 2**63
OTHER_CLASS = -1


def read_coco_results(path: Path, images: PredictionImages, labels: Mapping[int, int] | None = None) -> Predictions:
    """Read scored annotations: `image_id`, `category_id`, `bbox` (x, y, width, height) and `score`.

    In a plain list, image ids are the ground truth's numbers. In an object, `images` and `categories` say what the
    ids mean: images are found by `file_name`, classes by `wnid` if they have one, or else by `name`.

    Args:
        labels: category id -> label for a plain list; None: a category's id is its label + 1 (a DET id).
    Raises:
        ValueError: naming the file, and the entry by its position from 1, if it is not as above: an unknown image or
            category, a number that is not finite, a negative width or height.
        OSError: if the file cannot be read.
    """
    data = _load(path)
    if isinstance(data, dict):
        positions = _positions(_rows(data, "images", path), images, path)
        labels = _labels(_rows(data, "categories", path), images, path)
        return _predictions(_rows(data, "annotations", path), images, positions, labels, path)
    if not isinstance(data, list):
        raise ValueError(f"{path}: expected a list of COCO results, got {str(data)[:60]!r}")
    if labels is None:
        labels = {label + 1: label for label in range(len(images.truth.classes))}
    return _predictions(data, images, None, labels, path)


def coco_labels(path: Path) -> dict[int, int]:
    """Category id -> label of a COCO ground truth that `read_coco` has read: labels are in the order of the ids."""
    ids = sorted(category["id"] for category in _load(path)["categories"])
    return {one: label for label, one in enumerate(ids)}


def _predictions(
    rows: list[Any],
    images: PredictionImages,
    positions: Mapping[int, int] | None,
    labels: Mapping[int, int],
    path: Path,
) -> Predictions:
    """Args: positions: image id -> position; None: the ground truth's numbers are the ids."""
    image_ids, categories = np.empty(len(rows), np.int64), np.empty(len(rows), np.int64)
    scores, boxes = np.empty(len(rows)), np.empty((len(rows), 4))
    for i, row in enumerate(rows):
        where = f"{path}, result {i + 1}"
        if not isinstance(row, dict):
            raise ValueError(f"{where}: expected an object, got {str(row)[:60]!r}")
        image_ids[i], category = _id(row, "image_id", where), _id(row, "category_id", where)
        if category not in labels:
            raise ValueError(f"{where}: expected a known category_id, got {category}")
        categories[i] = labels[category]
        scores[i] = checked_score(row.get("score"), where)
        x, y, width, height = checked_box(row.get("bbox"), "bbox", where)
        if width < 0 or height < 0:
            raise ValueError(f"{where}: expected a width and height of at least 0, got {width:g}, {height:g}")
        boxes[i] = x, y, x + width, y + height
    if positions is None:
        image_of = images.of_numbers(image_ids)
    else:
        image_of = np.array([positions.get(one, UNKNOWN) for one in image_ids.tolist()], np.int64)
    unknown = np.flatnonzero(image_of == UNKNOWN)
    if len(unknown):
        where = f"{path}, result {unknown[0] + 1}"
        raise ValueError(f"{where}: expected an image of the ground truth, got image_id {image_ids[unknown[0]]}")
    return _kept(image_of, categories, scores, boxes)


def _kept(image_of: Any, labels: Any, scores: Any, boxes: Any) -> Predictions:
    """Detections on scored images and of known classes."""
    scored, known = image_of >= 0, labels != OTHER_CLASS
    keep = scored & known
    notes = ReadingNotes(int(np.sum(~scored)), int(np.sum(scored & ~known)))
    return Predictions(image_of[keep], labels[keep], scores[keep], boxes[keep], notes)


def _positions(rows: list[Any], images: PredictionImages, path: Path) -> dict[int, int]:
    """Image id -> position, PASSED_OVER or UNKNOWN; the ground truth's image may stand once."""
    positions: dict[int, int] = {}
    seen: dict[int, str] = {}
    for i, row in enumerate(rows, start=1):
        where = f"{path}, image {i}"
        name = row.get("file_name") if isinstance(row, dict) else None
        if not isinstance(name, str):
            raise ValueError(f"{where}: expected an object with a file_name, got {str(row)[:60]!r}")
        one, position = _id(row, "id", where), images.of_name(name)
        if one in positions:
            raise ValueError(f"{where}: id {one} stands twice")
        if position == UNKNOWN:
            raise ValueError(f"{where}: expected an image of the ground truth, got {name[:200]!r}")
        if position in seen and position >= 0:
            raise ValueError(f"{where}: {name[:200]!r} is the image that {seen[position][:200]!r} is")
        positions[one], seen[position] = position, name
    return positions


def _labels(rows: list[Any], images: PredictionImages, path: Path) -> dict[int, int]:
    """Category id -> label or OTHER_CLASS."""
    lookup = ClassLookup(images.truth.classes)
    labels: dict[int, int] = {}
    for i, row in enumerate(rows, start=1):
        where = f"{path}, category {i}"
        wnid, name = (row.get("wnid", ""), row.get("name")) if isinstance(row, dict) else (None, None)
        if not (isinstance(wnid, str) and isinstance(name, str)):
            raise ValueError(f"{where}: expected an object with a name, got {str(row)[:60]!r}")
        label = lookup.label(wnid, name)
        labels[_id(row, "id", where)] = OTHER_CLASS if label is None else label
    if rows and all(label == OTHER_CLASS for label in labels.values()):
        raise ValueError(f"{path}: expected categories of the ground truth, found none of them")
    return labels


def _id(row: Mapping[str, Any], name: str, where: str) -> int:
    one = row.get(name)
    if type(one) is not int or abs(one) >= _LARGEST:
        raise ValueError(f"{where}: expected a whole number as {name!r}, got {str(one)[:60]!r}")
    return one


def _rows(data: dict[str, Any], name: str, path: Path) -> list[Any]:
    rows = data.get(name)
    if not isinstance(rows, list):
        raise ValueError(f"{path}: expected a list named {name!r}, as in a COCO json with scores")
    return rows


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: expected JSON: {error}") from error
