"""How deep a network is: layers on the longest way from the image to a tensor."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakTensorKeyDictionary

_aten = torch.ops.aten
WITH_PARAMETERS = (_aten.convolution, _aten.addmm, _aten.mm)
POOLS = (_aten.max_pool2d_with_indices, _aten.avg_pool2d, _aten.mean)


class DepthCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows every operation on tensors while it is entered.

    A convolution or a matrix product is a layer; a pool is one where pools are counted too (GoogLeNet, section 5: 22
    layers with parameters, 27 with pools). Normalisation and ReLU are part of the layer before.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._depths: Any = WeakTensorKeyDictionary()

    def of(self, tensor: Tensor) -> tuple[int, int]:
        """Layers on the longest way to a tensor: with parameters; with pools. Of what was there before, 0."""
        depths: tuple[int, int] = self._depths.get(tensor, (0, 0))
        return depths

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        outputs = func(*args, **(kwargs or {}))
        before = [self.of(one) for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor)]
        layer = func.overloadpacket in WITH_PARAMETERS
        pool = func.overloadpacket in POOLS
        depths = (
            max((with_parameters for with_parameters, _ in before), default=0) + layer,
            max((with_pools for _, with_pools in before), default=0) + (layer or pool),
        )
        for one in tree_leaves(outputs):
            if isinstance(one, Tensor):
                self._depths[one] = depths
        return outputs
