"""Which pictures to work on, and what to call them: files, folders, globs and lists, in a fixed order."""

from __future__ import annotations

import codecs
import glob
import itertools
import os
import re
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import TypeVar

from detect.folder_walk import Entry, absolute, glob_files, is_inside, unreadable, walk

_SUFFIXES = ".jpg .jpeg .jpe .jfif .png .bmp .gif .tif .tiff .webp .ppm .pgm .pbm .pnm .jp2 .mpo .avif"
IMAGE_SUFFIXES = frozenset(f"{_SUFFIXES} .heic .heif".split())
_IN_OUTPUT = "inside the output folder, whose pictures are no sources"

_T = TypeVar("_T")


@dataclass(frozen=True)
class SourceImage:
    """One picture to decode, or one source that gave none."""

    path: Path  # to open; of a failed source: as it was given
    name: str  # unique, with / between folders; never absolute, never with '..'
    error: str | None = None  # one line; set for a source that could not be turned into images


@dataclass(frozen=True)
class FoundImages:
    """What the sources came to."""

    images: list[SourceImage]
    repeated: int = 0  # how often a picture, or a failed source, was named again
    ignored: int = 0  # files that folders and globs passed over, for a suffix that is no picture's


@dataclass(frozen=True)
class _Expansion:
    """One source, looked up: entries with absolute paths, or the reason why there are none."""

    entries: list[Entry] = field(default_factory=list)
    folder: str | None = None  # of a folder source: itself
    error: str | None = None
    ignored: int = 0

    def folders(self) -> set[str]:
        return {self.folder} if self.folder else {os.path.dirname(path) for path, _ in self.entries}


def find_images(sources: Sequence[str], *, exclude: Path | None = None) -> FoundImages:
    """Turn what the user named into pictures, each once.

    A source is, the first that fits: a folder, taken with its sub-folders, following links, its files chosen
    by `IMAGE_SUFFIXES`; a .txt file, which lists one picture a line, relative to the working directory or
    else to the list; any other file, whatever its suffix; a glob, in which ** is any number of folders. A
    glob gives files, never folders, chosen by suffix unless it spells the suffix out. Pictures are not
    opened: one that is damaged, or listed and missing, is returned for the decoder to report.

    Order: that of the sources; inside a list, of its lines; inside a folder or glob, by path parts.

    Names: the path below the deepest folder that contains all sources, where a folder counts as itself and
    any other picture as its folder. So one folder's pictures are named from that folder, and those of two
    folders a and b as a/x.jpg and b/x.jpg. Links are not resolved. A source that failed is named as it was
    given, less its root and its dots, with (2), (3) ... behind it where that name is taken.

    Args:
        sources: As given on the command line; relative to the working directory.
        exclude: The folder of a run's own pictures, which need not exist. Folders and globs pass over what is
            inside; a file inside that is named outright becomes an error.
    Raises:
        Nothing, whatever the sources are; OSError only if the working directory is gone.
    """
    output = None if exclude is None else os.path.realpath(exclude)
    expansions = [_expand(source, output) for source in sources]
    entries: dict[tuple[bool, str], str | None] = {}  # (failed, path or source) → error, each once
    named = 0
    for source, expansion in zip(sources, expansions, strict=True):
        failed = expansion.error is not None
        for text, error in [(source, expansion.error)] if failed else expansion.entries:
            entries.setdefault((failed, text), error)
            named += 1
    folders = set[str]().union(*(expansion.folders() for expansion in expansions))
    base = os.path.commonpath(folders) if folders else os.sep
    ignored = sum(expansion.ignored for expansion in expansions)
    return FoundImages(_with_names(entries, base), named - len(entries), ignored)


