"""`googlenet-rcnn detect` in this process: full disks, what cannot be drawn, signals, and --resume after them."""

from __future__ import annotations

import os
import resource
import signal
from pathlib import Path
from typing import Any

import pytest
from made_runs import files_in
from run_files import description, make_photos, records, timeless

from detect.drawing import draw_detections
from detect.run_folder import RunFolder
from tools.cli import main

pytestmark = pytest.mark.usefixtures("here")


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


def test_what_cannot_be_drawn_fails_alone(
    fake: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = make_photos(3)

    def fails_once(image: Any, *others: Any) -> Any:
        if image.shape[1] == 41:
            raise MemoryError("of 5 GB\nat once")
        return draw_detections(image, *others)

    monkeypatch.setattr("detect.drawing.draw_detections", fails_once)
    assert main(["detect", "photos", "--out", "out"]) == 3
    first, second, third = records()
    assert len(first["detections"]) == len(third["detections"]) == 2
    assert set(second) == {"image", "error"}
    assert second["error"] == "MemoryError in drawing: of 5 GB at once; --no-draw detects without pictures"
    assert "1 of 3 images failed" in capsys.readouterr().err
    drawn = {path for path in files_in("out") if path.startswith("pictures/")}
    assert drawn == {f"pictures/{name}.jpg" for name in (names[0], names[2])}
