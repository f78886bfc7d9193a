"""Ground truth of a COCO json (`instances_*.json`)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from detect.class_tables import DetectionClass
from detect.coco_json import coco_rows, load_coco
from detect.ground_truth import GroundTruth

LARGEST = 2**31  # of an edge in pixels


def read_coco(path: Path) -> GroundTruth:
    """Images in the file's order, named by `file_name` without its ending and numbered by `id`.

    Classes are the categories by ascending id, whose gaps labels do not have. Boxes are xywh with continuous edges.
    Crowds are marked ignored. An object belongs where `image_id` says, wherever it stands in the file.

    Raises:
        ValueError: naming the file, and the image, category or annotation, by position from 1, that is not as the
            format has it: an id that is missing, repeated or unknown, a box that is not four numbers of pixels or has a
            negative width or height, two images of one name. Or if there is no category.
    """
    data = load_coco(path)
    images, categories, annotations = (coco_rows(data, name, path) for name in ("images", "categories", "annotations"))
    if not categories:
        raise ValueError(f"{path}: expected at least one category")
    image_ids = _ids(images, f"{path}, image")
    category_ids = _ids(categories, f"{path}, category")
    names = _names(images, path)
    order = sorted(category_ids)
    classes = tuple(DetectionClass("", str(categories[category_ids[one]].get("name", one))) for one in order)
    labels = {one: label for label, one in enumerate(order)}

    boxes = np.array([_box(row, f"{path}, annotation {i}") for i, row in _counted(annotations)]).reshape(-1, 4)
    image_of = _look_up(annotations, "image_id", image_ids, path)
    by_image = np.argsort(image_of, kind="stable")
    return GroundTruth(
        images=tuple(names),
        numbers=np.array(list(image_ids), dtype=np.int64),
        sizes=np.array([_size(row, f"{path}, image {i}") for i, row in _counted(images)], np.int32).reshape(-1, 2),
        classes=classes,
        image_of=image_of[by_image],
        boxes=np.hstack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]])[by_image],
        labels=_look_up(annotations, "category_id", labels, path)[by_image],
        ignored=np.array([bool(row.get("iscrowd", 0)) for row in annotations], dtype=np.bool_)[by_image],
    )


def _counted(rows: list[dict[str, Any]]) -> Iterator[tuple[int, dict[str, Any]]]:
    return enumerate(rows, start=1)


def _ids(rows: list[dict[str, Any]], what: str) -> dict[int, int]:
    """{id: position}, in the order of the rows."""
    ids: dict[int, int] = {}
    for i, row in _counted(rows):
        one = row.get("id")
        if type(one) is not int or abs(one) >= 2**63:
            raise ValueError(f"{what} {i}: expected a whole number as 'id', got {one!r}")
        if one in ids:
            raise ValueError(f"{what} {i}: id {one} stands twice, first as number {ids[one] + 1}")
        ids[one] = i - 1
    return ids


def _names(images: list[dict[str, Any]], path: Path) -> list[str]:
    names: dict[str, int] = {}
    for i, row in _counted(images):
        file = row.get("file_name")
        if not isinstance(file, str) or not PurePosixPath(file).name:
            raise ValueError(f"{path}, image {i}: expected a 'file_name', got {file!r}")
        name = str(PurePosixPath(file).with_suffix(""))
        if name in names:
            raise ValueError(f"{path}, image {i}: the name {name} stands twice, first as image {names[name]}")
        names[name] = i
    return list(names)


def _size(image: dict[str, Any], where: str) -> tuple[int, int]:
    height, width = image.get("height", 0), image.get("width", 0)
    if not all(type(side) is int and 0 <= side < LARGEST for side in (height, width)):
        raise ValueError(f"{where}: expected whole numbers of pixels as height and width, got {height!r}, {width!r}")
    return height, width


def _look_up(annotations: list[dict[str, Any]], key: str, known: dict[int, int], path: Path) -> np.ndarray[Any, Any]:
    positions = np.zeros(len(annotations), dtype=np.int64)
    for i, row in _counted(annotations):
        one = row.get(key)
        if type(one) is not int or one not in known:
            raise ValueError(f"{path}, annotation {i}: expected a known {key}, got {one!r}")
        positions[i - 1] = known[one]
    return positions


def _box(annotation: dict[str, Any], where: str) -> list[float]:
    box = annotation.get("bbox")
    if (
        not isinstance(box, list)
        or len(box) != 4
        or not all(type(value) in (int, float) and abs(value) < LARGEST for value in box)
    ):
        raise ValueError(f"{where}: expected four numbers x, y, width, height as 'bbox', got {box!r}"[:300])
    if box[2] < 0 or box[3] < 0:
        raise ValueError(f"{where}: expected a width and height of at least 0, got {box[2]:g}, {box[3]:g}")
    return [float(value) for value in box]
