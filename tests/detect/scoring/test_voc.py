"""VOC's rules: cases by hand and a slow oracle."""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

import numpy as np
import pytest
from scoring_cases import Case, oracle_voc, random_case

from detect.scoring import HIT, IGNORED, MISS, evaluate

BIG = (1, 1, 100, 100)
NAMES = {HIT: "hit", MISS: "miss", IGNORED: "ignored"}


def outcomes(case: Case) -> list[str]:
    return [NAMES[one] for one in evaluate(case.truth(), case.predictions(), "voc10").outcomes.tolist()]


@pytest.mark.parametrize(("bottom", "outcome"), [(50, "hit"), (49, "miss")])
def test_overlap_at_the_threshold(bottom: int, outcome: str) -> None:
    """5000 / 10000 and 4900 / 10000 pixels; the devkit asks for >= 0.5."""
    assert outcomes(Case([1], [(1, 0, BIG, False)], [(1, 0, 1.0, (1, 1, 100, bottom))])) == [outcome]


def test_small_objects_get_no_tolerance() -> None:
    """9 / 16 pixels is enough, 9 / 20 is not, whatever the size."""
    objects = [(1, 0, (1, 1, 3, 3), False)]
    assert outcomes(Case([1], objects, [(1, 0, 1.0, (1, 1, 4, 4))])) == ["hit"]
    assert outcomes(Case([1], objects, [(1, 0, 1.0, (1, 1, 4, 5))])) == ["miss"]


def test_the_most_overlapping_object_is_taken_even_if_found_before() -> None:
    far = (21, 1, 120, 100)  # IoU with BIG 8000 / 12000
    case = Case([1], [(1, 0, far, False), (1, 0, BIG, False)], [(1, 0, 0.9, BIG), (1, 0, 0.8, BIG)])
    assert outcomes(case) == ["hit", "miss"]  # ILSVRC would give the second one `far`


def test_difficult_objects() -> None:
    """Any number of detections of one counts neither way, and it leaves the total."""
    elsewhere = (301, 1, 400, 100)
    case = Case(
        [1],
        [(1, 0, BIG, True), (1, 0, elsewhere, False)],
        [(1, 0, 0.9, BIG), (1, 0, 0.8, BIG), (1, 0, 0.7, elsewhere), (1, 0, 0.6, (1, 1, 9, 9))],
    )
    evaluation = evaluate(case.truth(), case.predictions(), "voc10")
    assert evaluation.outcomes.tolist() == [IGNORED, IGNORED, HIT, MISS]
    assert evaluation.matched.tolist() == [0, 0, 1, -1]
    assert evaluation.truths_left_out.tolist() == [True, False]
    assert (evaluation.num_ground_truths, evaluation.per_class[0].average_precision) == (1, 1.0)
    assert evaluate(case.truth(), case.predictions(), "voc07").mean_average_precision == 1


def test_a_class_with_difficult_objects_only_has_no_average_precision() -> None:
    case = Case([1], [(1, 0, BIG, True)], [(1, 0, 0.9, BIG)])
    assert evaluate(case.truth(), case.predictions(), "voc07").mean_average_precision is None


def test_eleven_points_by_hand() -> None:
    """Three objects; hit, miss, hit. Precision 1 at recall 1/3, 2/3 at recall 2/3.

    Levels 0 to 0.3 have precision 1, 0.4 to 0.6 have 2/3, 0.7 to 1 none: (4 + 3 * 2/3) / 11 = 6 / 11. The area is
    1/3 + 1/3 * 2/3 = 5/9.
    """
    apart = [(101 * i, 0, 101 * i + 99, 99) for i in range(3)]
    rows = [(1, 0, 0.9, apart[0]), (1, 0, 0.8, (0, 500, 9, 509)), (1, 0, 0.7, apart[1])]
    case = Case([1], [(1, 0, box, False) for box in apart], rows)
    truth, predictions = case.truth(), case.predictions()
    assert evaluate(truth, predictions, "voc07").mean_average_precision == pytest.approx(6 / 11, abs=1e-15)
    assert evaluate(truth, predictions, "voc10").mean_average_precision == pytest.approx(5 / 9, abs=1e-15)


def test_three_of_ten_objects_reach_recall_three_tenths() -> None:
    apart = [(101 * i, 0, 101 * i + 99, 99) for i in range(10)]
    case = Case([1], [(1, 0, box, False) for box in apart], [(1, 0, 0.9, box) for box in apart[:3]])
    evaluation = evaluate(case.truth(), case.predictions(), "voc07")
    assert evaluation.mean_average_precision == pytest.approx(4 / 11)  # 0, 0.1, 0.2, 0.3


def test_equal_scores_go_by_the_file() -> None:
    rows = [(9, 0, 0.5, (500, 1, 600, 9)), (2, 0, 0.5, BIG)]
    case = Case([2, 9], [(2, 0, BIG, False)], rows)
    assert evaluate(case.truth(), case.predictions(), "voc10").mean_average_precision == 0.5
    turned = dataclasses.replace(case, rows=rows[::-1])
    assert evaluate(turned.truth(), turned.predictions(), "voc10").mean_average_precision == 1


@pytest.mark.parametrize("protocol", ["voc07", "voc10"])
def test_agrees_with_the_oracle(protocol: Literal["voc07", "voc10"]) -> None:
    found = {"hit": 0, "miss": 0, "ignored": 0}
    for seed in range(1000):
        case = random_case(seed, difficult=True)
        expected, averages = oracle_voc(case, eleven=protocol == "voc07")
        evaluation = evaluate(case.truth(), case.predictions(), protocol)
        assert [NAMES[one] for one in evaluation.outcomes.tolist()] == expected, seed
        ours = [math.nan if c.average_precision is None else c.average_precision for c in evaluation.per_class]
        np.testing.assert_allclose(ours, averages, rtol=0, atol=1e-12, err_msg=str(seed))
        for one in expected:
            found[one] += 1
    assert min(found.values()) > 300
