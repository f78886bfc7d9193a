"""Which regions of an image are learnt from, and as what.

After R-CNN (section 2.3 and appendix B): regions that overlap an object are that object, those that overlap none are
background, and a batch has fixed numbers of both. Differences: an object's own box is joined by copies of it, moved and
scaled at random; an object may be of no class or of several; an image may have objects that count neither way.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from detect.training.region_samples import SampledRegions
from detect.training.training_set import IGNORED
from proposals.recall import box_overlaps

IGNORED_OVERLAP = 0.5  # from it on, a region that is not foreground is left out because of an ignored object


class SamplingSettings(Protocol):
    """Counts are of the global batch; each image gives an equal share. See `configs.training_regions`."""

    @property
    def images_per_batch(self) -> int: ...
    @property
    def foreground(self) -> int: ...
    @property
    def background(self) -> int: ...
    @property
    def foreground_iou(self) -> float: ...
    @property
    def background_iou(self) -> tuple[float, float]: ...
    @property
    def regression_iou(self) -> float: ...
    @property
    def fit_iou(self) -> float: ...
    @property
    def jittered(self) -> int: ...
    @property
    def jitter(self) -> float: ...
    @property
    def flip(self) -> bool: ...
    @property
    def photometric(self) -> float: ...


def sample_regions(
    proposals: NDArray[np.float32],
    objects: NDArray[np.float32],
    object_targets: NDArray[np.int64],
    background_target: int,
    is_foreground: NDArray[np.bool_],
    teaches: NDArray[np.bool_],
    image_size: tuple[int, int],
    settings: SamplingSettings,
    rng: np.random.Generator,
) -> SampledRegions:
    """Draw an image's share of a batch from its objects but ignored ones, jittered copies of them, and proposals.

    A candidate goes by the object, not an ignored one, that it overlaps best (of equal ones the first):
      * IoU ≥ foreground_iou: it has the object's target, and is foreground if that does not allow background.
      * IoU in [low, high) of background_iou: it has `background_target`, and is background.
      * else it is left out; and so is one that is not foreground if it overlaps an ignored object by
        `IGNORED_OVERLAP`, as IoU or as the part of its own area that lies in the object.

    Whether a region that is drawn also teaches boxes (above regression_iou) or fit (from fit_iou on) is a matter of
    that overlap alone, foreground or not.

    Args:
        proposals: (P, 4) xyxy pixels; P may be 0.
        objects: (m, 4); m may be 0.
        object_targets: (m,) rows of `TrainingSet.allowed`, or `IGNORED`.
        background_target: the row for a region that overlaps nothing.
        is_foreground: (T,) bool, of every row, whether it does not allow background.
        teaches: (T,) bool, of every row, whether it does not allow everything; regions of other rows are not drawn.
        image_size: (height, width), onto which all boxes are clipped; those without area left are dropped.
        rng: all that is random comes from it.
    Returns:
        foreground / images_per_batch foreground regions, then background / images_per_batch others, all different
        candidates in random order; of what one kind lacks, the other gives more, as far as it has.
    Raises:
        ValueError: if a shape or target is not as above.
    """
    _check(proposals, objects, object_targets, background_target, is_foreground)
    objects = clip_to_image(objects, image_size)
    known = object_targets != IGNORED
    candidates = _candidates(proposals, objects[known], image_size, settings, rng)
    best, overlaps = best_object(candidates, objects[known])
    best_targets = np.append(object_targets[known], IGNORED)[best]  # the end stands for "none", number −1
    targets = _targets(overlaps, best_targets, background_target, settings)
    foreground = (overlaps >= settings.foreground_iou) & is_foreground[targets]
    usable = (targets != IGNORED) & teaches[targets] & ~covered_by(candidates, objects[~known])
    chosen = _draw(np.flatnonzero(foreground), np.flatnonzero(usable & ~foreground), settings, rng)
    boxes, own = candidates[chosen], overlaps[chosen]
    regress = own > settings.regression_iou
    near = (own >= settings.fit_iou) & (own > 0)  # at 0 there may be no object
    matched = boxes.copy()
    matched[regress | near] = objects[known][best[chosen][regress | near]]
    return SampledRegions(boxes, targets[chosen], matched, regress, near)


def clip_to_image(boxes: NDArray[np.float32], image_size: tuple[int, int]) -> NDArray[np.float32]:
    """Boxes (N, 4) cut off at the image's edges; one that lies outside has no area left."""
    height, width = image_size
    clipped: NDArray[np.float32] = np.clip(boxes, 0, np.array([width, height, width, height], np.float32))
    return clipped


