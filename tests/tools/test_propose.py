"""`googlenet-rcnn propose` in this process, mostly with a search that is no search: arguments, files, statuses."""

from __future__ import annotations

import dataclasses
import json
import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from odd_images import encode, make_odd_images, make_pipe, quadrants

from configs.proposing import ProposeConfig, search_mode
from detect.detection_records import read_records
from proposals import Proposals, selective_search
from proposals.proposal_files import proposal_bytes, read_proposals
from tools.cli import main


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test runs in an empty folder; sources and --out are relative to it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def whole_and_quarter(image: NDArray[np.uint8]) -> Proposals:
    height, width = image.shape[:2]
    boxes = np.array([[0, 0, width, height], [0, 0, width / 2, height / 2]], np.float32)
    return Proposals(boxes, np.array([0, -1], np.float32))


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Any], Proposals]], None]:
    """`propose` takes the whole image and its quarter for proposals; called with a function, it takes that."""

    def use(search: Callable[[Any], Proposals]) -> None:
        def build(config: ProposeConfig, workers: int, *, multibox: None) -> Callable[[Any], Proposals]:
            return lambda image: search(image).best(config.limit)

        monkeypatch.setattr("tools.propose.build_image_proposer", build)

    use(whole_and_quarter)
    return use


def make_photos(count: int = 3, folder: str = "photos") -> list[str]:
    """Pictures of different sizes, named in order."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    names = [f"{i:02}.png" for i in range(count)]
    for i, name in enumerate(names):
        Path(folder, name).write_bytes(encode(quadrants(30, 40 + i), "PNG"))
    return names


def records(out: str = "out") -> list[dict[str, Any]]:
    return list(read_records(Path(out, "proposals.jsonl")))


def description(out: str = "out") -> dict[str, Any]:
    content: dict[str, Any] = json.loads(Path(out, "run.json").read_bytes())
    return content


def timeless(out: str = "out") -> dict[str, Any]:
    """All that two runs share: every file but for times, and for how often it was begun and with what workers."""
    run = description(out)
    run["config"].pop("workers")
    return {
        "records": [{name: value for name, value in one.items() if name != "seconds"} for one in records(out)],
        "run": {name: value for name, value in run.items() if name != "seconds"},
        **{name: Path(out, name).read_bytes() for name in files_in(out) if name not in ("run.json", "proposals.jsonl")},
    }


def files_in(folder: str) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if not path.is_dir()}


def refused(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """The one line of a command that exits with status 2 and says nothing else."""
    assert main(list(argv)) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    assert output.err.startswith("googlenet-rcnn: ")
    return output.err.removeprefix("googlenet-rcnn: ")


# What a run writes


def test_a_run_writes_a_file_per_image_records_and_a_description(fake: Any, capsys: pytest.CaptureFixture[str]) -> None:
    names = make_photos(5)
    assert main(["propose", "photos", "--out", "out"]) == 0
    output = capsys.readouterr()
    assert output.out == "5 images, 10 proposals in out\n"
    assert output.err.splitlines()[-1].startswith("5/5 images, ")
    assert files_in("out") == {"run.json", "proposals.jsonl", *(f"{name}.npz" for name in names)}
    for i, (name, record) in enumerate(zip(names, records(), strict=True)):
        assert list(record) == ["image", "width", "height", "num_proposals", "seconds"]
        assert (record["image"], record["width"], record["height"], record["num_proposals"]) == (name, 40 + i, 30, 2)
        assert list(record["seconds"]) == ["decode", "propose"]
        found, size = read_proposals(Path("out", f"{name}.npz"))
        assert size == (30, 40 + i)
        assert found.boxes.tolist() == [[0, 0, 40 + i, 30], [0, 0, (40 + i) / 2, 15]]
        assert found.scores.tolist() == [0, -1]
    run = description()
    assert (run["verb"], run["status"], run["sources"]) == ("propose", "finished", ["photos"])
    assert run["counts"] == {"images": 5, "failed": 0, "proposals": 10}
    assert run["config"] == dataclasses.asdict(ProposeConfig())
    assert run["settings"]["mode"] == search_mode(ProposeConfig()), "what null came to"
    packages = {"googlenet-rcnn", "numpy", "numba", "opencv-contrib-python", "pillow"}
    assert set(run["settings"]["versions"]) == packages
    assert {"commit", "python", "processor"} <= set(run)
    assert set(run["seconds"]) == {"wall_of_last_session", "decode", "propose"}


def test_the_boxes_are_those_of_selective_search() -> None:
    make_photos(2)
    options = ["--mode", "single", "--superpixel-scale", "2", "--limit", "7", "--seed", "5", "--min-side", "9"]
    assert main(["propose", "photos", "--out", "out", *options, "--search-width", "80"]) == 0
    for i, name in enumerate(["00.png", "01.png"]):
        image = quadrants(30, 40 + i)
        expected = selective_search(image, "single", superpixel_scale=2, seed=5, min_side=9, search_width=80).best(7)
        found, _ = read_proposals(Path("out", f"{name}.npz"))
        np.testing.assert_array_equal(found.boxes, expected.boxes, strict=True)
        np.testing.assert_array_equal(found.scores, expected.scores, strict=True)


def test_a_search_width_of_null_searches_the_image_as_it_is() -> None:
    make_photos(1)
    assert main(["propose", "photos", "--out", "out", "--search-width", "null", "--mode", "single"]) == 0
    expected = selective_search(quadrants(30, 40), "single", search_width=None)
    assert read_proposals(Path("out/00.png.npz"))[0].boxes.tolist() == expected.boxes.tolist()


def test_every_odd_image_in_one_folder(fake: Any, capsys: pytest.CaptureFixture[str]) -> None:
    Path("photos/sub").mkdir(parents=True)
    expected = {f"sub/{name}": expectation for name, expectation in make_odd_images(Path("photos/sub")).items()}
    pipe = f"sub/{make_pipe(Path('photos/sub'))}"
    assert main(["propose", "photos", "--out", "out", "--workers", "3"]) == 3
    names = [record["image"] for record in records()]
    assert names == sorted([*expected, pipe]), "nothing lost, nothing twice, in order"
    good = set()
    for record in records():
        name = record["image"]
        if name == pipe or expected[name].error is not None:
            assert set(record) == {"image", "error"}
            assert (expected[name].error if name != pipe else "named pipe") in record["error"]
        else:
            assert read_proposals(Path("out", f"{name}.npz"))[1] == expected[name].size
            assert (record["height"], record["width"]) == expected[name].size
            good.add(f"{name}.npz")
    assert files_in("out") == {"run.json", "proposals.jsonl", *good}
    failed = len(names) - len(good)
    assert f"{failed} of {len(names)} images failed; out/proposals.jsonl says why" in capsys.readouterr().err
    assert description()["counts"]["failed"] == failed


def test_images_that_differ_in_their_ending_or_are_long_do_not_share_a_file(fake: Any) -> None:
    make_photos(1)
    photo = Path("photos/00.png").read_bytes()
    for name in ("a", "a.jpg", "a.png", "a.npz", "n" * 251 + ".png"):
        Path("photos", name).write_bytes(photo)
    assert main(["propose", "photos", "photos/a", "photos/a.npz", "--out", "out"]) == 0
    assert len([name for name in files_in("out") if name.endswith(".npz")]) == len(records()) == 6


def test_a_missing_source_is_recorded(fake: Any) -> None:
    make_photos(1)
    assert main(["propose", "gone.jpg", "photos", "--out", "out"]) == 3
    assert [(record["image"], record.get("error")) for record in records()] == [
        ("gone.jpg", "no such file or folder"),
        ("00.png", None),
    ]


def test_results_may_go_beside_the_photos(fake: Any, capsys: pytest.CaptureFixture[str]) -> None:
    names = make_photos(2, "photos/sub")
    before = {name: Path("photos/sub", name).read_bytes() for name in names}
    for option in ([], ["--resume"], ["--overwrite"]):
        assert main(["propose", "photos", "--out", "photos", *option]) == 0
        written = {"run.json", "proposals.jsonl", *(f"sub/{name}.npz" for name in names)}
        assert files_in("photos") == {f"sub/{name}" for name in names} | written
    assert before == {name: Path("photos/sub", name).read_bytes() for name in names}


# --out, --resume, --overwrite


def test_out_that_holds_a_run_is_refused(fake: Any, capsys: pytest.CaptureFixture[str]) -> None:
    make_photos()
    argv = ["propose", "photos", "--out", "out"]
    assert main(argv) == 0
    before = timeless()
    capsys.readouterr()
    assert "already holds a run: give --resume to continue it, or --overwrite" in refused(capsys, *argv)
    assert "expected one of them, got both" in refused(capsys, *argv, "--resume", "--overwrite")
    assert timeless() == before


@pytest.mark.parametrize("options", [[], ["--resume"], ["--overwrite"]])
def test_a_folder_of_the_other_verb_is_refused(
    fake: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    make_photos(1)
    assert main(["propose", "photos", "--out", "proposed"]) == 0
    Path("detected").mkdir()
    Path("detected/run.json").write_text('{"settings": {}}')
    before = timeless("proposed")
    capsys.readouterr()
    text = refused(capsys, "propose", "photos", "--out", "detected", *options)
    assert text == "--out detected holds a run of `detect`, not of `propose`: choose another folder\n"
    text = refused(capsys, "detect", "photos", "--out", "proposed", *options)
    assert text == "--out proposed holds a run of `propose`, not of `detect`: choose another folder\n"
    assert timeless("proposed") == before
    assert files_in("detected") == {"run.json"}


@pytest.mark.parametrize("options", [[], ["--resume"], ["--overwrite"]])
def test_files_of_the_user_in_the_way_are_refused(
    fake: Any, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    make_photos(3)
    Path("photos/01.png.npz").write_bytes(b"features")
    text = refused(capsys, "propose", "photos", "--out", "photos", *options)
    assert text == "--out photos: 01.png.npz is there already, and no run wrote it; choose another folder\n"
    assert files_in("photos") == {"00.png", "01.png", "02.png", "01.png.npz"}
    assert Path("photos/01.png.npz").read_bytes() == b"features"


def test_a_file_and_a_folder_of_one_name_are_refused_before_any_work(
    fake: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    make_photos(1)
    make_photos(1, "photos/00.png.npz")
    text = refused(capsys, "propose", "photos", "--out", "out")
    assert "00.png.npz would have to be a file and a folder; give its images apart" in text


def test_resume_of_a_finished_run_changes_nothing(fake: Any) -> None:
    make_photos()
    assert main(["propose", "photos", "--out", "out"]) == 0
    before, text = timeless(), Path("out/proposals.jsonl").read_bytes()
    assert main(["propose", "photos", "--out", "out", "--resume"]) == 0
    assert timeless() == before
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
    fake: Any, capsys: pytest.CaptureFixture[str], options: list[str], difference: str
) -> None:
    make_photos(1)
    assert main(["propose", "photos", "--out", "out"]) == 0
    capsys.readouterr()
    text = refused(capsys, "propose", "photos", "--out", "out", "--resume", *options)
    assert f"out was made otherwise: {difference}" in text


def test_resume_takes_settings_that_change_nothing(fake: Any) -> None:
    make_photos(1)
    assert main(["propose", "photos", "--out", "out"]) == 0
    same = ["--workers", "2", "--mode", search_mode(ProposeConfig()), "--superpixel-scale", "1"]
    assert main(["propose", "photos", "--out", "out", "--resume", *same]) == 0


def test_resume_with_changed_sources_is_refused_and_new_ones_are_added(
    fake: Any, capsys: pytest.CaptureFixture[str]
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


def test_overwrite_deletes_only_what_the_run_wrote(fake: Any) -> None:
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


def test_a_refused_overwrite_changes_nothing(fake: Any, capsys: pytest.CaptureFixture[str]) -> None:
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
    fake: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
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
    assert timeless() == timeless("whole")


def test_out_is_a_file_or_nothing_or_cannot_be_written(fake: Any, capsys: pytest.CaptureFixture[str]) -> None:
    make_photos(1)
    Path("file").write_text("")
    assert "--out file: expected a folder, got a file" in refused(capsys, "propose", "photos", "--out", "file")
    assert "--out: expected a folder, got nothing" in refused(capsys, "propose", "photos", "--out", "")
    assert main(["propose", "photos", "--out", "/proc/nowhere/out"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("googlenet-rcnn: cannot write /proc/nowhere/out: ")
    assert error.count("\n") == 1


# Runs that are cut short


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("after", [1, 4, 7])
def test_a_signal_during_any_search_and_resume(
    fake: Any, capsys: pytest.CaptureFixture[str], number: int, after: int
) -> None:
    """One worker, so at most AHEAD images are searched and thrown away."""
    make_photos(7)
    assert main(["propose", "photos", "--out", "whole"]) == 0
    handler = signal.getsignal(signal.SIGTERM)

    def interrupting(image: NDArray[np.uint8]) -> Proposals:
        if image.shape[1] == 40 + after - 1:
            os.kill(os.getpid(), number)
        return whole_and_quarter(image)

    fake(interrupting)
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
    fake(lambda image: searched.append(image.shape[1]) or whole_and_quarter(image))
    already = len(records())
    assert main(["propose", "photos", "--out", "out", "--resume"]) == 0
    assert sorted(searched) == list(range(40 + already, 47)), "no finished image is searched again"
    assert timeless() == timeless("whole")


@pytest.mark.parametrize("options", [["--resume"], ["--overwrite"]])
@pytest.mark.parametrize("done", [0, 2])
def test_a_kill_between_the_boxes_and_their_record(
    fake: Any, capsys: pytest.CaptureFixture[str], options: list[str], done: int
) -> None:
    """What SIGKILL leaves: boxes without a record, or half of them under another name; of nobody else's image."""
    make_photos(5)
    assert main(["propose", "photos", "--out", "whole"]) == 0
    make_killed_run("out", done)
    Path("out/.unfinished").write_bytes(b"half")
    assert main(["propose", "photos", "--out", "out", *options]) == 0
    assert timeless() == timeless("whole")
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


