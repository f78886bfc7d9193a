"""Overwriting a run: what is deleted, what is not, and what an interruption leaves."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_runs import SETTINGS, files_in, make_proposal_run, make_run, open_folder, open_proposals, start_over

from detect.detection_records import read_records
from detect.run_folder import RunFolder, RunFolderError
from detect.run_kinds import KINDS, RunKind
from detect.whole_files import OutputError


def test_overwrite_deletes_the_run_and_nothing_else(tmp_path: Path) -> None:
    make_run(tmp_path, "a.jpg", "sub/b.png", "sub/deep/c.jpg")
    for name in ("coco.json", "ilsvrc.txt", "detections.csv", "sub.jpg", "pictures/mine.jpg", "pictures/sub/d.jpg"):
        (tmp_path / name).write_bytes(b"")
    with open_folder(tmp_path, "overwrite", min_score=0.5) as run:
        assert run.done == []
        run.start({})
    mine = {"sub.jpg", "pictures/mine.jpg", "pictures/sub/d.jpg"}
    assert files_in(tmp_path) == mine | {"run.json", "detections.jsonl"}
    assert (tmp_path / "detections.jsonl").read_bytes() == b""
    assert not (tmp_path / "pictures/sub/deep").exists()


def test_overwrite_leaves_no_empty_picture_folders(tmp_path: Path) -> None:
    make_run(tmp_path, "a.jpg", "sub/b.png")
    start_over(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"run.json", "detections.jsonl"}


def test_overwrite_of_a_run_that_drew_nothing_deletes_no_pictures(tmp_path: Path) -> None:
    make_run(tmp_path, "a.jpg", draw=False)
    start_over(tmp_path)
    assert files_in(tmp_path) == {"run.json", "detections.jsonl", "pictures/a.jpg"}


def test_overwrite_works_where_the_description_is_damaged(tmp_path: Path) -> None:
    make_run(tmp_path, "a.jpg")
    (tmp_path / "run.json").write_bytes(b"{")
    start_over(tmp_path)
    assert files_in(tmp_path) == {"run.json", "detections.jsonl"}


def test_overwrite_that_cannot_delete_says_so(tmp_path: Path) -> None:
    make_run(tmp_path, "a.jpg")
    (tmp_path / "coco.json").mkdir()
    with pytest.raises(OutputError, match=r"cannot delete .*coco\.json: "):
        start_over(tmp_path)


def interrupt_at(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in place of the n-th deletion or renaming from here on."""
    left = number

    def counted(act: Callable[..., None]) -> Callable[..., None]:
        def interrupted(*args: Any, **options: Any) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise KeyboardInterrupt
            act(*args, **options)

        return interrupted

    monkeypatch.setattr(Path, "unlink", counted(Path.unlink))
    monkeypatch.setattr(Path, "rmdir", counted(Path.rmdir))
    monkeypatch.setattr(os, "replace", counted(os.replace))


