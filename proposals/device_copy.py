"""Values on their way to a device, without the host waiting for them."""

from __future__ import annotations

import torch
from torch import Tensor


class HostCopy:
    """A copy to the CPU that a GPU makes when it gets there, while this thread goes on.

    Whatever is queued on the stream after this does not hold it up. On a CPU nothing is copied.

    Args:
        values: on any device.
    """

    def __init__(self, values: Tensor) -> None:
        self._event: torch.cuda.Event | None = None
        self._copy = values
        if values.device.type == "cuda":
            self._copy = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
            self._copy.copy_(values, non_blocking=True)
            self._event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._event.record(torch.cuda.current_stream(values.device))

    def wait(self) -> Tensor:
        """The values on the CPU, once they are there."""
        if self._event is not None:
            self._event.synchronize()
        return self._copy


def on_device(values: Tensor, device: torch.device) -> Tensor:
    """Values of the CPU there; a GPU fetches them by itself, from pinned memory, while this thread goes on.

    On a CPU, or of values that are there already, the result may be `values` itself.
    """
    if device.type != "cuda" or values.device.type != "cpu":
        return values.to(device)
    return values.pin_memory().to(device, non_blocking=True)
