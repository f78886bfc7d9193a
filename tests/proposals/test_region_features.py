from __future__ import annotations

import numpy as np
import pytest
from oracle_grouping import bounding_box, colour_histogram, texture_histogram, touch

from proposals.region_features import describe_regions, touching_pairs


def random_case(seed: int) -> tuple[np.ndarray, int, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    height, width = generator.integers(1, 10, 2)
    channels = (1, 3)[seed % 2]
    _, numbers = np.unique(generator.integers(0, 6, (height, width)), return_inverse=True)
    labels = numbers.reshape(height, width).astype(np.int32)
    colours = generator.integers(0, 256, (height, width, channels), np.uint8)
    textures = generator.integers(0, 19, (height, width, 4 * channels), np.uint8)
    return labels, labels.max() + 1, colours, textures


def test_two_regions_by_hand() -> None:
    labels = np.array([[0, 0, 1]], np.int32)
    colours = np.array([[[0], [255], [128]]], np.uint8)  # bins 0, 24, 128 * 25 // 256 = 12
    # signed bins along 0, 45, 90, 135 degrees; 9 is none
    textures = np.array([[[9 + 3, 9, 9 - 2, 9], [9, 9, 9, 9], [18, 0, 9, 9]]], np.uint8)
    found = describe_regions(labels, 2, colours, textures)
    assert found.sizes.tolist() == [2, 1]
    assert found.boxes.tolist() == [[0, 0, 1, 0], [2, 0, 2, 0]]
    assert found.pairs.tolist() == [[0, 1]]
    assert found.image_area == 3
    assert np.flatnonzero(found.colours[0]).tolist() == [0, 24]
    assert np.flatnonzero(found.colours[1]).tolist() == [12]
    first = found.textures[0].reshape(8, 10)
    assert first[0].tolist() == [1, 0, 0, 1, 0, 0, 0, 0, 0, 0]  # 0 degrees: one pixel in bin 3
    assert first[6].tolist() == [1, 0, 1, 0, 0, 0, 0, 0, 0, 0]  # 270 degrees: one pixel in bin 2
    assert (first[[1, 2, 3, 4, 5, 7], 0] == 2).all()
    second = found.textures[1].reshape(8, 10)
    assert second[0, 9] == 1  # 0 degrees
    assert second[5, 9] == 1  # 225 degrees, the opposite of 45
    assert (second[[1, 2, 3, 4, 6, 7], 0] == 1).all()


@pytest.mark.parametrize("seed", range(10))
def test_equal_to_the_oracle(seed: int) -> None:
    labels, count, colours, textures = random_case(seed)
    kept = [array.copy() for array in (labels, colours, textures)]
    found = describe_regions(labels, count, colours, textures)
    signed = textures.reshape(*labels.shape, -1, 4).astype(int) - 9
    regions = [[(int(y), int(x)) for y, x in np.argwhere(labels == label)] for label in range(count)]
    for label, pixels in enumerate(regions):
        assert found.sizes[label] == len(pixels)
        assert tuple(found.boxes[label]) == bounding_box(pixels)
        assert found.colours[label].tolist() == colour_histogram(colours, pixels)
        assert found.textures[label].tolist() == texture_histogram(signed, pixels)
    expected = [[i, j] for i in range(count) for j in range(i + 1, count) if touch(regions[i], regions[j])]
    assert found.pairs.tolist() == expected
    for array, before in zip((labels, colours, textures), kept, strict=True):
        np.testing.assert_array_equal(array, before)


def test_histograms_sum_to_the_size() -> None:
    labels, count, colours, textures = random_case(11)
    found = describe_regions(labels, count, colours, textures)
    for counts, bins in ((found.colours, 25), (found.textures, 10)):
        sums = counts.reshape(count, -1, bins).sum(axis=2)
        np.testing.assert_array_equal(sums, np.broadcast_to(found.sizes[:, None], sums.shape))


def test_corners_touch_and_one_region_touches_none() -> None:
    assert touching_pairs(np.array([[0, 1], [2, 0]], np.int32), 3).tolist() == [[0, 1], [0, 2], [1, 2]]
    assert touching_pairs(np.zeros((3, 3), np.int32), 1).shape == (0, 2)
