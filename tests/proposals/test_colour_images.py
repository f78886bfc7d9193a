from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from proposals.colour_images import COLOURS, colour_image, smoothed


def one(*rgb: int) -> np.ndarray:
    return np.array([[rgb]], np.uint8)


@pytest.mark.parametrize(
    ("rgb", "colour", "expected"),
    [
        ((255, 0, 0), "HSV", [0, 255, 255]),
        ((0, 255, 0), "HSV", [85, 255, 255]),  # 120 / 360 * 255 = 85
        ((0, 0, 200), "HSV", [170, 255, 200]),  # 240 / 360 * 255 = 170
        ((100, 100, 100), "HSV", [0, 0, 100]),
        ((0, 255, 0), "H", [85]),
        ((255, 255, 255), "Lab", [255, 128, 128]),
        ((0, 0, 0), "Lab", [0, 128, 128]),
        ((200, 100, 100), "rgI", [128, 64, 133]),  # 200/400*255 = 127.5, even; 63.75; 400/3
        ((0, 0, 0), "rgI", [85, 85, 0]),  # no colour at all: a third each
        ((0, 255, 0), "I", [150]),  # 0.587 * 255 = 149.7
        ((10, 10, 10), "I", [10]),
    ],
)
def test_single_colours(rgb: tuple[int, ...], colour: str, expected: list[int]) -> None:
    found = colour_image(one(*rgb), colour)[0, 0].astype(int)
    assert np.abs(found - expected).max() <= 1


@pytest.mark.parametrize("colour", COLOURS)
def test_every_colour_space_is_uint8_contiguous_and_leaves_the_input_alone(colour: str) -> None:
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    before = image.copy()
    found = colour_image(image, colour)
    assert found.shape == (5, 7, 1 if colour in "HI" else 3)
    assert found.dtype == np.uint8
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(image, before)


def test_unknown_colour() -> None:
    with pytest.raises(ValueError, match="colour: expected one of HSV, Lab, rgI, H, I, got 'CMYK'"):
        colour_image(one(1, 2, 3), "CMYK")


SHAPES = [(9, 12, 3), (9, 12, 1), (1, 1, 3), (1, 20, 1)]


@pytest.mark.parametrize("shape", SHAPES)
def test_blur_is_exact(shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    weights = np.array([6, 58, 128, 58, 6])
    rows = ndimage.correlate1d(image.astype(np.int64), weights, axis=0, mode="nearest")
    expected = ndimage.correlate1d(rows, weights, axis=1, mode="nearest")
    found = smoothed(image)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found.astype(np.float64) * 65536, expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_blur_is_nearly_scipys(shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    expected = ndimage.gaussian_filter(image.astype(float), (0.8, 0.8, 0), mode="nearest", radius=(4, 4, 0))
    np.testing.assert_allclose(smoothed(image), expected, atol=0.7)


def test_blur_keeps_black_white_and_sums() -> None:
    for level in (0, 255):
        assert (smoothed(np.full((7, 5, 3), level, np.uint8)) == level).all()
    dot = np.zeros((9, 9, 1), np.uint8)
    dot[4, 4] = 200
    assert smoothed(dot).sum() == 200
