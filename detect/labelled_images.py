"""Images with the one class of each: an ILSVRC classification tree, or a folder of pictures for each class."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from detect.annotation_xml import read_annotation
from detect.class_tables import DetectionClass
from detect.classification_classes import ClassFinder
from detect.image_sources import SourceImage, find_images

Item = TypeVar("Item")

_TREE = Path("CLS-LOC")  # below Annotations and below Data


@dataclass(frozen=True)
class LabelledImage:
    """`source`: perhaps with an error; `label`: None where nothing says it, which is an error too."""

    source: SourceImage
    label: int | None


@dataclass(frozen=True)
class LabelledImages:
    """`images`: the chosen ones, by path; `total`: how many there are to choose from."""

    images: list[LabelledImage]
    total: int


def find_labelled_images(
    folder: Path, classes: Sequence[DetectionClass], *, limit: int | None = None, flag: str = "--images"
) -> LabelledImages:
    """The images of a folder, or some of them, with their labels.

    An *ILSVRC tree*, the folder above `Annotations/CLS-LOC`: the pictures below `Data/CLS-LOC/val`, or the only split.
    An image's class is that of the objects in its annotation; without one, or with several classes, it has an error.
    *Any other folder* has a folder for each class, called by its wnid or name, with its pictures anywhere below. What
    lies beside them and begins with a dot is passed over, as are files that are no pictures.

    Args:
        classes: of the network, in label order.
        limit: so many images, evenly spaced over all: number ⌊i · total / limit⌋ of those sorted by path, i = 0, 1, …;
            None, or no less than there are: all.
        flag: the setting that names the folder, for what is raised.
    Raises:
        ValueError: one sentence that names the folder: it is missing or has no pictures; a class that is none of
            `classes`; a class folder without pictures; pictures in no class folder; a limit below 1.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"--limit: expected at least 1, got {limit}")
    try:
        return _find(folder, ClassFinder(classes), limit)
    except ValueError as error:
        raise ValueError(f"{flag}: {error}") from error


def class_folders(folder: Path) -> list[str]:
    """The names of the folders in a folder, sorted; those that begin with a dot are none.

    Raises:
        ValueError: if there is no such folder, or none in it.
    """
    _check_folder(folder)
    names = sorted(one.name for one in folder.iterdir() if one.is_dir() and not one.name.startswith("."))
    if not names:
        raise ValueError(
            f"expected a folder for each class, or an ILSVRC tree (the folder above Annotations/CLS-LOC), "
            f"found no folder in {folder}"
        )
    return names


def _find(folder: Path, finder: ClassFinder, limit: int | None) -> LabelledImages:
    _check_folder(folder)
    if (folder / "Annotations" / _TREE).is_dir():
        return _of_tree(folder, finder, limit)
    return _of_class_folders(folder, finder, limit)


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise ValueError(f"no such folder: {folder}")


def _of_tree(tree: Path, finder: ClassFinder, limit: int | None) -> LabelledImages:
    pictures = _split_folder(tree / "Data" / _TREE)
    annotations = tree / "Annotations" / _TREE / pictures.name
    sources = _pictures(pictures)
    images = [_annotated(source, annotations, finder) for source in _evenly_spaced(sources, limit)]
    return LabelledImages(images, len(sources))


def _annotated(source: SourceImage, annotations: Path, finder: ClassFinder) -> LabelledImage:
    annotation = (annotations / source.name).with_suffix(".xml")
    try:
        wnid = _only_class(annotation)
    except ValueError as error:
        return LabelledImage(dataclasses.replace(source, error=source.error or str(error)), None)
    return LabelledImage(source, _label(finder, wnid, annotation))


def _split_folder(folder: Path) -> Path:
    if (folder / "val").is_dir():
        return folder / "val"
    splits = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    if len(splits) != 1:
        found = ", ".join(path.name for path in splits) or "no folder"
        raise ValueError(f"expected a folder val, or one folder, in {folder}, found {found}")
    return splits[0]


def _only_class(annotation: Path) -> str:
    names = sorted({one.name for one in read_annotation(annotation).objects})
    if len(names) != 1:
        raise ValueError(f"{annotation}: expected objects of one class, got {', '.join(names) or 'none'}")
    return names[0]


def _of_class_folders(folder: Path, finder: ClassFinder, limit: int | None) -> LabelledImages:
    folders = class_folders(folder)
    labels = {name: _label(finder, name, folder / name) for name in folders}
    sources = [source for source in _pictures(folder) if not source.name.startswith(".")]
    homes = [source.name.partition("/")[0] for source in sources]
    if alone := set(homes) - set(folders):
        raise ValueError(f"expected pictures in class folders only, got {folder / min(alone)}")
    if empty := set(folders) - set(homes):
        raise ValueError(
            f"expected pictures in every class folder, found none in {folder / min(empty)}"
            + (f" and {len(empty) - 1} more" if len(empty) > 1 else "")
        )
    images = [LabelledImage(source, labels[home]) for source, home in zip(sources, homes, strict=True)]
    return LabelledImages(_evenly_spaced(images, limit), len(images))


def _label(finder: ClassFinder, called: str, where: Path) -> int:
    try:
        return finder.label(called)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def _pictures(folder: Path) -> list[SourceImage]:
    """By path; what cannot be listed is among them, with an error."""
    sources = find_images([os.fspath(folder)]).images
    if len(sources) == 1 and (error := sources[0].error) is not None and sources[0].path == folder:
        raise ValueError(f"{folder}: {error}")
    return sources


def _evenly_spaced(items: Sequence[Item], limit: int | None) -> list[Item]:
    number = len(items) if limit is None else min(limit, len(items))
    return [items[i * len(items) // number] for i in range(number)]
