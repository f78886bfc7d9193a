"""How an image is looked at in MultiBox training: crops that keep objects, flips, distortion.

GoogLeNet (section 6) trains on crops of 8 to 100 % of the image's area and an aspect of 3/4 to 4/3, wherever they
fall. Here a crop has to keep an object, and its aspect is counted from the image's own, because at detection whole
images are squashed to a square, whatever their shape.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from detect.training.batch_stream import random_distortion
from detect.training.multibox_samples import View
from detect.training.random_crops import Crop, random_crop

LEAST_INSIDE = 0.5  # an object is in a crop if this part of its area is
TRIES = 20  # to find a crop with an object, before the whole image is taken


class ViewSettings(Protocol):
    """See `configs.multibox_training.MultiBoxSamplingConfig`."""

    @property
    def images_per_batch(self) -> int: ...
    @property
    def crops(self) -> float: ...
    @property
    def crop_area(self) -> tuple[float, float]: ...
    @property
    def crop_aspect(self) -> tuple[float, float]: ...
    @property
    def flip(self) -> bool: ...
    @property
    def photometric(self) -> float: ...


def sample_view(
    objects: NDArray[np.float32], image_size: tuple[int, int], settings: ViewSettings, rng: np.random.Generator
) -> View:
    """Draw a view. Flip and distortion are drawn first, so that they do not depend on how crops are.

    Args:
        objects: (m, 4) xyxy pixels, of which a crop keeps at least one; m may be 0.
        image_size: (height, width).
        rng: all that is random comes from it.
    """
    flipped = rng.random() < 0.5 and settings.flip
    distortion = random_distortion(settings.photometric, rng)
    return View(sample_crop(objects, image_size, settings, rng), flipped, distortion)


def sample_crop(
    objects: NDArray[np.float32], image_size: tuple[int, int], settings: ViewSettings, rng: np.random.Generator
) -> Crop:
    """The whole image, or with probability `crops` a part of it.

    The first of `TRIES` random crops is taken in which at least one object is; any crop does if the image has none; if
    no crop does, the whole image is taken.
    """
    height, width = image_size
    whole = (0, 0, width, height)
    if rng.random() >= settings.crops:
        return whole
    there = clipped(objects, whole)
    there = there[_kept(there, whole)]
    for _ in range(TRIES):
        crop = random_crop(image_size, settings.crop_area, settings.crop_aspect, rng)
        if not len(there) or _kept(there, crop).any():
            return crop
    return whole


def boxes_in_view(objects: NDArray[np.float32], image_size: tuple[int, int], view: View) -> NDArray[np.float32]:
    """The objects of an image as they are in a view of it.

    An object is there if at least half of its area, as far as that is in the image, is in the crop; it ends at the
    crop's edge. Of the others nothing is left: a prediction on the rest of one is wrong.

    Args:
        objects: (m, 4) xyxy pixels; what lies outside the image does not count.
        image_size: (height, width).
    Returns:
        (k, 4) float32 corners in units of the crop's sides, in [0, 1], of an area above 0, in the order of the
        objects; k may be 0.
    """
    x1, y1, x2, y2 = view.crop
    in_image = clipped(objects, (0, 0, image_size[1], image_size[0]))
    inside = clipped(in_image[_kept(in_image, view.crop)], view.crop)
    sides = np.array([x2 - x1, y2 - y1] * 2, np.float64)
    exact = (inside - np.array([x1, y1] * 2, np.float64)) / sides
    boxes: NDArray[np.float32] = (flip_boxes(exact) if view.flipped else exact).astype(np.float32)
    return boxes[(boxes[:, 2:] > boxes[:, :2]).all(axis=1)]


def flip_boxes(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Boxes (N, 4) in units of the image's sides, mirrored left to right."""
    x1, y1, x2, y2 = boxes.T
    return np.stack([1 - x2, y1, 1 - x1, y2], axis=1)


def clipped(boxes: NDArray[np.floating], crop: Crop) -> NDArray[np.float64]:
    """Boxes (N, 4) cut off at the crop's edges; one outside has no area left."""
    x1, y1, x2, y2 = crop
    return np.clip(boxes.astype(np.float64), np.array([x1, y1] * 2), np.array([x2, y2] * 2))


def _kept(boxes: NDArray[np.floating], crop: Crop) -> NDArray[np.bool_]:
    """(N,) whether at least half of a box's area is in the crop; a box without area is not."""
    inside = _areas(clipped(boxes, crop))
    return (inside > 0) & (inside >= LEAST_INSIDE * _areas(boxes.astype(np.float64)))


def _areas(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    areas: NDArray[np.float64] = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    return areas
