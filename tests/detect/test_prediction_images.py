"""Images of a ground truth by number and by name."""

from __future__ import annotations

import numpy as np
import pytest
from empty_truths import empty_truth

from detect.prediction_images import PASSED_OVER, UNKNOWN, PredictionImages

TRUTH = empty_truth({"val/b": 70, "val/a": 3, "x/c.d": 12, "y/e": 5, "z/e": 6})


def numbers(images: PredictionImages, *wanted: int) -> list[int]:
    return images.of_numbers(np.array(wanted, np.int64)).tolist()


def test_numbers_with_gaps() -> None:
    assert numbers(PredictionImages(TRUTH), 3, 70, 12, 4, 71, -1) == [1, 0, 2, UNKNOWN, UNKNOWN, UNKNOWN]
    assert numbers(PredictionImages(empty_truth({})), 1) == [UNKNOWN]
    assert numbers(PredictionImages(TRUTH)) == []


def test_images_that_are_not_scored() -> None:
    index = {"a": 3, "b": 70, "other": 4}
    assert numbers(PredictionImages(TRUTH, index), 3, 4, 8) == [1, PASSED_OVER, UNKNOWN]
    assert numbers(PredictionImages(TRUTH, restricted=True), 3, 4, 8) == [1, PASSED_OVER, PASSED_OVER]
    assert numbers(PredictionImages(TRUTH, index, restricted=True), 3, 4, 8) == [1, PASSED_OVER, UNKNOWN]


@pytest.mark.parametrize(
    ("name", "position"),
    [
        ("val/a.JPEG", 1),
        ("val/a", 1),
        ("a.jpg", 1),
        ("elsewhere/a.jpg", 1),
        ("x/c.d.png", 2),
        ("c.d.png", 2),
        ("y/e.png", 3),
        ("e.png", UNKNOWN),  # there are two
        ("A.jpg", UNKNOWN),
        ("", UNKNOWN),
        ("val/", UNKNOWN),
        ("..", UNKNOWN),
        ("/", UNKNOWN),
    ],
)
def test_names(name: str, position: int) -> None:
    assert PredictionImages(TRUTH).of_name(name) == position
    if position == UNKNOWN:
        assert PredictionImages(TRUTH, restricted=True).of_name(name) == PASSED_OVER


def test_names_that_only_the_index_knows() -> None:
    """The devkit's .mat numbers its images and does not name them."""
    images = PredictionImages(
        empty_truth({"1": 1, "2": 2}), {"ILSVRC2012_val_00000006": 2, "ILSVRC2012_val_00000007": 3}
    )
    assert images.of_name("val/ILSVRC2012_val_00000006.JPEG") == 1
    assert images.of_name("val/ILSVRC2012_val_00000007.JPEG") == PASSED_OVER
    assert images.of_name("val/ILSVRC2012_val_00000008.JPEG") == UNKNOWN
    assert images.of_name("") == UNKNOWN
