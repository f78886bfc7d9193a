"""Labelled images of any kind that classification training reads, with a list of those that could not be used."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from detect.class_tables import DetectionClass, ilsvrc_classification_classes
from detect.labelled_images import LabelledImages, class_folders, find_labelled_images
from detect.training.cifar10 import read_cifar10
from detect.training.data_sets_found import Problem
from detect.training.labelled_set import LabelledSet

LABELLED_KINDS = ("folders", "ilsvrc_loc", "cifar10")


def read_labelled_set(
    kind: str,
    path: Path,
    *,
    split: str | None = None,
    classes: Sequence[DetectionClass] | None = None,
    flag: str = "data.path",
) -> tuple[LabelledSet, tuple[Problem, ...]]:
    """Read a data set.

    Args:
        kind: folders (a folder for each class; one called by the wnid of an ILSVRC classification class is that class,
            of others the name is the folder's); ilsvrc_loc (a tree with Data/CLS-LOC, of ILSVRC's 1000 classes: `train`
            has a folder for each wnid, `val` annotations); cifar10 (see `cifar10`).
        path: the folder, tree or archive.
        split: of folders: a folder below `path`; of the others train, or val or test. None: of folders none, of the
            others train.
        classes: what labels number; None: the data set's own.
        flag: the setting that names the path, for what is raised.
    Raises:
        ValueError: one sentence: an unknown kind or split, a data set that is not there or is damaged, a class folder
            without pictures, a class that is none of `classes`, no image left.
    """
    if kind == "cifar10":
        try:
            found = read_cifar10(path, split or "train")
        except ValueError as error:
            raise ValueError(f"{flag}: {error}") from error
        if classes is not None and _names(classes) != _names(found.classes):
            raise ValueError(f"{flag}: expected images of {_listed(classes)}, got CIFAR-10")
        return found, ()
    if kind == "folders":
        folder, name = (path, path.name) if split is None else (path / split, f"{path.name} {split}")
        known = _folder_classes(folder, flag) if classes is None else tuple(classes)
    elif kind == "ilsvrc_loc":
        folder, name = _ilsvrc_folder(path, split or "train"), f"{path.name} {split or 'train'}"
        known = ilsvrc_classification_classes() if classes is None else tuple(classes)
    else:
        raise ValueError(f"kind: expected one of {', '.join(LABELLED_KINDS)}, got {kind!r}")
    return _usable(name, find_labelled_images(folder, known, flag=flag), known, flag, folder)


def _ilsvrc_folder(tree: Path, split: str) -> Path:
    """Where the reader of labelled images finds a split: val by its annotations, train by its folders."""
    if split not in ("train", "val"):
        raise ValueError(f"split: expected train or val of an ILSVRC tree, got {split!r}")
    return tree if split == "val" else tree / "Data" / "CLS-LOC" / "train"


def _folder_classes(folder: Path, flag: str) -> tuple[DetectionClass, ...]:
    ilsvrc = {one.wnid: one.name for one in ilsvrc_classification_classes()}
    try:
        names = class_folders(folder)
    except ValueError as error:
        raise ValueError(f"{flag}: {error}") from error
    for name in names:
        if not name.isprintable():  # the name goes into tables and a model file
            raise ValueError(f"{flag}: expected class folders with printable names, got {name!r} in {folder}")
    return tuple(
        DetectionClass(name if name in ilsvrc else "", ilsvrc.get(name, name), (label,))
        for label, name in enumerate(names)
    )


def _usable(
    name: str, found: LabelledImages, classes: tuple[DetectionClass, ...], flag: str, folder: Path
) -> tuple[LabelledSet, tuple[Problem, ...]]:
    """The images that have a label; the others are problems."""
    problems, paths, labels = [], [], []
    for image in found.images:
        if image.source.error is not None or image.label is None:
            problems.append(Problem(image.source.path, f"{image.source.error or 'no class'}: left out", "annotation"))
        else:
            paths.append(image.source.path)
            labels.append(image.label)
    if not paths:
        first = f" ({problems[0].file}: {problems[0].what})" if problems else ""
        raise ValueError(f"{flag}: expected labelled images in {folder}, found none{first}")
    return LabelledSet(name, tuple(paths), np.array(labels, np.int64), classes), tuple(problems)


def _names(classes: Sequence[DetectionClass]) -> list[str]:
    return [one.name for one in classes]


def _listed(classes: Sequence[DetectionClass]) -> str:
    names = _names(classes)
    return f"the {len(names)} classes from {names[0]} to {names[-1]}"
