"""A COCO json (`instances_*.json`) as training data: annotations that cannot be used are listed, not fatal."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

from detect.coco_json import coco_rows, load_coco
from detect.json_numbers import checked_box
from detect.training.data_sets_found import FoundImage, FoundObject, Problem
from detect.training.data_sets_xml import missing_image


def find_coco(path: Path, images: Path | None) -> tuple[list[FoundImage], list[Problem], tuple[str, ...]]:
    """Images in the file's order with their objects in the file's order.

    Boxes are xywh with continuous edges; crowds are marked ignored. Every image is annotated for every category.

    Args:
        path: the json. images: the folder of `file_name`; None: the json's own.
    Returns:
        Images, problems, and the names of the categories by ascending id.
    Raises:
        ValueError: naming the file: it cannot be read or is of another form; a category or image without an id or
            name, or with one that stands twice.
    """
    data = load_coco(path)
    rows = {name: coco_rows(data, name, path) for name in ("images", "categories", "annotations")}
    categories = _by_id(rows["categories"], "name", f"{path}, category")
    files = _by_id(rows["images"], "file_name", f"{path}, image")
    if not categories:
        raise ValueError(f"{path}: expected at least one category")

    problems: list[Problem] = []
    objects: dict[int, list[FoundObject]] = {one: [] for one in files}
    unusable: set[int] = set()  # images that hold an object, nobody knows where
    for position, row in enumerate(rows["annotations"], start=1):
        image = row.get("image_id")
        try:
            found = _object(row, files, categories)
        except ValueError as error:
            problems.append(Problem(path, f"annotation {position}, its image left out: {error}", "annotation"))
            unusable |= {image} if isinstance(image, int) else set()
        else:
            objects[row["image_id"]].append(found)

    folder = path.parent if images is None else images
    names = frozenset(categories.values())
    images_found = []
    for row in rows["images"]:
        file = folder / row["file_name"]
        if row["id"] in unusable:
            continue
        if not file.is_file():
            problems.append(missing_image(file))
            continue
        name = str(PurePosixPath(row["file_name"]).with_suffix(""))
        images_found.append(FoundImage(file, path, name, _size(row), tuple(objects[row["id"]]), names))
    return images_found, problems, tuple(categories[one] for one in sorted(categories))


def _by_id(rows: list[dict[str, Any]], key: str, what: str) -> dict[int, str]:
    """{id: name}, neither twice."""
    found: dict[int, str] = {}
    for position, row in enumerate(rows, start=1):
        one, name = row.get("id"), row.get(key)
        if type(one) is not int or one in found:
            raise ValueError(f"{what} {position}: expected a whole number of its own as 'id', got {one!r}")
        if not isinstance(name, str) or not name:
            raise ValueError(f"{what} {position}: expected a {key!r}, got {name!r}")
        found[one] = name
    names = list(found.values())
    if len(set(names)) < len(names):
        twice = next(name for i, name in enumerate(names) if name in names[:i])
        raise ValueError(f"{what}: the {key} {twice} stands twice")
    return found


def _object(row: dict[str, Any], images: dict[int, str], categories: dict[int, str]) -> FoundObject:
    for key, known in (("image_id", images), ("category_id", categories)):
        if type(row.get(key)) is not int or row[key] not in known:
            raise ValueError(f"expected a known {key}, got {row.get(key)!r}")
    x, y, width, height = checked_box(row.get("bbox"), "bbox", f"image {images[row['image_id']]}")
    return FoundObject(categories[row["category_id"]], (x, y, x + width, y + height), bool(row.get("iscrowd", 0)))


def _size(row: dict[str, Any]) -> tuple[int, int]:
    """0, 0 where the sides are missing or no numbers of pixels."""
    sides = row.get("height"), row.get("width")
    return sides if all(type(side) is int and side > 0 for side in sides) else (0, 0)  # type: ignore[return-value]
