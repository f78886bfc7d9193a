"""Small data sets with their images, written by tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from annotation_trees import Object, write_annotation
from PIL import Image

from detect.class_tables import DetectionClass
from detect.training.training_set import TrainingSet

SIZE = (50, 60)  # height and width, those of `write_annotation`


def write_picture(path: Path, *, size: tuple[int, int] = SIZE, gray: int = 90) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size[::-1], (gray, gray, gray)).save(path)
    return path


def write_voc(tree: Path, images: Mapping[str, Sequence[Object]], *, lists: Sequence[str] = ("trainval",)) -> Path:
    for name, objects in images.items():
        write_annotation(tree / "Annotations" / f"{name}.xml", objects)
        write_picture(tree / "JPEGImages" / f"{name}.jpg")
    for one in lists:
        write_list(tree / "ImageSets" / "Main" / f"{one}.txt", images)
    return tree


def write_ilsvrc(
    tree: Path, images: Mapping[str, Sequence[Object]], *, kind: str = "DET", split: str = "val", suffix: str = "JPEG"
) -> Path:
    for name, objects in images.items():
        write_annotation(tree / "Annotations" / kind / split / f"{name}.xml", objects)
        write_picture(tree / "Data" / kind / split / f"{name}.{suffix}")
    write_list(tree / "ImageSets" / kind / f"{split}.txt", [f"{name} {i}" for i, name in enumerate(images, start=1)])
    return tree


def write_list(path: Path, lines: Sequence[str] | Mapping[str, object]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return path


def outcomes(training_set: TrainingSet, row: int) -> set[str]:
    """The names that a row of `allowed` allows."""
    names = [*(one.name for one in training_set.classes), "background"]
    return {names[i] for i in np.flatnonzero(training_set.allowed[row])}


def exhaustive(training_set: TrainingSet, image: int) -> set[str]:
    """The classes that a region of the image without an object cannot be."""
    names = {one.name for one in training_set.classes}
    return names - outcomes(training_set, int(training_set.background[image]))


def numbered_set(targets: Sequence[Sequence[int]], *, name: str = "a", classes: int = 3) -> TrainingSet:
    """Images `name/0`, … with one object for each number: row r < K is class r, K background, K + 1 class 0 or 1."""
    rows = np.zeros((classes + 2, classes + 1), dtype=np.bool_)
    rows[: classes + 1] = np.eye(classes + 1, dtype=np.bool_)
    rows[classes + 1, :2] = True
    counts = [len(one) for one in targets]
    total = sum(counts)
    corners = np.arange(total, dtype=np.float32)[:, None]
    return TrainingSet(
        name=name,
        images=tuple(Path(f"{name}/{i}.png") for i in range(len(targets))),
        names=tuple(f"{name}{i}" for i in range(len(targets))),
        weights=np.arange(1, len(targets) + 1, dtype=np.float64),
        classes=tuple(DetectionClass("", f"class {i}") for i in range(classes)),
        allowed=rows,
        image_of=np.repeat(np.arange(len(targets), dtype=np.int64), counts),
        boxes=np.hstack([corners, corners, corners + 3, corners + 12]).astype(np.float32),
        targets=np.array([one for image in targets for one in image], dtype=np.int64),
        background=np.full(len(targets), classes, dtype=np.int64),
    )