def test_boxes_without_a_record_go_if_the_image_now_fails(fake: Any) -> None:
    make_photos(5)
    make_killed_run("out", 2)
    Path("photos/02.png").write_bytes(b"")
    assert main(["propose", "photos", "--out", "out", "--resume"]) == 3
    assert "error" in records()[2]
    assert files_in("out") == {"run.json", "proposals.jsonl", *(f"0{i}.png.npz" for i in (0, 1, 3, 4))}


def test_a_half_written_last_line_is_done_again(fake: Any) -> None:
    make_photos(4)
    assert main(["propose", "photos", "--out", "whole"]) == 0
    whole = Path("whole/proposals.jsonl").read_bytes()
    lines = whole.splitlines(keepends=True)
    for cut in (1, len(lines[0]) - 1, len(lines[0]), len(lines[0]) + 40):
        make_killed_run_of_length("out", whole[:cut])
        assert main(["propose", "photos", "--out", "out", "--resume"]) == 0
        assert timeless() == timeless("whole")


def make_killed_run_of_length(out: str, text: bytes) -> None:
    assert main(["propose", "photos", "--out", out, "--overwrite"]) == 0
    Path(out, "proposals.jsonl").write_bytes(text)
    Path(out, "run.json").write_text(json.dumps({**description(out), "status": "unfinished"}))
    for i in range(text.count(b"\n") + 1, 4):
        Path(out, f"{i:02}.png.npz").unlink()


