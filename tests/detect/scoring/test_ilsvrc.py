"""ILSVRC's rule: cases by hand, a slow oracle, laws, and the figures of the official tool."""

from __future__ import annotations

import csv
import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scoring_cases import Case, oracle_ilsvrc, random_case

from detect.scoring import HIT, IGNORED, MISS, Evaluation, evaluate, read_blacklist
from detect.scoring.ilsvrc import thresholds

BIG = (0, 0, 99, 99)
NAMES = {HIT: "hit", MISS: "miss", IGNORED: "ignored"}


def score(case: Case) -> Evaluation:
    return evaluate(case.truth(), case.predictions(), blacklist=case.blacklisted())


def outcomes(case: Case) -> list[str]:
    return [NAMES[one] for one in score(case).outcomes.tolist()]


def averages(evaluation: Evaluation) -> list[float]:
    values = [one.average_precision for one in evaluation.per_class]
    return [math.nan if value is None else value for value in values]


def test_thresholds_by_hand() -> None:
    boxes = np.array([[0, 0, 100, 100], [3, 4, 4, 5], [0, 0, 20, 10], [0, 0, 0, 9]], np.float64)
    # 10000 / 12100 > 0.5; 1 / 121; 200 / (30 * 20); no area
    np.testing.assert_array_equal(thresholds(boxes), [0.5, 1 / 121, 200 / 600, 0])


def test_a_curve_by_hand() -> None:
    """Two objects; hit, miss, hit: precision 1, 1/2, 2/3, recall 1/2, 1/2, 1; area 1/2 * 1 + 1/2 * 2/3 = 5/6."""
    case = Case(
        numbers=[3, 8],
        objects=[(3, 1, BIG, False), (8, 1, BIG, False)],
        rows=[(8, 1, 0.2, BIG), (3, 1, 0.9, BIG), (3, 1, 0.5, BIG)],  # the last finds an object found before
    )
    evaluation = score(case)
    one = evaluation.per_class[1]
    assert evaluation.outcomes.tolist() == [HIT, HIT, MISS]
    assert evaluation.matched.tolist() == [1, 0, -1]
    assert one.detections.tolist() == [1, 2, 0]
    np.testing.assert_allclose(one.precision, [1, 1 / 2, 2 / 3])
    np.testing.assert_allclose(one.recall, [1 / 2, 1 / 2, 1])
    assert one.average_precision == pytest.approx(5 / 6, abs=1e-15)
    assert evaluation.mean_average_precision == one.average_precision  # of the one class that has ground truth
    assert [c.average_precision for c in evaluation.per_class] == [None, one.average_precision, None]
    assert (evaluation.num_classes, evaluation.num_ground_truths, evaluation.num_detections) == (1, 2, 3)


@pytest.mark.parametrize(
    ("found", "outcome"),
    [
        ((0, 0, 99, 49), "hit"),  # 5000 / 10000, exactly the threshold
        ((0, 0, 99, 48), "miss"),  # 4900 / 10000
        ((0, 0, 98, 49), "miss"),
        ((0, 50, 99, 149), "miss"),  # 5000 / 15000
        ((99, 0, 0, 99), "miss"),  # reversed
        ((99, 99, 0, 0), "miss"),  # reversed both ways: width times height would be positive
    ],
)
def test_overlap_at_the_threshold(found: tuple[float, float, float, float], outcome: str) -> None:
    assert outcomes(Case([1], [(1, 0, BIG, False)], [(1, 0, 1.0, found)])) == [outcome]


@pytest.mark.parametrize(("found", "outcome"), [((0, 0, 10, 10), "hit"), ((0, 0, 11, 10), "miss")])
def test_an_object_of_one_pixel(found: tuple[float, float, float, float], outcome: str) -> None:
    """Its threshold is 1 / 121: a box of 11 x 11 pixels around it is enough, one of 12 x 11 is not."""
    assert outcomes(Case([1], [(1, 0, (5, 5, 5, 5), False)], [(1, 0, 1.0, found)])) == [outcome]


