"""Files that appear whole or not at all, and what is said when they cannot be written."""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Iterable
from pathlib import Path

# The name that a file has while it is written. One will do where only one process writes, as to a run's folder. It is
# short, so that any name that a file system takes can be written.
UNFINISHED = ".unfinished"


class OutputError(Exception):
    """One sentence: why output could not be written.

    Attributes:
        disk_full: whether the cure is to make room, as the sentence then says at its end.
    """

    def __init__(self, sentence: str, *, disk_full: bool = False) -> None:
        super().__init__(sentence)
        self.disk_full = disk_full


def write_whole(path: Path, content: bytes) -> None:
    """Write a file under another name and rename it; folders above it are made.

    Raises:
        OutputError: if the disk is full or the folder cannot be written; nothing is left behind.
    """
    _write_parts(path, [content])


def write_whole_beside_others(path: Path, content: bytes) -> None:
    """`write_whole` where several threads or processes write to one folder: each under a name of its own."""
    _write_parts(path, [content], f"{UNFINISHED}-{uuid.uuid4().hex}")


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """`write_whole` for a file too large to hold: UTF-8 text, a piece at a time; newlines as they are."""
    _write_parts(path, (line.encode() for line in lines))


def output_error(path: Path, error: OSError) -> OutputError:
    """The sentence for a failed write."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    cure = "; make room" if full else ""
    return OutputError(f"cannot write {path}: {error.strerror or error}{cure}", disk_full=full)


def _write_parts(path: Path, parts: Iterable[bytes], unfinished_name: str = UNFINISHED) -> None:
    unfinished = path.with_name(unfinished_name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with unfinished.open("wb") as file:
                file.writelines(parts)
            os.replace(unfinished, path)
        except BaseException:  # an interrupt too
            unfinished.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise output_error(path, error) from error
