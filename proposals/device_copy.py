"""Values on their way to a device, without the host waiting for them."""

from __future__ import annotations

import torch
from torch import Tensor


def on_device(values: Tensor, device: torch.device) -> Tensor:
    """Values of the CPU there; a GPU fetches them by itself, from pinned memory, while this thread goes on.

    On a CPU, or of values that are there already, the result may be `values` itself.
    """
    if device.type != "cuda" or values.device.type != "cpu":
        return values.to(device)
    return values.pin_memory().to(device, non_blocking=True)
