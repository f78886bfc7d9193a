"""Which images a folder has, which of them are taken, and what their labels are."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from annotation_trees import write_annotation

from detect.class_tables import DetectionClass
from detect.labelled_images import find_labelled_images

CLASSES = [DetectionClass(f"n{i}", name) for i, name in enumerate(("ant", "bee", "lynx spider"))]
BOX = (0, 0, 3, 3)


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def tree(folder: Path, labels: dict[str, list[str]], *, split: str = "val") -> Path:
    for name, classes in labels.items():
        touch(folder / "Data" / "CLS-LOC" / split, f"{name}.JPEG")
        write_annotation(folder / "Annotations" / "CLS-LOC" / split / f"{name}.xml", [(one, BOX) for one in classes])
    return folder


def found(folder: Path, limit: int | None = None) -> list[tuple[str, int | None]]:
    return [(one.source.name, one.label) for one in find_labelled_images(folder, CLASSES, limit=limit).images]


def refusal(folder: Path, limit: int | None = None) -> str:
    with pytest.raises(ValueError, match=r"^--") as caught:
        find_labelled_images(folder, CLASSES, limit=limit)
    return str(caught.value).replace(str(folder), "FOLDER")


def test_class_folders_by_wnid_and_by_name(tmp_path: Path) -> None:
    touch(tmp_path, "n1/b.jpg", "n1/a.png", "Ant/deeper/c.JPEG", "lynx_spider/d.jpg", "n1/notes.txt", "LICENCE")
    touch(tmp_path, ".cache/x.jpg", ".y.jpg")
    assert found(tmp_path) == [("Ant/deeper/c.JPEG", 0), ("lynx_spider/d.jpg", 2), ("n1/a.png", 1), ("n1/b.jpg", 1)]
    images = find_labelled_images(tmp_path, CLASSES)
    assert images.images[0].source.path == tmp_path / "Ant/deeper/c.JPEG"
    assert images.total == 4


def test_a_tree_says_classes_in_annotations(tmp_path: Path) -> None:
    tree(tmp_path, {"b": ["n2", "n2"], "a": ["n0"]})
    tree(tmp_path, {"elsewhere": ["n1"]}, split="train")
    assert found(tmp_path) == [("a.JPEG", 0), ("b.JPEG", 2)]


def test_a_tree_with_one_split_needs_no_val(tmp_path: Path) -> None:
    assert found(tree(tmp_path, {"a": ["n0"]}, split="mine")) == [("a.JPEG", 0)]
    tree(tmp_path, {"a": ["n0"]}, split="train")
    assert refusal(tmp_path) == (
        "--images: expected a folder val, or one folder, in FOLDER/Data/CLS-LOC, found mine, train"
    )


def test_images_whose_class_nobody_says_have_an_error(tmp_path: Path) -> None:
    tree(tmp_path, {"a": ["n0"], "b": [], "c": ["n0", "n1"]})
    touch(tmp_path / "Data" / "CLS-LOC" / "val", "d.JPEG")
    images = find_labelled_images(tmp_path, CLASSES).images
    assert [one.label for one in images] == [0, None, None, None]
    errors = [one.source.error for one in images]
    assert errors[0] is None
    assert str(errors[1]).endswith("b.xml: expected objects of one class, got none")
    assert str(errors[2]).endswith("c.xml: expected objects of one class, got n0, n1")
    assert str(errors[3]).endswith("d.xml: no such file")


@pytest.mark.parametrize(
    ("limit", "names"), [(None, "abcdefg"), (9, "abcdefg"), (7, "abcdefg"), (3, "ace"), (2, "ad"), (1, "a")]
)
def test_a_sample_is_spaced_evenly(tmp_path: Path, limit: int | None, names: str) -> None:
    """⌊i · 7 / 3⌋ = 0, 2, 4; ⌊i · 7 / 2⌋ = 0, 3."""
    for letter in "gfedcba":
        touch(tmp_path, f"n0/{letter}.jpg")
    images = find_labelled_images(tmp_path, CLASSES, limit=limit)
    assert "".join(Path(one.source.name).stem for one in images.images) == names
    assert images.total == 7


def test_only_annotations_of_the_sample_are_read(tmp_path: Path) -> None:
    tree(tmp_path, {"a": ["n0"], "b": ["a whole other class"], "c": ["n0"], "d": ["another"]})
    assert found(tmp_path, limit=2) == [("a.JPEG", 0), ("c.JPEG", 0)]


def test_what_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "gone") == "--images: no such folder: FOLDER"
    assert re.match("--images: expected a folder for each class, or an ILSVRC tree", refusal(tmp_path))
    touch(tmp_path, "n0/a.jpg")
    assert refusal(tmp_path, limit=0) == "--limit: expected at least 1, got 0"
    touch(tmp_path, "bea/a.jpg")
    assert refusal(tmp_path) == ("--images: FOLDER/bea: no class 'bea' among the 3 of the network (did you mean bee?)")


def test_a_class_folder_without_images_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "n0/a.jpg", "n1/notes.txt")
    assert refusal(tmp_path) == "--images: expected pictures in every class folder, found none in FOLDER/n1"
    (tmp_path / "bee").mkdir()
    assert refusal(tmp_path).endswith("found none in FOLDER/bee and 1 more")


def test_no_pictures_at_all_are_refused(tmp_path: Path) -> None:
    touch(tmp_path, "n1/notes.txt")
    assert refusal(tmp_path) == "--images: FOLDER: no image in this folder, 1 other files"


def test_pictures_beside_class_folders_are_refused(tmp_path: Path) -> None:
    touch(tmp_path, "n0/a.jpg", "b.jpg")
    assert refusal(tmp_path) == "--images: expected pictures in class folders only, got FOLDER/b.jpg"


def test_a_wnid_of_no_class_is_refused_in_a_tree_too(tmp_path: Path) -> None:
    tree(tmp_path, {"a": ["n9"]})
    assert "/val/a.xml: no class 'n9' among the 3 of the network" in refusal(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_cannot_be_listed_is_an_image_with_an_error(tmp_path: Path) -> None:
    touch(tmp_path, "n0/a.jpg", "n1/b.jpg")
    (tmp_path / "n1").chmod(0)
    try:
        images = find_labelled_images(tmp_path, CLASSES).images
    finally:
        (tmp_path / "n1").chmod(0o700)
    assert [(one.source.name, one.label, one.source.error is None) for one in images] == [
        ("n0/a.jpg", 0, True),
        ("n1", 1, False),
    ]
