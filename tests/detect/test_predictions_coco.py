"""COCO results: plain lists, and our own export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from empty_truths import empty_truth

from detect.prediction_images import PredictionImages
from detect.predictions import ReadingNotes
from detect.predictions_coco import coco_labels, read_coco_results

TRUTH = empty_truth({"a": 3, "b": 70})
IMAGES = PredictionImages(TRUTH)  # a is number 3, b is number 70


def row(**changes: Any) -> dict[str, Any]:
    return {"image_id": 70, "category_id": 2, "bbox": [1, 2, 3.5, 4], "score": 0.5, **changes}


def table(**changes: Any) -> dict[str, Any]:
    return {
        "images": [{"id": 1, "file_name": "b.jpg"}, {"id": 2, "file_name": "sub/a.jpg"}],
        "categories": [{"id": 5, "name": "airplane", "wnid": "n02691156"}, {"id": 9, "name": "ant"}],
        "annotations": [row(image_id=2, category_id=9), row(image_id=1, category_id=5)],
        **changes,
    }


def written(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


def test_a_list_by_hand(tmp_path: Path) -> None:
    found = read_coco_results(written(tmp_path / "a.json", [row(), row(image_id=3, score=1)]), IMAGES)
    assert found.image_of.tolist() == [1, 0]
    assert found.labels.tolist() == [1, 1]
    assert found.scores.tolist() == [0.5, 1]
    assert found.boxes.tolist() == [[1, 2, 4.5, 6]] * 2


def test_ids_of_a_coco_ground_truth(tmp_path: Path) -> None:
    labels = coco_labels(written(tmp_path / "truth.json", {"categories": [{"id": 90}, {"id": 1}, {"id": 18}]}))
    assert labels == {1: 0, 18: 1, 90: 2}
    found = read_coco_results(written(tmp_path / "a.json", [row(category_id=90)]), IMAGES, labels)
    assert found.labels.tolist() == [2]


def test_an_object_by_hand(tmp_path: Path) -> None:
    """Its ids are its own."""
    found = read_coco_results(written(tmp_path / "a.json", table()), IMAGES)
    assert found.image_of.tolist() == [0, 1]
    assert found.labels.tolist() == [2, 1]


def test_notes(tmp_path: Path) -> None:
    images = PredictionImages(TRUTH, restricted=True)
    found = read_coco_results(written(tmp_path / "a.json", [row(), row(image_id=4)]), images)
    assert (len(found), found.notes) == (1, ReadingNotes(passed_over=1))
    categories = [*table()["categories"], {"id": 6, "name": "unicorn"}]
    content = table(categories=categories, annotations=[row(image_id=1, category_id=6), row(image_id=1, category_id=9)])
    found = read_coco_results(written(tmp_path / "b.json", content), images)
    assert (found.labels.tolist(), found.notes) == ([2], ReadingNotes(other_classes=1))


@pytest.mark.parametrize("content", [[], table(annotations=[], images=[], categories=[])])
def test_nothing(tmp_path: Path, content: Any) -> None:
    assert len(read_coco_results(written(tmp_path / "a.json", content), IMAGES)) == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([row(), 3], "result 2: expected an object, got '3'"),
        ([row(), row(image_id=4)], "result 2: expected an image of the ground truth, got image_id 4"),
        ([row(image_id="70")], "result 1: expected a whole number as 'image_id', got '70'"),
        ([row(image_id=10**30)], "result 1: expected a whole number as 'image_id'"),
        ([row(category_id=201)], "result 1: expected a known category_id, got 201"),
        ([row(category_id=0)], "result 1: expected a known category_id, got 0"),
        ([row(category_id=None)], "result 1: expected a whole number as 'category_id'"),
        ([row(score=float("nan"))], "result 1: expected a finite score, got 'nan'"),
        ([row(score=None)], "result 1: expected a finite score"),
        ([row(bbox=[1, 2, 3])], "result 1: expected four finite numbers as 'bbox'"),
        ([row(bbox=[1, 2, 3, float("inf")])], "result 1: expected four finite numbers as 'bbox'"),
        ([row(bbox=[1, 2, -3, 4])], "result 1: expected a width and height of at least 0, got -3, 4"),
        (3, "expected a list of COCO results, got '3'"),
        ({"annotations": []}, "expected a list named 'images'"),
        (table(images=[{"id": 1}]), "image 1: expected an object with a file_name"),
        (
            table(images=[{"id": 1, "file_name": "x.jpg"}]),
            "image 1: expected an image of the ground truth, got 'x.jpg'",
        ),
        (table(images=[{"id": 1, "file_name": n} for n in ("a.jpg", "b.jpg")]), "image 2: id 1 stands twice"),
        (
            table(images=[{"id": i, "file_name": f"a.{i}"} for i in (1, 2)]),
            "image 2: 'a.2' is the image that 'a.1' is",
        ),
        (table(categories=[{"id": 5}]), "category 1: expected an object with a name"),
        (table(categories=[{"id": 5, "name": "unicorn"}]), "expected categories of the ground truth, found none"),
        (table(annotations=[row(image_id=7, category_id=5)]), "result 1: expected an image of the ground truth"),
    ],
)
def test_bad_files(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"a.json.*{message}"):
        read_coco_results(written(tmp_path / "a.json", content), IMAGES)


def test_no_json(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[\n{]")
    with pytest.raises(ValueError, match=r"a.json: expected JSON: .* line 2"):
        read_coco_results(tmp_path / "a.json", IMAGES)
