"""Walking and matching by itself; `test_image_sources` tests it in use."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from detect.folder_walk import Entry, absolute, glob_files, is_inside, unreadable, walk


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("a/x.jpg", "a/b/y.jpg", "out/z.jpg", ".hidden/h.jpg", "w.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "a" / "b" / "up").symlink_to(tmp_path / "a")
    return tmp_path


def relative(entries: Iterable[Entry], folder: Path) -> list[str]:
    """Paths below the folder, in the order given, of entries that all are without an error."""
    found = list(entries)
    assert all(error is None for _, error in found)
    return [os.path.relpath(path, folder) for path, _ in found]


def test_a_walk_is_sorted_ends_at_loops_and_leaves_out_the_output(tree: Path) -> None:
    assert relative(walk(str(tree), str(tree / "out")), tree) == [".hidden/h.jpg", "a/b/y.jpg", "a/x.jpg", "w.jpg"]
    assert relative(walk(str(tree), None), tree)[-2:] == ["out/z.jpg", "w.jpg"]


def test_patterns(tree: Path) -> None:
    found = {
        pattern: sorted(relative(glob_files(str(tree / pattern), str(tree / "out")), tree))
        for pattern in ("*.jpg", "*/*.jpg", "**/*.jpg", "a/**/y.jpg", "out/*.jpg", "**/b/*")
    }
    assert found == {
        "*.jpg": ["w.jpg"],
        "*/*.jpg": ["a/x.jpg"],
        "**/*.jpg": ["a/b/y.jpg", "a/x.jpg", "w.jpg"],
        "a/**/y.jpg": ["a/b/y.jpg"],
        "out/*.jpg": [],
        "**/b/*": ["a/b/y.jpg"],
    }


def test_a_folder_that_cannot_be_listed_comes_with_the_reason(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> list[str]:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "listdir", refuse)
    assert list(walk(str(tree), None)) == [(str(tree), "cannot be read: Permission denied")]
    assert unreadable(OSError(5, "Input/output error")) == "cannot be read: Input/output error"


def test_inside_and_absolute_resolve_links_as_the_system_does(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree / "link").symlink_to(tree / "out")
    assert is_inside(str(tree / "link"), str(tree / "out"))
    assert not is_inside(str(tree / "outer"), str(tree / "out"))
    assert not is_inside(str(tree), None)
    monkeypatch.chdir(tree)
    assert absolute("a/./x.jpg") == str(tree / "a" / "x.jpg")
    assert absolute("a/../w.jpg") == str(tree / "w.jpg")
    (tree / "far").symlink_to(tree / "a" / "b")
    assert absolute("far/../x.jpg") == str(tree / "a" / "x.jpg")
