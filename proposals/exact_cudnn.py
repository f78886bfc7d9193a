"""cuDNN's switches, which are the whole process's, set by one thread at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_ONE_AT_A_TIME = threading.RLock()  # of all networks together, whichever package they are in


@contextmanager
def exact_cudnn(device: torch.device) -> Iterator[None]:
    """Inside, cuDNN does not round float32 to TF32, and chooses only kernels whose sums have a fixed order.

    Another thread that comes here waits until this one leaves: it would otherwise take this one's switches for those
    to put back at the end, or lose its own in the middle. The same thread may come in again. What counts is when work
    is handed to the GPU, not when it is done, so its results are better waited for outside.

    Args:
        device: on any but a GPU nothing is switched, and nobody waits.
    """
    if device.type != "cuda":
        yield
        return
    with _ONE_AT_A_TIME, torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
        yield
