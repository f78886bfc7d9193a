"""What each type of error costs: cases by hand, a slow oracle, laws, and figures of tidecv."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from analysis_oracle import SlowAnalysis, mixed_case
from clustered_case import clustered_case
from scoring_cases import Case, random_case
from test_error_types import BIG, PROTOCOLS, evaluated

from detect.scoring import HIT, IGNORED, MISS, Protocol
from detect.scoring.analysis import CLASSIFICATION, LOCALISATION, Errors
from detect.scoring.error_costs import measure_errors
from detect.scoring.rescoring import Rescorer

LOW = (0, 0, 99, 39)  # IoU 0.4 with BIG
AWAY = (300, 300, 399, 399)


def measured(case: Case, protocol: Protocol = "ilsvrc") -> Errors:
    truth, predictions, evaluation = case.truth(), case.predictions(), evaluated(case, protocol)
    return measure_errors(truth, predictions, evaluation, Rescorer(truth, predictions, evaluation))


def costs(errors: Errors, label: int) -> dict[str, float]:
    """Of one class, those that are not 0."""
    every = (*errors.costs, errors.false_positives, errors.false_negatives)
    return {one.name: pytest.approx(one.costs[label], abs=1e-12) for one in every if one.costs[label]}


def counts(errors: Errors) -> dict[str, int]:
    """Those that are not 0."""
    every = (*errors.costs, errors.false_positives, errors.false_negatives)
    return {one.name: one.count for one in every if one.count}


def test_classification() -> None:
    """Class 0: wrong, right: precision 0, 1/2: AP 1/2. Class 1: one of two objects: AP 1/2. Corrected: both 1."""
    objects = [(1, 1, BIG, False), (2, 1, BIG, False), (3, 0, BIG, False)]
    errors = measured(Case([1, 2, 3], objects, [(1, 1, 0.9, BIG), (2, 0, 0.8, BIG), (3, 0, 0.7, BIG)]))
    assert errors.average_precisions.tolist() == pytest.approx([1 / 2, 1 / 2, math.nan], nan_ok=True)
    assert counts(errors) == {"classification": 1, "false positives": 1, "false negatives": 1}
    assert costs(errors, 0) == {"classification": 1 / 2, "false positives": 1 / 2}
    assert costs(errors, 1) == {"classification": 1 / 2, "false negatives": 1 / 2}
    assert errors.costs[CLASSIFICATION].counts.tolist() == [1, 0, 0]  # under the class it was given
    assert errors.costs[CLASSIFICATION].mean_cost == pytest.approx(1 / 2)  # of the two classes with objects
    assert not errors.missed.any()


def test_localisation() -> None:
    """Wrong, right, of two objects: precision 0, 1/2 at recall 0, 1/2: AP 1/4. Box put right: 1.

    Without the wrong one: 1/2. With one object in all: precision 1/2 at recall 1: 1/2.
    """
    errors = measured(Case([1, 2], [(1, 0, BIG, False), (2, 0, BIG, False)], [(1, 0, 0.9, LOW), (2, 0, 0.8, BIG)]))
    assert counts(errors) == {"localisation": 1, "false positives": 1, "false negatives": 1}
    assert costs(errors, 0) == {"localisation": 3 / 4, "false positives": 1 / 4, "false negatives": 1 / 4}


def test_both() -> None:
    """Wrong, right: AP 1/2. Without it 1; it does not find the object of class 1, which is missed."""
    objects = [(1, 0, AWAY, False), (1, 1, BIG, False)]
    errors = measured(Case([1], objects, [(1, 0, 0.9, LOW), (1, 0, 0.8, AWAY)]))
    assert counts(errors) == {"both": 1, "missed": 1, "false positives": 1, "false negatives": 1}
    assert costs(errors, 0) == {"both": 1 / 2, "false positives": 1 / 2}
    assert errors.missed.tolist() == [False, True]


def test_duplicate() -> None:
    """Right, again, right: precision 1, 1/2, 2/3 at recall 1/2, 1/2, 1: AP 5/6."""
    objects = [(1, 0, BIG, False), (1, 0, AWAY, False)]
    errors = measured(Case([1], objects, [(1, 0, 0.9, BIG), (1, 0, 0.8, BIG), (1, 0, 0.7, AWAY)]))
    assert counts(errors) == {"duplicate": 1, "false positives": 1}
    assert costs(errors, 0) == {"duplicate": 1 / 6, "false positives": 1 / 6}


def test_background() -> None:
    """Wrong, wrong, right: precision 0, 0, 1/3: AP 1/3."""
    errors = measured(Case([1], [(1, 0, BIG, False)], [(1, 0, 0.9, AWAY), (1, 0, 0.8, AWAY), (1, 0, 0.7, BIG)]))
    assert counts(errors) == {"background": 2, "false positives": 2}
    assert costs(errors, 0) == {"background": 2 / 3, "false positives": 2 / 3}


def test_missed() -> None:
    """One of three objects found: AP 1/3. In class 1 nothing was found: 0, whatever leaves the total."""
    objects = [(1, 0, BIG, False), (2, 0, BIG, False), (2, 0, AWAY, False), (1, 1, AWAY, False)]
    errors = measured(Case([1, 2], objects, [(1, 0, 0.9, BIG)]))
    assert counts(errors) == {"missed": 3, "false negatives": 3}
    assert costs(errors, 0) == {"missed": 2 / 3, "false negatives": 2 / 3}
    assert costs(errors, 1) == {}
    assert errors.costs[-1].mean_cost == pytest.approx((2 / 3 + 0) / 2)
    assert errors.missed.tolist() == [False, True, True, True]


def test_one_error_finds_an_object_and_the_others_about_it_go() -> None:
    """Two boxes of class 0 too low, one of class 1 in place: the best of all three claims the object.

    Class 0 has AP 0. Boxes put right: the better one finds it, the other goes: 1. The label put right: class 1 loses a
    false positive, and class 0 gains nothing, as the object is not that detection's.
    """
    case = Case([1], [(1, 0, BIG, False)], [(1, 0, 0.7, LOW), (1, 0, 0.9, LOW), (1, 1, 0.8, BIG)])
    errors = measured(case)
    assert counts(errors) == {"classification": 1, "localisation": 2, "false positives": 3, "false negatives": 1}
    assert costs(errors, 0) == {"localisation": 1}
    # The other way round, class 1's box has the best score.
    errors = measured(Case([1], case.objects, [(1, 0, 0.7, LOW), (1, 0, 0.75, LOW), (1, 1, 0.8, BIG)]))
    assert costs(errors, 0) == {"classification": 1}


def test_equal_scores_claim_in_the_order_of_the_file() -> None:
    """Whichever is first would find the object, and be first in its class: AP 1 instead of 0."""
    mislabelled, low = (1, 1, 0.5, BIG), (1, 0, 0.5, LOW)
    objects = [(1, 0, BIG, False)]
    assert costs(measured(Case([1], objects, [mislabelled, low])), 0) == {"classification": 1}
    assert costs(measured(Case([1], objects, [low, mislabelled])), 0) == {"localisation": 1}


def test_a_correction_that_makes_a_duplicate_goes() -> None:
    """The object of class 0 has been found: the detection of class 1 on it, though better, only goes. AP 1/2 -> 1."""
    objects = [(1, 0, BIG, False), (1, 1, AWAY, False)]
    errors = measured(Case([1], objects, [(1, 0, 0.5, BIG), (1, 1, 0.9, BIG), (1, 1, 0.8, AWAY)]))
    assert costs(errors, 0) == {}
    assert costs(errors, 1) == {"classification": 1 / 2, "false positives": 1 / 2}


def test_blacklisted_detections_and_objects_are_no_errors() -> None:
    rows = [(1, 0, 0.9, LOW), (1, 0, 0.8, AWAY)]
    errors = measured(Case([1], [(1, 0, BIG, False), (1, 1, AWAY, False)], rows, frozenset({(1, 0)})))
    assert counts(errors) == {"missed": 1, "false negatives": 1}
    assert np.isnan(errors.average_precisions[0])
    assert np.isnan(errors.costs[0].costs[0])


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("case", [Case([]), Case([5]), Case([5], rows=[(5, 0, 0.5, BIG)])])
def test_no_objects(case: Case, protocol: Protocol) -> None:
    errors = measured(case, protocol)
    assert errors.mean_average_precision is None
    assert all(one.mean_cost is None for one in (*errors.costs, errors.false_positives, errors.false_negatives))
    assert errors.false_positives.count == len(case.rows)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_no_detections(protocol: Protocol) -> None:
    errors = measured(Case([5], [(5, 1, BIG, False)]), protocol)
    assert errors.mean_average_precision == 0
    assert counts(errors) == {"missed": 1, "false negatives": 1}
    assert costs(errors, 1) == {}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_agrees_with_the_oracle(protocol: Protocol) -> None:
    gaining = {}  # cases in which something is gained
    for seed in range(300):
        case = mixed_case(seed, protocol)
        slow, errors = SlowAnalysis(case, evaluated(case, protocol)).errors(), measured(case, protocol)
        assert errors.missed.tolist() == slow.missed, seed
        for one in (*errors.costs, errors.false_positives, errors.false_negatives):
            np.testing.assert_allclose(
                one.costs, slow.costs[one.name], rtol=0, atol=1e-12, err_msg=f"{seed} {one.name}"
            )
            gaining[one.name] = gaining.get(one.name, 0) + bool(np.nansum(one.costs) > 0)
    assert len(gaining) == 8
    assert min(gaining.values()) >= 8, gaining


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_laws(protocol: Protocol) -> None:
    for seed in range(1000, 1150):
        case = mixed_case(seed, protocol)
        evaluation, errors = evaluated(case, protocol), measured(case, protocol)
        truth, predictions = case.truth(), case.predictions()
        rescore = Rescorer(truth, predictions, evaluation)
        wrong = int(np.sum(evaluation.outcomes == MISS))
        assert sum(one.count for one in errors.costs[:5]) == errors.false_positives.count == wrong
        for one in (*errors.costs, errors.false_positives, errors.false_negatives):
            assert (one.costs[rescore.totals > 0] >= 0).all()
        # Every object not found is missed, or else some error would find it.
        correctable = np.isin(errors.types, (CLASSIFICATION, LOCALISATION))
        found = set(evaluation.matched[evaluation.outcomes == HIT].tolist())
        not_found = set(np.flatnonzero(~evaluation.truths_left_out).tolist()) - found
        about = set(errors.objects[correctable].tolist()) & not_found
        assert set(np.flatnonzero(errors.missed).tolist()) == not_found - about
        # All put right at once: 1 in every class of which an object was found, or would be; in the others there is
        # nothing left, and 0.
        outcomes, labels = evaluation.outcomes.copy(), predictions.labels.copy()
        outcomes[outcomes == MISS] = IGNORED
        for k in about:
            candidates = [i for i in rescore.order.tolist() if correctable[i] and errors.objects[i] == k]
            outcomes[candidates[0]], labels[candidates[0]] = HIT, truth.labels[k]
        left = rescore.totals - errors.costs[-1].counts
        averages = rescore(outcomes, labels=labels, totals=left)
        np.testing.assert_allclose(averages[left > 0], 1, rtol=0, atol=1e-12)
        assert (averages[(left == 0) & (rescore.totals > 0)] == 0).all()


def test_inputs_stay_as_they_are() -> None:
    case = random_case(7, blacklist=True)
    truth, predictions, evaluation = case.truth(), case.predictions(), evaluated(case)
    arrays = [predictions.labels, predictions.scores, predictions.boxes, truth.boxes, truth.labels]
    arrays += [evaluation.outcomes, evaluation.matched, evaluation.truths_left_out]
    copies = [one.copy() for one in arrays]
    measure_errors(truth, predictions, evaluation, Rescorer(truth, predictions, evaluation))
    for array, copy in zip(arrays, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_agrees_with_tidecv() -> None:
    """What tidecv says of the same boxes at IoU 0.5 and its 101 recalls; see the note in the file."""
    official = json.loads((Path(__file__).parent / "tidecv_1_0_1.json").read_text())
    for expected in official["cases"]:
        case = clustered_case(expected["seed"])
        errors = measured(case, "coco")
        assert errors.mean_average_precision == pytest.approx(expected["AP"], abs=1e-9)
        assert [one.count for one in errors.costs] == expected["counts"]
        found = [one.mean_cost for one in (*errors.costs, errors.false_positives, errors.false_negatives)]
        assert found == pytest.approx(expected["dAP"], abs=1e-9)
