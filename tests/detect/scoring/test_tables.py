"""What is written and printed of an evaluation."""

from __future__ import annotations

import csv
import io
import json

from scoring_cases import Case

from detect.predictions import ReadingNotes
from detect.scoring import Evaluation, evaluate
from detect.scoring.tables import best_first, class_rows, class_table, csv_text, metrics, summary

BIG = (0, 0, 99, 99)


def evaluation() -> Evaluation:
    rows = [(1, 0, 0.9, BIG), (1, 0, 0.8, BIG), (2, 2, 0.5, (0, 0, 9, 9)), (2, 1, 0.5, BIG)]
    objects = [(1, 0, BIG, False), (2, 2, BIG, False), (1, 2, BIG, False)]
    case = Case([1, 2], objects, rows, frozenset({(2, 2)}))
    return evaluate(case.truth(), case.predictions(), blacklist=case.blacklisted())


def test_metrics_by_hand() -> None:
    content = json.loads(json.dumps(metrics(evaluation(), ReadingNotes(passed_over=3))))
    rows = content.pop("per_class")
    assert content == {
        "protocol": "ilsvrc",
        "mAP": 0.5,
        "median_AP": 0.5,
        "num_classes": 3,
        "num_classes_in_mean": 2,
        "num_images": 2,
        "num_ground_truths": 2,
        "num_ground_truths_left_out": 1,
        "num_detections": 4,
        "num_ignored": 1,
        "predictions": {
            "passed_over": 3,
            "other_classes": 0,
            "empty_boxes": 0,
            "first_empty_line": 0,
            "failed_images": 0,
            "silent_images": 0,
            "other_sizes": 0,
            "first_other_size": "",
        },
    }
    assert rows[0] == {
        "det_id": 1,
        "wnid": "n02672831",
        "name": "accordion",
        "AP": 1.0,
        "num_ground_truths": 1,
        "num_detections": 2,
        "num_true_positives": 1,
        "num_false_positives": 1,
        "num_ignored": 0,
    }
    assert [row["AP"] for row in rows] == [1.0, None, 0.0]
    assert [row["num_ignored"] for row in rows] == [0, 0, 1]


def test_no_ground_truth_is_null() -> None:
    case = Case([1])
    content = metrics(evaluate(case.truth(), case.predictions()), ReadingNotes())
    assert (content["mAP"], content["median_AP"], content["num_classes_in_mean"]) == (None, None, 0)
    assert "no class has ground truth" in summary(evaluate(case.truth(), case.predictions()))


def test_csv_reads_back() -> None:
    rows = list(csv.DictReader(io.StringIO(csv_text(class_rows(evaluation())))))
    assert [(row["name"], row["AP"], row["num_detections"]) for row in rows] == [
        ("accordion", "1.0", "2"),
        ("airplane", "", "1"),
        ("ant", "0.0", "1"),
    ]


def test_text() -> None:
    one = evaluation()
    assert summary(one) == (
        "protocol ilsvrc: 2 images, 2 objects (and 1 that do not count), 4 detections\n"
        "mean AP 0.500000, median 0.500000, over 2 of 3 classes"
    )
    assert [c.detection_class.name for c in best_first(one)] == ["accordion", "ant"]
    assert class_table(one.per_class).splitlines()[2].split() == ["airplane", "-", "0", "1"]
