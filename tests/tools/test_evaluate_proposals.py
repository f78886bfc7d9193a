"""`googlenet-rcnn evaluate proposals`: its files, its refusals, and real proposals of real photos."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path

import pytest
from annotation_trees import mat_variables, write_mat
from small_recall import write_small_set

from tools.cli import main


def evaluate(folder: Path, *more: str) -> int:
    arguments = ["--proposals", str(folder / "proposals"), "--ground-truth", str(folder / "tree")]
    return main(["evaluate", "proposals", *arguments, "--out", str(folder / "out"), *more])


def error(capsys: pytest.CaptureFixture[str]) -> str:
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    return output.err


def test_it_prints_a_table_and_writes_three_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_small_set(tmp_path)
    assert evaluate(tmp_path) == 0
    text = capsys.readouterr().out
    assert "  all         34.0     0.667     0.333   0.500   0.625   0.333" in text
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == ["metrics.json", "per_class.csv", "recall.png"]
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["budgets"]["all"]["AR"] == 0.333333
    assert metrics["settings"]["proposals"] == str(tmp_path / "proposals")
    assert metrics["versions"]["numpy"]
    assert (out / "recall.png").read_bytes().startswith(b"\x89PNG")


def test_some_of_the_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_small_set(tmp_path)
    (tmp_path / "list.txt").write_text("c 1\na 2\n")
    assert evaluate(tmp_path, "--image-list", str(tmp_path / "list.txt")) == 0
    assert "2 images with 2 objects of 2 of 200 classes" in capsys.readouterr().out


def test_results_are_replaced_when_asked_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_small_set(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "recall.png").write_text("mine")
    assert evaluate(tmp_path) == 2
    assert "already holds recall.png: give --overwrite to replace results" in error(capsys)
    assert (tmp_path / "out" / "recall.png").read_text() == "mine"
    assert evaluate(tmp_path, "--overwrite") == 0
    assert (tmp_path / "out" / "recall.png").read_bytes().startswith(b"\x89PNG")


def test_inputs_that_are_wrong_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_small_set(tmp_path)
    mat = write_mat(tmp_path / "cache.mat", mat_variables())
    (tmp_path / "list.txt").write_text("zebra\n")
    for more, message in [
        (["--ground-truth", str(mat)], "--image-index: expected ILSVRC's val.txt: "),
        (["--ground-truth", str(tmp_path / "nowhere")], "--ground-truth: no such file or folder: "),
        (["--proposals", str(tmp_path / "tree")], "--proposals: expected .npz files as `googlenet-rcnn propose`"),
        (["--image-list", str(tmp_path / "list.txt")], "list.txt, line 1: zebra is not among the images of "),
        (["--image-index", str(tmp_path / "list.txt")], "list.txt, line 1: expected 'NAME INDEX', got 'zebra'"),
        (["--out", ""], "--out: expected a folder, got nothing"),
        (["--out", str(mat)], "--out: expected a folder, got the file "),
    ]:
        assert evaluate(tmp_path, *more) == 2
        assert message in error(capsys)
    shutil.rmtree(tmp_path / "proposals" / "val")
    assert evaluate(tmp_path) == 2
    assert "has no file for 2 of 3 images of the ground truth, the first a;" in error(capsys)
    assert not (tmp_path / "out").exists()


def test_a_missing_flag_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "proposals", "--out", "x"]) == 2
    assert "googlenet-rcnn evaluate proposals --help" in error(capsys)


@pytest.mark.shared
def test_real_proposals_cover_what_the_design_says(
    shared_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Four photos of ILSVRC DET val, through `propose` and `evaluate`; by name and by the devkit's cache."""
    det = shared_folder / "images" / "ilsvrc_det"
    names = (det / "ImageSets" / "DET" / "val.txt").read_text().split()[:8:2]
    photos = [str(det / "Data" / "DET" / "val" / f"{name}.JPEG") for name in names]
    (tmp_path / "list.txt").write_text("\n".join(names))
    assert main(["propose", *photos, "--out", str(tmp_path / "proposals"), "--workers", "1"]) == 0
    listed = ["--image-list", str(tmp_path / "list.txt")]
    mat = shared_folder / "ilsvrc" / "ILSVRC2015_det_validation_ground_truth.mat"
    index = ["--image-index", str(shared_folder / "ilsvrc" / "val.txt")]
    assert evaluate(tmp_path, "--ground-truth", str(det), *listed) == 0
    by_name = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert evaluate(tmp_path, "--ground-truth", str(mat), *listed, *index, "--overwrite") == 0
    by_number = json.loads((tmp_path / "out" / "metrics.json").read_text())
    capsys.readouterr()
    assert by_name["budgets"] == by_number["budgets"]
    assert by_name["num_images"] == 4
    assert by_name["images_of_other_size"] == []
    assert by_name["budgets"]["all"]["coverage"] > 0.7


def test_a_coco_file_without_categories_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_small_set(tmp_path)
    truth = tmp_path / "truth.json"
    truth.write_text(json.dumps({"images": [{"id": 1, "file_name": "a.jpg"}], "categories": [], "annotations": []}))
    assert evaluate(tmp_path, "--ground-truth", str(truth)) == 2
    assert f"{truth}: expected at least one category" in error(capsys)


def test_a_full_disk(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(old: Path, new: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    write_small_set(tmp_path)
    monkeypatch.setattr(os, "replace", refuse)
    assert evaluate(tmp_path) == 1
    text = capsys.readouterr().err
    assert text.endswith("recall.png: No space left on device; make room\n"), "there is no --resume"
