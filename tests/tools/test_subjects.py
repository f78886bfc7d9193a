"""Verbs with sub-verbs."""

from __future__ import annotations

import pytest
from jsonargparse import ActionSubCommands, Namespace

from tools.parser import Parser, make_parser
from tools.subjects import add_subjects, run_subject


class Weigh:
    """A sub-verb whose exit status is what it is told."""

    def add_to(self, parent: ActionSubCommands) -> None:
        parser = make_parser("Weigh things.")
        parser.add_argument("--status", type=int, default=0)
        parent.add_subcommand("weigh", parser, help="weigh")

    def run(self, options: Namespace) -> int:
        status: int = options.status
        return status


SUBJECTS = {"weigh": Weigh()}


def program() -> Parser:
    parser = make_parser("A program.")
    verbs = parser.add_subcommands(dest="verb")
    add_subjects(verbs, "measure", SUBJECTS, description="Measure things.", help_line="measure")
    return parser


def test_the_sub_verb_that_was_named_runs_with_its_flags() -> None:
    options = program().parse_args(["measure", "weigh", "--status", "3"])
    assert run_subject(options.measure, SUBJECTS) == 3


def test_help_and_a_wrong_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        program().parse_args(["measure", "--help"])
    assert "Measure things." in capsys.readouterr().out
    with pytest.raises(Exception, match="weigh"):
        program().parse_args(["measure", "wiegh"])
