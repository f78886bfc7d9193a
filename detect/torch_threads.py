"""Torch where the images, not the sums within one, are spread over the cores."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import numpy as np
import torch
from numpy.typing import NDArray

from proposals.proposals import Proposals, Proposer


@contextmanager
def torch_threads(number: int) -> Iterator[None]:
    """Inside, torch computes with so many threads; where several of Python's compute, each with its own number.

    Raises:
        ValueError: if the number is below 1.
    """
    if number < 1:
        raise ValueError(f"torch_threads: expected at least 1, got {number}")
    before = torch.get_num_threads()  # read first: a thread that is new to torch takes over a number when it is asked
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def one_torch_thread() -> AbstractContextManager[None]:
    """Inside, torch computes in the thread that calls it, and takes no other.

    Several threads would otherwise bring as many of torch's each as there are cores, and fight for them. One thread
    is also one order of summation: results depend neither on the cores nor on who else is at work.
    """
    return torch_threads(1)


def heeding_torch_threads(proposer: Proposer) -> Proposer:
    """The proposer; in a thread that is new to torch the number of its threads holds from the first computation on.

    That number belongs to each thread. A new one takes it over when it is first asked for, which a convolution does
    not do: the first would run on all cores.
    """

    def propose(image: NDArray[np.uint8]) -> Proposals:
        torch.get_num_threads()
        return proposer(image)

    return propose
