from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from detect.layer_depth import DepthCounter


def test_by_hand() -> None:
    """The longest way: convolution, pool, convolution, mean, linear; the other branch is one convolution."""
    long, short, linear = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 1), nn.Linear(6, 2)
    images = torch.empty(1, 3, 8, 8, device="meta")
    for layer in (long, short, linear):
        layer.to("meta")
    with torch.no_grad(), DepthCounter() as counter:
        assert counter.of(images) == (0, 0)
        one = F.relu(long(images), inplace=True)
        assert counter.of(one) == (1, 1)
        two = long(F.max_pool2d(one, 3, stride=1, padding=1))
        assert counter.of(two) == (2, 3)
        joined = torch.cat([two, short(images)], dim=1)
        assert counter.of(joined) == (2, 3)
        assert counter.of(linear(joined.mean(dim=(2, 3)))) == (3, 5)
        assert counter.of(short(images)) == (1, 1)


def test_normalisation_and_reshaping_are_no_layers() -> None:
    norm = nn.BatchNorm2d(3).eval().to("meta")
    images = torch.empty(2, 3, 8, 8, device="meta")
    with torch.no_grad(), DepthCounter() as counter:
        assert counter.of(F.relu(norm(images)).flatten(1)) == (0, 0)
        average = F.avg_pool2d(images, 3)
        assert counter.of(average) == (0, 1)
