"""ILSVRC's submission text."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from empty_truths import empty_truth

from detect.prediction_images import PredictionImages
from detect.predictions import ReadingNotes
from detect.predictions_ilsvrc import read_ilsvrc_text

TRUTH = empty_truth({"a": 3, "b": 70})
IMAGES = PredictionImages(TRUTH)


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_by_hand(tmp_path: Path) -> None:
    found = read_ilsvrc_text(written(tmp_path / "a.txt", "70 200 0.5 0 1 9 10\n3 1 -2e-05 1.25 2 3.5 4\n"), IMAGES)
    assert found.image_of.tolist() == [1, 0]
    assert found.labels.tolist() == [199, 0]
    assert found.scores.tolist() == [0.5, -2e-05]
    assert found.boxes.tolist() == [[0, 1, 10, 11], [1.25, 2, 4.5, 5]]
    assert found.notes == ReadingNotes()


def test_boxes_without_area_are_counted(tmp_path: Path) -> None:
    """xmax = xmin is a pixel wide; xmax = xmin - 0.5 half a pixel, as our export writes such a box."""
    text = "3 1 .5 5 5 5 5\n3 1 .5 5 5 4.5 5\n\n3 1 .5 5 5 4 5\n3 1 .5 5 9 5 1\n"
    found = read_ilsvrc_text(written(tmp_path / "a.txt", text), IMAGES)
    assert len(found) == 4
    assert found.notes == ReadingNotes(empty_boxes=2, first_empty_line=4)


def test_images_that_are_not_scored(tmp_path: Path) -> None:
    path = written(tmp_path / "a.txt", "4 1 .5 0 0 9 9\n3 2 .6 0 0 9 9\n5 1 .5 0 0 9 9\n")
    found = read_ilsvrc_text(path, PredictionImages(TRUTH, restricted=True))
    assert (found.labels.tolist(), found.notes.passed_over) == ([1], 2)


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_nothing(tmp_path: Path, text: str) -> None:
    assert len(read_ilsvrc_text(written(tmp_path / "a.txt", text), IMAGES)) == 0


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("4 1 .5 0 0 9 9", "expected an image index of the data set, got 4"),
        ("3.5 1 .5 0 0 9 9", "expected an image index of the data set, got 3.5"),
        ("nan 1 .5 0 0 9 9", "expected an image index of the data set, got nan"),
        ("1e300 1 .5 0 0 9 9", r"expected an image index of the data set, got 1e\+300"),
        ("3 0 .5 0 0 9 9", "expected a DET id of 1 to 200, got 0"),
        ("3 201 .5 0 0 9 9", "expected a DET id of 1 to 200, got 201"),
        ("3 1.5 .5 0 0 9 9", "expected a DET id of 1 to 200, got 1.5"),
        ("3 1 nan 0 0 9 9", "expected a finite score, got nan"),
        ("3 1 -inf 0 0 9 9", "expected a finite score, got -inf"),
        ("3 1 .5 0 0 inf 9", "expected a finite xmax, got inf"),
        ("3 1 .5 0 1e999 9 9", "expected a finite ymin, got inf"),
        ("3 1 .5 0 0 9", "expected 7 numbers, got 6 fields: '3 1 .5 0 0 9'"),
        ("3 1 .5 0 0 9 9 9", "expected 7 numbers, got 8 fields"),
        ("a.jpg 1 .5 0 0 9 9", "expected a number, got 'a.jpg'"),
    ],
)
@pytest.mark.parametrize("later", ["", "3 1 nan 0 0 9 9\n9 9 9\n"])
def test_bad_lines(tmp_path: Path, line: str, message: str, later: str) -> None:
    """The first bad line is named."""
    path = written(tmp_path / "a.txt", f"3 1 .5 0 0 9 9\n\n{line}\n{later}")
    with pytest.raises(ValueError, match=f"a.txt, line 3: {message}"):
        read_ilsvrc_text(path, IMAGES)


def test_compressed(tmp_path: Path) -> None:
    text = "".join(f"{(3, 70)[i % 2]} {i % 200 + 1} {i / 1000} 0 0 {i} 9\n" for i in range(2000))
    plain = read_ilsvrc_text(written(tmp_path / "a.txt", text), IMAGES)
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(text.encode()))
    packed = read_ilsvrc_text(tmp_path / "a.txt.gz", IMAGES)
    for name in ("image_of", "labels", "scores", "boxes"):
        np.testing.assert_array_equal(getattr(plain, name), getattr(packed, name))


def test_damaged_compression(tmp_path: Path) -> None:
    whole = gzip.compress(b"3 1 .5 0 0 9 9\n" * 1000)
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 0xFF
    for content in (whole[:-12], b"3 1 .5 0 0 9 9\n", bytes(damaged)):
        (tmp_path / "a.gz").write_bytes(content)
        with pytest.raises(ValueError, match=r"a.gz: expected a whole gzip file, got a damaged one"):
            read_ilsvrc_text(tmp_path / "a.gz", IMAGES)
