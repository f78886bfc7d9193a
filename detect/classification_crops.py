"""Where a classification network looks at an image at test time: once, 10 times, or GoogLeNet's 144 times.

*1*: the image squashed to 256×256, and of that the centre 224×224. This is how BVLC's weights were tested (Caffe).

*10*: the same square's four corners and centre, and the mirror image of each (Krizhevsky et al. 2012 of its squares).

*144* (GoogLeNet, section 7): 4 scales, whose short side is 256, 288, 320, 352; of each 3 squares, the left, centre and
right of a wide image, the top, centre and bottom of a tall one; of each square 6 crops, four corners and the centre of
224×224, and the whole square resized to 224×224; and the mirror image of each.

What the paper leaves open, and what is done here:

- *Square images*: their three squares are the same. They have 144 crops still, each of 48 different ones three times,
  so that the mean is that of the 48. Where the sides differ by one pixel, left and centre are the same, and 96 differ.
- *Half pixels*: a centre is rounded to the left and to the top.
- *Which comes first*: a square is cut from the image, then resized. The other way round gives the same but for a
  fraction of a pixel, and the resized image of a long panorama would not fit into memory.
- *Interpolation*: bilinear between the nearest four pixels, as Caffe's. The whole square is resized to 224 from 256 …
  352, not from the image, so that this crop differs a little between the scales, as a count of 144 asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

NUMBERS = (1, 10, 144)
SIZE = 224
SQUASHED_SIDE = 256
SHORT_SIDES = (256, 288, 320, 352)

Box = tuple[int, int, int, int]  # x1, y1, x2, y2: whole pixels, x2 and y2 not included
Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Crop:
    """A part of an image that a network looks at.

    Attributes:
        source: the part of the image, in its pixels, that is resized to side × side.
        side: in pixels.
        box: the part of those side × side pixels that is seen; if it is larger than a crop, it is resized once more.
        mirrored: left to right, at the end.
    """

    source: Box
    side: int
    box: Box
    mirrored: bool = False


def crops_of(image_size: tuple[int, int], number: int, *, size: int = SIZE) -> list[Crop]:
    """The crops of an image, those that are not mirrored first.

    Args:
        image_size: (height, width) in pixels, each at least 1.
        number: of crops, one of `NUMBERS`.
        size: side of a crop in pixels, at least 1; the sides that images are resized to keep their proportion to it.
    Raises:
        ValueError: for another number or size.
    """
    if number not in NUMBERS:
        raise ValueError(f"crops: expected {', '.join(map(str, NUMBERS))}, got {number}")
    if size < 1:
        raise ValueError(f"size: expected at least 1, got {size}")
    height, width = image_size
    squashed = round(SQUASHED_SIDE * size / SIZE)
    whole = (0, 0, width, height)
    if number == 1:
        return [Crop(whole, squashed, _centre(squashed, size))]
    if number == 10:
        crops = [Crop(whole, squashed, box) for box in _corners_and_centre(squashed, size)]
    else:
        crops = list(_crops_of_squares(image_size, size))
    return crops + [Crop(crop.source, crop.side, crop.box, mirrored=True) for crop in crops]


def cut_crops(image: Image, crops: Sequence[Crop], *, size: int = SIZE) -> Image:
    """The pixels of crops.

    Args:
        image: uint8 RGB (H, W, 3).
        size: as the crops were made with.
    Returns:
        New (N, size, size, 3), in the order of the crops; N may be 0.
    """
    result = np.empty((len(crops), size, size, 3), np.uint8)
    resized: dict[tuple[Box, int], Image] = {}
    for target, crop in zip(result, crops, strict=True):
        square = crop.source, crop.side
        if square not in resized:
            resized[square] = _resize(_part(image, crop.source), crop.side)
        pixels = _resize(_part(resized[square], crop.box), size)
        target[:] = pixels[:, ::-1] if crop.mirrored else pixels
    return result


def _crops_of_squares(image_size: tuple[int, int], size: int) -> Iterator[Crop]:
    for short_side in SHORT_SIDES:
        side = round(short_side * size / SIZE)
        for square in _squares(image_size):
            for box in _corners_and_centre(side, size):
                yield Crop(square, side, box)
            yield Crop(square, side, (0, 0, side, side))


def _squares(image_size: tuple[int, int]) -> list[Box]:
    """Left, centre and right, or top, centre and bottom."""
    height, width = image_size
    side = min(height, width)
    rest = max(height, width) - side
    places = (0, rest // 2, rest)
    if width >= height:
        return [(x, 0, x + side, side) for x in places]
    return [(0, y, side, y + side) for y in places]


def _corners_and_centre(side: int, size: int) -> list[Box]:
    """Top left, top right, bottom left, bottom right, centre."""
    rest = side - size
    corners = [(x, y, x + size, y + size) for y in (0, rest) for x in (0, rest)]
    return [*corners, _centre(side, size)]


def _centre(side: int, size: int) -> Box:
    start = (side - size) // 2
    return start, start, start + size, start + size


def _part(image: Image, box: Box) -> Image:
    x1, y1, x2, y2 = box
    return image[y1:y2, x1:x2]


def _resize(image: Image, side: int) -> Image:
    if image.shape[:2] == (side, side):
        return image
    return np.asarray(cv2.resize(image, (side, side), interpolation=cv2.INTER_LINEAR), np.uint8)
