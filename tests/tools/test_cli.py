"""The command line as a whole: verbs, statuses, and errors of one line."""

from __future__ import annotations

from typing import Any

import pytest

from tools import detect
from tools.cli import main


def error(capsys: pytest.CaptureFixture[str]) -> str:
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    return output.err


def test_no_arguments_show_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "googlenet-rcnn detect PHOTOS --out OUT" in capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaves:
        main(["--version"])
    assert leaves.value.code == 0
    assert capsys.readouterr().out.startswith("googlenet-rcnn ")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["detekt"], "invalid choice: 'detekt' (choose from 'detect', "),
        (["detekt"], "(did you mean detect?)"),
        (["propos"], "(did you mean propose?)"),
        (["detect"], "the following arguments are required: source, out; see `googlenet-rcnn detect --help`"),
        (["detect", "photos"], "the following arguments are required: out; see `googlenet-rcnn detect --help`"),
        (["models"], 'expected "models.action" to be one of {list,info,fetch,convert}'),
        (["models", "info"], "the following arguments are required: model; see `googlenet-rcnn models info --help`"),
        (["models", "lst"], "(did you mean list?)"),
        (["--verbose"], "unrecognized arguments: --verbose"),
    ],
)
def test_usage_errors_are_one_line(argv: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 2
    text = error(capsys)
    assert text.startswith("googlenet-rcnn: ")
    assert message in text


@pytest.mark.parametrize(
    ("raised", "sentence"),
    [
        (KeyboardInterrupt(), "interrupted"),
        (
            OSError(5, "Input/output error", "x"),
            "[Errno 5] Input/output error: 'x' (GOOGLENET_RCNN_DEBUG=1 shows where)",
        ),
        (KeyError("a\nb"), "KeyError: 'a\\nb' (GOOGLENET_RCNN_DEBUG=1 shows where)"),
        (RuntimeError("two\nlines"), "RuntimeError: two lines (GOOGLENET_RCNN_DEBUG=1 shows where)"),
    ],
)
def test_other_errors_are_one_line_and_status_1(
    raised: BaseException, sentence: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(options: Any) -> int:
        raise raised

    monkeypatch.delenv("GOOGLENET_RCNN_DEBUG", raising=False)
    monkeypatch.setattr(detect, "run", fail)
    assert main(["detect", "x", "--out", "out"]) == 1
    assert error(capsys) == f"googlenet-rcnn: {sentence}\n"


def test_debugging_lets_errors_through(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(options: Any) -> int:
        raise KeyError("x")

    monkeypatch.setenv("GOOGLENET_RCNN_DEBUG", "1")
    monkeypatch.setattr(detect, "run", fail)
    with pytest.raises(KeyError):
        main(["detect", "x", "--out", "out"])