def jittered_boxes(
    boxes: NDArray[np.float32], copies: int, jitter: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Copies of boxes, moved and scaled at random along each axis.

    Args:
        boxes: (N, 4) xyxy.
        copies: of each box.
        jitter: j: the centre moves by a uniform part of [−j, j] of the side, the side's logarithm changes by as much.
    Returns:
        (N · copies, 4), the copies of a box one after the other.
    """
    low, high = boxes[:, None, :2].astype(np.float64), boxes[:, None, 2:].astype(np.float64)
    shape = (len(boxes), copies, 2)
    centres = (low + high) / 2 + rng.uniform(-jitter, jitter, shape) * (high - low)
    half = (high - low) / 2 * np.exp(rng.uniform(-jitter, jitter, shape))
    return np.concatenate([centres - half, centres + half], axis=2).reshape(-1, 4).astype(np.float32)


def best_object(
    boxes: NDArray[np.float32], objects: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """For each of N boxes, the object of the highest IoU (of equal ones the first), and that IoU, in float64.

    Where there are no objects: −1 and 0.
    """
    if not len(objects):
        return np.full(len(boxes), -1), np.zeros(len(boxes))
    overlaps = box_overlaps(boxes, objects)
    best = overlaps.argmax(axis=1)
    return best, overlaps[np.arange(len(boxes)), best]


def covered_by(boxes: NDArray[np.float32], ignored: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which of N boxes overlap an ignored object by `IGNORED_OVERLAP`, as IoU or as the part of their own area."""
    x1, y1, x2, y2 = boxes.astype(np.float64).T[:, :, None]
    u1, v1, u2, v2 = ignored.astype(np.float64).T[:, None, :]
    widths = np.maximum(np.minimum(x2, u2) - np.maximum(x1, u1), 0)
    heights = np.maximum(np.minimum(y2, v2) - np.maximum(y1, v1), 0)
    # The part of the own area is never below the IoU, whose union contains that area.
    covered: NDArray[np.bool_] = np.any(widths * heights >= IGNORED_OVERLAP * (x2 - x1) * (y2 - y1), axis=1)
    return covered


def _candidates(
    proposals: NDArray[np.float32],
    objects: NDArray[np.float32],
    image_size: tuple[int, int],
    settings: SamplingSettings,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    copies = jittered_boxes(objects, settings.jittered, settings.jitter, rng)
    boxes = clip_to_image(np.concatenate([objects, copies, proposals]), image_size)
    return boxes[(boxes[:, 2:] > boxes[:, :2]).all(axis=1)]


def _targets(
    overlaps: NDArray[np.float64],
    best_targets: NDArray[np.int64],
    background_target: int,
    settings: SamplingSettings,
) -> NDArray[np.int64]:
    """Each candidate's target; `IGNORED` between background and object."""
    low, high = settings.background_iou
    targets = np.where((overlaps >= low) & (overlaps < high), background_target, IGNORED)
    matched = overlaps >= settings.foreground_iou
    return np.where(matched, best_targets, targets)


def _draw(
    foreground: NDArray[np.int64], background: NDArray[np.int64], settings: SamplingSettings, rng: np.random.Generator
) -> NDArray[np.int64]:
    """An image's share of each kind without replacement, and more of one where the other is short."""
    wanted = settings.foreground // settings.images_per_batch
    others = settings.background // settings.images_per_batch
    more_foreground, more_others = max(0, others - len(background)), max(0, wanted - len(foreground))
    return np.concatenate(
        [rng.permutation(foreground)[: wanted + more_foreground], rng.permutation(background)[: others + more_others]]
    )


def _check(
    proposals: NDArray[np.float32],
    objects: NDArray[np.float32],
    object_targets: NDArray[np.int64],
    background_target: int,
    is_foreground: NDArray[np.bool_],
) -> None:
    for name, boxes in (("proposals", proposals), ("objects", objects)):
        if boxes.ndim != 2 or boxes.shape[1] != 4:
            raise ValueError(f"{name}: expected (N, 4), got {boxes.shape}")
    if object_targets.shape != (len(objects),):
        raise ValueError(f"object_targets: expected ({len(objects)},), got {object_targets.shape}")
    rows = len(is_foreground)
    if np.any((object_targets < IGNORED) | (object_targets >= rows)):
        raise ValueError(f"object_targets: expected {IGNORED}..{rows - 1}, got others")
    if not 0 <= background_target < rows:
        raise ValueError(f"background_target: expected 0..{rows - 1}, got {background_target}")
