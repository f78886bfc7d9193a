"""Random parts of an image: their areas and aspects over many draws, and by hand where there is no choice."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detect.training.random_crops import random_crop, random_crop_of_aspect

AREA, ASPECT = (0.08, 1.0), (3 / 4, 4 / 3)  # GoogLeNet, section 6


def test_random_crops_are_in_range() -> None:
    rng = np.random.default_rng(0)
    size, area, aspect = (1000, 3000), (0.2, 0.9), (0.5, 2.0)
    crops = np.array([random_crop(size, area, aspect, rng) for _ in range(2000)])
    assert np.all(crops[:, :2] >= 0)
    assert np.all(crops[:, 2:] <= [3000, 1000])
    w, h = ((crops[:, 2:] - crops[:, :2]) / [3000, 1000]).T
    assert np.all((w * h > 0.199) & (w * h < 0.901))
    assert np.all((w / h > 0.498) & (w / h < 2.01))
    assert abs((w * h).mean() - 0.55) < 5 * 0.7 / np.sqrt(12 * 2000)  # uniform
    assert abs(np.log(w / h).mean()) < 5 * np.log(2) / np.sqrt(2000)  # as often wider as higher
    assert crops[:, 0].max() > 1500 > 100 > crops[:, 0].min()


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (2, 3)])
def test_tiny_images_have_crops(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        x1, y1, x2, y2 = random_crop(size, (0.01, 1.0), (0.1, 10.0), rng)
        assert 0 <= x1 < x2 <= size[1]
        assert 0 <= y1 < y2 <= size[0]


def shapes(size: tuple[int, int], draws: int) -> tuple[np.ndarray, np.ndarray]:
    """Parts of the area, and aspects, of crops of an image that is large enough for rounding not to matter."""
    rng = np.random.default_rng(0)
    crops = np.array([random_crop_of_aspect(size, AREA, ASPECT, rng) for _ in range(draws)])
    assert np.all(crops >= 0)
    assert np.all(crops[:, 2:] <= size[::-1])
    w, h = (crops[:, 2:] - crops[:, :2]).T
    return w * h / (size[0] * size[1]), w / h


def test_of_a_square_image_as_googlenet_was_trained() -> None:
    area, aspect = shapes((2000, 2000), 3000)
    assert np.all((area > 0.0795) & (area < 1.0005))
    assert np.all((aspect > 0.748) & (aspect < 1.336))
    assert abs(area.mean() - 0.54) < 5 * 0.92 / np.sqrt(12 * 3000), "uniform from 8 to 100 %"
    assert abs(np.log(aspect).mean()) < 5 * np.log(4 / 3) / np.sqrt(3000), "as often wide as high"
    assert area.max() > 0.98
    assert aspect.max() > 1.3
    assert aspect.min() < 0.77


@pytest.mark.parametrize(("size", "most"), [((1000, 2000), 2 / 3), ((2000, 1000), 2 / 3), ((1500, 2000), 1.0)])
def test_a_long_image_has_room_for_a_part_of_it(size: tuple[int, int], most: float) -> None:
    """2 : 1: a crop of its height is at most 4/3 as wide, 2/3 of the image. 1 : 2: at most 4/3 as high."""
    area, aspect = shapes(size, 2000)
    assert np.all((area > 0.0795) & (area < most + 0.001))
    assert area.max() > 0.97 * most
    assert np.all((aspect > 0.748) & (aspect < 1.336))
    assert abs(area.mean() - (0.08 + most) / 2) < 5 * (most - 0.08) / np.sqrt(12 * 2000)


def test_a_panorama_by_hand() -> None:
    """20 : 1 has no room for 8 %: the most is a crop of all its height, 4/3 as wide, 1/15 of it."""
    for seed in range(20):
        x1, y1, x2, y2 = random_crop_of_aspect((300, 6000), AREA, ASPECT, np.random.default_rng(seed))
        assert (x2 - x1, y2 - y1) == (400, 300)
        x1, y1, x2, y2 = random_crop_of_aspect((6000, 300), AREA, ASPECT, np.random.default_rng(seed))
        assert (x2 - x1, y2 - y1) == (300, 400)


@given(st.integers(0, 10**6), st.integers(1, 400), st.integers(1, 400))
def test_any_image_has_a_crop(seed: int, height: int, width: int) -> None:
    """Within a pixel of the bounds, the same for the same generator."""
    crop = random_crop_of_aspect((height, width), AREA, ASPECT, np.random.default_rng(seed))
    assert crop == random_crop_of_aspect((height, width), AREA, ASPECT, np.random.default_rng(seed))
    x1, y1, x2, y2 = crop
    assert 0 <= x1 < x2 <= width
    assert 0 <= y1 < y2 <= height
    w, h = x2 - x1, y2 - y1
    assert (w + 1) / max(h - 1, 0.5) > 3 / 4
    assert (w - 1) / (h + 1) < 4 / 3
