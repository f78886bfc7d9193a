"""Kept memory: the same pages are used again."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
from detect.freed_memory import keep_freed_memory
import numpy as np
kept = keep_freed_memory() if sys.argv[1] == "keep" else None
def faults():
    np.ones(64 << 20, np.uint8)  # and freed
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
faults()
start = faults()
print(kept, faults() - start)
"""


def run(how: str) -> tuple[str, int]:
    kept, faults = subprocess.run(
        [sys.executable, "-c", FAULTS, how], capture_output=True, text=True, check=True
    ).stdout.split()
    return kept, int(faults)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's allocator can be told")
def test_freed_pages_are_not_paged_in_anew() -> None:
    _, handed_back = run("hand back")
    kept, after = run("keep")
    assert kept == "True"
    assert handed_back > 30  # 64 MB: 16,384 pages of 4 kB, or 32 of 2 MB
    assert after < handed_back / 2
