"""SIGTERM as Ctrl-C."""

from __future__ import annotations

import os
import signal

import pytest

from tools.stop_signals import sigterm_interrupts


def test_sigterm_interrupts_inside_and_is_as_before_after() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), sigterm_interrupts():
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before
    with sigterm_interrupts():
        pass
    assert signal.getsignal(signal.SIGTERM) is before
