"""The run folder: who may use it, what survives a crash, what is deleted."""

from __future__ import annotations

import errno
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest

from detect.detection_records import encode_record, error_record, read_records
from detect.run_folder import RunFolder, RunFolderError
from detect.run_kinds import DETECT, KINDS, PROPOSE, RunKind
from detect.whole_files import OutputError

SETTINGS = {"model_sha256": "ab", "min_score": 0.1, "proposals": {"mode": "fast", "limit": None}, "draw": True}


def open_folder(folder: Path, mode: Literal["new", "resume", "overwrite"] = "new", **changes: Any) -> RunFolder:
    return RunFolder(folder, {**SETTINGS, **changes}, mode, kind=DETECT)


def make_run(folder: Path, *names: str, **changes: Any) -> None:
    """A run of which these images are done, with their pictures."""
    with open_folder(folder, **changes) as run:
        run.start({})
        for name in names:
            picture = run.output_path(name)
            picture.parent.mkdir(parents=True, exist_ok=True)
            picture.write_bytes(b"picture")
            run.append({"image": name, "detections": []})


def start_over(folder: Path) -> None:
    with open_folder(folder, "overwrite") as run:
        run.start({})


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


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


# Overwriting


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


# Files beside those of the user


def open_proposals(folder: Path, mode: Literal["new", "resume", "overwrite"] = "new") -> RunFolder:
    return RunFolder(folder, {"mode": "fast"}, mode, kind=PROPOSE)


def make_proposal_run(folder: Path, *names: str, finished: bool = False) -> None:
    with open_proposals(folder) as run:
        run.check_sources(names)
        run.start({})
        for name in names:
            run.output_path(name).parent.mkdir(parents=True, exist_ok=True)
            run.output_path(name).write_bytes(b"boxes")
            run.append({"image": name})
        if finished:
            run.finish({})


def test_a_run_without_a_folder_of_its_own_names_its_files_by_image(tmp_path: Path) -> None:
    make_proposal_run(tmp_path, "a.jpg", "sub/b.png", finished=True)
    assert files_in(tmp_path) == {"run.json", "proposals.jsonl", "a.jpg.npz", "sub/b.png.npz"}
    assert json.loads((tmp_path / "run.json").read_bytes())["verb"] == "propose"
    with open_proposals(tmp_path, "overwrite") as run:
        run.start({})
    assert {path.name for path in tmp_path.iterdir()} == {"run.json", "proposals.jsonl"}


@pytest.mark.parametrize("mode", ["new", "resume", "overwrite"])
def test_a_folder_of_another_verb_is_refused(tmp_path: Path, mode: Any) -> None:
    make_run(tmp_path / "detected", "a")
    make_proposal_run(tmp_path / "proposed", "a")
    with pytest.raises(RunFolderError, match="detected holds a run of `detect`, not of `propose`: choose another"):
        open_proposals(tmp_path / "detected", mode)
    with pytest.raises(RunFolderError, match="proposed holds a run of `propose`, not of `detect`: choose another"):
        open_folder(tmp_path / "proposed", mode)
    assert (tmp_path / "proposed/a.npz").exists()


