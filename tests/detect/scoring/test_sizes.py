"""Average precision by size: bins and cases by hand, a slow oracle, and pycocotools' own area ranges."""

from __future__ import annotations

import contextlib
import io
import random

import numpy as np
import pytest
from analysis_oracle import SlowAnalysis, coco_bin, mixed_case, percentile_bin
from scoring_cases import Case, Corners, Row
from test_error_types import PROTOCOLS, evaluated

from detect.scoring import Protocol
from detect.scoring.analysis import SizeBins
from detect.scoring.coco import _coco, _prediction_rows, _truth_rows
from detect.scoring.rescoring import Rescorer
from detect.scoring.sizes import COCO, PERCENTILES, areas, by_size, coco_bins, percentile_bins

SMALL, MEDIUM, LARGE = (0, 0, 9, 9), (200, 0, 249, 49), (400, 0, 599, 199)  # 100, 2,500 and 40,000 pixels


def measured(case: Case, protocol: Protocol = "ilsvrc") -> tuple[SizeBins, ...]:
    truth, predictions, evaluation = case.truth(), case.predictions(), evaluated(case, protocol)
    return by_size(truth, predictions, evaluation, Rescorer(truth, predictions, evaluation))


def averages(scheme: SizeBins, label: int) -> list[float]:
    return [pytest.approx(one.average_precisions[label], abs=1e-12, nan_ok=True) for one in scheme.bins]


def test_areas() -> None:
    boxes = np.array([[0, 0, 4, 5], [3, 3, 3, 9], [9, 0, 3, 5], [9, 9, 0, 0]], np.float64)
    assert areas(boxes).tolist() == [20, 0, 0, 0]


def test_coco_bins_on_either_side() -> None:
    assert coco_bins(np.array([0, 1023, 1024, 9216, 9217.0])).tolist() == [0, 0, 1, 1, 2]


def test_percentile_bins_by_hand() -> None:
    """Of ten objects of different size, percentiles are 5, 15, ..., 95: 1, 2, 4, 2, 1 of them in the bins."""
    bins = percentile_bins(np.arange(10, 0, -1.0), np.zeros(10, np.int64), 2)
    assert bins(np.arange(1, 11.0), np.zeros(10, np.int64)).tolist() == [0, 1, 1, 2, 2, 2, 2, 3, 3, 4]
    assert bins(np.array([0.5, 1.5, 99]), np.zeros(3, np.int64)).tolist() == [0, 1, 4]  # 0, 10 and 100 %
    assert bins(np.array([5.0]), np.ones(1, np.int64)).tolist() == [0]  # a class without objects


@pytest.mark.parametrize("count", [1, 2, 7])
def test_equal_objects_are_of_medium_size(count: int) -> None:
    bins = percentile_bins(np.full(count, 50.0), np.zeros(count, np.int64), 1)
    assert bins(np.array([50.0]), np.zeros(1, np.int64)).tolist() == [2]


def test_a_case_by_hand() -> None:
    """One object of each size in one class; the large one is not found.

    Best first: large and wrong, small and right, medium and right, small and wrong.
    All: precision 0, 1/2, 2/3, 2/4 at recall 0, 1/3, 2/3: AP 2/3 * 2/3 = 4/9.
    small: right, wrong: AP 1. medium: right: 1. large: wrong: 0.
    """
    rows = [
        (1, 0, 0.9, (0, 400, 299, 699)),
        (1, 0, 0.8, SMALL),
        (1, 0, 0.7, MEDIUM),
        (1, 0, 0.6, (0, 900, 9, 909)),
    ]
    case = Case([1], [(1, 0, box, False) for box in (SMALL, MEDIUM, LARGE)], rows)
    assert evaluated(case).per_class[0].average_precision == pytest.approx(4 / 9)
    coco, percentiles = measured(case)
    assert [one.name for one in coco.bins] == ["small", "medium", "large"]
    assert averages(coco, 0) == [1, 1, 0]
    assert [one.count for one in coco.bins] == [1, 1, 1]
    assert coco.bins[0].mean_average_precision == 1
    # Percentiles 1/6, 3/6, 5/6: S, M, L. The wrong boxes: 100 pixels, S; 90,000 pixels, XL, where there is no object.
    assert averages(percentiles, 0) == pytest.approx([np.nan, 1, 1, 0, np.nan], nan_ok=True)
    assert [one.num_classes for one in percentiles.bins] == [0, 1, 1, 1, 0]
    assert percentiles.bins[0].mean_average_precision is None


