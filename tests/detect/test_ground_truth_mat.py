"""The devkit's cache: small unsigned numbers, empty cells, and the XML tree that it was made from."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from annotation_trees import mat_variables, write_mat

from detect.ground_truth_mat import read_devkit_mat
from detect.ground_truth_subset import restrict
from detect.ground_truth_xml import read_ilsvrc_tree
from detect.image_index import read_image_index


def test_a_file_by_hand(tmp_path: Path) -> None:
    truth = read_devkit_mat(write_mat(tmp_path / "a.mat", mat_variables()))
    assert truth.images == ("2", "3", "40000")
    assert truth.numbers.tolist() == [2, 3, 40000]
    assert truth.sizes.tolist() == [[0, 0]] * 3
    assert len(truth.classes) == 200
    assert truth.image_of.tolist() == [0, 2, 2]
    # 65535 + 1 and 255 + 1 are past the types in the file; columns are boxes.
    assert truth.boxes.tolist() == [[0, 3, 65536, 8], [1, 2, 4, 256], [5, 6, 8, 9]]
    assert truth.labels.tolist() == [158, 0, 199]
    assert not truth.ignored.any()


def test_names_come_from_the_index(tmp_path: Path) -> None:
    path = write_mat(tmp_path / "a.mat", mat_variables())
    assert read_devkit_mat(path, {"x": 40000, "y": 2, "more": 1, "z": 3}).images == ("y", "z", "x")
    with pytest.raises(ValueError, match=r"--image-index: .*a\.mat has an image number 3, found no line for it"):
        read_devkit_mat(path, {"x": 40000, "y": 2})
    with pytest.raises(ValueError, match=r"--image-index: y and z are both number 2"):
        read_devkit_mat(path, {"x": 40000, "y": 2, "z": 2})


def cell(*arrays: Any) -> np.ndarray[Any, Any]:
    cells = np.empty((1, len(arrays)), dtype=object)
    for position, array in enumerate(arrays):
        cells[0, position] = np.asarray(array)
    return cells


ONE = {"gt_img_ids": np.array([[7]]), "gt_obj_labels": cell([[1]]), "gt_obj_bboxes": cell([[0], [0], [1], [1]])}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gt_img_ids": np.array([[7], [8]])}, r"a\.mat: expected as many gt_img_ids as .*, got 2, 1, 1"),
        ({"gt_img_ids": "seven"}, r"a\.mat: expected numbers as gt_img_ids, cells as"),
        ({"gt_obj_bboxes": np.zeros((4, 1))}, r"a\.mat: expected numbers as gt_img_ids, cells as"),
        ({"gt_obj_labels": cell([[201]])}, r"image 7: expected DET ids 1\.\.200 as labels, got 201"),
        ({"gt_obj_labels": cell([[0]])}, r"image 7: expected DET ids 1\.\.200 as labels, got 0"),
        ({"gt_obj_labels": cell([[1.5]])}, r"image 7: expected DET ids 1\.\.200 as labels, got 1\.5"),
        ({"gt_obj_labels": cell("x")}, r"image 7: expected numbers as labels and boxes"),
        ({"gt_obj_labels": cell([[1, 2]])}, r"image 7: expected \(4, 2\) boxes, got \(4, 1\)"),
        ({"gt_obj_bboxes": cell([[0, 0, 1, 1]])}, r"image 7: expected \(4, 1\) boxes, got \(1, 4\)"),
        ({"gt_obj_bboxes": cell([[2], [0], [1], [1]])}, r"image 7: expected xmin <= xmax .* got 2 0 1 1"),
        ({"gt_obj_bboxes": cell([[np.nan], [0], [1], [1]])}, r"image 7: expected xmin <= xmax .* got nan 0 1 1"),
    ],
)
def test_variables_that_are_wrong(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = write_mat(tmp_path / "a.mat", ONE | changes)
    with pytest.raises(ValueError, match=message):
        read_devkit_mat(path)


def test_a_number_that_stands_twice(tmp_path: Path) -> None:
    two = {
        "gt_img_ids": np.array([[7], [7]]),
        "gt_obj_labels": cell([[1]], [[1]]),
        "gt_obj_bboxes": cell([[0], [0], [1], [1]], [[0], [0], [1], [1]]),
    }
    with pytest.raises(ValueError, match=r"a\.mat: expected every number of gt_img_ids once, got repeats"):
        read_devkit_mat(write_mat(tmp_path / "a.mat", two))


def test_a_missing_variable(tmp_path: Path) -> None:
    path = write_mat(tmp_path / "a.mat", {"gt_img_ids": np.array([[7]])})
    with pytest.raises(ValueError, match=r"a\.mat: expected the devkit's variable gt_obj_labels"):
        read_devkit_mat(path)


def test_files_that_are_wrong(tmp_path: Path) -> None:
    whole = write_mat(tmp_path / "a.mat", mat_variables()).read_bytes()
    for data in (
        b"",
        b"not a mat file",
        whole[:100],
        whole[: len(whole) // 2],
        whole[:128] + b"\xff" * 64,
        whole[:128],
    ):
        (tmp_path / "b.mat").write_bytes(data)
        with pytest.raises(ValueError, match=r"b\.mat: expected ") as caught:
            read_devkit_mat(tmp_path / "b.mat")
        assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match=r"cannot read .*none\.mat: No such file"):
        read_devkit_mat(tmp_path / "none.mat")


@pytest.mark.parametrize("seed", range(4))
def test_damage_never_reaches_further_than_an_error(tmp_path: Path, seed: int) -> None:
    """Without the check of the file SciPy ends the process with a segmentation fault on some of these."""
    rng = np.random.default_rng(seed)
    whole = write_mat(tmp_path / "a.mat", mat_variables()).read_bytes()
    expected = read_devkit_mat(tmp_path / "a.mat")
    for _ in range(100):
        data = bytearray(whole)
        for place in rng.integers(len(data), size=rng.integers(1, 4)):
            data[place] = rng.integers(256)
        (tmp_path / "b.mat").write_bytes(data)
        with contextlib.suppress(ValueError):
            found = read_devkit_mat(tmp_path / "b.mat")
            assert np.array_equal(found.boxes, expected.boxes)


@pytest.mark.shared
def test_the_real_file_and_the_tree_it_was_made_from(shared_folder: Path) -> None:
    index = read_image_index(shared_folder / "ilsvrc" / "val.txt")
    truth = read_devkit_mat(shared_folder / "ilsvrc" / "ILSVRC2015_det_validation_ground_truth.mat", index)
    assert (len(truth.images), len(truth.labels)) == (20121, 55502)
    assert len(set(truth.labels.tolist())) == 200
    assert dict(zip(truth.images, truth.numbers.tolist(), strict=True)) == index
    tree = read_ilsvrc_tree(shared_folder / "images" / "ilsvrc_det")
    same = restrict(truth, tree.images)
    assert same.images == tree.images
    for name in ("numbers", "image_of", "boxes", "labels", "ignored"):
        assert np.array_equal(getattr(same, name), getattr(tree, name)), name
