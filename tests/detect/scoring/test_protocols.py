"""The one entrance: what it refuses, and that it keeps quiet."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from scoring_cases import Case, random_case

from detect.scoring import PROTOCOLS, Protocol, evaluate

CASE = Case([1], [(1, 0, (0, 0, 9, 9), False)], [(1, 0, 0.5, (0, 0, 9, 9))])


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_perfect_detector(protocol: Protocol, capsys: pytest.CaptureFixture[str]) -> None:
    case = random_case(2)
    objects = [(number, label, box, False) for number, label, box, _ in case.objects]
    rows = [(number, label, 1.0, box) for number, label, box, _ in objects]
    perfect = dataclasses.replace(case, objects=objects, rows=rows)
    evaluation = evaluate(perfect.truth(), perfect.predictions(), protocol)
    assert evaluation.protocol == protocol
    assert evaluation.mean_average_precision == pytest.approx(1)
    assert evaluation.median_average_precision == pytest.approx(1)
    assert evaluation.num_classes == len({label for _, label, _, _ in objects}) > 1
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_is_reproducible(protocol: Protocol) -> None:
    case = random_case(4)
    one, other = (evaluate(case.truth(), case.predictions(), protocol) for _ in range(2))
    np.testing.assert_array_equal(one.outcomes, other.outcomes)
    np.testing.assert_array_equal(one.average_precisions, other.average_precisions)


@pytest.mark.parametrize(
    ("changes", "protocol", "options", "message"),
    [
        ({}, "voc12", {}, "protocol: expected one of ilsvrc, voc07, voc10, coco, got 'voc12'"),
        (
            {},
            "coco",
            {"blacklist": np.empty((0, 2), np.int64)},
            "blacklist: expected protocol ilsvrc with it, got coco",
        ),
        ({"image_of": np.array([1])}, "ilsvrc", {}, r"predictions.image_of: expected 0..0 of this ground truth"),
        ({"labels": np.array([-1])}, "voc10", {}, r"predictions.labels: expected 0..2 of this ground truth"),
    ],
)
def test_refusals(changes: dict[str, Any], protocol: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        evaluate(CASE.truth(), dataclasses.replace(CASE.predictions(), **changes), protocol, **options)
