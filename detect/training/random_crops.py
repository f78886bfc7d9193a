"""Random parts of an image."""

from __future__ import annotations

import math

import numpy as np

Crop = tuple[int, int, int, int]  # x1, y1, x2, y2 in whole pixels


def random_crop(
    image_size: tuple[int, int], area: tuple[float, float], aspect: tuple[float, float], rng: np.random.Generator
) -> Crop:
    """A crop of random size, anywhere in the image.

    Args:
        image_size: (height, width).
        area: low and high end of its part of the image's area, drawn uniformly.
        aspect: low and high end of its width : height as a multiple of the image's; the logarithm is drawn uniformly,
            as far as neither side becomes longer than the image's. Some aspect between them must leave room for every
            area, as one of 1, the image's own, does.
    Returns:
        Sides rounded to whole pixels, at least 1.
    """
    height, width = image_size
    part = rng.uniform(*area)
    widest = min(aspect[1], 1 / part)
    narrowest = min(max(aspect[0], part), widest)  # they may be the same number but for its last bit
    ratio = math.exp(rng.uniform(math.log(narrowest), math.log(widest)))
    w = min(max(round(width * math.sqrt(part * ratio)), 1), width)
    h = min(max(round(height * math.sqrt(part / ratio)), 1), height)
    left, top = int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1))
    return left, top, left + w, top + h


def random_crop_of_aspect(
    image_size: tuple[int, int], area: tuple[float, float], aspect: tuple[float, float], rng: np.random.Generator
) -> Crop:
    """A crop whose own aspect is bounded: 8 to 100 % of the area, 3/4 to 4/3 wide for 1 high in GoogLeNet, section 6.

    The area is uniform as far as a crop of some such aspect has room: of an image of 2 : 1 no more than 2/3 of it. If
    not even the smallest has, as in a panorama, it is as large as there is room for.

    Args:
        image_size: (height, width).
        area: low and high end of its part of the image's area.
        aspect: low and high end of its width : height; the logarithm is uniform among those that have room.
    Returns:
        As `random_crop`.
    """
    shape = image_size[1] / image_size[0]
    low, high = aspect[0] / shape, aspect[1] / shape
    nearest = min(max(low, 1.0), high)  # to the image's own aspect: what leaves room for the largest area
    most = min(area[1], nearest, 1 / nearest)
    return random_crop(image_size, (min(area[0], most), most), (low, high), rng)
