"""An orderly stop: SIGTERM and Ctrl-C are noted, and a step is finished; a second Ctrl-C does not wait."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

STOPPING = (signal.SIGINT, signal.SIGTERM)


class CutShort(BaseException):
    """Raised in work that need not be finished; no part of it may take it for an error of its own."""


class StopSignals:
    """Listens for the signals that stop a run.

    Args:
        say: hears, once, that the run was told to stop.
    Attributes:
        stopped: whether it was.
    """

    def __init__(self, say: Callable[[str], None] | None = None) -> None:
        self._say = say
        self._handlers: dict[signal.Signals, Any] = {}
        self._may_be_cut_short = False
        self.stopped = False

    def listen(self) -> None:
        """From now on; what was registered before rests. Signals come to a process's main thread alone."""
        if threading.current_thread() is threading.main_thread():
            self._handlers = {one: signal.signal(one, self._stop) for one in STOPPING}

    def listen_no_more(self) -> None:
        """As it was before."""
        for one, handler in self._handlers.items():
            signal.signal(one, handler)
        self._handlers = {}

    @contextmanager
    def cutting_short(self) -> Iterator[None]:
        """Work that a stop ends at once, by CutShort."""
        self._may_be_cut_short = True
        try:
            yield
        finally:
            self._may_be_cut_short = False

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if self.stopped and number == signal.SIGINT:
            raise KeyboardInterrupt
        if self._say is not None and not self.stopped:
            self._say("stopping once this step is done and saved; Ctrl-C again stops at once")
        self.stopped = True
        if self._may_be_cut_short:
            raise CutShort
