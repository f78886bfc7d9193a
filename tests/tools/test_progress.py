"""Progress: plain lines where nobody watches, a bar on a terminal, and figures that are right."""

from __future__ import annotations

import io
import re

import pytest

from tools import progress
from tools.progress import ImageProgress


class Clock:
    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def test_plain_lines_by_hand(clock: Clock) -> None:
    stream = io.StringIO()
    with ImageProgress(100, stream=stream) as bar:
        for i in range(100):
            clock.now += 0.5  # 2 images/s: a line every 20 images, and the last
            bar.advance(failed=i in (30, 99))
    assert stream.getvalue().splitlines() == [
        "20/100 images, 2.00 images/s, 0:40 left",
        "40/100 images, 2.00 images/s, 0:30 left, 1 failed",
        "60/100 images, 2.00 images/s, 0:20 left, 1 failed",
        "80/100 images, 2.00 images/s, 0:10 left, 1 failed",
        "100/100 images, 2.00 images/s, 2 failed",
    ]


def test_slow_runs_show_seconds_an_image_and_minutes_left(clock: Clock) -> None:
    stream = io.StringIO()
    bar = ImageProgress(11, stream=stream)
    clock.now += 12.5
    bar.advance(failed=False)
    assert stream.getvalue() == "1/11 images, 12.5 s an image, 2:05 left\n"


def test_a_resumed_run_counts_what_is_done_but_not_for_the_speed(clock: Clock) -> None:
    stream = io.StringIO()
    bar = ImageProgress(100, done=90, stream=stream)
    clock.now += 20
    bar.advance(failed=False)
    assert stream.getvalue() == "91/100 images, 20.0 s an image, 3:00 left\n"


def test_nothing_to_do_says_nothing() -> None:
    stream = io.StringIO()
    with ImageProgress(3, done=3, stream=stream):
        pass
    assert stream.getvalue() == ""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    stream = Terminal()
    with ImageProgress(4, done=2, stream=stream) as bar:
        bar.advance(failed=True)
        bar.advance(failed=False)
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", stream.getvalue())
    last = text.replace("\r", "\n").strip().splitlines()[-1]
    assert last.startswith("detecting")
    assert "4/4" in last
    assert "images/s" in last
    assert "1 failed" in last


def test_the_bar_says_what_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    stream = Terminal()
    with ImageProgress(1, doing="proposing", stream=stream) as bar:
        bar.advance(failed=False)
    assert "proposing" in stream.getvalue()
    assert "detecting" not in stream.getvalue()


def test_a_reader_that_has_gone_does_not_end_the_run() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    bar = ImageProgress(1, stream=Gone())
    bar.advance(failed=False)
    assert bar.done == 1


def test_where_stderr_was_closed_nothing_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", None)
    with ImageProgress(1) as bar:
        bar.advance(failed=False)
    assert bar.done == 1
