"""VOC trees and ILSVRC trees as training data: whatever cannot be used is listed, not fatal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from detect.annotation_xml import Annotation, read_annotation
from detect.class_tables import ilsvrc_detection_classes
from detect.image_list import choose_images, read_image_list
from detect.training.data_sets_found import FoundImage, FoundObject, Problem, find_image
from detect.voc_classes import NAMES

Found = tuple[list[FoundImage], list[Problem]]


def find_voc(tree: Path, images: Path | None, image_list: Path | None, split: str | None) -> Found:
    """`Annotations/NAME.xml`, `JPEGImages/NAME.jpg` and `ImageSets/Main/SPLIT.txt`.

    Without a split: the only list (those of one class, `dog_val.txt`, are passed over), or, with an image list or
    without any list, all that have an XML file. Corners are 1-based; "difficult" objects are marked ignored.

    Raises:
        ValueError: naming the tree or the list: no Annotations; no such split; several lists and none said to be
            meant; a name of the image list that is not in the data set.
    """
    annotations = _checked_folder(tree / "Annotations")
    lists = [path for path in sorted(tree.glob("ImageSets/Main/*.txt")) if path.stem.rpartition("_")[0] not in NAMES]
    if split is not None:
        lists = [tree / "ImageSets" / "Main" / f"{split}.txt"]
    if len(lists) > 1 and image_list is None:
        found = ", ".join(path.name for path in lists)
        raise ValueError(f"{tree}: expected split or image_list, as ImageSets/Main has {found}")
    names = chosen_names(lists[0] if len(lists) == 1 else None, annotations, image_list)
    return find_annotated(names, annotations, images or tree / "JPEGImages", 1, lambda _: frozenset(NAMES))


def find_ilsvrc(tree: Path, kind: str, images: Path | None, image_list: Path | None, split: str | None) -> Found:
    """`Annotations/KIND/SPLIT/NAME.xml`, `Data/KIND/SPLIT/NAME.JPEG` and `ImageSets/KIND/SPLIT.txt`.

    The split is the one named, else val, else the only one. Without its list (of train: `train_loc.txt`), all XML
    files are meant. Corners are 0-based. DET's images are annotated for all 200 classes, CLS-LOC's for the one class
    of their objects. DET's train has its own reader, `ilsvrc_train`.

    Args:
        kind: DET or CLS-LOC.
    Raises:
        ValueError: naming the folder or list, as `find_voc`.
    """
    annotations = split_folder(tree / "Annotations" / kind, split)
    listings = (tree / "ImageSets" / kind / f"{annotations.name}{end}.txt" for end in ("", "_loc"))
    listing = next((path for path in listings if path.is_file()), None)
    names = chosen_names(listing, annotations, image_list)
    all_classes = frozenset(one.wnid for one in ilsvrc_detection_classes())

    def annotated_for(annotation: Annotation) -> frozenset[str]:
        return all_classes if kind == "DET" else frozenset(one.name for one in annotation.objects)

    pictures = images or tree / "Data" / kind / annotations.name
    return find_annotated(names, annotations, pictures, 0, annotated_for)


def find_annotated(
    names: Sequence[str],
    annotations: Path,
    images: Path,
    first_pixel: int,
    annotated_for: Callable[[Annotation], frozenset[str]],
) -> Found:
    """Read every name's XML and look for its image; one that lacks either is a problem and left out.

    Args:
        first_pixel: 0 or 1, where the data set begins to count; the inclusive pixels lo..hi cover
            lo − first_pixel to hi + 1 − first_pixel. Only VOC, which begins at 1, has "difficult" objects.
    """
    found, problems = [], []
    for name in names:
        source = annotations / f"{name}.xml"
        try:
            annotation = read_annotation(source)
        except ValueError as error:
            problems.append(Problem(source, f"image left out: {without_path(error, source)}", "annotation"))
            continue
        file = find_image(images, name)
        if file is None:
            problems.append(missing_image(images / name))
            continue
        objects = found_objects(annotation, first_pixel)
        found.append(FoundImage(file, source, name, annotation.size, objects, annotated_for(annotation)))
    return found, problems


def found_objects(annotation: Annotation, first_pixel: int) -> tuple[FoundObject, ...]:
    """Objects with continuous edges; see `find_annotated`."""
    found = []
    for one in annotation.objects:
        x1, y1, x2, y2 = one.box
        box = (x1 - first_pixel, y1 - first_pixel, x2 + 1 - first_pixel, y2 + 1 - first_pixel)
        found.append(FoundObject(one.name, box, one.difficult and first_pixel == 1))
    return tuple(found)


def missing_image(path: Path) -> Problem:
    """The problem of an image that is annotated, but not there; `path`: where it should be."""
    return Problem(path, "image missing: left out", "image")


def without_path(error: ValueError, path: Path) -> str:
    """A sentence that begins with the file's name, without it."""
    text = str(error).removeprefix(str(path)).lstrip(":, ")
    return text.replace(str(path), "it")


def chosen_names(listing: Path | None, annotations: Path, image_list: Path | None) -> list[str]:
    """Names of the listing, or without one of all XML files; of these, the image list's, if there is one.

    Raises:
        ValueError: as `read_image_list` and `choose_images`.
    """
    if listing is not None:
        names = [image.name for image in read_image_list(listing)]
    else:
        files = sorted(annotations.rglob("*.xml"))
        names = [path.relative_to(annotations).with_suffix("").as_posix() for path in files]
    return names if image_list is None else choose_images(names, image_list, listing or annotations)


def split_folder(folder: Path, split: str | None) -> Path:
    """The folder of the split: the one named, else val, else the only one.

    Raises:
        ValueError: if it is not there, or there are several.
    """
    _checked_folder(folder)
    if split is not None:
        return _checked_folder(folder / split)
    if (folder / "val").is_dir():
        return folder / "val"
    splits = sorted(path for path in folder.iterdir() if path.is_dir())
    if len(splits) != 1:
        found = ", ".join(path.name for path in splits) or "no folder"
        raise ValueError(f"{folder}: expected a folder val, or one folder, or split, found {found}")
    return splits[0]


def _checked_folder(folder: Path) -> Path:
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder")
    return folder
