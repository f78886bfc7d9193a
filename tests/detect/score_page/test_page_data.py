from __future__ import annotations

import json

import numpy as np
import pytest
from scored_pages import page_case, scored
from scoring_cases import Case

from detect.score_page.page_data import ClassFacts, most_frequent, rounded, script_json
from detect.scoring.analysis_results import CLASSIFICATION

BOX = (0, 0, 99, 99)


def test_json_inside_a_script_element() -> None:
    value = ["</script><!--", "&amp;", "\udce9", "é\u2028"]
    text = script_json(value)
    assert not set("<>&") & set(text)
    assert text.isascii()
    assert json.loads(text) == value
    with pytest.raises(ValueError, match="JSON"):
        script_json(float("nan"))


def test_numbers() -> None:
    assert rounded(None, 3) is None
    assert rounded(np.float64("nan"), 3) is None
    assert rounded(1 / 3, 3) == 0.333
    assert most_frequent(np.array([0, 2, 5, 2]), 2) == [[2, 5], [1, 2]]
    assert most_frequent(np.zeros(3, np.int64)) == []


def test_a_class_by_hand() -> None:
    """Of two objects one is found, by the second of two detections; the first lies on an object of class 1."""
    objects = [(1, 0, BOX, False), (1, 0, (200, 0, 299, 99), False), (2, 1, BOX, False)]
    data = scored(Case([1, 2], objects, [(2, 0, 0.9, BOX), (1, 0, 0.7, BOX)]))
    one = ClassFacts(data).of(data.evaluation.per_class[0])
    assert one["name"] == "accordion"
    assert (one["ap"], one["objects"], one["detections"], one["hits"], one["wrong"]) == (0.25, 2, 2, 1, 1)
    assert one["curve"] == {"recall": [0.0, 0.5], "precision": [0.0, 0.5], "score": [0.9, 0.7]}
    assert one["f1"] == {"f1": 0.5, "precision": 0.5, "recall": 0.5, "score": 0.7}
    assert one["confused"] == [[1, 1]]
    assert one["errors"][CLASSIFICATION] == [1, 0.25]  # without it AP is 1/2
    assert one["counts"] == {"hit": 1, "wrong": 1, "missed": 1}
    other = ClassFacts(data).of(data.evaluation.per_class[1])
    assert other["taken"] == [[0, 1]]
    empty = ClassFacts(data).of(data.evaluation.per_class[2])
    assert (empty["ap"], empty["curve"]["recall"], empty["f1"]) == (None, [], None)


def test_coco_has_a_curve_without_scores_and_no_analysis_has_no_errors() -> None:
    data = scored(page_case(), "coco", analysed=False)
    one = ClassFacts(data).of(data.evaluation.per_class[0])
    assert one["curve"]["score"] is None
    assert one["f1"]["score"] is None
    assert (one["errors"], one["sizes"], one["confused"], one["coverage"]) == ([], [], [], None)
