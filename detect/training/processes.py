"""Which process of a run this is, as `torchrun` and Lightning tell by the environment."""

from __future__ import annotations

import os


def process_number() -> int:
    """From 0; 0 also where a run has one process."""
    return int(os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0")))


def is_main_process() -> bool:
    """Whether this process is the first of its run: the one that prints and writes."""
    return process_number() == 0
