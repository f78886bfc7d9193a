"""`googlenet-rcnn evaluate`: how good boxes and names are, measured against ground truth."""

from __future__ import annotations

from jsonargparse import ActionSubCommands, Namespace

from tools import evaluate_classification, evaluate_detections, evaluate_proposals
from tools.subjects import Subject, add_subjects, run_subject

SUBJECTS: dict[str, Subject] = {
    "detections": evaluate_detections,
    "proposals": evaluate_proposals,
    "classification": evaluate_classification,
}


def add_to(parent: ActionSubCommands) -> None:
    """Add `evaluate` and its sub-verbs."""
    add_subjects(
        parent,
        "evaluate",
        SUBJECTS,
        description="Measure boxes, or the names of whole images, against ground truth.",
        help_line="measure boxes or names against ground truth",
    )


def run(options: Namespace) -> int:
    """Run one sub-verb; returns the exit status."""
    return run_subject(options, SUBJECTS)
