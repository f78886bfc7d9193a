"""Pictures: colours, labels and lines where they should be, on any size of image."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from detect.class_tables import ilsvrc_detection_classes
from detect.detections import Detections
from detect.drawing import class_colour, draw_detections, encode_jpeg

CLASSES = ilsvrc_detection_classes()
GRAY = 90


def draw(size: tuple[int, int], *boxes: list[float], label: int = 57) -> np.ndarray:
    """Boxes of one class on a gray (height, width) image."""
    image = np.full((*size, 3), GRAY, np.uint8)
    found = Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.linspace(0.9, 0.5, len(boxes)).astype(np.float32),
        np.full(len(boxes), label, np.int64),
    )
    picture = draw_detections(image, found, CLASSES)
    assert (picture.shape, picture.dtype) == (image.shape, np.uint8)
    assert np.all(image == GRAY), "the image itself is not drawn on"
    return picture


def test_colours_are_bright_fixed_and_all_different() -> None:
    colours = [class_colour(label) for label in range(200)]
    assert colours == [class_colour(label) for label in range(200)]
    assert len(set(colours)) == 200
    assert min(max(colour) for colour in colours) >= 240
    assert class_colour(0) == (242, 36, 36)  # hue 0, saturation .85, value .95: 255 · .95 and 255 · .95 · .15
    neighbours = np.abs(np.diff(np.array(colours), axis=0)).sum(axis=1)
    assert neighbours.min() > 100


def test_a_class_has_its_colour_in_every_picture() -> None:
    for size in ((300, 400), (900, 700)):
        picture = draw(size, [50, 80, 250, 280], label=57)
        assert tuple(picture[279, 150]) == class_colour(57)  # bottom edge: the last row inside the box


def test_nothing_found_changes_nothing() -> None:
    assert np.all(draw((40, 30)) == GRAY)


def test_the_outline_lies_on_the_outermost_pixels_of_the_box() -> None:
    picture = draw((400, 400), [50, 100, 250, 280])
    colour = class_colour(57)
    assert tuple(picture[200, 50]) == tuple(picture[200, 249]) == tuple(picture[279, 150]) == colour
    for row, column in ((200, 49), (200, 250), (280, 150)):
        assert tuple(picture[row, column]) == (GRAY, GRAY, GRAY)
    assert tuple(picture[200, 150]) == (GRAY, GRAY, GRAY), "not filled"


@pytest.mark.parametrize(("side", "width"), [(100, 1), (320, 2), (1600, 10)])
def test_lines_grow_with_the_image(side: int, width: int) -> None:
    picture = draw((side, side), [side * 0.1, side * 0.4, side * 0.9, side * 0.9])
    row = picture[round(side * 0.8)]
    edge = np.all(row[: side // 2] == class_colour(57), axis=1)
    assert edge.sum() == width


@pytest.mark.parametrize(
    ("size", "box"),
    [
        ((300, 400), [0, 0, 400, 300]),  # no room above
        ((300, 400), [0, 290, 60, 300]),
        ((300, 400), [380, 0, 400, 10]),  # the text is wider than the box
        ((300, 400), [395, 295, 400, 300]),
        ((300, 400), [200, 150, 210, 160]),
        ((16, 300), [0, 10, 300, 16]),  # room neither above the box nor below its top edge
        ((2500, 3000), [2990, 5, 3000, 2500]),
    ],
)
def test_label_and_plate_are_inside_the_picture(
    size: tuple[int, int], box: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[tuple[float, ...]] = []
    text, rectangle = ImageDraw.ImageDraw.text, ImageDraw.ImageDraw.rectangle

    def spy_text(canvas: Any, place: Any, words: str, **options: Any) -> None:
        assert words == "dog 0.90"
        drawn.append(canvas.textbbox(place, words, font=options["font"]))
        text(canvas, place, words, **options)

    def spy_rectangle(canvas: Any, corners: Any, **options: Any) -> None:
        if "fill" in options:
            drawn.append((*corners[:2], corners[2] + 1, corners[3] + 1))
        rectangle(canvas, corners, **options)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", spy_text)
    monkeypatch.setattr(ImageDraw.ImageDraw, "rectangle", spy_rectangle)
    draw(size, box)
    assert len(drawn) == 2
    for x1, y1, x2, y2 in drawn:
        assert 0 <= x1 < x2 <= size[1]
        assert 0 <= y1 < y2 <= size[0]
    plate, words = drawn
    assert plate[0] <= words[0]
    assert plate[1] <= words[1]
    assert plate[2] >= words[2]
    assert plate[3] >= words[3]


@pytest.mark.parametrize("size", [(1, 1), (3, 2000), (2000, 3), (1, 70)])
def test_tiny_and_extreme_images_can_be_drawn(size: tuple[int, int]) -> None:
    picture = draw(size, [0, 0, size[1], size[0]], [0, 0, 0.3, 0.2])
    assert np.any(picture != GRAY)
    assert Image.open(io.BytesIO(encode_jpeg(picture))).size == size[::-1]


def test_the_best_is_drawn_last() -> None:
    image = np.full((300, 300, 3), GRAY, np.uint8)
    boxes = np.array([[20, 100, 280, 280], [20, 100, 280, 280]], np.float32)
    found = Detections(boxes, np.array([0.9, 0.4], np.float32), np.array([3, 120], np.int64))
    assert tuple(draw_detections(image, found, CLASSES)[279, 150]) == class_colour(3)


def test_jpeg_keeps_pixels_and_scales_what_is_too_long_for_the_format() -> None:
    picture = np.full((20, 30, 3), (10, 200, 90), np.uint8)
    back = np.asarray(Image.open(io.BytesIO(encode_jpeg(picture))))
    assert np.abs(back.astype(int) - picture).max() <= 3
    long = np.zeros((1, 70_000, 3), np.uint8)
    assert Image.open(io.BytesIO(encode_jpeg(long))).size == (65_500, 1)
