"""Telling one format from another, lists of images, and numbers from elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from annotation_trees import (
    coco_data,
    mat_variables,
    write_annotation,
    write_ilsvrc_tree,
    write_json,
    write_mat,
    write_voc_tree,
)

from detect.ground_truth_files import read_ground_truth


def lines(tmp_path: Path, text: str, name: str = "list.txt") -> Path:
    (tmp_path / name).write_text(text)
    return tmp_path / name


def test_each_format_is_told_from_what_is_there(tmp_path: Path) -> None:
    det = write_ilsvrc_tree(tmp_path / "det", {"a": []})
    loc = write_ilsvrc_tree(tmp_path / "loc", {"a": []}, kind="CLS-LOC")
    voc = write_voc_tree(tmp_path / "voc", {"a": []}, lists={"val": "a\n"})
    coco = write_json(tmp_path / "coco.JSON", coco_data())
    mat = write_mat(tmp_path / "cache.mat", mat_variables())
    assert [len(read_ground_truth(path).classes) for path in (det, loc, voc, coco, mat)] == [200, 1000, 20, 2, 200]
    write_annotation(det / "Annotations" / "CLS-LOC" / "val" / "a.xml", [])
    assert len(read_ground_truth(det).classes) == 200


def test_a_list_restricts_every_format(tmp_path: Path) -> None:
    for name, path, images in [
        ("b 7\n", write_ilsvrc_tree(tmp_path / "det", {"a": [], "b": []}), ("b",)),
        ("b\n", write_voc_tree(tmp_path / "voc", {"a": [], "b": []}, lists={"val": "a\nb\n"}), ("b",)),
        ("a.b 1\n", write_json(tmp_path / "coco.json", coco_data()), ("a.b",)),
    ]:
        assert read_ground_truth(path, image_list=lines(tmp_path, name)).images == images
        with pytest.raises(ValueError, match=r"list\.txt, line 2: zebra is not among the images of "):
            read_ground_truth(path, image_list=lines(tmp_path, name + "zebra\n"))


def test_a_cache_needs_an_index_before_a_list(tmp_path: Path) -> None:
    mat = write_mat(tmp_path / "cache.mat", mat_variables())
    listed = lines(tmp_path, "z 1\ny 2\n")
    with pytest.raises(ValueError, match=r"--image-list: expected --image-index with it: .*cache\.mat has no names"):
        read_ground_truth(mat, image_list=listed)
    truth = read_ground_truth(mat, image_list=listed, image_index=lines(tmp_path, "x 40000\ny 2\nz 3\n", "val.txt"))
    assert (truth.images, truth.numbers.tolist()) == (("y", "z"), [2, 3])


def test_numbers_from_an_index(tmp_path: Path) -> None:
    tree = write_ilsvrc_tree(tmp_path, {"sub/a": [], "b": []})
    index = lines(tmp_path, "other 1\na 5\nb 6\n")
    assert read_ground_truth(tree, image_index=index).numbers.tolist() == [5, 6]
    with pytest.raises(ValueError, match=r"--image-index: expected a line for every image, found none for b"):
        read_ground_truth(tree, image_index=lines(tmp_path, "a 5\n"))
    with pytest.raises(ValueError, match=r"--image-index: sub/a and b are both number 5"):
        read_ground_truth(tree, image_index=lines(tmp_path, "a 5\nb 5\n"))


def test_what_is_none_of_them(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"--ground-truth: no such file or folder: .*nowhere"):
        read_ground_truth(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"--ground-truth: expected an ILSVRC or VOC tree, found no folder Annot"):
        read_ground_truth(tmp_path)
    with pytest.raises(ValueError, match=r"--ground-truth: expected an ILSVRC or VOC tree, a COCO \.json or .*list"):
        read_ground_truth(lines(tmp_path, ""))
    with pytest.raises(ValueError, match=r"cannot read .*none\.mat"):
        read_ground_truth(tmp_path / "none.mat")
    (tmp_path / "folder.mat").mkdir()
    with pytest.raises(ValueError, match=r"found no folder Annotations"):
        read_ground_truth(tmp_path / "folder.mat")