def test_a_folder_called_pictures_is_not_in_the_way_of_proposals(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    make_proposal_run(tmp_path, "pictures/a.jpg")
    assert (tmp_path / "pictures/a.jpg.npz").exists()


@pytest.mark.parametrize("what", ["file", "folder", "broken link"])
def test_what_has_the_name_of_a_file_to_be_written_is_refused(tmp_path: Path, what: str) -> None:
    path = tmp_path / "sub/b.jpg.npz"
    path.parent.mkdir()
    {"file": path.touch, "folder": path.mkdir, "broken link": lambda: path.symlink_to("nowhere")}[what]()
    with open_proposals(tmp_path) as run:
        with pytest.raises(RunFolderError, match=r"sub/b\.jpg\.npz is there already, and no run wrote it"):
            run.check_sources(["a.jpg", "sub/b.jpg"])
        run.check_sources(["a.jpg", "sub/c.jpg"])


def test_a_file_and_a_folder_of_one_name_are_refused(tmp_path: Path) -> None:
    with open_proposals(tmp_path) as run:
        with pytest.raises(RunFolderError, match=r"a\.jpg\.npz would have to be a file and a folder"):
            run.check_sources(["a.jpg", "a.jpg.npz/deep/b.jpg"])
        run.check_sources(["a.jpg", "a/b.jpg"])


@pytest.mark.parametrize("mode", ["resume", "overwrite"])
def test_what_a_killed_run_left_without_a_record_is_deleted_at_the_start(tmp_path: Path, mode: Any) -> None:
    make_proposal_run(tmp_path, "a", "b")
    (tmp_path / "c.npz").write_bytes(b"boxes")
    with open_proposals(tmp_path, mode) as run:
        run.check_sources(["a", "b", "c", "d"])
        assert (tmp_path / "c.npz").exists(), "until the run is sure to start"
        run.start({})
        assert not (tmp_path / "c.npz").exists()
        assert run.done == (["a", "b"] if mode == "resume" else [])


@pytest.mark.parametrize("mode", ["resume", "overwrite"])
@pytest.mark.parametrize(("finished", "names"), [(True, ["a", "c", "d"]), (False, ["a", "d", "c"])])
def test_a_file_that_no_killed_run_can_have_left_is_the_users(
    tmp_path: Path, mode: Any, finished: bool, names: list[str]
) -> None:
    make_proposal_run(tmp_path, "a", finished=finished)
    (tmp_path / "c.npz").write_bytes(b"mine")
    with open_proposals(tmp_path, mode) as run, pytest.raises(RunFolderError, match=r"c\.npz is there already"):
        run.check_sources(names)
    assert (tmp_path / "c.npz").read_bytes() == b"mine"


def test_overwriting_with_other_sources_spares_what_may_not_be_ours(tmp_path: Path) -> None:
    make_proposal_run(tmp_path, "a", "b")
    (tmp_path / "y.npz").write_bytes(b"mine")
    with open_proposals(tmp_path, "overwrite") as run, pytest.raises(RunFolderError, match=r"y\.npz is there already"):
        run.check_sources(["x", "b", "y"])


@pytest.mark.parametrize("mode", ["resume", "overwrite"])
@pytest.mark.parametrize("draw", [True, False])
def test_a_picture_without_a_record_does_not_pass_for_the_next_runs(tmp_path: Path, mode: Any, draw: bool) -> None:
    """A kill or a full disk came after the picture; of a run that draws none it is the user's."""
    make_run(tmp_path, "a", draw=draw)
    picture = tmp_path / "pictures" / "b.png.jpg"
    picture.write_bytes(b"picture")
    with open_folder(tmp_path, mode, draw=draw) as run:
        assert run.output_path("b.png") == picture
        run.check_sources(["a", "b.png", "c"])
        run.start({})
        assert picture.exists() is not draw


def test_pictures_that_would_be_a_file_and_a_folder_are_refused_before_any_work(tmp_path: Path) -> None:
    names = ["x.png", "x.png.jpg/y.jpg"]
    with open_folder(tmp_path / "drawn") as run, pytest.raises(RunFolderError, match=r"x\.png\.jpg would have to be a"):
        run.check_sources(names)
    with open_folder(tmp_path / "not drawn", draw=False) as run:
        run.check_sources(names)


def test_exports_of_fewer_images_than_there_are_now_go(tmp_path: Path) -> None:
    make_run(tmp_path, "a")
    for name in ("coco.json", "mine.json"):
        (tmp_path / name).write_text("of one image")
    for names, outdated in ((["a"], []), (["a", "b"], ["coco.json"])):
        with open_folder(tmp_path, "resume") as run:
            run.check_sources(names)
            assert run.outdated == outdated
            run.start({})
        assert (tmp_path / "coco.json").exists() is not bool(outdated)
    assert (tmp_path / "mine.json").exists()


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
