"""cuDNN's switches, read while several come for them. No GPU is needed to switch."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch.backends import cudnn

from proposals.exact_cudnn import exact_cudnn

GPU, CPU = torch.device("cuda"), torch.device("cpu")
LOOSE = (True, False, False, True)
EXACT = (True, False, True, False)


def switches() -> tuple[bool, bool, bool, bool]:
    return cudnn.enabled, cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32


@pytest.fixture(autouse=True)
def loose() -> Iterator[None]:
    with cudnn.flags(enabled=True, benchmark=False, deterministic=False, allow_tf32=True):
        assert switches() == LOOSE
        yield


def test_switched_inside_and_back_afterwards() -> None:
    with exact_cudnn(GPU):
        assert switches() == EXACT
    assert switches() == LOOSE


def test_once_more_in_the_same_thread() -> None:
    with exact_cudnn(GPU):
        with exact_cudnn(torch.device("cuda", 1)):
            assert switches() == EXACT
        assert switches() == EXACT
    assert switches() == LOOSE


def test_back_after_an_error_and_free_for_others() -> None:
    with pytest.raises(RuntimeError, match="broken"), exact_cudnn(GPU):
        raise RuntimeError("broken")
    assert switches() == LOOSE
    with ThreadPoolExecutor(1) as pool, exact_cudnn(CPU):
        pool.submit(enter_and_leave, GPU).result(timeout=10)


def enter_and_leave(device: torch.device) -> tuple[bool, bool, bool, bool]:
    with exact_cudnn(device):
        return switches()


def test_another_thread_waits_until_the_outermost_leaves() -> None:
    began = threading.Event()

    def other() -> tuple[bool, bool, bool, bool]:
        began.set()
        return enter_and_leave(GPU)

    with ThreadPoolExecutor(1) as pool:
        with exact_cudnn(GPU):
            with exact_cudnn(GPU):
                waiting = pool.submit(other)
                assert began.wait(10)
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.05)
            assert switches() == EXACT
        assert waiting.result(timeout=10) == EXACT
    assert switches() == LOOSE


def test_many_threads_find_it_exact_and_leave_it_loose() -> None:
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(enter_and_leave, [GPU] * 200)) == {EXACT}
    assert switches() == LOOSE


def test_a_cpu_switches_nothing_and_waits_for_nobody() -> None:
    with exact_cudnn(CPU):
        assert switches() == LOOSE
    with ThreadPoolExecutor(1) as pool, exact_cudnn(GPU):
        assert pool.submit(enter_and_leave, CPU).result(timeout=10) == EXACT, "as the GPU's thread has set it"
