from __future__ import annotations

import numpy as np
import pytest
from labelled import touching_pairs
from oracle_segmentation import all_edges, superpixels
from scipy import ndimage
from skimage import data
from skimage.segmentation import felzenszwalb

from proposals.colour_images import smoothed
from proposals.graph_segmentation import grow_fragments, join_fragments, segment
from proposals.pixel_edges import sort_edges

EIGHT = np.ones((3, 3), int)


def grey(rows: list[list[float]]) -> np.ndarray:
    return np.array(rows, np.float32)[:, :, None]


def random_picture(seed: int) -> np.ndarray:
    """Small pictures with plateaus, ramps and noise, so that many weights tie."""
    generator = np.random.default_rng(seed)
    height, width = generator.integers(1, 15, 2)
    channels = (1, 3)[seed % 2]
    blocks = generator.integers(0, 6, (height, width, channels)) * (10.0 if seed % 3 else 40.0)
    return np.ascontiguousarray(ndimage.uniform_filter(blocks, (1 + seed % 4, 2, 1)), dtype=np.float32)


def as_partition(labels: np.ndarray) -> list[int]:
    """Labels numbered as they first appear, so that equal partitions are equal lists."""
    numbers: dict[int, int] = {}
    return [numbers.setdefault(label, len(numbers)) for label in labels.ravel().tolist()]


def test_edges_of_four_pixels_by_hand() -> None:
    # 0 3    right: |0-3| = 3, |4-4| = 0; below: |0-4| = 4, |3-4| = 1;
    # 4 4    below right: |0-4| = 4; below left: |3-4| = 1.
    # One channel counts as three: times sqrt 3; in steps of 1/128.
    found = sort_edges(grey([[0, 3], [4, 4]]))
    # numbers 4 * pixel + direction: 4*2+0, 4*1+1, 4*1+3, 4*0+0, 4*0+1, 4*0+2
    assert found.edges.tolist() == [8, 5, 7, 0, 1, 2]
    assert found.weights.tolist() == [round(w * 3**0.5 * 128) for w in (0, 1, 1, 3, 4, 4)]
    assert found.size == (2, 2)


def test_the_joining_rule_by_hand() -> None:
    # Three equal channels, so a step of 10 weighs 10 * sqrt 3 = 17.32.
    # k = 17: a pixel alone accepts edges of up to 0 + 17/1, 17.32 is too heavy. k = 18: not too heavy, but
    # then the pair accepts only up to 17.32 + 18/2 = 26.32, and the step of 20 weighs 34.64.
    edges = sort_edges(grey([[0, 10, 30]]))
    assert segment(edges, 17, 1)[0].tolist() == [[0, 1, 2]]
    assert segment(edges, 18, 1)[0].tolist() == [[0, 0, 1]]


def test_the_joining_rule_lets_a_heavy_edge_in_where_both_sides_allow_it() -> None:
    # the pair's limit is 17.32 + k/2, the pixel's is k: both are at least 34.64 from k = 34.64 on.
    edges = sort_edges(grey([[0, 10, 30]]))
    assert segment(edges, 34.7, 1)[1] == 1
    assert segment(edges, 34.6, 1)[1] == 2


def test_small_superpixels_join_along_the_lightest_edge() -> None:
    # 50 is alone; it is nearer to 90 (40) than to 0 (50), and joins the right side.
    edges = sort_edges(grey([[0, 0, 0, 50, 90, 90, 90]]))
    assert segment(edges, 1, 1)[0].tolist() == [[0, 0, 0, 1, 2, 2, 2]]
    assert segment(edges, 1, 2)[0].tolist() == [[0, 0, 0, 1, 1, 1, 1]]
    assert segment(edges, 1, 4)[0].tolist() == [[0] * 7]  # 3 < 4


def test_diagonal_neighbours_are_neighbours() -> None:
    labels, count = segment(sort_edges(grey([[0, 200], [200, 0]])), 1, 1)
    assert labels.tolist() == [[0, 1], [1, 0]]
    assert count == 2


