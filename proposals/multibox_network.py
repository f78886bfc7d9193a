"""MultiBox's network: a trunk that sees the whole picture once, a head, and the priors that its answers refer to."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from proposals.multibox_heads import Float32Linear


@dataclass(frozen=True)
class MultiBoxOutputs:
    """What the network says of each prior in N pictures; float32.

    Attributes:
        logits: (N, K), of the confidence that there is an object.
        offsets: (N, K, 4), see `proposals.multibox_boxes`.
    """

    logits: Tensor
    offsets: Tensor


class MultiBoxNetwork(nn.Module):
    """Trunk and head, handed in as parts.

    Args:
        trunk: normalised pictures (N, 3, S, S) → (map16, map32), what the head takes.
        head: a `MultiBoxHead`, or anything with its `num_priors` and `forward`.
        priors: (K, 4) normalised; copied, and saved with the weights.
    Raises:
        ValueError: if the priors are not as many as the head's.
    """

    priors: Tensor

    def __init__(self, *, trunk: nn.Module, head: nn.Module, priors: Tensor | NDArray[np.float32]) -> None:
        super().__init__()
        values = torch.as_tensor(priors, dtype=torch.float32).detach().clone()
        if values.shape != (head.num_priors, 4):
            raise ValueError(f"priors: expected ({head.num_priors}, 4) for this head, got {tuple(values.shape)}")
        self.trunk, self.head = trunk, head
        self.register_buffer("priors", values)

    @property
    def num_priors(self) -> int:
        """K."""
        return len(self.priors)

    def forward(self, images: Tensor) -> MultiBoxOutputs:
        """(N, 3, S, S) normalised pictures → float32 outputs, also under autocast."""
        logits, offsets = self.head(*self.trunk(images))
        return MultiBoxOutputs(logits.float(), offsets.float())


def inference_copy(network: MultiBoxNetwork, *, device: torch.device | str, dtype: torch.dtype) -> MultiBoxNetwork:
    """The network as it runs: a copy on a device, without gradients, in channels_last.

    Args:
        dtype: of the weights, but for those of the last layers and batch normalisations, which stay float32, as the
            priors do.
    Returns:
        A network in evaluation mode; the one given is not changed.
    """
    copied = copy.deepcopy(network).eval().requires_grad_(False).to(device).to(memory_format=torch.channels_last)
    for module in copied.modules():
        if not isinstance(module, Float32Linear | nn.BatchNorm2d):
            for parameter in module.parameters(recurse=False):
                parameter.data = parameter.data.to(dtype)
    return copied
