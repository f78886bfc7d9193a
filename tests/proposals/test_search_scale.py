from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proposals.search_scale import boxes_at_size, resized, search_size


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((375, 500), (375, 500)),
        ((600, 1000), (300, 500)),
        ((50, 100), (250, 500)),  # enlarged, too
        ((400, 100), (2000, 500)),  # 4 : 1, the tallest at full width
        ((1600, 100), (4000, 250)),  # 16 : 1, 4 * 500^2 = 1,000,000 pixels
        ((2000, 3), (25820, 39)),  # sqrt(10^6 / 6000) = 12.9 times, not 166.7
        ((3, 2000), (1, 500)),  # 3 / 4 rounds to 1
        ((1, 400), (1, 500)),
        ((1, 9999), (1, 500)),  # never nothing
        ((1, 1), (500, 500)),
    ],
)
def test_by_hand(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert search_size(size, 500) == expected


def test_no_width_keeps_the_size() -> None:
    assert search_size((7, 9), None) == (7, 9)


@given(st.integers(1, 100_000), st.integers(1, 100_000), st.integers(1, 2000))
def test_bounded_and_of_the_same_shape(height: int, width: int, search_width: int) -> None:
    tall, wide = search_size((height, width), search_width)
    assert tall >= 1
    assert 1 <= wide <= search_width
    assert tall * wide <= 4 * search_width**2 + tall + wide  # rounding of both sides
    if height <= 4 * width:
        assert wide == search_width
        assert tall == max(1, round(height * search_width / width))


def test_resized() -> None:
    image = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    before = image.copy()
    np.testing.assert_array_equal(resized(image, (6, 8)), image)
    assert resized(image[:, ::-1], (6, 8)).flags.c_contiguous
    halved = resized(image, (3, 4))  # areas: the mean of 2 x 2
    np.testing.assert_allclose(halved, image.reshape(3, 2, 4, 2, 3).mean(axis=(1, 3)), atol=1)
    assert resized(image, (12, 16)).shape == (12, 16, 3)
    np.testing.assert_array_equal(image, before)


def test_boxes_by_hand() -> None:
    # Searched at half the size: pixels 1..3 are the edges 1 and 4, twice that is 2 and 8.
    found = boxes_at_size(np.array([[1, 0, 3, 4]], np.int32), (5, 10), (10, 20))
    assert found.tolist() == [[2, 0, 8, 10]]
    assert found.dtype == np.float32
    assert boxes_at_size(np.zeros((0, 4), np.int32), (5, 10), (10, 20)).shape == (0, 4)


@given(st.tuples(*[st.integers(1, 3000)] * 4))
def test_the_whole_image_comes_back_whole(sides: tuple[int, int, int, int]) -> None:
    searched, size = sides[:2], sides[2:]
    whole = np.array([[0, 0, searched[1] - 1, searched[0] - 1]], np.int32)
    assert boxes_at_size(whole, searched, size).tolist() == [[0, 0, size[1], size[0]]]
