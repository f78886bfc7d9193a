"""`googlenet-rcnn propose` in this process: signals, kills and full disks, and --resume after them."""

from __future__ import annotations

import json
import os
import resource
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_detector import whole_and_quarter
from made_runs import files_in
from numpy.typing import NDArray
from proposed_files import all_but_times
from run_files import description, make_photos, records, refused

from proposals import Proposals
from tools.cli import main

pytestmark = pytest.mark.usefixtures("here")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("after", [1, 4, 7])
def test_a_signal_during_any_search_and_resume(
    fake_search: Any, capsys: pytest.CaptureFixture[str], number: int, after: int
) -> None:
    """One worker, so at most AHEAD images are searched and thrown away."""
    make_photos(7)
    assert main(["propose", "photos", "--out", "whole"]) == 0
    handler = signal.getsignal(signal.SIGTERM)

    def interrupting(image: NDArray[np.uint8]) -> Proposals:
        if image.shape[1] == 40 + after - 1:
            os.kill(os.getpid(), number)
        return whole_and_quarter(image)

    fake_search(interrupting)
    capsys.readouterr()
    assert main(["propose", "photos", "--out", "out", "--workers", "1"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith("googlenet-rcnn: interrupted ")
    assert error.endswith("; continue with --resume\n")
    assert signal.getsignal(signal.SIGTERM) is handler
    assert description()["status"] == "unfinished"
    assert len(records()) < 7
    done = [name for name in files_in("out") if name.endswith(".npz")]
    assert len(records()) <= len(done) <= len(records()) + 1
    searched = []
    fake_search(lambda image: searched.append(image.shape[1]) or whole_and_quarter(image))
    already = len(records())
    assert main(["propose", "photos", "--out", "out", "--resume"]) == 0
    assert sorted(searched) == list(range(40 + already, 47)), "no finished image is searched again"
    assert all_but_times() == all_but_times("whole")


@pytest.mark.parametrize("options", [["--resume"], ["--overwrite"]])
@pytest.mark.parametrize("done", [0, 2])
def test_a_kill_between_the_boxes_and_their_record(
    fake_search: Any, capsys: pytest.CaptureFixture[str], options: list[str], done: int
) -> None:
    """What SIGKILL leaves: boxes without a record, or half of them under another name; of nobody else's image."""
    make_photos(5)
    assert main(["propose", "photos", "--out", "whole"]) == 0
    make_killed_run("out", done)
    Path("out/.unfinished").write_bytes(b"half")
    assert main(["propose", "photos", "--out", "out", *options]) == 0
    assert all_but_times() == all_but_times("whole")
    make_killed_run("other", done)
    Path("other/04.png.npz").write_bytes(b"mine")
    capsys.readouterr()
    text = refused(capsys, "propose", "photos", "--out", "other", *options)
    assert "04.png.npz is there already, and no run wrote it" in text


def make_killed_run(out: str, done: int) -> None:
    """As a kill leaves it after the boxes of image `done`, counted from 0, and before its record."""
    assert main(["propose", "photos", "--out", out]) == 0
    path = Path(out, "proposals.jsonl")
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:done]))
    run = description(out)
    Path(out, "run.json").write_text(json.dumps({**run, "status": "unfinished"}))
    for i in range(done + 1, 5):
        Path(out, f"{i:02}.png.npz").unlink()


def test_boxes_without_a_record_go_if_the_image_now_fails(fake_search: Any) -> None:
    make_photos(5)
    make_killed_run("out", 2)
    Path("photos/02.png").write_bytes(b"")
    assert main(["propose", "photos", "--out", "out", "--resume"]) == 3
    assert "error" in records()[2]
    assert files_in("out") == {"run.json", "proposals.jsonl", *(f"0{i}.png.npz" for i in (0, 1, 3, 4))}


def test_a_half_written_last_line_is_done_again(fake_search: Any) -> None:
    make_photos(4)
    assert main(["propose", "photos", "--out", "whole"]) == 0
    whole = Path("whole/proposals.jsonl").read_bytes()
    lines = whole.splitlines(keepends=True)
    for cut in (1, len(lines[0]) - 1, len(lines[0]), len(lines[0]) + 40):
        make_killed_run_of_length("out", whole[:cut])
        assert main(["propose", "photos", "--out", "out", "--resume"]) == 0
        assert all_but_times() == all_but_times("whole")


def make_killed_run_of_length(out: str, text: bytes) -> None:
    assert main(["propose", "photos", "--out", out, "--overwrite"]) == 0
    Path(out, "proposals.jsonl").write_bytes(text)
    Path(out, "run.json").write_text(json.dumps({**description(out), "status": "unfinished"}))
    for i in range(text.count(b"\n") + 1, 4):
        Path(out, f"{i:02}.png.npz").unlink()


def test_a_disk_that_fills_up_ends_the_run_with_one_line(
    fake_search: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_photos(6)
    assert main(["propose", "photos", "--out", "whole"]) == 0
    write, written = os.replace, 0

    def full_after_three(old: Path, new: Path) -> None:
        nonlocal written
        written += 1
        if written > 4:  # run.json and three files of boxes
            raise OSError(28, "No space left on device")
        write(old, new)

    capsys.readouterr()
    monkeypatch.setattr(os, "replace", full_after_three)
    assert main(["propose", "photos", "--out", "out"]) == 1
    expected = "cannot write out/03.png.npz: No space left on device; make room and continue with --resume"
    assert capsys.readouterr().err == f"googlenet-rcnn: {expected}\n"
    assert len(records()) == 3
    assert files_in("out") == {"run.json", "proposals.jsonl", *(f"0{i}.png.npz" for i in range(3))}
    monkeypatch.setattr(os, "replace", write)
    assert main(["propose", "photos", "--out", "out", "--resume"]) == 0
    assert all_but_times() == all_but_times("whole")


def test_records_that_may_not_grow_further_end_the_run_whole(
    fake_search: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """A limit on the size of files is a full disk of another kind: one write is short, the next fails."""
    make_photos(40)
    assert main(["propose", "photos", "--out", "whole"]) == 0
    assert Path("whole/run.json").stat().st_size < 2500 < Path("whole/proposals.jsonl").stat().st_size
    capsys.readouterr()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2500, before[1]))
    try:
        status = main(["propose", "photos", "--out", "out"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert status == 1
    sentence = "cannot write out/proposals.jsonl: File too large; make room and continue with --resume"
    assert capsys.readouterr().err == f"googlenet-rcnn: {sentence}\n"
    assert 0 < len(records()) < 40
    assert main(["propose", "photos", "--out", "out", "--resume"]) == 0
    assert all_but_times() == all_but_times("whole")