@pytest.mark.parametrize("status", ["finished", "cut short", "not described"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.verb)
@pytest.mark.parametrize("again", ["resume", "overwrite"])
def test_an_interrupted_overwrite_never_passes_for_a_run(
    tmp_path: Path, again: Any, kind: RunKind, status: str
) -> None:
    """Wherever it is interrupted: `--resume` refuses, continues what is whole, or starts anew; `--overwrite` works."""
    names, interrupted = ["a.jpg", "sub/b.png", "sub/deep/c.jpg"], 0
    for number in range(1, 100):
        out = tmp_path / str(number)
        with RunFolder(out, SETTINGS, "new", kind=kind) as run:
            complete(run, names)
        for name in kind.exports:
            (out / name).write_bytes(b"")
        if status == "cut short":
            cut_short(out, kind)
        elif status == "not described":
            (out / "run.json").unlink()
        with pytest.MonkeyPatch.context() as patch:
            interrupt_at(number, patch)
            try:
                with RunFolder(out, SETTINGS, "overwrite", kind=kind) as run:
                    run.check_sources(names)
                    run.start({})
                break
            except KeyboardInterrupt:
                interrupted += 1
        (out / "mine.txt").write_bytes(b"mine")
        mode = again
        if again == "resume" and (out / kind.records).exists() and not list(out.glob("run.json*")):
            assert status == "not described"
            with pytest.raises(RunFolderError, match="give --overwrite"):
                RunFolder(out, SETTINGS, "resume", kind=kind)
            mode = "overwrite"
        with RunFolder(out, SETTINGS, mode, kind=kind) as run:
            complete(run, names)
        outputs = {run.output_path(name).relative_to(out).as_posix() for name in names if kind.output_name}
        assert files_in(out) - set(kind.exports) == {"run.json", kind.records, "mine.txt", *outputs}
        assert [record["image"] for record in read_records(run.records_path)] == names
    assert interrupted > len(names) + 3


def complete(run: RunFolder, names: list[str]) -> None:
    with run:
        run.check_sources(names)
        run.start({})
        for name in names[len(run.done) :]:
            if run.kind.output_name is not None:
                run.output_path(name).parent.mkdir(parents=True, exist_ok=True)
                run.output_path(name).write_bytes(b"output")
            run.append({"image": name})
        run.finish({})


def cut_short(out: Path, kind: RunKind) -> None:
    """As if killed after the file of the last image and before its record."""
    records = out / kind.records
    records.write_bytes(b"".join(records.read_bytes().splitlines(keepends=True)[:-1]))
    description = json.loads((out / "run.json").read_bytes())
    (out / "run.json").write_text(json.dumps({**description, "status": "unfinished"}))


@pytest.mark.parametrize("mode", ["resume", "overwrite"])
def test_a_deletion_keeps_in_mind_what_the_run_did_not_write(tmp_path: Path, mode: Any) -> None:
    """What decides whose a file is, is known until the end: that nothing was drawn, that the run was finished."""
    make_run(tmp_path / "undrawn", "a.jpg", draw=False)
    make_proposal_run(tmp_path / "finished", "a", finished=True)
    (tmp_path / "finished/b.npz").write_bytes(b"mine")
    for folder in (tmp_path / "undrawn", tmp_path / "finished"):
        (folder / "run.json").rename(folder / "run.json.deleted")
    with open_folder(tmp_path / "undrawn", mode) as run:
        run.start({})
    assert (tmp_path / "undrawn/pictures/a.jpg").exists()
    with open_proposals(tmp_path / "finished", mode) as run, pytest.raises(RunFolderError, match=r"b\.npz is there"):
        run.check_sources(["a", "b"])


def test_a_half_deleted_run_is_a_run(tmp_path: Path) -> None:
    make_run(tmp_path, "a.jpg")
    (tmp_path / "run.json").rename(tmp_path / "run.json.deleted")
    (tmp_path / "detections.jsonl").unlink()
    with pytest.raises(RunFolderError, match="already holds a run: give --resume to continue it, or --overwrite"):
        open_folder(tmp_path)
    with pytest.raises(RunFolderError, match="holds a run of `detect`, not of `propose`"):
        open_proposals(tmp_path, "overwrite")


def test_a_refused_overwrite_changes_nothing(tmp_path: Path) -> None:
    make_proposal_run(tmp_path, "a", "sub/b", finished=True)
    (tmp_path / "y.npz").write_bytes(b"mine")
    before = {name: (tmp_path / name).read_bytes() for name in files_in(tmp_path)}
    with open_proposals(tmp_path, "overwrite") as run:
        with pytest.raises(RunFolderError, match=r"y\.npz is there already, and no run wrote it"):
            run.check_sources(["a", "sub/b", "y"])
        run.check_sources(["a", "sub/b"])
    assert before == {name: (tmp_path / name).read_bytes() for name in files_in(tmp_path)}
