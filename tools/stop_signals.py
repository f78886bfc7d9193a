"""SIGTERM ends a run as Ctrl-C does; what is done already is not interrupted any more."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


def interrupt_on_sigterm() -> signal.Handlers | int | None:
    """From now on, SIGTERM raises KeyboardInterrupt in the main thread; returns what it did before."""
    return signal.signal(signal.SIGTERM, _interrupt)  # type: ignore[return-value]


@contextmanager
def sigterm_interrupts() -> Iterator[None]:
    """Inside, SIGTERM raises KeyboardInterrupt in the main thread."""
    before = interrupt_on_sigterm()
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def ignore_stop_signals() -> None:
    """From now on neither Ctrl-C nor SIGTERM does anything: for a process whose work is done."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
