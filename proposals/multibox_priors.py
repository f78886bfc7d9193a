"""Where MultiBox's boxes start from: clustered objects, or the cells of several grids.

All boxes here are normalised: x1, y1, x2, y2 in units of the image's width and height.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import vq

from proposals.recall import best_overlaps, recall

MOST_ROUNDS = 100  # of K-means; it usually stands still sooner
TOLERANCE = 1e-3  # how far outside the image rounding may put a normalised corner
# The shapes of a cell: size, in thirds of the way to the next coarser grid, and width / height.
SHAPES = (*((third, aspect) for third in range(3) for aspect in (1 / 2, 1, 2)), (1, 1 / 3), (1, 3))
SMALLEST = 1.25  # side of a cell's smallest square, in cells
_CHUNK = 4096  # objects compared with all priors at a time


def cluster_priors(boxes: NDArray[np.floating], count: int, seed: int) -> NDArray[np.float32]:
    """Priors by K-means of ground-truth boxes (MultiBox), started by K-means++.

    Lloyd's rounds until no box changes its cluster, at most `MOST_ROUNDS`. A cluster that loses all its boxes starts
    anew at the box that is farthest from its centre. The order of the boxes does not matter: they are sorted first.

    Args:
        boxes: (N, 4) normalised, areas above 0; equal ones count as often as they come.
        count: of priors.
        seed: of K-means++.
    Returns:
        (count, 4), largest area first, equal areas by x1, y1, x2, y2.
    Raises:
        ValueError: if boxes are not as above, or fewer than `count` are distinct.
    """
    _check_boxes(boxes)
    points = np.asarray(boxes, np.float64)
    points = points[np.lexsort(points.T[::-1])]
    distinct = len(np.unique(points, axis=0))
    if not 1 <= count <= distinct:
        raise ValueError(f"count: expected 1..{distinct}, one for each distinct box at most, got {count}")
    centres = _spread_centres(points, count, np.random.default_rng(seed))
    cluster = np.full(len(points), -1)
    for _ in range(MOST_ROUNDS):
        nearest, distances = vq(points, centres, check_finite=False)
        if np.array_equal(nearest, cluster):
            break
        cluster = nearest
        centres = _moved_centres(points, cluster, distances, count)
    return _largest_first(centres.astype(np.float32))


def grid_priors(grids: Sequence[int]) -> NDArray[np.float32]:
    """Priors of the convolutional heads: 11 in each cell of each grid, one for the 1 × 1 grid.

    After MSC-MultiBox (Szegedy, Reed, Erhan and Anguelov, Scalable, high-quality object detection, 2014).

    The numbers are the paper's, the shapes ours. A cell's squares have sides of `SMALLEST` cells
    times r^0, r^(1/3) and r^(2/3), r being the ratio to the next coarser grid (2 where there is none): the grids
    follow one another in even steps. Every square has a lying and a standing rectangle of its area, 2 : 1, and the
    middle one two more, 3 : 1. All are centred on the cell and clipped to the image. The 1 × 1 grid's is the image.

    Args:
        grids: cells along a side, finest first; the paper: 8, 6, 4, 3, 2, 1.
    Returns:
        (K, 4), K = `num_grid_priors`: grids in order, cells row by row, shapes in the order of `SHAPES`.
    Raises:
        ValueError: if there is no grid, one is below 1, or they do not become coarser.
    """
    _check_grids(grids)
    coarser = [*grids[1:], grids[-1] / 2]
    return np.concatenate([_cells(grid, grid / after) for grid, after in zip(grids, coarser, strict=True)])


def num_grid_priors(grids: Sequence[int]) -> int:
    """How many `grid_priors` there are: 11 Σ n² over the grids, but 1 for the 1 × 1."""
    return sum(priors_per_cell(grid) * grid**2 for grid in grids)


def priors_per_cell(grid: int) -> int:
    """11; of the 1 × 1 grid, 1."""
    return len(SHAPES) if grid > 1 else 1


def prior_coverage(priors: NDArray[np.floating], boxes: NDArray[np.floating], iou: float = 0.5) -> float:
    """Share of objects that some prior overlaps by at least `iou`: what a network that learnt no offsets could cover.

    Args:
        priors: (K, 4). boxes: (M, 4).
    Returns:
        NaN without objects.
    """
    starts = range(0, max(1, len(boxes)), _CHUNK)
    overlaps = [best_overlaps(boxes[start : start + _CHUNK], priors, (None,))[0] for start in starts]
    return float(recall(np.concatenate(overlaps), iou))


def _spread_centres(points: NDArray[np.float64], count: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """K-means++ (Arthur and Vassilvitskii, 2007): each next centre is a point, drawn by its squared distance to them.

    No point is drawn twice, nor one that equals another.
    """
    chosen = [int(generator.integers(len(points)))]
    squares = np.full(len(points), np.inf)
    while len(chosen) < count:
        squares = np.minimum(squares, ((points - points[chosen[-1]]) ** 2).sum(axis=1))
        chosen.append(int(generator.choice(len(points), p=squares / squares.sum())))
    return points[chosen]


def _moved_centres(
    points: NDArray[np.float64], cluster: NDArray[np.integer], distances: NDArray[np.float64], count: int
) -> NDArray[np.float64]:
    """(count, 4) means of the clusters; empty ones take the worst represented points, worst first."""
    sizes = np.bincount(cluster, minlength=count)
    sums = np.stack([np.bincount(cluster, weights=column, minlength=count) for column in points.T], axis=1)
    centres: NDArray[np.float64] = sums / np.maximum(sizes, 1)[:, None]
    empty = np.flatnonzero(sizes == 0)
    centres[empty] = points[np.argsort(-distances, kind="stable")[: len(empty)]]
    return centres


def _largest_first(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    x1, y1, x2, y2 = boxes.astype(np.float64).T
    return boxes[np.lexsort((y2, x2, y1, x1, -(x2 - x1) * (y2 - y1)))]


def _cells(grid: int, ratio: float) -> NDArray[np.float32]:
    """Priors of one grid, of which the next coarser has `ratio` times larger cells."""
    if grid == 1:
        return np.array([[0, 0, 1, 1]], np.float32)
    sizes, aspects = np.array(SHAPES).T
    side = SMALLEST / grid * ratio ** (sizes / 3)
    half = np.stack([side * np.sqrt(aspects), side / np.sqrt(aspects)], axis=1) / 2
    y, x = (np.indices((grid, grid)).reshape(2, -1, 1) + 0.5) / grid
    corners = np.stack([x - half[:, 0], y - half[:, 1], x + half[:, 0], y + half[:, 1]], axis=2)
    priors: NDArray[np.float32] = np.clip(corners.reshape(-1, 4), 0, 1).astype(np.float32)
    return priors


def _check_grids(grids: Sequence[int]) -> None:
    if not grids or min(grids) < 1 or any(after >= grid for grid, after in pairwise(grids)):
        raise ValueError(f"grids: expected numbers of at least 1, each below the one before, got {tuple(grids)}")


def _check_boxes(boxes: NDArray[np.floating]) -> None:
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"boxes: expected (N, 4), got {boxes.shape}")
    inside = np.all((boxes >= -TOLERANCE) & (boxes <= 1 + TOLERANCE))
    if not inside or np.any(boxes[:, 2:] <= boxes[:, :2]):
        raise ValueError("boxes: expected normalised corners in [0, 1] and areas above 0, got others")
