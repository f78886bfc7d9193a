"""`googlenet-rcnn detect` in this process, with a detector that needs no network: sources, what is written."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import pty
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_runs import files_in
from odd_images import encode, make_odd_images, make_pipe, quadrants
from PIL import Image
from run_files import description, make_photos, records, refused, timeless

from configs.detection import DetectionConfig
from detect.drawing import class_colour
from detect.pipeline import GROUP
from tools.cli import main

pytestmark = pytest.mark.usefixtures("here")


# What a run writes


def test_a_run_writes_records_pictures_and_a_description(fake: Any, capsys: pytest.CaptureFixture[str]) -> None:
    names = make_photos(5)
    assert main(["detect", "photos", "--out", "out"]) == 0
    output = capsys.readouterr()
    assert output.out == "5 images, 10 detections in out/detections.jsonl; pictures in out/pictures\n"
    assert output.err.splitlines()[-1].startswith("5/5 images, ")
    assert [record["image"] for record in records()] == names
    for i, record in enumerate(records()):
        width = 40 + i
        assert (record["width"], record["height"], record["num_proposals"]) == (width, 30, 2)
        label = (width + 7 * 30) % 200
        assert [found["label"] for found in record["detections"]] == [label, label]
        assert [found["box"] for found in record["detections"]] == [[0, 0, width, 30], [0, 0, width / 2, 15]]
        assert [found["score"] for found in record["detections"]] == [0.9, 0.45]
        assert set(record["seconds"]) == {"decode", "propose", "classify"}
    assert files_in("out") == {"run.json", "detections.jsonl", *(f"pictures/{name}.jpg" for name in names)}
    run = description()
    assert run["status"] == "finished"
    assert run["counts"] == {"images": 5, "failed": 0, "detections": 10, "proposals": 10}
    assert run["model"] == {"name": "bvlc_googlenet", "file": "det200", "sha256": "0" * 64}
    assert run["config"]["min_score"] == DetectionConfig().min_score
    assert run["sources"] == ["photos"]
    packages = {"googlenet-rcnn", "torch", "torchvision", "numpy", "numba", "opencv-contrib-python", "pillow"}
    assert set(run["settings"]["versions"]) == packages
    assert {"commit", "python", "processor"} <= set(run)


def test_every_odd_image_in_one_folder(fake: Any, capsys: pytest.CaptureFixture[str]) -> None:
    Path("photos/sub").mkdir(parents=True)
    expected = {f"sub/{name}": expectation for name, expectation in make_odd_images(Path("photos/sub")).items()}
    pipe = f"sub/{make_pipe(Path('photos/sub'))}"
    status = main(["detect", "photos", "--out", "out", "--workers", "2", "--export", "coco,ilsvrc,csv"])
    assert status == 3
    names = [record["image"] for record in records()]
    assert sorted(names) == sorted([*expected, pipe]), "nothing lost, nothing twice"
    assert names == sorted(names)
    failed = 0
    for record in records():
        name = record["image"]
        if name == pipe or expected[name].error is not None:
            failed += 1
            assert set(record) == {"image", "error"}
            assert (expected[name].error if name != pipe else "named pipe") in record["error"]
            assert not Path("out/pictures", name).exists()
            continue
        assert (record["height"], record["width"]) == expected[name].size
        assert record["detections"], name
        for found in record["detections"]:
            x1, y1, x2, y2 = found["box"]
            assert 0 <= x1 < x2 <= record["width"]
            assert 0 <= y1 < y2 <= record["height"]
    assert f"{failed} of {len(names)} images failed; out/detections.jsonl says why" in capsys.readouterr().err
    pictures = {path for path in files_in("out") if path.startswith("pictures/sub/")}
    assert len(pictures) == len(names) - failed
    assert description()["counts"]["failed"] == failed
    with Path("out/detections.csv").open(newline="", encoding="utf-8") as file:
        listed = [row["image"] for row in csv.DictReader(file)]
    assert len(set(listed)) == len(names) - failed
    assert {"sub/new\nline.png", "sub/snö 雪 ❄.png"} <= set(listed)


def test_boxes_of_a_turned_photo_are_in_the_upright_frame(fake: Any) -> None:
    Path("photos").mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6
    Path("photos/a.jpg").write_bytes(encode(quadrants(30, 50), "JPEG", exif=exif))
    assert main(["detect", "photos", "--out", "out"]) == 0
    (record,) = records()
    assert (record["width"], record["height"]) == (30, 50)
    assert record["detections"][0]["box"] == [0, 0, 30, 50]
    with Image.open("out/pictures/a.jpg") as picture:
        assert picture.size == (30, 50)


def test_pictures_keep_sub_folders_and_show_the_class_colour(fake: Any) -> None:
    Path("photos/a b").mkdir(parents=True)
    Path("photos/a b/x.png").write_bytes(encode(np.full((300, 400, 3), 90, np.uint8), "PNG"))
    assert main(["detect", "photos", "--out", "out"]) == 0
    with Image.open("out/pictures/a b/x.png.jpg") as picture:
        pixels = np.asarray(picture).astype(int)
    colour = class_colour((400 + 7 * 300) % 200)
    assert np.abs(pixels[299, 100:300].mean(axis=0) - colour).max() < 60


def test_no_draw_writes_no_pictures(fake: Any, capsys: pytest.CaptureFixture[str]) -> None:
    make_photos()
    assert main(["detect", "photos", "--out", "out", "--no-draw"]) == 0
    assert files_in("out") == {"run.json", "detections.jsonl"}
    assert "pictures" not in capsys.readouterr().out


def test_images_that_would_share_a_picture_do_not(fake: Any) -> None:
    make_photos(1)
    photo = Path("photos/00.png").read_bytes()
    for name in ("a", "a.jpg", "a.png", "a.png.jpg", "n" * 251 + ".png"):
        Path("photos", name).write_bytes(photo)
    assert main(["detect", "photos", "photos/a", "--out", "out"]) == 0
    assert len([name for name in files_in("out") if name.startswith("pictures/")]) == len(records()) == 6


def test_a_terminal_gets_a_bar_and_a_broken_pipe_is_no_error(fake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """stderr is a terminal, stdout a pipe that nobody reads."""
    make_photos(3)
    Path("photos/01.png").write_bytes(b"")
    terminal, end = pty.openpty()
    shown: list[bytes] = []

    def watch() -> None:
        with contextlib.suppress(OSError):  # how Linux says that the other end is closed
            while data := os.read(terminal, 4096):
                shown.append(data)

    watcher = threading.Thread(target=watch)
    watcher.start()
    reader, writer = os.pipe()
    os.close(reader)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with os.fdopen(end, "w") as stderr, os.fdopen(writer, "w") as stdout, monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", stderr)
        patched.setattr(sys, "stdout", stdout)
        status = main(["detect", "photos", "--out", "out"])
    watcher.join(10)
    os.close(terminal)
    assert status == 3
    text = b"".join(shown).decode()
    for wanted in ("detecting", "━", "3/3", "1 failed", "1 of 3 images failed"):
        assert wanted in text
    for unwanted in ("Broken", "Traceback", "images/s,"):
        assert unwanted not in text


# Sources


def test_an_empty_folder_and_a_missing_source_are_recorded(fake: Any) -> None:
    make_photos(1)
    Path("empty").mkdir()
    assert main(["detect", "empty", "gone.jpg", "photos", "--out", "out"]) == 3
    assert [(record["image"], record.get("error")) for record in records()] == [
        ("empty", "no image in this folder, 0 other files"),
        ("gone.jpg", "no such file or folder"),
        ("photos/00.png", None),
    ]


def test_the_same_picture_twice_is_searched_once(fake: Any, capsys: pytest.CaptureFixture[str]) -> None:
    make_photos(2)
    Path("photos/notes.txt").write_text("00.png\n")
    assert main(["detect", "photos", "photos/00.png", "./photos/../photos/*.png", "--out", "out"]) == 0
    assert [record["image"] for record in records()] == ["00.png", "01.png"]
    assert "3 named more than once, taken once; 1 files that are not pictures passed over" in capsys.readouterr().err


@pytest.mark.parametrize("out", [".", "photos", "photos/", "photos/../photos"])
def test_results_may_go_beside_the_photos(fake: Any, out: str) -> None:
    names = make_photos(2)
    source = "." if out == "." else "photos"
    expected = [f"photos/{name}" for name in names] if out == "." else names
    for option in ([], ["--resume"], ["--overwrite"]):
        assert main(["detect", source, "--out", out, "--export", "csv", *option]) == 0
        assert [record["image"] for record in records(out)] == expected
    assert all(Path("photos", name).exists() for name in names)


def test_photos_in_a_folder_that_is_called_pictures_are_safe(fake: Any, capsys: pytest.CaptureFixture[str]) -> None:
    make_photos(1, "home/pictures")
    before = Path("home/pictures/00.png").read_bytes()
    for option in ([], ["--resume"], ["--overwrite"]):
        text = refused(capsys, "detect", "home", "--out", "home", *option)
        assert "pictures is there already, and no run wrote it" in text
    assert files_in("home") == {"pictures/00.png"}
    assert Path("home/pictures/00.png").read_bytes() == before


# The same again


def test_two_runs_and_any_number_of_workers_agree(fake: Any) -> None:
    make_photos(9)
    for i, workers in enumerate(("1", "1", "3")):
        assert main(["detect", "photos", "--out", f"out{i}", "--workers", workers]) == 0
    assert timeless("out0") == timeless("out1") == timeless("out2")
    for name in files_in("out0"):
        if name.startswith("pictures/"):
            assert Path("out0", name).read_bytes() == Path("out2", name).read_bytes()


@pytest.mark.parametrize(("count", "n"), [(11, 2), (11, 3), (3, 5)])
def test_shards_one_after_the_other_are_the_whole(fake: Any, count: int, n: int) -> None:
    make_photos(count)
    assert main(["detect", "photos", "--out", "whole"]) == 0
    parts = []
    for i in range(1, n + 1):
        assert main(["detect", "photos", "--out", f"part{i}", "--shard", f"{i}/{n}", "--export", "coco"]) == 0
        assert not timeless(f"part{i}") or len(parts) % GROUP == 0, "a shard begins where a group of the whole does"
        parts += timeless(f"part{i}")
        assert description(f"part{i}")["status"] == "finished"
    assert parts == timeless("whole")


# Exports


def test_exports_agree_with_the_records(fake: Any) -> None:
    from pycocotools.coco import COCO

    make_photos(3)
    Path("photos/01.png").write_bytes(b"")
    assert main(["detect", "photos", "--out", "out", "--export", "coco,ilsvrc,csv"]) == 3
    expected = [(r["image"], f["det_id"], f["box"]) for r in records() for f in r.get("detections", ())]
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO("out/coco.json")
    boxes = [
        (
            coco.imgs[a["image_id"]]["file_name"],
            a["category_id"],
            [*a["bbox"][:2], *np.add(a["bbox"][:2], a["bbox"][2:])],
        )
        for a in coco.loadAnns(coco.getAnnIds())
    ]
    assert boxes == expected
    lines = [line.split() for line in Path("out/ilsvrc.txt").read_text().splitlines()]
    assert [line[0] for line in lines] == ["1", "1", "3", "3"], "positions in the records"
    assert lines[0] == ["1", str(expected[0][1]), "0.9", "0", "0", "39", "29"]


def test_an_image_index_gives_the_numbers(fake: Any) -> None:
    make_photos(2)
    Path("val.txt").write_text("01 31\n00 7\n02 9\n")
    argv = ["detect", "photos", "--out", "out", "--export", "ilsvrc", "--image-index", "val.txt"]
    assert main(argv) == 0
    assert [line.split()[0] for line in Path("out/ilsvrc.txt").read_text().splitlines()] == ["7", "7", "31", "31"]


def test_export_errors_are_found_before_any_work(capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    def must_not_run(config: Any) -> None:
        raise AssertionError("the network was loaded")

    monkeypatch.setattr("tools.detect.build_detector", must_not_run)
    make_photos(2)
    Path("val.txt").write_text("00 1\n")
    argv = ["detect", "photos", "--out", "out"]
    with_index = [*argv, "--export", "ilsvrc", "--image-index"]
    assert "expected a line for every image, found none for 01.png" in refused(capsys, *with_index, "val.txt")
    assert "--image-index: cannot read gone.txt: No such file" in refused(capsys, *with_index, "gone.txt")
    assert "--image-index: cannot read photos: Is a directory" in refused(capsys, *with_index, "photos")
    assert "expected --image-index, or all shards would number from 1" in refused(
        capsys, *argv, "--export", "ilsvrc", "--shard", "1/2"
    )
    assert "--image-index: expected --export ilsvrc with it" in refused(capsys, *argv, "--image-index", "val.txt")
    assert "--export: expected any of coco,ilsvrc,csv, got 'voc'" in refused(capsys, *argv, "--export", "voc")
    assert not Path("out").exists()
