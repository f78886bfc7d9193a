"""Average precision of other outcomes: as they are it is the evaluation's."""

from __future__ import annotations

import numpy as np
import pytest
from analysis_oracle import mixed_case
from scoring_cases import Case
from test_error_types import BIG, PROTOCOLS, evaluated

from detect.scoring import HIT, IGNORED, MISS, Evaluation, Protocol
from detect.scoring.rescoring import Rescorer

AWAY = (300, 300, 399, 399)


def rescorer(case: Case, protocol: Protocol = "ilsvrc") -> tuple[Rescorer, Evaluation]:
    evaluation = evaluated(case, protocol)
    return Rescorer(case.truth(), case.predictions(), evaluation), evaluation


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_as_they_are(protocol: Protocol) -> None:
    for seed in range(200):
        rescore, evaluation = rescorer(mixed_case(seed, protocol), protocol)
        expected = [one.average_precision for one in evaluation.per_class]
        if protocol == "coco":  # at IoU 0.5 here
            assert np.array_equal(np.isnan(rescore.average_precisions), [one is None for one in expected])
            if evaluation.mean_average_precision is not None:
                assert np.nanmean(rescore.average_precisions) == pytest.approx(evaluation.more["AP50"], abs=1e-12)
        else:  # to the last bit
            np.testing.assert_array_equal(rescore.average_precisions, np.array(expected, np.float64))
            for one in evaluation.per_class:
                of_class = np.isin(rescore.order, one.detections)
                np.testing.assert_array_equal(rescore.order[of_class], one.detections)


def test_other_outcomes_labels_and_totals() -> None:
    """Class 0, of two objects: right, wrong, right: 1/2 + 1/2 * 2/3 = 5/6."""
    objects = [(1, 0, BIG, False), (1, 0, AWAY, False), (1, 1, BIG, False)]
    rows = [(1, 0, 0.9, BIG), (1, 0, 0.8, BIG), (1, 0, 0.7, AWAY)]
    rescore, evaluation = rescorer(Case([1], objects, rows))
    assert rescore(evaluation.outcomes).tolist() == pytest.approx([5 / 6, 0, np.nan], nan_ok=True)
    ignored = np.array([HIT, IGNORED, HIT], np.uint8)
    assert rescore(ignored).tolist() == pytest.approx([1, 0, np.nan], nan_ok=True)
    labels = np.array([0, 1, 0])
    assert rescore(np.array([HIT, HIT, HIT], np.uint8), labels=labels)[:2].tolist() == [1, 1]
    wrong = np.array([HIT, MISS, MISS], np.uint8)
    assert rescore(wrong, totals=np.array([1, 0, 0]))[:2].tolist() == [1, 0]  # class 1 keeps its 0
