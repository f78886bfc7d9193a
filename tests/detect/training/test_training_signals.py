"""A stop is noted once; work that need not be finished ends at once."""

from __future__ import annotations

import os
import signal

import pytest

from detect.training.training_signals import CutShort, StopSignals


def test_noted_and_said_once() -> None:
    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    said: list[str] = []
    signals = StopSignals(said.append)
    signals.listen()
    try:
        assert not signals.stopped
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.stopped
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        signals.listen_no_more()
    assert said == ["stopping once this step is done and saved; Ctrl-C again stops at once"]
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_some_work_is_cut_short(number: signal.Signals) -> None:
    signals = StopSignals()
    signals.listen()
    try:
        with pytest.raises(CutShort), signals.cutting_short():
            os.kill(os.getpid(), number)
    finally:
        signals.listen_no_more()
    assert signals.stopped
