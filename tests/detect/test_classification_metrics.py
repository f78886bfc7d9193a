"""Accuracy counted by hand, and the tables made of it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from detect.class_tables import DetectionClass
from detect.classification_metrics import (
    accuracy_metrics,
    accuracy_table,
    classification_record,
    measure_accuracy,
    prediction_lines,
)
from detect.image_classification import ClassifiedImage
from detect.image_sources import SourceImage

CLASSES = [DetectionClass(f"n{i}", name) for i, name in enumerate("abcdefg")]
RECORDS = [
    {"image": "1.jpg", "label": 0, "best": [0, 1, 2, 3, 4], "probs": [0.5, 0.2, 0.1, 0.05, 0.01]},  # the best
    {"image": "2.jpg", "label": 0, "best": [1, 2, 3, 4, 0], "probs": [0.5, 0.2, 0.1, 0.05, 0.01]},  # the fifth
    {"image": "3.jpg", "label": 0, "best": [1, 2, 3, 4, 5], "probs": [0.5, 0.2, 0.1, 0.05, 0.01]},  # none
    {"image": "4.jpg", "error": "truncated JPEG"},
    {"image": "5.jpg", "label": 6, "best": [6, 0, 1, 2, 3], "probs": [0.5, 0.2, 0.1, 0.05, 0.01]},  # the best
]


def test_counts_of_all_and_of_each_class() -> None:
    """Best: 2 of 4. Among five: 3 of 4. Class 0: 1 and 2 of 3; class 6: 1 of 1."""
    metrics = accuracy_metrics(measure_accuracy(RECORDS, 7), CLASSES)
    assert [metrics[name] for name in ("num_images", "num_unreadable")] == [4, 1]
    assert [metrics[name] for name in ("top1", "top5", "top1_error", "top5_error")] == [0.5, 0.75, 0.5, 0.25]
    first, last = metrics["per_class"]
    assert (first["label"], first["wnid"], first["name"]) == (0, "n0", "a")
    assert (first["num_images"], first["num_top1"], first["num_top5"]) == (3, 1, 2)
    assert (first["top1"], first["top5"]) == (1 / 3, 2 / 3)
    assert (last["label"], last["num_images"], last["top1"], last["top5"]) == (6, 1, 1.0, 1.0)
    assert metrics["unreadable"] == [{"image": "4.jpg", "error": "truncated JPEG"}]
    json.dumps(metrics, allow_nan=False)


def test_the_table_is_in_percent() -> None:
    lines = accuracy_table(measure_accuracy(RECORDS, 7)).splitlines()
    assert [line.split() for line in lines] == [
        ["accuracy", "%", "error", "%"],
        ["top-1", "50.00", "50.00"],
        ["top-5", "75.00", "25.00"],
    ]


@pytest.mark.parametrize("records", [[], RECORDS[3:4]])
def test_without_an_answer_there_is_no_accuracy(records: list[dict[str, object]]) -> None:
    accuracy = measure_accuracy(records, 7)
    metrics = accuracy_metrics(accuracy, CLASSES)
    assert (metrics["num_images"], metrics["top1"], metrics["top5_error"], metrics["per_class"]) == (0, None, None, [])
    assert accuracy_table(accuracy).splitlines()[1].split() == ["top-1", "-", "-"]


def test_only_five_count() -> None:
    record = {"image": "1.jpg", "label": 5, "best": [0, 1, 2, 3, 4, 5], "probs": [0.1] * 6}
    assert measure_accuracy([record], 7).top5.sum() == 0


@pytest.mark.parametrize("label", [-1, 7])
def test_labels_beyond_the_classifier_are_refused(label: int) -> None:
    with pytest.raises(ValueError, match=rf"1.jpg: expected a label from 0 to 6, got {label}"):
        measure_accuracy([{**RECORDS[0], "label": label}], 7)


def test_records_of_images() -> None:
    source = SourceImage(Path("/x/1.jpg"), "1.jpg")
    record = classification_record(ClassifiedImage(source, (3, 1), (2 / 3, 1 / 3)), 1)
    assert record == {"image": "1.jpg", "label": 1, "best": [3, 1], "probs": [0.6666667, 0.3333333]}
    assert classification_record(ClassifiedImage(source, error="no"), None) == {"image": "1.jpg", "error": "no"}


def test_predictions_are_a_table() -> None:
    odd = {"image": 'a "b", \udcf6.jpg', "label": 1, "best": [1, 0], "probs": [0.75, 0.25]}
    rows = list(csv.reader("".join(prediction_lines([odd, RECORDS[3]], CLASSES[:2])).splitlines()))
    assert rows == [
        ["image", "label", "class", "label_1", "class_1", "prob_1", "label_2", "class_2", "prob_2"],
        ['a "b", \\udcf6.jpg', "1", "b", "1", "b", "0.75", "0", "a", "0.25"],
    ]
    header = next(prediction_lines([], CLASSES)).rstrip("\n").split(",")
    assert header[-3:] == ["label_5", "class_5", "prob_5"]
