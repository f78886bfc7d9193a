"""`googlenet-rcnn evaluate`: how good boxes and names are, measured against ground truth."""

from __future__ import annotations

from jsonargparse import ActionSubCommands, Namespace

from tools import evaluate_classification, evaluate_detections, evaluate_proposals
from tools.parser import make_parser

# Modules with `add_to` and `run`, by the name of the sub-verb.
SUBJECTS = {
    "detections": evaluate_detections,
    "proposals": evaluate_proposals,
    "classification": evaluate_classification,
}


def add_to(parent: ActionSubCommands) -> None:
    """Add `evaluate` and its sub-verbs (jsonargparse wants the upper level first)."""
    parser = make_parser("Measure boxes, or the names of whole images, against ground truth.")
    parent.add_subcommand("evaluate", parser, help="measure boxes or names against ground truth")
    subjects = parser.add_subcommands(dest="subject", metavar="SUBJECT")
    for subject in SUBJECTS.values():
        subject.add_to(subjects)


def run(options: Namespace) -> int:
    """Run one sub-verb; returns the exit status."""
    status: int = SUBJECTS[options.subject].run(options[options.subject])
    return status
