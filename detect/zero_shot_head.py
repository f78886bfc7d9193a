"""Detection classes straight from a classification network: sum its softmax over each class's descendants."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from detect.class_tables import DetectionClass


class ZeroShotHead(nn.Module):
    """1000 classification logits → K detection probabilities, nothing trained.

    A detection class's probability is the sum of the softmax over the classification classes at or below it in
    WordNet. What is left, the classes that belong to no detection class, is background.

    Args:
        classes: the K detection classes with their members.
        num_outputs: logits of the network.
        temperature: divides the logits before the softmax.
    """

    membership: Tensor

    def __init__(self, classes: Sequence[DetectionClass], num_outputs: int, *, temperature: float = 1.0) -> None:
        super().__init__()
        membership = torch.zeros(num_outputs, len(classes))
        for label, detection_class in enumerate(classes):
            membership[list(detection_class.members), label] = 1
        self.register_buffer("membership", membership, persistent=False)
        self.temperature = temperature

    def forward(self, logits: Tensor) -> Tensor:
        """(N, num_outputs) logits → (N, K) probabilities, whose sum over K is at most 1."""
        probs = torch.softmax(logits.float() / self.temperature, dim=1)
        return probs @ self.membership
