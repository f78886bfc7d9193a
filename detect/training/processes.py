"""Which process of a run this is, as `torchrun` and Lightning tell by the environment, and who waits for whom."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_PREPARED = "googlenet-rcnn/prepared"  # in the store that torchrun shares between its processes
_SECONDS_BETWEEN_LOOKS = 0.5
_kept: list[Any] = []  # the store lives as long as the process: the others may still ask


class MainProcessFailed(Exception):
    """The first process of the run could not prepare it, and has said why."""


def process_number() -> int:
    """From 0; 0 also where a run has one process."""
    return int(os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0")))


def is_main_process() -> bool:
    """Whether this process is the first of its run: the one that prints and writes."""
    return process_number() == 0


def started_together() -> bool:
    """Whether `torchrun` started all processes at once; Lightning starts the others when training begins."""
    return "TORCHELASTIC_RUN_ID" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) > 1


def process_count(devices: int) -> int:
    """How many processes share a batch: torchrun's number, or else `devices`."""
    return int(os.environ["WORLD_SIZE"]) if started_together() else devices


@contextmanager
def main_process_first() -> Iterator[None]:
    """Under torchrun the others enter, and then all at once, when the first process has left.

    How long they wait has no bound of its own, as searching for proposals may take days: torchrun ends them when the
    first process crashes.

    Raises:
        MainProcessFailed: in the others, if it left by an exception.
    """
    if not started_together():
        yield
        return
    store = _shared_store()
    # Processes that torchrun has started again must not see what those before them left.
    prepared = f"{_PREPARED}/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}"
    if is_main_process():
        try:
            yield
        except BaseException:
            store.set(prepared, "failed")
            raise
        store.set(prepared, "done")
        return
    while not store.check([prepared]):
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    if store.get(prepared) != b"done":
        raise MainProcessFailed
    yield


def _shared_store() -> Any:
    from torch.distributed.rendezvous import rendezvous

    if not _kept:
        store, _, _ = next(rendezvous("env://"))
        _kept.append(store)
    return _kept[0]
