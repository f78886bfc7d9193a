"""Ground truth of ILSVRC and VOC trees: one XML file an image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from detect.annotation_xml import Annotation, read_annotation
from detect.class_tables import DetectionClass, ilsvrc_classification_classes, ilsvrc_detection_classes
from detect.ground_truth import GroundTruth
from detect.image_list import ListedImage, choose_images, read_image_list
from detect.voc_classes import NAMES, voc_classes

ILSVRC_KINDS = {"DET": ilsvrc_detection_classes, "CLS-LOC": ilsvrc_classification_classes}


def read_ilsvrc_tree(tree: Path, image_list: Path | None = None) -> GroundTruth:
    """`Annotations/KIND/SPLIT/NAME.xml` and `ImageSets/KIND/SPLIT.txt`, with KIND one of DET, else CLS-LOC.

    The split is `val`, or else the only one. Without its list, all its XML files are meant. Corners are 0-based pixels
    xmin..xmax with both ends included, so a box is xmin, ymin, xmax + 1, ymax + 1. Classes are the 200 of DET or the
    1000 of CLS-LOC (where objects of one class an image are annotated, and others are not).

    Args:
        tree: the folder above `Annotations`.
        image_list: keep its images only, in the order of the tree's list; None: all.
    Raises:
        ValueError: one sentence that names the file: as `read_annotation` and `read_image_list`; a name that is not
            in the tree's list; a class that is none of the above.
    """
    kind = next((kind for kind in ILSVRC_KINDS if (tree / "Annotations" / kind).is_dir()), None)
    if kind is None:
        raise ValueError(f"{tree}: expected Annotations/DET or Annotations/CLS-LOC, found neither")
    annotations = _split_folder(tree / "Annotations" / kind)
    listing = tree / "ImageSets" / kind / f"{annotations.name}.txt"
    listed = read_image_list(listing) if listing.is_file() else _all_annotations(annotations)
    numbers = _numbers(listed, listing)
    classes = ILSVRC_KINDS[kind]()
    labels = {one.wnid: label for label, one in enumerate(classes)}
    names = _chosen(listed, image_list, listing if listing.is_file() else annotations)
    return _read(annotations, names, numbers, classes, labels, first_pixel=0)


def read_voc_tree(tree: Path, image_list: Path | None = None) -> GroundTruth:
    """`Annotations/NAME.xml` and `ImageSets/Main/*.txt`.

    The images are those of the only list (lists of one class such as `dog_val.txt` are passed over), or without any
    list all that have an XML file; where there are several lists, say which is meant. Images are numbered by position.
    Corners are 1-based pixels xmin..xmax with both ends included, so a box is xmin - 1, ymin - 1, xmax, ymax.
    "Difficult" objects are marked ignored.

    Args:
        tree: the folder above `Annotations`.
        image_list: keep its images only, in the order of the tree's list; None: all.
    Raises:
        ValueError: as `read_ilsvrc_tree`, and if there are several lists and no `image_list`.
    """
    annotations = tree / "Annotations"
    lists = [p for p in sorted(tree.glob("ImageSets/Main/*.txt")) if p.stem.rpartition("_")[0] not in NAMES]
    if len(lists) > 1 and image_list is None:
        raise ValueError(f"{tree}: expected --image-list: ImageSets/Main has {', '.join(path.name for path in lists)}")
    listed = read_image_list(lists[0]) if len(lists) == 1 else _all_annotations(annotations)
    numbers = {image.name: position for position, image in enumerate(listed, start=1)}
    names = _chosen(listed, image_list, lists[0] if len(lists) == 1 else annotations)
    labels = {name: label for label, name in enumerate(NAMES)}
    return _read(annotations, names, numbers, voc_classes(), labels, first_pixel=1)


def _split_folder(folder: Path) -> Path:
    if (folder / "val").is_dir():
        return folder / "val"
    splits = sorted(path for path in folder.iterdir() if path.is_dir())
    if len(splits) != 1:
        found = ", ".join(path.name for path in splits) or "no folder"
        raise ValueError(f"{folder}: expected a folder val, or one folder, found {found}")
    return splits[0]


def _all_annotations(folder: Path) -> list[ListedImage]:
    names = sorted(str(path.relative_to(folder).with_suffix("").as_posix()) for path in folder.rglob("*.xml"))
    if not names:
        raise ValueError(f"{folder}: expected XML files, found none")
    return [ListedImage(name, line, None) for line, name in enumerate(names, start=1)]


def _numbers(listed: Sequence[ListedImage], path: Path) -> dict[str, int]:
    """The second column; without one, positions."""
    if all(image.number is None for image in listed):
        return {image.name: position for position, image in enumerate(listed, start=1)}
    numbers: dict[int, ListedImage] = {}
    for image in listed:
        if image.number is None or image.number < 0:
            raise ValueError(f"{path}, line {image.line}: expected 'NAME NUMBER' as on the other lines")
        if image.number in numbers:
            other = numbers[image.number]
            raise ValueError(f"{path}, line {image.line}: number {image.number} stands twice, first on {other.line}")
        numbers[image.number] = image
    return {image.name: number for number, image in numbers.items()}


def _chosen(listed: Sequence[ListedImage], image_list: Path | None, source: Path) -> list[str]:
    names = [image.name for image in listed]
    return names if image_list is None else choose_images(names, image_list, source)


def _read(
    annotations: Path,
    names: Sequence[str],
    numbers: dict[str, int],
    classes: tuple[DetectionClass, ...],
    labels: dict[str, int],
    first_pixel: int,
) -> GroundTruth:
    found = [_checked(annotations / f"{name}.xml", labels) for name in names]
    objects = [one for annotation in found for one in annotation.objects]
    corners = np.array([one.box for one in objects], dtype=np.float64).reshape(-1, 4)
    # What the inclusive pixels lo..hi cover is lo..hi + 1; then pixel `first_pixel` begins at 0.
    boxes = corners + np.array([0, 0, 1, 1]) - first_pixel
    difficult = [one.difficult and first_pixel == 1 for one in objects]
    return GroundTruth(
        images=tuple(names),
        numbers=np.array([numbers[name] for name in names], dtype=np.int64),
        sizes=np.array([annotation.size for annotation in found], dtype=np.int32).reshape(-1, 2),
        classes=classes,
        image_of=np.repeat(np.arange(len(names), dtype=np.int64), [len(one.objects) for one in found]),
        boxes=boxes,
        labels=np.array([labels[one.name] for one in objects], dtype=np.int64),
        ignored=np.array(difficult, dtype=np.bool_),
    )


def _checked(path: Path, labels: dict[str, int]) -> Annotation:
    annotation = read_annotation(path)
    for position, one in enumerate(annotation.objects, start=1):
        if one.name not in labels:
            raise ValueError(f"{path}, object {position}: expected one of {len(labels)} classes, got {one.name[:60]!r}")
    return annotation
