from __future__ import annotations

from pathlib import Path

import pytest
from scoring_cases import Case

from detect.score_page import find_photos

TRUTH = Case(range(1, 4)).truth()  # val/image1, val/image2, val/image3


def files(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def test_photos_are_found_by_name_wherever_they_lie(tmp_path: Path) -> None:
    names = ("val/image3.JPEG", "val/image1.JPEG", "other.JPEG", "val/notes.txt")
    folder = files(tmp_path / "Data" / "DET", *names)
    found = find_photos(TRUTH, tmp_path / "Data")
    assert found == {0: folder / "val/image1.JPEG", 2: folder / "val/image3.JPEG"}


def test_folders_that_are_wrong(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--images: expected a folder, got"):
        find_photos(TRUTH, tmp_path / "none")
    folder = files(tmp_path / "other", "x.jpg")
    with pytest.raises(ValueError, match=r"--images: .*other has no picture of any image .* such as val/image1$"):
        find_photos(TRUTH, folder)
    twice = files(tmp_path / "twice", "a/image1.jpg", "b/image1.jpg")
    with pytest.raises(ValueError, match=r"^--images: val/image1 of .* could be a/image1.jpg or b/image1.jpg$"):
        find_photos(TRUTH, twice)
