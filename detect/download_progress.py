"""How far a download is: a bar on a terminal, plain lines elsewhere, and never backwards."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[int, int | None], None]  # bytes so far (never fewer than before), bytes in all if known


def never_backwards(report: Progress) -> Progress:
    """Hold the count when a transfer starts over, until it passes where it was."""
    highest = 0

    def forward(done: int, total: int | None) -> None:
        nonlocal highest
        highest = max(highest, done)
        report(highest, total)

    return forward


@contextmanager
def show_progress(name: str) -> Iterator[Progress]:
    """Progress on stderr: a bar on a terminal, else a line at every tenth (10 MB if the size is unknown)."""
    if sys.stderr is None:  # closed by whoever started us
        yield lambda done, total: None
        return
    if not sys.stderr.isatty():
        yield _plain_lines(name)
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bar

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Bar(TextColumn("{task.description}"), *columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _plain_lines(name: str) -> Progress:
    last = -1

    def report(done: int, total: int | None) -> None:
        nonlocal last
        step = max(total // 10, 1) if total else 10_000_000
        if done // step > last:
            last = done // step
            of_all = f" of {total / 1e6:.1f}" if total else ""
            with contextlib.suppress(OSError):  # nobody reads stderr any more: the download goes on
                print(f"{name}: {done / 1e6:.1f}{of_all} MB", file=sys.stderr, flush=True)

    return report
