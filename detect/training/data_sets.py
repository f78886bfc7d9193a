"""Annotated images of any data set that we read, as a `TrainingSet`, with a list of all that could not be used."""

from __future__ import annotations

from pathlib import Path

from detect.class_tables import DetectionClass, ilsvrc_classification_classes, ilsvrc_detection_classes
from detect.image_list import choose_images
from detect.training.data_sets_coco import find_coco
from detect.training.data_sets_found import FoundImage, Problem
from detect.training.data_sets_targets import ClassSpace, build_training_set, detection_space, own_space
from detect.training.data_sets_xml import find_ilsvrc, find_voc, split_folder
from detect.training.generated_images import ANNOTATIONS
from detect.training.ilsvrc_train import find_ilsvrc_train
from detect.training.training_set import TrainingSet
from detect.voc_classes import NAMES, voc_classes

__all__ = ["DATA_SET_KINDS", "Problem", "read_data_set"]

DATA_SET_KINDS = ("ilsvrc_det", "ilsvrc_loc", "voc", "coco", "generated", "empty")
_DET_TRAIN = "train"  # has 200 lists instead of one


def read_data_set(
    kind: str,
    path: Path | str,
    *,
    images: Path | str | None = None,
    image_list: Path | str | None = None,
    split: str | None = None,
    weight: float = 1.0,
    class_space: str = "det",
) -> tuple[TrainingSet, tuple[Problem, ...]]:
    """Read a data set; what is wrong with single images and objects is listed, and the rest is used.

    Args:
        kind: ilsvrc_det, ilsvrc_loc, voc, coco, generated (a folder of `generated_images`), or empty (of
            `empty_pictures`: any folder of .png pictures that show none of the 200 classes).
        path: the tree; of coco, the json file.
        images: folder of the image files, where it is not the data set's usual one (coco: the json's).
        image_list: file of names to keep, as `ImageSets` has them; None: all.
        split: of a tree; None: see `data_sets_xml`.
        weight: of each of its images.
        class_space: det, the 200 ILSVRC detection classes, or own: VOC's 20, COCO's categories by id, ILSVRC's 200 or
            1000.
    Raises:
        ValueError: one sentence: an unknown kind or class space; a tree, list or json that cannot be used at all; no
            image left; generated images in another class space than their own, or empty ones in another than det.
    """
    path = Path(path)
    if kind not in DATA_SET_KINDS:
        raise ValueError(f"kind: expected one of {', '.join(DATA_SET_KINDS)}, got {kind!r}")
    if class_space not in ("det", "own"):
        raise ValueError(f"class_space: expected det or own, got {class_space!r}")
    if kind == "generated" and class_space == "det":
        raise ValueError("class_space: expected own with generated images, which hold none of the 200 classes")
    if kind == "empty" and class_space != "det":
        raise ValueError(f"class_space: expected det with empty pictures, got {class_space}")
    found, problems, names = _find(kind, path, _path(images), _path(image_list), split)
    if not found:
        first = f" ({len(problems)} cannot be used; {problems[0].file}: {problems[0].what})" if problems else ""
        raise ValueError(f"{path}: expected annotated images, found none{first}")
    space = detection_space(kind) if class_space == "det" else _own_space(kind, names)
    training_set, more = build_training_set(_title(kind, path, split), found, space, weight=weight)
    return training_set, (*problems, *more)


def _find(
    kind: str, path: Path, images: Path | None, image_list: Path | None, split: str | None
) -> tuple[list[FoundImage], list[Problem], tuple[str, ...]]:
    """Images, problems and, of a json, the names of its categories."""
    if kind in ("coco", "generated"):
        found, problems, names = find_coco(path / ANNOTATIONS if kind == "generated" else path, images)
        return _listed(found, image_list, path), problems, names
    if kind == "empty":
        return _find_empty(path), [], ()
    if kind == "voc":
        return *find_voc(path, images, image_list, split), ()
    if kind == "ilsvrc_det" and split_folder(path / "Annotations" / "DET", split).name == _DET_TRAIN:
        return *find_ilsvrc_train(path, images, image_list), ()
    return *find_ilsvrc(path, "DET" if kind == "ilsvrc_det" else "CLS-LOC", images, image_list, split), ()


def _find_empty(folder: Path) -> list[FoundImage]:
    """Its pictures in the order of their names, annotated for all 200 classes, of which they show none."""
    every = frozenset(one.wnid for one in ilsvrc_detection_classes())
    return [FoundImage(path, path, path.stem, (0, 0), (), every) for path in sorted(folder.glob("*.png"))]


def _own_space(kind: str, names: tuple[str, ...]) -> ClassSpace:
    if kind == "voc":
        return own_space(voc_classes(), NAMES)
    if kind in ("coco", "generated"):
        return own_space(tuple(DetectionClass("", name) for name in names), names)
    classes = ilsvrc_detection_classes() if kind == "ilsvrc_det" else ilsvrc_classification_classes()
    return own_space(classes, [one.wnid for one in classes])


def _listed(found: list[FoundImage], image_list: Path | None, source: Path) -> list[FoundImage]:
    if image_list is None:
        return found
    wanted = set(choose_images([image.name for image in found], image_list, source))
    return [image for image in found if image.name in wanted]


def _title(kind: str, path: Path, split: str | None) -> str:
    name = f"{path.parent.name}/{path.stem}" if kind == "coco" else path.name
    return name if split is None else f"{name} {split}"


def _path(path: Path | str | None) -> Path | None:
    return None if path is None else Path(path)
