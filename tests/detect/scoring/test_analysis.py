"""The whole analysis: confusions, coverage, what is refused, and the official demo."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scored_files import generated_case
from scoring_cases import Case, random_case
from small_recall import write_small_set
from test_error_types import BIG, evaluated

from detect.ground_truth_files import read_ground_truth
from detect.predictions import Predictions
from detect.proposal_recall import MeasuredProposals, measure_proposals
from detect.scoring import MISS, Analysis, analyse, evaluate
from detect.scoring.analysis import CLASSIFICATION, Confusion


def analysed(case: Case, **more: int) -> Analysis:
    return analyse(case.truth(), case.predictions(), evaluated(case), **more)


def test_confusions_by_hand() -> None:
    """Two of class 2 taken for 0 and for 1 each, one of 1 taken for 0; equal numbers go by label."""
    images = range(1, 6)
    actual, predicted = (2, 2, 1, 2, 2), (1, 0, 0, 0, 1)
    objects = [(number, label, BIG, False) for number, label in zip(images, actual, strict=True)]
    rows = [(number, label, 0.5, BIG) for number, label in zip(images, predicted, strict=True)]
    case = Case(images, objects, rows)
    assert analysed(case).confusions == (Confusion(0, 2, 2), Confusion(1, 2, 2), Confusion(0, 1, 1))
    assert analysed(case, most_confusions=1).confusions == (Confusion(0, 2, 2),)
    assert analysed(case, most_confusions=0).confusions == ()


@pytest.mark.parametrize(
    "case", [Case([]), Case([5]), Case([5], [(5, 0, BIG, False)]), Case([5], rows=[(5, 0, 1, BIG)])]
)
def test_nothing(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    analysis = analysed(case)
    assert analysis.confusions == ()
    assert analysis.coverage is None
    assert capsys.readouterr() == ("", "")


def test_confusions_are_the_classification_errors() -> None:
    for seed in range(100):
        analysis = analysed(random_case(seed), most_confusions=9)
        assert sum(one.count for one in analysis.confusions) == analysis.errors.costs[CLASSIFICATION].count
        assert all(one.predicted != one.actual for one in analysis.confusions)


def test_it_is_the_same_every_time_and_with_any_number_of_threads() -> None:
    case = generated_case()
    truth, predictions = case.truth(), case.predictions()
    first = analyse(truth, predictions, evaluate(truth, predictions, threads=1))
    second = analyse(truth, predictions, evaluate(truth, predictions, threads=3))
    for one, two in zip(first.errors.costs, second.errors.costs, strict=True):
        np.testing.assert_array_equal(one.costs, two.costs)
    np.testing.assert_array_equal(first.errors.objects, second.errors.objects)
    assert first.confusions == second.confusions


def small_set(folder: Path) -> tuple[MeasuredProposals, Predictions]:
    tree, proposals = write_small_set(folder)
    measured = measure_proposals(read_ground_truth(tree), proposals)
    nothing = np.empty(0, np.int64)
    return measured, Predictions(nothing, nothing, np.empty(0), np.empty((0, 4)))


def test_coverage(tmp_path: Path) -> None:
    """See small_recall: two cats with overlaps 0.5 and 0, a dog with 1, the latter at 300 boxes and more."""
    measured, predictions = small_set(tmp_path)
    truth = measured.ground_truth
    analysis = analyse(truth, predictions, evaluate(truth, predictions), proposals=measured)
    coverage = analysis.coverage
    assert coverage is not None
    assert coverage.budgets == (10, 100, 300, 1000, 2000, None)
    cat, dog = (next(i for i, one in enumerate(truth.classes) if one.name == name) for name in ("domestic cat", "dog"))
    assert coverage.counts[[cat, dog]].tolist() == [2, 1]
    assert coverage.coverage[:, cat].tolist() == [0, 1 / 2, 1 / 2, 1 / 2, 1 / 2, 1 / 2]
    assert coverage.coverage[:, dog].tolist() == [0, 0, 1, 1, 1, 1]
    assert coverage.average_best_overlaps[-1, [cat, dog]].tolist() == [1 / 4, 1]
    assert np.isnan(coverage.coverage).sum() == 6 * 198
    assert coverage.mean_coverage(100) == pytest.approx(1 / 3)
    assert coverage.mean_coverage(None) == pytest.approx(2 / 3)
    assert sorted(coverage.overlaps.tolist()) == [0, 0.5, 1]


def test_coverage_leaves_out_what_the_evaluation_leaves_out(tmp_path: Path) -> None:
    measured, predictions = small_set(tmp_path)
    truth = measured.ground_truth
    dog = int(np.flatnonzero(np.bincount(truth.labels, minlength=200) == 1)[0])
    place = int(truth.image_of[truth.labels == dog][0])
    evaluation = evaluate(truth, predictions, blacklist=np.array([[place, dog]]))
    coverage = analyse(truth, predictions, evaluation, proposals=measured).coverage
    assert coverage is not None
    assert coverage.counts[dog] == 0
    assert np.isnan(coverage.coverage[:, dog]).all()
    assert np.isnan(coverage.overlaps[truth.labels == dog]).all()
    assert coverage.mean_coverage(None) == pytest.approx(1 / 2)


def test_refusals(tmp_path: Path) -> None:
    case, other = Case([1], [(1, 0, BIG, False)], [(1, 0, 0.5, BIG)]), Case([1], [(1, 0, BIG, False)])
    truth, (measured, _) = case.truth(), small_set(tmp_path)
    with pytest.raises(ValueError, match="proposals: expected those measured on the same ground truth, got another"):
        analyse(truth, case.predictions(), evaluated(case), proposals=measured)
    sentence = "evaluation: expected one of 0 detections, 1 objects and 3 classes, got 1, 1 and 3"
    with pytest.raises(ValueError, match=sentence):
        analyse(truth, other.predictions(), evaluated(case))


@pytest.mark.shared
def test_the_official_demo(shared_folder: Path) -> None:
    """The devkit's submission: what its errors are, and that everything adds up."""
    from detect.prediction_images import PredictionImages
    from detect.predictions import read_predictions
    from detect.scoring import read_blacklist

    folder = shared_folder / "ilsvrc"
    truth = read_ground_truth(folder / "ILSVRC2015_det_validation_ground_truth.mat")
    predictions = read_predictions(folder / "demo.val.pred.det.txt.gz", PredictionImages(truth))
    blacklist = read_blacklist(folder / "ILSVRC2014_det_validation_blacklist.txt", truth)
    evaluation = evaluate(truth, predictions, blacklist=blacklist)
    analysis = analyse(truth, predictions, evaluation)
    errors = analysis.errors
    assert errors.mean_average_precision == evaluation.mean_average_precision
    assert [one.count for one in errors.costs] == [2207, 3013, 328, 72, 2231, 9086]
    assert sum(one.count for one in errors.costs[:5]) == errors.false_positives.count == 7851
    assert errors.false_positives.count == np.sum(evaluation.outcomes == MISS)
    hits = int(np.sum(evaluation.outcomes == 1))
    assert errors.false_negatives.count == evaluation.num_ground_truths - hits == 14165
    expected = [0.097309, 0.073802, 0.007989, 0.000141, 0.049041, 0.110024]
    assert [one.mean_cost for one in errors.costs] == pytest.approx(expected, abs=1e-6)
    assert errors.false_positives.mean_cost == pytest.approx(0.159523, abs=1e-6)
    assert errors.false_negatives.mean_cost == pytest.approx(0.192088, abs=1e-6)
    for scheme, means in zip(
        analysis.sizes,
        ([0.116952, 0.641287, 0.720616], [0.236053, 0.612784, 0.721839, 0.753298, 0.710001]),
        strict=True,
    ):
        assert sum(one.count for one in scheme.bins) == evaluation.num_ground_truths
        assert [one.mean_average_precision for one in scheme.bins] == pytest.approx(means, abs=1e-6)
