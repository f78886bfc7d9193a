"""Opening the output folder of a run, and what is said at its ends."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from detect.image_sources import FoundImages, SourceImage
from detect.run_kinds import PROPOSE
from detect.whole_files import OutputError
from tools.exit_status import UsageError
from tools.folder_runs import (
    open_run,
    quota_cores,
    say_interrupted,
    say_not_written,
    say_what_was_found,
    usable_cores,
)

IMAGES = [SourceImage(Path(name), name) for name in ("a.jpg", "b.jpg")]


def test_a_folder_that_does_not_fit_is_a_usage_error_and_is_let_go(tmp_path: Path) -> None:
    (tmp_path / "b.jpg.npz").write_bytes(b"mine")
    with pytest.raises(UsageError, match=r"b\.jpg\.npz is there already"):
        open_run(str(tmp_path), {}, "new", IMAGES, kind=PROPOSE)
    (tmp_path / "b.jpg.npz").unlink()
    with open_run(str(tmp_path), {}, "new", IMAGES, kind=PROPOSE) as folder:
        folder.start({})
    with pytest.raises(UsageError, match="already holds a run"):
        open_run(str(tmp_path), {}, "new", IMAGES, kind=PROPOSE)
    with pytest.raises(UsageError, match="seed was None, is 1"):
        open_run(str(tmp_path), {"seed": 1}, "resume", IMAGES, kind=PROPOSE)


@pytest.mark.parametrize(
    ("repeated", "ignored", "text"),
    [
        (0, 0, ""),
        (3, 0, "googlenet-rcnn: 3 named more than once, taken once\n"),
        (3, 1, "googlenet-rcnn: 3 named more than once, taken once; 1 files that are not pictures passed over\n"),
    ],
)
def test_what_was_passed_over(repeated: int, ignored: int, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    say_what_was_found(FoundImages([], repeated, ignored))
    assert capsys.readouterr().err == text


@pytest.mark.parametrize(("done", "how_far"), [(0, "before the first image"), (3, "after 3 of 7 images")])
def test_how_far_a_run_came(done: int, how_far: str, capsys: pytest.CaptureFixture[str]) -> None:
    say_interrupted(done, 7)
    assert capsys.readouterr().err == f"googlenet-rcnn: interrupted {how_far}; continue with --resume\n"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OutputError("cannot write x: No space; make room", disk_full=True), "; make room and continue with --resume"),
        (OutputError("cannot write x: No space"), ""),
    ],
)
def test_a_run_can_go_on_when_there_is_room(error: OutputError, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    say_not_written(error)
    assert capsys.readouterr().err == f"googlenet-rcnn: cannot write x: No space{text}\n"


def test_there_is_a_core() -> None:
    assert usable_cores() >= 1


@pytest.mark.parametrize(
    ("content", "cores"),
    [("200000 100000\n", 2), ("150000 100000\n", 1), ("50000 100000\n", 0), ("max 100000\n", None), ("", None)],
)
def test_a_containers_share_of_the_processor_counts(tmp_path: Path, content: str, cores: int | None) -> None:
    (tmp_path / "cpu.max").write_text(content)
    assert quota_cores(tmp_path / "cpu.max") == (sys.maxsize if cores is None else cores)
    assert quota_cores(tmp_path / "none") == sys.maxsize