def test_a_wrong_box_counts_in_the_bin_of_its_own_size() -> None:
    """Wrong and large, then right and small: AP 1/2 in all; 1 among the small, since the wrong one is large."""
    case = Case(
        [1], [(1, 0, SMALL, False), (1, 0, LARGE, False)], [(1, 0, 0.9, (0, 400, 299, 699)), (1, 0, 0.8, SMALL)]
    )
    assert averages(measured(case)[0], 0) == pytest.approx([1, np.nan, 0], nan_ok=True)


def test_a_hit_counts_in_the_bin_of_its_object_whatever_its_own_size() -> None:
    """The box of 900 pixels finds the object of 1,600: a hit among the medium, nothing among the small."""
    case = Case([1], [(1, 0, (0, 0, 39, 39), False)], [(1, 0, 0.9, (0, 0, 29, 29))])
    assert averages(measured(case)[0], 0) == pytest.approx([np.nan, 1, np.nan], nan_ok=True)


def test_objects_that_do_not_count() -> None:
    rows = [(1, 0, 0.9, SMALL), (2, 0, 0.8, SMALL)]
    case = Case([1, 2], [(1, 0, SMALL, False), (2, 0, SMALL, False)], rows, frozenset({(1, 0)}))
    assert measured(case)[0].bins[0].counts.tolist() == [1, 0, 0]
    assert averages(measured(case)[0], 0)[0] == 1


@pytest.mark.parametrize("case", [Case([]), Case([5]), Case([5], rows=[(5, 0, 0.5, SMALL)])])
def test_no_objects(case: Case) -> None:
    for scheme in measured(case):
        assert all(one.count == one.num_classes == 0 for one in scheme.bins)
        assert all(one.mean_average_precision is None for one in scheme.bins)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_agrees_with_the_oracle(protocol: Protocol) -> None:
    filled = np.zeros(len(COCO) + len(PERCENTILES))
    for seed in range(150):
        case = mixed_case(seed, protocol)
        slow, schemes = SlowAnalysis(case, evaluated(case, protocol)), measured(case, protocol)
        expected = slow.by_size(coco_bin, 3) + slow.by_size(percentile_bin(slow), 5)
        ours = [one.average_precisions for scheme in schemes for one in scheme.bins]
        np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-12, err_msg=str(seed))
        filled += ~np.isnan(ours).all(axis=1)
        for scheme in schemes:
            total = sum(one.counts for one in scheme.bins)
            assert total.tolist() == slow.totals  # every object in one bin
    assert (filled >= 10).all()


def test_agrees_with_pycocotools_where_objects_are_apart() -> None:
    """Each object in its own field of the image, so that no detection can choose: AP50 in COCO's ranges of areas."""
    from pycocotools.cocoeval import COCOeval

    compared = 0
    for seed in range(30):
        case = _objects_apart(seed)
        truth, predictions = case.truth(), case.predictions()
        with contextlib.redirect_stdout(io.StringIO()):
            rows = _prediction_rows(truth, predictions)
            evaluator = COCOeval(_coco(truth, _truth_rows(truth)), _coco(truth, rows), "bbox")
            evaluator.evaluate()
            evaluator.accumulate()
        precision = evaluator.eval["precision"][0, :, :, 1:, 2]  # recalls, classes, sizes
        official = np.where(precision[0] < 0, np.nan, precision.mean(axis=0))
        ours = [one.average_precisions for one in measured(case, "coco")[0].bins]
        np.testing.assert_allclose(np.transpose(ours), official, rtol=0, atol=1e-12, err_msg=str(seed))
        compared += int(np.sum(official > 0))
    assert compared > 100


def _objects_apart(seed: int) -> Case:
    """No area is just 32² or 96²."""
    rng = random.Random(seed)
    objects, rows = [], list[Row]()
    for field in range(40):
        x, y, number, label = 300 * (field % 5), 300 * (field // 5), rng.choice((3, 8)), rng.randrange(3)
        side = 2 ** rng.uniform(3.5, 8)
        box: Corners = x, y, x + side, y + side * rng.uniform(0.5, 1)
        objects.append((number, label, box, False))
        for _ in range(rng.choice((0, 1, 3))):
            near = (x, y, x + side * rng.uniform(0.4, 1.6), y + side * rng.uniform(0.4, 1.6))
            rows.append((number, rng.choice((label, rng.randrange(3))), rng.random(), near))
    return Case([3, 8], objects, rows)
