"""What MultiBox has the host wait for on a GPU (docs/decisions/0019-waits-on-a-gpu.md), counted without one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from gpu_waits import gpu_waits, on_fake_gpu
from small_multibox import normalise, random_network

from proposals import multibox
from proposals.multibox import MultiBox, MultiBoxSettings


def test_a_batch_waits_for_its_answers_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multibox, "best_boxes", lambda view, answers, settings: answers)

    ours = MultiBox(network=random_network(), normalise=normalise, size=56, settings=MultiBoxSettings(batch_size=2))

    def given() -> MultiBox:
        on_fake_gpu(ours.network)
        ours.device = torch.device("cuda")
        return ours

    pictures = [np.zeros((100, 200, 3), np.uint8)] * 4
    assert gpu_waits(lambda ours: list(ours.propose(pictures)), given) == ["to the CPU"] * 2
