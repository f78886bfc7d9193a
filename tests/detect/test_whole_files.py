"""Files appear whole or not at all, and a full disk is one sentence."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from detect.whole_files import OutputError, output_error, write_lines, write_whole


def test_folders_are_made_and_an_old_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c.jpg"
    write_whole(path, b"one")
    write_whole(path, b"two")
    assert path.read_bytes() == b"two"
    assert os.listdir(path.parent) == ["c.jpg"]


def test_lines_are_utf8_with_their_own_newlines(tmp_path: Path) -> None:
    write_lines(tmp_path / "a", iter(["ö\n", "\r\n", "x"]))
    assert (tmp_path / "a").read_bytes() == "ö\n\r\nx".encode()


def test_the_longest_name_that_a_file_can_have(tmp_path: Path) -> None:
    write_whole(tmp_path / ("x" * 255), b"one")
    assert len(os.listdir(tmp_path)[0]) == 255


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, OSError])
def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, error: Any) -> None:
    path = tmp_path / "a"
    path.write_text("old")

    def lines() -> Iterator[str]:
        yield "new"
        raise error

    with pytest.raises(OutputError if error is OSError else error):
        write_lines(path, lines())
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a"]


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    with pytest.raises(OutputError, match=r"cannot write .*a/b: (File exists|Not a directory)"):
        write_whole(tmp_path / "a" / "b", b"")


@pytest.mark.parametrize(("number", "full"), [(errno.ENOSPC, True), (errno.EDQUOT, True), (errno.EACCES, False)])
def test_the_sentence_names_file_and_cure(number: int, full: bool) -> None:
    """Of the cure only what holds for every verb: not all have --resume."""
    error = output_error(Path("out/x"), OSError(number, os.strerror(number)))
    assert str(error) == f"cannot write out/x: {os.strerror(number)}{'; make room' if full else ''}"
    assert error.disk_full == full
