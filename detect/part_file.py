"""The unfinished file of a download, ours alone while we write it.

It lies beside the target as `NAME.part`, under an exclusive lock that the operating system drops when its holder
ends. On a file system without locks two processes at once may spoil each other's part; a hash must then refuse it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def part_path(target: Path) -> Path:
    """Where the unfinished file of a target lies."""
    return target.with_name(target.name + ".part")


@contextmanager
def locked_part(path: Path) -> Iterator[BinaryIO]:
    """The part file, open and ours alone; an empty one is removed again."""
    while True:
        part = open(path, "ab", buffering=0, opener=_open_without_links)  # noqa: SIM115
        with part:
            _lock(part, path)
            if not _is_at(part, path):
                continue  # its last holder renamed or removed it while we waited
            try:
                yield part
            finally:
                if _is_at(part, path) and length(part) == 0:
                    path.unlink()
            return


def _open_without_links(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o644)


def _lock(part: BinaryIO, path: Path) -> None:
    if sys.platform == "win32":
        return
    import fcntl

    try:
        fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"waiting for another process that is writing {path}", file=sys.stderr)
        fcntl.flock(part, fcntl.LOCK_EX)
    except OSError:
        pass  # a file system without locks: the hash must then refuse what two processes wrote into each other


def _is_at(part: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(part.fileno()), path.stat())
    except FileNotFoundError:
        return False


def length(part: BinaryIO) -> int:
    """Bytes in the open file, also those that another handle wrote."""
    return os.fstat(part.fileno()).st_size
