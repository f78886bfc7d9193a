"""Crops of an image at test time: where they are, how many differ, what their pixels are."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from detect.classification_crops import Crop, crops_of, cut_crops

WIDE, TALL, SQUARE = (375, 500), (500, 300), (400, 400)  # height, width


def noise(height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def cut(image: NDArray[np.uint8], number: int, size: int = 224) -> NDArray[np.uint8]:
    return cut_crops(image, crops_of((image.shape[0], image.shape[1]), number, size=size), size=size)


def different(pixels: NDArray[np.uint8]) -> int:
    return len({crop.tobytes() for crop in pixels})


def sources(image_size: tuple[int, int]) -> list[tuple[int, int, int, int]]:
    """The three squares, in order; each must have its 4 scales × 6 crops × 2 mirror images."""
    crops = crops_of(image_size, 144)
    assert len(crops) == 144
    found = list(dict.fromkeys(crop.source for crop in crops))
    assert all(sum(crop.source == one for crop in crops) == 144 // len(found) for one in found)
    return found


# Coordinates, by hand


def test_one_crop_is_the_centre_of_the_squashed_image() -> None:
    """(256 − 224) / 2 = 16."""
    for height, width in (WIDE, TALL, SQUARE):
        assert crops_of((height, width), 1) == [Crop((0, 0, width, height), 256, (16, 16, 240, 240))]


def test_ten_crops_are_corners_and_centre_and_their_mirror_images() -> None:
    """256 − 224 = 32."""
    boxes = [(0, 0, 224, 224), (32, 0, 256, 224), (0, 32, 224, 256), (32, 32, 256, 256), (16, 16, 240, 240)]
    whole = (0, 0, 500, 375)
    assert crops_of(WIDE, 10) == [Crop(whole, 256, box, mirrored) for mirrored in (False, True) for box in boxes]


def test_squares_of_a_wide_image_are_left_centre_and_right() -> None:
    """500 − 375 = 125 to the right; half of it is 62.5, rounded to the left."""
    assert sources(WIDE) == [(0, 0, 375, 375), (62, 0, 437, 375), (125, 0, 500, 375)]


def test_squares_of_a_tall_image_are_top_centre_and_bottom() -> None:
    """500 − 300 = 200 down."""
    assert sources(TALL) == [(0, 0, 300, 300), (0, 100, 300, 400), (0, 200, 300, 500)]


def test_the_squares_of_a_square_image_are_all_of_it() -> None:
    assert sources(SQUARE) == [(0, 0, 400, 400)]


def test_six_crops_of_each_square_at_four_scales() -> None:
    """From 256, 288, 320, 352 less 224 are 32, 64, 96, 128: the last corner; half of that: the centre."""
    middle = (62, 0, 437, 375)
    found = [crop for crop in crops_of(WIDE, 144) if crop.source == middle and not crop.mirrored]
    expected = []
    for side, last, centre in ((256, 32, 16), (288, 64, 32), (320, 96, 48), (352, 128, 64)):
        starts = [(0, 0), (last, 0), (0, last), (last, last), (centre, centre)]
        expected += [Crop(middle, side, (x, y, x + 224, y + 224)) for x, y in starts]
        expected.append(Crop(middle, side, (0, 0, side, side)))
    assert found == expected


def test_another_size_keeps_the_proportions() -> None:
    """Half of 224, 256, 288, 320, 352."""
    assert crops_of(SQUARE, 1, size=112) == [Crop((0, 0, 400, 400), 128, (8, 8, 120, 120))]
    assert sorted({crop.side for crop in crops_of(SQUARE, 144, size=112)}) == [128, 144, 160, 176]


# How many differ


@pytest.mark.parametrize("image_size", [WIDE, TALL])
def test_144_crops_of_a_wide_and_of_a_tall_image_all_differ(image_size: tuple[int, int]) -> None:
    assert len(set(crops_of(image_size, 144))) == 144
    assert different(cut(noise(*image_size), 144)) == 144


def test_of_a_square_image_48_differ_each_there_three_times() -> None:
    """4 scales × 6 crops × 2 mirror images."""
    crops = crops_of(SQUARE, 144)
    assert len(set(crops)) == 48
    assert {crops.count(crop) for crop in crops} == {3}
    assert different(cut(noise(*SQUARE), 144)) == 48


def test_of_an_almost_square_image_96_differ() -> None:
    assert len(set(crops_of((400, 401), 144))) == 96


def test_10_crops_differ() -> None:
    assert different(cut(noise(*SQUARE), 10)) == 10


# Pixels


def test_one_crop_is_what_caffe_cuts() -> None:
    image = noise(*WIDE)
    squashed = cv2.resize(image, (256, 256), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(cut(image, 1), [squashed[16:240, 16:240]])


@pytest.mark.parametrize("number", [10, 144])
def test_the_second_half_are_the_mirror_images_of_the_first(number: int) -> None:
    found = cut(noise(60, 80), number)
    assert not np.array_equal(found[: number // 2], found[number // 2 :])
    np.testing.assert_array_equal(found[number // 2 :], found[: number // 2, :, ::-1])


def slow_crops(image: NDArray[np.uint8], size: int) -> Iterator[NDArray[np.uint8]]:
    """The 144 of the paper, in its words and order: resize the image, then cut. Sizes must come out whole."""
    height, width = image.shape[:2]
    for mirrored in (False, True):
        for short in (256, 288, 320, 352):
            side = short * size // 224
            factor = side / min(height, width)
            resized = cv2.resize(image, (int(width * factor), int(height * factor)), interpolation=cv2.INTER_LINEAR)
            for place in (0, 1, 2):
                x, y = ((resized.shape[axis] - side) * place // 2 for axis in (1, 0))
                square = resized[y : y + side, x : x + side]
                rest = side - size
                for x, y in ((0, 0), (rest, 0), (0, rest), (rest, rest), (rest // 2, rest // 2)):
                    crop = square[y : y + size, x : x + size]
                    yield crop[:, ::-1] if mirrored else crop
                crop = cv2.resize(square, (size, size), interpolation=cv2.INTER_LINEAR)
                yield crop[:, ::-1] if mirrored else crop


@pytest.mark.parametrize("image_size", [(32, 64), (64, 32), (32, 32)])
def test_crops_are_those_of_the_resized_image_but_for_the_edges_of_squares(image_size: tuple[int, int]) -> None:
    """A square that is cut first has no neighbours: its outermost pixels are those of the edge."""
    image = noise(*image_size)
    found = cut(image, 144)
    differences = np.abs(found.astype(int) - np.stack(list(slow_crops(image, 224))).astype(int))
    touched = (differences > 1).any(axis=3)  # 1: a square's size divides its sides less evenly than the image's
    assert touched.mean() < 0.03
    assert not touched[:, 8:-8, 8:-8].any()


@pytest.mark.parametrize("number", [1, 10, 144])
def test_one_pixel_fills_every_crop(number: int) -> None:
    image = np.array([[[3, 141, 59]]], np.uint8)
    np.testing.assert_array_equal(cut(image, number), np.broadcast_to(image, (number, 224, 224, 3)))


@pytest.mark.parametrize("image_size", [(1, 40_000), (40_000, 1)])
def test_of_a_line_of_pixels_each_square_shows_one(image_size: tuple[int, int]) -> None:
    """40000 − 1 = 39999 to the end; half of it, rounded down: 19999."""
    image = np.zeros((*image_size, 3), np.uint8)
    line = image.reshape(-1, 3)
    line[19_999], line[-1] = 128, 255
    first_scale = cut(image, 144, size=16)[:18]
    assert [set(first_scale[start : start + 6].flat) for start in (0, 6, 12)] == [{0}, {128}, {255}]


def test_no_crops_are_no_pixels() -> None:
    assert cut_crops(noise(4, 4), []).shape == (0, 224, 224, 3)


def test_the_image_is_not_changed_and_crops_are_apart() -> None:
    image = noise(224, 224)
    before = image.copy()
    found = cut_crops(image, [Crop((0, 0, 224, 224), 224, (0, 0, 224, 224))] * 2)
    found[0] = 0
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(found[1], before)


@pytest.mark.parametrize(
    ("number", "size", "message"),
    [(12, 224, "crops: expected 1, 10, 144, got 12"), (1, 0, "size: expected at least 1, got 0")],
)
def test_other_numbers_are_refused(number: int, size: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        crops_of(WIDE, number, size=size)
