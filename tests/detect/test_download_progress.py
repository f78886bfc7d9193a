from __future__ import annotations

import io
import sys

import pytest

from detect.download_progress import never_backwards, show_progress


def test_the_count_is_held_until_a_second_start_passes_it() -> None:
    seen: list[tuple[int, int | None]] = []
    report = never_backwards(lambda done, total: seen.append((done, total)))
    for done in (0, 5, 0, 3, 7):
        report(done, 10)
    assert seen == [(0, 10), (5, 10), (5, 10), (5, 10), (7, 10)]


def test_a_line_at_every_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    with show_progress("x.bin") as report:
        for done in range(0, 2_000_001, 50_000):  # 41 reports; a tenth is 200,000
            report(done, 2_000_000)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [f"x.bin: {tenth * 0.2:.1f} of 2.0 MB" for tenth in range(11)]


def test_a_line_every_ten_megabytes_if_the_size_is_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    with show_progress("x.bin") as report:
        for done in (0, 9_999_999, 10_000_000, 12_000_000, 35_000_000):
            report(done, None)
    assert capsys.readouterr().err.splitlines() == ["x.bin: 0.0 MB", "x.bin: 10.0 MB", "x.bin: 35.0 MB"]


@pytest.mark.parametrize("total", [1, 5])
def test_files_of_a_few_bytes(total: int, capsys: pytest.CaptureFixture[str]) -> None:
    with show_progress("x.bin") as report:
        for done in range(total + 1):  # a tenth of them is less than a byte
            report(done, total)
    assert len(capsys.readouterr().err.splitlines()) == total + 1


def test_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    with show_progress("x.bin") as report:
        report(5, None)
        report(10, 10)
    assert "x.bin" in terminal.getvalue()


def test_where_stderr_was_closed_nothing_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    with show_progress("x.bin") as report:
        report(10, 10)


def test_a_reader_that_has_gone_does_not_end_the_download(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Gone())
    with show_progress("x.bin") as report:
        report(10, 10)
