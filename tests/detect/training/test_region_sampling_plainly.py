"""Which regions are drawn, and as what: against a plain loop over candidates and objects."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from drawn_regions import EVERYTHING, FOREGROUND, SIZE, as_dict, sample
from numpy.typing import NDArray
from sampled_photos import Settings, random_boxes

from detect.training.region_sampling import jittered_boxes
from detect.training.training_set import IGNORED


def plain_overlap(box: NDArray[np.float32], other: NDArray[np.float32]) -> tuple[float, float]:
    """IoU, and the part of the box that lies in the other."""
    x1, y1, x2, y2 = (float(v) for v in box)
    u1, v1, u2, v2 = (float(v) for v in other)
    shared = max(0.0, min(x2, u2) - max(x1, u1)) * max(0.0, min(y2, v2) - max(y1, v1))
    area = (x2 - x1) * (y2 - y1)
    return shared / (area + (u2 - u1) * (v2 - v1) - shared), shared / area


def plain_target(
    box: NDArray[np.float32], objects: NDArray[np.float32], targets: list[int], settings: Settings
) -> tuple[int | None, int | None, int | None]:
    """A candidate's target, or None; the object that it is regressed to, or None; and that it is near, or None."""
    best, best_iou, ignored = None, 0.0, False
    for number, (other, target) in enumerate(zip(objects, targets, strict=True)):
        iou, part = plain_overlap(box, other)
        if target == IGNORED:
            ignored = ignored or iou >= 0.5 or part >= 0.5
        elif best is None or iou > best_iou:
            best, best_iou = number, iou
    regressed = best if best_iou > settings.regression_iou else None
    near = best if best_iou >= settings.fit_iou else None
    if best is not None and best_iou >= settings.foreground_iou:
        if FOREGROUND[targets[best]] or not ignored:
            return targets[best], regressed, near
        return None, None, None
    low, high = settings.background_iou
    return (2, regressed, near) if low <= best_iou < high and not ignored else (None, None, None)


@pytest.mark.parametrize("regression_iou", [0.3, 0.5, 0.6])
@pytest.mark.parametrize("seed", range(20))
def test_against_a_plain_loop(seed: int, regression_iou: float) -> None:
    rng = np.random.default_rng(seed)
    objects = random_boxes(int(rng.integers(0, 6)), SIZE, rng, smallest=20)
    near = jittered_boxes(objects, 10, 0.3, rng)
    proposals = np.concatenate([random_boxes(60, SIZE, rng), np.clip(near, 0, 100)])
    targets = rng.integers(IGNORED, 4, len(objects)).tolist()
    settings = replace(EVERYTHING, background_iou=(0.1, 0.45), foreground_iou=0.55, regression_iou=regression_iou)
    expected, matched, close = {}, {}, {}
    known = [number for number, target in enumerate(targets) if target != IGNORED]
    for box in np.concatenate([objects[known], proposals]):
        target, regressed, near_to = plain_target(box, objects, targets, settings)
        if target is not None:
            expected[tuple(box.tolist())] = target
            matched[tuple(box.tolist())] = None if regressed is None else objects[regressed].tolist()
            close[tuple(box.tolist())] = None if near_to is None else objects[near_to].tolist()
    regions = sample(proposals, objects, targets, settings, seed)
    assert as_dict(regions) == expected
    for box, other, regress in zip(regions.boxes, regions.matched, regions.regress, strict=True):
        assert matched[tuple(box.tolist())] == (other.tolist() if regress else None)
    for box, other, is_near in zip(regions.boxes, regions.matched, regions.near, strict=True):
        assert close[tuple(box.tolist())] == (other.tolist() if is_near else None)
