"""Errors of the parser are one sentence, in terms of flags, with a suggestion where there is a near one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.exit_status import UsageError
from tools.parser import Parser, make_parser


@pytest.fixture
def parser() -> Parser:
    parser = make_parser("One.\n\n  two   three", prog="prog")
    parser.add_argument("--config", action="config")
    parser.add_argument("--min-score", type=float, default=0.5, help="a number")
    parser.add_argument("--group.size", type=int, default=3)
    return parser


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--min-scores=1"], "unrecognized arguments: --min-scores=1 (did you mean --min-score?); see `prog --help`"),
        (["--group.sise", "1"], "unrecognized arguments: --group.sise 1 (did you mean --group.size?)"),
        (["--nothing-like-it", "1"], "unrecognized arguments: --nothing-like-it 1; see `prog --help`"),
        (["--min", "1"], "unrecognized arguments: --min 1"),
        (["--min-score", "x"], "--min-score: Expected a float. Got value: x; see `prog --help`"),
        (["--group.size", "1.5"], "--group.size: Expected a int. Got value: 1.5"),
        (["--min-score"], "argument --min-score: expected one argument"),
    ],
)
def test_errors_are_one_sentence(parser: Parser, argv: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parser.parse_args(argv)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_unknown_keys_of_a_config_are_errors(parser: Parser, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("min_scor: 1\n")
    with pytest.raises(UsageError, match=r"min_scor.*\(did you mean --min-score\?\)"):
        parser.parse_args(["--config", str(tmp_path / "c.yaml")])


def test_help_keeps_lines_and_shows_defaults(parser: Parser) -> None:
    text = parser.format_help()
    assert "One.\n\n  two   three\n" in text
    assert "default: 0.5" in text
