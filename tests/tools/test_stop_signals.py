"""SIGTERM as Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

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


WORK = """
import atexit, os, signal
from tools import cli

def main():
    {work}
    return 3

cli.main = main
for number in (signal.SIGINT, signal.SIGTERM):
    atexit.register(os.kill, os.getpid(), number)
cli.program()
"""


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_a_process_is_interrupted_at_work_and_not_when_it_is_done(number: str) -> None:
    done = subprocess.run([sys.executable, "-c", WORK.format(work="pass")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (3, ""), "both signals came while the interpreter left"
    at_work = f"""
    try:
        os.kill(os.getpid(), signal.{number})
    except KeyboardInterrupt:
        return 4"""
    assert subprocess.run([sys.executable, "-c", WORK.format(work=at_work)], check=False).returncode == 4
