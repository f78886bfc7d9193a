"""`googlenet-rcnn detect` in this process, with a detector that needs no network: arguments, files, exit statuses."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import pty
import resource
import signal
import stat
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from odd_images import encode, make_odd_images, make_pipe, quadrants
from PIL import Image

from configs.detection import DetectionConfig
from configs.proposing import MODES
from detect.detection_records import read_records
from detect.drawing import class_colour
from detect.pipeline import GROUP
from detect.run_folder import RunFolder
from tools.cli import main


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test runs in an empty folder; sources and --out are relative to it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make_photos(count: int = 3, folder: str = "photos") -> list[str]:
    """Pictures of different sizes, named in order."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    names = [f"{i:02}.png" for i in range(count)]
    for i, name in enumerate(names):
        Path(folder, name).write_bytes(encode(quadrants(30, 40 + i), "PNG"))
    return names


def records(out: str = "out") -> list[dict[str, Any]]:
    return list(read_records(Path(out, "detections.jsonl")))


def timeless(out: str = "out") -> list[dict[str, Any]]:
    return [{name: value for name, value in record.items() if name != "seconds"} for record in records(out)]


def description(out: str = "out") -> dict[str, Any]:
    content: dict[str, Any] = json.loads(Path(out, "run.json").read_bytes())
    return content


def files_in(folder: str) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if not path.is_dir()}


