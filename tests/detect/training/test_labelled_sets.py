"""Images with a class each, from class folders, an ILSVRC tree or CIFAR-10, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from cifar_files import write_cifar_folder
from data_set_files import write_picture

from detect.class_tables import DetectionClass, ilsvrc_classification_classes
from detect.training import labelled_sets
from detect.training.cifar10 import FOLDER, read_cifar10
from detect.training.labelled_set import LabelledSet
from detect.training.labelled_sets import read_labelled_set

TENCH, GOLDFISH = "n01440764", "n01443537"


def class_folders(root: Path, **photos: int) -> Path:
    for name, count in photos.items():
        for number in range(count):
            write_picture(root / name / f"{number}.png", size=(6, 8))
    return root


def test_folders_are_classes_in_the_order_of_their_names(tmp_path: Path) -> None:
    class_folders(tmp_path, zebra=1, ant=2)
    found, problems = read_labelled_set("folders", tmp_path)
    assert problems == ()
    assert found.classes == (DetectionClass("", "ant", (0,)), DetectionClass("", "zebra", (1,)))
    assert found.labels.tolist() == [0, 0, 1]
    assert found.counts().tolist() == [2, 1]
    assert found.reader.decode(found.images[0]).shape == (6, 8, 3)
    assert [path.name for path in found.subset([2, 0]).images] == ["0.png", "0.png"]
    assert found.subset([2, 0]).labels.tolist() == [1, 0]


def test_a_folder_may_be_called_by_an_ilsvrc_wnid(tmp_path: Path) -> None:
    class_folders(tmp_path, **{GOLDFISH: 1, TENCH: 1, "other": 1})
    found, _ = read_labelled_set("folders", tmp_path)
    assert [(one.wnid, one.name) for one in found.classes] == [
        (TENCH, "tench"),
        (GOLDFISH, "goldfish"),
        ("", "other"),
    ]


def test_a_split_numbers_its_classes_as_another_does(tmp_path: Path) -> None:
    class_folders(tmp_path / "train", ant=1, bee=1, cow=1)
    class_folders(tmp_path / "val", cow=1)
    train, _ = read_labelled_set("folders", tmp_path, split="train")
    val, _ = read_labelled_set("folders", tmp_path, split="val", classes=train.classes)
    assert train.name == f"{tmp_path.name} train"
    assert (val.labels.tolist(), val.classes) == ([2], train.classes)


def test_an_ilsvrc_tree_has_all_1000_classes(tmp_path: Path) -> None:
    class_folders(tmp_path / "Data/CLS-LOC/train", **{GOLDFISH: 2})
    (tmp_path / "Annotations/CLS-LOC").mkdir(parents=True)
    found, _ = read_labelled_set("ilsvrc_loc", tmp_path)
    assert found.classes == ilsvrc_classification_classes()
    assert found.labels.tolist() == [1, 1]


def test_of_val_annotations_tell_the_class(tmp_path: Path) -> None:
    class_folders(tmp_path / "Data/CLS-LOC", val=2)
    annotations = tmp_path / "Annotations/CLS-LOC/val"
    annotations.mkdir(parents=True)
    box = "<bndbox><xmin>0</xmin><ymin>0</ymin><xmax>3</xmax><ymax>3</ymax></bndbox>"
    (annotations / "0.xml").write_text(f"<annotation><object><name>{TENCH}</name>{box}</object></annotation>")
    found, problems = read_labelled_set("ilsvrc_loc", tmp_path, split="val")
    assert found.labels.tolist() == [0]
    assert [(one.file.name, one.kind) for one in problems] == [("1.png", "annotation")]
    assert "left out" in problems[0].what


def test_cifar_10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = lambda path, split: read_cifar10(path, split, per_file=2)  # noqa: E731
    monkeypatch.setattr(labelled_sets, "read_cifar10", small)
    folder = write_cifar_folder(tmp_path / FOLDER, per_file=2)
    train, _ = read_labelled_set("cifar10", folder)
    test, _ = read_labelled_set("cifar10", folder, split="test", classes=train.classes)
    assert (len(train), len(test)) == (10, 2)
    with pytest.raises(ValueError, match="expected images of the 1 classes from ant to ant, got CIFAR-10"):
        read_labelled_set("cifar10", folder, classes=(DetectionClass("", "ant", (0,)),))


@pytest.mark.parametrize(
    ("kind", "split", "folders", "message"),
    [
        ("voc", None, ("ant/0.png",), "kind: expected one of folders, ilsvrc_loc, cifar10, got 'voc'"),
        ("folders", "val", ("train/ant/0.png",), "data.path: no such folder: FOLDER/val"),
        ("folders", None, (), "data.path: expected a folder for each class"),
        ("folders", None, ("ant/0.png", "bee/"), "pictures in every class folder, found none in FOLDER/bee"),
        ("ilsvrc_loc", "test", (), "split: expected train or val of an ILSVRC tree, got 'test'"),
        ("ilsvrc_loc", None, ("Data/CLS-LOC/train/n5/0.png",), "n5: no class 'n5' among the 1000"),
        ("cifar10", None, ("0.png",), "data.path: FOLDER: expected CIFAR-10's files"),
    ],
)
def test_what_is_refused(tmp_path: Path, kind: str, split: str | None, folders: tuple[str, ...], message: str) -> None:
    for name in folders:
        if name.endswith("/"):
            (tmp_path / name).mkdir()
        else:
            write_picture(tmp_path / name, size=(6, 8))
    with pytest.raises(ValueError, match=re.escape(message.replace("FOLDER", str(tmp_path)))):
        read_labelled_set(kind, tmp_path, split=split)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.array([0, 2]), "b: expected a label from 0 to 1, got 2"),
        (np.array([-1, 0]), "a: expected a label from 0 to 1, got -1"),
        (np.array([0]), "labels: expected int64 (2,), got int64 (1,)"),
        (np.array([0, 1], np.int32), "labels: expected int64 (2,), got int32 (2,)"),
    ],
)
def test_a_label_beyond_the_classifier_is_no_label(labels: np.ndarray, message: str) -> None:
    classes = (DetectionClass("", "ant", (0,)), DetectionClass("", "bee", (1,)))
    with pytest.raises(ValueError, match=re.escape(message)):
        LabelledSet("set", (Path("a"), Path("b")), labels, classes)
