"""Walking folders and matching globs, link loops and unreadable folders included."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import PurePath

Entry = tuple[str, str | None]  # a path and, where it cannot be a picture, the reason


def walk(folder: str, output: str | None) -> Iterator[Entry]:
    """Every file below `folder` by path parts, and every folder that cannot be listed, with the reason.

    A link back to a folder it lies in is not entered: its files have been seen. Nor is the output folder.
    """
    pending: list[tuple[str, tuple[tuple[int, int], ...]]] = [(folder, ())]
    while pending:
        path, above = pending.pop()
        inode = _folder_inode(path)
        if inode is None:
            yield path, None
        elif inode not in above and not is_inside(path, output):
            try:
                names = sorted(os.listdir(path), reverse=True)
            except OSError as error:
                yield path, unreadable(error)
            else:
                pending += [(os.path.join(path, name), (*above, inode)) for name in names]


def glob_files(pattern: str, output: str | None) -> Iterator[Entry]:
    """The files that a pattern gives, in no order, those below `output` left out, with what `walk` could not list."""
    parts = pattern.split(os.sep)
    if "**" not in parts:
        files = [absolute(path) for path in glob.glob(pattern) if not os.path.isdir(path)]
        hidden = {folder for folder in set(map(os.path.dirname, files)) if is_inside(folder, output)}
        yield from ((path, None) for path in files if os.path.dirname(path) not in hidden)
        return
    cut = parts.index("**")  # from here we walk: `glob` would go round a link loop 40 times
    for root in map(absolute, glob.glob(os.sep.join([*parts[:cut], "."]))):
        for path, error in walk(root, output):
            if error is not None or _parts_match(PurePath(path).relative_to(root).parts, parts[cut:]):
                yield path, error


def _parts_match(names: Sequence[str], patterns: Sequence[str]) -> bool:
    """Whether a path matches, part by part; as in a shell, * and ** leave out names that begin with a dot."""
    if not patterns:
        return not names
    if patterns[0] == "**":
        hidden = next((i for i, name in enumerate(names) if name.startswith(".")), len(names))
        last = patterns[1:] or ["*"]
        return any(_parts_match(names[i:], last) for i in range(hidden + 1))
    if not names or (names[0].startswith(".") and not patterns[0].startswith(".")):
        return False
    return fnmatchcase(names[0], patterns[0]) and _parts_match(names[1:], patterns[1:])


def absolute(path: str) -> str:
    """Without . and .., links kept, except where taking .. out of the text would lead elsewhere."""
    lexical = os.path.abspath(path)
    if ".." in path.split(os.sep) and (real := os.path.realpath(path)) != os.path.realpath(lexical):
        return real
    return lexical


def is_inside(folder: str, output: str | None) -> bool:
    """Whether a folder is `output` (links resolved) or below it."""
    return output is not None and PurePath(os.path.realpath(folder)).is_relative_to(output)


def unreadable(error: OSError) -> str:
    """The reason in a record."""
    return f"cannot be read: {error.strerror}"


def _folder_inode(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:  # a broken link, say
        return None
    return (status.st_dev, status.st_ino) if stat.S_ISDIR(status.st_mode) else None
