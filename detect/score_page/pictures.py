"""Thumbnails of what examples show, as JPEG files small enough for a page."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from detect.image_decoding import ImageError, decode_image
from detect.score_page.frames import Frame, frame_around

QUALITY = 72  # of JPEG: the lines are drawn over the picture by the page, not into it
PREFIX = "data:image/jpeg;base64,"


@dataclass(frozen=True)
class Shot:
    """Some boxes to be shown.

    Attributes:
        image: its position in the ground truth.
        boxes: (n, 4) xyxy, n at least 1.
    """

    image: int
    boxes: NDArray[np.float64]


@dataclass(frozen=True)
class Picture:
    """A frame, and what is in it as a data URI; None: there is no picture of it."""

    frame: Frame
    uri: str | None


class PictureTaker:
    """Cuts thumbnails out of photos.

    Args:
        files: {position of an image: its file}; others have no picture.
        sizes: (I, 2) height and width of the images as the ground truth has them; 0, 0 where it does not say. A photo
            of another size gives no picture, since boxes would lie elsewhere in it.
        longest_side: of a thumbnail, in pixels; smaller frames are not enlarged.
    Attributes:
        failed: {position of an image: why it gives no picture}.
    """

    def __init__(self, files: Mapping[int, Path], sizes: NDArray[np.int32], longest_side: int) -> None:
        self._files, self._sizes, self._longest_side = files, sizes, longest_side
        self.failed: dict[int, str] = {}

    def take(self, shots: Sequence[Shot]) -> list[Picture]:
        """A picture for each shot, in order. Each photo is decoded once, and one at a time is in memory."""
        order = sorted(range(len(shots)), key=lambda place: shots[place].image)
        taken: dict[int, Picture] = {}
        for image, places in groupby(order, key=lambda place: shots[place].image):
            chosen = list(places)
            taken.update(zip(chosen, self._of_image(image, [shots[place] for place in chosen]), strict=True))
        return [taken[place] for place in range(len(shots))]

    def _of_image(self, image: int, shots: Sequence[Shot]) -> Iterator[Picture]:
        photo = self._photo(image)
        size = self._size(image) if photo is None else (photo.shape[0], photo.shape[1])
        for shot in shots:
            frame = frame_around(shot.boxes, size)
            yield Picture(frame, None if photo is None else thumbnail(photo, frame, self._longest_side))

    def _size(self, image: int) -> tuple[int, int] | None:
        height, width = (int(side) for side in self._sizes[image])
        return (height, width) if height and width else None

    def _photo(self, image: int) -> NDArray[np.uint8] | None:
        if image not in self._files or image in self.failed:
            return None
        try:
            photo = decode_image(self._files[image])
        except ImageError as error:
            self.failed[image] = str(error)
            return None
        wanted, (height, width) = self._size(image), photo.shape[:2]
        if wanted not in (None, (height, width)):
            self.failed[image] = f"{width} x {height}, but the ground truth says {wanted[1]} x {wanted[0]}"
            return None
        return photo


def thumbnail(photo: NDArray[np.uint8], frame: Frame, longest_side: int) -> str:
    """A frame of a photo as a data URI; the same bytes whenever the same Pillow makes it."""
    part = Image.fromarray(photo[frame.y1 : frame.y2, frame.x1 : frame.x2])
    part.thumbnail((longest_side, longest_side), Image.Resampling.LANCZOS)
    file = BytesIO()
    part.save(file, format="JPEG", quality=QUALITY, optimize=True)
    return PREFIX + base64.b64encode(file.getvalue()).decode("ascii")
