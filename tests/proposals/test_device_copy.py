"""Values on their way to a device: the same there, of any type and shape."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from proposals.device_copy import HostCopy, on_device

VALUES = [
    torch.arange(6).reshape(2, 3),
    torch.tensor([True, False]),
    torch.zeros(0, 4),
    torch.arange(6.0).reshape(2, 3).T,
]


@pytest.mark.parametrize("values", VALUES, ids=str)
def test_on_a_cpu_these_are_the_values(values: Tensor) -> None:
    assert on_device(values, torch.device("cpu")) is values


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("values", VALUES, ids=str)
def test_a_gpu_has_them_without_the_host_waiting(values: Tensor) -> None:
    torch.cuda.set_sync_debug_mode("error")
    try:
        there = on_device(values, torch.device("cuda"))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert there.is_cuda
    assert torch.equal(there.cpu(), values)


def test_of_values_on_the_cpu_the_copy_is_these() -> None:
    values = torch.arange(3)
    assert HostCopy(values).wait() is values


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_copy_from_a_gpu_is_of_what_was_queued_before_it() -> None:
    values = torch.zeros(1000, device="cuda")
    values += 1
    copy = HostCopy(values)
    values += 1
    assert copy.wait().tolist() == [1.0] * 1000
    assert copy.wait().is_pinned()