def test_an_object_without_area_is_not_found_by_a_box_elsewhere() -> None:
    assert outcomes(Case([1], [(1, 0, (5, 5, 4, 5), False)], [(1, 0, 1.0, (50, 50, 60, 60))])) == ["miss"]


def test_the_best_object_that_is_free_is_taken() -> None:
    near, far = (0, 0, 99, 99), (20, 0, 119, 99)  # IoU with `near` 1 and 8000 / 12000
    rows = [(1, 0, 0.9, near), (1, 0, 0.8, near), (1, 0, 0.7, near)]
    case = Case([1], [(1, 0, far, False), (1, 0, near, False)], rows)
    assert score(case).matched.tolist() == [1, 0, -1]  # VOC would call the second one wrong


def test_the_first_of_two_equal_objects_is_taken() -> None:
    case = Case([1], [(1, 0, BIG, False), (1, 0, BIG, False)], [(1, 0, 0.5, BIG), (1, 0, 0.5, BIG)])
    assert score(case).matched.tolist() == [0, 1]


def test_equal_scores_go_by_number_of_the_image_then_by_the_file() -> None:
    away = (500, 500, 599, 599)
    case = Case(
        numbers=[9, 2],  # not in order
        objects=[(2, 0, BIG, False)],
        rows=[(9, 0, 0.5, BIG), (2, 0, 0.5, BIG), (2, 0, 0.5, away)],
    )
    evaluation = score(case)
    assert evaluation.per_class[0].detections.tolist() == [1, 2, 0]
    assert evaluation.per_class[0].average_precision == 1
    evaluation = score(dataclasses.replace(case, rows=[case.rows[i] for i in (0, 2, 1)]))
    assert evaluation.per_class[0].average_precision == 0.5  # the wrong one comes first in the file


def test_blacklisted_detections_count_neither_way() -> None:
    """Image 1 is blacklisted: its detections, though first, leave precision 0/0, and its object leaves the total."""
    case = Case(
        numbers=[1, 2],
        objects=[(1, 0, BIG, False), (2, 0, BIG, False)],
        rows=[(1, 0, 0.9, BIG), (1, 0, 0.8, (0, 0, 1, 1)), (2, 0, 0.7, BIG), (1, 1, 0.9, BIG)],
        blacklist=frozenset({(1, 0)}),
    )
    evaluation = score(case)
    assert evaluation.outcomes.tolist() == [IGNORED, IGNORED, HIT, MISS]
    assert evaluation.truths_left_out.tolist() == [True, False]
    assert evaluation.per_class[0].average_precision == 1
    assert evaluation.per_class[0].precision.tolist() == [0, 0, 1]
    assert evaluation.per_class[0].num_ground_truths == 1
    assert evaluation.per_class[0].num_detections == 3


def test_a_class_with_blacklisted_objects_only_has_no_average_precision() -> None:
    case = Case([1], [(1, 0, BIG, False)], [(1, 0, 0.9, BIG)], frozenset({(1, 0)}))
    assert score(case).per_class[0].average_precision is None
    assert score(case).mean_average_precision is None


@pytest.mark.parametrize(
    ("case", "mean"),
    [
        (Case([]), None),
        (Case([5]), None),
        (Case([5], rows=[(5, 0, 0.5, BIG)]), None),  # the official code has NaN here, and 0 above
        (Case([5], [(5, 0, BIG, False)]), 0.0),
    ],
)
def test_nothing(case: Case, mean: float | None) -> None:
    evaluation = score(case)
    assert evaluation.mean_average_precision == mean
    assert evaluation.median_average_precision == mean
    assert evaluation.num_detections == len(case.rows)


@pytest.mark.parametrize("blacklist", [False, True])
def test_agrees_with_the_oracle(blacklist: bool) -> None:
    found = {"hit": 0, "miss": 0, "ignored": 0}
    for seed in range(1500):
        case = random_case(seed, blacklist=blacklist)
        expected, expected_averages = oracle_ilsvrc(case)
        evaluation = score(case)
        assert [NAMES[one] for one in evaluation.outcomes.tolist()] == expected, seed
        np.testing.assert_allclose(averages(evaluation), expected_averages, rtol=0, atol=1e-12, err_msg=str(seed))
        for one in expected:
            found[one] += 1
    assert found["hit"] > 2000
    assert found["miss"] > 4000
    assert (found["ignored"] > 500) == blacklist