def shard(images: Sequence[_T], i: int, n: int, *, group: int = 1) -> list[_T]:
    """The `i`-th (from 1) of `n` blocks in order; joined they are `images`, with as even sizes as groups allow.

    Args:
        group: a block begins at a multiple of it, so that what is done `group` at a time is done alike.
    Raises:
        ValueError: unless 1 <= i <= n.
    """
    if not 1 <= i <= n:
        raise ValueError(f"shard: expected 1 <= i <= n, got i = {i}, n = {n}")
    groups = -(-len(images) // group)
    return list(images[(i - 1) * groups // n * group : i * groups // n * group])


def parse_shard(text: str) -> tuple[int, int]:
    """Read "2/8" as (2, 8): the second of eight.

    Raises:
        ValueError: if `text` is not two whole numbers around a slash, the first from 1 to the second.
    """
    match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
    if match is None:
        raise ValueError(f"--shard: expected i/n such as 2/8, got {text!r}")
    i, n = int(match[1]), int(match[2])
    if not 1 <= i <= n:
        raise ValueError(f"--shard: expected i/n with i from 1 to n, got {text!r}")
    return i, n


def _expand(source: str, output: str | None) -> _Expansion:
    try:
        mode = os.stat(source).st_mode
    except ValueError:
        return _Expansion(error="no path: it holds a character that no path has")
    except OSError as error:
        if os.path.islink(source):  # broken, or a loop: the decoder says which
            return _Expansion(_as_named([source], output))
        if glob.has_magic(source):
            return _expand_glob(source, output)
        missing = isinstance(error, FileNotFoundError)
        return _Expansion(error="no such file or folder" if missing else unreadable(error))
    if stat.S_ISDIR(mode):
        return _expand_folder(source, output)
    if source.lower().endswith(".txt"):
        return _expand_list(source, output) if stat.S_ISREG(mode) else _Expansion(error="no regular file")
    return _Expansion(_as_named([source], output))


def _expand_folder(source: str, output: str | None) -> _Expansion:
    folder = absolute(source)
    if is_inside(folder, output):
        return _Expansion(folder=folder, error=_IN_OUTPUT)
    entries, ignored = _choose_by_suffix(walk(folder, output))
    error = None if entries else f"no image in this folder, {ignored} other files"
    if entries and entries[0][0] == folder:  # the walk got no further than the folder itself
        error = entries[0][1]
    return _Expansion(entries, folder, error, ignored)


def _expand_list(source: str, output: str | None) -> _Expansion:
    try:
        data = Path(source).read_bytes()
    except OSError as error:
        return _Expansion(error=unreadable(error))
    folder = os.path.dirname(absolute(source))
    paths = []
    for line in _lines(data):
        beside = os.path.join(folder, line)
        paths.append(beside if os.path.lexists(beside) and not os.path.lexists(line) else line)
    return _Expansion(_as_named(paths, output), error=None if paths else "this list is empty")


def _expand_glob(pattern: str, output: str | None) -> _Expansion:
    files = sorted(glob_files(pattern, output), key=lambda entry: entry[0].split(os.sep))
    suffix = os.path.splitext(pattern)[1]
    spelled_out = bool(suffix) and not glob.has_magic(suffix)
    entries, ignored = (files, 0) if spelled_out else _choose_by_suffix(files)
    return _Expansion(entries, None, None if entries else f"matches no image, {ignored} other files", ignored)


def _choose_by_suffix(entries: Iterable[Entry]) -> tuple[list[Entry], int]:
    """The entries that failed or look like pictures, and the number of the others."""
    chosen, ignored = [], 0
    for path, error in entries:
        if error is not None or os.path.splitext(path)[1].lower() in IMAGE_SUFFIXES:
            chosen.append((path, error))
        else:
            ignored += 1
    return chosen, ignored


def _as_named(paths: Iterable[str], output: str | None) -> list[Entry]:
    whole = [absolute(path) for path in paths]
    inside = {folder: is_inside(folder, output) for folder in set(map(os.path.dirname, whole))}
    return [(path, _IN_OUTPUT if inside[os.path.dirname(path)] else None) for path in whole]


def _lines(data: bytes) -> list[str]:
    """The lines that hold something. A name may begin or end with spaces, or be in no known encoding."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):  # as PowerShell writes
        text = data.decode("utf-16", "replace")
    else:
        text = os.fsdecode(data.removeprefix(codecs.BOM_UTF8))
    lines = (line.removesuffix("\r") for line in text.replace("\0", "\N{REPLACEMENT CHARACTER}").split("\n"))
    return [line for line in lines if line.strip()]


def _with_names(entries: dict[tuple[bool, str], str | None], base: str) -> list[SourceImage]:
    """Name the pictures first: they have only one name, a failed source can make way."""
    names = {key: PurePath(key[1]).relative_to(base).as_posix() for key in entries if not key[0]}
    taken = set(names.values())
    for failed, source in entries:
        if failed:
            names[failed, source] = _free_name(source, taken)
            taken.add(names[failed, source])
    return [SourceImage(Path(key[1]), names[key], error) for key, error in entries.items()]


def _free_name(source: str, taken: set[str]) -> str:
    path = PurePath(source.replace("\0", "\N{REPLACEMENT CHARACTER}"))
    name = wanted = "/".join(part for part in path.parts if part not in ("..", path.anchor)) or "source"
    for count in itertools.count(2):
        if name not in taken:
            break
        name = f"{wanted} ({count})"
    return name