def test_a_disk_that_fills_up_ends_the_run_with_one_line(
    fake: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
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
    assert timeless() == timeless("whole")


def test_records_that_may_not_grow_further_end_the_run_whole(fake: Any, capsys: pytest.CaptureFixture[str]) -> None:
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
    assert timeless() == timeless("whole")


# The same again


def test_any_number_of_workers_gives_the_same_files() -> None:
    make_photos(4)
    for i, workers in enumerate(("1", "2", "9")):
        argv = ["propose", "photos", "--out", f"out{i}", "--workers", workers, "--search-width", "60"]
        assert main(argv) == 0
    assert timeless("out0") == timeless("out1") == timeless("out2")


@pytest.mark.parametrize(("count", "n"), [(7, 2), (2, 3)])
def test_shards_together_are_the_whole(fake: Any, count: int, n: int) -> None:
    make_photos(count)
    assert main(["propose", "photos", "--out", "whole"]) == 0
    joined: dict[str, Any] = {"records": []}
    for i in range(1, n + 1):
        assert main(["propose", "photos", "--out", f"part{i}", "--shard", f"{i}/{n}"]) == 0
        part = timeless(f"part{i}")
        assert part.pop("run")["settings"]["shard"] == f"{i}/{n}"
        joined["records"] += part.pop("records")
        joined |= part
    whole = timeless("whole")
    whole.pop("run")
    assert joined == whole


# Settings


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--method", "both", "--multibox", "x"], "--multibox: no MultiBox model file x, and the only one with a name"),
        (["--method", "bing"], "--method: expected one of selective_search, multibox, both, got 'bing'"),
        (["--mode", "slow"], "--mode: expected one of "),
        (["--superpixel-scale", "0"], "--superpixel-scale: expected a finite number above 0, got 0.0"),
        (["--superpixel-scale", "two"], "--superpixel-scale: Does not validate"),
        (["--limit", "0"], "--limit: expected at least 1, got 0"),
        (["--seed", "-1"], "--seed: expected at least 0, got -1"),
        (["--search-width", "0"], "--search-width: expected at least 1, got 0"),
        (["--min-side", "0"], "--min-side: expected at least 1, got 0"),
        (["--multibox-limit", "0"], "--multibox-limit: expected at least 1, got 0"),
        (["--multibox-nms-iou", "2"], "--multibox-nms-iou: expected a finite number from 0 to 1, got 2.0"),
        (["--multibox-crops", "3"], "--multibox-crops: expected 1 or 5, got 3"),
        (["--multibox", "x"], "--multibox: expected --method multibox or both with it"),
        (["--multibox-limit", "9"], "--multibox-limit: expected --method multibox or both with it"),
        (["--multibox-nms-iou", "0.5"], "--multibox-nms-iou: expected --method multibox or both with it"),
        (["--multibox-crops", "5"], "--multibox-crops: expected --method multibox or both with it"),
        (["--precision", "fp8"], "--precision: expected one of auto, fp32, bf16, got 'fp8'"),
        (["--workers", "0"], "--workers: expected at least 1, got 0"),
        (["--shard", "3/2"], "--shard: expected i/n with i from 1 to n, got '3/2'"),
        (["--superpixel-scal", "2"], "(did you mean --superpixel-scale?)"),
        (["--config", "gone.yaml"], "--config: File does not exist"),
    ],
)
def test_settings_out_of_range_are_one_line(
    fake: Any, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    make_photos(1)
    assert message in refused(capsys, "propose", "photos", "--out", "out", *options)
    assert not Path("out").exists()


def test_a_wrong_config_file_is_one_line(fake: Any, capsys: pytest.CaptureFixture[str]) -> None:
    make_photos(1)
    Path("c.yaml").write_text("superpixel_scal: 2")
    text = refused(capsys, "propose", "photos", "--out", "out", "--config", "c.yaml")
    assert "does not accept option 'superpixel_scal' (did you mean --superpixel-scale?)" in text


def test_a_config_file_can_hold_everything_and_flags_win(fake: Any) -> None:
    make_photos(2)
    Path("c.yaml").write_text("source: [photos]\nout: out\nmode: single\nlimit: 9\nseed: 3\nsearch_width: null\n")
    assert main(["propose", "--config", "c.yaml", "--limit", "1"]) == 0
    config = description()["config"]
    assert (config["mode"], config["limit"], config["seed"], config["search_width"]) == ("single", 1, 3, None)
    assert records()[0]["num_proposals"] == 1


def test_print_config_can_be_read_back(fake: Any, capsys: pytest.CaptureFixture[str]) -> None:
    make_photos(1)
    with pytest.raises(SystemExit) as leaves:
        main(["propose", "photos", "--out", "out", "--superpixel-scale", "2", "--limit", "1", "--print_config"])
    assert leaves.value.code == 0
    Path("c.yaml").write_text(capsys.readouterr().out)
    assert not Path("out").exists()
    assert main(["propose", "--config", "c.yaml"]) == 0
    assert (description()["config"]["superpixel_scale"], description()["config"]["limit"]) == (2.0, 1)


def test_nothing_is_written_outside_out(fake: Any, here: Path) -> None:
    make_photos(2)
    assert main(["propose", "photos", "--out", "out"]) == 0
    assert {path.name for path in here.iterdir()} == {"photos", "out"}
    assert files_in("photos") == {"00.png", "01.png"}


def test_what_is_written_equals_what_python_gives() -> None:
    """The bytes of a file are those of `proposal_bytes`, so that they can be compared."""
    make_photos(1)
    assert main(["propose", "photos", "--out", "out", "--mode", "single"]) == 0
    expected = proposal_bytes(selective_search(quadrants(30, 40), "single"), (30, 40))
    assert Path("out/00.png.npz").read_bytes() == expected
