"""The run folder: who may use it, who may continue it, and what survives a full disk."""

from __future__ import annotations

import errno
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_runs import SETTINGS, files_in, make_run, open_folder

from detect.detection_records import encode_record, error_record, read_records
from detect.run_folder import RunFolder, RunFolderError
from detect.run_kinds import KINDS, RunKind
from detect.whole_files import OutputError


def test_a_run_from_start_to_finish(tmp_path: Path) -> None:
    with open_folder(tmp_path / "deep" / "out") as run:
        assert run.done == []
        run.start({"model": "m"})
        assert json.loads((run.folder / "run.json").read_bytes()) == {
            "verb": "detect",
            "settings": SETTINGS,
            "model": "m",
            "status": "unfinished",
        }
        run.append(error_record("a", "x"))
        assert list(read_records(run.records_path)) == [error_record("a", "x")], "flushed as it goes"
        run.append(error_record("b\n", "y"))
        assert run.done == ["a", "b\n"]
        run.finish({"model": "m", "counts": 2})
    assert json.loads((tmp_path / "deep/out/run.json").read_bytes())["status"] == "finished"
    assert files_in(tmp_path) == {"deep/out/run.json", "deep/out/detections.jsonl"}


def test_a_folder_that_holds_a_run_is_refused(tmp_path: Path) -> None:
    make_run(tmp_path, "a")
    before = (tmp_path / "detections.jsonl").read_bytes()
    with pytest.raises(RunFolderError, match="already holds a run: give --resume to continue it, or --overwrite"):
        open_folder(tmp_path)
    (tmp_path / "run.json").unlink()
    with pytest.raises(RunFolderError, match="already holds a run"):
        open_folder(tmp_path)
    assert (tmp_path / "detections.jsonl").read_bytes() == before


def test_a_folder_with_other_things_is_fine(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"mine")
    make_run(tmp_path, "photo.jpg")
    assert (tmp_path / "photo.jpg").read_bytes() == b"mine"


@pytest.mark.parametrize("mode", ["new", "resume", "overwrite"])
@pytest.mark.parametrize("name", ["run.json", "pictures", "coco.json", "ilsvrc.txt", "detections.csv"])
def test_files_of_the_user_that_a_run_would_replace_are_refused(tmp_path: Path, name: str, mode: Any) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(RunFolderError, match=f"{name} is there already, and no run wrote it"):
        open_folder(tmp_path, mode)


