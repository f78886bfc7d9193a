"""`googlenet-rcnn detect` in this process: --out, --resume and --overwrite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from made_runs import files_in
from run_files import description, make_photos, records, refused

from configs.detection import DetectionConfig
from tools.cli import main

pytestmark = pytest.mark.usefixtures("here")


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


def test_exports_of_fewer_photos_go_and_that_is_said_unless_they_are_made_anew(
    fake: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    make_photos(1)
    assert main(["detect", "photos", "--out", "out", "--export", "coco,csv"]) == 0
    make_photos(2)
    capsys.readouterr()
    assert main(["detect", "photos", "--out", "out", "--resume", "--export", "csv"]) == 0
    assert "googlenet-rcnn: coco.json: of fewer images than there are now, deleted; " in capsys.readouterr().err
    assert not Path("out/coco.json").exists()
    assert "01.png" in Path("out/detections.csv").read_text()


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
