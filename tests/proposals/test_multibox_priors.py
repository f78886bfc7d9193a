"""Priors: K-means of boxes, the cells of grids, and how many objects they reach by themselves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proposals.multibox_priors import (
    SHAPES,
    cluster_priors,
    grid_priors,
    num_grid_priors,
    prior_coverage,
    priors_per_cell,
)

PAPER = (8, 6, 4, 3, 2, 1)
OURS = (14, 7, 5, 3, 2, 1)


def random_boxes(seed: int, count: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 0.6, (count, 2))
    return np.concatenate([corners, corners + rng.uniform(0.05, 0.4, (count, 2))], axis=1)


def within_clusters(boxes: np.ndarray, priors: np.ndarray) -> float:
    """What K-means minimises: the squared distance of each box to the nearest prior."""
    return float(((boxes[:, None] - priors[None].astype(float)) ** 2).sum(axis=2).min(axis=1).sum())


def test_two_clusters_by_hand() -> None:
    left = [[0.0, 0.0, 0.2, 0.4], [0.1, 0.0, 0.3, 0.4], [0.2, 0.0, 0.4, 0.4]]
    right = [[0.5, 0.2, 0.9, 1.0], [0.6, 0.2, 1.0, 1.0]]
    found = cluster_priors(np.array(left + right), 2, seed=0)
    # Means: (0.5 + 0.6) / 2 and (0.9 + 1) / 2, area 0.4 · 0.8; then (0 + 0.1 + 0.2) / 3 and so on, area 0.2 · 0.4.
    np.testing.assert_allclose(found, [[0.55, 0.2, 0.95, 1.0], [0.1, 0.0, 0.3, 0.4]], rtol=1e-6)
    assert found.dtype == np.float32


def test_equal_boxes_count_as_often_as_they_come() -> None:
    boxes = np.array([[0, 0, 0.4, 0.4]] * 3 + [[0, 0, 0.8, 0.8]])
    np.testing.assert_allclose(cluster_priors(boxes, 1, 0), [[0, 0, 0.5, 0.5]], rtol=1e-6)  # (3 · 0.4 + 0.8) / 4


@pytest.mark.parametrize("seed", range(5))
def test_a_prior_is_the_mean_of_its_boxes(seed: int) -> None:
    """Lloyd's fixed point: nothing changes in another round, by the obvious loop."""
    boxes = random_boxes(seed, 200)
    priors = cluster_priors(boxes, 12, seed)
    nearest = [min(range(12), key=lambda k: ((box - priors[k]) ** 2).sum()) for box in boxes]
    for k in range(12):
        mine = [box for box, one in zip(boxes, nearest, strict=True) if one == k]
        np.testing.assert_allclose(np.mean(mine, axis=0), priors[k], atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_seeded_and_blind_to_the_order_of_boxes(seed: int) -> None:
    boxes = random_boxes(seed, 100)
    before = boxes.copy()
    found = cluster_priors(boxes, 9, seed)
    np.testing.assert_array_equal(cluster_priors(boxes, 9, seed), found)
    shuffled = np.random.default_rng(1).permutation(boxes)
    np.testing.assert_array_equal(cluster_priors(shuffled, 9, seed), found)
    np.testing.assert_array_equal(boxes, before)
    assert not np.array_equal(cluster_priors(boxes, 9, seed + 1), found)


@given(st.integers(0, 1000), st.integers(1, 60), st.data())
def test_laws_of_clustering(seed: int, count: int, data: st.DataObject) -> None:
    boxes = random_boxes(seed, count)
    boxes = boxes[np.random.default_rng(seed).integers(0, count, 2 * count)]  # some twice, some never
    distinct = np.unique(boxes, axis=0)
    k = data.draw(st.integers(1, len(distinct)))
    priors = cluster_priors(boxes, k, seed)
    assert priors.shape == (k, 4)
    assert len(np.unique(priors, axis=0)) == k
    areas = (priors[:, 2:].astype(float) - priors[:, :2]).prod(axis=1)
    assert (np.diff(areas) <= 0).all()
    assert (priors >= boxes.min(axis=0) - 1e-6).all()
    assert (priors <= boxes.max(axis=0) + 1e-6).all()
    mean = boxes.mean(axis=0, keepdims=True)
    assert within_clusters(boxes, priors) <= within_clusters(boxes, mean) + 1e-6


def test_as_many_priors_as_boxes_are_the_boxes() -> None:
    boxes = random_boxes(3, 20).astype(np.float32)
    priors = cluster_priors(np.concatenate([boxes, boxes]), 20, 0)
    np.testing.assert_array_equal(np.unique(priors, axis=0), np.unique(boxes, axis=0))


def test_more_priors_than_distinct_boxes() -> None:
    boxes = np.repeat(random_boxes(0, 3), 5, axis=0)
    with pytest.raises(ValueError, match=r"count: expected 1\.\.3, one for each distinct box at most, got 4"):
        cluster_priors(boxes, 4, 0)
    with pytest.raises(ValueError, match=r"count: expected 1\.\.3"):
        cluster_priors(boxes, 0, 0)
    with pytest.raises(ValueError, match=r"count: expected 1\.\.0"):
        cluster_priors(np.zeros((0, 4)), 1, 0)


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ([0, 0, 20, 30], r"boxes: expected normalised corners in \[0, 1\] and areas above 0"),  # pixels
        ([0.5, 0, 0.5, 1], "areas above 0"),
        ([0, np.nan, 1, 1], "normalised corners"),
        ([0, 0, 1], r"boxes: expected \(N, 4\), got \(1, 3\)"),
    ],
)
def test_boxes_that_are_none(box: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cluster_priors(np.array([box]), 1, 0)


@pytest.mark.parametrize("grids", [PAPER, OURS, (7,), (7, 1), (7, 5, 3), (1,), (40, 2)])
def test_how_many(grids: tuple[int, ...]) -> None:
    expected = sum(1 if n == 1 else 11 * n * n for n in grids)
    assert num_grid_priors(grids) == expected
    priors = grid_priors(grids)
    assert priors.shape == (expected, 4)
    assert priors.dtype == np.float32
    assert (priors >= 0).all()
    assert (priors <= 1).all()
    assert (priors[:, 2:] > priors[:, :2]).all()
    assert len(np.unique(priors, axis=0)) == expected


def test_the_papers_number() -> None:
    assert num_grid_priors(PAPER) == 11 * (64 + 36 + 16 + 9 + 4) + 1 == 1420
    assert num_grid_priors(OURS) == 11 * (196 + 49 + 25 + 9 + 4) + 1 == 3114
    assert [priors_per_cell(n) for n in (14, 2, 1)] == [11, 11, 1]
    assert len(SHAPES) == 11


def test_shapes_by_hand() -> None:
    """Row 4, column 2 of a 10 × 10 grid alone: centre (0.25, 0.45), sides 0.125 · 2^(0, 1/3, 2/3)."""
    priors = grid_priors((10,))[11 * (4 * 10 + 2) :][:11].astype(np.float64)
    np.testing.assert_allclose((priors[:, :2] + priors[:, 2:]) / 2, [[0.25, 0.45]] * 11, atol=1e-6)
    sides = priors[:, 2:] - priors[:, :2]
    thirds = [0, 0, 0, 1, 1, 1, 2, 2, 2, 1, 1]
    aspects = [1 / 2, 1, 2] * 3 + [1 / 3, 3]
    np.testing.assert_allclose(np.sqrt(sides.prod(axis=1)), [0.125 * 2 ** (third / 3) for third in thirds], rtol=1e-5)
    np.testing.assert_allclose(sides[:, 0] / sides[:, 1], aspects, rtol=1e-5)


def test_grids_meet() -> None:
    """The sizes of squares, unclipped in the middle cell of odd grids, are in even steps across grids."""
    fine, coarse = (grid_priors(grids) for grids in ((9, 5), (5, 3)))
    middle = [fine[11 * 40 :][:11], coarse[11 * 12 :][:11]]
    sizes = np.concatenate([np.sqrt((p[:, 2:] - p[:, :2]).prod(axis=1))[[1, 4, 7]] for p in middle])
    steps = sizes[1:] / sizes[:-1]
    np.testing.assert_allclose(steps, [(9 / 5) ** (1 / 3)] * 3 + [(5 / 3) ** (1 / 3)] * 2, rtol=1e-5)


def test_the_coarsest_cell_is_the_image() -> None:
    assert grid_priors(OURS)[-1].tolist() == [0, 0, 1, 1]
    assert grid_priors((1,)).tolist() == [[0, 0, 1, 1]]


def test_a_prior_at_the_border_is_clipped() -> None:
    # The first cell of 2 × 2: centre 0.25, side 0.625: from −0.0625 to 0.5625.
    np.testing.assert_allclose(grid_priors((2,))[1], [0, 0, 0.5625, 0.5625], rtol=1e-6)


@pytest.mark.parametrize("grids", [(), (0,), (7, 7), (5, 7), (7, 0)])
def test_grids_that_are_none(grids: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="grids: expected numbers of at least 1, each below the one before, got"):
        grid_priors(grids)


def test_coverage_by_hand() -> None:
    priors = np.array([[0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1]])
    boxes = np.array([[0, 0, 0.5, 0.5], [0, 0, 0.5, 0.25], [0, 0, 0.25, 0.25], [0.5, 0.5, 1, 0.9]])
    # IoU 1; 0.5 exactly; 0.25; 0.8.
    assert prior_coverage(priors, boxes) == 3 / 4
    assert prior_coverage(priors, boxes, iou=0.6) == 2 / 4
    assert prior_coverage(priors, boxes, iou=0.2) == 1
    assert np.isnan(prior_coverage(priors, np.zeros((0, 4))))


def test_coverage_of_many_objects_is_that_of_all() -> None:
    """More than are compared at a time."""
    boxes = np.tile(random_boxes(0, 50), (100, 1))
    priors = cluster_priors(boxes, 10, 0)
    assert prior_coverage(priors, boxes) == pytest.approx(prior_coverage(priors, boxes[:50]))
    assert 0 < prior_coverage(priors, boxes) < 1


def test_more_clusters_cover_more() -> None:
    boxes = random_boxes(0, 300)
    covered = [prior_coverage(cluster_priors(boxes, k, 0), boxes) for k in (3, 30, 300)]
    assert covered == sorted(covered)
    assert covered[-1] == 1
