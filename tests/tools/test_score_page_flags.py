"""`index.html` of `googlenet-rcnn evaluate detections`, and the flags that shape it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scored_files import generated_case, submission, write_truth
from scoring_cases import Case

from detect.ground_truth_files import read_ground_truth
from tools.cli import main

CASE = generated_case(images=8, rows=200)


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    truth = write_truth(tmp_path / "truth", CASE)
    (tmp_path / "found.txt").write_text(submission(CASE))
    flags = ["--predictions", str(tmp_path / "found.txt"), "--ground-truth", str(truth), "--out", str(tmp_path / "out")]
    return ["evaluate", "detections", *flags]


@pytest.fixture
def photos(tmp_path: Path, command: list[str]) -> Path:
    """As large as the annotation says; the first is damaged."""
    folder = tmp_path / "photos" / "val"
    folder.mkdir(parents=True)
    truth = read_ground_truth(tmp_path / "truth", image_list=None, image_index=None)
    rng = np.random.default_rng(0)
    for name, (height, width) in zip(truth.images, truth.sizes, strict=True):
        Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8)).save(folder / f"{Path(name).name}.png")
    (folder / "image11.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return tmp_path / "photos"


def page(tmp_path: Path) -> str:
    return (tmp_path / "out" / "index.html").read_text()


def test_by_default_there_is_a_page_without_pictures(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command) == 0
    text = page(tmp_path)
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert f"{metrics['mAP']:.4f}" in text
    assert "found.txt" in text
    assert str(tmp_path) not in text  # a page is passed on; where its files lay is nobody's business
    assert "give the folder of the photos with --images" in text
    assert "data:image/jpeg" not in text
    assert "boxes have no area" in text
    assert f"{tmp_path / 'out' / 'index.html'} shows them in a browser" in capsys.readouterr().out


def test_with_pictures(command: list[str], photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "--images", str(photos)]) == 0
    first = (tmp_path / "out" / "index.html").read_bytes()
    assert first.count(b"data:image/jpeg;base64,") > 10
    assert "8 of 8 images" in first.decode()
    error = capsys.readouterr().err
    assert "photos: 1 photos are not on the page, such as image11: truncated or damaged PNG" in error
    assert main([*command, "--images", str(photos), "--overwrite"]) == 0
    assert (tmp_path / "out" / "index.html").read_bytes() == first


def test_no_page_leaves_none_behind(command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command) == 0
    assert main([*command, "--overwrite", "--no-page"]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["metrics.json", "per_class.csv"]
    (tmp_path / "out" / "index.html").write_text("mine")
    (tmp_path / "out" / "metrics.json").unlink()
    (tmp_path / "out" / "per_class.csv").unlink()
    capsys.readouterr()
    assert main(command) == 2
    assert "already holds index.html: give --overwrite" in capsys.readouterr().err
    assert page(tmp_path) == "mine"


def test_without_analysis(command: list[str], tmp_path: Path) -> None:
    assert main([*command, "--no-analysis"]) == 0
    assert "Where the score is lost" not in page(tmp_path)


def test_refusals(command: list[str], photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def error(*flags: str) -> str:
        assert main([*command, *flags]) == 2
        assert not (tmp_path / "out").exists()
        return capsys.readouterr().err

    assert "--images: expected without --no-page" in error("--images", str(photos), "--no-page")
    assert "--images: expected a folder" in error("--images", str(tmp_path / "none"))
    assert "has no picture of any image of the ground truth" in error("--images", str(tmp_path / "truth"))


def test_a_class_without_objects_and_no_detections(tmp_path: Path) -> None:
    empty = Case(range(11, 13), [(11, 3, (0, 0, 9, 9), False)], classes=200)
    truth = write_truth(tmp_path / "truth", empty)
    (tmp_path / "none.txt").write_text("")
    flags = ["--predictions", str(tmp_path / "none.txt"), "--ground-truth", str(truth), "--out", str(tmp_path / "out")]
    assert main(["evaluate", "detections", *flags]) == 0
    assert "over 1 of 200 classes" in page(tmp_path)