@given(st.integers(0, 10**6), st.integers(-30, 30), st.integers(-30, 30))
def test_shifting_everything_changes_nothing(seed: int, dx: int, dy: int) -> None:
    case = random_case(seed)
    truth, predictions = case.truth(), case.predictions()
    shift = np.array([dx, dy, dx, dy], np.float64)
    moved = dataclasses.replace(truth, boxes=truth.boxes + shift)
    other = evaluate(moved, dataclasses.replace(predictions, boxes=predictions.boxes + shift))
    np.testing.assert_array_equal(other.outcomes, evaluate(truth, predictions).outcomes)


@given(st.integers(0, 10**6), st.randoms(use_true_random=False))
def test_the_order_of_the_file_decides_between_equal_scores_only(seed: int, rng: object) -> None:
    case = random_case(seed)
    rows = [(number, label, float(i), box) for i, (number, label, _, box) in enumerate(case.rows)]
    mixed = list(rows)
    rng.shuffle(mixed)  # type: ignore[attr-defined]
    one, other = (score(dataclasses.replace(case, rows=r)) for r in (rows, mixed))
    assert averages(one) == pytest.approx(averages(other), abs=0, nan_ok=True)


def test_threads_and_inputs() -> None:
    case = random_case(7, blacklist=True)
    truth, predictions = case.truth(), case.predictions()
    copies = {name: getattr(predictions, name).copy() for name in ("image_of", "labels", "scores", "boxes")}
    results = [evaluate(truth, predictions, blacklist=case.blacklisted(), threads=n) for n in (1, 2, 5)]
    for other in results[1:]:
        np.testing.assert_array_equal(other.outcomes, results[0].outcomes)
        np.testing.assert_array_equal(other.matched, results[0].matched)
        assert averages(other) == pytest.approx(averages(results[0]), abs=0, nan_ok=True)
    for name, copy in copies.items():
        np.testing.assert_array_equal(getattr(predictions, name), copy)


def test_difficult_objects_are_refused() -> None:
    with pytest.raises(ValueError, match="protocol ilsvrc: 1 objects of the ground truth are difficult or crowds"):
        score(Case([1], [(1, 0, BIG, True)]))


@pytest.mark.shared
def test_the_official_demo(shared_folder: Path) -> None:
    """The devkit's submission, against what its MATLAB code gave in GNU Octave."""
    from detect.ground_truth_files import read_ground_truth
    from detect.prediction_images import PredictionImages
    from detect.predictions import read_predictions

    folder = shared_folder / "ilsvrc"
    truth = read_ground_truth(folder / "ILSVRC2015_det_validation_ground_truth.mat")
    predictions = read_predictions(folder / "demo.val.pred.det.txt.gz", PredictionImages(truth))
    blacklist = read_blacklist(folder / "ILSVRC2014_det_validation_blacklist.txt", truth)
    with (folder / "demo_reference_ap.csv").open() as file:
        reference = {int(row["det_id"]): float(row["ap"]) for row in csv.DictReader(file)}
    evaluation = evaluate(truth, predictions, blacklist=blacklist)
    ours = {one.label + 1: one.average_precision for one in evaluation.per_class}
    assert ours == pytest.approx(reference, abs=1e-9, rel=0)
    assert evaluation.mean_average_precision == pytest.approx(0.590061, abs=5e-7)
    assert evaluation.median_average_precision == pytest.approx(0.601199, abs=5e-7)
    assert (evaluation.num_images, evaluation.num_ground_truths, evaluation.num_detections) == (20121, 54609, 49013)
    without = evaluate(truth, predictions)
    assert without.mean_average_precision == pytest.approx(0.588769, abs=5e-7)
    assert without.num_ground_truths == 55502
