"""Why a score is what it is: types of errors, sizes of objects, confused classes, proposals that were not there."""

from __future__ import annotations

from detect.ground_truth import GroundTruth
from detect.predictions import Predictions
from detect.proposal_recall import MeasuredProposals
from detect.scoring.analysis_results import (
    BACKGROUND,
    BOTH,
    CLASSIFICATION,
    DUPLICATE,
    ERROR_TYPES,
    LOCALISATION,
    MISSED,
    NO_ERROR,
    Analysis,
    Confusion,
    ErrorCost,
    Errors,
    ProposalCoverage,
    SizeBin,
    SizeBins,
)
from detect.scoring.confusions import most_confused
from detect.scoring.error_costs import measure_errors
from detect.scoring.proposal_coverage import proposal_coverage
from detect.scoring.rescoring import Rescorer
from detect.scoring.results import Evaluation
from detect.scoring.sizes import by_size

__all__ = [
    "BACKGROUND",
    "BOTH",
    "CLASSIFICATION",
    "DUPLICATE",
    "ERROR_TYPES",
    "LOCALISATION",
    "MISSED",
    "NO_ERROR",
    "Analysis",
    "Confusion",
    "ErrorCost",
    "Errors",
    "ProposalCoverage",
    "SizeBin",
    "SizeBins",
    "analyse",
]

MOST_CONFUSIONS = 20


def analyse(
    truth: GroundTruth,
    predictions: Predictions,
    evaluation: Evaluation,
    *,
    proposals: MeasuredProposals | None = None,
    most_confusions: int = MOST_CONFUSIONS,
) -> Analysis:
    """Take an evaluation apart. Prints nothing, and does not depend on threads or on chance.

    Args:
        evaluation: of these predictions, under any protocol.
        proposals: what `measure_proposals` says of the same ground truth; None: no coverage.
        most_confusions: so many pairs of classes at most.
    Raises:
        ValueError: if the evaluation or the proposals are not of this ground truth or these predictions.
    """
    sizes = len(evaluation.outcomes), len(evaluation.truths_left_out), len(evaluation.per_class)
    expected = len(predictions), len(truth.labels), len(truth.classes)
    if sizes != expected:
        raise ValueError(
            f"evaluation: expected one of {expected[0]} detections, {expected[1]} objects and {expected[2]} classes, "
            f"got {sizes[0]}, {sizes[1]} and {sizes[2]}"
        )
    rescore = Rescorer(truth, predictions, evaluation)
    errors = measure_errors(truth, predictions, evaluation, rescore)
    return Analysis(
        errors=errors,
        sizes=by_size(truth, predictions, evaluation, rescore),
        confusions=most_confused(truth, predictions, errors, most_confusions),
        coverage=None if proposals is None else proposal_coverage(truth, evaluation, proposals),
    )
