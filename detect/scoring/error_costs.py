"""What each type of error costs: the average precision with it put right and nothing else, minus as it is (TIDE)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detect.ground_truth import GroundTruth
from detect.predictions import Predictions
from detect.scoring.analysis_results import (
    CLASSIFICATION,
    ERROR_TYPES,
    LOCALISATION,
    MISSED,
    NO_ERROR,
    ErrorCost,
    Errors,
)
from detect.scoring.error_types import error_types, found_objects
from detect.scoring.rescoring import Rescorer
from detect.scoring.results import HIT, IGNORED, Evaluation


def measure_errors(truth: GroundTruth, predictions: Predictions, evaluation: Evaluation, rescore: Rescorer) -> Errors:
    """Sort the errors by type, and put each type right.

    An object that was not found is claimed by the best of the CLASSIFICATION and LOCALISATION errors about it, equal
    scores in the order of the protocol. Then, as in TIDE's own code:
    - CLASSIFICATION: a detection that claims an object gets its class and finds it, with the score it has; others go.
    - LOCALISATION: likewise, with its box put right.
    - BOTH, DUPLICATE, BACKGROUND: the detections go.
    - MISSED: objects not found that nothing claims leave the total. A class of which nothing was found stays at 0.
    - False positives: all go. (TIDE puts them behind all others, which comes to the same.)
    - False negatives: all objects not found leave the total, claimed or not.
    """
    types, objects = error_types(truth, predictions, evaluation)
    not_found = ~evaluation.truths_left_out & ~found_objects(evaluation)
    claims = _claims(types, objects, not_found, rescore.order)
    missed = not_found.copy()
    missed[objects[claims]] = False
    costs = _Costs(truth, predictions, evaluation, rescore, objects)
    return Errors(
        types=types,
        objects=objects,
        missed=missed,
        average_precisions=rescore.average_precisions,
        costs=(
            *(costs.of_detections(ERROR_TYPES[kind], types == kind, claims) for kind in range(MISSED)),
            costs.of_objects(ERROR_TYPES[MISSED], missed),
        ),
        false_positives=costs.of_detections("false positives", types != NO_ERROR, claims[:0]),
        false_negatives=costs.of_objects("false negatives", not_found),
    )


@dataclass(frozen=True)
class _Costs:
    """Costs of any set of detections or objects; `objects`: (N,) what each false positive is about."""

    truth: GroundTruth
    predictions: Predictions
    evaluation: Evaluation
    rescore: Rescorer
    objects: NDArray[np.int64]

    def of_detections(self, name: str, wrong: NDArray[np.bool_], claims: NDArray[np.int64]) -> ErrorCost:
        """When those that are `wrong` (N,) find what they claim, as objects of its class, and the others go."""
        claiming = claims[wrong[claims]]
        outcomes = np.where(wrong, np.uint8(IGNORED), self.evaluation.outcomes)
        outcomes[claiming] = HIT
        given, right = self.predictions.labels, self.truth.labels[self.objects[claiming]]
        labels = None
        if np.any(given[claiming] != right):
            labels = given.copy()
            labels[claiming] = right
        return self._cost(name, given[wrong], self.rescore(outcomes, labels=labels))

    def of_objects(self, name: str, left: NDArray[np.bool_]) -> ErrorCost:
        """When those (M,) leave the total."""
        labels = self.truth.labels[left]
        totals = self.rescore.totals - np.bincount(labels, minlength=len(self.rescore.totals))
        return self._cost(name, labels, self.rescore(self.evaluation.outcomes, totals=totals))

    def _cost(self, name: str, labels: NDArray[np.int64], fixed: NDArray[np.float64]) -> ErrorCost:
        before = self.rescore.average_precisions
        gained = np.maximum(fixed - before, 0.0)  # below 0 by rounding only
        return ErrorCost(name, np.bincount(labels, minlength=len(before)), gained)


def _claims(
    types: NDArray[np.int8], objects: NDArray[np.int64], not_found: NDArray[np.bool_], order: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The detections that would find an object were they put right: for each object at most one, the best."""
    correctable = np.isin(types, (CLASSIFICATION, LOCALISATION))
    correctable[correctable] = not_found[objects[correctable]]
    ranked = order[correctable[order]]
    claims: NDArray[np.int64] = ranked[np.unique(objects[ranked], return_index=True)[1]]
    return claims
