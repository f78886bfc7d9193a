"""Annotated pictures: one fixed colour per class, a name and a score on every box."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from functools import cache
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from detect.class_tables import DetectionClass
from detect.detections import Detections

Colour = tuple[int, int, int]
_GOLDEN_RATIO = 0.618033988749895
_LONGEST_JPEG_SIDE = 65_500  # libjpeg's limit


def class_colour(label: int) -> Colour:
    """A bright RGB colour that belongs to a label in every picture; neighbouring labels differ in hue."""
    red, green, blue = colorsys.hsv_to_rgb(label * _GOLDEN_RATIO % 1.0, 0.85, 0.95)
    return round(255 * red), round(255 * green), round(255 * blue)


def draw_detections(
    image: NDArray[np.uint8], detections: Detections, classes: Sequence[DetectionClass]
) -> NDArray[np.uint8]:
    """Boxes with `name 0.87` labels on a copy of the image; the best is drawn last, on top.

    Args:
        image: uint8 RGB (H, W, 3).
        classes: in label order.
    Returns:
        New uint8 RGB (H, W, 3); lines and letters grow with the image.
    """
    picture = Image.fromarray(image)
    canvas = ImageDraw.Draw(picture)
    shorter = min(picture.size)
    line = max(1, round(shorter / 160))
    font = _font(max(10, round(shorter / 26)))
    for row in reversed(range(len(detections))):
        label = int(detections.labels[row])
        box = [float(edge) for edge in detections.boxes[row]]
        text = f"{classes[label].name} {detections.scores[row]:.2f}"
        _draw_box(canvas, box, class_colour(label), line)
        _draw_label(canvas, box, text, class_colour(label), font, picture.size)
    return np.asarray(picture)


def encode_jpeg(image: NDArray[np.uint8]) -> bytes:
    """uint8 RGB (H, W, 3) → the bytes of a JPEG file; sides longer than a JPEG can be are scaled to fit."""
    buffer = BytesIO()
    picture = Image.fromarray(image)
    picture.thumbnail((_LONGEST_JPEG_SIDE, _LONGEST_JPEG_SIDE))
    picture.save(buffer, format="JPEG", quality=90)
    return buffer.getvalue()


def _draw_box(canvas: ImageDraw.ImageDraw, box: list[float], colour: Colour, line: int) -> None:
    """An outline inside the box; Pillow's corners are inclusive pixels."""
    x1, y1 = round(box[0]), round(box[1])
    canvas.rectangle((x1, y1, max(x1, round(box[2]) - 1), max(y1, round(box[3]) - 1)), outline=colour, width=line)


def _draw_label(
    canvas: ImageDraw.ImageDraw,
    box: list[float],
    text: str,
    colour: Colour,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    size: tuple[int, int],
) -> None:
    """Text on a plate above the box, or inside its top edge where there is no room above, always within the picture.

    A plate larger than the picture begins at its left or top edge and is cut off.
    """
    left, top, right, bottom = canvas.textbbox((0, 0), text, font=font)
    pad = max(1, round((bottom - top) / 6))
    width, height = right - left + 2 * pad, bottom - top + 2 * pad
    x = min(max(0.0, box[0]), max(0.0, size[0] - width))
    y = box[1] - height if box[1] >= height else box[1]
    x, y = round(x), round(max(0.0, min(y, size[1] - height)))
    canvas.rectangle((x, y, x + width - 1, y + height - 1), fill=colour)
    canvas.text((x + pad - left, y + pad - top), text, fill=_ink_on(colour), font=font)


def _ink_on(colour: Colour) -> Colour:
    """Black or white, whichever reads better (ITU-R BT.601 luma)."""
    luma = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
    return (0, 0, 0) if luma > 128 else (255, 255, 255)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
