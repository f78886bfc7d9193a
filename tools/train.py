"""`googlenet-rcnn train`: models from images that say what is in them."""

from __future__ import annotations

from jsonargparse import ActionSubCommands, Namespace

from tools import train_backbone, train_classifier, train_multibox
from tools.parser import make_parser

# Modules with `add_to` and `run`, by the name of the sub-verb.
SUBJECTS = {
    "classifier": train_classifier,
    "multibox": train_multibox,
    "backbone": train_backbone,
}


def add_to(parent: ActionSubCommands) -> None:
    """Add `train` and its sub-verbs (jsonargparse wants the upper level first)."""
    parser = make_parser("Train a model on images that say what is in them.")
    parent.add_subcommand("train", parser, help="train a model on annotated or labelled images")
    subjects = parser.add_subcommands(dest="subject", metavar="SUBJECT")
    for subject in SUBJECTS.values():
        subject.add_to(subjects)


def run(options: Namespace) -> int:
    """Run one sub-verb; returns the exit status."""
    status: int = SUBJECTS[options.subject].run(options[options.subject])
    return status
