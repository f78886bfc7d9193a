"""`googlenet-rcnn train`: models from images that say what is in them."""

from __future__ import annotations

from jsonargparse import ActionSubCommands, Namespace

from tools import train_backbone, train_classifier, train_multibox
from tools.subjects import Subject, add_subjects, run_subject

SUBJECTS: dict[str, Subject] = {
    "classifier": train_classifier,
    "multibox": train_multibox,
    "backbone": train_backbone,
}


def add_to(parent: ActionSubCommands) -> None:
    """Add `train` and its sub-verbs."""
    add_subjects(
        parent,
        "train",
        SUBJECTS,
        description="Train a model on images that say what is in them.",
        help_line="train a model on annotated or labelled images",
    )


def run(options: Namespace) -> int:
    """Run one sub-verb; returns the exit status."""
    return run_subject(options, SUBJECTS)
