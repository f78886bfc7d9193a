"""How many objects of each class the proposals cover: what they do not cover, no classifier can find."""

from __future__ import annotations

import numpy as np

from detect.ground_truth import GroundTruth
from detect.proposal_recall import MeasuredProposals
from detect.scoring.analysis_results import ProposalCoverage
from detect.scoring.results import Evaluation
from proposals.recall import BUDGETS, class_average_best_overlap

COVERED = 0.5  # least IoU


def proposal_coverage(truth: GroundTruth, evaluation: Evaluation, measured: MeasuredProposals) -> ProposalCoverage:
    """Coverage and ABO per class, at those of BUDGETS that were measured, over the objects that the evaluation counts.

    Raises:
        ValueError: if the proposals were measured on another ground truth.
    """
    theirs = measured.ground_truth
    if theirs.images != truth.images or not np.array_equal(theirs.boxes, truth.boxes):
        raise ValueError("proposals: expected those measured on the same ground truth, got another")
    counts = ~evaluation.truths_left_out[measured.counted]
    counted, classes = measured.counted[counts], len(truth.classes)
    budgets = tuple(budget for budget in BUDGETS if budget in measured.budgets)
    overlaps = np.array([measured.at(budget)[counts] for budget in budgets]).reshape(len(budgets), len(counted))
    best = np.full(len(truth.labels), np.nan)
    best[counted] = measured.at(None)[counts]
    labels = truth.labels[counted]
    return ProposalCoverage(
        budgets=budgets,
        counts=np.bincount(labels, minlength=classes),
        coverage=class_average_best_overlap((overlaps >= COVERED).astype(np.float64), labels, classes),
        average_best_overlaps=class_average_best_overlap(overlaps, labels, classes),
        overlaps=best,
    )
