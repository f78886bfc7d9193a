"""Small data sets in the formats of the world, written by tests."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Object = tuple[str, tuple[float, float, float, float]]  # name; xmin, ymin, xmax, ymax, both ends included


def write_annotation(
    path: Path, objects: Sequence[Object], *, size: tuple[int, int] = (50, 60), difficult: Sequence[int] = ()
) -> None:
    """An XML file in ILSVRC's order of corners; `difficult`: one number an object, or none of them."""
    marks = [f"<difficult>{one}</difficult>" for one in difficult] or [""] * len(objects)
    body = "".join(
        f"<object><name>{name}</name>{mark}<bndbox><xmin>{x1}</xmin><xmax>{x2}</xmax><ymin>{y1}</ymin><ymax>{y2}</ymax>"
        "</bndbox></object>"
        for (name, (x1, y1, x2, y2)), mark in zip(objects, marks, strict=True)
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"<annotation><size><width>{size[1]}</width><height>{size[0]}</height></size>{body}</annotation>", "utf-8"
    )


def write_ilsvrc_tree(
    tree: Path, images: Mapping[str, Sequence[Object]], *, kind: str = "DET", listing: str | None = None
) -> Path:
    """`listing`: text of `val.txt`; None: the names with 11, 12, ... as their numbers."""
    for name, objects in images.items():
        write_annotation(tree / "Annotations" / kind / "val" / f"{name}.xml", objects)
    lines = [f"{name} {number}\n" for number, name in enumerate(images, start=11)]
    (tree / "ImageSets" / kind).mkdir(parents=True)
    (tree / "ImageSets" / kind / "val.txt").write_text("".join(lines) if listing is None else listing)
    return tree


def write_voc_tree(tree: Path, images: Mapping[str, Sequence[Object]], *, lists: Mapping[str, str]) -> Path:
    """`lists`: {"trainval": text, ...}."""
    for name, objects in images.items():
        write_annotation(tree / "Annotations" / f"{name}.xml", objects)
    (tree / "ImageSets" / "Main").mkdir(parents=True)
    for name, text in lists.items():
        (tree / "ImageSets" / "Main" / f"{name}.txt").write_text(text)
    return tree


def coco_data() -> dict[str, Any]:
    """Two images, two categories with a gap between their ids, three objects, the last in the first image."""
    return {
        "images": [
            {"id": 9, "file_name": "sub/b.jpg", "height": 40, "width": 30},
            {"id": 4, "file_name": "a.b.png", "height": 20, "width": 10},
        ],
        "categories": [{"id": 90, "name": "toothbrush"}, {"id": 1, "name": "person"}],
        "annotations": [
            {"image_id": 4, "category_id": 90, "bbox": [1.5, 2, 3, 4.25], "iscrowd": 0},
            {"image_id": 4, "category_id": 1, "bbox": [0, 0, 10, 20], "iscrowd": 1},
            {"image_id": 9, "category_id": 1, "bbox": [5, 6, 0, 7]},
        ],
    }


def write_json(path: Path, data: object) -> Path:
    path.write_text(json.dumps(data))
    return path


def mat_variables() -> dict[str, Any]:
    """Three images: one object, none, two objects; in the types and shapes that MATLAB gives them."""
    labels, boxes = np.empty((1, 3), dtype=object), np.empty((1, 3), dtype=object)
    labels[0, :] = [np.array([[159]], np.uint8), np.zeros((1, 0)), np.array([[1], [200]], np.uint8)]
    boxes[0, 0] = np.array([[0], [3], [65535], [7]], np.uint16)
    boxes[0, 1] = np.zeros((1, 0))
    boxes[0, 2] = np.array([[1, 5], [2, 6], [3, 7], [255, 8]], np.uint8)
    return {"gt_img_ids": np.array([[2], [3], [40000]], np.uint16), "gt_obj_labels": labels, "gt_obj_bboxes": boxes}


def write_mat(path: Path, variables: Mapping[str, Any]) -> Path:
    from scipy.io import savemat

    savemat(path, dict(variables), do_compression=True)  # as MATLAB does
    return path
