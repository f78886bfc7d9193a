"""The counter of waits finds what is known to wait, and nothing in what does not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from gpu_waits import gpu_waits

from proposals.device_copy import on_device

GPU = torch.device("cuda")


def there(*shape: int) -> torch.Tensor:
    return torch.zeros(shape, device=GPU)


@pytest.mark.parametrize(
    ("function", "found"),
    [
        (lambda: there(2).sum().item(), ["_local_scalar_dense"]),
        (lambda: bool(there(2).any()), ["_local_scalar_dense"]),
        (lambda: there(2).tolist(), ["_local_scalar_dense"] * 2),
        (lambda: there(2, 3).nonzero(), ["nonzero"]),
        (lambda: torch.nonzero(there(2) > 0, as_tuple=True), ["nonzero"]),
        (lambda: there(2)[there(2) > 0], ["a mask as index"]),
        (lambda: there(2).cpu(), ["to the CPU"]),
        (lambda: torch.tensor([1.0, 2.0], device=GPU), ["to the GPU"]),
        (lambda: there(2).new_tensor([1.0, 2.0]), ["to the GPU"]),
        (lambda: torch.zeros(2).to(GPU), ["to the GPU"]),
        (lambda: torch.zeros(2).to(GPU, non_blocking=True), ["to the GPU"]),  # not pinned
        (lambda: torch.zeros(2).pin_memory().to(GPU), ["to the GPU"]),
        (lambda: there(2).copy_(torch.zeros(2)), ["to the GPU"]),
    ],
)
def test_what_waits(function: Callable[[], object], found: list[str]) -> None:
    assert gpu_waits(function) == found
    assert gpu_waits(torch.inference_mode()(function)) == found


@pytest.mark.parametrize(
    "function",
    [
        lambda: on_device(torch.zeros(2, 3), GPU),
        lambda: on_device(torch.zeros(2, 3).permute(1, 0), GPU),
        lambda: on_device(there(2), GPU),
        lambda: there(2, 3)[on_device(torch.zeros(4, dtype=torch.int64), GPU)],
        lambda: there(2).new_full((), 3.0) + there(2),
        lambda: torch.zeros(2).max().item(),
        lambda: torch.zeros(2).cpu(),
        lambda: there(2).to(torch.bfloat16),
    ],
)
def test_what_does_not(function: Callable[[], object]) -> None:
    assert gpu_waits(function) == []
    assert gpu_waits(torch.inference_mode()(function)) == []