@pytest.mark.parametrize("mode", ["new", "resume", "overwrite"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.verb)
@pytest.mark.parametrize("content", ['{"lr": 1}', "[1]", "no json"])
def test_a_description_by_another_program_is_no_run(tmp_path: Path, kind: RunKind, content: str, mode: Any) -> None:
    for name, text in (("run.json", content), ("coco.json", "mine")):
        (tmp_path / name).write_text(text)
    with pytest.raises(RunFolderError, match=r"run\.json is there already, and no run wrote it; choose another folder"):
        RunFolder(tmp_path, SETTINGS, mode, kind=kind)
    assert (tmp_path / "run.json").read_text() == content
    assert (tmp_path / "coco.json").read_text() == "mine"


def test_out_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    with pytest.raises(RunFolderError, match=r"--out .*x: expected a folder, got a file"):
        open_folder(tmp_path / "x")
    with pytest.raises(OutputError, match=r"cannot write .*x/y: Not a directory"):
        open_folder(tmp_path / "x" / "y")


def test_a_second_process_is_refused_until_the_first_is_done(tmp_path: Path) -> None:
    with open_folder(tmp_path) as run:
        run.start({})
        for mode in ("new", "resume", "overwrite"):
            with pytest.raises(RunFolderError, match="another process is writing there"):
                open_folder(tmp_path, mode)
    open_folder(tmp_path, "resume").close()


def test_a_refused_run_gives_up_its_lock(tmp_path: Path) -> None:
    make_run(tmp_path, "a")
    for _ in range(2):
        with pytest.raises(RunFolderError, match="already holds a run"):
            open_folder(tmp_path)
    open_folder(tmp_path, "resume").close()


# Resuming


def test_resume_starts_a_run_where_there_is_none(tmp_path: Path) -> None:
    with open_folder(tmp_path, "resume") as run:
        assert run.done == []


@pytest.mark.parametrize("tail", [b"", b'{"image": "c", "det', b"\0\0\0\0", b'{"image": "c"}'])
def test_resume_cuts_a_half_written_record(tmp_path: Path, tail: bytes) -> None:
    make_run(tmp_path, "a", "b")
    records = tmp_path / "detections.jsonl"
    whole = records.read_bytes()
    records.write_bytes(whole + tail)
    with open_folder(tmp_path, "resume") as run:
        assert run.done == ["a", "b"]
        run.start({})
        run.append(error_record("c", "x"))
    assert records.read_bytes() == whole + encode_record(error_record("c", "x"))


def test_a_refused_resume_changes_nothing(tmp_path: Path) -> None:
    make_run(tmp_path, "a")
    records = tmp_path / "detections.jsonl"
    records.write_bytes(records.read_bytes() + b"half")
    before = {name: (tmp_path / name).read_bytes() for name in files_in(tmp_path)}
    with pytest.raises(RunFolderError):
        open_folder(tmp_path, "resume", min_score=0.2)
    with open_folder(tmp_path, "resume") as run, pytest.raises(RunFolderError):
        run.check_sources(["b"])
    assert before == {name: (tmp_path / name).read_bytes() for name in files_in(tmp_path)}


def test_resume_with_other_settings_names_each_difference(tmp_path: Path) -> None:
    make_run(tmp_path, "a")
    with pytest.raises(RunFolderError) as caught:
        open_folder(tmp_path, "resume", model_sha256="cd", proposals={"mode": "fast", "limit": 5}, shard="1/2")
    text = str(caught.value)
    assert "model_sha256 was 'ab', is 'cd'; proposals.limit was None, is 5; shard was None, is '1/2'" in text
    assert "min_score" not in text
    assert "use the same again, or give --overwrite" in text


def test_resume_names_a_setting_that_is_gone(tmp_path: Path) -> None:
    make_run(tmp_path, "a", temperature=2.0)
    with pytest.raises(RunFolderError, match=r"otherwise: temperature was 2\.0, is None;"):
        open_folder(tmp_path, "resume")


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b"{}", b'{"settings": 3}', b"\xff"])
def test_resume_without_a_sound_description_is_refused(tmp_path: Path, content: bytes | None) -> None:
    make_run(tmp_path, "a")
    (tmp_path / "run.json").unlink()
    if content is not None:
        (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(RunFolderError, match=r"run\.json is missing or damaged"):
        open_folder(tmp_path, "resume")


@pytest.mark.parametrize(
    ("names", "now"),
    [(["b", "a"], "'b'"), (["a"], "no such image"), ([], "no such image"), (["a", "aa", "b"], "'aa'")],
)
def test_resume_with_changed_sources_is_refused(tmp_path: Path, names: list[str], now: str) -> None:
    make_run(tmp_path, "a", "b")
    with open_folder(tmp_path, "resume") as run:
        with pytest.raises(RunFolderError, match=f"the sources now give {now}"):
            run.check_sources(names)
        run.check_sources(["a", "b", "new"])


# A full disk


class FullDisk(io.FileIO):
    """Takes some bytes, then none."""

    room = 0

    def write(self, data: Any) -> int:  # type: ignore[override]
        if self.room == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        count = min(self.room, len(data))
        self.room -= count
        return super().write(data[:count])


@pytest.mark.parametrize("room", [0, 1, 20])
def test_a_full_disk_leaves_whole_records_and_says_what_to_do(tmp_path: Path, room: int) -> None:
    make_run(tmp_path, "a")
    whole = (tmp_path / "detections.jsonl").read_bytes()
    with open_folder(tmp_path, "resume") as run:
        run.start({})
        assert run._file is not None
        run._file.close()
        run._file = FullDisk(run.records_path, "ab")
        run._file.room = room
        with pytest.raises(OutputError, match=r"detections\.jsonl: No space left on device; make room$"):
            run.append(error_record("b", "a long reason"))
        assert run.done == ["a"]
    assert (tmp_path / "detections.jsonl").read_bytes() == whole


@pytest.mark.parametrize("act", [lambda run: run.start({}), lambda run: run.finish({})])
def test_a_description_that_cannot_be_written(
    tmp_path: Path, act: Callable[[RunFolder], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(old: Path, new: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with open_folder(tmp_path) as run:
        run.start({})
        monkeypatch.setattr(os, "replace", refuse)
        with pytest.raises(OutputError, match=r"cannot write .*run\.json: No space left on device"):
            act(run)
    assert json.loads((tmp_path / "run.json").read_bytes())["status"] == "unfinished"
    assert files_in(tmp_path) == {"run.json", "detections.jsonl"}
