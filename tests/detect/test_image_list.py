"""Lists of images: one or two columns, and lines that are wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from detect.image_list import ListedImage, choose_images, read_image_list


def file(tmp_path: Path, text: str) -> Path:
    (tmp_path / "list.txt").write_text(text)
    return tmp_path / "list.txt"


def test_one_and_two_columns(tmp_path: Path) -> None:
    path = file(tmp_path, "a 3\n\nsub/b\r\nmy photo -1\n000000000009\nphoto two\n")
    assert read_image_list(path) == [
        ListedImage("a", 1, 3),
        ListedImage("sub/b", 3, None),
        ListedImage("my photo", 4, -1),
        ListedImage("000000000009", 5, None),
        ListedImage("photo two", 6, None),
    ]


def test_a_name_that_stands_twice_is_named_with_both_lines(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"list\.txt, line 3: a stands twice, first on line 1"):
        read_image_list(file(tmp_path, "a 1\nb 2\na 3\n"))


def test_files_without_names(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"list\.txt: expected names of images, got an empty file"):
        read_image_list(file(tmp_path, "\n \n"))
    with pytest.raises(ValueError, match=r"cannot read .*none\.txt: No such file"):
        read_image_list(tmp_path / "none.txt")


def test_choosing_keeps_the_order_of_the_names(tmp_path: Path) -> None:
    names = ["c", "a", "b"]
    assert choose_images(names, file(tmp_path, "b 1\nc 2\n"), Path("set")) == ["c", "b"]
    assert names == ["c", "a", "b"]


def test_a_name_that_nobody_knows(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"list\.txt, line 2: d is not among the images of set"):
        choose_images(["a"], file(tmp_path, "a\nd\n"), Path("set"))
