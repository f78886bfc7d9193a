"""From photos with known objects to what a box is worth by its rank: the calibration of `merge`."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from proposals.merged_proposals import MergeCalibration, RankValue
from proposals.recall import box_overlaps

# Of log h(1), log(1 + b) and c: chances from 1e-6 to all but 1, b up to 10,000 ranks.
BOUNDS = ((math.log(1e-6), math.log1p(-1e-6)), (0.0, math.log(1e4)), (0.0, 20.0))
STARTS = ((-3.0, 0.0, 0.5), (-3.0, 3.0, 1.0), (-1.0, 1.0, 1.0), (-5.0, 5.0, 2.0))
JOINT_STARTS = ((-1.3, 2.8, 2.0), (-2.0, 2.0, 1.0), (-1.0, 3.0, 1.5))
SIMPLEX = np.array([[0.0, 0.0, 0.0], [2.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.5]])
COUNTS = np.unique(np.geomspace(5, 1000, 40).round())  # of boxes, at which a merged list is judged


@dataclass(frozen=True)
class FirstRanks:
    """When each object was first covered.

    Attributes:
        first: (M,) int64 rank, from 1, of the first box with IoU at least 0.5; 0: no box of its photo has.
        lengths: (M,) int64 boxes of its photo.
    Raises:
        ValueError: if a rank is below 0 or above the length, or the shapes differ.
    """

    first: NDArray[np.int64]
    lengths: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.first.ndim != 1 or self.first.shape != self.lengths.shape:
            raise ValueError(f"first: expected as many as lengths, got {self.first.shape} and {self.lengths.shape}")
        if np.any((self.first < 0) | (self.first > self.lengths)):
            raise ValueError("first: expected ranks from 1 to the length of the list, or 0, got another")

    @staticmethod
    def join(parts: Iterable[FirstRanks]) -> FirstRanks:
        """Those of several photos."""
        several = [FirstRanks(np.zeros(0, np.int64), np.zeros(0, np.int64)), *parts]
        return FirstRanks(*(np.concatenate([getattr(one, name) for one in several]) for name in ("first", "lengths")))


def first_ranks(truth_boxes: NDArray[np.floating], boxes: NDArray[np.floating], iou: float = 0.5) -> FirstRanks:
    """Of the objects of one photo, (M, 4), in boxes (N, 4), best first; M and N may be 0."""
    covers = box_overlaps(truth_boxes, boxes) >= iou
    first = np.where(covers.any(axis=1), covers.argmax(axis=1) + 1, 0) if len(boxes) else np.zeros(len(truth_boxes))
    return FirstRanks(first.astype(np.int64), np.full(len(truth_boxes), len(boxes), np.int64))


def fit(search: FirstRanks, multibox: FirstRanks) -> MergeCalibration:
    """The values whose merged list covers most objects of these photos, by `mean_coverage`.

    First each list by itself, by maximum likelihood (`fit_rank_value`). That would be the best order if the lists
    covered objects independently of each other. They do not: what one finds at once, the other finds at once too, and
    what is left is hard for both. So MultiBox's values are then moved, beside those of the search, which stay.

    Args:
        search, multibox: of the same objects, in the same order.
    Raises:
        ValueError: if they are not of as many objects, or one list covers none.
    """
    if len(search.first) != len(multibox.first):
        raise ValueError(
            f"ranks: expected those of the same objects, got {len(search.first)} and {len(multibox.first)}"
        )
    fixed, alone = fit_rank_value(search), fit_rank_value(multibox)

    def calibration(parameters: NDArray[np.float64]) -> MergeCalibration:
        return MergeCalibration(search=fixed, multibox=_rank_value(np.clip(parameters, *np.transpose(BOUNDS))))

    def cost(parameters: NDArray[np.float64]) -> float:
        return -mean_coverage(search, multibox, calibration(parameters))

    # The cost is a step function: it has no slopes, and simplices must be large enough to see over the steps.
    begin = np.array([math.log(alone.values(1)[0]), math.log1p(alone.b), alone.c])
    best = begin
    for start in (begin, *map(np.array, JOINT_STARTS)):
        for size in (0.3, 1.0):
            found = minimize(cost, start, method="Nelder-Mead", options={"initial_simplex": start + size * SIMPLEX})
            best = found.x if found.fun < cost(best) else best
    return calibration(best)


def mean_coverage(search: FirstRanks, multibox: FirstRanks, calibration: MergeCalibration) -> float:
    """Share of the objects that the first N boxes of the merged list cover, in the mean over `COUNTS` of N.

    Near duplicates are not looked for: they cover nothing new. NaN without objects.
    """
    ours, theirs = (
        value.values(int(ranks.lengths.max(initial=0)))
        for value, ranks in ((calibration.search, search), (calibration.multibox, multibox))
    )
    # How many boxes of the other list are before each; of equal values, MultiBox's box comes first.
    before_search = np.searchsorted(-theirs, -ours, side="right")
    before_multibox = np.searchsorted(-ours, -theirs, side="left")
    places = np.minimum(
        _places(search, before_search, multibox.lengths), _places(multibox, before_multibox, search.lengths)
    )
    return float((places[:, None] <= COUNTS).mean()) if len(places) else math.nan


def _places(ranks: FirstRanks, before: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.float64]:
    """(M,) place in the merged list of the first box of this list that covers an object; infinity where none does."""
    places = np.full(len(ranks.first), np.inf)
    found = ranks.first > 0
    places[found] = ranks.first[found] + np.minimum(before[ranks.first[found] - 1], others[found])
    return places


def fit_rank_value(ranks: FirstRanks) -> RankValue:
    """The a, b and c under which these first ranks are likeliest.

    At rank r, n objects are left whose list goes on, and the box there covers d of them, each with the chance
    h(r) = a · (r + b)^(−c): the likelihood is the product over r of h^d · (1 − h)^(n − d). An object that is never
    covered counts up to the end of its list. h never rises, and stays below 1.

    Raises:
        ValueError: if no object is covered.
    """
    left, covered = left_and_covered(ranks)
    if not covered.any():
        raise ValueError(f"ranks: expected at least one object that is covered, got none of {len(ranks.first)}")

    def cost(parameters: NDArray[np.float64]) -> float:
        chance = _rank_value(parameters).values(len(left))
        return -float(covered @ np.log(chance) + (left - covered) @ np.log1p(-chance)) / len(ranks.first)

    results = [minimize(cost, start, method="L-BFGS-B", bounds=BOUNDS) for start in STARTS]
    return _rank_value(min(results, key=lambda result: float(result.fun)).x)


def left_and_covered(ranks: FirstRanks) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each rank from 1 to the longest list's end: objects not covered before whose list has it; covered by it."""
    longest = int(ranks.lengths.max(initial=0))
    covered = np.bincount(ranks.first[ranks.first > 0] - 1, minlength=longest)
    last = np.where(ranks.first > 0, ranks.first, ranks.lengths)  # where an object is left for the last time
    left = np.cumsum(np.bincount(last, minlength=longest + 1)[::-1])[::-1][1:]
    return left, covered


def _rank_value(parameters: NDArray[np.float64]) -> RankValue:
    """From log h(1), log(1 + b) and c, whose ranges do not depend on each other."""
    log_first, log_shift, power = (float(value) for value in parameters)
    return RankValue(a=math.exp(log_first + power * log_shift), b=math.expm1(log_shift), c=power)
