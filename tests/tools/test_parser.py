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
        (["--min-score", "1", "b.jpg"], "unrecognized arguments: b.jpg; see `prog --help`"),
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


def test_files_on_both_sides_of_a_flag(parser: Parser) -> None:
    parser.add_argument("files", nargs="+")
    assert parser.parse_args(["a.jpg", "b.jpg", "--min-score", "1"]).files == ["a.jpg", "b.jpg"]
    with pytest.raises(UsageError) as caught:
        parser.parse_args(["a.jpg", "--min-score", "1", "b.jpg"])
    place = "unrecognized arguments: b.jpg (expected beside the others, with no flag between them); see `prog --help`"
    assert str(caught.value) == place
    with pytest.raises(UsageError) as caught:
        parser.parse_args(["a.jpg", "--min-scores", "1", "b.jpg"])
    assert str(caught.value).endswith("b.jpg (did you mean --min-score?); see `prog --help`")


def test_unknown_keys_of_a_config_are_errors(parser: Parser, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("min_scor: 1\n")
    with pytest.raises(UsageError, match=r"min_scor.*\(did you mean --min-score\?\)"):
        parser.parse_args(["--config", str(tmp_path / "c.yaml")])


def test_a_setting_of_a_sub_verb_s_config(tmp_path: Path) -> None:
    parser, verb, subject = make_parser("", prog="prog"), make_parser(""), make_parser("")
    parser.add_subcommands(dest="verb").add_subcommand("train", verb)
    verb.add_subcommands(dest="subject").add_subcommand("classifier", subject)
    subject.add_argument("--config", action="config")
    subject.add_argument("--group.learning_rate", type=float, default=1.0)
    config = tmp_path / "c.yaml"
    argv = ["train", "classifier", "--config", str(config)]
    config.write_text("group: {learning_rat: 3}\n")
    with pytest.raises(UsageError) as caught:
        parser.parse_args(argv)
    assert str(caught.value) == (
        f"{config} does not accept option 'group.learning_rat' (did you mean --group.learning_rate?); "
        "see `prog train classifier --help`"
    )
    config.write_text("group:\n  learning_rate: [3\n")
    with pytest.raises(UsageError) as caught:
        parser.parse_args(argv)
    assert str(caught.value).startswith(f"Problems parsing config {config}, line 3, column 1: ")
    config.write_text("group: {learning_rate: 3}\n")
    assert parser.parse_args(argv).train.classifier.group.learning_rate == 3


def test_dashes_where_a_flag_has_underscores(parser: Parser) -> None:
    parser.add_argument("--group.data_root", type=str, default="")
    parser.accept_dashes()
    assert parser.parse_args(["--group.data-root", "a"]).group.data_root == "a"
    assert parser.parse_args(["--group.data-root=a"]).group.data_root == "a"
    assert parser.parse_args(["--group.data_root", "b"]).group.data_root == "b"
    assert "--group.data-root" not in parser.format_help()


@pytest.fixture
def repeating(tmp_path: Path) -> Parser:
    parser = make_parser("", prog="prog")
    parser.add_argument("--config", action="config")
    parser.add_argument("source", nargs="*", type=str)
    parser.add_repeatable("--model", type=str | list[str], default="d")
    (tmp_path / "one.yaml").write_text("model: y\n")
    (tmp_path / "two.yaml").write_text("model: [y, z]\n")
    return parser


@pytest.mark.parametrize(
    ("given", "model"),
    [
        ("", "d"),
        ("--model a", "a"),
        ("--model a --model b", ["a", "b"]),
        ("--model=a s --model b --model=c=d", ["a", "b", "c=d"]),
        ("--model [a,b]", ["a", "b"]),
        ("--model 1 --model 2", ["1", "2"]),
        ("--config one.yaml", "y"),
        ("--config two.yaml", ["y", "z"]),
        ("--config two.yaml --model a", "a"),
        ("--config two.yaml --model a --model b", ["a", "b"]),
        ("--model a --config two.yaml", ["y", "z"]),
        ("--model a --config two.yaml --model b", "b"),
        ("--model a -- --model", "a"),
    ],
)
def test_a_flag_that_may_be_given_again(
    repeating: Parser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, model: str | list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert repeating.parse_args(given.split()).model == model


def test_of_other_flags_the_last_counts(parser: Parser) -> None:
    assert parser.parse_args(["--min-score", "0.1", "--min-score", "0.2"]).min_score == 0.2


def test_help_keeps_lines_and_shows_defaults(parser: Parser) -> None:
    text = parser.format_help()
    assert "One.\n\n  two   three\n" in text
    assert "default: 0.5" in text
