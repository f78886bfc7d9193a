"""Regions drawn from an image of 100 × 100 with given boxes, and everything that tests of it have in common."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sampled_photos import ALLOWED, Settings

from detect.training.region_samples import SampledRegions
from detect.training.region_sampling import SamplingSettings, sample_regions

SIZE = (100, 100)
FOREGROUND = ~ALLOWED[:, -1]  # targets 0 and 1; 2 is background, 3 the second class or background
EVERYTHING = Settings(foreground=1000, background=1000)
TEACHES = np.ones(len(FOREGROUND), np.bool_)
NONE = np.empty((0, 4), np.float32)


def boxes(*rows: tuple[float, float, float, float]) -> NDArray[np.float32]:
    return np.array(rows, np.float32).reshape(-1, 4)


def sample(
    proposals: NDArray[np.float32],
    objects: NDArray[np.float32],
    targets: list[int],
    settings: SamplingSettings = EVERYTHING,
    seed: int = 0,
    size: tuple[int, int] = SIZE,
) -> SampledRegions:
    rng = np.random.default_rng(seed)
    return sample_regions(proposals, objects, np.array(targets, np.int64), 2, FOREGROUND, TEACHES, size, settings, rng)


def as_dict(regions: SampledRegions) -> dict[tuple[float, ...], int]:
    """Box → target."""
    return {tuple(box.tolist()): int(target) for box, target in zip(regions.boxes, regions.targets, strict=True)}
