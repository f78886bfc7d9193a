"""ILSVRC and VOC trees: which images, which numbers, and where a pixel begins."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from annotation_trees import write_annotation, write_ilsvrc_tree, write_voc_tree

from detect.class_tables import ilsvrc_classification_classes, ilsvrc_detection_classes
from detect.ground_truth_xml import read_ilsvrc_tree, read_voc_tree

CAT, BALL, TENCH = "n02121808", "n02802426", "n01440764"  # DET ids 59 and 17; class 0 of the 1000


def test_an_ilsvrc_tree_by_hand(tmp_path: Path) -> None:
    tree = write_ilsvrc_tree(tmp_path, {"b": [(CAT, (0, 1, 9, 19)), (BALL, (3, 3, 3, 3))], "a": [], "sub/c": []})
    truth = read_ilsvrc_tree(tree)
    assert truth.images == ("b", "a", "sub/c")
    assert truth.numbers.tolist() == [11, 12, 13]
    assert truth.sizes.tolist() == [[50, 60]] * 3
    assert truth.classes == ilsvrc_detection_classes()
    assert truth.image_of.tolist() == [0, 0]
    # Pixels 0..9 cover 0 to 10, and the single pixel 3 covers 3 to 4.
    assert truth.boxes.tolist() == [[0, 1, 10, 20], [3, 3, 4, 4]]
    assert [truth.classes[label].wnid for label in truth.labels] == [CAT, BALL]
    assert not truth.ignored.any()


def test_a_classification_tree_has_a_thousand_classes(tmp_path: Path) -> None:
    truth = read_ilsvrc_tree(write_ilsvrc_tree(tmp_path, {"a": [(TENCH, (0, 0, 1, 1))]}, kind="CLS-LOC"))
    assert truth.classes == ilsvrc_classification_classes()
    assert truth.labels.tolist() == [0]


def test_without_a_list_all_files_are_meant_by_name(tmp_path: Path) -> None:
    for name in ("b", "a", "n01/x.y"):
        write_annotation(tmp_path / "Annotations" / "DET" / "train" / f"{name}.xml", [])
    truth = read_ilsvrc_tree(tmp_path)
    assert truth.images == ("a", "b", "n01/x.y")
    assert truth.numbers.tolist() == [1, 2, 3]


def test_a_list_without_numbers_counts(tmp_path: Path) -> None:
    truth = read_ilsvrc_tree(write_ilsvrc_tree(tmp_path, {"b": [], "a": []}, listing="b\na\n"))
    assert truth.numbers.tolist() == [1, 2]


def test_some_of_the_images_under_their_numbers(tmp_path: Path) -> None:
    """The list's second column is R-CNN's own count; images outside the list may lack their annotation."""
    tree = write_ilsvrc_tree(tmp_path, {"b": [], "a": [(CAT, (0, 0, 1, 1))]}, listing="b 5\nmissing 6\na 7\n")
    (tmp_path / "val1.txt").write_text("a 1\nb 2\n")
    truth = read_ilsvrc_tree(tree, tmp_path / "val1.txt")
    assert truth.images == ("b", "a")
    assert truth.numbers.tolist() == [5, 7]
    assert truth.image_of.tolist() == [1]


@pytest.mark.parametrize(
    ("listing", "message"),
    [
        ("a 1\nb 2\nc 3\n", r"Annotations/DET/val/c\.xml: no such file"),
        ("a 1\nb 1\n", r"val\.txt, line 2: number 1 stands twice, first on 1"),
        ("a 1\nb\n", r"val\.txt, line 2: expected 'NAME NUMBER' as on the other lines"),
        ("a -1\nb 1\n", r"val\.txt, line 1: expected 'NAME NUMBER'"),
        ("a 1\nb 2\na 3\n", r"val\.txt, line 3: a stands twice, first on line 1"),
    ],
)
def test_lists_that_are_wrong(tmp_path: Path, listing: str, message: str) -> None:
    tree = write_ilsvrc_tree(tmp_path, {"a": [], "b": []}, listing=listing)
    with pytest.raises(ValueError, match=message):
        read_ilsvrc_tree(tree)


def test_an_unknown_class_is_named_with_its_file(tmp_path: Path) -> None:
    tree = write_ilsvrc_tree(tmp_path, {"a": [(CAT, (0, 0, 1, 1)), (TENCH, (0, 0, 1, 1))]})
    with pytest.raises(ValueError, match=r"a\.xml, object 2: expected one of 200 classes, got 'n01440764'"):
        read_ilsvrc_tree(tree)


def test_trees_without_annotations(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected Annotations/DET or Annotations/CLS-LOC, found neither"):
        read_ilsvrc_tree(tmp_path)
    (tmp_path / "Annotations" / "DET" / "train").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"DET/train: expected XML files, found none"):
        read_ilsvrc_tree(tmp_path)
    (tmp_path / "Annotations" / "DET" / "test").mkdir()
    with pytest.raises(ValueError, match=r"DET: expected a folder val, or one folder, found test, train"):
        read_ilsvrc_tree(tmp_path)


def test_a_voc_tree_by_hand(tmp_path: Path) -> None:
    tree = write_voc_tree(tmp_path, {"2007_02": [("dog", (1, 1, 50, 40))], "2007_01": []}, lists={"val": ""})
    objects = [("tvmonitor", (2, 3, 2, 4)), ("aeroplane", (5, 5, 6, 6))]
    write_annotation(tree / "Annotations" / "2007_01.xml", objects, difficult=[0, 1])
    (tree / "ImageSets" / "Main" / "val.txt").write_text("2007_02\n2007_01\n")
    (tree / "ImageSets" / "Main" / "dog_val.txt").write_text("2007_02 1\n2007_01 -1\n")
    truth = read_voc_tree(tree)
    assert truth.images == ("2007_02", "2007_01")
    assert truth.numbers.tolist() == [1, 2]
    assert len(truth.classes) == 20
    assert truth.labels.tolist() == [11, 19, 0]
    # Pixels 1..50, counted from 1, cover 0 to 50; the column of pixels 2..2 covers 1 to 2.
    assert truth.boxes.tolist() == [[0, 0, 50, 40], [1, 2, 2, 4], [4, 4, 6, 6]]
    assert truth.ignored.tolist() == [False, False, True]


def test_several_lists_need_a_choice(tmp_path: Path) -> None:
    tree = write_voc_tree(tmp_path, {"b": [], "a": []}, lists={"train": "b\n", "val": "a\n"})
    with pytest.raises(ValueError, match=r"expected --image-list: ImageSets/Main has train\.txt, val\.txt"):
        read_voc_tree(tree)
    assert read_voc_tree(tree, tree / "ImageSets" / "Main" / "val.txt").images == ("a",)


def test_a_voc_tree_without_lists(tmp_path: Path) -> None:
    assert read_voc_tree(write_voc_tree(tmp_path, {"b": [], "a": []}, lists={})).images == ("a", "b")


def test_an_unknown_voc_class(tmp_path: Path) -> None:
    tree = write_voc_tree(tmp_path, {"a": [("unicorn", (1, 1, 2, 2))]}, lists={"val": "a\n"})
    with pytest.raises(ValueError, match=r"a\.xml, object 1: expected one of 20 classes, got 'unicorn'"):
        read_voc_tree(tree)


@pytest.mark.shared
def test_the_real_trees(shared_folder: Path) -> None:
    det = read_ilsvrc_tree(shared_folder / "images" / "ilsvrc_det")
    assert (len(det.images), len(det.labels), len(set(det.labels.tolist()))) == (100, 302, 69)
    loc = read_ilsvrc_tree(shared_folder / "images" / "ilsvrc_loc")
    assert (len(loc.images), len(loc.labels)) == (717, 1052)
    voc = read_voc_tree(shared_folder / "images" / "voc2012_subset")
    assert (len(voc.images), len(voc.labels), len(set(voc.labels.tolist()))) == (1626, 4011, 19)
    for truth in (det, loc, voc):
        size = truth.sizes[truth.image_of][:, ::-1]
        assert np.all(truth.boxes[:, :2] >= 0)
        assert np.all(truth.boxes[:, 2:] <= size)
        assert np.any(truth.boxes[:, 2:] == size)  # boxes reach the edge, and none goes past it
