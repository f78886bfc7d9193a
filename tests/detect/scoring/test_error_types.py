"""The type of every false positive: cases by hand on either side of each threshold, and a slow oracle."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from analysis_oracle import SlowAnalysis, mixed_case
from hypothesis import given
from hypothesis import strategies as st
from scoring_cases import Case, Corners, random_case

from detect.scoring import MISS, Evaluation, Protocol, evaluate
from detect.scoring.analysis import ERROR_TYPES, NO_ERROR
from detect.scoring.error_types import error_types

BIG = (0, 0, 99, 99)  # 10,000 pixels
PROTOCOLS: tuple[Protocol, ...] = ("ilsvrc", "voc07", "voc10", "coco")


def evaluated(case: Case, protocol: Protocol = "ilsvrc") -> Evaluation:
    blacklist = case.blacklisted() if protocol == "ilsvrc" else None
    return evaluate(case.truth(), case.predictions(), protocol, blacklist=blacklist)


def judged(case: Case, protocol: Protocol = "ilsvrc") -> list[tuple[str, int]]:
    types, objects = error_types(case.truth(), case.predictions(), evaluated(case, protocol))
    names = [ERROR_TYPES[one] if one != NO_ERROR else "" for one in types.tolist()]
    return list(zip(names, objects.tolist(), strict=True))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("label", "box", "expected"),
    [
        (1, BIG, ("", -1)),  # the hit
        (0, BIG, ("classification", 0)),
        (0, (0, 0, 99, 49), ("classification", 0)),  # IoU 5000 / 10000
        (0, (0, 0, 99, 48), ("both", 0)),  # 4900 / 10000
        (0, (0, 0, 99, 9), ("both", 0)),  # 1000 / 10000
        (0, (0, 0, 99, 8), ("background", -1)),  # 900 / 10000
        (1, (0, 0, 99, 48), ("localisation", 0)),
        (1, (0, 0, 99, 9), ("localisation", 0)),
        (1, (0, 0, 99, 8), ("background", -1)),
        (1, (300, 300, 399, 399), ("background", -1)),
        (1, (99, 0, 0, 99), ("background", -1)),  # reversed
    ],
)
def test_one_detection(protocol: Protocol, label: int, box: Corners, expected: tuple[str, int]) -> None:
    assert judged(Case([7], [(7, 1, BIG, False)], [(7, label, 0.5, box)]), protocol) == [expected]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_second_hit_is_a_duplicate(protocol: Protocol) -> None:
    rows = [(7, 1, 0.4, BIG), (7, 1, 0.5, (0, 0, 99, 79))]
    assert judged(Case([7], [(7, 1, BIG, False)], rows), protocol) == [("duplicate", 0), ("", -1)]


def test_an_object_on_another_image_is_far() -> None:
    assert judged(Case([7, 8], [(8, 1, BIG, False)], [(7, 0, 0.5, BIG)])) == [("background", -1)]


def test_the_order_of_the_types() -> None:
    """Near an object of its class goes before on one of another class, which goes before a duplicate."""
    low = (0, 0, 99, 39)  # IoU 0.4 with BIG
    case = Case([7], [(7, 1, BIG, False), (7, 0, low, False)], [(7, 1, 0.5, low)])
    assert judged(case) == [("localisation", 0)]
    case = Case([7], [(7, 1, BIG, False), (7, 0, BIG, False)], [(7, 1, 0.5, BIG), (7, 1, 0.4, BIG)])
    assert judged(case) == [("", -1), ("classification", 1)]


def test_the_object_of_highest_overlap_then_the_first() -> None:
    right, left = (20, 0, 119, 99), (-10, 0, 89, 99)  # IoU with BIG: 8000 / 12000 and 9000 / 11000
    case = Case([7], [(7, 1, right, False), (7, 2, left, False)], [(7, 0, 0.5, BIG)])
    assert judged(case) == [("classification", 1)]
    case = Case([7], [(7, 2, right, False), (7, 1, right, False)], [(7, 0, 0.5, BIG)])
    assert judged(case) == [("classification", 0)]


def test_ilsvrc_asks_less_of_small_objects() -> None:
    """10 x 10 pixels: threshold 100 / 400. IoU 30 / 100 reaches it, and would not reach VOC's 0.5."""
    case = Case([7], [(7, 1, (0, 0, 9, 9), False)], [(7, 0, 0.5, (0, 0, 9, 2))])
    assert judged(case) == [("classification", 0)]
    assert judged(case, "voc10") == [("both", 0)]


def test_an_object_of_one_pixel_is_reached_before_it_is_near() -> None:
    """Its threshold is 1 / 121, far below the 0.1 from which a detection is near."""
    objects = [(7, 1, (5, 5, 5, 5), False)]
    rows = [(7, 0, 0.5, (0, 0, 10, 10)), (7, 0, 0.4, (0, 0, 11, 10))]
    assert judged(Case([7], objects, rows)) == [("classification", 0), ("background", -1)]
    assert judged(Case([7], objects, rows), "voc10") == [("background", -1), ("background", -1)]


def test_objects_that_do_not_count_are_not_there() -> None:
    rows = [(7, 0, 0.5, BIG), (7, 1, 0.5, BIG)]
    listed = Case([7], [(7, 1, BIG, False)], rows, frozenset({(7, 1)}))
    assert judged(listed) == [("background", -1), ("", -1)]
    difficult = Case([7], [(7, 1, BIG, True)], rows)
    assert judged(difficult, "voc10") == judged(difficult, "coco") == [("background", -1), ("", -1)]


@pytest.mark.parametrize("case", [Case([]), Case([5]), Case([5], [(5, 0, BIG, False)])])
def test_no_detections(case: Case) -> None:
    assert judged(case) == []


def test_no_objects() -> None:
    assert judged(Case([5], rows=[(5, 0, 0.5, BIG)])) == [("background", -1)]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_agrees_with_the_oracle(protocol: Protocol) -> None:
    seen = dict.fromkeys(ERROR_TYPES[:5], 0)
    for seed in range(300):
        case = mixed_case(seed, protocol)
        evaluation = evaluated(case, protocol)
        slow = SlowAnalysis(case, evaluation).errors()
        assert judged(case, protocol) == list(zip(slow.types, slow.objects, strict=True)), seed
        for name in filter(None, slow.types):
            seen[name] += 1
    assert min(seen.values()) > 20, seen


@given(st.integers(0, 10**6), st.integers(-30, 30), st.integers(-30, 30))
def test_shifting_everything_changes_nothing(seed: int, dx: int, dy: int) -> None:
    case = random_case(seed)
    truth, predictions, evaluation = case.truth(), case.predictions(), evaluated(case)
    shift = np.array([dx, dy, dx, dy], np.float64)
    moved = dataclasses.replace(truth, boxes=truth.boxes + shift)
    other = error_types(moved, dataclasses.replace(predictions, boxes=predictions.boxes + shift), evaluation)
    for one, two in zip(other, error_types(truth, predictions, evaluation), strict=True):
        np.testing.assert_array_equal(one, two)


@given(st.integers(0, 10**6))
def test_every_false_positive_has_a_type_and_nothing_else(seed: int) -> None:
    case = random_case(seed, blacklist=True)
    evaluation = evaluated(case)
    types, _ = error_types(case.truth(), case.predictions(), evaluation)
    np.testing.assert_array_equal(types != NO_ERROR, evaluation.outcomes == MISS)
