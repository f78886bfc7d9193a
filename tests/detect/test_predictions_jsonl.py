"""Our own detections.jsonl."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from empty_truths import empty_truth

from detect.detection_records import encode_record, error_record
from detect.prediction_images import PredictionImages
from detect.predictions import ReadingNotes
from detect.predictions_jsonl import read_detection_records

TRUTH = empty_truth({"a": 3, "b": 70})
IMAGES = PredictionImages(TRUTH)


def found(**changes: Any) -> dict[str, Any]:
    return {"wnid": "n02691156", "name": "airplane", "label": 7, "score": 0.5, "box": [0, 1.5, 9, 9], **changes}


def record(image: str, *detections: Any) -> dict[str, Any]:
    return {"image": image, "width": 9, "height": 9, "detections": list(detections)}


def written(path: Path, *records: dict[str, Any]) -> Path:
    path.write_bytes(b"".join(map(encode_record, records)))
    return path


def test_by_hand(tmp_path: Path) -> None:
    """The label in the record is the model's; the WordNet id says which class it is here."""
    path = written(
        tmp_path / "a.jsonl", record("sub/b.jpg", found(), found(score=1, wnid="n02672831")), record("a.png")
    )
    predictions = read_detection_records(path, IMAGES)
    assert predictions.image_of.tolist() == [1, 1]
    assert predictions.labels.tolist() == [1, 0]
    assert predictions.scores.tolist() == [0.5, 1]
    assert predictions.boxes.tolist() == [[0, 1.5, 9, 9]] * 2
    assert predictions.notes == ReadingNotes()


def test_notes(tmp_path: Path) -> None:
    images = PredictionImages(TRUTH, restricted=True)
    path = written(
        tmp_path / "a.jsonl",
        record("c.jpg", found(), found()),
        error_record("d.jpg", "broken"),
        error_record("b.jpg", "broken"),
    )
    assert read_detection_records(path, images).notes == ReadingNotes(passed_over=2, failed_images=1, silent_images=1)
    path = written(tmp_path / "b.jsonl", record("a.jpg", found(), found(wnid="n99999999")))
    assert read_detection_records(path, images).notes == ReadingNotes(other_classes=1, silent_images=1)


def test_nothing(tmp_path: Path) -> None:
    assert read_detection_records(written(tmp_path / "a.jsonl"), IMAGES).notes.silent_images == 2


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (record("c.jpg"), "line 2: expected an image of the ground truth, got 'c.jpg'"),
        (record("sub/a.png"), "line 2: 'sub/a.png' stands twice, first on line 1"),
        (error_record("a.jpg", "broken"), "line 2: 'a.jpg' stands twice, first on line 1"),
        ({"image": "b.jpg"}, "line 2: expected a list of detections or an error, got neither"),
        ({"image": "b.jpg", "detections": 3}, "line 2: expected a list of detections or an error"),
        ({"name": "b.jpg"}, "line 2: expected a detection record"),
        (record("b.jpg", 3), "line 2, detection 1: expected an object, got '3'"),
        (record("b.jpg", found(), found(wnid=None)), "line 2, detection 2: expected texts as 'wnid' and 'name'"),
        (record("b.jpg", found(score=float("nan"))), "line 2, detection 1: expected a finite score, got 'nan'"),
        (record("b.jpg", found(score=float("inf"))), "line 2, detection 1: expected a finite score, got 'inf'"),
        (record("b.jpg", found(score=10**400)), "line 2, detection 1: expected a finite score, got '1000"),
        (record("b.jpg", found(score="0.5")), "line 2, detection 1: expected a finite score, got '0.5'"),
        (record("b.jpg", found(score=True)), "line 2, detection 1: expected a finite score, got 'True'"),
        (record("b.jpg", found(box=[1, 2, 3])), "line 2, detection 1: expected four finite numbers as 'box'"),
        (record("b.jpg", found(box=[1, 2, 3, float("nan")])), "line 2, detection 1: expected four finite numbers"),
        (record("b.jpg", found(box=[5, 2, 3, 4])), "line 2, detection 1: expected a box x1 <= x2, y1 <= y2"),
        (record("b.jpg", found(box=[1, 5, 3, 4])), "line 2, detection 1: expected a box x1 <= x2, y1 <= y2"),
    ],
)
def test_bad_records(tmp_path: Path, second: dict[str, Any], message: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in (record("a.jpg", found()), second)))
    with pytest.raises(ValueError, match=f"a.jsonl, {message}"):
        read_detection_records(path, IMAGES)


def test_a_cut_off_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(encode_record(record("a.jpg")) + encode_record(record("b.jpg"))[:-9])
    with pytest.raises(ValueError, match=r"a.jsonl, line 2: expected a detection record"):
        read_detection_records(path, IMAGES)


def test_classes_of_another_world(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", record("a.jpg", found(wnid="n99999999")))
    with pytest.raises(ValueError, match=r"a.jsonl: expected classes of the ground truth, found none"):
        read_detection_records(path, IMAGES)


def test_images_of_another_size_are_noted(tmp_path: Path) -> None:
    """Where either says nothing of an image's size, there is nothing to note."""
    sized = dataclasses.replace(TRUTH, sizes=np.array([[9, 9], [18, 9]], np.int32))
    path = written(tmp_path / "a.jsonl", record("a.jpg", found()), record("b.jpg", found()))
    notes = read_detection_records(path, PredictionImages(sized)).notes
    assert (notes.other_sizes, notes.first_other_size) == (1, "b")
    assert read_detection_records(path, IMAGES).notes.other_sizes == 0
    silent = {"image": "b.jpg", "detections": []}
    path = written(tmp_path / "b.jsonl", record("a.jpg", found()), silent)
    assert read_detection_records(path, PredictionImages(sized)).notes.other_sizes == 0
    path = written(tmp_path / "c.jsonl", error_record("a.jpg", "broken"), silent)
    assert read_detection_records(path, PredictionImages(sized)).notes.other_sizes == 0
