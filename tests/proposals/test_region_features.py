from __future__ import annotations

import numpy as np
import pytest
from labelled import labelled_regions, touching_pairs
from oracle_grouping import bounding_box, colour_histogram, texture_histogram, touch

from proposals.region_features import added_up, common_pieces, measure


def random_case(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    height, width = generator.integers(1, 10, 2)
    channels = (1, 3)[seed % 2]
    _, numbers = np.unique(generator.integers(0, 6, (height, width)), return_inverse=True)
    labels = numbers.reshape(height, width).astype(np.int32)
    colours = generator.integers(0, 256, (height, width, channels), np.uint8)
    textures = generator.integers(0, 19, (4, height, width, channels), np.uint8)
    return labels, colours, textures


def test_two_regions_by_hand() -> None:
    labels = np.array([[0, 0, 1]], np.int32)
    colours = np.array([[[0], [255], [128]]], np.uint8)  # bins 0, 24, 128 * 25 // 256 = 12
    # signed bins along 0, 45, 90, 135 degrees; 9 is none
    of_pixels = np.array([[[9 + 3, 9, 9 - 2, 9], [9, 9, 9, 9], [18, 0, 9, 9]]], np.uint8)
    found = labelled_regions(labels, colours, np.moveaxis(of_pixels, -1, 0)[..., None])
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
    labels, colours, textures = random_case(seed)
    kept = [array.copy() for array in (labels, colours, textures)]
    found = labelled_regions(labels, colours, textures)
    signed = np.moveaxis(textures, 0, -1).astype(int) - 9
    regions = [[(int(y), int(x)) for y, x in np.argwhere(labels == label)] for label in range(labels.max() + 1)]
    for label, pixels in enumerate(regions):
        assert found.sizes[label] == len(pixels)
        assert tuple(found.boxes[label]) == bounding_box(pixels)
        assert found.colours[label].tolist() == colour_histogram(colours, pixels)
        assert found.textures[label].tolist() == texture_histogram(signed, pixels)
    expected = [
        [i, j] for i in range(len(regions)) for j in range(i + 1, len(regions)) if touch(regions[i], regions[j])
    ]
    assert found.pairs.tolist() == expected
    for array, before in zip((labels, colours, textures), kept, strict=True):
        np.testing.assert_array_equal(array, before)


def test_histograms_sum_to_the_size() -> None:
    labels, colours, textures = random_case(11)
    found = labelled_regions(labels, colours, textures)
    for counts, bins in ((found.colours, 25), (found.textures, 10)):
        sums = counts.reshape(len(found.sizes), -1, bins).sum(axis=2)
        np.testing.assert_array_equal(sums, np.broadcast_to(found.sizes[:, None], sums.shape))


def test_corners_touch_and_one_region_touches_none() -> None:
    assert touching_pairs(np.array([[0, 1], [2, 0]], np.int32)).tolist() == [[0, 1], [0, 2], [1, 2]]
    assert touching_pairs(np.zeros((3, 3), np.int32)).shape == (0, 2)


def test_common_pieces_by_hand() -> None:
    # the third element leaves the first two in the second labelling; the last two share both
    pieces, count = common_pieces([np.array([0, 0, 0, 1, 1], np.int32), np.array([0, 0, 1, 1, 1], np.int32)])
    assert count == 3
    assert pieces.tolist() == [0, 0, 1, 2, 2]


@pytest.mark.parametrize("seed", range(6))
def test_common_pieces_are_those_that_all_labellings_agree_on(seed: int) -> None:
    labellings = list(np.random.default_rng(seed).integers(0, 5, (1 + seed % 4, 60)).astype(np.int32))
    pieces, count = common_pieces(labellings)
    tuples = list(zip(*(labels.tolist() for labels in labellings), strict=True))
    assert len(set(zip(pieces.tolist(), tuples, strict=True))) == len(set(tuples)) == count
    assert sorted(set(pieces.tolist())) == list(range(count))


@pytest.mark.parametrize("seed", range(6))
def test_pieces_add_up_to_what_is_measured_at_once(seed: int) -> None:
    labels, colours, textures = random_case(seed)
    cut = np.random.default_rng(seed).integers(0, 3, labels.shape).astype(np.int32)
    pieces, count = common_pieces([labels.ravel(), cut.ravel()])
    of_piece = np.empty(count, np.int32)
    of_piece[pieces] = labels.ravel()
    number = labels.max() + 1
    found = added_up(measure(pieces.reshape(labels.shape), count, colours, textures), of_piece, number)
    expected = measure(labels, number, colours, textures)
    for name in ("sizes", "boxes", "colours", "slopes"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)
        assert getattr(found, name).dtype == np.int32
