"""ILSVRC DET's train images: 200 lists say which classes each image is annotated for.

After section 2.2.1 of the devkit's readme (ILSVRC2014 and 2015).
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from detect.annotation_xml import Annotation, read_annotation
from detect.class_tables import ilsvrc_detection_classes
from detect.image_list import read_image_list
from detect.training.data_sets_found import FoundImage, Problem, find_image
from detect.training.data_sets_xml import Found, found_objects, missing_image, without_path

POSITIVE, PARTIAL, NEGATIVE = 1, 0, -1
FULLY_ANNOTATED = "ILSVRC2014_train"  # images added in 2014 have all instances of all 200 classes


def find_ilsvrc_train(tree: Path, images: Path | None, image_list: Path | None) -> Found:
    """`ImageSets/DET/train_1.txt` … `train_200.txt`, `Annotations/DET/train/NAME.xml`, `Data/DET/train/NAME.JPEG`.

    Lines are `NAME LABEL`. 1, positive: every object of the list's class in the image is annotated. 0, partially so:
    some are. −1, negative: there is none. An image is annotated for the classes of which it is positive or negative
    (for all, if it was added in 2014); objects of other classes count as they are. An image of negative lists alone
    needs no XML.

    Raises:
        ValueError: naming the file: no list at all; a line of another form; a name of the image list that is in none.
    """
    statements = read_statements(tree / "ImageSets" / "DET")
    names = statements if image_list is None else _listed(statements, image_list)
    found: list[FoundImage] = []
    problems: list[Problem] = []
    for name in names:
        one = _find(tree, images or tree / "Data" / "DET" / "train", name, statements[name])
        if isinstance(one, Problem):
            problems.append(one)
        else:
            found.append(one)
    return found, problems


def read_statements(folder: Path) -> dict[str, dict[int, int]]:
    """{name: {class's label: 1, 0 or −1}}, names in the order of the lists; list N is about DET id N.

    Raises:
        ValueError: if there is no list, or naming the file and line that is not as above.
    """
    statements: dict[str, dict[int, int]] = {}
    lists = [(label, folder / f"train_{label + 1}.txt") for label in range(len(ilsvrc_detection_classes()))]
    if not any(path.is_file() for _, path in lists):
        raise ValueError(f"{folder}: expected lists train_1.txt … train_200.txt, found none")
    for label, path in lists:
        if not path.is_file():
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="surrogateescape").split("\n"), start=1):
            if not line.strip():
                continue
            name, _, value = line.strip().rpartition(" ")
            if not name or value not in ("1", "0", "-1"):
                raise ValueError(f"{path}, line {number}: expected 'NAME LABEL' with 1, 0 or -1, got {line[:60]!r}")
            statements.setdefault(name.strip(), {})[label] = int(value)
    return statements


def annotated_for(name: str, statements: dict[int, int]) -> frozenset[str]:
    """Wnids of the classes of which every object in the image is annotated."""
    classes = ilsvrc_detection_classes()
    if name.rpartition("/")[2].startswith(FULLY_ANNOTATED):
        return frozenset(one.wnid for one in classes)
    return frozenset(classes[label].wnid for label, value in statements.items() if value != PARTIAL)


def _find(tree: Path, images: Path, name: str, statements: dict[int, int]) -> FoundImage | Problem:
    source = tree / "Annotations" / "DET" / "train" / f"{name}.xml"
    file = find_image(images, name)
    if file is None:
        return missing_image(images / name)
    annotation = Annotation((0, 0), ())
    if source.is_file() or any(value != NEGATIVE for value in statements.values()):
        try:
            annotation = read_annotation(source)
        except ValueError as error:
            return Problem(source, f"image left out: {without_path(error, source)}", "annotation")
    objects = found_objects(annotation, first_pixel=0)
    return FoundImage(file, source, name, annotation.size, objects, annotated_for(name, statements))


def _listed(known: Collection[str], image_list: Path) -> list[str]:
    listed = read_image_list(image_list)
    for image in listed:
        if image.name not in known:
            raise ValueError(f"{image_list}, line {image.line}: {image.name} is in none of the lists of train")
    wanted = {image.name for image in listed}
    return [name for name in known if name in wanted]