@pytest.mark.parametrize("seed", range(24))
def test_equal_to_the_oracle(seed: int) -> None:
    image = random_picture(seed)
    before = image.copy()
    edges = sort_edges(image)
    expected = all_edges(image)
    assert edges.weights.tolist() == [weight for weight, _, _ in expected]
    assert (edges.edges // 4).tolist() == [pixel for _, pixel, _ in expected]
    for k, min_size in ((5, 1), (20, 4), (60, 12)):
        labels, count = segment(edges, k, min_size)
        assert labels.dtype == np.int32
        np.testing.assert_array_equal(labels, superpixels(image, k, min_size))
        assert count == labels.max() + 1
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("seed", range(24))
def test_fragments_of_a_small_scale_do_for_all_larger_ones(seed: int) -> None:
    image = random_picture(seed)
    edges = sort_edges(image)
    for smallest in (3, 20):
        fragments = grow_fragments(edges, smallest)
        sizes = np.bincount(fragments.labels.ravel())
        assert fragments.sizes.tolist() == sizes.tolist()
        assert (fragments.first < fragments.second).all()
        assert len(set(zip(fragments.first.tolist(), fragments.second.tolist(), strict=True))) == len(fragments.first)
        assert (np.diff(fragments.weights.astype(int)) >= 0).all()
        for k, min_size in ((20, 1), (20, 6), (31.5, 1), (90, 12)):
            found = join_fragments(fragments, k, min_size)
            labels = found.of_fragment[fragments.labels]
            np.testing.assert_array_equal(labels, superpixels(image, k, min_size))
            assert found.count == labels.max() + 1
            np.testing.assert_array_equal(found.pairs, touching_pairs(labels))


@pytest.mark.parametrize("seed", range(12))
def test_padding_moves_the_superpixels_and_changes_none(seed: int) -> None:
    """A picture on a flat ground far from its own colours, at two places: the same superpixels, moved."""
    picture = np.random.default_rng(seed).integers(0, 120, (17, 23, 3), np.uint8)
    found = []
    for top, left in ((6, 7), (11, 9)):
        ground = np.full((40, 45, 3), 255, np.uint8)
        ground[top : top + 17, left : left + 23] = picture
        labels, _ = segment(sort_edges(smoothed(ground)), 40, 3)
        found.append(labels[top - 4 : top + 21, left - 4 : left + 27])
    np.testing.assert_array_equal(as_partition(found[0]), as_partition(found[1]))


@pytest.mark.parametrize("seed", range(8))
def test_the_order_of_channels_does_not_matter(seed: int) -> None:
    """Colours of whole numbers: their squared distances are exact in whatever order they are added."""
    image = np.random.default_rng(seed).integers(0, 256, (14, 19, 3)).astype(np.float32)
    expected = segment(sort_edges(image), 60, 4)[0]
    permuted = np.ascontiguousarray(image[:, :, [1, 2, 0]])
    np.testing.assert_array_equal(segment(sort_edges(permuted), 60, 4)[0], expected)


@pytest.mark.parametrize("k", [1e-6, 0.004, 1 / 128, 0.5])
def test_scales_below_the_step_of_weights(k: float) -> None:
    image = random_picture(5)
    for min_size in (0, 1, 3):
        np.testing.assert_array_equal(segment(sort_edges(image), k, min_size)[0], superpixels(image, k, min_size))


def test_fragments_by_hand() -> None:
    # 0 and 10 join at k = 18, the step of 20 is refused (see above) and put off: 34.64 * 128 = 4434, and the heaviest
    # edge inside the first fragment is 17.32 * 128 = 2217.
    fragments = grow_fragments(sort_edges(grey([[0, 10, 30]])), 18)
    assert fragments.labels.tolist() == [[0, 0, 1]]
    assert (fragments.sizes.tolist(), fragments.heaviest.tolist()) == ([2, 1], [2217, 0])
    assert (fragments.first.tolist(), fragments.second.tolist(), fragments.weights.tolist()) == ([0], [1], [4434])
    # at k = 34.7 pixel and pair both allow it
    assert join_fragments(fragments, 34.6, 1).count == 2
    assert join_fragments(fragments, 34.7, 1).count == 1


def test_a_scale_below_that_of_the_fragments_is_refused() -> None:
    edges = sort_edges(grey([[0, 10, 30]]))
    with pytest.raises(ValueError, match="k: expected at least the fragments' 18, got 17"):
        join_fragments(grow_fragments(edges, 18), 17, 1)
    with pytest.raises(ValueError, match="k: expected a number above 0, got 0"):
        grow_fragments(edges, 0)


def test_a_huge_scale_joins_everything() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3)).astype(np.float32)
    assert segment(sort_edges(image), 1e300, 1)[1] == 1


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (2, 2)])
def test_thin_pictures_have_the_edges_that_fit(size: tuple[int, int]) -> None:
    height, width = size
    edges = sort_edges(np.zeros((height, width, 3), np.float32))
    assert len(edges.edges) == height * (width - 1) + width * (height - 1) + 2 * (height - 1) * (width - 1)
    labels, count = segment(edges, 50, 50)
    assert count == 1
    assert not labels.any()


def test_superpixels_of_noise_are_connected_and_large_enough() -> None:
    image = np.random.default_rng(3).integers(0, 256, (60, 80, 3), np.uint8)
    labels, count = segment(sort_edges(smoothed(image)), 100, 30)
    sizes = np.bincount(labels.ravel())
    assert len(sizes) == count
    assert sizes.min() >= 30
    for label in range(count):
        assert ndimage.label(labels == label, EIGHT)[1] == 1


def test_a_larger_k_gives_fewer_superpixels_and_skimage_about_as_many() -> None:
    image = data.chelsea()[::2, ::2]
    edges = sort_edges(smoothed(np.ascontiguousarray(image)))
    counts = [segment(edges, k, 20)[1] for k in (50, 100, 300)]
    assert counts[0] > counts[1] > counts[2]
    # skimage compares colours in 0..1 with scale / 255, so its scale is our k; it orders ties otherwise.
    theirs = felzenszwalb(image, scale=100, sigma=0.8, min_size=20).max() + 1
    assert 0.8 < counts[1] / theirs < 1.25
