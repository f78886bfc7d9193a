"""What learning how well boxes fit costs: by hand, and against boxes in pixels."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from detect.box_coding import decode_boxes, encode_boxes
from detect.training.losses import fit_loss
from proposals.recall import box_overlaps


def test_fit_by_hand() -> None:
    wanted = torch.tensor(
        [
            [0.0, 0.0, math.log(0.5) / 0.2, 0.0],  # the middle half: IoU 0.5, as it is
            [0.0, 0.0, math.log(0.49) / 0.2, 0.0],  # a little less
            [0.0, 0.0, math.log(0.49) / 0.2, 0.0],
            [0.0, 0.0, 0.0, 0.0],
            [0.0, 0.0, math.log(0.25) / 0.2, 0.0],
        ]
    )
    corrections = torch.zeros(5, 4)
    corrections[2, 2] = math.log(0.9) / 0.2  # 0.49 / 0.9 = 0.54
    corrections[3, 0] = 5.0  # half of its width away: IoU 1 / 3
    fit, near = torch.full((5,), math.log(3)), torch.tensor([True, True, True, True, False])
    yes, no = -math.log(0.75), -math.log(0.25)
    assert fit_loss(fit, corrections, wanted, near).tolist() == pytest.approx([yes, no, yes, no, 0])
    assert fit_loss(fit, None, wanted, near).tolist() == pytest.approx([yes, no, no, yes, 0])
    assert fit_loss(fit[:0], corrections[:0], wanted[:0], near[:0]).shape == (0,)


def test_fit_is_that_of_boxes_in_pixels_and_teaches_nothing_else() -> None:
    rng = np.random.default_rng(0)
    low = rng.uniform(0, 50, (300, 2))
    regions = np.concatenate([low, low + rng.uniform(20, 90, (300, 2))], axis=1)
    objects = regions + rng.uniform(-9, 9, (300, 4))
    both = [torch.from_numpy(one).float() for one in (regions, objects)]
    wanted = encode_boxes(*both)
    corrections = (torch.randn(300, 4, generator=torch.Generator().manual_seed(0)) * 2).requires_grad_()
    fit = torch.zeros(300, requires_grad=True)
    decoded = decode_boxes(both[0], corrections.detach()).double().numpy()
    fits = box_overlaps(decoded.astype(np.float32), both[1].numpy())[np.arange(300), np.arange(300)] >= 0.5
    assert 50 < fits.sum() < 250
    fit_loss(fit, corrections, wanted, torch.ones(300, dtype=torch.bool)).sum().backward()
    assert corrections.grad is None
    assert fit.grad is not None
    assert (fit.grad < 0).tolist() == fits.tolist()  # towards more where it fits
