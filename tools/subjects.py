"""Verbs that have sub-verbs: `googlenet-rcnn evaluate SUBJECT`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from jsonargparse import ActionSubCommands, Namespace

from tools.parser import make_parser


class Subject(Protocol):
    """A sub-verb: a module with these two functions."""

    def add_to(self, parent: ActionSubCommands) -> None:
        """Add its parser."""

    def run(self, options: Namespace) -> int:
        """Run it; returns the exit status."""


def add_subjects(
    parent: ActionSubCommands, verb: str, subjects: Mapping[str, Subject], *, description: str, help_line: str
) -> None:
    """Add a verb and its sub-verbs (jsonargparse wants the upper level first).

    Args:
        subjects: by the name of the sub-verb.
        description: of the verb's own `--help`. help_line: of the program's.
    """
    parser = make_parser(description)
    parent.add_subcommand(verb, parser, help=help_line)
    commands = parser.add_subcommands(dest="subject", metavar="SUBJECT")
    for subject in subjects.values():
        subject.add_to(commands)


def run_subject(options: Namespace, subjects: Mapping[str, Subject]) -> int:
    """Run the sub-verb that was named; returns the exit status."""
    return subjects[options.subject].run(options[options.subject])
