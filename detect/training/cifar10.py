"""CIFAR-10 (Krizhevsky 2009) in its binary version, from the archive as published or its unpacked folder."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detect.class_tables import DetectionClass
from detect.training.labelled_set import LabelledSet

ARCHIVE, ARCHIVE_MD5 = "cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530"  # as its web page gives it
FOLDER = "cifar-10-batches-bin"  # in the archive
FILES = {"train": tuple(f"data_batch_{number}.bin" for number in range(1, 6)), "test": ("test_batch.bin",)}
NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SIDE = 32
RECORD = 1 + 3 * SIDE * SIDE  # a label; then all red, all green, all blue, row by row
PER_FILE = 10_000


class CifarImages:
    """`ImageReader` of records that are in memory; an image's path is its file's, a `#` and its number in it."""

    def __init__(self, records: dict[Path, NDArray[np.uint8]]) -> None:
        self._records = records

    def decode(self, path: Path, /) -> NDArray[np.uint8]:
        """(32, 32, 3)."""
        return np.ascontiguousarray(self._records[path][1:].reshape(3, SIDE, SIDE).transpose(1, 2, 0))

    def hashes(self, paths: Sequence[Path], cache: Path | None, *, write: bool) -> list[str | None]:
        """Of label, pixels and their file's name: a copy in the published test file is CIFAR's own, and may judge.

        Nothing is remembered.
        """
        records = ((path.name.partition("#")[0].encode(), self._records[path].tobytes()) for path in paths)
        return [hashlib.sha256(name + record).hexdigest() for name, record in records]


def read_cifar10(path: Path, split: str = "train", *, md5: str = ARCHIVE_MD5, per_file: int = PER_FILE) -> LabelledSet:
    """50,000 images to train on or 10,000 to test, in the order of their files.

    The python version is pickled objects, which may execute anything when they are read: it is refused.

    Args:
        path: the archive, `cifar-10-batches-bin`, or a folder with either in it.
        split: train or test.
        md5: of the archive. per_file: images. Both differ from the published ones in tests alone.
    Raises:
        ValueError: one sentence: another split; nothing there; the python version; an archive of another checksum, as
            a truncated one is; a file of another length; a label above 9.
    """
    if split not in FILES:
        raise ValueError(f"split: expected train or test of CIFAR-10, got {split!r}")
    place = _place(path)
    read = _from_folder if place.is_dir() else _from_archive
    if place.is_file() and (found := hashlib.md5(place.read_bytes(), usedforsecurity=False).hexdigest()) != md5:
        raise ValueError(
            f"{place}: expected CIFAR-10's binary archive with the checksum (md5) {md5}, got {found} of "
            f"{place.stat().st_size} bytes: truncated, or another file"
        )
    records: dict[Path, NDArray[np.uint8]] = {}
    for name, content in zip(FILES[split], read(place, FILES[split]), strict=True):
        if len(content) != per_file * RECORD:
            raise ValueError(
                f"{place / name}: expected {per_file * RECORD} bytes ({per_file} images), got {len(content)}: "
                "truncated, or another file"
            )
        rows = np.frombuffer(content, np.uint8).reshape(per_file, RECORD)
        records |= {place / f"{name}#{number}": row for number, row in enumerate(rows)}
    labels = np.array([row[0] for row in records.values()], np.int64)
    classes = tuple(DetectionClass("", name, (label,)) for label, name in enumerate(NAMES))
    return LabelledSet(f"CIFAR-10 {split}", tuple(records), labels, classes, CifarImages(records))


def _place(path: Path) -> Path:
    """The archive, or the folder with the files."""
    inside = [one for one in (path / FOLDER, path / ARCHIVE) if one.exists()] if path.is_dir() else []
    place = inside[0] if inside else path
    names = {place.name, *(one.name for one in place.iterdir())} if place.is_dir() else {place.name}
    if names & {"cifar-10-batches-py", "cifar-10-python.tar.gz", "data_batch_1"}:
        raise ValueError(
            f"{path}: expected CIFAR-10's binary version ({ARCHIVE}), got the python version, whose pickled objects "
            "may execute anything when they are read"
        )
    if not place.exists():
        raise ValueError(f"{place}: expected {ARCHIVE} or its folder {FOLDER}, found nothing there")
    return place


def _from_folder(folder: Path, names: Sequence[str]) -> list[bytes]:
    for name in names:
        if not (folder / name).is_file():
            raise ValueError(f"{folder}: expected CIFAR-10's files {', '.join(names)}, found no {name}")
    return [(folder / name).read_bytes() for name in names]


def _from_archive(archive: Path, names: Sequence[str]) -> list[bytes]:
    """Nothing is written; the checksum has been compared."""
    contents = []
    with tarfile.open(archive, "r:gz") as tar:
        for name in names:
            file = tar.extractfile(f"{FOLDER}/{name}")
            assert file is not None
            contents.append(file.read())
    return contents
