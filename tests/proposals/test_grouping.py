from __future__ import annotations

import numpy as np
import pytest
from labelled import labelled_regions
from oracle_grouping import hierarchy
from oracle_segmentation import superpixels

from proposals.grouping import STRATEGIES, group
from proposals.region_features import Regions


def plain(labels: list[list[int]], colours: list[list[int]] | None = None) -> Regions:
    """Regions of a one-channel picture without any texture."""
    array = np.array(labels, np.int32)
    values = np.array(labels if colours is None else colours, np.uint8)[:, :, None]
    return labelled_regions(array, values, np.full((4, *array.shape, 1), 9, np.uint8))


def random_case(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    height, width = generator.integers(2, 13, 2)
    channels = (3, 1)[seed % 2]
    labels = superpixels(generator.uniform(0, 90, (height, width, 3)).astype(np.float32), 20 + 20 * (seed % 3), 2)
    colours = generator.integers(0, 256, (height, width, channels), np.uint8)
    textures = generator.integers(0, 19, (4, height, width, channels), np.uint8)
    return labels, colours, textures


def test_size_by_hand() -> None:
    # Sizes 1, 2, 3, 4 in a row of 10. S = 1 - (a + b) / 10: pairs .7, .5, .3: 0 + 1 -> 4 (size 3);
    # then 4 + 2: 1 - 6/10 = .4, 2 + 3: .3, so 4 + 2 -> 5; then 5 + 3 -> 6.
    boxes, merges = group(plain([[0, 1, 1, 2, 2, 2, 3, 3, 3, 3]]), "S")
    assert merges.tolist() == [[0, 1], [2, 4], [3, 5]]
    assert boxes.tolist()[4:] == [[0, 0, 2, 0], [0, 0, 5, 0], [0, 0, 9, 0]]
    assert boxes.tolist()[:4] == [[0, 0, 0, 0], [1, 0, 2, 0], [3, 0, 5, 0], [6, 0, 9, 0]]


def test_fill_by_hand() -> None:
    # 0 1 1   0 + 1: box 9, 4 + 3 pixels: F = 1 - 2/9;  0 + 2: box 9, 4 + 2: 1 - 3/9... but
    # 0 1 2   1 + 2: box 2 x 3 = 6, 3 + 2: 1 - 1/9, the best.
    # 0 0 2
    _, merges = group(plain([[0, 1, 1], [0, 1, 2], [0, 0, 2]]), "F")
    assert merges.tolist() == [[1, 2], [0, 3]]


def test_colour_beats_order_in_ctsf_but_not_in_tsf() -> None:
    # Three columns of equal size; the last two share their colour. Without colour both pairs are alike, and
    # the first goes first.
    regions = plain([[0, 1, 2]] * 3, [[0, 200, 200]] * 3)
    assert group(regions, "CTSF")[1].tolist() == [[1, 2], [0, 3]]
    assert group(regions, "TSF")[1].tolist() == [[0, 1], [2, 3]]


def test_ties_go_to_the_smaller_first_then_the_smaller_second_region() -> None:
    # Four quarters: by size all six pairs are alike (diagonals touch). 0 + 1; then 2 + 3 = .5 beats .25.
    assert group(plain([[0, 1], [2, 3]]), "S")[1].tolist() == [[0, 1], [2, 3], [4, 5]]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("seed", range(10))
def test_equal_to_the_oracle(seed: int, strategy: str) -> None:
    labels, colours, textures = random_case(seed)
    signed = np.moveaxis(textures, 0, -1).astype(int) - 9
    expected_boxes, expected_merges = hierarchy(labels, colours, signed, strategy)
    boxes, merges = group(labelled_regions(labels, colours, textures), strategy)
    assert [tuple(box) for box in boxes.tolist()] == expected_boxes
    assert [tuple(pair) for pair in merges.tolist()] == expected_merges


@pytest.mark.parametrize("strategy", ["CTSF", "S"])
def test_a_background_around_many_spots_is_equal_to_the_oracle(strategy: str) -> None:
    """Each merge meets all spots that are left: the queue and the links fill up and are cleared of merged regions."""
    labels = np.zeros((15, 15), np.int32)
    labels[1::2, 1::2] = np.arange(1, 50).reshape(7, 7)
    generator = np.random.default_rng(3)
    colours = generator.integers(0, 256, (15, 15, 1), np.uint8)
    textures = generator.integers(0, 19, (4, 15, 15, 1), np.uint8)
    signed = np.moveaxis(textures, 0, -1).astype(int) - 9
    _, expected = hierarchy(labels, colours, signed, strategy)
    assert [tuple(p) for p in group(labelled_regions(labels, colours, textures), strategy)[1].tolist()] == expected


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_many_regions_make_one_tree(strategy: str) -> None:
    """A large region around many small ones: the neighbour lists and the queue have to grow."""
    labels = np.zeros((61, 61), np.int32)
    labels[1::2, 1::2] = np.arange(1, 901).reshape(30, 30)
    generator = np.random.default_rng(0)
    colours = generator.integers(0, 256, (61, 61, 3), np.uint8)
    regions = labelled_regions(labels, colours, np.full((4, 61, 61, 3), 9, np.uint8))
    kept = [np.copy(array) for array in (regions.sizes, regions.boxes, regions.colours, regions.textures)]
    boxes, merges = group(regions, strategy)
    assert boxes.shape == (1801, 4)
    assert boxes[-1].tolist() == [0, 0, 60, 60]
    assert sorted(merges.ravel().tolist()) == list(range(1800))  # each but the last is merged exactly once
    for node, (a, b) in enumerate(merges, start=901):
        assert a < b < node
        np.testing.assert_array_equal(boxes[node, :2], np.minimum(boxes[a, :2], boxes[b, :2]))
        np.testing.assert_array_equal(boxes[node, 2:], np.maximum(boxes[a, 2:], boxes[b, 2:]))
    for array, before in zip((regions.sizes, regions.boxes, regions.colours, regions.textures), kept, strict=True):
        np.testing.assert_array_equal(array, before)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_one_region_merges_nothing(strategy: str) -> None:
    boxes, merges = group(plain([[0, 0], [0, 0]]), strategy)
    assert boxes.tolist() == [[0, 0, 1, 1]]
    assert merges.shape == (0, 2)


def test_unknown_strategy() -> None:
    with pytest.raises(ValueError, match="strategy: expected one of CTSF, TSF, F, S, got 'C'"):
        group(plain([[0, 1]]), "C")
