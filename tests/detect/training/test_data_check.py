"""Counts of a training set, and its images decoded."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from data_set_files import numbered_set, write_picture
from rich.console import Console

from detect.training.data_check import check_images, data_report, largest_corners, report_table
from detect.training.data_sets_found import Problem
from detect.training.training_set import IGNORED

# Rows of a numbered set of 3 classes: 0, 1, 2 a class; 3 background; 4 class 0 or 1. Boxes are 3 x 12, √36 = 6.
TARGETS = [[0, 0, 4], [3], [], [IGNORED], [0, 1]]


def test_a_report_by_hand() -> None:
    problems = [
        Problem(Path("a"), "gone", "image"),
        Problem(Path("b"), "gone", "image"),
        Problem(Path("c"), "x", "unmapped"),
    ]
    report = data_report(numbered_set(TARGETS), problems)
    assert (report.images, report.without_objects, report.objects) == (5, 2, 7)
    assert (report.certain, report.ambiguous, report.outside, report.ignored) == (4, 1, 1, 1)
    assert [(one.objects, one.images, one.perhaps) for one in report.classes] == [(3, 2, 1), (1, 1, 1), (0, 0, 0)]
    assert [one.exhaustive for one in report.classes] == [5, 5, 5]  # backgrounds allow background alone
    assert report.classes_with_boxes == 2
    assert report.side_quantiles == pytest.approx([6] * 5)
    assert report.problems == {"image": 2, "unmapped": 1}
    assert json.loads(report.to_json())["classes"][0] == {
        **{"name": "class 0", "objects": 3, "images": 2, "perhaps": 1, "exhaustive": 5}
    }


def test_exhaustive_images_are_counted_by_class() -> None:
    training_set = numbered_set([[], [], []])
    training_set.allowed[4, -1] = True  # background, or class 0 or 1
    training_set.background[:2] = 4
    assert [one.exhaustive for one in data_report(training_set).classes] == [1, 1, 3]


def test_nothing_to_report() -> None:
    report = data_report(numbered_set([[]]))
    assert (report.objects, report.side_quantiles, report.classes_with_boxes) == (0, (), 0)
    assert (json.loads(report.to_json())["side_quantiles"], report.problems) == ([], {})


def test_a_table_for_people() -> None:
    console = Console(width=100, file=None, record=True, quiet=False)
    with console.capture() as capture:
        console.print(report_table(data_report(numbered_set(TARGETS))))
    text = capture.get()
    assert "class 0" in text
    assert "class 2" not in text  # there is none, and none that may be one
    assert "2 of 3 classes have boxes" in " ".join(text.split())


def test_images_are_decoded(tmp_path: Path) -> None:
    good = write_picture(tmp_path / "good.png")
    (tmp_path / "broken.png").write_bytes(good.read_bytes()[:60])
    (tmp_path / "text.png").write_text("hello")
    paths = [tmp_path / name for name in ("broken.png", "good.png", "gone.png", "text.png")]
    for workers in (1, 3):
        problems = check_images(paths, workers)
        assert [(one.file.name, one.kind) for one in problems] == [
            ("broken.png", "image"),
            ("gone.png", "image"),
            ("text.png", "image"),
        ]
        assert problems[1].what == "no such file"
    assert check_images([], 1) == ()


def test_boxes_beyond_the_decoded_image(tmp_path: Path) -> None:
    paths = [write_picture(tmp_path / f"{i}.png", size=(50, 60)) for i in range(3)]
    corners = np.array([[60, 50], [61, 51], [62, 50]], dtype=np.float32)
    problems = check_images(paths, 1, far_corners=corners)
    assert [(one.file, one.kind, one.what) for one in problems] == [
        (paths[2], "outside", "boxes reach to 62, 50, the image has 60 x 50")
    ]
    with pytest.raises(ValueError, match=r"far_corners: expected 2, got 3"):
        check_images(paths[:2], 1, far_corners=corners)


def test_largest_corners() -> None:
    training_set = numbered_set(TARGETS)  # object i is i, i, i + 3, i + 12
    assert largest_corners(training_set).tolist() == [[5, 14], [6, 15], [0, 0], [7, 16], [9, 18]]
