"""Messages: one stream each, odd names shown, and readers that have gone."""

from __future__ import annotations

import io
import os
import sys

import pytest

from tools.messages import complain, flush, tell


def test_results_and_complaints_go_to_their_streams(capsys: pytest.CaptureFixture[str]) -> None:
    tell("a result")
    complain("a reason")
    assert tuple(capsys.readouterr()) == ("a result\n", "googlenet-rcnn: a reason\n")


@pytest.mark.parametrize(("encoding", "shown"), [("utf-8", "sn\\udcf6 ö"), ("ascii", "sn\\udcf6 \\xf6")])
def test_names_that_cannot_be_printed_are_escaped(encoding: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(buffer, encoding=encoding))
    tell(os.fsdecode(b"sn\xf6") + " ö")
    assert buffer.getvalue().decode(encoding) == shown + "\n"


def test_no_stream_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    tell("x")
    flush()


def test_a_broken_pipe_is_silent_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        tell("one")
        tell("two")
        flush()
