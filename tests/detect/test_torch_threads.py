"""How many threads torch takes beside those of the images."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from detect.torch_threads import heeding_torch_threads, one_torch_thread, torch_threads
from proposals import Proposals

NOTHING = Proposals(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))


def test_one_inside_and_as_it_was_after() -> None:
    before = torch.get_num_threads()
    with one_torch_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


def test_as_it_was_also_after_an_error() -> None:
    before = torch.get_num_threads()
    with pytest.raises(KeyError), one_torch_thread():
        raise KeyError
    assert torch.get_num_threads() == before


def test_each_thread_of_pythons_has_its_own_number() -> None:
    seen: dict[int, int] = {}
    ready = threading.Barrier(2)

    def compute(number: int) -> None:
        with torch_threads(number):
            ready.wait(10)
            seen[number] = torch.get_num_threads()
            ready.wait(10)

    before = torch.get_num_threads()
    threads = [threading.Thread(target=compute, args=(number,)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {1: 1, 2: 2}
    assert torch.get_num_threads() == before


def test_no_thread_is_refused() -> None:
    with pytest.raises(ValueError, match="torch_threads: expected at least 1, got 0"), torch_threads(0):
        pass


def test_the_proposer_is_the_same() -> None:
    seen: list[NDArray[np.uint8]] = []

    def propose(image: NDArray[np.uint8]) -> Proposals:
        seen.append(image)
        return NOTHING

    image = np.zeros((2, 3, 3), np.uint8)
    assert heeding_torch_threads(propose)(image) is NOTHING
    assert seen[0] is image


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts threads in /proc")
def test_a_new_threads_first_convolution_takes_no_other_thread() -> None:
    """In a process of its own, because a thread pool of torch's stays. Without the wrapper there were 3."""
    program = """
import os, threading, torch
from detect.torch_threads import heeding_torch_threads, one_torch_thread
layer = torch.nn.Conv2d(64, 64, 3, padding=1)
convolve = heeding_torch_threads(lambda image: layer(image))
ended, go = threading.Event(), threading.Event()
thread = threading.Thread(target=lambda: (convolve(torch.zeros(1, 64, 56, 56)), ended.set(), go.wait()))
with one_torch_thread():
    before = len(os.listdir("/proc/self/task"))
    thread.start()
    ended.wait(60)
    print(len(os.listdir("/proc/self/task")) - before)
    go.set()
"""
    environment = {**os.environ, "OMP_NUM_THREADS": "3"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, env=environment)
    assert (done.stdout, done.returncode) == ("1\n", 0), done.stderr
