"""ILSVRC's numbers of images: the file, the look-up, and images that have none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from detect.image_index import check_image_index, image_number, read_image_index


def index_file(tmp_path: Path, data: bytes) -> Path:
    (tmp_path / "val.txt").write_bytes(data)
    return tmp_path / "val.txt"


def test_a_file_by_hand(tmp_path: Path) -> None:
    path = index_file(tmp_path, b"ILSVRC2012_val_00000001 1\n\nsub dir/x  20\r\n\xf6 3\n")
    assert read_image_index(path) == {
        "ILSVRC2012_val_00000001": 1,
        "sub dir/x": 20,
        os.fsdecode(b"\xf6"): 3,
    }


@pytest.mark.parametrize("line", ["alone", "a b", "a -1", "a 1.5", "a ²", "7", "a 9999999999999999999"])
def test_lines_of_another_form_are_named(tmp_path: Path, line: str) -> None:
    path = index_file(tmp_path, f"x 1\n{line}\n".encode())
    with pytest.raises(ValueError, match=r"^--image-index: .*val\.txt, line 2: expected 'NAME INDEX', got "):
        read_image_index(path)


def test_a_name_that_stands_twice(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"line 2: x stands twice"):
        read_image_index(index_file(tmp_path, b"x 1\nx 2\n"))


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"--image-index: cannot read .*none: No such file"):
        read_image_index(tmp_path / "none")
    with pytest.raises(ValueError, match=r"--image-index: cannot read .*: Is a directory"):
        read_image_index(tmp_path)


def test_an_image_is_looked_up_by_path_and_then_by_name() -> None:
    index = {"a/x": 1, "x": 2}
    assert image_number("a/x.jpg", index) == 1
    assert image_number("b/x.JPEG", index) == 2
    assert image_number("x.y.jpg", index) is None


def test_every_image_needs_a_number_of_its_own() -> None:
    check_image_index(["a/x.jpg", "b/x.jpg"], {"a/x": 1, "x": 2})
    with pytest.raises(ValueError, match=r"found none for y\.jpg"):
        check_image_index(["x.jpg", "y.jpg"], {"x": 1})
    with pytest.raises(ValueError, match=r"a/x\.jpg and b/x\.jpg are both number 1"):
        check_image_index(["a/x.jpg", "b/x.jpg"], {"x": 1})
