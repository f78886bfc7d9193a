"""What is written and printed of an analysis."""

from __future__ import annotations

import json
from pathlib import Path

from scoring_cases import Case
from test_analysis import small_set
from test_error_types import BIG, evaluated

from detect.scoring import Analysis, analyse, evaluate
from detect.scoring.analysis import ERROR_TYPES
from detect.scoring.analysis_tables import analysis_metrics, why


def analysed(case: Case) -> Analysis:
    return analyse(case.truth(), case.predictions(), evaluated(case))


def a_case() -> Case:
    """As in test_error_costs: one classification error, which costs 1/2 in each of two classes."""
    objects = [(1, 1, BIG, False), (2, 1, BIG, False), (3, 0, BIG, False)]
    return Case([1, 2, 3], objects, [(1, 1, 0.9, BIG), (2, 0, 0.8, BIG), (3, 0, 0.7, BIG)])


def test_metrics_by_hand() -> None:
    case = a_case()
    content = json.loads(json.dumps(analysis_metrics(analysed(case), case.truth().classes), allow_nan=False))
    assert list(content) == ["errors", "by_size", "confusions"]
    errors = content["errors"]
    assert errors["mAP"] == 0.5
    assert list(errors["types"]) == list(ERROR_TYPES)
    assert errors["types"]["classification"] == {"count": 1, "dAP": 0.5}
    assert errors["types"]["missed"] == {"count": 0, "dAP": 0.0}
    assert errors["false_positives"] == {"count": 1, "dAP": 0.25}
    assert errors["false_negatives"] == {"count": 1, "dAP": 0.25}
    first, _, last = errors["per_class"]
    assert {name: first[name] for name in ("label", "wnid", "name")} == {
        "label": 0,
        "wnid": "n02672831",
        "name": "accordion",
    }
    assert (first["count"]["classification"], first["dAP"]["classification"]) == (1, 0.5)
    assert (last["count"]["classification"], last["dAP"]["classification"]) == (0, None)
    assert content["by_size"]["coco"]["large"] == {
        "about": "above 96² pixels",
        "mAP": 0.5,
        "num_ground_truths": 3,
        "num_classes_in_mean": 2,
    }
    assert content["by_size"]["coco"]["small"]["mAP"] is None
    assert list(content["by_size"]["class_percentiles"]) == ["XS", "S", "M", "L", "XL"]
    assert [
        (pair["predicted"]["name"], pair["actual"]["name"], pair["num_detections"]) for pair in content["confusions"]
    ] == [("accordion", "airplane", 1)]


def test_text() -> None:
    case = a_case()
    lines = [line.split() for line in why(analysed(case), case.truth().classes).splitlines()]
    assert ["classification", "1", "0.5000"] in lines
    assert ["all", "false", "positives", "1", "0.2500"] in lines
    assert ["small:", "below", "32²", "pixels", "0", "0", "-"] in lines
    assert ["large:", "above", "96²", "pixels", "3", "2", "0.5000"] in lines
    assert ["airplane", "taken", "for", "accordion", "1"] in lines


def test_no_ground_truth() -> None:
    case = Case([1], rows=[(1, 0, 0.5, BIG)])
    content = analysis_metrics(analysed(case), case.truth().classes)
    assert content["errors"]["mAP"] is None
    assert content["errors"]["types"]["background"] == {"count": 1, "dAP": None}
    assert content["confusions"] == []
    assert "most confused" not in why(analysed(case), case.truth().classes)


def test_proposals(tmp_path: Path) -> None:
    """Nothing is detected, so all three objects are missed; of one the best proposal has an overlap of 0."""
    measured, predictions = small_set(tmp_path)
    truth = measured.ground_truth
    analysis = analyse(truth, predictions, evaluate(truth, predictions), proposals=measured)
    content = json.loads(json.dumps(analysis_metrics(analysis, truth.classes), allow_nan=False))["proposals"]
    assert content["coverage"]["10"] == 0
    assert round(content["coverage"]["all"], 6) == 0.666667
    assert (content["num_missed"], content["num_missed_without_proposal"]) == (3, 1)
    dog = next(row for row in content["per_class"] if row["name"] == "dog")
    assert (dog["num_ground_truths"], dog["coverage"]["100"], dog["ABO"]["all"]) == (1, 0, 1)
    assert content["per_class"][0]["ABO"]["all"] is None
    sentence = "proposals cover 0.6667 of the objects (IoU >= 0.5); of the 3 missed ones 1 had none"
    assert why(analysis, truth.classes).endswith(sentence)
