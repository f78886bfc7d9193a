"""CIFAR-10's binary files are read to the bit, and anything else is refused in one sentence."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from cifar_files import cifar_content, write_cifar_archive, write_cifar_folder

from detect.training.cifar10 import ARCHIVE, FOLDER, NAMES, RECORD, read_cifar10


def test_a_record_is_a_label_and_three_planes(tmp_path: Path) -> None:
    folder = write_cifar_folder(tmp_path / FOLDER, per_file=3)
    found = read_cifar10(folder, per_file=3)
    assert (len(found), found.name) == (15, "CIFAR-10 train")
    assert [one.name for one in found.classes] == list(NAMES)
    assert [one.members for one in found.classes] == [(label,) for label in range(10)]
    assert found.labels.tolist() == [0, 1, 2] * 5
    assert found.images[4] == folder / "data_batch_2.bin#1"
    image = found.reader.decode(found.images[4])
    record = cifar_content("data_batch_2.bin", 3)[RECORD : 2 * RECORD]
    assert image.shape == (32, 32, 3)
    for y, x, channel in ((0, 0, 0), (5, 7, 1), (31, 31, 2), (31, 0, 0)):
        assert image[y, x, channel] == record[1 + channel * 1024 + y * 32 + x]


def test_archive_folder_and_the_folder_around_are_the_same(tmp_path: Path) -> None:
    folder = write_cifar_folder(tmp_path / "unpacked" / FOLDER, per_file=2)
    (tmp_path / "packed").mkdir()
    md5 = write_cifar_archive(tmp_path / "packed" / ARCHIVE, per_file=2)
    first = read_cifar10(folder, "test", per_file=2)
    for path in (folder.parent, tmp_path / "packed", tmp_path / "packed" / ARCHIVE):
        other = read_cifar10(path, "test", md5=md5, per_file=2)
        assert other.labels.tolist() == first.labels.tolist()
        for mine, theirs in zip(first.images, other.images, strict=True):
            np.testing.assert_array_equal(first.reader.decode(mine), other.reader.decode(theirs))
        assert other.reader.hashes(other.images, None, write=True) == first.reader.hashes(
            first.images, None, write=True
        )
    assert len(set(first.reader.hashes(first.images, None, write=True))) == 2


def test_a_copy_in_the_test_file_is_another_image(tmp_path: Path) -> None:
    folder = write_cifar_folder(tmp_path / FOLDER, per_file=2)
    (folder / "test_batch.bin").write_bytes((folder / "data_batch_1.bin").read_bytes())
    (folder / "data_batch_2.bin").write_bytes((folder / "data_batch_1.bin").read_bytes()[:RECORD] * 2)
    train, test = (read_cifar10(folder, split, per_file=2) for split in ("train", "test"))
    ours, theirs = (one.reader.hashes(one.images, None, write=True) for one in (train, test))
    assert not set(ours) & set(theirs)
    assert ours[2] == ours[3]


def test_a_truncated_archive_and_another_file(tmp_path: Path) -> None:
    archive = tmp_path / ARCHIVE
    md5 = write_cifar_archive(archive, per_file=2)
    with pytest.raises(ValueError, match=f"{ARCHIVE}: expected .* c32a1d4ab5d03f1284b67883e8d87530, got {md5} of"):
        read_cifar10(archive, per_file=2)
    archive.write_bytes(archive.read_bytes()[:-20])
    with pytest.raises(ValueError, match=rf"checksum \(md5\) {md5}, got .*: truncated, or another file$"):
        read_cifar10(archive, md5=md5, per_file=2)


def test_a_truncated_file(tmp_path: Path) -> None:
    folder = write_cifar_folder(tmp_path / FOLDER, per_file=2)
    with (folder / "data_batch_4.bin").open("r+b") as file:
        file.truncate(5000)
    with pytest.raises(ValueError, match=re.escape("data_batch_4.bin: expected 6146 bytes (2 images), got 5000")):
        read_cifar10(folder, per_file=2)
    assert len(read_cifar10(folder, "test", per_file=2)) == 2


def test_a_label_beyond_the_classes(tmp_path: Path) -> None:
    folder = write_cifar_folder(tmp_path / FOLDER, per_file=2)
    (folder / "test_batch.bin").write_bytes(bytes([10]) * 2 * RECORD)
    with pytest.raises(ValueError, match=re.escape("test_batch.bin#0: expected a label from 0 to 9, got 10")):
        read_cifar10(folder, "test", per_file=2)


@pytest.mark.parametrize("name", ["cifar-10-python.tar.gz", "cifar-10-batches-py", "cifar-10-batches-py/data_batch_1"])
@pytest.mark.parametrize("inside", [False, True])
def test_the_python_version_is_not_unpickled(tmp_path: Path, name: str, inside: bool) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.mkdir() if name.endswith("py") else path.write_bytes(b"cos\nsystem\n")
    with pytest.raises(ValueError, match=r"binary version \(cifar-10-binary.tar.gz\), got the python version, whose"):
        read_cifar10(path.parent if inside or path.name == "data_batch_1" else path)


@pytest.mark.parametrize(
    ("make", "split", "message"),
    [
        ((), "train", "expected cifar-10-binary.tar.gz or its folder cifar-10-batches-bin, found nothing there"),
        (("empty/",), "train", "expected CIFAR-10's files data_batch_1.bin, .*, found no data_batch_1.bin"),
        ((), "val", "split: expected train or test of CIFAR-10, got 'val'"),
    ],
)
def test_what_is_not_there(tmp_path: Path, make: tuple[str, ...], split: str, message: str) -> None:
    for name in make:
        (tmp_path / name).mkdir()
    with pytest.raises(ValueError, match=message):
        read_cifar10(tmp_path / "empty", split)
