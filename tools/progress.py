"""Progress of a run: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import io
import sys
import time
from types import TracebackType
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

SECONDS_BETWEEN_LINES = 10.0


class ImageProgress:
    """Counts images; shows images/s, time left and failures on stderr.

    Args:
        total: images in the run.
        done: images done by an earlier, interrupted run; they do not count for the speed.
        doing: the word before the bar.
        stream: stderr unless told otherwise.
    """

    def __init__(self, total: int, *, done: int = 0, doing: str = "detecting", stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stderr or io.StringIO()  # stderr is None where it was closed
        self.total, self.first, self.done, self.failed = total, done, done, 0
        self._started = self._last_line = time.monotonic()
        self._bar: Progress | None = None
        if self.stream.isatty():
            self._bar = Progress(
                TextColumn(doing),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[speed]}"),
                TimeRemainingColumn(compact=True, elapsed_when_finished=True),
                TextColumn("{task.fields[failures]}"),
                console=Console(file=self.stream),
                speed_estimate_period=120,
            )
            self._task = self._bar.add_task("", total=total, completed=done, speed="", failures="")

    def __enter__(self) -> ImageProgress:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def advance(self, *, failed: bool) -> None:
        """One more image is done."""
        self.done += 1
        self.failed += failed
        if self._bar:
            failures = f"{self.failed} failed" if self.failed else ""
            self._bar.update(self._task, completed=self.done, speed=self._speed(), failures=failures)
        elif self.done == self.total or time.monotonic() - self._last_line >= SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            with contextlib.suppress(OSError):  # nobody reads stderr any more: the run goes on
                print(self.line(), file=self.stream, flush=True)

    def line(self) -> str:
        """The state in words: `12/100 images, 0.41 images/s, 3:34 left, 1 failed`."""
        parts = [f"{self.done}/{self.total} images", self._speed()]
        if self.done < self.total:
            left = round((self.total - self.done) / max(self._rate(), 1e-9))
            parts.append(f"{left // 60}:{left % 60:02d} left")
        if self.failed:
            parts.append(f"{self.failed} failed")
        return ", ".join(parts)

    def _rate(self) -> float:
        return (self.done - self.first) / max(time.monotonic() - self._started, 1e-9)

    def _speed(self) -> str:
        rate = self._rate()
        return f"{rate:.2f} images/s" if rate >= 1 or rate == 0 else f"{1 / rate:.1f} s an image"
