"""Which file is of which image, under whatever folders each side knows it by."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from detect.proposal_folder import match_images, open_proposal_folder
from detect.proposal_names import proposal_name


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def write_records(folder: Path, *records: dict[str, object]) -> None:
    (folder / "proposals.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))


def test_files_are_named_as_their_images(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg.npz", "sub/b.c.png.npz", "notes.txt", "run.json", ".npz")
    there = open_proposal_folder(tmp_path)
    assert there.files == {"a.jpg": tmp_path / "a.jpg.npz", "sub/b.c.png": tmp_path / "sub" / "b.c.png.npz"}
    assert there.failed == {}


def test_records_tell_what_failed_and_whose_name_was_cut(tmp_path: Path) -> None:
    long = "sub/" + "x" * 253 + ".jpg"
    touch(tmp_path, proposal_name(long), "a.jpg.npz")
    assert (tmp_path / proposal_name(long)).name != f"{Path(long).name}.npz"
    write_records(
        tmp_path,
        {"image": long},
        {"image": "a.jpg"},
        {"image": "b.jpg", "error": "truncated"},
        {"image": "a.jpg", "error": "of another shard's run: there is a file"},
        {"image": ""},
    )
    there = open_proposal_folder(tmp_path)
    assert sorted(there.files) == ["a.jpg", long]
    assert there.failed == {"b.jpg": "truncated"}


def test_folders_that_are_wrong(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"--proposals: expected a folder, got .*none"):
        open_proposal_folder(tmp_path / "none")
    with pytest.raises(ValueError, match=r"--proposals: expected \.npz files as `googlenet-rcnn propose` writes them"):
        open_proposal_folder(tmp_path)


@pytest.mark.parametrize(
    ("wanted", "there", "expected"),
    [
        (["b", "a"], ["a.jpg", "b.JPEG"], ["b.JPEG", "a.jpg"]),
        (["a"], [], [None]),
        (["a", "c"], ["a.jpg"], ["a.jpg", None]),
        (["a"], ["DET/val/a.JPEG"], ["DET/val/a.JPEG"]),
        (["val/a"], ["DET/val/a.JPEG", "DET/train/a.JPEG"], ["DET/val/a.JPEG"]),
        (["DET/val/a"], ["val/a.JPEG", "train/a.JPEG"], ["val/a.JPEG"]),
        (["n1/a", "n2/a"], ["x/n2/a.jpg", "x/n1/a.jpg"], ["x/n1/a.jpg", "x/n2/a.jpg"]),
        (["val/a"], ["photos/a.jpg"], ["photos/a.jpg"]),  # only the bare name
        (["a"], ["a.jpg", "sub/a.jpg"], ["a.jpg"]),  # the same path goes before a longer one
        (["x.y"], ["x.y"], ["x.y"]),  # .y is no picture's ending
        (["x.y", "x"], ["x.y.png", "x.gif"], ["x.y.png", "x.gif"]),
        (["al/a"], ["val/a.jpg", "cal/a.jpg", "al/a.jpg"], ["al/a.jpg"]),
    ],
)
def test_matches(wanted: list[str], there: list[str], expected: list[str | None]) -> None:
    assert match_images(wanted, there) == expected


@pytest.mark.parametrize(
    ("wanted", "there", "message"),
    [
        (["a"], ["a.jpg", "a.png"], "a of the ground truth could be a.jpg or a.png"),
        (["a"], ["x/a.jpg", "y/a.jpg"], "a of the ground truth could be x/a.jpg or y/a.jpg"),
        (["u/a"], ["x/a.jpg", "y/a.jpg"], "u/a of the ground truth could be x/a.jpg or y/a.jpg"),
        (["x/a", "y/a"], ["x/a.jpg"], "x/a and y/a of the ground truth are both x/a.jpg"),
    ],
)
def test_matches_that_are_not_clear(wanted: list[str], there: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=f"^--proposals: {message}$"):
        match_images(wanted, there)
