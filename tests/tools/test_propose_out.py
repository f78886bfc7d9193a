"""`googlenet-rcnn propose` in this process: --out, --resume and --overwrite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from made_runs import files_in
from proposed_files import all_but_times
from run_files import make_photos, records, refused

from configs.proposing import ProposeConfig, search_mode
from proposals.proposal_files import read_proposals
from tools.cli import main

pytestmark = pytest.mark.usefixtures("here")


def test_out_that_holds_a_run_is_refused(fake_search: Any, capsys: pytest.CaptureFixture[str]) -> None:
    make_photos()
    argv = ["propose", "photos", "--out", "out"]
    assert main(argv) == 0
    before = all_but_times()
    capsys.readouterr()
    assert "already holds a run: give --resume to continue it, or --overwrite" in refused(capsys, *argv)
    assert "expected one of them, got both" in refused(capsys, *argv, "--resume", "--overwrite")
    assert all_but_times() == before


@pytest.mark.parametrize("options", [[], ["--resume"], ["--overwrite"]])
def test_a_folder_of_the_other_verb_is_refused(
    fake_search: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    make_photos(1)
    assert main(["propose", "photos", "--out", "proposed"]) == 0
    Path("detected").mkdir()
    Path("detected/run.json").write_text('{"settings": {}}')
    before = all_but_times("proposed")
    capsys.readouterr()
    text = refused(capsys, "propose", "photos", "--out", "detected", *options)
    assert text == "--out detected holds a run of `detect`, not of `propose`: choose another folder\n"
    text = refused(capsys, "detect", "photos", "--out", "proposed", *options)
    assert text == "--out proposed holds a run of `propose`, not of `detect`: choose another folder\n"
    assert all_but_times("proposed") == before
    assert files_in("detected") == {"run.json"}


@pytest.mark.parametrize("options", [[], ["--resume"], ["--overwrite"]])
def test_files_of_the_user_in_the_way_are_refused(
    fake_search: Any, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    make_photos(3)
    Path("photos/01.png.npz").write_bytes(b"features")
    text = refused(capsys, "propose", "photos", "--out", "photos", *options)
    assert text == "--out photos: 01.png.npz is there already, and no run wrote it; choose another folder\n"
    assert files_in("photos") == {"00.png", "01.png", "02.png", "01.png.npz"}
    assert Path("photos/01.png.npz").read_bytes() == b"features"


def test_a_file_and_a_folder_of_one_name_are_refused_before_any_work(
    fake_search: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    make_photos(1)
    make_photos(1, "photos/00.png.npz")
    text = refused(capsys, "propose", "photos", "--out", "out")
    assert "00.png.npz would have to be a file and a folder; give its images apart" in text


def test_resume_of_a_finished_run_changes_nothing(fake_search: Any) -> None:
    make_photos()
    assert main(["propose", "photos", "--out", "out"]) == 0
    before, text = all_but_times(), Path("out/proposals.jsonl").read_bytes()
    assert main(["propose", "photos", "--out", "out", "--resume"]) == 0
    assert all_but_times() == before
    assert Path("out/proposals.jsonl").read_bytes() == text


@pytest.mark.parametrize(
    ("options", "difference"),
    [
        (["--superpixel-scale", "2"], "superpixel_scale was 1.0, is 2.0;"),
        (["--limit", "5"], "limit was None, is 5;"),
        (["--seed", "1"], "seed was 0, is 1;"),
        (["--mode", "quality"], "mode was "),
        (["--search-width", "null"], "search_width was 500, is None;"),
        (["--min-side", "10"], "min_side was 20, is 10;"),
        (["--shard", "1/2"], "shard was None, is '1/2';"),
    ],
)
def test_resume_with_another_setting_is_refused_with_the_difference(
    fake_search: Any, capsys: pytest.CaptureFixture[str], options: list[str], difference: str
) -> None:
    make_photos(1)
    assert main(["propose", "photos", "--out", "out"]) == 0
    capsys.readouterr()
    text = refused(capsys, "propose", "photos", "--out", "out", "--resume", *options)
    assert f"out was made otherwise: {difference}" in text


def test_resume_takes_settings_that_change_nothing(fake_search: Any) -> None:
    make_photos(1)
    assert main(["propose", "photos", "--out", "out"]) == 0
    same = ["--workers", "2", "--mode", search_mode(ProposeConfig()), "--superpixel-scale", "1"]
    assert main(["propose", "photos", "--out", "out", "--resume", *same]) == 0


def test_resume_with_changed_sources_is_refused_and_new_ones_are_added(
    fake_search: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    make_photos(2)
    assert main(["propose", "photos", "--out", "out"]) == 0
    capsys.readouterr()
    Path("photos/00a.png").write_bytes(Path("photos/00.png").read_bytes())
    text = refused(capsys, "propose", "photos", "--out", "out", "--resume")
    assert "has '01.png' as image 2, the sources now give '00a.png'" in text
    Path("photos/00a.png").rename("photos/02.png")
    Path("out/02.png.npz").write_bytes(b"mine")
    text = refused(capsys, "propose", "photos", "--out", "out", "--resume")
    assert "02.png.npz is there already, and no run wrote it" in text, "the run was finished: it left nothing half done"
    Path("out/02.png.npz").unlink()
    assert main(["propose", "photos", "--out", "out", "--resume"]) == 0
    assert [record["image"] for record in records()] == ["00.png", "01.png", "02.png"]


def test_overwrite_deletes_only_what_the_run_wrote(fake_search: Any) -> None:
    make_photos(2, "photos/sub")
    make_photos(2, "photos/gone")
    assert main(["propose", "photos", "--out", "out"]) == 0
    for mine in ("mine.txt", "mine.npz", "sub/mine.npz"):
        Path("out", mine).write_text("mine")
    for path in Path("photos/gone").iterdir():
        path.unlink()
    assert main(["propose", "photos", "--out", "out", "--overwrite", "--limit", "1"]) == 0
    kept = {"mine.txt", "mine.npz", "sub/mine.npz"}
    assert files_in("out") == {"run.json", "proposals.jsonl", "sub/00.png.npz", "sub/01.png.npz", *kept}
    assert not Path("out/gone").exists(), "folders that are empty without the run's files go too"
    assert len(read_proposals(Path("out/sub/00.png.npz"))[0]) == 1


def test_a_refused_overwrite_changes_nothing(fake_search: Any, capsys: pytest.CaptureFixture[str]) -> None:
    make_photos(2)
    assert main(["propose", "photos", "--out", "out"]) == 0
    make_photos(3)
    Path("out/02.png.npz").write_bytes(b"mine")
    before = {name: Path("out", name).read_bytes() for name in files_in("out")}
    capsys.readouterr()
    text = refused(capsys, "propose", "photos", "--out", "out", "--overwrite")
    assert "02.png.npz is there already, and no run wrote it" in text
    assert before == {name: Path("out", name).read_bytes() for name in files_in("out")}


def test_an_interrupted_overwrite_is_continued_with_resume(
    fake_search: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_photos(3)
    for out in ("out", "whole"):
        assert main(["propose", "photos", "--out", out]) == 0
    unlink = Path.unlink

    def interrupted(path: Path, missing_ok: bool = False) -> None:
        if path.name == "01.png.npz":
            raise KeyboardInterrupt
        unlink(path, missing_ok)

    capsys.readouterr()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", interrupted)
        try:
            status = main(["propose", "photos", "--out", "out", "--overwrite"])
        except KeyboardInterrupt:
            pytest.fail("the interrupt reached the caller")
    assert status == 1
    message = "googlenet-rcnn: interrupted before the first image; continue with --resume\n"
    assert capsys.readouterr().err == message
    assert not Path("out/00.png.npz").exists()
    assert main(["propose", "photos", "--out", "out", "--resume"]) == 0
    assert all_but_times() == all_but_times("whole")


def test_out_is_a_file_or_nothing_or_cannot_be_written(fake_search: Any, capsys: pytest.CaptureFixture[str]) -> None:
    make_photos(1)
    Path("file").write_text("")
    assert "--out file: expected a folder, got a file" in refused(capsys, "propose", "photos", "--out", "file")
    assert "--out: expected a folder, got nothing" in refused(capsys, "propose", "photos", "--out", "")
    assert main(["propose", "photos", "--out", "/proc/nowhere/out"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("googlenet-rcnn: cannot write /proc/nowhere/out: ")
    assert error.count("\n") == 1
