"""Pictures without objects: the same by seed, of every kind, and learnt from as background for all 200 classes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from detect.training.data_sets import read_data_set
from detect.training.empty_pictures import KINDS, LONGEST, SHORTEST, _smooth, draw_empty, write_empty
from detect.training.losses import log_weights
from detect.whole_files import OutputError


def test_files_by_seed(tmp_path: Path) -> None:
    first, second = write_empty(tmp_path / "a", 3, seed=1), write_empty(tmp_path / "b", 2, seed=1)
    other = write_empty(tmp_path / "c", 1, seed=2)
    assert [path.name for path in first] == ["000000.png", "000001.png", "000002.png"]
    assert [path.read_bytes() for path in first[:2]] == [path.read_bytes() for path in second]
    assert first[0].read_bytes() != other[0].read_bytes()
    assert np.array_equal(cv2.imread(str(first[1]))[:, :, ::-1], draw_empty(1, 1))


@pytest.mark.parametrize("number", range(3 * len(KINDS)))
def test_a_picture(number: int) -> None:
    picture = draw_empty(number, 0)
    assert (picture.dtype, picture.ndim, picture.shape[2]) == (np.uint8, 3, 3)
    assert all(SHORTEST <= side <= LONGEST for side in picture.shape[:2])
    assert picture.max() > picture.min(), "something is drawn"
    assert np.array_equal(picture, draw_empty(number, 0))


def test_a_curve_goes_through_its_corners() -> None:
    """Catmull and Rom's passes through each, and halfway between the middle two at (9 (b + c) − (a + d)) / 16."""
    corners = np.array([[0, 0], [8, 0], [8, 8], [0, 8]], np.float64)
    points = _smooth(corners, steps=2)
    assert np.array_equal(points[::2], corners)
    assert points[3].tolist() == [(9 * 16 - 0) / 16, (9 * 8 - 8) / 16]


def test_they_teach_that_nothing_is_there(tmp_path: Path) -> None:
    write_empty(tmp_path, 2, seed=0)
    found, problems = read_data_set("empty", tmp_path, weight=0.5)
    assert (len(found), len(found.targets), problems) == (2, 0, ())
    assert found.weights.tolist() == [0.5, 0.5]
    assert found.allowed[found.background].sum(axis=1).tolist() == [1, 1]
    assert found.allowed[found.background, -1].all()
    weights = log_weights(found.allowed, found.classes, 1001, background=found.background.tolist(), unannotated=0.1)
    of_classes = sorted({leaf for one in found.classes for leaf in one.members})
    assert (weights[found.background][:, of_classes] == -np.inf).all(), "no class, not even seldom"
    assert (weights[found.background][:, 1000] == 0).all()


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="count: expected at least 1, got 0"):
        write_empty(tmp_path, 0, seed=0)
    write_empty(tmp_path / "some", 1, seed=0)
    with pytest.raises(ValueError, match="class_space: expected det with empty pictures, got own"):
        read_data_set("empty", tmp_path / "some", class_space="own")
    (tmp_path / "none").mkdir()
    with pytest.raises(ValueError, match="none: expected annotated images, found none"):
        read_data_set("empty", tmp_path / "none")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="file"):
        write_empty(tmp_path / "file", 1, seed=0)


def test_pictures_of_an_earlier_larger_set_go_and_what_is_the_users_stays(tmp_path: Path) -> None:
    write_empty(tmp_path, 5, seed=0)
    for mine in ("mine.png", "0000003.png", "000004.jpg"):
        (tmp_path / mine).write_bytes(b"mine")
    write_empty(tmp_path, 2, seed=1)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"000000.png", "000001.png", "mine.png", "0000003.png", "000004.jpg"}