def refused(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """The one line of a command that exits with status 2 and says nothing else."""
    assert main(list(argv)) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    assert "Traceback" not in output.err
    assert output.err.startswith("googlenet-rcnn: ")
    return output.err.removeprefix("googlenet-rcnn: ")


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


# --out, --resume, --overwrite


def test_out_that_holds_a_run_is_refused(fake: Any, capsys: pytest.CaptureFixture[str]) -> None:
    make_photos()
    assert main(["detect", "photos", "--out", "out"]) == 0
    before = {name: Path("out", name).read_bytes() for name in files_in("out")}
    capsys.readouterr()
    assert "already holds a run: give --resume to continue it, or --overwrite" in refused(
        capsys, "detect", "photos", "--out", "out"
    )
    assert "expected one of them, got both" in refused(
        capsys, "detect", "photos", "--out", "out", "--resume", "--overwrite"
    )
    assert before == {name: Path("out", name).read_bytes() for name in files_in("out")}


def test_resume_of_a_finished_run_changes_nothing_and_can_add_exports(fake: Any) -> None:
    make_photos()
    assert main(["detect", "photos", "--out", "out"]) == 0
    before = Path("out/detections.jsonl").read_bytes()
    assert main(["detect", "photos", "--out", "out", "--resume", "--export", "coco"]) == 0
    assert Path("out/detections.jsonl").read_bytes() == before
    assert Path("out/coco.json").exists()
    assert description()["status"] == "finished"
    assert description()["counts"]["images"] == 3


def test_resume_with_another_setting_or_model_is_refused_with_the_difference(
    fake: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    make_photos()
    assert main(["detect", "photos", "--out", "out"]) == 0
    capsys.readouterr()
    argv = ["detect", "photos", "--out", "out", "--resume"]
    assert f"min_score was {DetectionConfig().min_score}, is 0.2;" in refused(capsys, *argv, "--min-score", "0.2")
    assert "proposals.superpixel_scale was 2.0, is 1.0;" in refused(capsys, *argv, "--proposals.superpixel_scale", "1")
    assert "draw was True, is False;" in refused(capsys, *argv, "--no-draw")
    assert "shard was None, is '1/2';" in refused(capsys, *argv, "--shard", "1/2")
    fake.classifier.sha256 = "f" * 64
    assert f"model_sha256 was '{'0' * 64}', is '{'f' * 64}';" in refused(capsys, *argv)


def test_resume_takes_settings_that_change_nothing(fake: Any) -> None:
    make_photos()
    assert main(["detect", "photos", "--out", "out"]) == 0
    same = ["--workers", "2", "--device", "cpu", "--proposals.mode", "fast", "--proposals.superpixel_scale", "2"]
    assert main(["detect", "photos", "--out", "out", "--resume", *same]) == 0


def test_the_superpixel_scale_may_be_spelled_as_other_flags_are(fake: Any) -> None:
    make_photos(1)
    for i, flag in enumerate(("--proposals.superpixel-scale", "--proposals.superpixel_scale")):
        assert main(["detect", "photos", "--out", f"out{i}", flag, "3"]) == 0
        assert description(f"out{i}")["config"]["proposals"]["superpixel_scale"] == 3.0


def test_resume_with_changed_sources_is_refused(fake: Any, capsys: pytest.CaptureFixture[str]) -> None:
    names = make_photos()
    assert main(["detect", "photos", "--out", "out"]) == 0
    capsys.readouterr()
    Path("photos/00a.png").write_bytes(Path("photos/00.png").read_bytes())
    text = refused(capsys, "detect", "photos", "--out", "out", "--resume")
    assert "has '01.png' as image 2, the sources now give '00a.png'; restore the sources, or give --overwrite" in text
    Path("photos/00a.png").unlink()
    Path("photos/99.png").write_bytes(Path("photos/00.png").read_bytes())
    assert main(["detect", "photos", "--out", "out", "--resume"]) == 0
    assert [record["image"] for record in records()] == [*names, "99.png"]


def test_overwrite_deletes_only_what_the_run_wrote(fake: Any) -> None:
    make_photos(3)
    assert main(["detect", "photos", "--out", "out", "--export", "coco,ilsvrc,csv"]) == 0
    for mine in ("mine.txt", "pictures/mine.jpg"):
        Path("out", mine).write_text("mine")
    Path("photos/02.png").unlink()
    assert main(["detect", "photos", "--out", "out", "--overwrite", "--min-score", "0.5"]) == 0
    assert files_in("out") == {
        "run.json",
        "detections.jsonl",
        "mine.txt",
        "pictures/mine.jpg",
        "pictures/00.png.jpg",
        "pictures/01.png.jpg",
    }


def test_out_is_a_file_or_nothing(fake: Any, capsys: pytest.CaptureFixture[str]) -> None:
    make_photos(1)
    Path("out").write_text("")
    assert "--out out: expected a folder, got a file" in refused(capsys, "detect", "photos", "--out", "out")
    assert "--out: expected a folder, got nothing" in refused(capsys, "detect", "photos", "--out", "")


def test_out_that_cannot_be_written(fake: Any, capsys: pytest.CaptureFixture[str]) -> None:
    make_photos(1)
    assert main(["detect", "photos", "--out", "/proc/nowhere/out"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("googlenet-rcnn: cannot write /proc/nowhere/out: ")
    assert error.count("\n") == 1


def test_a_disk_that_fills_up_ends_the_run_with_one_line(
    fake: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_photos(6)
    write, written = os.replace, 0

    def full_after_three(old: Path, new: Path) -> None:
        nonlocal written
        written += 1
        if written > 4:  # run.json and three pictures
            raise OSError(28, "No space left on device")
        write(old, new)

    monkeypatch.setattr(os, "replace", full_after_three)
    assert main(["detect", "photos", "--out", "out"]) == 1
    error = capsys.readouterr().err
    expected = "cannot write out/pictures/03.png.jpg: No space left on device; make room and continue with --resume"
    assert error == f"googlenet-rcnn: {expected}\n"
    assert len(records()) == 3
    assert description()["status"] == "unfinished"
    monkeypatch.setattr(os, "replace", write)
    assert main(["detect", "photos", "--out", "out", "--resume"]) == 0
    assert main(["detect", "photos", "--out", "whole"]) == 0
    assert timeless() == timeless("whole")
    assert files_in("out") == files_in("whole")


def test_files_that_may_not_grow_further_end_the_run_with_whole_records(
    fake: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """A limit on the size of files is a full disk of another kind: one write is short, the next fails."""
    make_photos(20)
    assert main(["detect", "photos", "--out", "whole", "--no-draw"]) == 0
    assert Path("whole/run.json").stat().st_size < 4000 < Path("whole/detections.jsonl").stat().st_size
    capsys.readouterr()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, before[1]))
    try:
        status = main(["detect", "photos", "--out", "out", "--no-draw"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert status == 1
    sentence = "cannot write out/detections.jsonl: File too large; make room and continue with --resume"
    assert capsys.readouterr().err == f"googlenet-rcnn: {sentence}\n"
    assert 3000 < Path("out/detections.jsonl").stat().st_size <= 4000
    assert timeless() == timeless("whole")[: len(timeless())]
    assert main(["detect", "photos", "--out", "out", "--no-draw", "--resume"]) == 0
    assert timeless() == timeless("whole")


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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("after", [1, 4, 6])
def test_a_signal_between_any_two_records_and_resume(
    fake: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, number: int, after: int
) -> None:
    make_photos(7)
    handler = signal.getsignal(signal.SIGTERM)
    append, count = RunFolder.append, 0

    def interrupting(self: RunFolder, record: Any) -> None:
        nonlocal count
        count += 1
        if count == after:
            os.kill(os.getpid(), number)
        append(self, record)

    monkeypatch.setattr(RunFolder, "append", interrupting)
    assert main(["detect", "photos", "--out", "out"]) == 1
    done = "after " + str(after - 1) + " of 7 images" if after > 1 else "before the first image"
    assert capsys.readouterr().err == f"googlenet-rcnn: interrupted {done}; continue with --resume\n"
    assert signal.getsignal(signal.SIGTERM) is handler
    assert description()["status"] == "unfinished"
    monkeypatch.setattr(RunFolder, "append", append)
    assert main(["detect", "photos", "--out", "out", "--resume"]) == 0
    assert capsys.readouterr().err.splitlines()[-1].startswith("7/7 images")
    assert main(["detect", "photos", "--out", "whole"]) == 0
    assert timeless() == timeless("whole")
    assert description()["counts"] == description("whole")["counts"]


def test_a_half_written_last_line_is_done_again(fake: Any) -> None:
    make_photos(5)
    assert main(["detect", "photos", "--out", "whole"]) == 0
    whole = Path("whole/detections.jsonl").read_bytes()
    assert main(["detect", "photos", "--out", "out"]) == 0
    lines = whole.splitlines(keepends=True)
    for cut in (0, 1, len(lines[0]) - 1, len(lines[0]), len(lines[0]) + 40, len(whole) - 1):
        Path("out/detections.jsonl").write_bytes(whole[:cut])
        assert main(["detect", "photos", "--out", "out", "--resume"]) == 0
        assert timeless() == timeless("whole")


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


# Settings


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--min-score", "1.01"], "--min-score: expected a number in [0, 1], got 1.01"),
        (["--min-score", ".nan"], "--min-score: expected a number in [0, 1], got nan"),
        (["--min-score", "high"], "--min-score: Expected a float. Got value: high"),
        (["--nms-iou", "-0.1"], "--nms-iou: expected a number in [0, 1], got -0.1"),
        (["--max-detections", "0"], "--max-detections: expected at least 1, got 0"),
        (["--max-detections", "1.5"], "--max-detections: Expected a int"),
        (["--batch-size", "0"], "--batch-size: expected at least 1, got 0"),
        (["--workers", "0"], "--workers: expected at least 1, got 0"),
        (["--regions", "shred"], "--regions: expected one of warp, shared, got 'shred'"),
        (["--short-sides", "[8]"], "--short-sides: expected some, of 16 to 1000 pixels, got [8]"),
        (["--precision", "fp8"], "--precision: expected one of auto, fp32, bf16, got 'fp8'"),
        (["--proposals.mode", "slow"], f"--proposals.mode: expected one of {', '.join(MODES)}, got 'slow'"),
        (["--proposals.superpixel_scale", "0"], "--proposals.superpixel_scale: expected a finite number above 0"),
        (["--proposals.limit", "0"], "--proposals.limit: expected at least 1, got 0"),
        (["--proposals.seed", "-1"], "--proposals.seed: expected at least 0, got -1"),
        (["--shard", "3/2"], "--shard: expected i/n with i from 1 to n, got '3/2'"),
        (["--shard", "half"], "--shard: expected i/n such as 2/8, got 'half'"),
        (["--min-scor", "0.2"], "unrecognized arguments: --min-scor 0.2 (did you mean --min-score?)"),
        (["--proposals.superpixels", "2"], "(did you mean --proposals.superpixel_scale?)"),
        (["--config", "gone.yaml"], "--config: File does not exist"),
    ],
)
def test_settings_out_of_range_are_one_line(
    fake: Any, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    make_photos(1)
    assert message in refused(capsys, "detect", "photos", "--out", "out", *options)
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("min_scor: 0.1", "does not accept option 'min_scor' (did you mean --min-score?)"),
        ("proposals:\n  mod: fast", "does not accept option 'proposals.mod' (did you mean --proposals.mode?)"),
        ("min_score: high", "--min-score: Expected a float"),
        ("min_score: 7", "--min-score: expected a number in [0, 1], got 7.0"),
        ("a: [", "Problems parsing config"),
        ("- a\n- b", "config"),
    ],
)
def test_a_wrong_config_file_is_one_line(
    fake: Any, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    make_photos(1)
    Path("c.yaml").write_text(text)
    assert message in refused(capsys, "detect", "photos", "--out", "out", "--config", "c.yaml")


def test_a_config_file_can_hold_everything_and_flags_win(fake: Any) -> None:
    make_photos(2)
    Path("c.yaml").write_text(
        "source: [photos]\nout: out\nmin_score: 0.25\ndraw: false\nexport: csv\n"
        "proposals:\n  mode: single\n  limit: 9\n"
    )
    assert main(["detect", "--config", "c.yaml", "--proposals.limit", "5"]) == 0
    config = description()["config"]
    assert (config["min_score"], config["proposals"]["mode"], config["proposals"]["limit"]) == (0.25, "single", 5)
    assert files_in("out") == {"run.json", "detections.jsonl", "detections.csv"}


def test_print_config_can_be_read_back(fake: Any, capsys: pytest.CaptureFixture[str]) -> None:
    make_photos(1)
    argv = ["detect", "photos", "--out", "out", "--min-score", "0.25", "--proposals.superpixel_scale", "1"]
    with pytest.raises(SystemExit) as leaves:
        main([*argv, "--print_config"])
    assert leaves.value.code == 0
    Path("c.yaml").write_text(capsys.readouterr().out)
    assert not Path("out").exists()
    assert main(["detect", "--config", "c.yaml"]) == 0
    assert description()["config"]["min_score"] == 0.25
    assert description()["config"]["proposals"]["superpixel_scale"] == 1.0


@pytest.mark.parametrize(("model", "message"), [("nope", "no model file nope"), (".", "is a folder")])
def test_a_model_that_cannot_be_found(capsys: pytest.CaptureFixture[str], model: str, message: str) -> None:
    make_photos(1)
    assert message in refused(capsys, "detect", "photos", "--out", "out", "--model", model)
    assert not Path("out").exists()


def test_a_model_file_that_is_damaged(capsys: pytest.CaptureFixture[str]) -> None:
    make_photos(1)
    Path("m.safetensors").write_bytes(b"nonsense")
    text = refused(capsys, "detect", "photos", "--out", "out", "--model", "m.safetensors")
    assert "m.safetensors: not a whole safetensors file" in text


def test_nothing_is_written_outside_out(fake: Any, here: Path) -> None:
    make_photos(2)
    Path("photos").chmod(stat.S_IRUSR | stat.S_IXUSR)
    assert main(["detect", "photos", "--out", "out", "--export", "coco,ilsvrc,csv"]) == 0
    assert {path.name for path in here.iterdir()} == {"photos", "out"}
    assert files_in("photos") == {"00.png", "01.png"}
