"""What makes a host wait for a GPU, counted without one: on torch's fake tensors, which have a device but no numbers.

A fake tensor on "cuda" goes through all of torch's dispatch, so every operation on it is seen: those whose answer the
host needs (`item`, how many are not zero), copies to the CPU, and copies from it that are not both of pinned memory and
asynchronous. Not seen: waits inside of a kernel's own code, and gradients, for which autograd wants a device;
`torch.cuda.set_sync_debug_mode` finds these on a GPU.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

FOUND = 5  # how many elements of a fake tensor are said to be other than zero
_ATEN = torch.ops.aten
# In inference mode these come as they are called.
_COMPOSED = (_ATEN.to, _ATEN.pin_memory, _ATEN.item, _ATEN.is_nonzero, _ATEN.nonzero_numpy)
_VIEWS = (_ATEN.permute, _ATEN.view, _ATEN.select, _ATEN.slice, _ATEN.unsqueeze, _ATEN.detach, _ATEN.lift_fresh)


def gpu_waits(function: Callable[..., object], given: Callable[[], object] | None = None) -> list[str]:
    """Names of the operations of a function that would have the host wait for a GPU, in order.

    What the function makes on "cuda", or puts there, is fake; so are the CPU's tensors inside of it, whose numbers it
    must not need, but for `item` of one, which is answered with 1. `tolist` of a GPU's tensor, one copy, is found as
    an `item` for each number.

    Args:
        given: makes what the function is called with; its own waits do not count.
    """
    with FakeTensorMode(allow_non_fake_inputs=True), _Waits() as waits:
        arguments = () if given is None else (given(),)
        waits.found.clear()
        function(*arguments)
    return waits.found


def on_fake_gpu(module: nn.Module) -> None:
    """Inside of `gpu_waits`: put a module's parameters and buffers there, which `Module.to` cannot do with fakes."""
    for part in module.modules():
        for table in (part._parameters, part._buffers):
            for name, value in table.items():
                if value is not None:
                    there = torch.empty_like(value, device="cuda")
                    table[name] = nn.Parameter(there, requires_grad=False) if table is part._parameters else there


class _Waits(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._pinned: list[Tensor] = []  # kept, so that no other tensor takes the place of one in memory

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        kind = func.overloadpacket
        if kind in _COMPOSED:
            with self:  # their parts come here again
                return func.decompose(*args, **kwargs)
        if kind is _ATEN.is_pinned:
            return self._is_pinned(args[0])
        if kind is _ATEN._pin_memory:
            return self._pin(args[0].clone())
        if kind in (_ATEN._local_scalar_dense, _ATEN.nonzero) and _on_gpu(args[0]):
            self.found.append(kind.__name__)
        if kind is _ATEN._local_scalar_dense:
            return 1
        if kind is _ATEN.nonzero:
            return torch.zeros(FOUND, args[0].ndim, dtype=torch.int64, device=args[0].device)
        if kind is _ATEN.index:
            args = args[0], [self._as_places(one) for one in args[1]]
        if kind in (_ATEN._to_copy, _ATEN.copy_):
            self._look_at_copy(kind, args, kwargs)
        answer = func(*args, **kwargs)
        if kind in _VIEWS and isinstance(args[0], Tensor) and self._is_pinned(args[0]):
            self._pin(answer)
        return answer

    def _as_places(self, index: Tensor | None) -> Tensor | None:
        """An index; a mask as the places that it stands for."""
        if index is None or index.dtype != torch.bool:
            return index
        self.found.append("a mask as index")
        assert index.ndim == 1
        return torch.zeros(FOUND, dtype=torch.int64, device=index.device)

    def _look_at_copy(self, kind: Any, args: Any, kwargs: Any) -> None:
        source = args[0] if kind is _ATEN._to_copy else args[1]
        target = torch.device(kwargs.get("device") or source.device) if kind is _ATEN._to_copy else args[0].device
        if source.device.type == target.type:
            return
        asynchronous = kwargs.get("non_blocking", False) or (kind is _ATEN.copy_ and args[2:3] == (True,))
        if target.type == "cpu":
            self.found.append("to the CPU")
        elif not (asynchronous and self._is_pinned(source)):
            self.found.append("to the GPU")

    def _pin(self, values: Tensor) -> Tensor:
        self._pinned.append(values)
        return values

    def _is_pinned(self, values: Tensor) -> bool:
        return any(one is values for one in self._pinned)


def _on_gpu(values: Tensor) -> bool:
    return values.device.type == "cuda"
