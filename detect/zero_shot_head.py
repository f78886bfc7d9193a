"""Detection classes straight from a classification network: sum its softmax over each class's descendants."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from detect.class_tables import DetectionClass


class ZeroShotHead(nn.Module):
    """1000 classification logits → K detection probabilities, nothing trained.

    A detection class's probability is the sum of the softmax over the classification classes at or below it in
    WordNet. What is left is background: the classes that belong to no detection class and, if given, one more
    output that is the same for every region. A flat region moves all the network's logits little; without that
    output the softmax must still hand out a mass of one, and gives some class a high probability for nothing. The
    value was chosen on ILSVRC classification photos with boxes: `benchmarks/zero_shot_background.py`,
    docs/decisions/0005-zero-shot-background.md.

    Args:
        classes: the K detection classes with their members.
        num_outputs: logits of the network.
        background_logit: the additional output; None: none.
    """

    membership: Tensor

    def __init__(
        self, classes: Sequence[DetectionClass], num_outputs: int, *, background_logit: float | None = None
    ) -> None:
        super().__init__()
        membership = torch.zeros(num_outputs, len(classes))
        for label, detection_class in enumerate(classes):
            membership[list(detection_class.members), label] = 1
        self.register_buffer("membership", membership, persistent=False)
        self.background_logit = background_logit

    def forward(self, logits: Tensor) -> Tensor:
        """(N, num_outputs) logits → (N, K) probabilities, whose sum over K is at most 1."""
        logits = logits.float()
        if self.background_logit is None:
            return torch.softmax(logits, dim=1) @ self.membership
        background = logits.new_full((len(logits), 1), self.background_logit)
        return torch.softmax(torch.cat([logits, background], dim=1), dim=1)[:, :-1] @ self.membership
